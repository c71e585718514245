/* refresh.c - see refresh.h. */
#include "supervisor/refresh.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/path.h"
#include "supervisor/claims.h"
#include "supervisor/secret_shape.h"
#include "supervisor/standing.h"

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static bool says(const cJSON *o, const char *key, const char *word) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s && word && strcmp(s, word) == 0;
}

static bool is_true(const cJSON *o, const char *key) { return cJSON_IsTrue(get(o, key)); }
static bool is_false(const cJSON *o, const char *key) { return cJSON_IsFalse(get(o, key)); }

const char *refresh_dim_name(enum refresh_dim d) {
    static const char *const names[] = {"pass_evidence",
                                        "report_shape",
                                        "event_validity",
                                        "allowed_path_compliance",
                                        "failure_closure",
                                        "artifact_completeness",
                                        "forbidden_action_closure",
                                        "operator_acceptance",
                                        "approval_provenance",
                                        "source_admission_freshness",
                                        "target_read_only",
                                        "standing_rules_kept",
                                        "harmless_names",
                                        "target_validation_rerun"};
    BUG_UNLESS((unsigned)d < REFRESH_DIMS);
    return names[d];
}

/* The first sentence of a dimension counts; until there is one it passes. */
static void put(struct refresh_pass *p, enum refresh_dim d, enum lane_status s, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void put(struct refresh_pass *p, enum refresh_dim d, enum lane_status s, const char *fmt, ...) {
    if (s == LANE_PASS || p->dims[d] != LANE_PASS) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->why[d], sizeof p->why[d], fmt, ap);
    va_end(ap);
    p->dims[d] = s;
}

static void must(struct refresh_pass *p, enum refresh_dim d, bool holds, const char *else_text) {
    put(p, d, holds ? LANE_PASS : LANE_FAIL, "%s", else_text);
}

/* --- documents ----------------------------------------------------------------------------------------------------------------- */

/* The report's own words about secrets are none. */
static bool is_ours(const char *key) {
    static const char *const own[] = {"secret_redacted", "secret_redactions", "secret_findings"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(key, own[i]) == 0) return true;
    return false;
}

const char *refresh_secret_key(const cJSON *doc) {
    const cJSON *x;
    cJSON_ArrayForEach(x, doc) {
        if (x->string && secret_shaped_name(x->string) && !is_ours(x->string)) return x->string;
        const char *found = refresh_secret_key(x);
        if (found) return found;
    }
    return NULL;
}

static bool claims_by_key(const cJSON *x) {
    if (!x->string || (!strcasestr(x->string, "activat") && !strcasestr(x->string, "promot"))) return false;
    const bool activation = strcmp(x->string, STANDING_ACTIVATION_KEY) == 0,
               promotion = strcmp(x->string, STANDING_PROMOTION_KEY) == 0;
    if (activation) return !cJSON_IsFalse(x);
    return !promotion || !cJSON_IsString(x) || strcmp(x->valuestring, STANDING_PROMOTION) != 0;
}

const char *refresh_claim(const cJSON *doc) {
    const cJSON *x;
    cJSON_ArrayForEach(x, doc) {
        if (claims_by_key(x)) return x->string;
        if (cJSON_IsString(x) && claim_in(x->valuestring, strlen(x->valuestring)))
            return x->string ? x->string : "a text";
        const char *found = refresh_claim(x);
        if (found) return found;
    }
    return NULL;
}

/* --- one dimension after the other ---------------------------------------------------------------------------------------------- */

