/* report_sandbox.c - the sandbox of a run in report.md: what was in force, and the limits of each jail as a table.
 *
 * The object comes from the worker (sandbox_report.c there). Nothing here relies on its shape: what is known gets a form that can
 * be read, what is not is shown all the same, as a value in one line.
 */
#include <string.h>

#include "common/buf.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/denials.h"
#include "supervisor/seal.h"

#define LIMITS "limits"

static const cJSON *member(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

/* A value in one line: lists by commas, objects as "name value". The worker's report is flat enough; deeper is JSON. */
static void put_value(struct buf *b, const cJSON *v, int depth) {
    if (cJSON_IsString(v)) {
        report_put_text(b, v->valuestring, true);
    } else if ((depth < 3 && cJSON_IsArray(v)) || (depth < 2 && cJSON_IsObject(v))) {
        const char *sep = "";
        for (const cJSON *c = v->child; c; c = c->next) {
            if (depth == 0 && cJSON_IsObject(v) && cJSON_IsObject(c) && strcmp(c->string, LIMITS) == 0)
                continue; /* the table */
            buf_puts(b, sep);
            if (cJSON_IsObject(v)) {
                report_put_text(b, c->string, true);
                buf_puts(b, " ");
            }
            put_value(b, c, depth + 1);
            sep = cJSON_IsObject(v) ? "; " : ", ";
        }
        if (!*sep) buf_puts(b, "none");
    } else {
        AUTO_FREE char *text = cJSON_PrintUnformatted(v);
        BUG_UNLESS(text != NULL);
        report_put_text(b, text, true);
    }
}

static void put_row(struct buf *b, const char *jail, const cJSON *limit) {
    const cJSON *mechanism = member(limit, "mechanism");
    buf_puts(b, "| ");
    report_put_text(b, jail, true);
    buf_puts(b, " | ");
    report_put_text(b, limit->string, true);
    buf_puts(b, " | ");
    put_value(b, cJSON_IsObject(limit) ? member(limit, "value") : limit, 1);
    buf_puts(b, " | ");
    if (cJSON_IsString(mechanism)) report_put_text(b, mechanism->valuestring, true);
    buf_printf(b, " | %s |\n", cJSON_IsTrue(member(limit, "guarantee")) ? "guarantee" : "kill threshold");
}

static void put_limits(struct buf *b, const cJSON *o) {
    bool first = true;
    for (const cJSON *jail = o->child; jail; jail = jail->next) {
        const cJSON *limits = member(jail, LIMITS);
        for (const cJSON *l = cJSON_IsObject(limits) ? limits->child : NULL; l; l = l->next) {
            if (first) buf_puts(b, "\n| jail | limit | value | held by | as |\n|---|---|---:|---|---|\n");
            first = false;
            put_row(b, jail->string, l);
        }
    }
}

/* "version 0" says nothing to a person: it is that there was no group. */
static void put_cgroup(struct buf *b, const cJSON *v) {
    const cJSON *version = member(v, "version"), *why = member(v, "why");
    if (!cJSON_IsNumber(version) || version->valueint == 0)
        buf_puts(b, "none");
    else
        buf_printf(b, "version %d", version->valueint);
    if (!cJSON_IsString(why) || !why->valuestring[0]) return;
    buf_puts(b, "; ");
    report_put_text(b, why->valuestring, true);
}

/* What this kernel's Landlock cannot refuse, each with what does in its place. */
static void put_missing(struct buf *b, const cJSON *v) {
    if (!v->child) buf_puts(b, "none");
    for (const cJSON *c = v->child; c; c = c->next) {
        report_put_text(b, c->string, true);
        buf_puts(b, " (instead: ");
        put_value(b, c, 1);
        buf_puts(b, c->next ? "), " : ")");
    }
}

void report_put_sandbox(struct buf *b, const struct run_record *r) {
    cJSON *o = r->sandbox_json ? cJSON_Parse(r->sandbox_json) : NULL;
    if (!cJSON_IsObject(o)) buf_puts(b, "No sandbox was started.\n");
    for (const cJSON *c = cJSON_IsObject(o) ? o->child : NULL; c; c = c->next) {
        buf_puts(b, "- ");
        report_put_text(b, c->string, true);
        buf_puts(b, ": ");
        if (cJSON_IsObject(c) && strcmp(c->string, "cgroup") == 0)
            put_cgroup(b, c);
        else if (cJSON_IsObject(c) && strcmp(c->string, "landlock_missing") == 0)
            put_missing(b, c);
        else
            put_value(b, c, 0);
        buf_puts(b, "\n");
    }
    denials_md(b, r);
    if (cJSON_IsObject(o)) put_limits(b, o);
    cJSON_Delete(o);
}
