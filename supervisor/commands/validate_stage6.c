/* validate_stage6.c - `validate stage6`: see stage6.h. The same case on the default lane and on the candidate, each failure class on the
 * default lane, and of the candidate what the validators of stages 2 to 5 have shown of it.
 *
 * The case backend runs on our test double while this build has no gateway: then all that is proven is mechanics, case_lane_passes is
 * blocked whatever came of it, and nothing becomes eligible.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/io.h"
#include "common/log.h"
#include "supervisor/commands/lane_run.h"
#include "supervisor/commands/stage6.h"
#include "supervisor/commands/validate_stage.h"
#include "supervisor/double.h"
#include "supervisor/gates.h"
#include "supervisor/progress.h"
#include "supervisor/store.h"
#include "supervisor/tree_digest.h"

void stage6_check(struct stage6 *x, const char *name, enum lane_status s, const char *fmt, ...) {
    BUG_UNLESS(x->n_checks < STAGE6_CHECKS);
    struct stage6_check *c = &x->checks[x->n_checks++];
    *c = (struct stage6_check){.name = name, .status = s};
    va_list ap;
    va_start(ap, fmt);
    if (s != LANE_PASS) vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
}

bool stage6_failed(const struct stage6 *x) {
    for (int i = 0; i < x->n_checks; i++)
        if (x->checks[i].status == LANE_FAIL) return true;
    return false;
}

static enum lane_status status_of(const struct stage6 *x, const char *name) {
    for (int i = 0; i < x->n_checks; i++)
        if (strcmp(x->checks[i].name, name) == 0) return x->checks[i].status;
    return LANE_FAIL;
}

/* Everything that is asked of a stage but the operator's word, which comes afterwards. */
enum rung_status stage6_status(const struct stage6 *x) {
    static const char *const needed[] = {"fake_lane_passes", "case_default_disabled",
                                         "stage5_failure_closure_inherited", "candidate_default_comparison",
                                         "nothing_outside_changed"};
    if (stage6_failed(x) || x->interrupted) return RUNG_NOT_PROVEN;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (status_of(x, needed[i]) != LANE_PASS) return RUNG_NOT_PROVEN;
    bool real = !x->candidate->on_double && lane_conclude(x->candidate) == LANE_PASS &&
                status_of(x, "source_admission_freshness") == LANE_PASS;
    for (int i = 1; i < STAGE_COUNT; i++) real = real && x->ladder.rungs[i].status == RUNG_VALIDATED;
    return real ? RUNG_VALIDATED : RUNG_MECHANICS;
}

/* --- the lanes ----------------------------------------------------------------------------------------------------------------- */

static struct lane_state *add_lane(struct stage6 *x, const char *name) {
    struct lane_state *l = &x->lanes[x->n_lanes++];
    l->name = name;
    if (strcmp(name, x->engine->name) == 0) x->candidate = l;
    return l;
}

static void add_lanes(struct stage6 *x) {
    add_lane(x, "fake");
    lane_block(add_lane(x, "case"), "not run: another backend is the candidate of this comparison");
    lane_block(add_lane(x, "codex"), LANE_NO_CODEX);
    lane_block(add_lane(x, "pi"), LANE_NO_PI);
    if (!x->candidate) add_lane(x, x->engine->name);
}

static const char *first_detail(const cJSON *report) {
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(report, "blockers"), 0);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "detail"));
    return text ? text : "the run was blocked";
}

static void judge(struct stage6 *x, struct lane_state *l, const struct lane_seen *s, const cJSON *baseline) {
    struct lane_run r = {.report = s->report,
                         .baseline = baseline,
                         .verifies = s->verified.ok,
                         .verify_why = s->verified.what,
                         .absent = lane_absent(s)};
    const bool fake = l == &x->lanes[0];
    for (int i = 0; i < FAILURE_CLASSES; i++) {
        const struct stage6_row *row = &x->rows[i];
        if (fake && failure_class_at(i)->no_fake) continue;
        const enum lane_status status = fake ? row->fake : row->candidate;
        r.rows++;
        r.closed += status == LANE_PASS;
        r.open += status == LANE_FAIL;
        if (status == LANE_BLOCKED && !r.closure_why) r.closure_why = fake ? row->fake_why : row->candidate_why;
    }
    snprintf(l->report, sizeof l->report, "%s", s->path);
    lane_judge(l, &r);
    l->on_double = lane_says(s->report, "proof_kind", "double");
    if (lane_says(s->report, "status", "blocked")) lane_block(l, first_detail(s->report));
}

