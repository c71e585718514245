/* store.c - opening, creating, migrating; transactions; statements.
 *
 * Creation races are decided inside an immediate transaction: whoever gets the write lock first runs schema.sql, the
 * other one finds the version in place. WAL is switched on before that, outside any transaction, with our own patience,
 * because SQLite does not call the busy handler for every lock of that switch.
 *
 * What is refused is refused before anything is written: another application_id, a newer user_version, a file that is
 * not a database. An old version is migrated step by step in one transaction.
 */
#include "supervisor/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/io.h"
#include "embedded.h"
#include "supervisor/store_internal.h"

#define BUSY_MS 10000

/* migrations[v] leads from version v to v + 1, but [0], schema.sql itself, to the newest. */
static const char *const migrations[STORE_VERSION] = {
    embedded_schema_sql,
    /* Version 1 had the table, and nothing that wrote it. */
    "DROP TABLE admissions;"
    "CREATE TABLE admissions (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " kind TEXT NOT NULL CHECK (kind IN ('model', 'source', 'executable', 'target', 'decision')),"
    " subject TEXT NOT NULL, status TEXT NOT NULL, actor TEXT NOT NULL, recorded_at INTEGER NOT NULL, digest TEXT NOT "
    "NULL,"
    " record TEXT NOT NULL, revoked_at INTEGER, revoked_by TEXT, revoked_why TEXT,"
    " CHECK ((revoked_at IS NULL) = (revoked_by IS NULL) AND (revoked_at IS NULL) = (revoked_why IS NULL)));"
    "CREATE INDEX admissions_by_subject ON admissions (kind, subject, n);"
    "PRAGMA user_version = 2;",
    /* Version 2 had approvals, and nothing that wrote them. */
    "DROP TABLE approvals;"
    "CREATE TABLE requests ( n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, backend TEXT "
    "NOT NULL, actor TEXT NOT NULL, created_at INTEGER NOT NULL, scope TEXT NOT NULL, document TEXT NOT NULL ); "
    "CREATE TABLE approvals ( n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request_id TEXT NOT NULL REFERENCES "
    "requests (id), scope TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('granted', 'denied', 'claimed', "
    "'consumed', 'revoked')), actor TEXT NOT NULL, decided_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, why "
    "TEXT NOT NULL DEFAULT '', run_id TEXT UNIQUE, run_verdict TEXT, revoked_at INTEGER, revoked_by TEXT, CHECK "
    "((state IN ('claimed', 'consumed')) = (run_id IS NOT NULL)), CHECK ((state = 'revoked') = (revoked_at IS NOT "
    "NULL) AND (revoked_at IS NULL) = (revoked_by IS NULL)) ); "
    "CREATE INDEX approvals_by_scope ON approvals (scope, n); "
    "CREATE INDEX approvals_by_request ON approvals (request_id, n); "
    "PRAGMA user_version = 3;",
    "CREATE TABLE landings ( run_id TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('land', 'revert')), target TEXT "
    "NOT NULL, branch TEXT NOT NULL, old_head TEXT NOT NULL, new_head TEXT NOT NULL, state TEXT NOT NULL CHECK (state "
    "IN ('journalled', 'conflict', 'finished')), why TEXT NOT NULL DEFAULT '', started_at INTEGER NOT NULL, "
    "finished_at INTEGER, PRIMARY KEY (run_id, kind), CHECK ((state = 'finished') = (finished_at IS NOT NULL)) ) "
    "WITHOUT ROWID; "
    "CREATE INDEX landings_unfinished ON landings (target) WHERE state <> 'finished'; "
    "CREATE TABLE waiting ( run INTEGER PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE, evidence_sha256 "
    "TEXT NOT NULL, events_bytes INTEGER NOT NULL, since INTEGER NOT NULL, due INTEGER NOT NULL, record TEXT NOT NULL, "
    "outcome TEXT CHECK (outcome IN ('accepted', 'rejected', 'missing')), actor TEXT, said_at INTEGER, "
    "CHECK ((outcome IS NULL) = (said_at IS NULL)) ); "
    "PRAGMA user_version = 4;",
    /* Version 4 had the table, and nothing that wrote it. */
    "DROP TABLE gateway_requests;"
    "CREATE TABLE gateway_requests ( run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE, n INTEGER NOT NULL, "
    "at INTEGER NOT NULL, path TEXT NOT NULL, model TEXT, outcome TEXT, status INTEGER, tokens_in INTEGER, tokens_out "
    "INTEGER, latency_us INTEGER, bytes INTEGER, PRIMARY KEY (run, n) ) WITHOUT ROWID; "
    "CREATE TABLE endpoints ( name TEXT PRIMARY KEY, failures INTEGER NOT NULL, retry_at INTEGER NOT NULL, "
    "last_outcome TEXT NOT NULL, at INTEGER NOT NULL ) WITHOUT ROWID; "
    "PRAGMA user_version = 5;"};

