/* validate_refresh.c - `validate stage6-real-refresh`: the newest refresh of this home, held against the evidence as it is now. The
 * passes that it names are imported anew and the document is made again: what differs is stale, or was never so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/commands/refresh_run.h"
#include "supervisor/locate.h"
#include "supervisor/standing.h"

struct check {
    const struct global_options *g;
    struct refresh *x;
    cJSON *checked, *errors, *doc;
    bool missing; /* there is no refresh at all */
};

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static void hold(struct check *c, const char *name, bool holds, const char *else_text) {
    char text[400];
    cJSON_AddItemToArray(c->checked, cJSON_CreateString(name));
    if (holds) return;
    snprintf(text, sizeof text, "%s: %.340s", name, else_text);
    cJSON_AddItemToArray(c->errors, cJSON_CreateString(text));
}

static bool says(const cJSON *o, const char *key, const char *word) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s && strcmp(s, word) == 0;
}

static void check_document(struct check *c) {
    const cJSON *doc = c->doc, *required = get(doc, "repeatability_required");
    const char *secret = refresh_secret_key(doc), *claim = refresh_claim(doc);
    hold(c, "refresh_type", says(doc, "refresh_type", "stage6-real-governed-read-only"), "it is of another type");
    hold(c, "repeatability_required", cJSON_IsNumber(required) && required->valueint == LADDER_REPEATS, "it is not 2");
    hold(c, STANDING_ACTIVATION_KEY "_false", standing_activation_false(doc), "the document says otherwise");
    hold(c, STANDING_PROMOTION_KEY, standing_not_promoted(doc), "the document says otherwise");
    hold(c, "no_activation_or_promotion", !claim, claim ? claim : "");
    hold(c, "no_secret_shaped_keys", !secret, secret ? secret : "");
}

/* The passes as they stand in the document; -1: it has none, or more than two. */
static int runs_of(const cJSON *doc, const char *ret[3]) {
    const cJSON *p;
    int n = 0;
    cJSON_ArrayForEach(p, get(doc, "real_stage5_passes")) {
        const char *id = cJSON_GetStringValue(get(p, "run_id"));
        if (!id || strchr(id, '/') || n == 2) return -1;
        ret[n++] = id;
    }
    ret[n] = NULL;
    return n > 0 ? n : -1;
}

/* Every field of what is found now stands in it, and no other. */
static void compare(struct check *c) {
    cJSON *now = refresh_document(c->x);
    const cJSON *x;
    const char *other = NULL;
    char text[200];
    cJSON_ArrayForEach(x, now) if (!other && !cJSON_Compare(x, get(c->doc, x->string), true)) other = x->string;
    cJSON_ArrayForEach(x, c->doc) if (!other && !get(now, x->string)) other = x->string;
    snprintf(text, sizeof text, "%.100s is not what the evidence says now; make a new refresh", other ? other : "");
    hold(c, "as_the_evidence_is_now", !other, text);
    cJSON_Delete(now);
}

static void check_passes(struct check *c) {
    const char *runs[3];
    struct err e = ERR_INIT;
    char text[300];
    if (runs_of(c->doc, runs) < 0) {
        hold(c, "passes_imported", false, "it names no passes, or too many");
        return;
    }
    const int rc = refresh_all(c->x, runs, &e);
    hold(c, "passes_imported", rc == 0, e.text);
    if (rc < 0) return;
    for (int i = 0; i < c->x->n; i++) {
        const struct refresh_pass *p = &c->x->passes[i].judged;
        for (int d = 0; d < REFRESH_DIMS; d++) {
            snprintf(text, sizeof text, "%.100s: %.180s", c->x->passes[i].row.run_id, p->why[d]);
            hold(c, refresh_dim_name((enum refresh_dim)d), p->dims[d] != LANE_FAIL, text);
        }
    }
    compare(c);
}

static int gather(struct check *c, const char *engine, struct err *e) {
    struct refresh *x = c->x;
    struct err why = ERR_INIT;
    if (home_resolve(&x->home, &c->g->home, e) < 0 || locate_store(&x->home, &x->store, e) < 0) return -1;
    if (comparison_read(&x->made, &x->home, x->store, COMPARISON_REFRESH, NULL, engine, &c->doc, &why) == 0) return 0;
    if (why.code != ERR_MISSING && why.code != ERR_CONFLICT) {
        *e = why;
        return -1;
    }
    c->missing = why.code == ERR_MISSING;
    hold(c, "comparison_holds", false, why.text);
    return 0;
}

static int print(struct check *c) {
    const bool ok = cJSON_GetArraySize(c->errors) == 0, passed = ok && c->x->result.passed;
    const int code = passed ? EXIT_PASS : c->missing || ok ? EXIT_BLOCKED : EXIT_FAIL;
    const cJSON *line;
    if (c->g->json) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put_bool(o, "ok", passed);
        json_put_str(o, "validator", "stage6-real-refresh");
        json_put_str(o, "backend", c->x->made.backend[0] ? c->x->made.backend : NULL);
        json_put_str(o, "comparison_id", c->x->made.id[0] ? c->x->made.id : NULL);
        json_put_str(o, "stage6_real_governed_refresh_comparison_path", c->doc ? c->x->made.path : NULL);
        json_put(o, "checked", TAKE_PTR(c->checked));
        if (ok && !passed && c->x->result.why[0]) cJSON_AddItemToArray(c->errors, cJSON_CreateString(c->x->result.why));
        json_put(o, "errors", TAKE_PTR(c->errors));
        json_put_int(o, "repeatability_required", LADDER_REPEATS);
        json_put_int(o, "repeatability_count", c->x->result.count);
        json_put_str(o, "repeatability_status", c->x->result.status ? c->x->result.status : "blocked");
        json_put_bool(o, "repeatability_passed", passed);
        json_put_bool(o, "candidate_default_repeatability_eligible", passed && c->x->result.eligible);
        standing_put(o);
        return cli_print_json(o, code);
    }
    cJSON_ArrayForEach(line, c->errors) printf("error: %s\n", line->valuestring);
    printf("%s: %d checks, %d errors, repeatability %s%s%s\n",
           passed              ? "ok"
           : code == EXIT_FAIL ? "FAILED"
                               : "BLOCKED",
           cJSON_GetArraySize(c->checked), cJSON_GetArraySize(c->errors),
           c->x->result.status ? c->x->result.status : "blocked", c->x->result.why[0] ? ": " : "", c->x->result.why);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

int validate_refresh(const struct global_options *g, const char *engine) {
    struct err e = ERR_INIT;
    struct check c = {
        .g = g, .x = calloc(1, sizeof *c.x), .checked = cJSON_CreateArray(), .errors = cJSON_CreateArray()};
    BUG_UNLESS(c.x && c.checked && c.errors);
    c.x->g = g;
    const int rc = gather(&c, engine, &e);
    if (rc == 0 && c.doc) {
        hold(&c, "comparison_holds", true, "");
        check_document(&c);
        check_passes(&c);
    }
    const int code = rc == 0 ? print(&c) : cli_error(&e);
    store_close(c.x->store);
    cJSON_Delete(c.checked);
    cJSON_Delete(c.errors);
    cJSON_Delete(c.doc);
    refresh_free(c.x);
    return code;
}
