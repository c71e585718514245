/* test_sv_verdict.c - from a record to a verdict: a record that passes, then one thing wrong at a time, each with its reason and
 * its status; what dominates; that nothing passes without a positive answer to every question. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "supervisor/case_log.h"
#include "supervisor/verdict.h"

static struct cto_case c;
static struct spec_command commands[2];
static struct run_record r;
static int reasons_seen[BLOCKER_COUNT];

static void change(const char *path, bool allowed, bool forbidden, uint8_t scope) {
    r.changes = realloc(r.changes, (size_t)(r.n_changes + 1) * sizeof *r.changes);
    NEED(r.changes != NULL);
    r.changes[r.n_changes++] = (struct change){
        .letter = 'M', .path = strdup(path), .allowed = allowed, .forbidden = forbidden, .scope = scope};
}

static void no_changes(void) {
    for (int i = 0; i < r.n_changes; i++) free((char *)(uintptr_t)r.changes[i].path);
    r.n_changes = 0;
}

/* Everything good: one allowed change, committed, clean, tested. */
static void good(void) {
    record_release(&r);
    static const char *required[] = {"run.started", "plan.updated", "run.completed"};
    c = (struct cto_case){.id = "unit",
                          .verify = commands,
                          .n_verify = 2,
                          .diff_required = true,
                          .clean_start_required = true,
                          .backend_timeout_ms = 60000,
                          .idle_timeout_ms = 5000,
                          .required_events = {required, 3}};
    commands[0] = (struct spec_command){.argv = {"make"}, .argc = 1, .timeout_ms = 7000};
    commands[1] = (struct spec_command){.argv = {"pytest"}, .argc = 1, .timeout_ms = 7000};
    r = (struct run_record){.c = &c,
                            .engine = "fake",
                            .cause_blocker = BLOCKER_COUNT,
                            .baseline_seen = true,
                            .baseline_clean = true,
                            .engine_started = true,
                            .engine_ended = true,
                            .engine_kind = END_EXITED,
                            .result_seen = true,
                            .result_kind = RESULT_COMMITTED,
                            .result_clean = true,
                            .result_commits = 1,
                            .patch_whole = true,
                            .worker_done = true,
                            .worker_clean = true};
    memset(r.baseline_head, 'a', OID_SIZE - 1);
    memset(r.result_head, 'b', OID_SIZE - 1);
    for (int i = 0; i < 2; i++) *record_verify_slot(&r, i) = (struct verify_result){.seen = true, .kind = END_EXITED};
    change("src/x", true, false, 0);
}

static bool blocked_by(enum blocker b) {
    for (int i = 0; i < r.n_blockers; i++)
        if (r.blockers[i].id == b) return true;
    return false;
}

/* The verdict, the first reason, and each blocker with a sentence. b == BLOCKER_COUNT: a pass. */
static void judged(int line, enum verdict v, enum blocker b, const char *word) {
    verdict_judge(&r);
    verdict_conclude(&r);
    bool ok = r.verdict == v &&
              (b == BLOCKER_COUNT ? r.n_blockers == 0
                                  : r.n_blockers > 0 && r.blockers[0].id == b && strstr(r.blockers[0].detail, word));
    for (int i = 0; i < r.n_blockers; i++) {
        ok = ok && r.blockers[i].detail[0];
        reasons_seen[r.blockers[i].id]++;
    }
    if (!check_that(ok, __FILE__, line, "judged")) {
        fprintf(stderr, "    want %s %s \"%s\", got %s", verdict_name(v),
                b < BLOCKER_COUNT ? blocker_rule(b)->reason : "-", word, verdict_name(r.verdict));
        for (int i = 0; i < r.n_blockers; i++)
            fprintf(stderr, " | %s: %s", blocker_rule(r.blockers[i].id)->reason, r.blockers[i].detail);
        fprintf(stderr, "\n");
    }
}
#define FAIL(b, word) judged(__LINE__, VERDICT_FAIL, BLOCKER_##b, word)
#define BLOCKED(b, word) judged(__LINE__, VERDICT_BLOCKED, BLOCKER_##b, word)
#define PASS() judged(__LINE__, VERDICT_PASS, BLOCKER_COUNT, "")