/* A real one at stage 2, whatever stage the operator has set: what is compared is a copied fixture. */
static int run_candidate(struct stage6 *x, struct lane_seen *s, struct err *e) {
    struct lane_order o = {.case_id = x->case_id, .engine = x->engine->name, .outer = x->progress};
    const bool doubled = double_stands_in(x->engine->name);
    progress_step(x->progress, "stage 6 of %s: %s on %s", x->engine->name, x->case_id,
                  doubled ? "the test double" : x->engine->name);
    if (doubled) {
        o.script = "{\"mode\":\"fix\"}";
        return lane_run(x->g, &o, s, e);
    }
    char stage[96];
    snprintf(stage, sizeof stage, "%sSTAGE", x->engine->variables);
    const char *v = getenv(stage);
    AUTO_FREE char *was = v ? strdup(v) : NULL;
    setenv(stage, "2", 1);
    const int rc = lane_run(x->g, &o, s, e);
    if (was)
        setenv(stage, was, 1);
    else
        unsetenv(stage);
    return rc;
}

static int run_lanes(struct stage6 *x, struct err *e) {
    struct lane_seen fake = {0}, candidate = {0};
    const struct lane_order o = {.case_id = x->case_id, .engine = "fake", .outer = x->progress};
    progress_step(x->progress, "stage 6 of %s: %s on fake", x->engine->name, x->case_id);
    int rc = lane_run(x->g, &o, &fake, e);
    if (rc == 0 && !fake.interrupted) rc = run_candidate(x, &candidate, e);
    x->interrupted |= fake.interrupted || candidate.interrupted;
    if (rc == 0) {
        judge(x, &x->lanes[0], &fake, NULL);
        judge(x, x->candidate, &candidate, fake.report);
    }
    lane_seen_release(&fake);
    lane_seen_release(&candidate);
    return rc;
}

/* --- failures ------------------------------------------------------------------------------------------------------------------ */

static void fake_row(struct stage6_row *row, const struct failure_class *c, const struct lane_seen *s) {
    const struct blocker_rule *rule = blocker_rule(c->blocker);
    const bool closed =
        s->report && s->verified.ok && s->as_expected && lane_blocked_by(s, verdict_name(rule->status), rule->reason);
    row->fake = closed ? LANE_PASS : LANE_FAIL;
    snprintf(row->fake_report, sizeof row->fake_report, "%s", s->path);
    if (!closed) snprintf(row->fake_why, sizeof row->fake_why, "the fixture did not end as %s", rule->reason);
}

static int run_fake_rows(struct stage6 *x, struct err *e) {
    const char *ids[FAILURE_CLASSES];
    int at[FAILURE_CLASSES], n = 0;
    for (int i = 0; i < FAILURE_CLASSES; i++) {
        const struct failure_class *c = failure_class_at(i);
        if (c->no_fake) {
            snprintf(x->rows[i].fake_why, sizeof x->rows[i].fake_why, "%.190s", c->no_fake);
            continue;
        }
        ids[n] = c->name;
        at[n++] = i;
    }
    struct lane_seen *seen = calloc((size_t)n, sizeof *seen);
    BUG_UNLESS(seen != NULL);
    progress_step(x->progress, "stage 6 of %s: %d failure classes on fake", x->engine->name, n);
    const int rc = lane_run_all(x->g, "fake", ids, n, x->progress, seen, e);
    for (int i = 0; rc == 0 && i < n; i++) {
        fake_row(&x->rows[at[i]], failure_class_at(at[i]), &seen[i]);
        x->interrupted |= seen[i].interrupted;
    }
    for (int i = 0; i < n; i++) lane_seen_release(&seen[i]);
    free(seen);
    return rc;
}

/* Of the candidate each class was shown by the validator of the stage that the design says. */
static void inherit_rows(struct stage6 *x) {
    for (int i = 0; i < FAILURE_CLASSES; i++) {
        struct stage6_row *row = &x->rows[i];
        const int stage = failure_class_at(i)->stage;
        const struct rung *r = &x->ladder.rungs[stage];
        char why[sizeof r->why],
            path[sizeof r->report_path]; /* of the same struct as the row: the compiler sees an overlap */
        memcpy(why, r->why, sizeof why);
        memcpy(path, r->report_path, sizeof path);
        row->candidate = r->status == RUNG_NOT_PROVEN ? LANE_BLOCKED : LANE_PASS;
        row->candidate_on_double = r->status == RUNG_MECHANICS;
        snprintf(row->candidate_report, sizeof row->candidate_report, "%s", path);
        if (row->candidate == LANE_BLOCKED)
            snprintf(row->candidate_why, sizeof row->candidate_why, "stage %d, which shows it, is not proven: %s",
                     stage, why);
    }
}

/* --- the checks ---------------------------------------------------------------------------------------------------------------- */

