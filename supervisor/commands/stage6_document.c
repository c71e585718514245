/* stage6_document.c - what validate stage6 writes and prints: the comparison's document, the same for people, the result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/clock.h"
#include "supervisor/cli.h"
#include "supervisor/commands/stage6.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"

static const char *or_null(const char *text) { return text[0] ? text : NULL; }

static const char *kind_of(const struct stage6 *x) {
    const enum rung_status s = stage6_status(x);
    return s == RUNG_VALIDATED ? "real" : s == RUNG_MECHANICS ? "double" : NULL;
}

/* --- the document -------------------------------------------------------------------------------------------------------------- */

static cJSON *row_lane(const char *lane, enum lane_status s, const char *kind, const char *why, const char *report) {
    static const char *const words[] = {"blocked", "fail", "covered"};
    cJSON *o = json_new_object();
    json_put_str(o, "lane", lane);
    json_put_str(o, "status", words[s]);
    json_put_str(o, "proof_kind", s == LANE_BLOCKED ? NULL : kind);
    json_put_str(o, "rationale", or_null(why));
    json_put_str(o, "report", or_null(report));
    return o;
}

static cJSON *coverage(const struct stage6 *x) {
    cJSON *a = json_new_array();
    for (int i = 0; i < FAILURE_CLASSES; i++) {
        const struct failure_class *c = failure_class_at(i);
        const struct stage6_row *r = &x->rows[i];
        const struct blocker_rule *rule = blocker_rule(c->blocker);
        cJSON *o = json_new_object();
        json_put_str(o, "class", c->name);
        json_put_str(o, "reason", rule->reason);
        json_put_str(o, "event", rule->event);
        json_put_int(o, "shown_by_stage", c->stage);
        json_put(o, "fake", row_lane("fake", r->fake, "real", r->fake_why, r->fake_report));
        json_put(o, "candidate",
                 row_lane(x->engine->name, r->candidate, r->candidate_on_double ? "double" : "real", r->candidate_why,
                          r->candidate_report));
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

static cJSON *checks(const struct stage6 *x) {
    cJSON *a = json_new_array();
    for (int i = 0; i < x->n_checks; i++) {
        cJSON *o = json_new_object();
        json_put_str(o, "name", x->checks[i].name);
        json_put_str(o, "status", lane_status_name(x->checks[i].status));
        json_put_str(o, "rationale", or_null(x->checks[i].why));
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

static cJSON *texts(const struct stage6 *x, enum lane_status s) {
    cJSON *a = json_new_array();
    for (int i = 0; i < x->n_checks; i++) {
        char line[500];
        if (x->checks[i].status != s) continue;
        snprintf(line, sizeof line, "%s: %.390s", x->checks[i].name, x->checks[i].why);
        cJSON_AddItemToArray(a, cJSON_CreateString(line));
    }
    return a;
}

static cJSON *acceptance(const struct stage6 *x) {
    cJSON *o = json_new_object();
    char how[RUN_ID_MAX + 80];
    snprintf(how, sizeof how, "cto-harness outcome %s accepted|rejected --actor NAME", x->made.id);
    json_put_bool(o, "required", true);
    json_put_str(o, "outcome", NULL); /* it is said afterwards, and stands in the store */
    json_put_str(o, "command", how);
    return o;
}

static cJSON *ladder_json(const struct ladder *l) {
    cJSON *o = json_new_object();
    for (int i = 1; i < STAGE_COUNT; i++) {
        char key[32];
        snprintf(key, sizeof key, "stage%d", i);
        json_put_str(o, key, rung_status_name(l->rungs[i].status));
    }
    return o;
}

cJSON *stage6_document(const struct stage6 *x) {
    char stamp[CLOCK_STAMP_SIZE];
    cJSON *o = json_new_object();
    clock_stamp(x->made.made_ms, stamp);
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "comparison_id", x->made.id);
    json_put_str(o, "comparison", comparison_kind_name(COMPARISON_STAGE6));
    json_put_str(o, "made_at", stamp);
    json_put_str(o, "build_id", CTO_BUILD_ID);
    json_put_int(o, "stage", STAGE_COUNT);
    json_put_str(o, "stage_name", stage_rules(STAGE_COUNT)->name);
    json_put_str(o, "allowed_mutation_scope", stage_rules(STAGE_COUNT)->allowed_mutation_scope);
    json_put_str(o, "candidate", x->engine->name);
    json_put_str(o, "case_id", x->case_id);
    json_put_str(o, "stage_status", rung_status_name(stage6_status(x)));
    json_put_str(o, "proof_kind", kind_of(x));
    json_put(o, "predecessors", ladder_json(&x->ladder));
    json_put(o, "checks", checks(x));
    json_put(o, "dimensions", lanes_dimensions(x->lanes, x->n_lanes, x->candidate));
    json_put(o, "lanes", lanes_summary(x->lanes, x->n_lanes));
    json_put(o, "failure_matrix_coverage", coverage(x));
    json_put(o, "source_admission_freshness", source_fresh_json(&x->source));
    json_put(o, "operator_acceptance", acceptance(x));
    json_put_bool(o, "candidate_default_eligible", false); /* never before the operator has accepted it */
    json_put(o, "eligibility_blockers", texts(x, LANE_BLOCKED));
    standing_put(o);
    return o;
}

/* --- for people ---------------------------------------------------------------------------------------------------------------- */

static void md_dimensions(struct buf *b, const struct stage6 *x) {
    buf_puts(b, "\n## Lanes\n\n| dimension |");
    for (int i = 0; i < x->n_lanes; i++) buf_printf(b, " %s |", x->lanes[i].name);
    buf_puts(b, " parity |\n|---|");
    for (int i = 0; i <= x->n_lanes; i++) buf_puts(b, "---|");
    for (int d = 0; d < DIM_COUNT; d++) {
        buf_printf(b, "\n| %s |", dimension_name((enum dimension)d));
        for (int i = 0; i < x->n_lanes; i++)
            buf_printf(b, " %s%s |", lane_status_name(x->lanes[i].dims[d]),
                       x->lanes[i].ran && x->lanes[i].on_double ? " (double)" : "");
        buf_printf(b, " %s |", parity_name(lane_parity(x->candidate, &x->lanes[0], (enum dimension)d)));
    }
    buf_puts(b, "\n");
    for (int i = 0; i < x->n_lanes; i++) {
        if (!x->lanes[i].rationale[0]) continue;
        buf_printf(b, "\n- %s: ", x->lanes[i].name);
        report_put_text(b, x->lanes[i].rationale, true);
    }
}

char *stage6_text(const struct stage6 *x) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 20);
    buf_printf(&b, "# %s: candidate default, %s against fake\n\n## Checks\n\n", rung_status_name(stage6_status(x)),
               x->engine->name);
    for (int i = 0; i < x->n_checks; i++) {
        buf_printf(&b, "- %s %s%s", lane_status_name(x->checks[i].status), x->checks[i].name,
                   x->checks[i].why[0] ? ": " : "");
        report_put_text(&b, x->checks[i].why, true);
        buf_puts(&b, "\n");
    }
    md_dimensions(&b, x);
    buf_printf(&b,
               "\n\nThe operator's word: `cto-harness outcome %s accepted|rejected --actor NAME`\n\n" STANDING_SENTENCE,
               x->made.id);
    char *text = buf_detach(&b);
    BUG_UNLESS(text != NULL);
    return text;
}

/* --- the result ---------------------------------------------------------------------------------------------------------------- */

static void put_reports(cJSON *o, const struct stage6 *x) {
    cJSON *pass = json_new_array(), *failures = json_new_array(), *base = json_new_object();
    for (int i = 0; i < x->n_lanes; i++)
        if (x->lanes[i].ran && x->lanes[i].report[0])
            cJSON_AddItemToArray(pass, cJSON_CreateString(x->lanes[i].report));
    for (int i = 0; i < FAILURE_CLASSES; i++)
        if (x->rows[i].fake_report[0]) cJSON_AddItemToArray(failures, cJSON_CreateString(x->rows[i].fake_report));
    json_put_str(base, "fake", or_null(x->lanes[0].report));
    json_put_str(base, x->engine->name, or_null(x->candidate->report));
    for (int d = 0; d < DIM_COUNT; d++)
        json_put_bool(base, dimension_name((enum dimension)d),
                      lane_parity(x->candidate, &x->lanes[0], (enum dimension)d) >= PARITY_MATCHES);
    json_put(o, "pass_reports", pass);
    json_put(o, "failure_reports", failures);
    json_put(o, "fake_baseline", base);
}

static int print_json(const struct stage6 *x, bool ok, int code) {
    cJSON *o = json_new_object(), *names = json_new_array(), *errors = texts(x, LANE_FAIL), *line;
    for (int i = 0; i < x->n_checks; i++) cJSON_AddItemToArray(names, cJSON_CreateString(x->checks[i].name));
    cJSON *blocked = texts(x, LANE_BLOCKED);
    if (!ok && cJSON_GetArraySize(errors) == 0) /* nothing failed: what is missing is why it is not proven */
        cJSON_ArrayForEach(line, blocked) cJSON_AddItemToArray(errors, cJSON_CreateString(line->valuestring));
    json_put_bool(o, "ok", ok);
    json_put_str(o, "validator", "stage6");
    json_put_str(o, "backend", x->engine->name);
    json_put_str(o, "stage_status", rung_status_name(stage6_status(x)));
    json_put_str(o, "proof_kind", kind_of(x));
    json_put(o, "checked", names);
    json_put(o, "errors", errors);
    json_put(o, "blocked", blocked);
    json_put(o, "predecessors", x->below ? cJSON_Duplicate(x->below, true) : json_new_array());
    put_reports(o, x);
    json_put_str(o, "comparison_id", x->made.id);
    json_put_str(o, "stage6_candidate_default_comparison_path", x->made.path);
    json_put_bool(o, "candidate_default_eligible", false);
    standing_put(o);
    return cli_print_json(o, code);
}

int stage6_print(const struct stage6 *x) {
    const bool ok = stage6_status(x) != RUNG_NOT_PROVEN;
    const int code = ok ? EXIT_PASS : stage6_failed(x) ? EXIT_FAIL : EXIT_BLOCKED;
    if (x->g->json) return print_json(x, ok, code);
    for (int i = 0; i < x->n_checks; i++)
        if (x->checks[i].status != LANE_PASS)
            printf("%s: %s: %s\n", x->checks[i].status == LANE_FAIL ? "error" : "blocked", x->checks[i].name,
                   x->checks[i].why);
    printf("%s: stage 6 of %s is %s\n  comparison: %s\n  your word: cto-harness outcome %s accepted|rejected --actor "
           "NAME\n",
           ok                  ? "ok"
           : code == EXIT_FAIL ? "FAILED"
                               : "BLOCKED",
           x->engine->name, rung_status_name(stage6_status(x)), x->made.path, x->made.id);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}
