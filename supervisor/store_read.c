/* store_read.c - the queries. Lists are keyset-paged: (started_at, id) of the last row seen is the key of the next
 * page, so that page 1000 costs what page 1 does. The text of a list query is put together from constant fragments
 * only; every value is bound. Each filter has an index that begins with its column and ends with the key; where several
 * filters meet, SQLite picks one and tests the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/digest.h"
#include "common/io.h"
#include "supervisor/store_internal.h"

#define ROW_COLUMNS                                                                                             \
    "r.id, r.run_id, r.case_id, r.backend, coalesce(r.matrix_id, ''), r.supervisor_id, r.run_dir, r.work_dir, " \
    "r.attempt, "                                                                                               \
    "r.generation, r.started_at, coalesce(r.finished_at, 0), r.state, coalesce(r.verdict, ''), "                \
    "coalesce(r.report_sha256, ''), "                                                                           \
    "coalesce(r.sums_sha256, ''), coalesce((SELECT group_concat(b.reason) FROM blockers b WHERE b.run = r.id), '')"

/* Unknown words come only from a damaged file or a newer program: they become "none", and store_check names them. */
static enum run_state state_by_name(const char *name) {
    for (int i = 0; i < RUN_STATE_COUNT; i++)
        if (strcmp(run_state_name((enum run_state)i), name) == 0) return (enum run_state)i;
    return RUN_STATE_COUNT;
}

static enum verdict verdict_by_name(const char *name) {
    for (int v = VERDICT_PASS; v <= VERDICT_BLOCKED; v++)
        if (strcmp(verdict_name((enum verdict)v), name) == 0) return (enum verdict)v;
    return VERDICT_NONE;
}

static void read_row(sqlite3_stmt *st, struct store_run_row *row) {
    char word[16];
    memset(row, 0, sizeof *row);
    row->id = sqlite3_column_int64(st, 0);
    store_column(st, 1, row->run_id, sizeof row->run_id);
    store_column(st, 2, row->case_id, sizeof row->case_id);
    store_column(st, 3, row->backend, sizeof row->backend);
    store_column(st, 4, row->matrix_id, sizeof row->matrix_id);
    store_column(st, 5, row->supervisor_id, sizeof row->supervisor_id);
    store_column(st, 6, row->run_dir, sizeof row->run_dir);
    store_column(st, 7, row->work_dir, sizeof row->work_dir);
    row->attempt = sqlite3_column_int(st, 8);
    row->generation = sqlite3_column_int64(st, 9);
    row->started_ms = sqlite3_column_int64(st, 10);
    row->finished_ms = sqlite3_column_int64(st, 11);
    store_column(st, 12, word, sizeof word);
    row->state = state_by_name(word);
    store_column(st, 13, word, sizeof word);
    row->verdict = verdict_by_name(word);
    store_column(st, 14, row->report_sha256, sizeof row->report_sha256);
    store_column(st, 15, row->sums_sha256, sizeof row->sums_sha256);
    store_column(st, 16, row->reasons, sizeof row->reasons);
}

/* Rows are collected before the first callback: it may write to the tables that the query reads. */
static int collect_rows(struct store *s, sqlite3_stmt *st, store_run_fn each, void *ctx, struct err *e) {
    struct store_run_row *rows = NULL;
    size_t n = 0, cap = 0;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            struct store_run_row *more = realloc(rows, cap * sizeof *rows);
            if (!more) {
                free(rows);
                return err_set(e, ERR_SYS, "store: out of memory");
            }
            rows = more;
        }
        read_row(st, &rows[n++]);
    }
    int ret = rc == SQLITE_DONE ? 0 : store_fail(s, e, "list runs");
    sqlite3_reset(st);
    for (size_t i = 0; ret == 0 && i < n; i++) ret = each(ctx, &rows[i]);
    free(rows);
    return ret;
}

int store_runs_unfinished(struct store *s, store_run_fn each, void *ctx, struct err *e) {
    sqlite3_stmt *st =
        store_prepare(s, "SELECT " ROW_COLUMNS " FROM runs r WHERE r.state <> 'done' ORDER BY r.started_at, r.id", e);
    return st ? collect_rows(s, st, each, ctx, e) : -1;
}

bool store_status_known(const char *status) {
    static const char *const words[] = {"pass", "fail", "blocked", "running"};
    for (size_t i = 0; status && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], status) == 0) return true;
    return !status;
}

static int check_filter(const struct store_filter *f, struct err *e) {
    if (!store_status_known(f->status))
        return err_set(e, ERR_USAGE, "status \"%.40s\" is none of pass, fail, blocked, running", f->status);
    if (f->limit < 1 || f->limit > 10000) return err_set(e, ERR_USAGE, "limit must be 1 to 10000");
    return 0;
}

