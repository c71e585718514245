/* evidence_events.c - events.normalized.jsonl and trace.jsonl: lines, chain, required order.
 *
 * A line is built whole in memory, bounded, and written by one write; when that fails the file is cut back, so that the
 * chain on the disk is always a valid one. Of the events only the distinct types in order of first occurrence and a
 * bounded index stay in memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/subject.h"

static bool is_type_name(const char *type) {
    size_t n = strlen(type);
    return n > 0 && n < 64 && strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789._") == n;
}

static int type_index(struct evidence *ev, const char *type) {
    for (int i = 0; i < ev->n_types; i++)
        if (strcmp(ev->types[i], type) == 0) return i;
    if (ev->n_types == EVIDENCE_MAX_TYPES) return -1;
    char *copy = strdup(type), **more = realloc(ev->types, (size_t)(ev->n_types + 1) * sizeof *more);
    BUG_UNLESS(copy && more);
    ev->types = more;
    ev->types[ev->n_types] = copy;
    return ev->n_types++;
}

int evidence_note_event(struct evidence *ev, const char *type, uint32_t seq, int64_t ts_ms) {
    int i = type_index(ev, type);
    if (i < 0) return -1;
    ev->last_type = i;
    ev->seq = seq;
    if (ev->n_index == EVIDENCE_INDEX_MAX) return 0;
    if (ev->n_index == ev->cap_index) {
        int cap = ev->cap_index ? ev->cap_index * 2 : 16;
        struct evidence_index *more = realloc(ev->index, (size_t)cap * sizeof *more);
        BUG_UNLESS(more != NULL);
        ev->index = more;
        ev->cap_index = cap;
    }
    ev->index[ev->n_index++] = (struct evidence_index){.seq = seq, .type = (uint16_t)i, .ts_ms = ts_ms};
    return 0;
}

/* Unformatted with a newline; NULL when it is longer than `max`. */
static char *print_line(const cJSON *o, size_t max, size_t *ret_len) {
    char *text = cJSON_PrintUnformatted(o);
    BUG_UNLESS(text != NULL);
    size_t n = strlen(text);
    if (n + 1 > max) {
        free(text);
        return NULL;
    }
    text[n] = '\n'; /* in place of the NUL: the length is known from here on */
    *ret_len = n + 1;
    return text;
}

static cJSON *event_object(const struct evidence *ev, const char *type, int64_t now, cJSON *data) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(now, stamp);
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_int(o, "v", 1);
    json_put_int(o, "seq", (int64_t)ev->seq + 1);
    json_put_str(o, "ts", stamp);
    json_put_str(o, "run_id", ev->run_id);
    json_put_str(o, "case_id", ev->case_id);
    json_put_str(o, "backend", ev->backend);
    json_put_str(o, "type", type);
    json_put(o, "data", data);
    json_put_str(o, "prev", ev->prev);
    return o;
}

bool evidence_is_event(const struct evidence *ev, const char *line, size_t n, const char *type, int64_t at,
                       const cJSON *data) {
    cJSON *copy = is_type_name(type) ? cJSON_Duplicate(data, true) : NULL;
    if (!copy) return false;
    cJSON *o = event_object(ev, type, at, copy);
    size_t len = 0;
    AUTO_FREE char *text = print_line(o, EVIDENCE_LINE_MAX, &len);
    cJSON_Delete(o);
    return text && len == n + 1 && memcmp(text, line, n) == 0;
}

int evidence_event(struct evidence *ev, const char *type, cJSON *data, struct err *e) {
    if (!data) data = cJSON_CreateObject();
    if (!is_type_name(type) || !cJSON_IsObject(data) || ev->n_types == EVIDENCE_MAX_TYPES) {
        cJSON_Delete(data);
        return err_set(e, ERR_INTERNAL, "event \"%.64s\": not a type, no object, or too many types", type);
    }
    int64_t now = evidence_now(ev);
    secrets_clean_json(ev->secrets, SECRET_IN_EVENTS, data);
    cJSON *o = event_object(ev, type, now, data);
    size_t n = 0;
    AUTO_FREE char *line = print_line(o, EVIDENCE_LINE_MAX, &n);
    cJSON_Delete(o);
    if (!line) return err_set(e, ERR_LIMIT, "event %s: a line of more than %u bytes", type, EVIDENCE_LINE_MAX);
    if (evidence_append(ev, SLOT_EVENTS, line, n, true, e) < 0) return err_ctx(e, "event %s", type);
    digest_bytes(line, n - 1, ev->prev);
    BUG_UNLESS(evidence_note_event(ev, type, ev->seq + 1, now) == 0);
    return 0;
}

