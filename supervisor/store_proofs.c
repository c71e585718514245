/* store_proofs.c - what validators proved, per backend and build. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/store_internal.h"

bool store_stage_proven(struct store *s, const char *backend, int stage, const char *build_id) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(
        s, "SELECT 1 FROM stage_proofs WHERE backend = ?1 AND stage = ?2 AND build_id = ?3 AND proof_kind = 'real'",
        NULL);
    if (!st) return false;
    store_bind_text(st, 1, backend);
    sqlite3_bind_int(st, 2, stage);
    store_bind_text(st, 3, build_id);
    return sqlite3_step(st) == SQLITE_ROW;
}

bool store_interface_proven(struct store *s, const char *build_id) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT 1 FROM stage_proofs WHERE stage = ?1 AND build_id = ?2", NULL);
    if (!st) return false;
    sqlite3_bind_int(st, 1, STORE_STAGE_INTERFACE);
    store_bind_text(st, 2, build_id);
    return sqlite3_step(st) == SQLITE_ROW;
}

int store_stage_prove(struct store *s, const struct store_proof *p, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st = store_prepare(
        s,
        "INSERT INTO stage_proofs (backend, stage, build_id, proof_kind, proven_at, report_path, sha256) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (backend, stage, build_id, proof_kind) DO UPDATE "
        "SET proven_at = ?5, report_path = ?6, sha256 = ?7",
        e);
    if (st) {
        store_bind_text(st, 1, p->backend);
        sqlite3_bind_int(st, 2, p->stage);
        store_bind_text(st, 3, p->build_id);
        store_bind_text(st, 4, p->kind);
        sqlite3_bind_int64(st, 5, clock_real_ms());
        store_bind_text(st, 6, p->report_path);
        store_bind_text(st, 7, p->sha256);
        rc = store_step_done(s, st, e);
    }
    return store_leave(s, own, rc, e);
}

int store_proofs(struct store *s, const char *backend, store_proof_fn each, void *ctx, struct err *e) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s,
                      "SELECT build_id, proof_kind, report_path, sha256, stage, proven_at FROM stage_proofs "
                      "WHERE backend = ?1 ORDER BY proven_at DESC, stage, build_id, proof_kind",
                      e);
    if (!st) return -1;
    store_bind_text(st, 1, backend);
    struct store_proof_row row;
    int rc = SQLITE_DONE, stop = 0;
    while (stop == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        store_column(st, 0, row.build_id, sizeof row.build_id);
        store_column(st, 1, row.kind, sizeof row.kind);
        store_column(st, 2, row.report_path, sizeof row.report_path);
        store_column(st, 3, row.sha256, sizeof row.sha256);
        row.stage = sqlite3_column_int(st, 4);
        row.proven_ms = sqlite3_column_int64(st, 5);
        stop = each(ctx, &row);
    }
    return stop == 0 && rc != SQLITE_DONE ? store_fail(s, e, "proofs") : stop;
}

int store_outcome_is(struct store *s, const char *subject, const char *outcome, bool *ret, struct err *e) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(s, "SELECT 1 FROM outcomes WHERE subject = ?1 AND outcome = ?2", e);
    if (!st) return -1;
    store_bind_text(st, 1, subject);
    store_bind_text(st, 2, outcome);
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return store_fail(s, e, "outcome");
    *ret = rc == SQLITE_ROW;
    return 0;
}

int store_outcome_get(struct store *s, const char *subject, struct store_outcome *ret, struct err *e) {
    *ret = (struct store_outcome){0};
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT outcome, actor, recorded_at FROM outcomes WHERE subject = ?1", e);
    if (!st) return -1;
    store_bind_text(st, 1, subject);
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return store_fail(s, e, "outcome");
    if (rc == SQLITE_DONE) return 0;
    store_column(st, 0, ret->outcome, sizeof ret->outcome);
    store_column(st, 1, ret->actor, sizeof ret->actor);
    ret->said_ms = sqlite3_column_int64(st, 2);
    return 0;
}

/* The first word counts: another one is compared with it inside the transaction that would have written it. */
static int say_once(struct store *s, const char *subject, const char *outcome, const char *actor, int64_t said_ms,
                    struct err *e) {
    struct store_outcome was;
    if (store_outcome_get(s, subject, &was, e) < 0) return -1;
    if (strcmp(was.outcome, outcome) == 0) return 0;
    if (was.outcome[0]) return err_set(e, ERR_CONFLICT, "%.120s was %s by %.80s", subject, was.outcome, was.actor);
    return store_word(s, "INSERT INTO outcomes (subject, outcome, actor, recorded_at) VALUES (?1, ?2, ?3, ?4)", subject,
                      outcome, actor, said_ms, e);
}

int store_outcome_say(struct store *s, const char *subject, const char *outcome, const char *actor, int64_t said_ms,
                      struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    return store_leave(s, own, say_once(s, subject, outcome, actor, said_ms, e), e);
}