static void passes(void) {
    good();
    PASS();
    CHECK(verdict_has_result(&r) && verdict_writes_allowed(&r) && verdict_tests(&r) == 1);
    good(); /* ended by us after the commit */
    r.engine_kind = END_STOPPED, r.engine_code = 9, r.stop_sent = STOP_COMMITTED;
    PASS();
    good(); /* a question that needs no diff, and nothing to test */
    c.diff_required = false, c.n_verify = 0, c.no_test_rationale = "nothing to test";
    r.result_kind = RESULT_NONE;
    no_changes();
    PASS();
    CHECK(verdict_tests(&r) == -1 && !verdict_has_result(&r));
    good(); /* a dirty start that the case does not mind */
    c.clean_start_required = false, r.baseline_clean = false;
    PASS();
}

static void before_the_work(void) {
    good();
    record_release(&r);
    r = (struct run_record){.c = &c, .engine = "fake", .cause_blocker = BLOCKER_COUNT, .gated_out = true, .n_gates = 3};
    r.gates = calloc(3, sizeof r.gates[0]);
    NEED(r.gates != NULL);
    r.gates[0] = (struct gate_result){.name = "a", .status = "passed"};
    r.gates[1] = (struct gate_result){
        .name = "engine", .status = "missing", .blocker = BLOCKER_gate_missing, .reason = "set X=1"};
    r.gates[2] = (struct gate_result){
        .name = "backend", .status = "not_evaluated", .blocker = BLOCKER_eligibility_denied, .reason = "no"};
    BLOCKED(gate_missing, "gate engine: set X=1");
    CHECK(r.n_blockers == 1); /* nothing below a closed gate is asked */
    r.n_blockers = 0;
    r.gates[1].status = "passed", r.gates[2].status = "failed";
    BLOCKED(eligibility_denied, "gate backend: no");
    for (int b = 0; b < BLOCKER_COUNT; b++) { /* a gate gives its own reason, whatever that is */
        const char *event = blocker_rule((enum blocker)b)->event;
        if (strcmp(event, "backend.gate.blocked") != 0 && strcmp(event, "approval.denied") != 0) continue;
        r.n_blockers = 0;
        r.gates[2].blocker = (enum blocker)b;
        verdict_judge(&r);
        CHECK(r.n_blockers == 1 && r.blockers[0].id == (enum blocker)b);
        reasons_seen[b]++;
    }
    r.n_blockers = 0;
    r.gates[2].blocker = BLOCKER_eligibility_denied;
    good();
    r.baseline_clean = false;
    record_add_dirty(&r, strdup("M a.py")), record_add_dirty(&r, strdup("? b"));
    BLOCKED(dirty_starting_tree, "M a.py and more");
    good();
    r.engine_started = false, r.engine_kind = END_EXEC_FAILED, r.engine_code = ENOENT, r.result_seen = false;
    BLOCKED(provider_unavailable, "fake could not be started: No such file");
    good();
    r.engine_started = false, r.engine_kind = END_SETUP_FAILED, r.result_seen = false;
    snprintf(r.engine_detail, sizeof r.engine_detail, "mount");
    BLOCKED(sandbox_unavailable, "mount");
}

/* Whose a reason is, before and after the backend's start. */
static void whose(void) {
    for (int b = 0; b < BLOCKER_COUNT; b++) {
        const enum blocker_class by_table = blocker_rule((enum blocker)b)->class;
        const bool turns =
            b == BLOCKER_worker_failed || b == BLOCKER_worker_protocol_violation || b == BLOCKER_artifact_write_failure;
        good();
        CHECK(record_class(&r, (enum blocker)b) == (turns ? CLASS_VERDICT : by_table));
        r.engine_started = false;
        CHECK(record_class(&r, (enum blocker)b) == by_table);
    }
}

