/* report_json.c - report.json: every field of the evidence contract, from the record. What was not observed is null,
 * never a guess: tests that did not run are not passed, writes that nobody checked are not allowed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/denials.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"
#include "supervisor/verdict.h"

static void put_stamp(cJSON *o, const char *key, int64_t ms) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(ms, stamp);
    json_put_str(o, key, ms > 0 ? stamp : NULL);
}

static void put_text(cJSON *o, const char *key, const char *text) {
    json_put_str(o, key, text && text[0] ? text : NULL);
}

static void put_tristate(cJSON *o, const char *key, int v) {
    if (v < 0)
        json_put(o, key, cJSON_CreateNull());
    else
        json_put_bool(o, key, v != 0);
}

static bool has_blocker(const struct run_record *r, enum blocker b) {
    for (int i = 0; i < r->n_blockers; i++)
        if (r->blockers[i].id == b) return true;
    return false;
}

int report_allowed_writes(const struct run_record *r) {
    return verdict_changes_known(r) ? verdict_writes_allowed(r) : -1;
}

int64_t report_phase_ms(const struct run_record *r, int64_t ret[RUN_STATE_COUNT]) {
    uint64_t now = clock_mono_us(), first = 0, end = now;
    if (r->phases[RUN_DONE].entered_us) end = r->phases[RUN_DONE].entered_us;
    memset(ret, 0, RUN_STATE_COUNT * sizeof ret[0]);
    for (int i = 0; i < RUN_DONE; i++) {
        uint64_t start = r->phases[i].entered_us, next = end;
        if (start == 0) continue;
        if (first == 0 || start < first) first = start;
        for (int k = i + 1; k < RUN_DONE; k++)
            if (r->phases[k].entered_us >= start && r->phases[k].entered_us < next) next = r->phases[k].entered_us;
        ret[i] = (int64_t)((next - start) / 1000);
    }
    return first && end > first ? (int64_t)((end - first) / 1000) : 0;
}

cJSON *report_changed_files(const struct run_record *r) {
    cJSON *a = json_new_array();
    for (int i = 0; i < r->n_changes; i++)
        if (r->changes[i].scope == 0)
            cJSON_AddItemToArray(a, json_bytes(r->changes[i].path, strlen(r->changes[i].path)));
    return a;
}

cJSON *report_changes(const struct run_record *r) {
    cJSON *a = json_new_array();
    for (int i = 0; i < r->n_changes; i++) {
        const struct change *c = &r->changes[i];
        char letter[2] = {c->letter, '\0'}, modes[32];
        snprintf(modes, sizeof modes, "%06o %06o", c->old_mode, c->new_mode);
        cJSON *o = json_new_object();
        json_put(o, "path", json_bytes(c->path, strlen(c->path)));
        json_put_str(o, "change", letter);
        json_put_str(o, "modes", modes);
        json_put_str(o, "scope", c->scope == 0 ? "net" : "commit");
        json_put_bool(o, "allowed", c->allowed);
        json_put_bool(o, "forbidden", c->forbidden);
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

/* As it was seen: see ENGINE_END in msg.h for the codes of what was stopped. */
static void put_exit(cJSON *o, const char *code_key, const char *signal_key, enum end_kind kind, int32_t code,
                     bool ended) {
    bool asked = ended && kind == END_STOPPED && code <= 0 && code >= -255,
         exited = asked || (ended && kind == END_EXITED);
    bool killed = ended && (kind == END_SIGNALLED || kind == END_STOPPED || kind == END_TIMED_OUT) && code > 0;
    json_put(o, code_key, exited ? cJSON_CreateNumber(asked ? -code : code) : cJSON_CreateNull());
    json_put(o, signal_key, killed ? cJSON_CreateNumber(code) : cJSON_CreateNull());
}

static cJSON *command_line(const struct spec_command *c) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 20);
    for (int i = 0; i < c->argc; i++) {
        if (i) buf_puts(&b, " ");
        report_put_shell(&b, c->argv[i]);
    }
    const char *text = buf_str(&b);
    return json_is_utf8(text, b.len) ? cJSON_CreateString(text) : json_bytes(text, b.len);
}

