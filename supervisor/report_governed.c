/* report_governed.c - the parts of report.json that only governed runs have: gated backends (design: evidence, "For gated backends
 * also") and approved ones. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/case_task.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/model_use.h"
#include "supervisor/seal.h"
#include "supervisor/stages.h"
#include "supervisor/subject.h"
#include "supervisor/verdict.h"

static void put_text(cJSON *o, const char *key, const char *text) { json_put_str(o, key, text[0] ? text : NULL); }

/* For these the design has words of its own; missing local configuration is the provider's absence too. */
const char *report_failure_reason(const struct run_record *r, char *out, size_t size) {
    if (r->n_blockers == 0) return NULL;
    enum blocker b = r->blockers[0].id;
    if (b == BLOCKER_provider_unavailable || b == BLOCKER_provider_local_config_unavailable)
        return "provider unavailable";
    if (b == BLOCKER_provider_response_shape) return "provider response shape unavailable";
    if (b == BLOCKER_agent_protocol_error) return "case agent result protocol failed";
    if (b == BLOCKER_backend_failed && r->engine_kind == END_EXITED && strcmp(r->engine, "case") == 0) {
        snprintf(out, size, "case engine failed with exit code %d", (int)r->engine_code);
        return out;
    }
    return blocker_rule(b)->meaning;
}

static void put_path(cJSON *o, const char *key, const char *dir, const char *name) {
    AUTO_BUF struct buf b = BUF_INIT(8192);
    buf_printf(&b, "%s%s", dir, name);
    json_put(o, key, json_bytes(buf_str(&b), b.len));
}

/* Where a run of this kind may write at all; the engine's own roots lie inside the first two, the evidence in none of them. */
static void put_roots(cJSON *o, const struct run_record *r) {
    if (!r->work_dir) return;
    put_path(o, "runtime_workspace_root", r->work_dir, "/ws");
    put_path(o, "run_artifact_dir", r->work_dir, "");
    if (r->subject && r->subject->kind == SUBJECT_DISPOSABLE)
        put_path(o, "disposable_repository_dir", r->work_dir, SUBJECT_SUFFIX "/disposable");
}

static const char *admission_status(const struct run_record *r) {
    for (int i = 0; i < r->n_gates; i++)
        if (strcmp(r->gates[i].name, "target") == 0)
            return strcmp(r->gates[i].status, "passed") == 0 ? "admitted" : "not_admitted";
    return "not_admitted";
}

/* Null before it is known. */
static void put_known(cJSON *o, const char *key, bool known, bool value) {
    json_put(o, key, known ? cJSON_CreateBool(value) : cJSON_CreateNull());
}

static void put_target(cJSON *o, const struct run_record *r) {
    const struct run_subject *s = r->subject;
    bool forbidden = false;
    for (int i = 0; i < r->n_changes; i++) forbidden |= r->changes[i].forbidden;
    const bool looked = verdict_changes_known(r), landed = s->commit[0] != '\0';
    json_put_str(o, "target_repository_admission_status", admission_status(r));
    put_text(o, "target_repository_admission_id", s->admission_id);
    put_text(o, "target_repository_admission_sha256", s->admission_sha256);
    put_known(o, "target_repository_start_clean", s->head[0] != '\0', s->start_clean);
    put_known(o, "target_repository_ending_clean", r->engine_started, s->end_clean);
    put_known(o, "allowed_paths_passed", looked, looked && verdict_writes_allowed(r));
    put_known(o, "forbidden_paths_passed", looked, !forbidden && !r->changes_truncated);
    json_put_bool(o, "forbidden_actions_attempted", r->n_attempts > 0);
    json_put_bool(o, "push_merge_deploy_close_pr_open_attempted", r->n_attempts > 0);
    json_put_bool(o, "public_publication_attempted", strncmp(r->forbidden_action, "public_publication", 18) == 0);
    put_text(o, "approval_source", s->approval_source);
    put_text(o, "operator_outcome", s->outcome);
    put_text(o, "operator_outcome_actor", s->outcome_actor);
    put_text(o, "target_commit", landed ? s->commit : "");
    put_text(o, "target_revert_commit", s->revert_commit);
}

void report_put_subject(cJSON *o, const struct run_record *r) {
    const struct run_subject *s = r->subject;
    if (!s) return;
    json_put_str(o, "repository_kind", subject_kind_name(s->kind));
    put_text(o, "repository_head", s->head);
    if (s->kind == SUBJECT_SOURCE)
        put_known(o, "source_repository_mutated", s->after[0] != '\0', strcmp(s->before, s->after) != 0);
    if (subject_lands(s->kind) && s->head[0]) json_put(o, "branch_policy", subject_branch_policy(s));
    if (s->kind == SUBJECT_DISPOSABLE) put_text(o, "disposable_commit", s->commit);
    if (s->kind == SUBJECT_TARGET) put_target(o, r);
}

void report_put_governed(cJSON *o, const struct run_record *r) {
    const struct governed *g = r->governed;
    if (!g) return;
    json_put_str(o, "proof_kind", g->proof_double ? "double" : "real");
    json_put_str(o, "source_admission_status", g->source_admission_status);
    json_put_bool(o, "case_process_started", r->engine_started);
    json_put(o, "case_stage", g->stage ? cJSON_CreateNumber(g->stage) : cJSON_CreateNull());
    json_put_str(o, "allowed_mutation_scope", g->stage ? stage_rules(g->stage)->allowed_mutation_scope : "none");
    put_text(o, "case_model_provider", g->provider);
    put_text(o, "case_model", g->model);
    if (strcmp(r->engine, "case") == 0) put_text(o, "case_runtime_model_provider", case_runtime_provider(g->provider));
    put_text(o, "case_model_admission_status", g->model_admission_status);
    put_text(o, "case_model_admission_file", g->model_admission_file);
    put_text(o, "case_model_admission_sha256", g->model_admission_sha256);
    put_text(o, "case_bin_sha256", g->executable_sha256);
    put_roots(o, r);
    json_put(o, "models_observed", model_use_models(r));
    json_put(o, "model_use", model_use_json(r));
    json_put_bool(o, "external_fallback_used", false);
    report_put_subject(o, r);
}

void report_put_approval(cJSON *o, const struct run_record *r) {
    const struct approval_seen *a = r->approval;
    if (!a) return;
    char decided[CLOCK_STAMP_SIZE], expires[CLOCK_STAMP_SIZE];
    clock_stamp(a->decided_ms, decided);
    clock_stamp(a->expires_ms, expires);
    cJSON *p = cJSON_CreateObject();
    BUG_UNLESS(p != NULL);
    json_put_str(p, "approval_id", a->id);
    json_put_str(p, "request_id", a->request_id);
    json_put_str(p, "state_at_start", a->state);
    json_put_str(p, "actor", a->actor);
    json_put_str(p, "decided_at", decided);
    json_put_str(p, "expires_at", a->expires_ms ? expires : NULL);
    json_put_str(p, "execution_scope", "one approved Harness run only");
    json_put_str(p, "scope_digest", a->scope);
    json_put(o, "approval", p);
}