static void check_lane(struct stage6 *x, const char *name, const struct lane_state *l) {
    const enum lane_status s = lane_conclude(l);
    int worst = 0;
    while (worst < DIM_COUNT - 1 && l->dims[worst] != s) worst++;
    if (l->on_double)
        stage6_check(x, name, LANE_BLOCKED, "the lane ran on the test double of its program, which never counts");
    else
        stage6_check(x, name, s, "%s: %s", dimension_name((enum dimension)worst), l->why[worst]);
}

/* Closed without its variable, and not what runs when nobody says anything. */
static void check_disabled(struct stage6 *x, const struct cto_case *c) {
    const struct engine *en = engine_find(LADDER_BACKEND);
    struct gate_facts f;
    struct run_record rec = {.c = c, .engine = en->name};
    const char *v = getenv(en->gated_by_env);
    AUTO_FREE char *was = v ? strdup(v) : NULL;
    unsetenv(en->gated_by_env);
    gate_facts_read(&f, c, en->name, NULL);
    const bool open = gates_evaluate(&rec, &f), first = strcmp(rec.gates[0].status, "passed") != 0;
    gate_facts_release(&f);
    record_release(&rec);
    if (was) setenv(en->gated_by_env, was, 1);
    const bool fake = strcmp(engine_at(0)->name, "fake") == 0 && !engine_at(0)->gated_by_env;
    stage6_check(x, "case_default_disabled", !open && first && fake ? LANE_PASS : LANE_FAIL,
                 "the case backend is open without its gate, or the default lane is another");
}

static void check_inherited(struct stage6 *x) {
    int stage = 1;
    const char *why = cJSON_GetStringValue(cJSON_GetArrayItem(x->below_errors, 0));
    while (stage < STAGE_COUNT && x->ladder.rungs[stage].status != RUNG_NOT_PROVEN) stage++;
    if (!why && stage < STAGE_COUNT) why = x->ladder.rungs[stage].why;
    stage6_check(x, "stage5_failure_closure_inherited",
                 stage == STAGE_COUNT         ? LANE_PASS
                 : x->below_code == EXIT_FAIL ? LANE_FAIL
                                              : LANE_BLOCKED,
                 "stage %d is not proven for the %s backend: %.200s", stage, x->engine->name, why ? why : "");
}

static void check_comparison(struct stage6 *x) {
    enum lane_status s = LANE_PASS;
    const char *at = "";
    for (int d = 0; d < DIM_COUNT; d++) {
        const enum parity p = lane_parity(x->candidate, &x->lanes[0], (enum dimension)d);
        const enum lane_status here = p == PARITY_BELOW ? LANE_FAIL : p == PARITY_BLOCKED ? LANE_BLOCKED : LANE_PASS;
        if (here == LANE_PASS || s == LANE_FAIL || (s == LANE_BLOCKED && here == LANE_BLOCKED)) continue;
        s = here;
        at = dimension_name((enum dimension)d);
    }
    stage6_check(x, "candidate_default_comparison", s, "%s of the %s lane is %s", at, x->engine->name,
                 s == LANE_FAIL ? "below the default lane's" : "not known");
}

static void check_coverage(struct stage6 *x) {
    const char *open = NULL;
    for (int i = 0; i < FAILURE_CLASSES; i++) {
        const struct stage6_row *r = &x->rows[i];
        const bool told =
            (r->fake != LANE_BLOCKED || r->fake_why[0]) && (r->candidate != LANE_BLOCKED || r->candidate_why[0]);
        if (r->fake == LANE_FAIL || r->candidate == LANE_FAIL || !told) open = failure_class_at(i)->name;
    }
    stage6_check(x, "failure_matrix_coverage", open ? LANE_FAIL : LANE_PASS, "%s neither closed nor is excused",
                 open ? open : "");
}

static void check_all(struct stage6 *x, const struct cto_case *c, bool unchanged) {
    check_lane(x, "fake_lane_passes", &x->lanes[0]);
    check_disabled(x, c);
    check_inherited(x);
    check_lane(x, "case_lane_passes", &x->lanes[1]);
    if (x->candidate != &x->lanes[1]) check_lane(x, "candidate_lane_passes", x->candidate);
    check_comparison(x);
    check_coverage(x);
    const bool fresh = x->source.state == FRESH || x->source.state == FRESH_NOT_APPLICABLE;
    stage6_check(x, "source_admission_freshness", fresh ? LANE_PASS : LANE_BLOCKED, "%s", x->source.why);
    stage6_check(x, "nothing_outside_changed", unchanged ? LANE_PASS : LANE_FAIL,
                 "cases or programs are not as they were before");
    stage6_check(x, "operator_acceptance", LANE_BLOCKED, "nobody has accepted or rejected this comparison yet");
}

/* --- the whole ----------------------------------------------------------------------------------------------------------------- */

