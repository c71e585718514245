/* proof_stage2.c - stage 2: an artificial fixture, copied; nothing of anybody's repositories is near it. */
#include "supervisor/commands/proof_run.h"

#define NO_COMMAND "cto-harness-no-such-test-command"

static const struct failure_row rows[] = {
    {"no-diff", NULL, "no-diff", NULL, "no_diff", "fail", ROW_MISLED, 0},
    {"disallowed-file", NULL, "disallowed", NULL, "disallowed_file_change", "fail", ROW_MISLED, 0},
    {"failed-tests", NULL, "fail-tests", NULL, "verification_failed", "fail", ROW_MISLED, 0},
    {"missing-test-command", NULL, "fix", "{\"verification\":[{\"argv\":[\"" NO_COMMAND "\"]}]}",
     "missing_test_command", "blocked", ROW_MISLED, 0},
    /* Where the case names none, a gated backend is not even started; on the default lane the end of such a run shows. */
    {"unnamed-test-command", "missing-test-command", NULL, NULL, "missing_test_command", "blocked", ROW_FAKE, 0},
    {"missing-event", NULL, "fix",
     "{\"required_events\":[\"run.started\",\"task.contract.created\",\"plan.updated\",\"approval.granted\","
     "\"patch.applied\",\"git.diff.checked\",\"verification.completed\",\"run.completed\"]}",
     "missing_required_event", "fail", ROW_MISLED, 0},
    {"provider-unavailable", NULL, NULL, NULL, "provider_unavailable", "blocked", ROW_OWN, ROW_ABSENT | ROW_UNSTARTED},
};

void prove_stage2(struct proof *p) {
    struct outside before;
    struct seen s;
    proof_steps(p, 2 + sizeof rows / sizeof rows[0]); /* the pass, its twin on the default lane */
    if (!proof_subject(p, NULL) || !no_target_before(p)) return;
    outside_look(p, &before);
    const struct run_of what = proof_subject_run(p);
    proof_do(p, &what, &s);
    if (s.report) {
        check_roots(p, &s);
        hold(p, "source_admission_status", run_look_says(s.report, "source_admission_status", "not_admitted"),
             "the report says otherwise, and nothing was admitted for this stage");
        check_no_target(p, &s);
        check_pass(p, &s);
    } else {
        owned_revoke(p, &p->owned);
    }
    seen_release(&s);
    check_rows(p, rows, sizeof rows / sizeof rows[0], NULL);
    outside_check(p, &before);
}
