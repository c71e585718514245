/* blockers.h - every reason why a run is not a pass: one table, from which the names, the verdict, the README's table and
 * `validate failure-matrix` are made (design: stages, "The twelve failure classes").
 *
 * status: what the run ends as. event: the normalized event that carries the reason. class: `verdict` says something about
 * the agent's work, `infrastructure` about the host, `policy` about a rule that was applied before or after; three of the host's
 * become the agent's when its backend had started (record_class). marker: a small text file under backend/, or NULL.
 */
#ifndef CTO_SUPERVISOR_BLOCKERS_H
#define CTO_SUPERVISOR_BLOCKERS_H

#include <stdbool.h>
#include <stddef.h>

enum verdict { VERDICT_NONE, VERDICT_PASS, VERDICT_FAIL, VERDICT_BLOCKED };
const char *verdict_name(enum verdict v); /* "pass", "fail", "blocked"; "none" before the end */
int verdict_exit_code(enum verdict v);    /* 0, 1, 3; 4 for none */

enum blocker_class { CLASS_VERDICT, CLASS_INFRASTRUCTURE, CLASS_POLICY };
const char *blocker_class_name(enum blocker_class c);

/* name, status, event, class, marker, meaning */
#define BLOCKER_TABLE(X)                                                                                               \
    /* the twelve classes, in the design's order */                                                                    \
    X(no_diff, FAIL, "git.diff.checked", VERDICT, NULL,                                                                \
      "the backend reported success, no diff although one is required")                                                \
    X(disallowed_file_change, FAIL, "git.diff.checked", VERDICT, NULL, "a path outside allowed_paths changed")         \
    X(verification_failed, FAIL, "verification.completed", VERDICT, NULL, "a verification command exited non-zero")    \
    X(missing_test_command, BLOCKED, "verification.completed", POLICY, NULL,                                           \
      "verification is required, no command is available")                                                             \
    X(missing_required_event, FAIL, "run.completed", VERDICT, NULL, "a required event is absent or out of order")      \
    X(reviewer_rejected, BLOCKED, "verification.completed", VERDICT, NULL,                                             \
      "the backend's reviewer rejected the result")                                                                    \
    X(approval_denied, BLOCKED, "approval.denied", POLICY, NULL, "an approval was required and denied")                \
    X(timeout, BLOCKED, "run.completed", VERDICT, "provider-timeout.txt",                                              \
      "backend or verification exceeded its limit")                                                                    \
    X(dirty_starting_tree, BLOCKED, "task.contract.created", POLICY, NULL, "the repository was dirty before the work") \
    X(dirty_ending_tree, FAIL, "run.completed", VERDICT, NULL, "untracked or unintended state after the work")         \
    X(artifact_write_failure, FAIL, "run.completed", INFRASTRUCTURE, NULL, "a required artifact could not be written") \
    X(provider_unavailable, BLOCKED, "run.completed", INFRASTRUCTURE, "provider-unavailable.txt",                      \
      "provider, model, program or dependency is not there")                                                           \
    /* our own, same discipline */                                                                                     \
    X(backend_failed, FAIL, "run.completed", VERDICT, NULL, "the backend exited non-zero or by a signal")              \
    X(lifecycle_timeout_after_valid_patch, FAIL, "run.completed", VERDICT, "provider-timeout.txt",                     \
      "the total limit was reached after an allowed diff whose tests pass")                                            \
    X(forbidden_path_change, FAIL, "git.diff.checked", VERDICT, NULL, "a forbidden path changed")                      \
    X(forbidden_action_attempted, FAIL, "run.completed", VERDICT, NULL, "a forbidden action was attempted")            \
    X(history_rewritten, FAIL, "git.diff.checked", VERDICT, NULL, "the result does not descend from the baseline")     \
    X(repository_unreadable, FAIL, "git.diff.checked", VERDICT, NULL,                                                  \
      "the repository the backend left cannot be read")                                                                \
    X(output_limit_exceeded, FAIL, "run.completed", VERDICT, NULL, "more output than the limit allows")                \
    X(resource_limit_exceeded, FAIL, "run.completed", VERDICT, NULL, "a resource limit was hit")                       \
    X(sandbox_unavailable, BLOCKED, "run.completed", INFRASTRUCTURE, NULL, "the host lacks a required mechanism")      \
    X(sandbox_violation, FAIL, "run.completed", VERDICT, NULL, "processes of the run could not be ended")              \
    X(worker_protocol_violation, FAIL, "run.completed", INFRASTRUCTURE, NULL, "the worker said what it may not say")   \
    X(worker_failed, FAIL, "run.completed", INFRASTRUCTURE, NULL, "the worker ended before its work was done")         \
    X(supervisor_interrupted, FAIL, "run.completed", INFRASTRUCTURE, NULL, "the supervisor ended before the run did")  \
    X(gate_missing, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log", "a gate that must be opened is not")     \
    X(eligibility_denied, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log",                                    \
      "no backend is eligible for the task")                                                                           \
    X(stage_not_proven, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log",                                      \
      "the stage before the one that was asked for is not proven on this build")                                       \
    X(approval_consumed, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log", "the approval was for another run") \
    X(approval_expired, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log", "the approval is no longer good")    \
    X(provider_not_decided, BLOCKED, "backend.gate.blocked", POLICY, "provider-model-not-admitted.txt",                \
      "no decision on the provider, or one that does not allow it")                                                    \
    X(model_not_admitted, BLOCKED, "backend.gate.blocked", POLICY, "provider-model-not-admitted.txt",                  \
      "the model was not admitted")                                                                                    \
    X(provider_auth_unavailable, BLOCKED, "backend.gate.blocked", INFRASTRUCTURE, "provider-auth-unavailable.txt",     \
      "the provider's credentials cannot reach the backend")                                                           \
    X(provider_local_config_unavailable, BLOCKED, "backend.gate.blocked", INFRASTRUCTURE,                              \
      "provider-local-config-unavailable.txt", "the local provider's endpoint is not configured")                      \
    X(provider_response_shape, BLOCKED, "backend.gate.blocked", INFRASTRUCTURE, "provider-reasoning-only.txt",         \
      "provider response shape unavailable")                                                                           \
    X(model_mismatch, BLOCKED, "run.completed", POLICY, "provider-model-not-admitted.txt",                             \
      "another model than the admitted one was asked for or answered")                                                 \
    X(agent_protocol_error, FAIL, "run.completed", VERDICT, "provider-agent-protocol.txt",                             \
      "the backend's agents gave no result envelope that it could read")                                               \
    X(target_not_admitted, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log",                                   \
      "the target repository is not admitted, or not in a state to be worked on")                                      \
    X(unowned_repository, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log",                                    \
      "the repository's ownership is not clear")                                                                       \
    X(critical_repository, BLOCKED, "backend.gate.blocked", POLICY, "case-gate.log",                                   \
      "the target repository is not of low risk")                                                                      \
    X(landing_failed, FAIL, "run.completed", INFRASTRUCTURE, NULL, "the result could not be landed on its repository") \
    X(secret_leak_detected, FAIL, "git.diff.checked", VERDICT, NULL,                                                   \
      "the committed result holds a value that the harness was given as an endpoint or a credential")                  \
    X(operator_rejected, FAIL, "operator.outcome.recorded", POLICY, NULL,                                              \
      "the operator rejected the result, and its landing was reverted")                                                \
    X(missing_operator_outcome, BLOCKED, "run.completed", POLICY, NULL,                                                \
      "nobody said accepted or rejected in time, and the landing was reverted")

enum blocker {
#define X(name, status, event, class, marker, meaning) BLOCKER_##name,
    BLOCKER_TABLE(X)
#undef X
        BLOCKER_COUNT
};

struct blocker_rule {
    const char *reason;
    enum verdict status;
    const char *event;
    enum blocker_class class;
    const char *marker, *meaning;
    bool of_the_twelve;
};
const struct blocker_rule *blocker_rule(enum blocker b);
/* BLOCKER_COUNT when there is none of that name. */
enum blocker blocker_by_reason(const char *reason);

#endif