static int outside(const struct stage6 *x, char ret[2][DIGEST_HEX_SIZE], struct err *e) {
    return tree_digest(x->home.cases, ret[0], e) < 0 || tree_digest(x->home.libexec, ret[1], e) < 0 ? -1 : 0;
}

static int read_ladder(struct stage6 *x, struct err *e) {
    struct store *s = NULL;
    if (store_open(x->home.store, false, &s, e) < 0) return -1;
    const int rc = ladder_read(&x->ladder, &x->home, s, x->engine->name, e);
    source_fresh_read(&x->source, x->engine, s, x->ladder.rungs[STORE_STAGE_INTERFACE].proven_ms);
    store_close(s);
    return rc;
}

static int compare(struct stage6 *x, struct err *e) {
    char before[2][DIGEST_HEX_SIZE], after[2][DIGEST_HEX_SIZE];
    char cases[PATH_MAX];
    struct cto_case c;
    const struct proof_wishes wishes = {.engine = x->engine->name, .case_id = x->case_id};
    x->below_code = validate_stages_below(x->g, STAGE_COUNT, &wishes, &x->below, &x->below_errors, e);
    lane_cases(x->home.cases, x->case_id, cases);
    if (x->below_code == EXIT_USAGE || case_load(&c, cases, x->case_id, e) < 0) return -1;
    x->interrupted = x->below_code == EXIT_INTERRUPTED;
    if (x->interrupted) {
        case_release(&c);
        return 0;
    }
    x->progress = progress_new(3, x->g->quiet || x->g->json, x->g->no_color);
    int rc = outside(x, before, e);
    if (rc == 0) rc = run_fake_rows(x, e);
    if (rc == 0) rc = read_ladder(x, e); /* there is a store now */
    if (rc == 0) {
        inherit_rows(x);
        add_lanes(x);
        rc = run_lanes(x, e);
    }
    progress_free(TAKE_PTR(x->progress));
    if (rc == 0) rc = outside(x, after, e);
    if (rc == 0) check_all(x, &c, memcmp(before, after, sizeof before) == 0);
    case_release(&c);
    return rc;
}

static void warn(const char *text) { log_line("%s", text); }

static void count(struct stage6 *x) {
    for (int i = 0; i < x->n_checks; i++) {
        x->made.passed += x->checks[i].status == LANE_PASS;
        x->made.failed += x->checks[i].status == LANE_FAIL;
        x->made.blocked += x->checks[i].status == LANE_BLOCKED;
    }
}

/* The directory first, then the proof that names it. */
static int keep(struct stage6 *x, struct err *e) {
    struct executor *ex = NULL;
    const enum rung_status status = stage6_status(x);
    x->made = (struct comparison){.kind = COMPARISON_STAGE6};
    snprintf(x->made.backend, sizeof x->made.backend, "%s", x->engine->name);
    count(x);
    int rc = executor_open(&x->home, warn, &ex, e);
    if (rc == 0) rc = comparison_begin(&x->made, &x->home, ex, e);
    if (rc == 0) {
        cJSON *doc = stage6_document(x);
        AUTO_FREE char *md = stage6_text(x);
        rc = comparison_finish(&x->made, &x->home, executor_store(ex), doc, md, e);
        cJSON_Delete(doc);
    }
    if (rc == 0 && status != RUNG_NOT_PROVEN) {
        const struct store_proof p = {.backend = x->engine->name,
                                      .stage = STAGE_COUNT,
                                      .build_id = CTO_BUILD_ID,
                                      .kind = status == RUNG_VALIDATED ? "real" : "double",
                                      .report_path = x->made.path,
                                      .sha256 = x->made.sha256};
        rc = store_stage_prove(executor_store(ex), &p, e);
    }
    executor_close(ex);
    return rc;
}

int validate_stage6(const struct global_options *g, const char *engine, const char *case_id) {
    struct err e = ERR_INIT;
    const struct engine *en = engine_find(engine);
    if (!en) return cli_usage("validate", "unknown engine \"%.40s\"; 'cto-harness engines' lists them", engine);
    if (!en->gated_by_env)
        return cli_usage("validate", "%s is the default lane, with which others are compared", engine);
    if (!en->has_adapter) return cli_usage("validate", "this build has no adapter for the %s backend", engine);
    struct stage6 *x = calloc(1, sizeof *x);
    BUG_UNLESS(x != NULL);
    x->g = g;
    x->engine = en;
    x->case_id = case_id;
    int rc = home_resolve(&x->home, &g->home, &e), code;
    if (rc == 0) rc = compare(x, &e);
    if (rc == 0 && !x->interrupted) rc = keep(x, &e);
    if (rc < 0)
        code = cli_error(&e);
    else
        code = x->interrupted ? EXIT_INTERRUPTED : stage6_print(x);
    cJSON_Delete(x->below);
    cJSON_Delete(x->below_errors);
    free(x);
    return code;
}
