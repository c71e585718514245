/* contract.c - task-contract.json: what the run was asked, from the case, before anything happened. Its digest stands
 * in the event task.contract.created, so that the contract cannot be rewritten to fit the result. The target is named
 * by what it is, never by a path of the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/subject.h"

static cJSON *list(const struct case_list *l) { return json_strings(l->v, (size_t)l->n); }

static cJSON *commands(const struct cto_case *c) {
    cJSON *a = cJSON_CreateArray();
    BUG_UNLESS(a != NULL);
    for (int i = 0; i < c->n_verify; i++) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put(o, "argv", json_strings(c->verify[i].argv, (size_t)c->verify[i].argc));
        json_put_int(o, "timeout_ms", c->verify[i].timeout_ms);
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

static void put_target(cJSON *o, const struct run_record *r) {
    char target[CASE_ID_MAX + 128];
    const struct run_subject *s = r->subject;
    if (s && s->kind == SUBJECT_TARGET)
        snprintf(target, sizeof target, "target-admission:%s", s->admission_id[0] ? s->admission_id : "none");
    else if (s)
        snprintf(target, sizeof target, "%s:%s", subject_kind_name(s->kind), r->c->id);
    else
        snprintf(target, sizeof target, "%s:%s", r->c->baseline_empty ? "empty-repository" : "copied-fixture",
                 r->c->id);
    json_put_str(o, "target_repository", target);
}

char *contract_text(const struct run_record *r) {
    const struct cto_case *c = r->c;
    char task[DIGEST_HEX_SIZE];
    digest_bytes(c->task ? c->task : "", c->task ? strlen(c->task) : 0, task);
    const char *const *required;
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "task_id", c->id);
    json_put_str(o, "title", c->title ? c->title : "");
    json_put_str(o, "run_id", r->run_id);
    json_put_str(o, "backend", r->engine);
    put_target(o, r);
    json_put_str(o, "authority_basis", c->authority_basis ? c->authority_basis : "");
    json_put_str(o, "risk_class", c->risk_class ? c->risk_class : "");
    json_put(o, "allowed_paths", list(&c->allowed_writes));
    json_put(o, "forbidden_paths", list(&c->forbidden_paths));
    json_put(o, "forbidden_actions", list(&c->forbidden_actions));
    json_put_str(o, "mutation_mode", c->mutation_mode ? c->mutation_mode : "");
    json_put_bool(o, "approval_required", c->approval_required);
    json_put_bool(o, "clean_start_required", c->clean_start_required);
    json_put_bool(o, "diff_required", c->diff_required);
    json_put(o, "verification_commands", commands(c));
    json_put_str(o, "no_test_rationale", c->no_test_rationale);
    json_put(o, "evidence_expectations", list(&c->evidence_expectations));
    size_t n = evidence_required_whole(r, &required);
    json_put(o, "required_events", json_strings(required, n));
    json_put(o, "success_criteria", list(&c->success_criteria));
    json_put_str(o, "rollback_expectation", c->rollback_expectation ? c->rollback_expectation : "");
    json_put_str(o, "task_sha256", task);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    size_t len = strlen(text);
    char *with_newline = realloc(text, len + 2);
    BUG_UNLESS(with_newline != NULL);
    memcpy(with_newline + len, "\n", 2);
    return with_newline;
}