static void the_worker(void) {
    static const struct {
        enum failed_class class;
        enum blocker b;
    } classes[] = {{FAILED_SANDBOX, BLOCKER_sandbox_unavailable},
                   {FAILED_WORKER, BLOCKER_worker_failed},
                   {FAILED_INSPECT, BLOCKER_repository_unreadable},
                   {FAILED_SPEC, BLOCKER_worker_protocol_violation}};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        good();
        r.failed_seen = true, r.failed_class = classes[i].class, r.worker_done = false;
        if (classes[i].class == FAILED_SANDBOX) r.engine_started = false;
        snprintf(r.failed_text, sizeof r.failed_text, "why");
        judged(__LINE__, blocker_rule(classes[i].b)->status, classes[i].b, "why");
        CHECK(r.n_blockers == 1);
    }
    static const enum blocker causes[] = {BLOCKER_supervisor_interrupted, BLOCKER_worker_failed,
                                          BLOCKER_worker_protocol_violation};
    for (size_t i = 0; i < 3; i++) { /* what the supervisor ended is not judged further: the rest may be half */
        good();
        r.cause_blocker = causes[i], r.result_clean = false, r.failed_seen = true;
        snprintf(r.cause, sizeof r.cause, "the cause");
        judged(__LINE__, VERDICT_FAIL, causes[i], "the cause");
        CHECK(r.n_blockers == 1);
    }
    good();
    r.worker_done = false;
    FAIL(worker_failed, "without saying");
    good();
    r.worker_clean = false; /* DONE alone is no clean exit */
    FAIL(worker_failed, "without saying");
    good();
    r.result_seen = false;
    FAIL(worker_failed, "no result");
}

static void the_engine(void) {
    good();
    r.engine_code = 3;
    FAIL(backend_failed, "code 3"); /* also when diff and tests are good */
    good();
    r.engine_code = 127;
    FAIL(backend_failed, "code 127, which shells and env say of a command that the jail does not show");
    good();
    r.engine_kind = END_SIGNALLED, r.engine_code = 11;
    FAIL(backend_failed, "signal 11");
    good();
    r.engine_dropped = 5;
    FAIL(output_limit_exceeded, "5 bytes");
    good();
    r.engine_kind = END_OUT_OF_MEMORY;
    FAIL(resource_limit_exceeded, "limit");
    good();
    r.engine_kind = END_LIMIT;
    snprintf(r.engine_detail, sizeof r.engine_detail, "cpu time");
    FAIL(resource_limit_exceeded, "cpu time");
    static const enum stop_reason stops[] = {STOP_TIMEOUT, STOP_IDLE};
    for (int i = 0; i < 2; i++) {
        good();
        r.stop_sent = stops[i], r.engine_kind = END_STOPPED, r.result_clean = false;
        FAIL(lifecycle_timeout_after_valid_patch, i ? "idle limit of 5.0" : "total limit of 60.0");
        CHECK(r.n_blockers == 1); /* the dirt of an interrupted engine is no second reason */
        good();
        r.stop_sent = stops[i], r.engine_kind = END_STOPPED, r.result_kind = RESULT_NONE;
        no_changes();
        for (int k = 0; k < 2; k++) record_verify_slot(&r, k)->seen = false;
        BLOCKED(timeout, i ? "idle limit of 5.0" : "total limit of 60.0");
        CHECK(r.n_blockers == 1);
        good(); /* the limit and an exit of 0 at the same moment: still the limit */
        r.stop_sent = stops[i], r.engine_kind = END_EXITED;
        FAIL(lifecycle_timeout_after_valid_patch, "limit");
        good(); /* a commit that tests do not like is only a timeout, and a failed test */
        r.stop_sent = stops[i], r.engine_kind = END_STOPPED, record_verify_slot(&r, 1)->code = 1;
        FAIL(timeout, "limit");
        CHECK(blocked_by(BLOCKER_verification_failed));
    }
}