cJSON *report_verification(const struct run_record *r) {
    cJSON *a = json_new_array();
    for (int i = 0; i < r->c->n_verify; i++) {
        const struct verify_result *v = record_verify(r, i);
        cJSON *o = json_new_object();
        json_put(o, "command", command_line(&r->c->verify[i]));
        json_put(o, "argv", json_strings(r->c->verify[i].argv, (size_t)r->c->verify[i].argc));
        put_exit(o, "exit_code", "signal", v->kind, v->code, v->seen);
        json_put_int(o, "duration_ms", (int64_t)(v->duration_us / 1000));
        json_put_bool(o, "passed", v->seen && v->kind == END_EXITED && v->code == 0);
        json_put_str(o, "end", v->seen ? end_kind_name(v->kind) : "not_run");
        json_put_int(o, "output_bytes", (int64_t)v->output_bytes);
        json_put_int(o, "dropped_bytes", (int64_t)v->dropped_bytes);
        put_text(o, "detail", v->detail);
        cJSON_AddItemToArray(a, o);
    }
    if (r->c->n_verify == 0 && has_blocker(r, BLOCKER_missing_test_command)) {
        cJSON *o = json_new_object();
        json_put(o, "command", cJSON_CreateNull());
        json_put(o, "exit_code", cJSON_CreateNull());
        json_put(o, "signal", cJSON_CreateNull());
        json_put_int(o, "duration_ms", 0);
        json_put_bool(o, "passed", false);
        json_put_str(o, "end", "missing");
        json_put_str(o, "detail", blocker_rule(BLOCKER_missing_test_command)->meaning);
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

static void put_blockers(cJSON *o, const struct run_record *r) {
    cJSON *full = json_new_array(), *reasons = json_new_array();
    for (int i = 0; i < r->n_blockers; i++) {
        const struct blocker_rule *rule = blocker_rule(r->blockers[i].id);
        cJSON *b = json_new_object();
        json_put_str(b, "reason", rule->reason);
        json_put(b, "detail", json_bytes(r->blockers[i].detail, strlen(r->blockers[i].detail)));
        json_put_str(b, "event", rule->event);
        json_put_str(b, "class", blocker_class_name(record_class(r, r->blockers[i].id)));
        cJSON_AddItemToArray(full, b);
        cJSON_AddItemToArray(reasons, cJSON_CreateString(rule->reason));
    }
    json_put(o, "blockers", full);
    json_put(o, "blocker_reasons", reasons);
    char why[80];
    json_put_str(o, "failure_reason", report_failure_reason(r, why, sizeof why));
}

static bool occurred(const struct report_facts *f, const char *type) {
    for (size_t i = 0; i < f->n_types; i++)
        if (strcmp(f->types[i], type) == 0) return true;
    return false;
}

/* Recovery knows the case as it is now, if it is still there, and not what the run was about: what was asked of it stands in the
 * contract that its supervisor wrote. `*keep` owns the names. */
static size_t asked_before(const struct report_facts *f, const char **ret, size_t max, cJSON **keep) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    size_t n = 0;
    const cJSON *e;
    *keep = io_read_file_at(f->dir, EVIDENCE_CONTRACT, JSON_MAX_BYTES, &text, NULL) == 0 ? cJSON_Parse(buf_str(&text))
                                                                                         : NULL;
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(*keep, "required_events")) {
        if (cJSON_IsString(e) && n < max) ret[n++] = e->valuestring;
    }
    return n;
}

/* Omitted is what the case requires and did not come because something else ended the run first. An event that is
 * missing for no such reason is not "not applicable": it is the blocker missing_required_event. */
