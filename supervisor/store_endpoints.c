/* store_endpoints.c - what runs asked of models, and the circuit breaker of each endpoint: shared by all supervisors of a home, so every
 * step is one transaction. */
#include <stdio.h>

#include "supervisor/model_use.h"
#include "supervisor/store_internal.h"

int store_put_requests(struct store *s, int64_t run, const struct model_use *u, struct err *e) {
    for (int i = 0; u && i < u->n_requests; i++) {
        const struct model_request *q = &u->requests[i];
        sqlite3_stmt *st = store_prepare(s,
                                         "INSERT INTO gateway_requests (run, n, at, path, model, outcome, status, "
                                         "tokens_in, tokens_out, latency_us, bytes) "
                                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                                         e);
        if (!st) return -1;
        sqlite3_bind_int64(st, 1, run);
        sqlite3_bind_int64(st, 2, q->n);
        sqlite3_bind_int64(st, 3, q->at_ms);
        store_bind_text(st, 4, gw_path_name(q->path));
        store_bind_text(st, 5, q->answered[0] ? q->answered : q->asked);
        store_bind_text(st, 6, gw_outcome_name(q->outcome));
        sqlite3_bind_int64(st, 7, q->status);
        sqlite3_bind_int64(st, 8, (sqlite3_int64)q->tokens_in);
        sqlite3_bind_int64(st, 9, (sqlite3_int64)q->tokens_out);
        sqlite3_bind_int64(st, 10, (sqlite3_int64)q->latency_us);
        sqlite3_bind_int64(st, 11, (sqlite3_int64)q->bytes_up + (sqlite3_int64)q->bytes_down);
        if (store_step_done(s, st, e) < 0) return -1;
    }
    return 0;
}

/* --- the breaker ---------------------------------------------------------------------------------------------------------- */

/* 30 s, doubled with each further failure, 15 minutes at most. */
static int64_t pause_ms(int64_t failures) {
    int64_t ms = STORE_BREAKER_PAUSE_MS;
    for (int64_t i = STORE_BREAKER_FAILURES; i < failures && ms < STORE_BREAKER_PAUSE_MAX_MS; i++) ms *= 2;
    return ms < STORE_BREAKER_PAUSE_MAX_MS ? ms : STORE_BREAKER_PAUSE_MAX_MS;
}

static int read_endpoint(struct store *s, const char *name, struct store_endpoint *ret, struct err *e) {
    *ret = (struct store_endpoint){0};
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT failures, retry_at, last_outcome FROM endpoints WHERE name = ?1", e);
    if (!st) return -1;
    store_bind_text(st, 1, name);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return 0;
    if (rc != SQLITE_ROW) return store_fail(s, e, "read an endpoint");
    ret->failures = sqlite3_column_int64(st, 0);
    ret->retry_ms = sqlite3_column_int64(st, 1);
    store_column(st, 2, ret->last_outcome, sizeof ret->last_outcome);
    return 0;
}

static int write_endpoint(struct store *s, const char *name, const struct store_endpoint *p, int64_t now_ms,
                          struct err *e) {
    sqlite3_stmt *st =
        store_prepare(s,
                      "INSERT INTO endpoints (name, failures, retry_at, last_outcome, at) VALUES (?1, ?2, ?3, ?4, ?5) "
                      "ON CONFLICT (name) DO UPDATE SET failures = ?2, retry_at = ?3, last_outcome = ?4, at = ?5",
                      e);
    if (!st) return -1;
    store_bind_text(st, 1, name);
    sqlite3_bind_int64(st, 2, p->failures);
    sqlite3_bind_int64(st, 3, p->retry_ms);
    sqlite3_bind_text(st, 4, p->last_outcome, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 5, now_ms);
    return store_step_done(s, st, e);
}

int store_endpoint_may_ask(struct store *s, const char *name, int64_t now_ms, struct store_endpoint *ret,
                           struct err *e) {
    bool own;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int may = 1, rc = read_endpoint(s, name, ret, e);
    /* A clock that went back must not keep it open for longer than a pause. */
    bool open = ret->retry_ms > now_ms && ret->retry_ms <= now_ms + STORE_BREAKER_PAUSE_MAX_MS;
    if (rc == 0 && open) {
        may = 0;
    } else if (rc == 0 && ret->retry_ms != 0) { /* the one that asks now; the others wait for what comes of it */
        struct store_endpoint claimed = *ret;
        claimed.retry_ms = now_ms + STORE_BREAKER_CLAIM_MS;
        rc = write_endpoint(s, name, &claimed, now_ms, e);
    }
    rc = store_leave(s, own, rc, e);
    return rc < 0 ? -1 : may;
}

int store_endpoint_told(struct store *s, const char *name, unsigned outcome, int64_t now_ms, struct err *e) {
    bool own;
    struct store_endpoint p;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int rc = read_endpoint(s, name, &p, e);
    if (rc == 0) {
        p.failures = gw_outcome_is_infrastructure(outcome) ? p.failures + 1 : 0;
        p.retry_ms = p.failures >= STORE_BREAKER_FAILURES ? now_ms + pause_ms(p.failures) : 0;
        snprintf(p.last_outcome, sizeof p.last_outcome, "%s", gw_outcome_name(outcome));
        rc = write_endpoint(s, name, &p, now_ms, e);
    }
    return store_leave(s, own, rc, e);
}