static void the_result(void) {
    good();
    r.result_kind = RESULT_NONE;
    no_changes();
    FAIL(no_diff, "nothing was committed");
    CHECK(r.n_blockers == 1);
    good();
    r.result_kind = RESULT_NONE, r.result_clean = false;
    no_changes();
    FAIL(no_diff, "never committed");
    good();
    no_changes(); /* commits that undo each other */
    change("src/x", true, false, 1);
    FAIL(no_diff, "commits change nothing");
    good();
    r.result_kind = RESULT_NONE, r.engine_code = 1;
    no_changes();
    for (int k = 0; k < 2; k++) record_verify_slot(&r, k)->seen = false;
    FAIL(backend_failed, "code 1"); /* says already why there is no diff */
    CHECK(r.n_blockers == 1);
    good();
    r.result_kind = RESULT_NOT_DESCENDANT;
    FAIL(history_rewritten, "does not descend");
    good();
    r.result_kind = RESULT_UNREADABLE;
    snprintf(r.result_detail, sizeof r.result_detail, "HEAD is a directory");
    FAIL(repository_unreadable, "HEAD is a directory");
    good();
    r.result_kind = RESULT_TOO_LARGE;
    snprintf(r.result_detail, sizeof r.result_detail, "too many objects");
    FAIL(repository_unreadable, "too many objects");
    good();
    r.result_clean = false;
    record_add_dirty(&r, strdup("? left"));
    FAIL(dirty_ending_tree, "? left");
}

static void the_changes(void) {
    good();
    change("other", false, false, 0);
    FAIL(disallowed_file_change, "other");
    CHECK(!verdict_writes_allowed(&r));
    good();
    change("src/secret", true, true, 0); /* forbidden wins over allowed */
    FAIL(forbidden_path_change, "src/secret");
    CHECK(!blocked_by(BLOCKER_disallowed_file_change) && !verdict_writes_allowed(&r));
    good();
    change("other", false, false, 1); /* in a commit on the way, undone later */
    FAIL(disallowed_file_change, "in a commit on the way");
    good();
    for (int i = 0; i < 10; i++) change("a\n\x1b[31mb", false, true, 0);
    FAIL(forbidden_path_change, "and 7 more");
    CHECK(!strchr(r.blockers[0].detail, '\n') && !strchr(r.blockers[0].detail, '\x1b'));
    good();
    char longest[2000];
    memset(longest, 'x', sizeof longest - 1), longest[sizeof longest - 1] = '\0';
    for (int i = 0; i < 5; i++) change(longest, false, false, 1);
    FAIL(disallowed_file_change, "xxxx");
    good();
    r.changes_truncated = true;
    FAIL(disallowed_file_change, "not all could be judged");
    CHECK(!verdict_writes_allowed(&r));
}

static void the_actions(void) {
    good();
    r.n_attempts = 1;
    snprintf(r.forbidden_action, sizeof r.forbidden_action, "push: a remote is configured: origin");
    FAIL(forbidden_action_attempted, "push: a remote is configured: origin");
    CHECK(r.n_blockers == 1 && !strstr(r.blockers[0].detail, "more"));
    good(); /* whatever the result is */
    r.n_attempts = 3, r.result_kind = RESULT_NONE;
    snprintf(r.forbidden_action, sizeof r.forbidden_action, "push");
    no_changes();
    FAIL(no_diff, "nothing was committed");
    CHECK(blocked_by(BLOCKER_forbidden_action_attempted) && strstr(r.blockers[1].detail, "and 2 more marks"));
}