static void judge_evidence(struct refresh_pass *p, const struct refresh_facts *f) {
    static const char *const alike[] = {
        "run_id",          "case_id",          "backend",       "target_commit",
        "approval_source", "operator_outcome", "changed_files", "target_repository_admission_sha256"};
    const enum refresh_dim d = REFRESH_EVIDENCE;
    put(p, d, f->verifies ? LANE_PASS : LANE_FAIL, "the run directory does not verify: %.160s",
        f->verify_why ? f->verify_why : "");
    must(p, d, f->report && f->proof && f->contract, "report, proof or contract is missing");
    must(p, d, f->sealed, "the report is not the one that the store sealed");
    must(p, d, says(f->report, "run_id", f->run_id) && says(f->report, "case_id", f->case_id),
         "the report is of another run");
    must(p, d, says(f->report, "status", "pass") && says(f->proof, "status", "pass"), "the run is no pass");
    const cJSON *stage = get(f->report, "case_stage");
    must(p, d, cJSON_IsNumber(stage) && stage->valueint == 5, "the run is none of stage 5");
    must(p, d, says(f->report, "proof_kind", "real"), "the run is none of a real backend");
    must(p, d, !is_true(get(f->report, "model_use"), "from_recording"), "a recording answered instead of the model");
    must(p, d, says(f->report, "target_repository_admission_status", "admitted"), "the target was not admitted");
    for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++)
        put(p, d, cJSON_Compare(get(f->report, alike[i]), get(f->proof, alike[i]), true) ? LANE_PASS : LANE_FAIL,
            "report and proof differ in %s", alike[i]);
    must(p, d, cJSON_IsString(get(f->proof, "target_commit")), "nothing was landed");
}