int evidence_trace(struct evidence *ev, const char *step, uint64_t start_us, uint64_t dur_us, bool ok,
                   const char *detail, struct err *e) {
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put(o, "step", json_bytes(step, strlen(step)));
    json_put_int(o, "start_us", (int64_t)start_us);
    json_put_int(o, "duration_us", (int64_t)dur_us);
    json_put_bool(o, "ok", ok);
    json_put(o, "detail", json_bytes(detail ? detail : "", detail ? strlen(detail) : 0));
    secrets_clean_json(ev->secrets, SECRET_IN_TRACE, o);
    size_t n = 0;
    AUTO_FREE char *line = print_line(o, 64u << 10, &n);
    cJSON_Delete(o);
    if (!line || ev->files[SLOT_TRACE].size + n > EVIDENCE_TRACE_MAX)
        return err_set(e, ERR_LIMIT, "%s: more than %u bytes", EVIDENCE_TRACE, EVIDENCE_TRACE_MAX);
    return evidence_append(ev, SLOT_TRACE, line, n, true, e);
}

size_t evidence_event_types(const struct evidence *ev, const char *const **ret) {
    *ret = (const char *const *)ev->types;
    return (size_t)ev->n_types;
}

/* --- what must have come ---------------------------------------------------------------------------------------------
 * */

static const char *const preflight_events[] = {"run.started", "task.contract.created", "backend.gate.blocked",
                                               "run.completed"};
/* When a human said no; gates that are closed besides may say so too. */
static const char *const denied_events[] = {"run.started", "task.contract.created", "approval.requested",
                                            "approval.denied", "run.completed"};
static bool was_denied(const struct run_record *r) {
    return r->gated_out && r->approval && strcmp(r->approval->state, "denied") == 0;
}

size_t evidence_required_pass(const struct cto_case *c, const char *const **ret) {
    if (c->required_events.n > 0) {
        *ret = c->required_events.v;
        return (size_t)c->required_events.n;
    }
    const char *const *usual = c->approval_required ? required_events_approved : required_events_pass;
    size_t n = 0;
    while (usual[n]) n++;
    *ret = usual;
    return n;
}

static const char *const landed_events[] = {
    "run.started",   "task.contract.created", "plan.updated",           "approval.requested",        "approval.granted",
    "patch.applied", "git.diff.checked",      "verification.completed", "operator.outcome.recorded", "run.completed"};

size_t evidence_required_whole(const struct run_record *r, const char *const **ret) {
    if (!r->subject || r->subject->kind != SUBJECT_TARGET) return evidence_required_pass(r->c, ret);
    *ret = landed_events;
    return sizeof landed_events / sizeof landed_events[0];
}

/* The human is asked only for what holds so far. */
static size_t evidence_required_now(const struct run_record *r, const char *const **ret) {
    const bool later = r->subject && r->subject->kind == SUBJECT_TARGET && !r->subject->outcome[0];
    return later ? evidence_required_pass(r->c, ret) : evidence_required_whole(r, ret);
}

size_t evidence_required(const struct run_record *r, const char *const **ret) {
    if (!r->gated_out) return evidence_required_now(r, ret);
    *ret = was_denied(r) ? denied_events : preflight_events;
    return was_denied(r) ? sizeof denied_events / sizeof denied_events[0]
                         : sizeof preflight_events / sizeof preflight_events[0];
}

static size_t position(const char *const *types, size_t n, const char *type) {
    size_t i = 0;
    while (i < n && strcmp(types[i], type) != 0) i++;
    return i;
}

const char *evidence_misplaced(const char *const *types, size_t n_types, const char *const *required, size_t n_required,
                               const char **ret_absent) {
    size_t last = 0;
    bool any = false;
    *ret_absent = NULL;
    for (size_t i = 0; i < n_required; i++) {
        size_t at = position(types, n_types, required[i]);
        if (at == n_types) {
            if (!*ret_absent) *ret_absent = required[i];
            continue;
        }
        if (any && at <= last) return required[i];
        last = at;
        any = true;
    }
    return NULL;
}

const char *evidence_missing_event(const struct evidence *ev, const struct run_record *r, bool completed_follows) {
    const char *types[EVIDENCE_MAX_TYPES + 1];
    size_t n = (size_t)ev->n_types;
    if (n > 0) memcpy(types, ev->types, n * sizeof types[0]);
    if (completed_follows && position(types, n, "run.completed") == n) types[n++] = "run.completed";
    const char *const *required, *absent;
    size_t n_required = evidence_required(r, &required);
    const char *misplaced = evidence_misplaced(types, n, required, n_required, &absent);
    if (misplaced || absent) return misplaced ? misplaced : absent;
    if (!r->gated_out) return NULL;
    /* A preflight block is exactly its events. */
    for (size_t i = 0; i < n; i++)
        if (position(required, n_required, types[i]) == n_required &&
            !(was_denied(r) && strcmp(types[i], "backend.gate.blocked") == 0))
            return ev->types[i];
    return NULL;
}

const char *evidence_misplaced_event(const struct evidence *ev, const struct run_record *r) {
    const char *const *required, *absent;
    size_t n = evidence_required(r, &required);
    return evidence_misplaced((const char *const *)ev->types, (size_t)ev->n_types, required, n, &absent);
}

cJSON *evidence_completed_data(const struct run_record *r) {
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    BUG_UNLESS(o && list);
    json_put_str(o, "status", verdict_name(r->verdict));
    for (int i = 0; i < r->n_blockers; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(blocker_rule(r->blockers[i].id)->reason));
    json_put(o, "blockers", list);
    return o;
}
