/* proof_stage4.c - stage 4: a repository of the harness's own making, approved, changed, and gone. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/commands/proof_run.h"

#define PROOF_NAME "stage4-disposable-sandbox-proof.json"

static const struct failure_row rows[] = {
    {"approval-denied", NULL, NULL, NULL, "approval_denied", "blocked", ROW_OWN, ROW_DENIED | ROW_UNSTARTED},
    {"approval-missing", NULL, NULL, NULL, "gate_missing", "blocked", ROW_OWN, ROW_UNASKED | ROW_UNSTARTED},
    {"reviewer-reject", NULL, "reviewer-reject", NULL, "reviewer_rejected", "blocked", ROW_MISLED, 0},
    {"timeout", NULL, "hang", "{\"timeouts\":{\"backend_s\":1}}", "timeout", "blocked", ROW_MISLED, 0},
    {"provider-unavailable", NULL, NULL, NULL, "provider_unavailable", "blocked", ROW_OWN, ROW_ABSENT | ROW_UNSTARTED},
    {"dirty-ending-tree", NULL, "dirty-end", NULL, "dirty_ending_tree", "fail", ROW_MISLED, 0},
    {"disallowed-file", NULL, "disallowed", NULL, "disallowed_file_change", "fail", ROW_MISLED, 0},
};

/* --- failures ----------------------------------------------------------------------------------------------------------- */

static bool before(struct proof *p, const struct failure_row *row, const struct run_of *what) {
    struct err e = ERR_INIT;
    if (row->wants & ROW_UNASKED) return true;
    if (proof_ask(p, what, row->wants & ROW_DENIED ? "denied" : "granted", &e) == 0) return true;
    hold(p, row->name, false, e.text);
    return false;
}

static bool gone(const struct seen *s) {
    const char *dir = run_look_text(s->report, "disposable_repository_dir");
    return dir[0] && access(dir, F_OK) != 0;
}

static void after(struct proof *p, const struct failure_row *row, const struct seen *s) {
    char name[96];
    if (!s->report) return;
    snprintf(name, sizeof name, "failure_%s", row->name);
    hold(p, name, run_look_text(s->report, "disposable_commit")[0] == '\0', "its result was landed all the same");
    hold(p, name, gone(s), "its repository is still there, or the report does not say where it was");
}

/* --- the pass ------------------------------------------------------------------------------------------------------------- */

static void check_policy(struct proof *p, const char *where, const cJSON *policy) {
    const cJSON *remotes = run_look_get(policy, "remotes");
    holdf(p, "branch_policy",
          run_look_text(policy, "branch")[0] && run_look_text(policy, "base")[0] && cJSON_IsArray(remotes) &&
              cJSON_GetArraySize(remotes) == 0 && run_look_false(policy, "push_allowed") &&
              run_look_false(policy, "merge_allowed"),
          "%s has no such policy", where);
}

static void check_order(struct proof *p, const struct seen *s) {
    static const char *const approved[] = {"approval.requested", "approval.granted", "backend.started", "patch.applied",
                                           NULL};
    static const char *const recorded[] = {"branch.policy.recorded", "backend.started", NULL};
    cJSON *events = run_look_lines(s->dir, EVIDENCE_EVENTS);
    const cJSON *granted = run_look_data(events, "approval.granted");
    hold(p, "approval_before_mutation", in_order(s, approved), "the events are not in that order");
    hold(p, "branch_policy_before_start", in_order(s, recorded), "the events are not in that order");
    hold(p, "approval_event",
         run_look_says(granted, "actor", PROOF_ACTOR) && run_look_says(granted, "mutation_mode", "sandbox-repo"),
         "approval.granted lacks its actor or mode");
    check_policy(p, "branch.policy.recorded", run_look_data(events, "branch.policy.recorded"));
    cJSON_Delete(events);
    hold(p, "approval_status", run_look_says(s->report, "approval_status", "granted"), "the report says otherwise");
}

static void check_proof(struct proof *p, const struct seen *s) {
    char path[PATH_MAX];
    cJSON *o = run_look_json(s->dir, PROOF_NAME);
    hold(p, "disposable_sandbox_proof", o != NULL, PROOF_NAME " is missing, or no JSON");
    hold(p, "ownership", run_look_text(o, "ownership")[0], "the proof does not say whose it was");
    hold(p, "creation_source", run_look_text(o, "creation_source")[0], "the proof does not say what it was made of");
    hold(p, "disposal", run_look_text(o, "disposal")[0], "the proof does not say what became of it");
    hold(p, "disposable_clean",
         run_look_true(o, "disposable_start_clean") && run_look_true(o, "disposable_ending_clean"),
         "the proof does not say that it began and ended clean");
    hold(p, "disposable_commit", run_look_text(o, "disposable_commit")[0], "nothing was landed on it");
    hold(p, "approval_in_proof",
         run_look_true(o, "approval_granted") && run_look_says(o, "approval_actor", PROOF_ACTOR) &&
             run_look_false(o, "execution_allowed"),
         "the proof does not say who approved, or allows more");
    check_policy(p, PROOF_NAME, run_look_get(o, "branch_policy"));
    cJSON_Delete(o);
    if (snprintf(path, sizeof path, "%s/" PROOF_NAME, s->dir) < (int)sizeof path)
        json_put_str(p->extra, "disposable_sandbox_proof", path);
}

static void check_disposable(struct proof *p, const struct seen *s) {
    hold(p, "disposed", gone(s), "the repository is still there");
    hold(p, "nothing_left_the_host", cJSON_GetArraySize(run_look_get(s->report, "blockers")) == 0,
         "push, merge, deploy, close, an opened PR or a publication was attempted");
    check_policy(p, "the report", run_look_get(s->report, "branch_policy"));
}

/* What was granted was one run. */
static void check_consumed(struct proof *p) {
    struct seen s;
    const struct run_of what = proof_subject_run(p);
    proof_do(p, &what, &s);
    const cJSON *first = cJSON_GetArrayItem(run_look_get(s.report, "blocker_reasons"), 0);
    hold(p, "approval_is_for_one_run", cJSON_IsString(first) && strcmp(first->valuestring, "approval_consumed") == 0,
         "a second run was not blocked by approval_consumed");
    if (s.report) check_evidence(p, "approval_is_for_one_run", &s);
    seen_release(&s);
}

void prove_stage4(struct proof *p) {
    static const struct row_steps steps = {before, after};
    struct outside outside;
    struct seen s = {0};
    struct err e = ERR_INIT;
    proof_steps(p, 3 + sizeof rows / sizeof rows[0]); /* the pass, its twin on the default lane, a second run */
    if (!proof_subject(p, NULL)) return;
    outside_look(p, &outside);
    const struct run_of what = proof_subject_run(p);
    check_rows(p, rows, 1, &steps); /* a denial first: it must not stand against what comes */
    if (proof_ask(p, &what, "granted", &e) < 0) hold(p, "approval_requested", false, e.text);
    proof_do(p, &what, &s);
    if (s.report) {
        check_roots(p, &s);
        check_order(p, &s);
        check_proof(p, &s);
        check_disposable(p, &s);
        check_pass(p, &s);
        check_consumed(p);
    }
    seen_release(&s);
    check_rows(p, rows + 1, sizeof rows / sizeof rows[0] - 1, &steps);
    outside_check(p, &outside);
}