static void put_events(cJSON *o, const struct run_record *r, const struct report_facts *f) {
    const char *const *required, *absent;
    size_t n = evidence_required(r, &required);
    bool in_order = !evidence_misplaced(f->types, f->n_types, required, n, &absent);
    bool missing = has_blocker(r, BLOCKER_missing_required_event);
    json_put_bool(o, "required_events_passed", in_order && !missing && (!absent || r->n_blockers > 0));
    cJSON *list = json_new_array();
    n = evidence_required_whole(r, &required);
    const char *asked[CASE_MAX_EVENTS * 2];
    cJSON *keep = NULL;
    const size_t n_asked = r->recovered ? asked_before(f, asked, CASE_MAX_EVENTS * 2, &keep) : 0;
    if (n_asked > 0) {
        required = asked;
        n = n_asked;
    }
    for (size_t i = 0; !missing && r->n_blockers > 0 && i < n; i++) {
        if (occurred(f, required[i])) continue;
        char why[500];
        snprintf(why, sizeof why, "not reached: %s: %s", blocker_rule(r->blockers[0].id)->reason,
                 r->blockers[0].detail);
        cJSON *x = json_new_object();
        json_put_str(x, "event", required[i]);
        json_put(x, "reason", json_bytes(why, strlen(why)));
        cJSON_AddItemToArray(list, x);
    }
    json_put(o, "not_applicable", list);
    cJSON_Delete(keep);
    cJSON *events = json_new_object();
    json_put_int(events, "count", f->events_total);
    json_put_str(events, "head", f->events_head);
    json_put(o, "events", events);
}

static const char *approval_status(const struct run_record *r, const struct report_facts *f) {
    if (occurred(f, "approval.denied")) return "denied";
    if (occurred(f, "approval.granted")) return "granted";
    if (occurred(f, "approval.requested") || r->c->approval_required) return "requested";
    return "not-required";
}

static void put_artifacts(cJSON *o, const struct report_facts *f) {
    cJSON *paths = json_new_array(), *digests = json_new_object(), *fresh = json_new_object();
    bool placed = false;
    for (int i = 0; i <= f->n_artifacts; i++) {
        const struct seal_artifact *a = i < f->n_artifacts ? &f->artifacts[i] : NULL;
        if (!placed && (!a || strcmp(a->path, EVIDENCE_REPORT) > 0)) { /* our own row, at its place in the order */
            placed = true;
            cJSON *own = json_new_object();
            put_stamp(own, "written_at", f->now_ms);
            put_stamp(own, "checked_at", f->now_ms);
            json_put_bool(own, "fresh", true);
            cJSON_AddItemToArray(paths, cJSON_CreateString(EVIDENCE_REPORT));
            json_put_str(digests, EVIDENCE_REPORT, "");
            json_put(fresh, EVIDENCE_REPORT, own);
        }
        if (!a) break;
        cJSON *x = json_new_object();
        put_stamp(x, "written_at", a->written_ms);
        put_stamp(x, "checked_at", a->checked_ms);
        json_put_bool(x, "fresh", true); /* evidence_seal refuses to seal what is not */
        cJSON_AddItemToArray(paths, cJSON_CreateString(a->path));
        json_put_str(digests, a->path, a->sha256);
        json_put(fresh, a->path, x);
    }
    json_put(o, "artifact_paths", paths);
    json_put(o, "artifact_digests", digests);
    json_put(o, "freshness", fresh);
}

static void put_limit(cJSON *o, const char *key, int64_t v) {
    if (v > 0) json_put_int(o, key, v);
}

static cJSON *case_limits(const struct cto_case *c) {
    cJSON *o = json_new_object();
    put_limit(o, "memory_bytes", c->limits.memory_bytes);
    put_limit(o, "processes", c->limits.processes);
    put_limit(o, "cpu_s", c->limits.cpu_s);
    put_limit(o, "disk_bytes", c->limits.disk_bytes);
    put_limit(o, "inodes", c->limits.inodes);
    put_limit(o, "open_files", c->limits.open_files);
    put_limit(o, "file_bytes", c->limits.file_bytes);
    put_limit(o, "scratch_bytes", c->limits.scratch_bytes);
    put_limit(o, "output_bytes", c->limits.output_bytes);
    put_limit(o, "log_lines", c->limits.log_lines);
    put_limit(o, "run_dir_bytes", c->run_dir_bytes);
    put_limit(o, "model_requests", c->model_requests);
    put_limit(o, "model_tokens_in", c->model_tokens_in);
    put_limit(o, "model_tokens_out", c->model_tokens_out);
    put_limit(o, "model_bytes", c->model_bytes);
    put_limit(o, "backend_timeout_ms", c->backend_timeout_ms);
    put_limit(o, "idle_timeout_ms", c->idle_timeout_ms);
    put_limit(o, "setup_timeout_ms", c->setup_timeout_ms);
    put_limit(o, "inspect_timeout_ms", c->inspect_timeout_ms);
    return o;
}

