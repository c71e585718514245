/* narrate.c - see narrate.h. */
#include "supervisor/narrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/outcome.h"
#include "supervisor/subject.h"
#include "supervisor/verdict.h"

static bool told(const struct narrator *n, const char *type) {
    const char *const *types;
    size_t count = evidence_event_types(n->ev, &types);
    for (size_t i = 0; i < count; i++)
        if (strcmp(types[i], type) == 0) return true;
    return false;
}

/* The blockers that this event type carries, as [{reason, detail}]. */
static void put_blockers(cJSON *data, const struct run_record *rec, const char *type) {
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < rec->n_blockers; i++) {
        const struct blocker_rule *rule = blocker_rule(rec->blockers[i].id);
        if (strcmp(rule->event, type) != 0) continue;
        cJSON *b = cJSON_CreateObject();
        json_put_str(b, "reason", rule->reason);
        json_put_str(b, "detail", rec->blockers[i].detail);
        cJSON_AddItemToArray(list, b);
    }
    json_put(data, "blockers", list);
}

static int tell(struct narrator *n, const char *type, cJSON *data, struct err *e) {
    if (told(n, type)) {
        cJSON_Delete(data);
        return 0;
    }
    return evidence_event(n->ev, type, data, e);
}

int narrate_begin(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "title", rec->c->title);
    json_put_str(data, "mutation_mode", rec->c->mutation_mode);
    json_put_int(data, "attempt", rec->attempt);
    json_put_str(data, "matrix_id", rec->matrix_id[0] ? rec->matrix_id : NULL);
    if (tell(n, "run.started", data, e) < 0) return -1;
    if (!n->contract_written && evidence_contract(n->ev, rec, n->contract_digest, e) < 0) return -1;
    n->contract_written = true;
    return 0;
}

static int tell_contract(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    if (!n->contract_written) return err_set(e, ERR_MISSING, "%s was not written", EVIDENCE_CONTRACT);
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "path", EVIDENCE_CONTRACT);
    json_put_str(data, "digest", n->contract_digest);
    json_put(data, "start_clean", rec->baseline_seen ? cJSON_CreateBool(rec->baseline_clean) : cJSON_CreateNull());
    json_put_str(data, "baseline_head", rec->baseline_seen ? rec->baseline_head : NULL);
    put_blockers(data, rec, "task.contract.created");
    return tell(n, "task.contract.created", data, e);
}

static int tell_plan(struct narrator *n, struct err *e) {
    static const char *const steps[] = {"baseline", "engine", "census", "diff", "checkout", "verification", "seal"};
    const struct cto_case *c = n->rec->c;
    cJSON *data = cJSON_CreateObject(), *commands = cJSON_CreateArray();
    json_put(data, "steps", json_strings(steps, sizeof steps / sizeof steps[0]));
    for (int i = 0; i < c->n_verify; i++)
        cJSON_AddItemToArray(commands, json_strings(c->verify[i].argv, (size_t)c->verify[i].argc));
    json_put(data, "verification_commands", commands);
    json_put(data, "allowed_paths", json_strings(c->allowed_writes.v, (size_t)c->allowed_writes.n));
    return tell(n, "plan.updated", data, e);
}

static cJSON *approval_data(const struct run_record *rec, const char *actor, int64_t at_ms) {
    const struct approval_seen *a = rec->approval;
    char at[CLOCK_STAMP_SIZE], expires[CLOCK_STAMP_SIZE];
    clock_stamp(at_ms, at);
    clock_stamp(a->expires_ms, expires);
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "request_id", a->request_id);
    json_put_str(data, "actor", actor);
    json_put_str(data, "scope", "one approved Harness run only");
    json_put_str(data, "scope_digest", a->scope);
    json_put_str(data, "mutation_mode", rec->c->mutation_mode);
    json_put_str(data, "timestamp", at);
    json_put_str(data, "expiry", a->expires_ms ? expires : NULL);
    return data;
}

