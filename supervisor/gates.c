/* gates.c - see gates.h. */
#include "supervisor/gates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/engines.h"

static bool add(struct run_record *rec, const char *name, bool passed, const char *bad_status, enum blocker b,
                const char *reason) {
    struct gate_result *g = &rec->gates[rec->n_gates++];
    *g = (struct gate_result){.name = name, .status = passed ? "passed" : bad_status, .blocker = b};
    snprintf(g->reason, sizeof g->reason, "%s", passed ? "" : reason);
    return passed;
}

static bool listed(const struct case_list *l, const char *word) {
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->v[i], word) == 0) return true;
    return false;
}

static bool gate_engine(struct run_record *rec) {
    char reason[200];
    const struct engine *en = engine_find(rec->engine);
    const char *value = en->gated_by_env ? getenv(en->gated_by_env) : NULL;
    snprintf(reason, sizeof reason, "set %s=1 to allow the %s backend", en->gated_by_env ? en->gated_by_env : "",
             en->name);
    bool open = !en->gated_by_env || (value && strcmp(value, "1") == 0);
    return add(rec, "engine", open, "missing", BLOCKER_gate_missing, reason);
}

static bool gate_backend(struct run_record *rec) {
    char reason[200];
    snprintf(reason, sizeof reason, "case %s is not declared for the %s backend", rec->c->id, rec->engine);
    return add(rec, "backend", listed(&rec->c->backends, rec->engine), "failed", BLOCKER_eligibility_denied, reason);
}

static bool gate_contract(struct run_record *rec) {
    const struct cto_case *c = rec->c;
    const char *reason = c->allowed_writes.n == 0      ? "the case names no allowed_writes"
                         : c->forbidden_actions.n == 0 ? "the case names no forbidden_actions"
                                                       : "";
    return add(rec, "contract", reason[0] == '\0', "failed", BLOCKER_eligibility_denied, reason);
}

static bool gate_approval(struct run_record *rec) {
    return add(rec, "approval", !rec->c->approval_required, "missing", BLOCKER_gate_missing,
               "the case requires an approval and none was granted");
}

static bool gate_adapter(struct run_record *rec) {
    char reason[200];
    snprintf(reason, sizeof reason, "this build has no adapter for the %s backend", rec->engine);
    return add(rec, "provider", engine_find(rec->engine)->has_adapter, "failed", BLOCKER_provider_unavailable, reason);
}

bool gates_evaluate(struct run_record *rec) {
    rec->n_gates = 0;
    bool passed = gate_engine(rec);
    passed &= gate_backend(rec);
    passed &= gate_contract(rec);
    passed &= gate_approval(rec);
    passed &= gate_adapter(rec);
    return passed;
}

static cJSON *gate_names(const struct run_record *rec, const char *status) {
    cJSON *a = cJSON_CreateArray();
    for (int i = 0; i < rec->n_gates; i++)
        if (!status || strcmp(rec->gates[i].status, status) == 0 ||
            (strcmp(status, "missing") == 0 && strcmp(rec->gates[i].status, "failed") == 0))
            cJSON_AddItemToArray(a, cJSON_CreateString(rec->gates[i].name));
    return a;
}

static cJSON *reasons(const struct run_record *rec) {
    cJSON *a = cJSON_CreateArray();
    for (int i = 0; i < rec->n_gates; i++)
        if (rec->gates[i].reason[0]) cJSON_AddItemToArray(a, cJSON_CreateString(rec->gates[i].reason));
    return a;
}

cJSON *gates_decision(const struct run_record *rec) {
    bool passed = true;
    for (int i = 0; i < rec->n_gates; i++) passed &= strcmp(rec->gates[i].status, "passed") == 0;
    cJSON *d = cJSON_CreateObject(), *denied = cJSON_CreateArray();
    char id[RUN_ID_MAX + 16];
    snprintf(id, sizeof id, "decision-%s", rec->run_id);
    json_put_str(d, "decision_id", id);
    json_put_str(d, "task_id", rec->c->id);
    json_put_str(d, "selected_backend", passed ? rec->engine : "none");
    if (!passed) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "backend", rec->engine);
        json_put(o, "reasons", reasons(rec));
        cJSON_AddItemToArray(denied, o);
    }
    json_put(d, "denied_backends", denied);
    json_put_str(d, "risk_class", rec->c->risk_class);
    json_put(d, "required_gates", gate_names(rec, NULL));
    json_put(d, "passed_gates", gate_names(rec, "passed"));
    json_put(d, "missing_gates", gate_names(rec, "missing"));
    json_put_str(d, "allowed_mutation_mode", passed ? rec->c->mutation_mode : "none");
    json_put_bool(d, "approval_required", rec->c->approval_required);
    json_put(d, "reasons", reasons(rec));
    json_put_str(d, "escalation_path", passed ? "none" : "operator");
    return d;
}
