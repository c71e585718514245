/* verify_result.c - report.json against itself, the files and the events; the task contract against its event. A report
 * that claims more than the files show is the point of all this, so each claim that can be compared is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/seal.h"
#include "supervisor/engines.h"
#include "supervisor/standing.h"
#include "supervisor/verify_internal.h"

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text_of(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s ? s : "";
}

static int bad(struct verify_state *v, const char *what) { return verify_bad(v, EVIDENCE_REPORT, "%s", what); }

/* Reads a file again and holds it to the digest that was checked: what is judged is what was hashed. */
static int read_checked(struct verify_state *v, const char *path, size_t max, struct buf *ret) {
    struct err why = ERR_INIT;
    char hex[DIGEST_HEX_SIZE];
    if (io_read_file_at(v->dir, path, max, ret, &why) < 0) return verify_bad(v, path, "cannot be read: %s", why.text);
    digest_bytes(ret->p, ret->len, hex);
    if (strcmp(hex, verify_find(v, path)->sha256) != 0)
        return verify_bad(v, path, "changed while it was being checked");
    return 0;
}

/* --- the report's own digest, the digests of the rest, freshness
 * ------------------------------------------------------- */

static int check_own_digest(struct verify_state *v, const cJSON *report, const struct buf *text) {
    char hex[DIGEST_HEX_SIZE];
    const char *said = text_of(get(report, "artifact_digests"), EVIDENCE_REPORT);
    const char *at = strlen(said) == 64 ? report_own_digest(buf_str(text), said) : NULL;
    if (!at) return bad(v, "artifact_digests has no digest of report.json in its one place");
    report_digest_without(buf_str(text), at, 64, hex);
    if (strcmp(hex, said) != 0) return bad(v, "its own digest in artifact_digests does not hold");
    return 0;
}

static bool is_listed(const char *path) {
    return strcmp(path, EVIDENCE_SUMS) != 0 && strcmp(path, EVIDENCE_ATTESTATION) != 0;
}

static int check_fresh(struct verify_state *v, const cJSON *report, const char *path) {
    int64_t started = 0, written = 0, checked = 0;
    const cJSON *f = get(get(report, "freshness"), path);
    if (clock_parse_stamp(text_of(report, "run_started_at"), &started) < 0) return bad(v, "run_started_at is no time");
    if (clock_parse_stamp(text_of(f, "written_at"), &written) < 0 ||
        clock_parse_stamp(text_of(f, "checked_at"), &checked) < 0)
        return verify_bad(v, EVIDENCE_REPORT, "freshness of %s has no times", path);
    if (!cJSON_IsTrue(get(f, "fresh")) || (written < started && checked < started))
        return verify_bad(v, EVIDENCE_REPORT, "%s is stale: neither written nor checked since the run started", path);
    return 0;
}

static bool in_array(const cJSON *array, const char *text) {
    const cJSON *c;
    cJSON_ArrayForEach(c, array) if (cJSON_IsString(c) && strcmp(c->valuestring, text) == 0) return true;
    return false;
}

static int check_digests(struct verify_state *v, const cJSON *report) {
    const cJSON *digests = get(report, "artifact_digests"), *paths = get(report, "artifact_paths");
    int n = 0;
    for (int i = 0; i < v->n_files; i++) {
        const char *path = v->files[i].path;
        if (!is_listed(path)) continue;
        n++;
        if (strcmp(path, EVIDENCE_REPORT) != 0 && strcmp(text_of(digests, path), v->files[i].sha256) != 0)
            return verify_bad(v, EVIDENCE_REPORT, "artifact_digests does not have the digest of %s", path);
        if (!in_array(paths, path)) return verify_bad(v, EVIDENCE_REPORT, "artifact_paths does not name %s", path);
        if (check_fresh(v, report, path) < 0) return -1;
    }
    if (cJSON_GetArraySize(digests) != n || cJSON_GetArraySize(paths) != n ||
        cJSON_GetArraySize(get(report, "freshness")) != n)
        return bad(v, "artifact_digests, artifact_paths or freshness name a file that is not there");
    return 0;
}

