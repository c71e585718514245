/* store_internal.h - shared by store*.c only: the connection, and statements that are prepared once and reset by scope.
 * */
#ifndef CTO_SUPERVISOR_STORE_INTERNAL_H
#define CTO_SUPERVISOR_STORE_INTERNAL_H

#include <sqlite3.h>

#include "supervisor/store.h"

enum store_batch { BATCH_NONE, BATCH_NORMAL, BATCH_DURABLE };
#define STORE_STATEMENTS 64

struct store {
    sqlite3 *db;
    char *path;
    enum store_batch batch;
    bool writable;
    struct {
        const char *sql; /* the literal's address is the key */
        sqlite3_stmt *stmt;
    } cache[STORE_STATEMENTS];
    int n_cache;
};

/* Sets `e` from the connection: ERR_USAGE with what to do for a file that is damaged or not ours, else ERR_SYS-like
 * text. */
int store_fail(struct store *s, struct err *e, const char *what);
int store_exec(struct store *s, const char *sql, struct err *e);
/* A cached statement, reset and unbound; `sql` must be a literal. NULL with the error set. */
sqlite3_stmt *store_prepare(struct store *s, const char *sql, struct err *e);
/* Runs to the end a statement that returns no rows; resets it. */
int store_step_done(struct store *s, sqlite3_stmt *st, struct err *e);
/* A transaction of its own unless a batch is open. Durable inside a batch needs a durable batch. */
int store_enter(struct store *s, bool durable, bool *ret_own, struct err *e);
int store_leave(struct store *s, bool own, int rc,
                struct err *e); /* commits when rc is 0, else rolls back; returns rc */

/* The approval that this run has claimed, if it has: used up, or given back. Inside the transaction that seals the run. */
int store_approval_settle(struct store *s, const struct run_record *r, struct err *e);

struct model_use;
/* What the run asked of its model; NULL: nothing. Inside the same transaction. */
int store_put_requests(struct store *s, int64_t run, const struct model_use *u, struct err *e);

/* The run waits no more, and what a human said of it is kept. Inside the same transaction. */
int store_waiting_settle(struct store *s, const struct run_record *r, struct err *e);

void store_bind_text(sqlite3_stmt *st, int i, const char *text);    /* "" and NULL: NULL */
void store_column(sqlite3_stmt *st, int i, char *out, size_t size); /* NULL: ""; cut when it is longer */
/* Runs the statement (a literal) with ?1 the run or comparison, ?2 what a human said of it, ?3 who, ?4 when. */
int store_word(struct store *s, const char *sql, const char *subject, const char *outcome, const char *actor,
               int64_t said_ms, struct err *e);
/* Resets when the scope ends, so that no statement keeps a read transaction open. */
static inline void store_auto_reset(sqlite3_stmt **st) {
    if (*st) sqlite3_reset(*st);
}
#define AUTO_RESET __attribute__((cleanup(store_auto_reset)))

#endif
