/* store_waiting.c - runs whose result stands on somebody's repository while nobody has said yet whether it may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/store_internal.h"
#include "supervisor/subject.h"

int store_waiting_add(struct store *s, const struct store_waiting *w, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st = store_prepare(s,
                                     "INSERT INTO waiting (run, evidence_sha256, events_bytes, since, due, record) "
                                     "SELECT id, ?2, ?3, ?4, ?5, ?6 FROM runs WHERE run_id = ?1",
                                     e);
    if (st) {
        store_bind_text(st, 1, w->run_id);
        store_bind_text(st, 2, w->evidence_sha256);
        sqlite3_bind_int64(st, 3, w->events_bytes);
        sqlite3_bind_int64(st, 4, w->since_ms);
        sqlite3_bind_int64(st, 5, w->due_ms);
        store_bind_text(st, 6, w->record);
        rc = store_step_done(s, st, e);
    }
    return store_leave(s, own, rc, e);
}

int store_waiting_get(struct store *s, const char *run_id, struct store_waiting *ret, struct err *e) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s,
                      "SELECT w.evidence_sha256, w.events_bytes, w.since, w.due, coalesce(w.outcome, ''), "
                      "coalesce(w.actor, ''), coalesce(w.said_at, 0), w.record "
                      "FROM waiting w JOIN runs r ON r.id = w.run WHERE r.run_id = ?1",
                      e);
    if (!st) return -1;
    store_bind_text(st, 1, run_id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return err_set(e, ERR_MISSING, "run %s does not wait for an outcome", run_id);
    if (rc != SQLITE_ROW) return store_fail(s, e, "read a waiting run");
    memset(ret, 0, sizeof *ret);
    snprintf(ret->run_id, sizeof ret->run_id, "%s", run_id);
    store_column(st, 0, ret->evidence_sha256, sizeof ret->evidence_sha256);
    ret->events_bytes = sqlite3_column_int64(st, 1);
    ret->since_ms = sqlite3_column_int64(st, 2);
    ret->due_ms = sqlite3_column_int64(st, 3);
    store_column(st, 4, ret->outcome, sizeof ret->outcome);
    store_column(st, 5, ret->actor, sizeof ret->actor);
    ret->said_ms = sqlite3_column_int64(st, 6);
    const char *record = (const char *)sqlite3_column_text(st, 7);
    ret->record = strdup(record ? record : "");
    BUG_UNLESS(ret->record != NULL);
    return 0;
}

/* The first word counts. */
static int set_outcome(struct store *s, const char *run_id, const char *outcome, const char *actor, int64_t said_ms,
                       struct err *e) {
    return store_word(s,
                      "UPDATE waiting SET outcome = ?2, actor = ?3, said_at = ?4 WHERE outcome IS NULL "
                      "AND run = (SELECT id FROM runs WHERE run_id = ?1)",
                      run_id, outcome, actor, said_ms, e);
}

int store_waiting_say(struct store *s, const char *run_id, const char *outcome, const char *actor, int64_t said_ms,
                      struct err *e) {
    bool own;
    struct store_waiting w = {0};
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = set_outcome(s, run_id, outcome, actor, said_ms, e);
    if (rc == 0) rc = store_waiting_get(s, run_id, &w, e);
    if (rc == 0) {
        free(w.record);
        if (strcmp(w.outcome, outcome) != 0)
            rc = err_set(e, ERR_CONFLICT, "run %s: %s has said \"%s\" before, and that stands", run_id,
                         w.actor[0] ? w.actor : "nobody", w.outcome);
    }
    return store_leave(s, own, rc, e);
}

static int forget(struct store *s, const char *run_id, struct err *e) {
    sqlite3_stmt *st = store_prepare(s, "DELETE FROM waiting WHERE run = (SELECT id FROM runs WHERE run_id = ?1)", e);
    if (!st) return -1;
    store_bind_text(st, 1, run_id);
    return store_step_done(s, st, e);
}

int store_waiting_forget(struct store *s, const char *run_id, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    return store_leave(s, own, forget(s, run_id, e), e);
}

int store_waiting_settle(struct store *s, const struct run_record *r, struct err *e) {
    const struct run_subject *sub = r->subject;
    if (forget(s, r->run_id, e) < 0) return -1;
    if (!sub || (strcmp(sub->outcome, "accepted") != 0 && strcmp(sub->outcome, "rejected") != 0)) return 0;
    return store_word(s,
                      "INSERT OR REPLACE INTO outcomes (subject, outcome, actor, recorded_at) VALUES (?1, ?2, ?3, ?4)",
                      r->run_id, sub->outcome, sub->outcome_actor, sub->outcome_ms, e);
}