/* What a human was asked, and said. Only these two words are events: an approval that is used up or expired is a closed gate. */
static int tell_approval(struct narrator *n, bool granted, struct err *e) {
    const struct approval_seen *a = n->rec->approval;
    if (!a || strcmp(a->state, granted ? "granted" : "denied") != 0) return 0;
    if (tell(n, "approval.requested", approval_data(n->rec, a->requester, a->requested_ms), e) < 0) return -1;
    cJSON *data = approval_data(n->rec, a->actor, a->decided_ms);
    json_put_str(data, "approval_id", a->id);
    json_put_str(data, "reason", a->why[0] ? a->why : NULL);
    if (!granted) put_blockers(data, n->rec, "approval.denied");
    return tell(n, granted ? "approval.granted" : "approval.denied", data, e);
}

int narrate_engine(struct narrator *n, struct err *e) {
    if (tell_contract(n, e) < 0 || tell_plan(n, e) < 0 || tell_approval(n, true, e) < 0) return -1;
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "backend", n->rec->engine);
    json_put_str(data, "baseline_head", n->rec->baseline_head);
    return tell(n, "backend.started", data, e);
}

int narrate_committed(struct narrator *n, struct err *e) {
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "head", n->rec->committed_head);
    json_put_str(data, "baseline_head", n->rec->baseline_head);
    return tell(n, "lifecycle.committed", data, e);
}

int narrate_engine_end(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "ended", end_kind_name(rec->engine_kind));
    json_put_int(data, "code", rec->engine_code < 0 ? -(int64_t)rec->engine_code : rec->engine_code);
    json_put_bool(data, "ended_by_harness", rec->stop_sent != 0);
    json_put_int(data, "output_bytes", (int64_t)rec->engine_output);
    json_put_int(data, "dropped_bytes", (int64_t)rec->engine_dropped);
    return tell(n, "backend.ended", data, e);
}

int narrate_observed(struct narrator *n, struct err *e) {
    struct observed *o = n->rec->observed;
    int rc = 0;
    for (int i = 0; rc == 0 && o && i < o->n; i++) {
        cJSON *data;
        const char *type = observation_event(&o->list[i], &data);
        json_put_bool(data, "claimed", true);
        rc = evidence_event(n->ev, type, data, e);
    }
    if (o) {
        free(o->list);
        o->list = NULL;
        o->n = 0;
    }
    return rc;
}

int narrate_limit(struct narrator *n, const struct limit_seen *l, struct err *e) {
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "name", l->name);
    json_put_int(data, "limit", (int64_t)l->limit);
    json_put_int(data, "seen", (int64_t)l->seen);
    json_put_str(data, "mechanism", l->mechanism);
    json_put_str(data, "of", l->of_backend ? "backend" : "verification");
    if (!l->of_backend) json_put_int(data, "command", (int64_t)l->index);
    json_put_bool(data, "ended", l->ended);
    return evidence_event(n->ev, "limit.hit", data, e);
}

int narrate_model(struct narrator *n, const struct model_request *q, struct err *e) {
    return evidence_event(n->ev, "gateway.request", model_use_event(q), e);
}

static int tell_gates(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    for (int i = 0; i < rec->n_gates; i++) {
        const struct gate_result *g = &rec->gates[i];
        if (strcmp(g->status, "missing") != 0 && strcmp(g->status, "failed") != 0) continue;
        if (g->blocker == BLOCKER_approval_denied) continue; /* has an event of its own */
        cJSON *data = cJSON_CreateObject();
        json_put_str(data, "backend", rec->engine);
        json_put_str(data, "gate", g->name);
        json_put_str(data, "reason", g->reason);
        json_put_str(data, "mutation_mode", rec->c->mutation_mode);
        json_put_bool(data, "case_executed", false);
        put_blockers(data, rec, "backend.gate.blocked");
        return tell(n, "backend.gate.blocked", data, e); /* exactly one event; the others stand in its blockers */
    }
    return 0;
}

static int tell_result(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    if (!verdict_has_result(rec)) return 0;
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "baseline_head", rec->baseline_head);
    json_put_str(data, "result_head", rec->result_head);
    json_put_int(data, "commits", rec->result_commits);
    json_put_bool(data, "committed_by_harness", rec->made_by_harness);
    return tell(n, "patch.applied", data, e);
}

