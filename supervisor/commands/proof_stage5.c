/* proof_stage5.c - stage 5: a repository that somebody owns, admitted, approved, landed on, and a human's word on it. The validator is
 * that somebody: it makes the repository, stands for it by its own name, and takes back what it said when it is over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/commands/proof_run.h"
#include "supervisor/repo.h"

#define PROOF_NAME "stage5-owned-repo-proof.json"

static const struct failure_row rows[] = {
    {"approval-denied", NULL, NULL, NULL, "approval_denied", "blocked", ROW_OWN, ROW_DENIED | ROW_UNSTARTED},
    {"approval-missing", NULL, NULL, NULL, "gate_missing", "blocked", ROW_OWN, ROW_UNASKED | ROW_UNSTARTED},
    {"unowned", NULL, NULL, NULL, "unowned_repository", "blocked", ROW_OWN, ROW_UNOWNED | ROW_UNASKED | ROW_UNSTARTED},
    {"critical", NULL, NULL, NULL, "critical_repository", "blocked", ROW_OWN,
     ROW_CRITICAL | ROW_UNASKED | ROW_UNSTARTED},
    {"disallowed-file", NULL, "disallowed", NULL, "disallowed_file_change", "fail", ROW_MISLED, 0},
    {"dirty-start", NULL, NULL, NULL, "dirty_starting_tree", "blocked", ROW_OWN, ROW_DIRTY | ROW_UNSTARTED},
    {"missing-pristine", NULL, NULL, PROOF_KEPT_CHANGES, "eligibility_denied", "blocked", ROW_OWN,
     ROW_LACKS | ROW_UNSTARTED},
    {"dirty-end", NULL, "dirty-end", NULL, "dirty_ending_tree", "fail", ROW_MISLED, 0},
    {"failed-tests", NULL, "fail-tests", NULL, "verification_failed", "fail", ROW_MISLED, 0},
    {"timeout", NULL, "hang", "{\"timeouts\":{\"backend_s\":1}}", "timeout", "blocked", ROW_MISLED, 0},
    {"provider-unavailable", NULL, NULL, NULL, "provider_unavailable", "blocked", ROW_OWN, ROW_ABSENT | ROW_UNSTARTED},
    {"missing-outcome", NULL, NULL, "{\"timeouts\":{\"outcome_s\":1}}", "missing_operator_outcome", "blocked", ROW_OWN,
     ROW_SILENCE},
};

/* --- failures ----------------------------------------------------------------------------------------------------------- */

static const char *admission_changes(const struct failure_row *row) {
    if (row->wants & ROW_UNOWNED) return "{\"ownership_evidence\":\"\"}";
    return row->wants & ROW_CRITICAL ? "{\"risk_classification\":\"critical\"}" : NULL;
}

static int prepare(struct proof *p, const struct failure_row *row, const struct run_of *what, struct err *e) {
    struct owned *o = &p->owned;
    if (owned_make(p, row->name, PROOF_ROWS, row->name, true, o, e) < 0 ||
        owned_admit(p, o, PROOF_ROWS, row->name, admission_changes(row), e) < 0)
        return -1;
    if (row->wants & ROW_LACKS && owned_lacks(p, row->name, PROOF_KEPT, e) < 0) return -1;
    proof_set(p, "STAGE5_TARGET_ADMISSION_FILE", o->file);
    if (!(row->wants & ROW_UNASKED) && proof_ask(p, what, row->wants & ROW_DENIED ? "denied" : "granted", e) < 0)
        return -1;
    return row->wants & ROW_DIRTY ? owned_write(o, "leftover.txt", "of somebody else\n", e) : 0;
}

static bool before(struct proof *p, const struct failure_row *row, const struct run_of *what) {
    struct err e = ERR_INIT;
    if (prepare(p, row, what, &e) == 0) return true;
    hold(p, row->name, false, e.text);
    owned_revoke(p, &p->owned);
    return false;
}