static void list_sql(struct buf *sql, const struct store_filter *f) {
    buf_puts(sql, "SELECT " ROW_COLUMNS " FROM runs r WHERE 1");
    if (f->status)
        buf_puts(sql, strcmp(f->status, "running") == 0 ? " AND r.state <> 'done'" : " AND r.verdict = :status");
    if (f->backend) buf_puts(sql, " AND r.backend = :backend");
    if (f->case_id) buf_puts(sql, " AND r.case_id = :case");
    if (f->matrix_id) buf_puts(sql, " AND r.matrix_id = :matrix");
    if (f->before) buf_puts(sql, " AND (r.started_at, r.id) < (:at, :id)");
    buf_puts(sql, " ORDER BY r.started_at DESC, r.id DESC LIMIT :limit");
}

static void bind_named(sqlite3_stmt *st, const char *name, const char *value) {
    int i = sqlite3_bind_parameter_index(st, name);
    if (i > 0) sqlite3_bind_text(st, i, value, -1, SQLITE_TRANSIENT);
}

int store_runs_list(struct store *s, const struct store_filter *f, store_run_fn each, void *ctx, struct err *e) {
    if (check_filter(f, e) < 0) return -1;
    struct store_run_row before = {.id = 0};
    if (f->before && store_run_get(s, f->before, &before, e) < 0) {
        if (e && e->code == ERR_MISSING) e->code = ERR_USAGE;
        return -1;
    }
    AUTO_BUF struct buf sql = BUF_INIT(8192);
    list_sql(&sql, f);
    BUG_UNLESS(!sql.bad);
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, buf_str(&sql), -1, &st, NULL) != SQLITE_OK) return store_fail(s, e, "list runs");
    bind_named(st, ":status", f->status);
    bind_named(st, ":backend", f->backend);
    bind_named(st, ":case", f->case_id);
    bind_named(st, ":matrix", f->matrix_id);
    if (f->before) {
        sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":at"), before.started_ms);
        sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":id"), before.id);
    }
    sqlite3_bind_int(st, sqlite3_bind_parameter_index(st, ":limit"), f->limit);
    struct store_run_row row;
    int ret = 0, rc = SQLITE_ROW;
    while (ret == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        read_row(st, &row);
        ret = each(ctx, &row);
    }
    if (ret == 0 && rc != SQLITE_DONE) ret = store_fail(s, e, "list runs");
    sqlite3_finalize(st);
    return ret;
}

int store_runs_accepted(struct store *s, const char *backend, int limit, store_run_fn each, void *ctx, struct err *e) {
    sqlite3_stmt *st = store_prepare(s,
                                     "SELECT " ROW_COLUMNS " FROM runs r JOIN outcomes o ON o.subject = r.run_id "
                                     "WHERE r.backend = ?1 AND r.verdict = 'pass' AND o.outcome = 'accepted' "
                                     "ORDER BY r.started_at DESC, r.id DESC LIMIT ?2",
                                     e);
    if (!st) return -1;
    store_bind_text(st, 1, backend);
    sqlite3_bind_int(st, 2, limit);
    return collect_rows(s, st, each, ctx, e);
}

int store_run_get(struct store *s, const char *run_id, struct store_run_row *ret, struct err *e) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(s, "SELECT " ROW_COLUMNS " FROM runs r WHERE r.run_id = ?1", e);
    if (!st) return -1;
    sqlite3_bind_text(st, 1, run_id, -1, SQLITE_TRANSIENT);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return err_set(e, ERR_MISSING, "no run \"%.160s\" in the store", run_id);
    if (rc != SQLITE_ROW) return store_fail(s, e, "read run");
    read_row(st, ret);
    return 0;
}

#define MATRIX_COLUMNS                                                                                              \
    "id, kind, backend, coalesce(report_path, ''), coalesce(report_sha256, ''), started_at, coalesce(finished_at, " \
    "0), "                                                                                                          \
    "planned, passed, failed, blocked, unexpected, interrupted, coalesce(supervisor_id, '')"

static void read_matrix(sqlite3_stmt *st, struct store_matrix *ret) {
    memset(ret, 0, sizeof *ret);
    store_column(st, 0, ret->id, sizeof ret->id);
    store_column(st, 1, ret->kind, sizeof ret->kind);
    store_column(st, 2, ret->backend, sizeof ret->backend);
    store_column(st, 3, ret->report_path, sizeof ret->report_path);
    store_column(st, 4, ret->report_sha256, sizeof ret->report_sha256);
    ret->started_ms = sqlite3_column_int64(st, 5);
    ret->finished_ms = sqlite3_column_int64(st, 6);
    ret->planned = sqlite3_column_int64(st, 7);
    ret->passed = sqlite3_column_int64(st, 8);
    ret->failed = sqlite3_column_int64(st, 9);
    ret->blocked = sqlite3_column_int64(st, 10);
    ret->unexpected = sqlite3_column_int64(st, 11);
    ret->interrupted = sqlite3_column_int(st, 12) != 0;
    store_column(st, 13, ret->supervisor_id, sizeof ret->supervisor_id);
}