static void judge_shape(struct refresh_pass *p, const struct refresh_facts *f) {
    static const char *const wanted[] = {"schema_version",  "artifacts_dir",    "changed_files",   "verification",
                                         "blocker_reasons", "artifact_digests", "freshness",       "eligibility",
                                         "sandbox",         "environment",      "timings_ms",      "tests_passed",
                                         "branch_policy",   "repository_kind",  "approval_source", "models_observed"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        put(p, REFRESH_SHAPE, get(f->report, wanted[i]) ? LANE_PASS : LANE_FAIL, "the report has no %s", wanted[i]);
    const bool none =
        cJSON_IsNull(get(f->report, "tests_passed")) && cJSON_IsString(get(f->report, "no_test_rationale"));
    must(p, REFRESH_SHAPE, none || is_true(f->report, "tests_passed"), "the tests did not pass");
}

static bool allowed(const cJSON *rules, const cJSON *file) {
    const cJSON *r;
    cJSON_ArrayForEach(r,
                       rules) if (cJSON_IsString(r) && path_rule_match(PATH_ALLOWED, r->valuestring, file->valuestring,
                                                                       strlen(file->valuestring))) return true;
    return false;
}

static void judge_paths(struct refresh_pass *p, const struct refresh_facts *f) {
    static const char *const true_ones[] = {"allowed_writes_passed", "allowed_paths_passed", "forbidden_paths_passed"};
    const cJSON *file, *rules = get(f->contract, "allowed_paths"), *changed = get(f->report, "changed_files");
    for (size_t i = 0; i < 3; i++)
        put(p, REFRESH_PATHS, is_true(f->report, true_ones[i]) ? LANE_PASS : LANE_FAIL, "%s is not true", true_ones[i]);
    must(p, REFRESH_PATHS, cJSON_GetArraySize(changed) > 0, "nothing changed");
    cJSON_ArrayForEach(file, changed) must(p, REFRESH_PATHS, cJSON_IsString(file) && allowed(rules, file),
                                           "a changed file is none of the allowed paths");
}

static void judge_actions(struct refresh_pass *p, const struct refresh_facts *f) {
    static const char *const false_ones[] = {"forbidden_actions_attempted", "push_merge_deploy_close_pr_open_attempted",
                                             "public_publication_attempted"};
    const cJSON *policy = get(f->report, "branch_policy"), *remotes = get(policy, "remotes");
    for (size_t i = 0; i < 3; i++)
        put(p, REFRESH_ACTIONS,
            is_false(f->report, false_ones[i]) && is_false(f->proof, false_ones[i]) ? LANE_PASS : LANE_FAIL,
            "%s is not false", false_ones[i]);
    must(p, REFRESH_ACTIONS,
         is_false(policy, "push_allowed") && is_false(policy, "merge_allowed") && cJSON_IsArray(remotes) &&
             cJSON_GetArraySize(remotes) == 0,
         "the branch policy allows something");
}

static void judge_people(struct refresh_pass *p, const struct refresh_facts *f) {
    must(p, REFRESH_ACCEPTED, says(f->report, "operator_outcome", "accepted") && f->said_accepted,
         "the operator did not accept it, or the store does not say so");
    const char *source = cJSON_GetStringValue(get(f->proof, "approval_source"));
    must(p, REFRESH_APPROVAL, source && source[0], "the proof has no approval_source");
    must(p, REFRESH_APPROVAL, is_true(f->proof, "approval_granted") && is_false(f->proof, "execution_allowed"),
         "the proof says no granted approval, or one that still allows something");
    must(p, REFRESH_APPROVAL, f->approval_found && f->approval_consumed,
         "the store has no approval that this run used up");
    must(p, REFRESH_APPROVAL,
         says(f->proof, "approval_id", f->approval_id) && says(f->proof, "approval_actor", f->approval_actor),
         "the proof names another approval or actor than the store");
    must(p, REFRESH_APPROVAL,
         cJSON_IsString(get(f->proof, "approval_timestamp")) && cJSON_IsString(get(f->proof, "approval_scope_sha256")),
         "the proof does not say when and for what it was approved");
}

static void judge_target(struct refresh_pass *p, const struct refresh_facts *f) {
    const enum refresh_dim d = REFRESH_TARGET;
    must(p, d,
         is_true(f->report, "target_repository_start_clean") && is_true(f->report, "target_repository_ending_clean"),
         "the target did not start and end clean");
    must(p, d, cJSON_IsNull(get(f->report, "target_revert_commit")), "the landed commit was taken back");
    put(p, d, f->target_known ? LANE_PASS : LANE_BLOCKED, "the target's admission is not the recorded one any more");
    put(p, d, f->target_looked ? LANE_PASS : LANE_BLOCKED, "the target cannot be looked at%s%.100s",
        f->target_why && f->target_why[0] ? ": " : "", f->target_why ? f->target_why : "");
    must(p, d, f->target_has_commit, "the target does not have the landed commit in its history any more");
    must(p, d, f->target_untouched, "the target changed while it was looked at");
}

static void judge_text(struct refresh_pass *p, const struct refresh_facts *f) {
    const cJSON *const docs[] = {f->report, f->proof};
    for (int i = 0; i < 2; i++) {
        const char *secret = refresh_secret_key(docs[i]), *claim = refresh_claim(docs[i]);
        must(p, REFRESH_STANDING, standing_activation_false(docs[i]) && standing_not_promoted(docs[i]),
             "the standing fields are not as they must be");
        put(p, REFRESH_STANDING, claim ? LANE_FAIL : LANE_PASS, "%.60s activates or promotes", claim ? claim : "");
        put(p, REFRESH_SECRETS, secret ? LANE_FAIL : LANE_PASS, "%.60s is shaped like a secret's name",
            secret ? secret : "");
    }
}

void refresh_judge(struct refresh_pass *ret, const struct refresh_facts *f) {
    memset(ret, 0, sizeof *ret);
    for (int d = 0; d < REFRESH_DIMS; d++) ret->dims[d] = LANE_PASS;
    judge_evidence(ret, f);
    judge_shape(ret, f);
    must(ret, REFRESH_EVENTS, f->verifies && is_true(f->report, "required_events_passed"),
         "a required event is missing or out of its place");
    judge_paths(ret, f);
    put(ret, REFRESH_CLOSURE, f->closure, "%.200s", f->closure_why ? f->closure_why : "it is not known");
    put(ret, REFRESH_ARTIFACTS, f->verifies && !f->absent ? LANE_PASS : LANE_FAIL, "%.60s is missing, or does not hold",
        f->absent ? f->absent : "a file");
    judge_actions(ret, f);
    judge_people(ret, f);
    const enum freshness fresh = f->source ? f->source->state : FRESH_MISSING;
    put(ret, REFRESH_SOURCE,
        fresh == FRESH || fresh == FRESH_NOT_APPLICABLE ? LANE_PASS
        : fresh == FRESH_STALE                          ? LANE_FAIL
                                                        : LANE_BLOCKED,
        "%.200s", f->source ? f->source->why : "it is not known");
    judge_target(ret, f);
    judge_text(ret, f);
    put(ret, REFRESH_RERUN, f->rerun, "%.200s", f->rerun_why ? f->rerun_why : "it was not run again");
}

enum lane_status refresh_pass_status(const struct refresh_pass *p) {
    enum lane_status s = LANE_PASS;
    for (int d = 0; d < REFRESH_DIMS; d++) {
        if (p->dims[d] == LANE_FAIL) return LANE_FAIL;
        if (p->dims[d] == LANE_BLOCKED) s = LANE_BLOCKED;
    }
    return s;
}

cJSON *refresh_pass_json(const struct refresh_pass *p) {
    cJSON *all = cJSON_CreateObject();
    BUG_UNLESS(all != NULL);
    for (int d = 0; d < REFRESH_DIMS; d++) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put_str(o, "status", lane_status_name(p->dims[d]));
        json_put_str(o, "rationale", p->why[d][0] ? p->why[d] : NULL);
        json_put(all, refresh_dim_name((enum refresh_dim)d), o);
    }
    return all;
}

