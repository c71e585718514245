/* outcome_record.c - what a run is finished by when a human has spoken: made, kept, and held against what the run's own events say of
 * it. See outcome.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/outcome.h"
#include "supervisor/record_json.h"
#include "supervisor/verify_internal.h"

#define CASE_TEXT_MAX (256u << 10)
#define EVENTS_MAX (1u << 30)

/* --- made, kept ----------------------------------------------------------------------------------------------------------- */

int outcome_pack(struct outcome_parcel *ret, const struct run_record *r, const char *engine_file, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/case.json", r->c->dir);
    /* What was loaded and approved, not what lies there by now. */
    if (!r->c->kept_text && io_read_file_at(AT_FDCWD, path, CASE_TEXT_MAX, &text, e) < 0) return -1;
    *ret = (struct outcome_parcel){.since_ms = clock_real_ms()};
    ret->due_ms = ret->since_ms + r->c->outcome_timeout_ms;
    ret->record = record_to_json(r, r->c->kept_text ? r->c->kept_text : buf_str(&text), engine_file);
    digest_bytes(ret->record, strlen(ret->record), ret->sha256);
    return 0;
}

void outcome_parcel_release(struct outcome_parcel *p) {
    free(p->record);
    p->record = NULL;
}

int outcome_park(struct store *s, const struct run_record *r, const struct outcome_parcel *p, struct err *e) {
    struct store_waiting w = {.events_bytes = -1, .since_ms = p->since_ms, .due_ms = p->due_ms, .record = p->record};
    if (evidence_fix(r->run_dir, &w.events_bytes, w.evidence_sha256, e) < 0) return -1;
    snprintf(w.run_id, sizeof w.run_id, "%s", r->run_id);
    return store_waiting_add(s, &w, e);
}

/* --- held against the events ---------------------------------------------------------------------------------------------- */

struct promise {
    char sha256[DIGEST_HEX_SIZE];
    int64_t since_ms, due_ms;
};

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text(const cJSON *o, const char *key) { return cJSON_GetStringValue(get(o, key)); }

/* One line: is it the event, and does it say all of it? */
static bool read_promise(const char *line, size_t n, void *ctx) {
    struct promise *ret = ctx;
    static const char type_word[] = "\"result.landing\"";
    if (!memmem(line, n, type_word, sizeof type_word - 1)) return false;
    cJSON *o = verify_json(line, n);
    const cJSON *waiting = get(get(o, "data"), "waiting");
    const char *type = text(o, "type"), *sha256 = text(waiting, "record_sha256"), *since = text(waiting, "since"),
               *due = text(waiting, "due");
    const bool is = type && strcmp(type, "result.landing") == 0 && sha256 && since && due &&
                    clock_parse_stamp(since, &ret->since_ms) == 0 && clock_parse_stamp(due, &ret->due_ms) == 0;
    if (is) snprintf(ret->sha256, sizeof ret->sha256, "%s", sha256);
    cJSON_Delete(o);
    return is;
}

/* Calls `is` for each line until one is it. 1: found, 0: they do not say it, -1: they cannot be read now, which says nothing. */
static int find_event(const char *run_dir, bool (*is)(const char *line, size_t n, void *ret), void *ret,
                      struct err *e) {
    AUTO_BUF struct buf events = BUF_INIT(0);
    struct err why = ERR_INIT;
    AUTO_FD int at = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at < 0) return errno == ENOENT ? 0 : err_sys(e, "open the run directory");
    if (io_read_file_at(at, EVIDENCE_EVENTS, EVENTS_MAX, &events, &why) < 0) {
        if (why.code != ERR_SYS || why.sys == ENOENT) return 0;
        if (e) *e = why;
        return -1;
    }
    const char *p = buf_str(&events), *end = p + events.len;
    for (const char *nl; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1)
        if (is(p, (size_t)(nl - p), ret)) return 1;
    return 0;
}

int outcome_hold(const char *run_dir, struct store_waiting *w, bool strict, struct err *e) {
    struct promise said = {.sha256 = ""};
    char is[DIGEST_HEX_SIZE];
    digest_bytes(w->record, strlen(w->record), is);
    const int found = find_event(run_dir, read_promise, &said, e);
    if (found < 0) return -1;
    const bool there = found == 1;
    const bool record = there && strcmp(is, said.sha256) == 0;
    const bool times = there && w->since_ms == said.since_ms && w->due_ms == said.due_ms;
    if (there) {
        w->since_ms = said.since_ms;
        w->due_ms = said.due_ms;
    }
    if (record && (times || !strict)) return 0;
    return err_set(
        e, ERR_PARSE,
        "its record in the store is not the one that its events name: somebody has changed the store, or them");
}

/* --- sealed already ------------------------------------------------------------------------------------------------------- */

static bool read_outcome(const char *line, size_t n, void *ctx) {
    static const char type_word[] = "\"operator.outcome.recorded\"";
    struct store_outcome *ret = ctx;
    if (!memmem(line, n, type_word, sizeof type_word - 1)) return false;
    cJSON *o = verify_json(line, n);
    const cJSON *data = get(o, "data");
    const char *type = text(o, "type"), *outcome = text(data, "outcome"), *actor = text(data, "actor"),
               *ts = text(data, "ts");
    const bool is = type && strcmp(type, "operator.outcome.recorded") == 0 && outcome && actor && ts &&
                    clock_parse_stamp(ts, &ret->said_ms) == 0;
    if (is) snprintf(ret->outcome, sizeof ret->outcome, "%s", outcome);
    if (is) snprintf(ret->actor, sizeof ret->actor, "%s", actor);
    cJSON_Delete(o);
    return is;
}

bool outcome_is_sealed(const char *run_dir, const char *run_id, struct store_outcome *ret) {
    char sums[PATH_MAX];
    *ret = (struct store_outcome){0};
    snprintf(sums, sizeof sums, "%.4000s/" EVIDENCE_SUMS, run_dir);
    if (access(sums, F_OK) < 0 || !evidence_is_sealed(run_dir, run_id)) return false;
    if (find_event(run_dir, read_outcome, ret, NULL) != 1) *ret = (struct store_outcome){0};
    return true;
}
