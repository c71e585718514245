/* store_landings.c - the journal of landings. A row goes before its target is touched and is settled after; every write is durable,
 * because the target's own disk is written in between. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/store_internal.h"

#define COLUMNS "run_id, kind, target, branch, old_head, new_head, state, why, started_at, coalesce(finished_at, 0)"

static void read_row(sqlite3_stmt *st, struct store_landing *l) {
    memset(l, 0, sizeof *l);
    store_column(st, 0, l->run_id, sizeof l->run_id);
    store_column(st, 1, l->kind, sizeof l->kind);
    store_column(st, 2, l->target, sizeof l->target);
    store_column(st, 3, l->branch, sizeof l->branch);
    store_column(st, 4, l->old_head, sizeof l->old_head);
    store_column(st, 5, l->new_head, sizeof l->new_head);
    store_column(st, 6, l->state, sizeof l->state);
    store_column(st, 7, l->why, sizeof l->why);
    l->started_ms = sqlite3_column_int64(st, 8);
    l->finished_ms = sqlite3_column_int64(st, 9);
}

/* One at a time on a target; what is not settled there has to be, first. */
static int refuse_second(struct store *s, const struct store_landing *l, struct err *e) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(
        s,
        "SELECT run_id, state FROM landings WHERE (run_id = ?1 AND kind = ?2) OR (target = ?3 AND state <> 'finished')",
        e);
    if (!st) return -1;
    store_bind_text(st, 1, l->run_id);
    store_bind_text(st, 2, l->kind);
    store_bind_text(st, 3, l->target);
    const int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return 0;
    if (rc != SQLITE_ROW) return store_fail(s, e, "read the landings");
    char run[RUN_ID_MAX], state[16];
    store_column(st, 0, run, sizeof run);
    store_column(st, 1, state, sizeof state);
    if (strcmp(run, l->run_id) == 0)
        return err_set(e, ERR_CONFLICT, "run %s has such a landing already (%s)", run, state);
    return err_set(e, ERR_CONFLICT, "the landing of run %s on this target is not settled (%s)", run, state);
}

static int insert(struct store *s, const struct store_landing *l, struct err *e) {
    sqlite3_stmt *st = store_prepare(s,
                                     "INSERT INTO landings (run_id, kind, target, branch, old_head, new_head, state, "
                                     "started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'journalled', ?7)",
                                     e);
    if (!st) return -1;
    store_bind_text(st, 1, l->run_id);
    store_bind_text(st, 2, l->kind);
    store_bind_text(st, 3, l->target);
    store_bind_text(st, 4, l->branch);
    store_bind_text(st, 5, l->old_head);
    store_bind_text(st, 6, l->new_head);
    sqlite3_bind_int64(st, 7, clock_real_ms());
    return store_step_done(s, st, e);
}

int store_landing_begin(struct store *s, const struct store_landing *l, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = refuse_second(s, l, e);
    if (rc == 0) rc = insert(s, l, e);
    return store_leave(s, own, rc, e);
}

/* Somebody else settled it: then that counts. */
static int changed_one(struct store *s, const struct store_landing *l, struct err *e) {
    if (sqlite3_changes(s->db) == 1) return 0;
    return err_set(e, ERR_CONFLICT, "the landing of run %s was settled by another process", l->run_id);
}

int store_landing_settle(struct store *s, const struct store_landing *l, const char *state, const char *why,
                         struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s,
                      "UPDATE landings SET state = ?3, why = coalesce(?4, ''), finished_at = CASE ?3 WHEN "
                      "'finished' THEN ?5 END WHERE run_id = ?1 AND kind = ?2 AND state <> 'finished'",
                      e);
    if (st) {
        store_bind_text(st, 1, l->run_id);
        store_bind_text(st, 2, l->kind);
        store_bind_text(st, 3, state);
        store_bind_text(st, 4, why);
        sqlite3_bind_int64(st, 5, clock_real_ms());
        rc = store_step_done(s, st, e);
    }
    if (rc == 0) rc = changed_one(s, l, e);
    return store_leave(s, own, rc, e);
}

int store_landing_forget(struct store *s, const struct store_landing *l, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s, "DELETE FROM landings WHERE run_id = ?1 AND kind = ?2 AND state <> 'finished'", e);
    if (st) {
        store_bind_text(st, 1, l->run_id);
        store_bind_text(st, 2, l->kind);
        rc = store_step_done(s, st, e);
    }
    if (rc == 0) rc = changed_one(s, l, e);
    return store_leave(s, own, rc, e);
}

int store_landing_get(struct store *s, const char *run_id, const char *kind, struct store_landing *ret, struct err *e) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT " COLUMNS " FROM landings WHERE run_id = ?1 AND kind = ?2", e);
    if (!st) return -1;
    store_bind_text(st, 1, run_id);
    store_bind_text(st, 2, kind);
    const int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return err_set(e, ERR_MISSING, "run %.80s has landed nothing", run_id);
    if (rc != SQLITE_ROW) return store_fail(s, e, "read a landing");
    read_row(st, ret);
    return 0;
}

/* Rows are collected before the first callback: it writes to the table. */
static int for_each(struct store *s, sqlite3_stmt *st, store_landing_fn each, void *ctx, struct err *e) {
    struct store_landing *rows = NULL;
    size_t n = 0;
    int rc;
    if (!st) return -1;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_landing *more = realloc(rows, (n + 1) * sizeof *rows);
        BUG_UNLESS(more != NULL);
        rows = more;
        read_row(st, &rows[n++]);
    }
    int ret = rc == SQLITE_DONE ? 0 : store_fail(s, e, "list the landings");
    sqlite3_reset(st);
    for (size_t i = 0; ret == 0 && i < n; i++) ret = each(ctx, &rows[i]);
    free(rows);
    return ret;
}

int store_landings_unfinished(struct store *s, store_landing_fn each, void *ctx, struct err *e) {
    return for_each(
        s,
        store_prepare(s, "SELECT " COLUMNS " FROM landings WHERE state <> 'finished' ORDER BY started_at, run_id, kind",
                      e),
        each, ctx, e);
}

/* A run that an operator's word ended is sealed only when its landing was taken back, or left on purpose. */
int store_landings_owed(struct store *s, store_landing_fn each, void *ctx, struct err *e) {
    return for_each(
        s,
        store_prepare(s,
                      "SELECT " COLUMNS " FROM landings WHERE kind = 'land' AND state = 'finished' AND NOT EXISTS "
                      "(SELECT 1 FROM landings v WHERE v.run_id = landings.run_id AND v.kind = 'revert') AND EXISTS "
                      "(SELECT 1 FROM runs r WHERE r.run_id = landings.run_id AND r.state = 'done' AND r.verdict <> "
                      "'pass' AND NOT EXISTS (SELECT 1 FROM blockers b WHERE b.run = r.id AND b.reason IN "
                      "('operator_rejected', 'missing_operator_outcome'))) ORDER BY started_at, run_id",
                      e),
        each, ctx, e);
}