/* --- what follows --------------------------------------------------------------------------------------------------------------- */

static void because(struct refresh_result *r, const struct refresh_pass *p, enum lane_status s) {
    for (int d = 0; d < REFRESH_DIMS && !r->why[0]; d++)
        if (p->dims[d] == s)
            snprintf(r->why, sizeof r->why, "%s: %.180s", refresh_dim_name((enum refresh_dim)d), p->why[d]);
}

void refresh_conclude(struct refresh_result *ret, const struct refresh_pass *passes, int n, const struct ladder *l) {
    *ret = (struct refresh_result){.status = "pass"};
    enum lane_status worst = LANE_PASS;
    for (int i = 0; i < n; i++) {
        const enum lane_status s = refresh_pass_status(&passes[i]);
        ret->count += s == LANE_PASS;
        if (s == LANE_PASS || worst == LANE_FAIL || (worst == LANE_BLOCKED && s == LANE_BLOCKED)) continue;
        worst = s;
        ret->why[0] = '\0';
        because(ret, &passes[i], s);
    }
    /* As the ladder has it: passes without the stages that they are passes of are runs, no repetition. */
    const bool proven = l->rungs[5].status == RUNG_VALIDATED && l->rungs[6].status == RUNG_VALIDATED;
    if (!proven) ret->count = 0;
    if (!proven && worst == LANE_PASS) snprintf(ret->why, sizeof ret->why, "stage 5 or stage 6 is not validated");
    if (proven && worst == LANE_PASS && ret->count < LADDER_REPEATS)
        snprintf(ret->why, sizeof ret->why, "%d passes of different cases are required", LADDER_REPEATS);
    if (worst == LANE_FAIL || strcmp(l->repeatability_status, "fail") == 0)
        ret->status = "fail";
    else if (ret->count < LADDER_REPEATS)
        ret->status = "blocked";
    if (strcmp(ret->status, "fail") == 0 && !ret->why[0])
        snprintf(ret->why, sizeof ret->why, "the evidence of another accepted pass of this home does not hold");
    ret->passed = strcmp(ret->status, "pass") == 0;
    ret->eligible = ret->passed && l->repeatability_eligible;
}