/* The worker's own report as it came, with what was asked for beside it. */
static cJSON *sandbox(const struct run_record *r) {
    cJSON *o = r->sandbox_json ? cJSON_Parse(r->sandbox_json) : NULL;
    bool reported = cJSON_IsObject(o);
    if (!reported) {
        cJSON_Delete(o);
        o = json_new_object();
    }
    cJSON_DeleteItemFromObjectCaseSensitive(o, "reported");
    cJSON_DeleteItemFromObjectCaseSensitive(o, "case_limits");
    json_put_bool(o, "reported", reported);
    json_put(o, "case_limits", case_limits(r->c));
    cJSON_DeleteItemFromObjectCaseSensitive(o, "denied");
    json_put(o, "denied", denials_json(r));
    return o;
}

static cJSON *limits_hit(const struct run_record *r) {
    cJSON *a = json_new_array();
    for (int i = 0; i < r->n_limits; i++) {
        const struct limit_seen *l = &r->limits[i];
        cJSON *o = json_new_object();
        json_put_str(o, "name", l->name);
        json_put_int(o, "limit", (int64_t)l->limit);
        json_put_int(o, "seen", (int64_t)l->seen);
        json_put_str(o, "mechanism", l->mechanism);
        json_put_str(o, "of", l->of_backend ? "backend" : "verification");
        json_put(o, "command", l->of_backend ? cJSON_CreateNull() : cJSON_CreateNumber(l->index));
        json_put_bool(o, "ended", l->ended);
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

static cJSON *environment(const struct seal_input *in) {
    cJSON *o = json_new_object(), *digests = json_new_object();
    put_text(o, "host", in->host);
    put_text(o, "kernel", in->kernel);
    put_text(o, "harness_version", in->harness_version);
    put_text(o, "build_id", in->build_id);
    for (int i = 0; i < in->n_binaries; i++) json_put_str(digests, in->binaries[i].name, in->binaries[i].sha256);
    json_put(o, "binary_digests", digests);
    return o;
}

static void put_backend(cJSON *o, const struct run_record *r) {
    put_exit(o, "backend_exit_code", "backend_signal", r->engine_kind, r->engine_code, r->engine_ended);
    cJSON *end = json_new_object();
    json_put_bool(end, "started", r->engine_started);
    json_put_str(end, "end", r->engine_ended ? end_kind_name(r->engine_kind) : NULL);
    put_text(end, "detail", r->engine_detail);
    json_put_bool(end, "ended_by_harness", r->stop_sent != 0);
    json_put_bool(end, "committed_seen", r->committed_seen);
    put_stamp(end, "committed_at", r->committed_ms);
    put_text(end, "committed_head", r->committed_head);
    json_put(o, "backend_end", end);
}

static void put_repository(cJSON *o, const struct run_record *r) {
    put_text(o, "baseline_head", r->baseline_head);
    put_text(o, "result_head", r->result_head);
    json_put(o, "changed_files", report_changed_files(r));
    json_put(o, "changes", report_changes(r));
    json_put_bool(o, "changes_truncated", r->changes_truncated);
    put_tristate(o, "allowed_writes_passed", report_allowed_writes(r));
    cJSON *res = json_new_object(), *dirty = json_new_array();
    json_put_str(res, "kind", r->result_seen ? result_kind_name(r->result_kind) : NULL);
    put_tristate(res, "clean", r->result_seen ? r->result_clean : -1);
    json_put_int(res, "commits", r->result_commits);
    json_put_int(res, "dirty_count", r->result_dirty);
    json_put_bool(res, "made_by_harness", r->made_by_harness);
    put_text(res, "detail", r->result_detail);
    json_put(o, "result", res);
    for (int i = 0; i < r->n_dirty; i++) cJSON_AddItemToArray(dirty, json_bytes(r->dirty[i], strlen(r->dirty[i])));
    json_put(o, "dirty_paths", dirty);
}

static cJSON *gates(const struct run_record *r) {
    cJSON *a = json_new_array();
    for (int i = 0; i < r->n_gates; i++) {
        cJSON *o = json_new_object();
        json_put_str(o, "gate", r->gates[i].name);
        json_put_str(o, "status", r->gates[i].status);
        put_text(o, "reason", r->gates[i].reason);
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

static cJSON *timings(const struct run_record *r) {
    int64_t ms[RUN_STATE_COUNT], total = report_phase_ms(r, ms);
    cJSON *o = json_new_object();
    for (int i = 0; i < RUN_DONE; i++)
        if (r->phases[i].entered_us) json_put_int(o, run_state_name((enum run_state)i), ms[i]);
    json_put_int(o, "total", total);
    return o;
}

static cJSON *resources(const struct run_record *r, const struct report_facts *f) {
    cJSON *o = json_new_object();
    json_put_int(o, "cpu_ms", (int64_t)(r->engine_cpu_us / 1000));
    json_put_int(o, "peak_memory_kib", (int64_t)r->engine_rss_kib);
    json_put_int(o, "processes", (int64_t)r->engine_processes);
    json_put_int(o, "output_bytes", (int64_t)r->engine_output);
    json_put_int(o, "dropped_bytes", (int64_t)r->engine_dropped);
    json_put_int(o, "bytes_written", (int64_t)f->bytes);
    return o;
}

static void put_identity(cJSON *o, const struct run_record *r) {
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "case_id", r->c->id);
    json_put_str(o, "run_id", r->run_id);
    put_text(o, "matrix_id", r->matrix_id);
    json_put_int(o, "attempt", r->attempt > 0 ? r->attempt : 1);
    json_put_str(o, "status", verdict_name(r->verdict));
    json_put_str(o, "backend", r->engine);
    put_stamp(o, "run_started_at", r->started_ms);
    put_stamp(o, "run_finished_at", r->finished_ms);
    json_put(o, "artifacts_dir", json_bytes(r->run_dir, strlen(r->run_dir)));
}

char *report_json_text(const struct run_record *r, const struct seal_input *in, const struct report_facts *f) {
    cJSON *o = json_new_object();
    put_identity(o, r);
    put_blockers(o, r);
    put_backend(o, r);
    put_repository(o, r);
    json_put_str(o, "approval_status", approval_status(r, f));
    report_put_approval(o, r);
    json_put(o, "verification", report_verification(r));
    put_tristate(o, "tests_passed", verdict_tests(r));
    put_text(o, "no_test_rationale", r->c->no_test_rationale);
    put_events(o, r, f);
    json_put(o, "gates", gates(r));
    report_put_governed(o, r);
    json_put(o, "eligibility", in->eligibility ? cJSON_Duplicate(in->eligibility, true) : cJSON_CreateNull());
    /* Constants, on purpose: no option, file or variable reaches them. */
    standing_put(o);
    json_put(o, "sandbox", sandbox(r));
    json_put(o, "limits_hit", limits_hit(r));
    json_put(o, "backend_observed", observed_json(r->observed));
    json_put(o, "environment", environment(in));
    json_put(o, "timings_ms", timings(r));
    json_put(o, "resources", resources(r, f));
    put_artifacts(o, f);
    secrets_clean_json(r->secrets, SECRET_IN_REPORT, o);
    secrets_put(o, r->secrets, !r->recovered);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    size_t n = strlen(text);
    char *ret = realloc(text, n + 2);
    BUG_UNLESS(ret != NULL);
    memcpy(ret + n, "\n", 2);
    return ret;
}

/* --- the digest of the report inside the report
 * ----------------------------------------------------------------------- */

#define OWN_KEY "\"" EVIDENCE_REPORT "\":\t\""

/* Inside a JSON string every quote is escaped, so these bytes can only be a key with a string value; there is one such.
 * */
const char *report_own_digest(const char *text, const char *value) {
    const char *at = strstr(text, OWN_KEY);
    if (!at) return NULL;
    at += strlen(OWN_KEY);
    if (strstr(at, OWN_KEY)) return NULL;
    size_t n = strlen(value);
    return strncmp(at, value, n) == 0 && at[n] == '"' ? at : NULL;
}

void report_digest_without(const char *text, const char *at, size_t value_len, char hex[DIGEST_HEX_SIZE]) {
    struct digest *d = digest_new();
    digest_update(d, text, (size_t)(at - text));
    digest_update(d, at + value_len, strlen(at + value_len));
    digest_final(d, hex);
    digest_free(d);
}