/* --- identity, status, blockers
 * ---------------------------------------------------------------------------------------- */

static int check_identity(struct verify_state *v, const cJSON *report) {
    if (strcmp(text_of(report, "run_id"), v->run_id) != 0) return bad(v, "run_id is not the events'");
    if (strcmp(text_of(report, "case_id"), v->case_id) != 0) return bad(v, "case_id is not the events'");
    if (strcmp(text_of(report, "backend"), v->backend) != 0) return bad(v, "backend is not the events'");
    int64_t started = 0, finished = 0;
    if (clock_parse_stamp(text_of(report, "run_started_at"), &started) < 0 ||
        clock_parse_stamp(text_of(report, "run_finished_at"), &finished) < 0 || finished < started)
        return bad(v, "run_started_at and run_finished_at do not fit");
    if (!standing_activation_false(report)) return bad(v, STANDING_ACTIVATION_KEY " is not false");
    if (!standing_not_promoted(report)) return bad(v, STANDING_PROMOTION_KEY " is not " STANDING_PROMOTION);
    return 0;
}

static int check_blocker(struct verify_state *v, const cJSON *b, const cJSON *reason, const char *status, bool *fits) {
    const char *name = text_of(b, "reason");
    enum blocker id = blocker_by_reason(name);
    if (id == BLOCKER_COUNT)
        return verify_bad(v, EVIDENCE_REPORT, "blocker \"%.60s\" is unknown to this program", name);
    if (!text_of(b, "detail")[0]) return verify_bad(v, EVIDENCE_REPORT, "blocker %s has no detail", name);
    if (strcmp(text_of(b, "event"), blocker_rule(id)->event) != 0)
        return verify_bad(v, EVIDENCE_REPORT, "blocker %s has another event than %s", name, blocker_rule(id)->event);
    if (!cJSON_IsString(reason) || strcmp(reason->valuestring, name) != 0)
        return bad(v, "blocker_reasons is not the list of blockers");
    if (strcmp(status, verdict_name(blocker_rule(id)->status)) == 0) *fits = true;
    return 0;
}

static int check_blockers(struct verify_state *v, const cJSON *report, const char *status) {
    const cJSON *blockers = get(report, "blockers"), *reasons = get(report, "blocker_reasons"), *b;
    const cJSON *said = get(v->completed_data, "blockers");
    bool fits = false;
    if (!cJSON_IsArray(blockers) || !cJSON_IsArray(reasons)) return bad(v, "blockers or blocker_reasons is no list");
    int n = cJSON_GetArraySize(blockers), i = 0;
    if (cJSON_GetArraySize(reasons) != n) return bad(v, "blocker_reasons is not the list of blockers");
    cJSON_ArrayForEach(b, blockers) {
        if (check_blocker(v, b, cJSON_GetArrayItem(reasons, i), status, &fits) < 0) return -1;
        const cJSON *s = cJSON_GetArrayItem(said, i++);
        if (!cJSON_IsString(s) || strcmp(s->valuestring, text_of(b, "reason")) != 0)
            return bad(v, "blockers are not those of the event run.completed");
    }
    if (cJSON_GetArraySize(said) != n) return bad(v, "blockers are not those of the event run.completed");
    if (strcmp(status, "pass") == 0) return n == 0 ? 0 : bad(v, "status is pass, but there are blockers");
    return fits ? 0 : bad(v, "status is none that its blockers lead to");
}

static int check_status(struct verify_state *v, const cJSON *report) {
    const char *status = text_of(report, "status");
    if (strcmp(status, "pass") != 0 && strcmp(status, "fail") != 0 && strcmp(status, "blocked") != 0)
        return bad(v, "status is none of pass, fail, blocked");
    if (strcmp(text_of(v->completed_data, "status"), status) != 0)
        return bad(v, "status is not that of the event run.completed");
    snprintf(v->out->status, sizeof v->out->status, "%s", status);
    return check_blockers(v, report, status);
}