int store_matrix_get(struct store *s, const char *matrix_id, struct store_matrix *ret, struct err *e) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(s, "SELECT " MATRIX_COLUMNS " FROM matrices WHERE id = ?1", e);
    if (!st) return -1;
    sqlite3_bind_text(st, 1, matrix_id, -1, SQLITE_TRANSIENT);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return err_set(e, ERR_MISSING, "no matrix \"%.160s\" in the store", matrix_id);
    if (rc != SQLITE_ROW) return store_fail(s, e, "read matrix");
    read_matrix(st, ret);
    return 0;
}

int store_matrices(struct store *s, store_matrix_fn each, void *ctx, struct err *e) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT " MATRIX_COLUMNS " FROM matrices ORDER BY started_at, id", e);
    if (!st) return -1;
    struct store_matrix m;
    int ret = 0, rc = SQLITE_ROW;
    while (ret == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        read_matrix(st, &m);
        ret = each(ctx, &m);
    }
    return ret == 0 && rc != SQLITE_DONE ? store_fail(s, e, "list matrices") : ret;
}

bool store_knows(struct store *s, const char *id) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s,
                      "SELECT 1 FROM runs WHERE run_id = ?1 UNION ALL SELECT 1 FROM matrices WHERE "
                      "id = ?1 LIMIT 1",
                      NULL);
    if (!st) return false;
    sqlite3_bind_text(st, 1, id, -1, SQLITE_TRANSIENT);
    return sqlite3_step(st) == SQLITE_ROW;
}

/* --- info and check --------------------------------------------------------------------------------------------------
 * */

int store_info(struct store *s, struct store_counts *ret, struct err *e) {
    static const struct {
        const char *sql;
        size_t offset;
    } counts[] = {
#define COUNT(field, text) {text, offsetof(struct store_counts, field)}
        COUNT(user_version, "PRAGMA user_version"),
        COUNT(runs, "SELECT count(*) FROM runs"),
        COUNT(unfinished, "SELECT count(*) FROM runs WHERE state <> 'done'"),
        COUNT(passed, "SELECT count(*) FROM runs WHERE verdict = 'pass'"),
        COUNT(failed, "SELECT count(*) FROM runs WHERE verdict = 'fail'"),
        COUNT(blocked, "SELECT count(*) FROM runs WHERE verdict = 'blocked'"),
        COUNT(matrices, "SELECT count(*) FROM matrices"),
        COUNT(events, "SELECT count(*) FROM events"),
        COUNT(artifacts, "SELECT count(*) FROM artifacts"),
        COUNT(supervisors, "SELECT count(*) FROM supervisors"),
        COUNT(page_size, "PRAGMA page_size"),
        COUNT(pages, "PRAGMA page_count"),
        COUNT(free_pages, "PRAGMA freelist_count"),
        COUNT(artifact_bytes, "SELECT coalesce(sum(bytes), 0) FROM runs"),
#undef COUNT
    };
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        sqlite3_stmt *st = NULL;
        if (sqlite3_prepare_v2(s->db, counts[i].sql, -1, &st, NULL) != SQLITE_OK) return store_fail(s, e, "info");
        int rc = sqlite3_step(st);
        int64_t v = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
        memcpy((char *)ret + counts[i].offset, &v, sizeof v);
        sqlite3_finalize(st);
        if (rc != SQLITE_ROW) return store_fail(s, e, "info");
    }
    struct stat sb;
    if (stat(s->path, &sb) == 0) ret->file_bytes = sb.st_size;
    AUTO_BUF struct buf wal = BUF_INIT(8192);
    buf_printf(&wal, "%s-wal", s->path);
    if (stat(buf_str(&wal), &sb) == 0) ret->wal_bytes = sb.st_size;
    return 0;
}

