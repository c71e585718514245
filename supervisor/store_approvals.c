/* store_approvals.c - requests and what people said to them. A grant is for one run: every change of a row says in its WHERE
 * clause from which state it comes, so that of two runs that want the same grant at once one changes a row and one does not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/store_internal.h"

static int numbered(struct store *s, const char *sql, const char *word, char ret_id[96], struct err *e) {
    char stamp[CLOCK_COMPACT_SIZE];
    clock_compact(clock_real_ms(), stamp);
    AUTO_RESET sqlite3_stmt *st = store_prepare(s, sql, e);
    if (!st) return -1;
    if (sqlite3_step(st) != SQLITE_ROW) return store_fail(s, e, "next number");
    snprintf(ret_id, 96, "%s-%s-%lld", word, stamp, (long long)sqlite3_column_int64(st, 0));
    return 0;
}

/* --- requests ----------------------------------------------------------------------------------------------------------- */

int store_request_id(struct store *s, char ret_id[96], struct err *e) {
    return numbered(s, "SELECT coalesce(max(n), 0) + 1 FROM requests", "request", ret_id, e);
}

int store_request_add(struct store *s, const struct store_request *r, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s,
                      "INSERT INTO requests (id, task_id, backend, actor, created_at, scope, document) VALUES (?1, "
                      "?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING",
                      e);
    if (st) {
        store_bind_text(st, 1, r->id);
        store_bind_text(st, 2, r->task_id);
        store_bind_text(st, 3, r->backend);
        store_bind_text(st, 4, r->actor);
        sqlite3_bind_int64(st, 5, r->created_ms);
        store_bind_text(st, 6, r->scope);
        store_bind_text(st, 7, r->document);
        rc = store_step_done(s, st, e);
        if (rc == 0 && sqlite3_changes(s->db) == 0)
            rc = err_set(e, ERR_CONFLICT, "another request came in between; ask again");
    }
    return store_leave(s, own, rc, e);
}

/* An empty name is bound as NULL, which is the name of all. */
static bool names_nothing(const char *id) { return id && !id[0]; }

int store_requests(struct store *s, const char *id, store_request_fn each, void *ctx, struct err *e) {
    if (names_nothing(id)) return err_set(e, ERR_MISSING, "no request \"\"; `request list` shows them");
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s,
                      "SELECT r.id, r.task_id, r.backend, r.actor, r.scope, r.created_at, r.document, a.id, a.state, "
                      "a.expires_at FROM requests r LEFT JOIN approvals a ON a.n = (SELECT max(n) FROM approvals "
                      "WHERE request_id = r.id) WHERE ?1 IS NULL OR r.id = ?1 ORDER BY r.n DESC",
                      e);
    if (!st) return -1;
    store_bind_text(st, 1, id);
    struct store_request r;
    int rc = SQLITE_DONE, stop = 0, seen = 0;
    while (stop == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        store_column(st, 0, r.id, sizeof r.id);
        store_column(st, 1, r.task_id, sizeof r.task_id);
        store_column(st, 2, r.backend, sizeof r.backend);
        store_column(st, 3, r.actor, sizeof r.actor);
        store_column(st, 4, r.scope, sizeof r.scope);
        r.created_ms = sqlite3_column_int64(st, 5);
        r.document = (const char *)sqlite3_column_text(st, 6);
        store_column(st, 7, r.approval_id, sizeof r.approval_id);
        store_column(st, 8, r.approval_state, sizeof r.approval_state);
        r.expires_ms = sqlite3_column_int64(st, 9);
        seen++;
        stop = each(ctx, &r);
    }
    if (stop == 0 && rc != SQLITE_DONE) return store_fail(s, e, "requests");
    if (stop == 0 && id && !seen) return err_set(e, ERR_MISSING, "no request %.90s; `request list` shows them", id);
    return stop;
}

/* --- decisions ---------------------------------------------------------------------------------------------------------- */