/* --- events that had to come
 * -------------------------------------------------------------------------------------------- */

static bool occurred(const struct verify_state *v, const char *type) {
    for (int i = 0; i < v->n_types; i++)
        if (strcmp(v->types[i], type) == 0) return true;
    return false;
}

static bool is_excused(const cJSON *report, const char *type) {
    const cJSON *x;
    cJSON_ArrayForEach(x, get(report, "not_applicable")) if (strcmp(text_of(x, "event"), type) == 0 &&
                                                             text_of(x, "reason")[0]) return true;
    return false;
}

/* Who said what to whom: an approval's event that lacks one of them says nothing. And after a denial nothing was done. */
static int check_approval(struct verify_state *v, const cJSON *report, const cJSON *contract) {
    static const char *const said[] = {"request_id", "actor", "scope", "scope_digest", "mutation_mode", "timestamp"};
    static const char *const same[] = {"request_id", "actor", "scope_digest", "approval_id"};
    int64_t at = 0, until = 0;
    if (cJSON_IsTrue(get(contract, "approval_required")) && occurred(v, "backend.started") &&
        !occurred(v, "approval.granted"))
        return verify_bad(v, EVIDENCE_EVENTS,
                          "the backend was started without the approval that the contract requires");
    if (!v->approval_data) return 0;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (!text_of(v->approval_data, said[i])[0])
            return verify_bad(v, EVIDENCE_EVENTS, "the approval's event has no %s", said[i]);
    /* Recovery does not know what the dead supervisor had read of the approval. */
    bool recovered = in_array(get(report, "blocker_reasons"), "supervisor_interrupted") && !get(report, "approval");
    for (size_t i = 0; !recovered && i < sizeof same / sizeof same[0]; i++)
        if (strcmp(text_of(v->approval_data, same[i]), text_of(get(report, "approval"), same[i])) != 0)
            return verify_bad(v, EVIDENCE_EVENTS, "the approval's %s is not the report's", same[i]);
    if (strcmp(text_of(v->approval_data, "mutation_mode"), text_of(contract, "mutation_mode")) != 0)
        return verify_bad(v, EVIDENCE_EVENTS, "the approval is for another mutation mode than the contract");
    if (clock_parse_stamp(text_of(v->approval_data, "timestamp"), &at) < 0)
        return verify_bad(v, EVIDENCE_EVENTS, "the approval's timestamp is no time");
    if (occurred(v, "approval.granted") &&
        (clock_parse_stamp(text_of(v->approval_data, "expiry"), &until) < 0 || until <= at))
        return verify_bad(v, EVIDENCE_EVENTS, "the approval had expired before it was granted");
    if (engine_find(text_of(v->approval_data, "actor")))
        return verify_bad(v, EVIDENCE_EVENTS, "the approval is a backend's word");
    if (!occurred(v, "approval.requested")) return verify_bad(v, EVIDENCE_EVENTS, "an approval that nobody requested");
    if (!occurred(v, "approval.denied")) return 0;
    if (occurred(v, "backend.started") || occurred(v, "patch.applied"))
        return verify_bad(v, EVIDENCE_EVENTS, "work was done although the approval was denied");
    if (verify_find(v, EVIDENCE_PATCH)->size != 0)
        return verify_bad(v, EVIDENCE_PATCH, "is not empty although the approval was denied");
    return 0;
}