int store_fail(struct store *s, struct err *e, const char *what) {
    int rc = sqlite3_extended_errcode(s->db);
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return err_set(e, ERR_USAGE,
                       "store %s: %s: the file is damaged or is no database (%s); move it away, or put a "
                       "copy in its place: the run directories are complete without it",
                       s->path, what, sqlite3_errmsg(s->db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(e, ERR_CONFLICT, "store %s: %s: another process kept it locked for %d s", s->path, what,
                       BUSY_MS / 1000);
    case SQLITE_FULL:
        err_set(e, ERR_SYS, "store %s: %s: %s; make room on that disk", s->path, what, sqlite3_errmsg(s->db));
        if (e) e->sys = ENOSPC;
        return -1;
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return err_set(e, ERR_SYS, "store %s: %s: %s; is the disk full, or the directory not writable?", s->path, what,
                       sqlite3_errmsg(s->db));
    default: return err_set(e, ERR_INTERNAL, "store %s: %s: %s", s->path, what, sqlite3_errmsg(s->db));
    }
}

int store_exec(struct store *s, const char *sql, struct err *e) {
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK) return 0;
    char what[48];
    snprintf(what, sizeof what, "%.40s", sql);
    return store_fail(s, e, what);
}

static int pragma_int(struct store *s, const char *sql, int64_t *ret, struct err *e) {
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK) return store_fail(s, e, "open");
    int rc = sqlite3_step(st);
    *ret = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    int ok = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(s, e, "open");
    sqlite3_finalize(st);
    return ok;
}

/* --- statements ------------------------------------------------------------------------------------------------------
 * */

sqlite3_stmt *store_prepare(struct store *s, const char *sql, struct err *e) {
    for (int i = 0; i < s->n_cache; i++) {
        if (s->cache[i].sql != sql) continue;
        sqlite3_reset(s->cache[i].stmt);
        sqlite3_clear_bindings(s->cache[i].stmt);
        return s->cache[i].stmt;
    }
    BUG_UNLESS(s->n_cache < STORE_STATEMENTS);
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK) {
        store_fail(s, e, "prepare");
        return NULL;
    }
    s->cache[s->n_cache].sql = sql;
    s->cache[s->n_cache++].stmt = st;
    return st;
}

int store_step_done(struct store *s, sqlite3_stmt *st, struct err *e) {
    int rc = sqlite3_step(st);
    int ret = rc == SQLITE_DONE ? 0 : store_fail(s, e, "write");
    sqlite3_reset(st);
    return ret;
}

void store_bind_text(sqlite3_stmt *st, int i, const char *text) {
    if (text && text[0])
        sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(st, i);
}

void store_column(sqlite3_stmt *st, int i, char *out, size_t size) {
    const unsigned char *p = sqlite3_column_text(st, i);
    snprintf(out, size, "%s", p ? (const char *)p : "");
}

int store_word(struct store *s, const char *sql, const char *subject, const char *outcome, const char *actor,
               int64_t said_ms, struct err *e) {
    sqlite3_stmt *st = store_prepare(s, sql, e);
    if (!st) return -1;
    store_bind_text(st, 1, subject);
    store_bind_text(st, 2, outcome);
    store_bind_text(st, 3, actor);
    sqlite3_bind_int64(st, 4, said_ms);
    return store_step_done(s, st, e);
}

/* --- transactions ----------------------------------------------------------------------------------------------------
 * */

/* The level cannot be changed inside a transaction, so a batch says at its beginning whether it must outlive the power.
 * */