static int tell_diff(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    if (!rec->result_seen) return 0;
    cJSON *data = cJSON_CreateObject(), *files = cJSON_CreateArray();
    int named = 0;
    for (int i = 0; i < rec->n_changes && named < 200; i++)
        if (rec->changes[i].scope == 0 && ++named)
            cJSON_AddItemToArray(files, json_bytes(rec->changes[i].path, strlen(rec->changes[i].path)));
    json_put_str(data, "result", result_kind_name(rec->result_kind));
    json_put(data, "changed_files", files);
    json_put(data, "allowed_writes_passed",
             verdict_changes_known(rec) ? cJSON_CreateBool(verdict_writes_allowed(rec)) : cJSON_CreateNull());
    json_put_bool(data, "clean", rec->result_clean);
    json_put_int(data, "patch_bytes", (int64_t)rec->patch_bytes);
    json_put_bool(data, "patch_whole", rec->patch_whole && rec->patch_bytes == rec->patch_seen);
    put_blockers(data, rec, "git.diff.checked");
    return tell(n, "git.diff.checked", data, e);
}

static cJSON *verify_json(const struct run_record *rec, int i) {
    const struct verify_result *v = record_verify(rec, i);
    cJSON *o = cJSON_CreateObject();
    json_put(o, "command", json_strings(rec->c->verify[i].argv, (size_t)rec->c->verify[i].argc));
    json_put_str(o, "ended", v->seen ? end_kind_name(v->kind) : "not_run");
    json_put(o, "exit_code", v->seen && v->kind == END_EXITED ? cJSON_CreateNumber(v->code) : cJSON_CreateNull());
    json_put_int(o, "duration_ms", (int64_t)(v->duration_us / 1000));
    return o;
}

static int tell_verification(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    bool any = rec->verify_skip[0] != '\0' || (rec->c->n_verify == 0 && rec->result_seen);
    for (int i = 0; i < rec->c->n_verify; i++) any |= record_verify(rec, i)->seen;
    if (!any) return 0;
    cJSON *data = cJSON_CreateObject(), *list = cJSON_CreateArray();
    for (int i = 0; i < rec->c->n_verify; i++) cJSON_AddItemToArray(list, verify_json(rec, i));
    int tests = verdict_tests(rec);
    json_put(data, "commands", list);
    json_put(data, "passed", tests < 0 ? cJSON_CreateNull() : cJSON_CreateBool(tests));
    if (rec->verify_skip[0]) json_put_str(data, "skipped", rec->verify_skip);
    if (rec->c->no_test_rationale) json_put_str(data, "no_test_rationale", rec->c->no_test_rationale);
    put_blockers(data, rec, "verification.completed");
    return tell(n, "verification.completed", data, e);
}

/* Markers of the table, and the one that says that the harness ended a backend after its commit. */
static int write_markers(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    char text[1200];
    if (rec->stop_sent == STOP_COMMITTED) {
        snprintf(
            text, sizeof text,
            "The backend had committed %s and the tree was clean; the harness ended it after its grace of %lld ms.\n"
            "This is a normal end.\n",
            rec->committed_head, (long long)rec->c->grace_ms);
        if (evidence_marker(n->ev, "provider-lifecycle-harness-completed.txt", text, e) < 0) return -1;
    }
    const char *written[BLOCKER_COUNT];
    int n_written = 0;
    for (int i = 0; i < rec->n_blockers; i++) {
        const struct blocker_rule *rule = blocker_rule(rec->blockers[i].id);
        bool twice = false;
        for (int k = 0; k < n_written; k++) twice |= rule->marker && strcmp(written[k], rule->marker) == 0;
        if (!rule->marker || twice) continue;
        snprintf(text, sizeof text, "%s: %s\n%s\n", rule->reason, rule->meaning, rec->blockers[i].detail);
        if (evidence_marker(n->ev, rule->marker, text, e) < 0) return -1;
        written[n_written++] = rule->marker;
    }
    return 0;
}

