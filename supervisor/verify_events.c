/* verify_events.c - the chain: each line in the exact form that we write, numbered, of one run, hashing the line
 * before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/verify_internal.h"

static const char *const keys[] = {"v", "seq", "ts", "run_id", "case_id", "backend", "type", "data", "prev"};
enum { K_V, K_SEQ, K_TS, K_RUN, K_CASE, K_BACKEND, K_TYPE, K_DATA, K_PREV, K_COUNT };

/* The nine keys in their order and types; f[] points to the values. */
static bool has_form(const cJSON *o, const cJSON *f[K_COUNT]) {
    int i = 0;
    if (!cJSON_IsObject(o)) return false;
    for (const cJSON *c = o->child; c; c = c->next, i++) {
        if (i == K_COUNT || strcmp(c->string, keys[i]) != 0) return false;
        bool typed = i == K_DATA ? cJSON_IsObject(c) : i == K_V || i == K_SEQ ? cJSON_IsNumber(c) : cJSON_IsString(c);
        if (!typed) return false;
        f[i] = c;
    }
    return i == K_COUNT;
}

static int note_type(struct verify_state *v, const char *type) {
    for (int i = 0; i < v->n_types; i++)
        if (strcmp(v->types[i], type) == 0) return 0;
    if (v->n_types == VERIFY_MAX_TYPES)
        return verify_bad(v, EVIDENCE_EVENTS, "more than %d event types", VERIFY_MAX_TYPES);
    char *copy = strdup(type);
    BUG_UNLESS(copy != NULL);
    v->types[v->n_types++] = copy;
    return 0;
}

static int same_run(struct verify_state *v, const cJSON *f[K_COUNT]) {
    const char *run = f[K_RUN]->valuestring, *id = f[K_CASE]->valuestring, *backend = f[K_BACKEND]->valuestring;
    if (v->seq == 0) {
        if (strlen(run) >= sizeof v->run_id || strlen(id) >= sizeof v->case_id || strlen(backend) >= sizeof v->backend)
            return verify_bad(v, EVIDENCE_EVENTS, "event 1: an id is too long");
        snprintf(v->run_id, sizeof v->run_id, "%s", run);
        snprintf(v->case_id, sizeof v->case_id, "%s", id);
        snprintf(v->backend, sizeof v->backend, "%s", backend);
        return 0;
    }
    if (strcmp(run, v->run_id) != 0 || strcmp(id, v->case_id) != 0 || strcmp(backend, v->backend) != 0)
        return verify_bad(v, EVIDENCE_EVENTS, "event %u: is of another run, case or backend than event 1", v->seq + 1);
    return 0;
}

/* Who, what and how often: an event that lacks one of them says nothing. */
static int check_denied(struct verify_state *v, const cJSON *data) {
    const char *by = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "profile"));
    const char *call = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "syscall"));
    const cJSON *count = cJSON_GetObjectItemCaseSensitive(data, "count");
    if (by && (strcmp(by, "engine") == 0 || strcmp(by, "verifier") == 0) && call && call[0] && cJSON_IsNumber(count) &&
        count->valuedouble >= 1)
        return 0;
    return verify_bad(v, EVIDENCE_EVENTS, "event %u: sandbox.denied does not say who was refused what", v->seq + 1);
}

/* What later checks need of some events' data. */
static int take_data(struct verify_state *v, const char *type, const cJSON *data) {
    const char *digest = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "digest"));
    if (strcmp(type, "task.contract.created") == 0) {
        if (v->contract_digest[0]) return verify_bad(v, EVIDENCE_EVENTS, "event %u: a second %s", v->seq + 1, type);
        if (!digest || strlen(digest) != 64)
            return verify_bad(v, EVIDENCE_EVENTS, "event %u: %s has no digest", v->seq + 1, type);
        snprintf(v->contract_digest, sizeof v->contract_digest, "%s", digest);
    } else if (strcmp(type, "run.completed") == 0) {
        v->completed = true;
        v->completed_data = cJSON_Duplicate(data, true);
        BUG_UNLESS(v->completed_data != NULL);
    } else if (strcmp(type, "sandbox.denied") == 0) {
        return check_denied(v, data);
    } else if (strcmp(type, "approval.granted") == 0 || strcmp(type, "approval.denied") == 0) {
        if (v->approval_data)
            return verify_bad(v, EVIDENCE_EVENTS, "event %u: a second word on the approval", v->seq + 1);
        v->approval_data = cJSON_Duplicate(data, true);
        BUG_UNLESS(v->approval_data != NULL);
    } else if (strcmp(type, "backend.gate.blocked") == 0 && !v->gate_data) {
        v->gate_data = cJSON_Duplicate(data, true);
        BUG_UNLESS(v->gate_data != NULL);
    }
    return 0;
}