int store_begin(struct store *s, bool durable, struct err *e) {
    BUG_UNLESS(s->batch == BATCH_NONE && s->writable);
    if (store_exec(s, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", e) < 0) return -1;
    if (store_exec(s, "BEGIN IMMEDIATE", e) < 0) return -1;
    s->batch = durable ? BATCH_DURABLE : BATCH_NORMAL;
    return 0;
}

int store_commit(struct store *s, struct err *e) {
    BUG_UNLESS(s->batch != BATCH_NONE);
    if (store_exec(s, "COMMIT", e) < 0) {
        store_rollback(s);
        return -1;
    }
    s->batch = BATCH_NONE;
    return 0;
}

void store_rollback(struct store *s) {
    if (s->batch == BATCH_NONE) return;
    s->batch = BATCH_NONE;
    if (!sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

int store_enter(struct store *s, bool durable, bool *ret_own, struct err *e) {
    *ret_own = s->batch == BATCH_NONE;
    if (*ret_own) return store_begin(s, durable, e);
    if (durable && s->batch != BATCH_DURABLE)
        return err_set(e, ERR_INTERNAL, "store: a durable write inside a batch that is not durable");
    return 0;
}

int store_leave(struct store *s, bool own, int rc, struct err *e) {
    if (!own) return rc;
    if (rc == 0) return store_commit(s, e);
    store_rollback(s);
    return rc;
}

/* --- opening ---------------------------------------------------------------------------------------------------------
 * */

/* One statement, one snapshot: read one after the other, a database that another process is creating just now has tables but
 * no application_id, and would be taken for somebody else's. */
static int read_identity(struct store *s, int64_t *ret_app, int64_t *ret_version, int64_t *ret_objects, struct err *e) {
    static const char sql[] = "SELECT (SELECT count(*) FROM sqlite_master), (SELECT application_id FROM "
                              "pragma_application_id), (SELECT user_version FROM pragma_user_version)";
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK) return store_fail(s, e, "open");
    int rc = sqlite3_step(st) == SQLITE_ROW ? 0 : store_fail(s, e, "open");
    if (rc == 0) {
        *ret_objects = sqlite3_column_int64(st, 0);
        *ret_app = sqlite3_column_int64(st, 1);
        *ret_version = sqlite3_column_int64(st, 2);
    }
    sqlite3_finalize(st);
    return rc;
}

/* Is it ours, and of which version? An empty database is version 0 of anybody. */
static int identify(struct store *s, int64_t *ret_version, struct err *e) {
    int64_t app = 0, objects = 0;
    if (read_identity(s, &app, ret_version, &objects, e) < 0) return -1;
    if (objects == 0 && app == 0 && *ret_version == 0) return 0;
    if (app != STORE_APPLICATION_ID)
        return err_set(e, ERR_USAGE, "store %s: this is a database of another program; name another --home", s->path);
    if (*ret_version > STORE_VERSION)
        return err_set(e, ERR_USAGE,
                       "store %s: version %lld, but this program knows %d at most; use the newer program, or "
                       "another --home",
                       s->path, (long long)*ret_version, STORE_VERSION);
    if (*ret_version < 1) return err_set(e, ERR_USAGE, "store %s: it has tables but no version; move it away", s->path);
    return 0;
}

static int migrate(struct store *s, struct err *e) {
    int64_t version = 0;
    if (identify(s, &version, e) < 0) return -1;
    if (version == STORE_VERSION) return 0;
    if (store_begin(s, true, e) < 0) return -1;
    int rc = identify(s, &version, e); /* again, under the lock: another process may have done it */
    while (rc == 0 && version < STORE_VERSION) {
        int64_t from = version;
        rc = store_exec(s, migrations[version], e);
        if (rc == 0) rc = identify(s, &version, e);
        if (rc == 0 && version <= from) break; /* a migration that does not raise the version would never end */
    }
    if (rc == 0 && version != STORE_VERSION)
        rc = err_set(e, ERR_INTERNAL, "store %s: migration ended at version %lld", s->path, (long long)version);
    return store_leave(s, true, rc, e);
}

static int switch_to_wal(struct store *s, struct err *e) {
    uint64_t deadline = clock_mono_us() + BUSY_MS * 1000ull;
    for (;;) {
        int rc = sqlite3_exec(s->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
        if (rc == SQLITE_OK) return 0;
        if (rc != SQLITE_BUSY || clock_mono_us() > deadline) return store_fail(s, e, "journal_mode=WAL");
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

/* SQLite would make it 0644. One that is there is not even opened: any close() of this file drops all of the process's POSIX locks on
 * it, those of a connection that another part of the process has too (finish.c). Another process would take itself for the last one
 * and delete the WAL under it, and what is written from then on is lost, or damages the file. */
static int create(const char *path, struct err *e) {
    struct stat st;
    if (stat(path, &st) == 0)
        return access(path, R_OK | W_OK) < 0 ? err_sys(e, "store %s", path) : 0; /* SQLite does not say why */
    AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return fd < 0 ? err_sys(e, "store %s", path) : 0;
}

static int open_writable(struct store *s, struct err *e) {
    if (create(s->path, e) < 0) return -1;
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return store_fail(s, e, "open");
    sqlite3_busy_timeout(s->db, BUSY_MS);
    int64_t version = 0;
    if (identify(s, &version, e) < 0) return -1; /* before the journal mode of a foreign file is touched */
    if (switch_to_wal(s, e) < 0 || store_exec(s, "PRAGMA foreign_keys=ON", e) < 0 ||
        store_exec(s, "PRAGMA synchronous=NORMAL", e) < 0)
        return -1;
    return migrate(s, e);
}

/* A read-only directory cannot hold the -shm file that WAL needs. Without a -wal file the database file is the whole
 * truth and nobody can write it, so it may be read as immutable. */
static int open_immutable(struct store *s, struct err *e) {
    AUTO_BUF struct buf uri = BUF_INIT(16384);
    buf_printf(&uri, "%s-wal", s->path);
    struct stat sb;
    if (stat(buf_str(&uri), &sb) == 0) return store_fail(s, e, "open");
    buf_reset(&uri);
    buf_puts(&uri, "file:");
    for (const char *p = s->path; *p; p++) {
        if (strchr("%?#", *p) || (unsigned char)*p <= ' ')
            buf_printf(&uri, "%%%02X", (unsigned char)*p);
        else
            buf_put(&uri, p, 1);
    }
    buf_puts(&uri, "?immutable=1");
    sqlite3_close(s->db);
    s->db = NULL;
    if (sqlite3_open_v2(buf_str(&uri), &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return store_fail(s, e, "open");
    int64_t version = 0;
    return identify(s, &version, e);
}

static int open_readonly(struct store *s, struct err *e) {
    struct stat sb;
    if (stat(s->path, &sb) < 0) {
        if (errno == ENOENT)
            return err_set(e, ERR_MISSING, "store %s does not exist: nothing was run with this home yet", s->path);
        return err_sys(e, "store %s", s->path);
    }
    int64_t version = 0;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(s->db, BUSY_MS);
        if (identify(s, &version, e) < 0) {
            int code = sqlite3_errcode(s->db) & 0xff;
            if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) return -1;
            if (open_immutable(s, e) < 0) return -1;
            if (e) *e = ERR_INIT; /* the first attempt's */
        }
    } else {
        return store_fail(s, e, "open");
    }
    if (pragma_int(s, "PRAGMA user_version", &version, e) < 0) return -1;
    if (version < STORE_VERSION)
        return err_set(e, ERR_USAGE, "store %s: %s; run any command that writes first", s->path,
                       version == 0 ? "empty" : "of an older version");
    return store_exec(s, "PRAGMA query_only=ON", e);
}

int store_open(const char *path, bool writable, struct store **ret, struct err *e) {
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        store_close(s);
        return err_set(e, ERR_SYS, "store: out of memory");
    }
    s->writable = writable;
    if ((writable ? open_writable(s, e) : open_readonly(s, e)) < 0) {
        store_close(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void store_close(struct store *s) {
    if (!s) return;
    for (int i = 0; i < s->n_cache; i++) sqlite3_finalize(s->cache[i].stmt);
    s->n_cache = 0;
    if (s->db) store_rollback(s);
    if (s->db) sqlite3_close(s->db);
    free(s->path);
    free(s);
}
