/* source_fresh.c - see source_fresh.h. */
#include "supervisor/source_fresh.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"

const char *freshness_name(enum freshness f) {
    static const char *const names[] = {"not_applicable", "missing", "stale", "fresh"};
    BUG_UNLESS((unsigned)f < 4);
    return names[f];
}

static void say(struct source_fresh *r, enum freshness state, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct source_fresh *r, enum freshness state, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
    r->state = state;
}

static void judge(struct source_fresh *r, const struct store_admission *row, int64_t checked_ms) {
    struct admission a;
    struct err e = ERR_INIT;
    if (row->revoked_ms) {
        say(r, FRESH_STALE, "the newest source admission was revoked");
        return;
    }
    if (admission_read(ADMIT_SOURCE, row->id, row->record, strlen(row->record), &a, &e) < 0) {
        say(r, FRESH_STALE, "the newest source admission cannot be read any more");
        return;
    }
    const char *commit = admission_text(&a, "pinned_commit");
    snprintf(r->pin, sizeof r->pin, "%.150s", commit[0] ? commit : admission_text(&a, "pinned_tag"));
    if (a.n_refusals > 0)
        say(r, FRESH_STALE, "%.190s", a.refusals[0].text);
    else if (strcmp(admission_text(&a, "license_note"), "resolved") != 0)
        say(r, FRESH_STALE, "the license of the source is not resolved");
    else if (checked_ms > 0 && row->recorded_ms > checked_ms)
        say(r, FRESH_STALE, "the source was admitted anew after the adapter and the runs were checked");
    else
        r->state = FRESH;
    admission_release(&a);
}

void source_fresh_read(struct source_fresh *ret, const struct engine *en, struct store *s, int64_t checked_ms) {
    *ret = (struct source_fresh){0};
    if (!en->source) {
        say(ret, FRESH_NOT_APPLICABLE, "the %s backend has no source of its own to admit", en->name);
        return;
    }
    struct store_admission *row = calloc(1, sizeof *row);
    struct err e = ERR_INIT;
    BUG_UNLESS(row != NULL);
    if (!s || store_admission_newest(s, "source", en->source, row, &e) < 0) {
        say(ret, FRESH_MISSING, "no source admission of %.60s was recorded", en->source);
    } else {
        snprintf(ret->id, sizeof ret->id, "%s", row->id);
        snprintf(ret->sha256, sizeof ret->sha256, "%s", row->digest);
        ret->recorded_ms = row->recorded_ms;
        judge(ret, row, checked_ms);
        free(row->record);
    }
    free(row);
}

cJSON *source_fresh_json(const struct source_fresh *f) {
    cJSON *o = cJSON_CreateObject();
    char stamp[CLOCK_STAMP_SIZE];
    BUG_UNLESS(o != NULL);
    clock_stamp(f->recorded_ms, stamp);
    json_put_str(o, "status", freshness_name(f->state));
    json_put_str(o, "admission_id", f->id[0] ? f->id : NULL);
    json_put_str(o, "admission_sha256", f->sha256[0] ? f->sha256 : NULL);
    json_put_str(o, "pin", f->pin[0] ? f->pin : NULL);
    json_put_str(o, "recorded_at", f->recorded_ms ? stamp : NULL);
    json_put_str(o, "rationale", f->why[0] ? f->why : NULL);
    return o;
}