/* Whatever came of it, the repository has the tree that it had; HEAD moves only where something had been landed and was taken back. */
static void check_target(struct proof *p, const char *name, const struct failure_row *row) {
    struct repo_facts facts;
    struct err e = ERR_INIT;
    const bool looked = repo_look(p->owned.path, &facts, &e) == 0;
    hold(p, name, looked && strcmp(facts.tree, p->owned.tree) == 0, "the target's tree is not what it was");
    hold(p, name, looked && (row->wants & ROW_SILENCE || strcmp(facts.head, p->owned.head) == 0),
         "the target's HEAD moved");
    hold(p, name, looked && (row->wants & ROW_DIRTY || facts.clean), "the target is not clean");
}

static bool row_names(struct proof *p, const char *run_id, const char *path) {
    struct store *s = NULL;
    struct store_run_row *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    bool names = store_open(p->home.store, false, &s, NULL) < 0 || store_run_get(s, run_id, row, NULL) < 0 ||
                 run_look_names(row->run_dir, strlen(row->run_dir), path) ||
                 run_look_names(row->work_dir, strlen(row->work_dir), path) ||
                 run_look_names(row->reasons, strlen(row->reasons), path);
    store_close(s);
    free(row);
    return names;
}

/* Nobody who reads evidence is told where the target is. */
static void check_silent(struct proof *p, const char *name, const struct seen *s) {
    char file[256] = "";
    struct err e = ERR_INIT;
    holdf(p, name, run_look_mentions(s->dir, p->owned.path, file, sizeof file, &e) == 0, "the target's path is in %s%s",
          file, e.text);
    hold(p, name, !row_names(p, s->run_id, p->owned.path), "the target's path is in the store's row of the run");
}

static void after(struct proof *p, const struct failure_row *row, const struct seen *s) {
    char name[96];
    snprintf(name, sizeof name, "failure_%s", row->name);
    check_target(p, name, row);
    if (s->report) check_silent(p, name, s);
    owned_revoke(p, &p->owned);
}

/* --- the pass ------------------------------------------------------------------------------------------------------------- */

static void check_order(struct proof *p, const struct seen *s) {
    static const char *const types[] = {
        "approval.requested",     "approval.granted",          "backend.started", "patch.applied",
        "verification.completed", "operator.outcome.recorded", "run.completed",   NULL};
    static const char *const recorded[] = {"branch.policy.recorded", "backend.started", NULL};
    cJSON *events = run_look_lines(s->dir, EVIDENCE_EVENTS);
    const cJSON *outcome = run_look_data(events, "operator.outcome.recorded");
    hold(p, "approval_before_mutation", in_order(s, types), "the events are not in that order");
    hold(p, "branch_policy_before_start", in_order(s, recorded), "the events are not in that order");
    hold(p, "operator_outcome_after_verification",
         run_look_says(outcome, "outcome", "accepted") && run_look_says(outcome, "actor", PROOF_ACTOR) &&
             run_look_text(outcome, "ts")[0],
         "operator.outcome.recorded lacks actor, outcome or ts");
    cJSON_Delete(events);
}