/* The gate's event among others is not a preflight block: alone it is, and then it has its form. */
static int check_preflight(struct verify_state *v) {
    if (!v->gate_data || v->n_types != 4) return 0;
    static const char *const order[] = {"run.started", "task.contract.created", "backend.gate.blocked",
                                        "run.completed"};
    for (int i = 0; i < 4; i++)
        if (strcmp(v->types[i], order[i]) != 0 || v->seq != 4)
            return verify_bad(v, EVIDENCE_EVENTS,
                              "a preflight block is exactly four events, the third is backend.gate.blocked");
    static const char *const said[] = {"backend", "gate", "reason", "mutation_mode"};
    for (int i = 0; i < 4; i++)
        if (!text_of(v->gate_data, said[i])[0])
            return verify_bad(v, EVIDENCE_EVENTS, "backend.gate.blocked has no %s", said[i]);
    if (!cJSON_IsFalse(get(v->gate_data, "case_executed")))
        return verify_bad(v, EVIDENCE_EVENTS, "backend.gate.blocked does not have case_executed false");
    if (verify_find(v, EVIDENCE_PATCH)->size != 0)
        return verify_bad(v, EVIDENCE_PATCH, "is not empty in a blocked preflight");
    return 0;
}

static int check_chain(struct verify_state *v, const cJSON *report) {
    const cJSON *events = get(report, "events");
    if (strcmp(text_of(events, "head"), v->prev) == 0 && get(events, "count") &&
        get(events, "count")->valuedouble == v->seq)
        return 0;
    return bad(v, "count or head of the events is another");
}

static int check_order(struct verify_state *v, const cJSON *report, const cJSON *contract) {
    const char *required[CASE_MAX_EVENTS * 2], *absent = NULL;
    size_t n = 0;
    const cJSON *c, *list = get(contract, "required_events");
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > CASE_MAX_EVENTS * 2)
        return verify_bad(v, EVIDENCE_CONTRACT, "has no list of required events");
    cJSON_ArrayForEach(c, list) required[n++] = cJSON_IsString(c) ? c->valuestring : "";
    const char *misplaced = evidence_misplaced((const char *const *)v->types, (size_t)v->n_types, required, n, &absent);
    bool missing = in_array(get(report, "blocker_reasons"), "missing_required_event");
    if (missing) {
        if (!cJSON_IsFalse(get(report, "required_events_passed"))) return bad(v, "required_events_passed is not false");
        return check_chain(v, report) < 0 || check_preflight(v) < 0 ? -1 : check_approval(v, report, contract);
    }
    if (misplaced) return verify_bad(v, EVIDENCE_EVENTS, "%s came out of order, and no blocker says so", misplaced);
    for (size_t i = 0; i < n; i++) {
        if (occurred(v, required[i]) == is_excused(report, required[i]))
            return verify_bad(v, EVIDENCE_EVENTS, "%s %s", required[i],
                              occurred(v, required[i]) ? "occurred, but the report calls it not applicable"
                                                       : "is missing, and the report does not say why");
    }
    if (strcmp(v->out->status, "pass") == 0 && absent)
        return verify_bad(v, EVIDENCE_EVENTS, "status is pass, but %s did not occur", absent);
    if (!cJSON_IsTrue(get(report, "required_events_passed"))) return bad(v, "required_events_passed is not true");
    return check_chain(v, report) < 0 || check_preflight(v) < 0 ? -1 : check_approval(v, report, contract);
}

/* --- what a pass claims
 * ------------------------------------------------------------------------------------------------- */

static int check_pass(struct verify_state *v, const cJSON *report) {
    const cJSON *c;
    if (strcmp(v->out->status, "pass") != 0) return 0;
    if (!cJSON_IsTrue(get(report, "allowed_writes_passed")))
        return bad(v, "status is pass, but allowed_writes_passed is not true");
    if (cJSON_IsFalse(get(report, "tests_passed"))) return bad(v, "status is pass, but tests_passed is false");
    cJSON_ArrayForEach(c, get(report, "verification")) if (!cJSON_IsTrue(get(c, "passed"))) return bad(
        v, "status is pass, but a verification command did not pass");
    if (cJSON_GetArraySize(get(report, "not_applicable")) != 0)
        return bad(v, "status is pass, but events are not applicable");
    bool changed = cJSON_GetArraySize(get(report, "changed_files")) > 0,
         patch = verify_find(v, EVIDENCE_PATCH)->size > 0;
    if (changed != patch) return verify_bad(v, EVIDENCE_PATCH, "does not fit changed_files");
    return 0;
}