/* What stands in the way of another word on this request. */
static int refuse_second(struct store *s, const struct store_request *r, struct err *e) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(
        s, "SELECT id, state, expires_at FROM approvals WHERE request_id = ?1 ORDER BY n DESC LIMIT 1", e);
    if (!st) return -1;
    store_bind_text(st, 1, r->id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return 0;
    if (rc != SQLITE_ROW) return store_fail(s, e, "approvals of the request");
    const char *id = (const char *)sqlite3_column_text(st, 0), *state = (const char *)sqlite3_column_text(st, 1);
    if (strcmp(state, "denied") == 0)
        return err_set(e, ERR_USAGE, "request %s was denied (%s), which is final; make a new request", r->id, id);
    if (strcmp(state, "claimed") == 0 ||
        (strcmp(state, "granted") == 0 && sqlite3_column_int64(st, 2) > clock_real_ms()))
        return err_set(e, ERR_USAGE, "request %s has an approval that is not used up: %s", r->id, id);
    return 0;
}

int store_approval_add(struct store *s, const struct store_request *r, const char *state, const char *actor,
                       const char *why, int64_t expires_ms, char ret_id[96], struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = refuse_second(s, r, e);
    if (rc == 0) rc = numbered(s, "SELECT coalesce(max(n), 0) + 1 FROM approvals", "approval", ret_id, e);
    sqlite3_stmt *st =
        rc == 0 ? store_prepare(s,
                                "INSERT INTO approvals (id, request_id, scope, state, actor, decided_at, expires_at, "
                                "why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, ''))",
                                e)
                : NULL;
    if (!st) return store_leave(s, own, -1, e);
    store_bind_text(st, 1, ret_id);
    store_bind_text(st, 2, r->id);
    store_bind_text(st, 3, r->scope);
    store_bind_text(st, 4, state);
    store_bind_text(st, 5, actor);
    sqlite3_bind_int64(st, 6, clock_real_ms());
    sqlite3_bind_int64(st, 7, expires_ms);
    store_bind_text(st, 8, why);
    return store_leave(s, own, store_step_done(s, st, e), e);
}

int store_approval_revoke(struct store *s, const char *id, const char *actor, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st = store_prepare(
        s,
        "UPDATE approvals SET state = 'revoked', revoked_at = ?2, revoked_by = ?3 WHERE id = ?1 AND state = 'granted'",
        e);
    if (st) {
        store_bind_text(st, 1, id);
        sqlite3_bind_int64(st, 2, clock_real_ms());
        store_bind_text(st, 3, actor);
        rc = store_step_done(s, st, e);
        if (rc == 0 && sqlite3_changes(s->db) != 1)
            rc = err_set(e, ERR_USAGE, "no approval %.90s that could be revoked; `approve list` shows them", id);
    }
    return store_leave(s, own, rc, e);
}

static void read_approval(sqlite3_stmt *st, struct store_approval *a) {
    memset(a, 0, sizeof *a);
    store_column(st, 0, a->id, sizeof a->id);
    store_column(st, 1, a->request_id, sizeof a->request_id);
    store_column(st, 2, a->scope, sizeof a->scope);
    store_column(st, 3, a->state, sizeof a->state);
    store_column(st, 4, a->actor, sizeof a->actor);
    a->decided_ms = sqlite3_column_int64(st, 5);
    a->expires_ms = sqlite3_column_int64(st, 6);
    store_column(st, 7, a->why, sizeof a->why);
    store_column(st, 8, a->run_id, sizeof a->run_id);
    store_column(st, 9, a->run_verdict, sizeof a->run_verdict);
    a->revoked_ms = sqlite3_column_int64(st, 10);
    store_column(st, 11, a->revoked_by, sizeof a->revoked_by);
    store_column(st, 12, a->requester, sizeof a->requester);
    a->requested_ms = sqlite3_column_int64(st, 13);
    store_column(st, 14, a->request_scope, sizeof a->request_scope);
}