static void the_verification(void) {
    good();
    record_verify_slot(&r, 1)->code = 2;
    FAIL(verification_failed, "pytest exited with code 2");
    CHECK(verdict_tests(&r) == 0);
    good();
    record_verify_slot(&r, 0)->kind = END_SIGNALLED, record_verify_slot(&r, 0)->code = 11;
    FAIL(verification_failed, "make was ended by signal 11");
    good();
    record_verify_slot(&r, 1)->kind = END_EXEC_FAILED, record_verify_slot(&r, 1)->code = ENOENT;
    BLOCKED(missing_test_command, "pytest is not there");
    CHECK(verdict_tests(&r) == 0);
    good();
    record_verify_slot(&r, 0)->kind = END_EXEC_FAILED, record_verify_slot(&r, 0)->code = ENOENT;
    BLOCKED(missing_test_command, "make is not there");
    CHECK(verdict_tests(&r) == -1); /* never true when nothing was tested */
    static const char *const of_the_agent[] = {"./check", "tools/check", "/workspace/check", "//workspace/check"};
    const char *const make = c.verify[0].argv[0];
    for (size_t i = 0; i < sizeof of_the_agent / sizeof of_the_agent[0]; i++) {
        good();
        c.verify[0].argv[0] = of_the_agent[i];
        record_verify_slot(&r, 0)->kind = END_EXEC_FAILED, record_verify_slot(&r, 0)->code = ENOENT;
        FAIL(verification_failed, "check could not be started"); /* deleting it is no way to be blocked */
    }
    good();
    c.verify[0].argv[0] = "/opt/check";
    record_verify_slot(&r, 0)->kind = END_EXEC_FAILED, record_verify_slot(&r, 0)->code = ENOENT;
    BLOCKED(missing_test_command, "/opt/check is not there");
    c.verify[0].argv[0] = make;
    good();
    c.n_verify = 0;
    BLOCKED(missing_test_command, "names no command");
    good();
    record_verify_slot(&r, 0)->kind = END_SETUP_FAILED;
    FAIL(worker_failed, "verification jail"); /* the backend ran: not blocked, or that were its way out */
    good();
    r.failed_seen = true, r.failed_class = FAILED_SANDBOX, r.worker_done = false;
    FAIL(worker_failed, "");
    good();
    record_verify_slot(&r, 0)->kind = END_LIMIT;
    snprintf(record_verify_slot(&r, 0)->detail, sizeof r.verify[0].detail, "memory_bytes: 9, limit 8 bytes");
    FAIL(resource_limit_exceeded, "memory_bytes: 9, limit 8");
    CHECK(r.n_blockers == 1); /* not a failed test besides */
    good();
    record_verify_slot(&r, 1)->kind = END_TIMED_OUT;
    BLOCKED(timeout, "pytest exceeded its limit of 7.0 s");
    good();
    record_verify_slot(&r, 1)->seen = false;
    snprintf(r.verify_skip, sizeof r.verify_skip, "no checkout");
    FAIL(verification_failed, "pytest was not run: no checkout");
    for (unsigned k = 0; k < 300; k++) { /* whatever kind: not a pass unless it is "exited" with 0 */
        good();
        record_verify_slot(&r, 1)->kind = (enum end_kind)k;
        verdict_judge(&r), verdict_conclude(&r);
        CHECK((r.verdict == VERDICT_PASS) == (k == END_EXITED));
    }
}

/* Only positive confirmation counts: an engine passes by exit 0, or ended by us after its commit; by nothing else. */
static void only_positive(void) {
    for (unsigned k = 0; k < 20; k++)
        for (int stop = 0; stop <= STOP_CANCELLED; stop++) {
            good();
            r.engine_kind = (enum end_kind)k, r.stop_sent = (enum stop_reason)stop,
            r.engine_code = k == END_STOPPED ? 9 : 0;
            verdict_judge(&r), verdict_conclude(&r);
            bool may = (k == END_EXITED && (stop == 0 || stop == STOP_COMMITTED)) ||
                       (k == END_STOPPED && stop == STOP_COMMITTED);
            if (!CHECK(may == (r.verdict == VERDICT_PASS)))
                fprintf(stderr, "    engine end %s, stop %d: %s\n", end_kind_name(k), stop, verdict_name(r.verdict));
        }
}