/* Both documents say the same of the target. */
static void check_fields(struct proof *p, const char *where, const cJSON *o) {
    static const struct {
        const char *key;
        bool value;
    } flags[] = {{"target_repository_start_clean", true}, {"target_repository_ending_clean", true},
                 {"allowed_paths_passed", true},          {"forbidden_paths_passed", true},
                 {"forbidden_actions_attempted", false},  {"push_merge_deploy_close_pr_open_attempted", false},
                 {"public_publication_attempted", false}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        holdf(p, flags[i].key, flags[i].value ? run_look_true(o, flags[i].key) : run_look_false(o, flags[i].key),
              "%s does not say %s", where, flags[i].value ? "true" : "false");
    holdf(p, "target_repository_admission_status", run_look_says(o, "target_repository_admission_status", "admitted"),
          "%s does not say admitted", where);
    holdf(p, "target_repository_admission_id",
          run_look_says(o, "target_repository_admission_id", p->owned.admission_id) &&
              strlen(run_look_text(o, "target_repository_admission_sha256")) == DIGEST_HEX_SIZE - 1,
          "%s has not the admission's id and digest", where);
    holdf(p, "approval_source", run_look_says(o, "approval_source", PROOF_ACTOR), "%s has another", where);
    holdf(p, "operator_outcome",
          run_look_says(o, "operator_outcome", "accepted") && run_look_says(o, "operator_outcome_actor", PROOF_ACTOR),
          "%s has another", where);
    holdf(p, "target_commit", strlen(run_look_text(o, "target_commit")) == 40, "%s has none", where);
}

static void check_proof(struct proof *p, const struct seen *s) {
    char path[PATH_MAX], summary[PATH_MAX];
    cJSON *o = run_look_json(s->dir, PROOF_NAME);
    hold(p, "owned_repo_proof", o != NULL, PROOF_NAME " is missing, or no JSON");
    check_fields(p, PROOF_NAME, o);
    if (snprintf(summary, sizeof summary, "%s/" EVIDENCE_REPORT, s->dir) < (int)sizeof summary)
        hold(p, "summary_path", run_look_says(o, "summary_path", summary), "the proof names another report");
    hold(p, "approval_in_proof",
         run_look_true(o, "approval_granted") && run_look_says(o, "approval_actor", PROOF_ACTOR) &&
             run_look_false(o, "execution_allowed"),
         "the proof does not say who approved, or allows more");
    cJSON_Delete(o);
    check_fields(p, "the report", s->report);
    if (snprintf(path, sizeof path, "%s/" PROOF_NAME, s->dir) < (int)sizeof path)
        json_put_str(p->extra, "owned_repo_proof", path);
}

static void check_landed(struct proof *p, const struct seen *s) {
    struct repo_facts facts;
    struct err e = ERR_INIT;
    const char *commit = run_look_text(s->report, "target_commit");
    const bool looked = repo_look(p->owned.path, &facts, &e) == 0;
    hold(p, "target_is_at_the_commit", looked && strcmp(facts.head, commit) == 0, "HEAD is not the landed commit");
    hold(p, "target_clean", looked && facts.clean, "the target is not clean");
    hold(p, "target_has_prior_history", looked && facts.commits == 3, "it has not one commit more than the two before");
}

static void check_owned(struct proof *p, struct seen *s) {
    check_roots(p, s);
    check_order(p, s);
    check_proof(p, s);
    check_landed(p, s);
    check_silent(p, "target_not_named", s);
    check_pass(p, s);
}

/* The word is the operator's: before it there is no verdict. */
static void check_wait(struct proof *p, const struct seen *s) {
    hold(p, "waits_for_the_operator", s->waiting && !run_look_file(s->dir, EVIDENCE_REPORT),
         "it has a verdict before the operator has spoken");
}

static void pass(struct proof *p) {
    struct seen s = {0};
    struct err e = ERR_INIT;
    const struct run_of what = proof_subject_run(p);
    if (owned_make(p, "target", PROOF_CASES, p->w->case_id, true, &p->owned, &e) < 0 ||
        owned_admit(p, &p->owned, PROOF_CASES, p->w->case_id, NULL, &e) < 0) {
        hold(p, "target_repository", false, e.text);
        return;
    }
    proof_set(p, "STAGE5_TARGET_ADMISSION_FILE", p->owned.file);
    if (proof_ask(p, &what, "granted", &e) < 0) hold(p, "approval_requested", false, e.text);
    proof_do(p, &what, &s);
    check_wait(p, &s);
    proof_accept(p, &s);
    if (s.report) check_owned(p, &s);
    seen_release(&s);
    owned_revoke(p, &p->owned);
}

void prove_stage5(struct proof *p) {
    static const struct row_steps steps = {before, after};
    struct outside outside;
    proof_steps(p, 2 + sizeof rows / sizeof rows[0]); /* the pass, its twin on the default lane */
    if (!proof_subject(p, NULL)) return;
    proof_set(p, "STAGE5_OPERATOR_OUTCOME", NULL); /* nothing is said beforehand here */
    outside_look(p, &outside);
    pass(p);
    check_rows(p, rows, sizeof rows / sizeof rows[0], &steps);
    outside_check(p, &outside);
}
