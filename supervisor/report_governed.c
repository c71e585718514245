/* report_governed.c - the parts of report.json that only governed runs have: gated backends (design: evidence, "For gated backends
 * also") and approved ones. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/case_task.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/seal.h"
#include "supervisor/stages.h"

static void put_text(cJSON *o, const char *key, const char *text) { json_put_str(o, key, text[0] ? text : NULL); }

/* For these the design has words of its own; missing local configuration is the provider's absence too. */
const char *report_failure_reason(const struct run_record *r, char *out, size_t size) {
    if (r->n_blockers == 0) return NULL;
    enum blocker b = r->blockers[0].id;
    if (b == BLOCKER_provider_unavailable || b == BLOCKER_provider_local_config_unavailable)
        return "provider unavailable";
    if (b == BLOCKER_agent_protocol_error) return "case agent result protocol failed";
    if (b == BLOCKER_backend_failed && r->engine_kind == END_EXITED && strcmp(r->engine, "case") == 0) {
        snprintf(out, size, "case engine failed with exit code %d", (int)r->engine_code);
        return out;
    }
    return blocker_rule(b)->meaning;
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
    put_text(o, "run_artifact_dir", r->run_dir);
    json_put(o, "models_observed", cJSON_CreateArray());
    json_put_bool(o, "external_fallback_used", false);
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