/* One fail makes a fail, wherever it stands; an agent cannot turn it into "blocked". */
static void domination(void) {
    for (int a = 0; a < BLOCKER_COUNT; a++)
        for (int b = 0; b < BLOCKER_COUNT; b++) {
            good();
            record_block(&r, (enum blocker)a, "x");
            record_block(&r, (enum blocker)b, "y");
            verdict_conclude(&r);
            bool fails = blocker_rule((enum blocker)a)->status == VERDICT_FAIL ||
                         blocker_rule((enum blocker)b)->status == VERDICT_FAIL;
            CHECK(r.verdict == (fails ? VERDICT_FAIL : VERDICT_BLOCKED) && r.n_blockers == (a == b ? 1 : 2));
        }
    good(); /* a bad change, and a limit hit on purpose */
    r.stop_sent = STOP_TIMEOUT, r.engine_kind = END_STOPPED;
    change("other", false, false, 0);
    FAIL(timeout, "total limit");
    CHECK(blocked_by(BLOCKER_disallowed_file_change));
    good();
    r.artifact_failed = true;
    snprintf(r.artifact_detail, sizeof r.artifact_detail, "disk full");
    FAIL(artifact_write_failure, "disk full");
    good();
    r.patch_whole = false, r.patch_seen = 77; /* a patch that was cut is not read by anybody */
    FAIL(artifact_write_failure, "not whole: 77 bytes");
    CHECK(r.n_blockers == 1);
    good(); /* it counts also where nothing else is judged */
    r.artifact_failed = true, r.baseline_clean = false;
    FAIL(dirty_starting_tree, "not clean");
    CHECK(blocked_by(BLOCKER_artifact_write_failure));
    good();
    record_block(&r, BLOCKER_no_diff, "%s", "");
    CHECK(strcmp(r.blockers[0].detail, blocker_rule(BLOCKER_no_diff)->meaning) == 0);
}

static void events(void) {
    static const char *const all[] = {"run.started", "x", "plan.updated", "y", "run.completed"};
    static const char *const wrong[] = {"plan.updated", "run.started", "run.completed"};
    good();
    CHECK(verdict_missing_event(&r, all, 5) == NULL);
    CHECK(strcmp(verdict_missing_event(&r, all, 4), "run.completed") == 0 &&
          strcmp(verdict_missing_event(&r, all, 2), "plan.updated") == 0);
    CHECK(strcmp(verdict_missing_event(&r, NULL, 0), "run.started") == 0 &&
          strcmp(verdict_missing_event(&r, wrong, 3), "plan.updated") == 0);
    static const char *twice[] = {"x", "x"}; /* one event does not answer two demands */
    c.required_events = (struct case_list){twice, 2};
    CHECK(verdict_missing_event(&r, all, 5) != NULL);
}

/* The table itself, and that this file has seen every reason that the verdict can give. */
static void table(void) {
    static const enum blocker elsewhere[] = {BLOCKER_missing_required_event, BLOCKER_sandbox_violation,
                                             /* of landings: target.sh */
                                             BLOCKER_landing_failed, BLOCKER_operator_rejected,
                                             BLOCKER_missing_operator_outcome, BLOCKER_target_not_admitted,
                                             BLOCKER_unowned_repository, BLOCKER_critical_repository,
                                             /* of gateways: test_sv_model_use.c */
                                             BLOCKER_model_mismatch};
    int twelve = 0;
    for (int i = 0; i < BLOCKER_COUNT; i++) {
        const struct blocker_rule *rule = blocker_rule((enum blocker)i);
        twelve += rule->of_the_twelve;
        CHECK(blocker_by_reason(rule->reason) == (enum blocker)i && rule->meaning[0] && rule->event[0]);
        CHECK(rule->status == VERDICT_FAIL || rule->status == VERDICT_BLOCKED);
        bool other = false;
        for (size_t k = 0; k < sizeof elsewhere / sizeof elsewhere[0]; k++) other |= elsewhere[k] == (enum blocker)i;
        if (!CHECK(other || reasons_seen[i] > 0)) fprintf(stderr, "    %s was never given\n", rule->reason);
    }
    CHECK(twelve == 12 && blocker_by_reason("nonsense") == BLOCKER_COUNT && blocker_by_reason("") == BLOCKER_COUNT);
    CHECK(verdict_exit_code(VERDICT_PASS) == 0 && verdict_exit_code(VERDICT_FAIL) == 1 &&
          verdict_exit_code(VERDICT_BLOCKED) == 3);
    CHECK(verdict_exit_code(VERDICT_NONE) == 4);
}