static int check_event(struct verify_state *v, const cJSON *f[K_COUNT]) {
    const char *type = f[K_TYPE]->valuestring;
    int64_t at = 0;
    unsigned n = v->seq + 1;
    if (f[K_V]->valuedouble != 1) return verify_bad(v, EVIDENCE_EVENTS, "event %u: unknown version", n);
    if (f[K_SEQ]->valuedouble != (double)n) return verify_bad(v, EVIDENCE_EVENTS, "line %u: seq is not %u", n, n);
    if (strcmp(f[K_PREV]->valuestring, v->prev) != 0)
        return verify_bad(v, EVIDENCE_EVENTS, "event %u: prev is not the digest of the line before", n);
    if (clock_parse_stamp(f[K_TS]->valuestring, &at) < 0)
        return verify_bad(v, EVIDENCE_EVENTS, "event %u: ts is no time", n);
    if (v->completed) return verify_bad(v, EVIDENCE_EVENTS, "event %u: follows run.completed", n);
    if ((v->seq == 0) != (strcmp(type, "run.started") == 0))
        return verify_bad(v, EVIDENCE_EVENTS, "event %u: run.started is the first event, once", n);
    if (same_run(v, f) < 0 || note_type(v, type) < 0) return -1;
    return take_data(v, type, f[K_DATA]);
}

static int check_line(struct verify_state *v, const char *line, size_t n) {
    const cJSON *f[K_COUNT];
    cJSON *o = n <= EVIDENCE_LINE_MAX ? verify_json(line, n) : NULL;
    int rc =
        o && has_form(o, f) ? check_event(v, f) : verify_bad(v, EVIDENCE_EVENTS, "line %u is not an event", v->seq + 1);
    cJSON_Delete(o);
    digest_bytes(line, n, v->prev);
    v->seq++;
    return rc;
}

/* Whole lines out of what has been read; -1 when one does not hold. */
static int drain(struct verify_state *v, struct buf *line) {
    const char *p, *end;
    while ((p = buf_str(line), end = memchr(p, '\n', line->len)) != NULL) {
        size_t n = (size_t)(end - p);
        if (check_line(v, p, n) < 0) return -1;
        buf_consume(line, n + 1);
    }
    return 0;
}

int verify_events(struct verify_state *v) {
    struct err why = ERR_INIT;
    struct digest *sum = digest_new();
    char hex[DIGEST_HEX_SIZE], chunk[16384];
    AUTO_BUF struct buf line = BUF_INIT(EVIDENCE_LINE_MAX + 65536);
    AUTO_FD int fd = io_open_beneath_quiet(v->dir, EVIDENCE_EVENTS, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    int rc = fd < 0 ? verify_bad(v, EVIDENCE_EVENTS, "cannot be read: %s", strerror(errno)) : 0;
    for (ssize_t n = 1; rc == 0 && n > 0;) {
        n = io_read_full(fd, chunk, sizeof chunk, &why);
        if (n < 0) {
            rc = verify_bad(v, EVIDENCE_EVENTS, "cannot be read: %s", why.text);
            break;
        }
        digest_update(sum, chunk, (size_t)n);
        buf_put(&line, chunk, (size_t)n);
        rc = line.bad ? verify_bad(v, EVIDENCE_EVENTS, "line %u is too long", v->seq + 1) : drain(v, &line);
    }
    digest_final(sum, hex);
    digest_free(sum);
    if (rc < 0) return -1;
    if (strcmp(hex, verify_find(v, EVIDENCE_EVENTS)->sha256) != 0)
        return verify_bad(v, EVIDENCE_EVENTS, "changed while it was being checked");
    if (line.len > 0) return verify_bad(v, EVIDENCE_EVENTS, "the last line has no end");
    if (!v->completed) return verify_bad(v, EVIDENCE_EVENTS, "run.completed is missing");
    return 0;
}