/* tests_passed is what the list of commands says, and null when nothing was tested: 1, 0, -1 as verdict_tests(). */
static int tests_of(const cJSON *report) {
    bool any = false;
    const cJSON *c;
    cJSON_ArrayForEach(c, get(report, "verification")) {
        const char *end = text_of(c, "end");
        if (strcmp(end, "not_run") == 0 || strcmp(end, "missing") == 0 || strcmp(end, "exec_failed") == 0)
            return any ? 0 : -1;
        any = true;
        if (!cJSON_IsTrue(get(c, "passed"))) return 0;
    }
    return any ? 1 : -1;
}

static int check_tests(struct verify_state *v, const cJSON *report) {
    const cJSON *c, *said = get(report, "tests_passed");
    cJSON_ArrayForEach(c, get(report, "verification")) {
        const cJSON *code = get(c, "exit_code");
        if (cJSON_IsTrue(get(c, "passed")) && (!cJSON_IsNumber(code) || code->valuedouble != 0))
            return bad(v, "a verification command passed without exit code 0");
    }
    int tests = tests_of(report);
    bool fits = tests < 0 ? cJSON_IsNull(said) : tests == 0 ? cJSON_IsFalse(said) : cJSON_IsTrue(said);
    return fits ? 0 : bad(v, "tests_passed is not what verification says");
}

static int check_contract(struct verify_state *v, const cJSON *contract) {
    if (strcmp(verify_find(v, EVIDENCE_CONTRACT)->sha256, v->contract_digest) != 0)
        return verify_bad(v, EVIDENCE_CONTRACT, "its digest is not the one in the event task.contract.created");
    if (strcmp(text_of(contract, "task_id"), v->case_id) != 0)
        return verify_bad(v, EVIDENCE_CONTRACT, "task_id is not the case");
    if (strcmp(text_of(contract, "run_id"), v->run_id) != 0)
        return verify_bad(v, EVIDENCE_CONTRACT, "run_id is of another run");
    return 0;
}

/* The report for people begins with the verdict; it must be the same one. */
static int check_markdown(struct verify_state *v) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    if (read_checked(v, EVIDENCE_REPORT_MD, VERIFY_MAX_REPORT, &text) < 0) return -1;
    const char *want = strcmp(v->out->status, "pass") == 0   ? "# PASS:"
                       : strcmp(v->out->status, "fail") == 0 ? "# FAIL:"
                                                             : "# BLOCKED:";
    if (strncmp(buf_str(&text), want, strlen(want)) != 0)
        return verify_bad(v, EVIDENCE_REPORT_MD, "begins with another verdict");
    return 0;
}

int verify_result(struct verify_state *v) {
    AUTO_BUF struct buf text = BUF_INIT(0), task = BUF_INIT(0);
    if (read_checked(v, EVIDENCE_REPORT, VERIFY_MAX_REPORT, &text) < 0) return -1;
    if (read_checked(v, EVIDENCE_CONTRACT, VERIFY_MAX_REPORT, &task) < 0) return -1;
    cJSON *report = verify_json(buf_str(&text), text.len), *contract = verify_json(buf_str(&task), task.len);
    int rc;
    if (!cJSON_IsObject(report))
        rc = bad(v, "is not a JSON object");
    else if (!cJSON_IsObject(contract))
        rc = verify_bad(v, EVIDENCE_CONTRACT, "is not a JSON object");
    else if ((rc = check_own_digest(v, report, &text)) == 0 && (rc = check_digests(v, report)) == 0 &&
             (rc = check_identity(v, report)) == 0 && (rc = check_status(v, report)) == 0 &&
             (rc = check_contract(v, contract)) == 0 && (rc = check_order(v, report, contract)) == 0 &&
             (rc = check_tests(v, report)) == 0 && (rc = check_pass(v, report)) == 0)
        rc = check_markdown(v);
    cJSON_Delete(report);
    cJSON_Delete(contract);
    return rc;
}
