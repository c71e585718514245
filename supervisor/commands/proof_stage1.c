/* proof_stage1.c - stage 1: the gates of a backend, tried on real runs (design: stages, "The proof ladder").
 *
 * Two runs that must be blocked: without the backend's variable, and with it but without a stage. Both as a stranger would look at
 * them: report, events, artifacts, and that nothing beside the run directory changed. Then the fixtures of three failures that close
 * the same way for every backend.
 */
#include <stdio.h>
#include <string.h>

#include "supervisor/commands/proof_run.h"
#include "supervisor/standing.h"

#define SUBJECT "r1-string-slugify" /* declared for every backend */

static void check_artifacts(struct proof *p, const struct seen *s) {
    check_evidence(p, "blocked", s);
    hold(p, EVIDENCE_REPORT_MD, run_look_file(s->dir, EVIDENCE_REPORT_MD), "is missing in a blocked run");
    hold(p, "backend/case-gate.log", run_look_marker(s->dir, "case-gate.log"), "is missing in a blocked run");
    hold(p, EVIDENCE_PATCH, run_look_empty(s->dir, EVIDENCE_PATCH), "is missing, or not empty, in a blocked run");
}

/* {backend, gate, reason, mutation_mode, case_executed: false} */
static void check_event(struct proof *p, const struct seen *s) {
    cJSON *events = run_look_lines(s->dir, EVIDENCE_EVENTS);
    const cJSON *data = run_look_data(events, "backend.gate.blocked");
    hold(p, "backend_gate_blocked",
         run_look_says(data, "backend", p->engine->name) && run_look_text(data, "gate")[0] &&
             run_look_text(data, "reason")[0] && run_look_text(data, "mutation_mode")[0] &&
             run_look_false(data, "case_executed"),
         "the event lacks one of backend, gate, reason, mutation_mode, case_executed");
    cJSON_Delete(events);
}

/* A run that a gate must have blocked, and that word of its reason. */
static void check_blocked(struct proof *p, const char *name, const char *word) {
    struct seen s;
    char types[400];
    const struct run_of what = {.id = SUBJECT, .lane = p->lane};
    proof_do(p, &what, &s);
    if (!s.report) return;
    const cJSON *report = s.report;
    run_look_types(s.dir, types, sizeof types);
    const cJSON *first = cJSON_GetArrayItem(run_look_get(report, "blockers"), 0);
    const char *detail = run_look_text(first, "detail");
    hold(p, name,
         run_look_says(report, "status", "blocked") && run_look_says(first, "reason", "gate_missing") &&
             strstr(detail, word),
         detail[0] ? detail : "the run was not blocked by its gate");
    hold(p, "case_process_started_false", run_look_false(report, "case_process_started"), "the report says otherwise");
    hold(p, "source_admission_status", run_look_says(report, "source_admission_status", "not_admitted"),
         "the report says otherwise");
    hold(p, STANDING_ACTIVATION_KEY "_false", standing_activation_false(report), "the report says otherwise");
    hold(p, STANDING_PROMOTION_KEY, standing_not_promoted(report), "the report says otherwise");
    hold(p, "mutation_mode_none", run_look_says(run_look_get(report, "eligibility"), "allowed_mutation_mode", "none"),
         "the decision allows something");
    hold(p, "not_applicable", cJSON_GetArraySize(run_look_get(report, "not_applicable")) > 0,
         "the report excuses no event");
    hold(p, "preflight_events",
         strcmp(types, "run.started task.contract.created backend.gate.blocked run.completed ") == 0, types);
    check_event(p, &s);
    check_artifacts(p, &s);
    proof_shows(p, &s);
    seen_release(&s);
}

/* --- the parts ------------------------------------------------------------------------------------------------------------ */

static void check_registry(struct proof *p) {
    const struct engine *en = p->engine;
    hold(p, "registered", engine_find(en->name) == en, "the backend is not in the dispatch table");
    hold(p, "gated_by_env", en->gated_by_env && strncmp(en->gated_by_env, "CTO_HARNESS_ALLOW_", 18) == 0,
         "the backend has no gate of its own");
    hold(p, "default_backend_is_fake", strcmp(engine_at(0)->name, "fake") == 0 && !engine_at(0)->gated_by_env,
         "the default backend is another");
}

/* On the lane that shows them; the report is a failure report of every backend's ladder. */
static const struct failure_row rows[] = {
    {"provider-unavailable", "provider-unavailable", NULL, NULL, "provider_unavailable", "blocked", ROW_FAKE, 0},
    {"missing-event", "missing-event", NULL, NULL, "missing_required_event", "fail", ROW_FAKE, 0},
    {"artifact-write-failure", "artifact-write-failure", NULL, NULL, "artifact_write_failure", "fail", ROW_FAKE, 0},
};

void prove_stage1(struct proof *p) {
    struct outside before;
    char stage[96];
    proof_steps(p, 2 + sizeof rows / sizeof rows[0]);
    outside_look(p, &before);
    snprintf(stage, sizeof stage, "%sSTAGE", p->engine->variables);
    check_registry(p);
    proof_set(p, "STAGE", NULL);
    proof_set(p, NULL, NULL);
    check_blocked(p, "disabled_by_default", p->engine->gated_by_env);
    proof_set(p, NULL, "1");
    check_blocked(p, "stage_gate_blocks", stage);
    proof_set(p, NULL, NULL);
    check_rows(p, rows, sizeof rows / sizeof rows[0], NULL);
    outside_check(p, &before);
}