int store_approvals(struct store *s, const char *scope, const char *id, const char *run_id, store_approval_fn each,
                    void *ctx, struct err *e) {
    if (names_nothing(scope) || names_nothing(id) || names_nothing(run_id))
        return err_set(e, ERR_MISSING, "no approval \"\"; `approve list` shows them");
    AUTO_RESET sqlite3_stmt *st = store_prepare(
        s,
        "SELECT a.id, a.request_id, a.scope, a.state, a.actor, a.decided_at, a.expires_at, a.why, "
        "coalesce(a.run_id, ''), coalesce(a.run_verdict, ''), coalesce(a.revoked_at, 0), coalesce(a.revoked_by, ''), "
        "r.actor, r.created_at, r.scope FROM approvals a JOIN requests r ON r.id = a.request_id WHERE (?1 IS NULL OR "
        "a.scope = ?1 OR r.scope = ?1) AND (?2 IS NULL OR a.id = ?2) AND (?3 IS NULL OR a.run_id = ?3) ORDER BY a.n "
        "DESC",
        e);
    if (!st) return -1;
    store_bind_text(st, 1, scope);
    store_bind_text(st, 2, id);
    store_bind_text(st, 3, run_id);
    struct store_approval a;
    int rc = SQLITE_DONE, stop = 0, seen = 0;
    while (stop == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        read_approval(st, &a);
        seen++;
        stop = each(ctx, &a);
    }
    if (stop == 0 && rc != SQLITE_DONE) return store_fail(s, e, "approvals");
    if (stop == 0 && id && !seen) return err_set(e, ERR_MISSING, "no approval %.90s; `approve list` shows them", id);
    return stop;
}

int store_seen_ms(struct store *s, int64_t now_ms, int64_t *ret_ms, struct err *e) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT max(?1, coalesce((SELECT max(started_at) FROM runs), 0))", e);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, now_ms);
    if (sqlite3_step(st) != SQLITE_ROW) return store_fail(s, e, "runs");
    *ret_ms = sqlite3_column_int64(st, 0);
    return 0;
}

int store_approval_claim(struct store *s, const char *id, const char *run_id, int64_t now_ms, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s,
                      "UPDATE approvals SET state = 'claimed', run_id = ?2 WHERE id = ?1 AND state = 'granted' AND "
                      "expires_at > max(?3, coalesce((SELECT max(started_at) FROM runs), 0)) AND decided_at <= ?3 AND "
                      "NOT EXISTS (SELECT 1 FROM approvals no WHERE no.scope "
                      "= approvals.scope AND no.n > approvals.n AND no.state IN ('denied', 'revoked'))",
                      e);
    if (st) {
        store_bind_text(st, 1, id);
        store_bind_text(st, 2, run_id);
        sqlite3_bind_int64(st, 3, now_ms);
        rc = store_step_done(s, st, e);
        if (rc == 0 && sqlite3_changes(s->db) != 1)
            rc = err_set(e, ERR_CONFLICT, "approval %s was used, denied, revoked or expired in between", id);
    }
    return store_leave(s, own, rc, e);
}

/* A recovered run does not know how far it came, so its approval is used up. */
int store_approval_settle(struct store *s, const struct run_record *r, struct err *e) {
    bool untouched = r->verdict == VERDICT_BLOCKED && !r->engine_started && !r->recovered;
    sqlite3_stmt *st =
        store_prepare(s,
                      untouched ? "UPDATE approvals SET state = 'granted', run_id = NULL WHERE run_id = ?1 AND state "
                                  "= 'claimed' AND ?2 IS NOT NULL"
                                : "UPDATE approvals SET state = 'consumed', run_verdict = ?2 WHERE run_id = ?1 AND "
                                  "state = 'claimed'",
                      e);
    if (!st) return -1;
    store_bind_text(st, 1, r->run_id);
    store_bind_text(st, 2, verdict_name(r->verdict));
    return store_step_done(s, st, e);
}