/* Claims of the backend's own log: they take a pass away, and never give or soften anything. */
static void the_agents(void) {
    good();
    r.case_marks = CASE_MARK_REVIEWER;
    BLOCKED(reviewer_rejected, "reviewer rejected");
    good();
    r.case_marks = CASE_MARK_PROTOCOL;
    FAIL(agent_protocol_error, "no result envelope");
    CHECK(r.n_blockers == 1);
    good();
    r.case_marks = CASE_MARK_UNREAD;
    FAIL(agent_protocol_error, "cannot be read to its end");
    good(); /* whoever gave no envelope rejected nothing */
    r.case_marks = CASE_MARK_REVIEWER | CASE_MARK_PROTOCOL;
    FAIL(agent_protocol_error, "no result envelope");
    CHECK(!blocked_by(BLOCKER_reviewer_rejected));
    good(); /* that nothing came of it is no second reason */
    r.case_marks = CASE_MARK_PROTOCOL, r.result_kind = RESULT_NONE;
    no_changes();
    FAIL(agent_protocol_error, "no result envelope");
    CHECK(!blocked_by(BLOCKER_no_diff));
    good(); /* a rejection is no way out of a fail */
    r.case_marks = CASE_MARK_REVIEWER;
    record_verify_slot(&r, 1)->code = 1;
    FAIL(verification_failed, "pytest");
    CHECK(blocked_by(BLOCKER_reviewer_rejected) && r.verdict == VERDICT_FAIL);
}

/* What was given to the harness and is in the committed result: nothing makes up for that, and no other end hides it. */
static void the_secrets(void) {
    good();
    r.secrets = secrets_new(NULL);
    PASS();
    good();
    r.secrets = secrets_new(NULL);
    r.secrets->redacted[0][SECRET_IN_STDOUT] = 7; /* replaced, and told */
    r.secrets->findings[SHAPE_OPENAI][SECRET_IN_PATCH] = 1;
    PASS();
    good();
    r.secrets = secrets_new(NULL);
    CHECK(!secrets_leaks(r.secrets, SECRET_IN_PATHS, "x", 1) && !secrets_leaks(NULL, SECRET_IN_PATHS, "x", 1));
    r.secrets->leaked = true;
    snprintf(r.secrets->leak, sizeof r.secrets->leak, "in new.txt");
    FAIL(secret_leak_detected, "in new.txt");
    CHECK(r.n_blockers == 1);
    good();
    r.secrets = secrets_new(NULL);
    r.secrets->leaked = true;
    r.stop_sent = STOP_TIMEOUT; /* blocked by itself */
    r.engine_kind = END_STOPPED, r.engine_code = 9;
    r.result_clean = false;
    FAIL(lifecycle_timeout_after_valid_patch, "");
    CHECK(blocked_by(BLOCKER_secret_leak_detected));
    good();
    r.secrets = secrets_new(NULL);
    r.secrets->leaked = true;
    r.failed_seen = true, r.failed_class = FAILED_WORKER;
    verdict_judge(&r);
    verdict_conclude(&r);
    CHECK(blocked_by(BLOCKER_secret_leak_detected) && r.verdict == VERDICT_FAIL);
    good(); /* what was not searched may hold one */
    r.search_contents = true;
    FAIL(artifact_write_failure, "contents did not come whole");
    good();
    r.search_contents = r.contents_whole = true;
    PASS();
    good();
    r.search_contents = true, r.result_kind = RESULT_NONE;
    no_changes();
    FAIL(no_diff, "nothing was committed");
}

int main(void) {
    passes();
    before_the_work();
    whose();
    the_worker();
    the_engine();
    the_result();
    the_changes();
    the_actions();
    the_verification();
    the_agents();
    the_secrets();
    only_positive();
    domination();
    events();
    table();
    record_release(&r);
    return check_done();
}