static int close_test_log(struct narrator *n, struct err *e) {
    const struct run_record *rec = n->rec;
    char text[700];
    for (int i = 0; i < rec->c->n_verify; i++) {
        const struct verify_result *v = record_verify(rec, i);
        if (!v->seen) continue;
        snprintf(text, sizeof text, "[cto-harness] command %d (%s): %s %d%s%s", i + 1, rec->c->verify[i].argv[0],
                 end_kind_name(v->kind), v->code, v->dropped_bytes ? "; its output was cut at the limit" : "",
                 v->kind == END_EXEC_FAILED ? ": the command is not available in the verification jail" : "");
        if (evidence_test_log(n->ev, text, e) < 0) return -1;
    }
    if (rec->verify_skip[0]) {
        snprintf(text, sizeof text, "[cto-harness] verification was not run: %s", rec->verify_skip);
        return evidence_test_log(n->ev, text, e);
    }
    if (rec->c->n_verify > 0) return 0;
    if (rec->c->no_test_rationale)
        snprintf(text, sizeof text, "[cto-harness] no verification command, by decision: %.500s",
                 rec->c->no_test_rationale);
    else
        snprintf(text, sizeof text,
                 "[cto-harness] missing_test_command: verification is required, the case names no command");
    return evidence_test_log(n->ev, text, e);
}

int narrate_findings(struct narrator *n, struct err *e) {
    if (tell_contract(n, e) < 0) return -1;
    if (n->rec->gated_out && (tell_approval(n, false, e) < 0 || tell_gates(n, e) < 0)) return -1;
    if (tell_result(n, e) < 0 || tell_diff(n, e) < 0 || tell_verification(n, e) < 0) return -1;
    if (!n->rec->gated_out && close_test_log(n, e) < 0) return -1;
    AUTO_FREE char *requests = model_use_log(n->rec->model_use);
    if (requests && requests[0] && evidence_marker(n->ev, "gateway-requests.jsonl", requests, e) < 0) return -1;
    return write_markers(n, e);
}

int narrate_outcome(struct narrator *n, struct err *e) {
    const struct run_subject *s = n->rec->subject;
    char stamp[CLOCK_STAMP_SIZE];
    if (!s || (strcmp(s->outcome, "accepted") != 0 && strcmp(s->outcome, "rejected") != 0)) return 0;
    clock_stamp(s->outcome_ms, stamp);
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "actor", s->outcome_actor);
    json_put_str(data, "outcome", s->outcome);
    json_put_str(data, "ts", stamp);
    json_put_str(data, "target_commit", s->commit);
    json_put_str(data, "revert_commit", s->revert_commit[0] ? s->revert_commit : NULL);
    put_blockers(data, n->rec, "operator.outcome.recorded");
    return tell(n, "operator.outcome.recorded", data, e);
}

int narrate_branch_policy(struct narrator *n, struct err *e) {
    const struct run_subject *s = n->rec->subject;
    return s && subject_lands(s->kind) ? tell(n, "branch.policy.recorded", subject_branch_policy(s), e) : 0;
}

static cJSON *parcel_json(const struct outcome_parcel *p) {
    char stamp[CLOCK_STAMP_SIZE];
    cJSON *o = json_new_object();
    json_put_str(o, "record_sha256", p->sha256);
    clock_stamp(p->since_ms, stamp);
    json_put_str(o, "since", stamp);
    clock_stamp(p->due_ms, stamp);
    json_put_str(o, "due", stamp);
    return o;
}

int narrate_landed(struct narrator *n, const struct outcome_parcel *waits, struct err *e) {
    const struct run_subject *s = n->rec->subject;
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "repository", subject_kind_name(s->kind));
    json_put_str(data, "base", s->head);
    json_put_str(data, "tree", s->tree);
    json_put_int(data, "paths", s->n_changes);
    if (waits) json_put(data, "waiting", parcel_json(waits));
    return tell(n, "result.landing", data, e);
}

int narrate_completed(struct narrator *n, struct err *e) {
    return tell(n, "run.completed", evidence_completed_data(n->rec), e);
}