/* Each query returns one row per thing that does not hold: a text that names it. "ok" of integrity_check is dropped. */
static const char *const checks[] = {
    "PRAGMA integrity_check(20)",
    "SELECT 'foreign key: ' || \"table\" || ' row ' || coalesce(rowid, '?') || ' points nowhere in ' || parent FROM "
    "pragma_foreign_key_check LIMIT 20",
    "SELECT 'run ' || run_id || ': done without a verdict' FROM runs WHERE state = 'done' AND verdict IS NULL LIMIT 20",
    "SELECT 'run ' || run_id || ': a verdict, but state ' || state FROM runs WHERE state <> 'done' AND verdict IS NOT "
    "NULL LIMIT 20",
    "SELECT 'run ' || run_id || ': its directory has another name: ' || run_dir FROM runs WHERE run_id = '' OR "
    "run_id IN ('.', '..') OR instr(run_id, '/') OR substr(run_dir, -length(run_id) - 1) <> '/' || run_id LIMIT 20",
    "SELECT 'run ' || run_id || ': unknown state ' || state FROM runs WHERE state NOT IN ('planned', 'gated', "
    "'starting', "
    "'baseline', 'engine', 'stopping', 'inspecting', 'verifying', 'collecting', 'landing', 'outcome', 'sealing', "
    "'done') LIMIT 20",
    "SELECT 'run ' || run_id || ': its last transition is not its state ' || state FROM runs WHERE state <> (SELECT "
    "t.state FROM "
    "transitions t WHERE t.run = runs.id ORDER BY t.n DESC LIMIT 1) LIMIT 20",
    "SELECT 'run ' || run_id || ': no transition' FROM runs WHERE NOT EXISTS (SELECT 1 FROM transitions t WHERE t.run "
    "= runs.id) "
    "LIMIT 20",
    "SELECT 'run ' || run_id || ': pass with a blocker' FROM runs WHERE verdict = 'pass' AND EXISTS (SELECT 1 FROM "
    "blockers b "
    "WHERE b.run = runs.id) LIMIT 20",
    "SELECT 'run ' || run_id || ': ' || verdict || ' without a blocker' FROM runs WHERE verdict IN ('fail', 'blocked') "
    "AND NOT "
    "EXISTS (SELECT 1 FROM blockers b WHERE b.run = runs.id) LIMIT 20",
    "SELECT 'run ' || run_id || ': done without artifacts' FROM runs WHERE state = 'done' AND NOT EXISTS (SELECT 1 "
    "FROM artifacts a "
    "WHERE a.run = runs.id) LIMIT 20",
    "SELECT 'run ' || run_id || ': finished before it started' FROM runs WHERE finished_at < started_at LIMIT 20",
    "SELECT 'run ' || run_id || ': event numbers have a gap' FROM runs WHERE (SELECT max(seq) <> count(*) FROM events "
    "ev WHERE "
    "ev.run = runs.id) LIMIT 20",
    "SELECT 'run ' || r.run_id || ': transitions of a falling generation' FROM transitions a JOIN transitions b ON "
    "a.run = b.run AND "
    "b.n = a.n + 1 JOIN runs r ON r.id = a.run WHERE b.generation < a.generation LIMIT 20",
    "SELECT 'run ' || r.run_id || ': it is ' || r.state || ', and a record waits for a word' FROM waiting w JOIN runs "
    "r ON "
    "r.id = w.run WHERE r.state NOT IN ('landing', 'outcome') LIMIT 20",
    "SELECT 'run ' || run_id || ': it waits for a word, and its record is lost' FROM runs WHERE state = 'outcome' AND "
    "NOT "
    "EXISTS (SELECT 1 FROM waiting w WHERE w.run = runs.id) LIMIT 20",
    "SELECT 'approval ' || a.id || ': its scope is not that of its request' FROM approvals a JOIN requests r ON r.id = "
    "a.request_id WHERE a.scope <> r.scope LIMIT 20",
    "SELECT 'request ' || id || ': its scope is not that of its document' FROM requests WHERE document <> '{}' AND "
    "CASE WHEN "
    "json_valid(document) THEN coalesce(json_extract(document, '$.scope_digest'), '') ELSE '' END <> scope LIMIT 20",
    "SELECT 'matrix ' || id || ': counts do not fit' FROM matrices WHERE finished_at IS NOT NULL AND passed + failed + "
    "blocked > "
    "planned LIMIT 20",
};

struct digest_check {
    void (*bad)(void *ctx, const char *what);
    void *ctx;
};

static int check_digest(void *ctx, const struct store_admission *a) {
    const struct digest_check *c = ctx;
    char digest[DIGEST_HEX_SIZE], text[160];
    digest_bytes(a->record, strlen(a->record), digest);
    if (strcmp(digest, a->digest) == 0) return 0;
    snprintf(text, sizeof text, "admission %s: its record was changed", a->id);
    c->bad(c->ctx, text);
    return 0;
}

int store_check(struct store *s, void (*bad)(void *ctx, const char *what), void *ctx, struct err *e) {
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(s->db, checks[i], -1, &st, NULL);
        while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(st, 0);
            if (text && strcmp(text, "ok") != 0) bad(ctx, text);
            rc = SQLITE_OK;
        }
        bool damaged = (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
        if (damaged) bad(ctx, sqlite3_errmsg(s->db));
        int failed = rc == SQLITE_DONE || damaged ? 0 : store_fail(s, e, "check");
        sqlite3_finalize(st);
        if (failed || damaged) return failed;
    }
    struct digest_check c = {bad, ctx};
    return store_admissions(s, NULL, check_digest, &c, e);
}
