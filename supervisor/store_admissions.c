/* store_admissions.c - what people decided may be used, in the order in which they said it. A row is added or revoked, never
 * changed otherwise, and never removed: what was allowed once, by whom, can be asked for ever. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/store_internal.h"

#define COLUMNS                                                                                                     \
    "a.id, a.kind, a.subject, a.status, a.actor, a.recorded_at, coalesce(a.revoked_at, 0), coalesce(a.revoked_by, " \
    "''), "                                                                                                         \
    "coalesce(a.revoked_why, ''), a.digest, "                                                                       \
    "NOT EXISTS (SELECT 1 FROM admissions b WHERE b.kind = a.kind AND b.subject = a.subject AND b.n > a.n), a.record"

static void read_row(sqlite3_stmt *st, struct store_admission *a) {
    memset(a, 0, sizeof *a);
    store_column(st, 0, a->id, sizeof a->id);
    store_column(st, 1, a->kind, sizeof a->kind);
    store_column(st, 2, a->subject, sizeof a->subject);
    store_column(st, 3, a->status, sizeof a->status);
    store_column(st, 4, a->actor, sizeof a->actor);
    a->recorded_ms = sqlite3_column_int64(st, 5);
    a->revoked_ms = sqlite3_column_int64(st, 6);
    store_column(st, 7, a->revoked_by, sizeof a->revoked_by);
    store_column(st, 8, a->revoked_why, sizeof a->revoked_why);
    store_column(st, 9, a->digest, sizeof a->digest);
    a->newest = sqlite3_column_int(st, 10) != 0;
    a->record = (char *)sqlite3_column_text(st, 11); /* until the next step or reset */
}

static int refuse_repetition(struct store *s, const struct admission *a, struct err *e) {
    struct err none = ERR_INIT;
    struct store_admission *old = calloc(1, sizeof *old);
    BUG_UNLESS(old != NULL);
    int rc = 0;
    if (store_admission_newest(s, admission_rules(a->kind)->name, a->subject, old, &none) == 0) {
        if (strcmp(old->digest, a->digest) == 0 && old->revoked_ms == 0)
            rc = err_set(e, ERR_USAGE, "this record is in force already, as %s", old->id);
        free(old->record);
    } else if (none.code != ERR_MISSING) {
        if (e) *e = none;
        rc = -1;
    }
    free(old);
    return rc;
}

static int insert(struct store *s, const struct admission *a, const char *text, size_t len, const char *actor,
                  const char *id, int64_t now, struct err *e) {
    sqlite3_stmt *st =
        store_prepare(s,
                      "INSERT INTO admissions (id, kind, subject, status, actor, recorded_at, digest, record) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                      e);
    if (!st) return -1;
    store_bind_text(st, 1, id);
    store_bind_text(st, 2, admission_rules(a->kind)->name);
    store_bind_text(st, 3, a->subject);
    store_bind_text(st, 4, a->status);
    store_bind_text(st, 5, actor);
    sqlite3_bind_int64(st, 6, now);
    store_bind_text(st, 7, a->digest);
    sqlite3_bind_text(st, 8, text, (int)len, SQLITE_TRANSIENT);
    return store_step_done(s, st, e);
}

/* Readable, and unique: the second and the record; the number for the same record said twice within a second. */
static int next_id(struct store *s, const struct admission *a, int64_t now, char ret_id[96], struct err *e) {
    char stamp[CLOCK_COMPACT_SIZE];
    clock_compact(now, stamp);
    AUTO_RESET sqlite3_stmt *st = store_prepare(s, "SELECT coalesce(max(n), 0) + 1 FROM admissions", e);
    if (!st) return -1;
    if (sqlite3_step(st) != SQLITE_ROW) return store_fail(s, e, "number of the admission");
    snprintf(ret_id, 96, "%s-%s-%lld", admission_rules(a->kind)->name, stamp, (long long)sqlite3_column_int64(st, 0));
    return 0;
}

int store_admission_add(struct store *s, const struct admission *a, const char *text, size_t len, const char *actor,
                        char ret_id[96], struct err *e) {
    bool own;
    int64_t now = clock_real_ms();
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = refuse_repetition(s, a, e);
    if (rc == 0) rc = next_id(s, a, now, ret_id, e);
    if (rc == 0) rc = insert(s, a, text, len, actor, ret_id, now, e);
    return store_leave(s, own, rc, e);
}

int store_admission_revoke(struct store *s, const char *kind, const char *id, const char *actor, const char *why,
                           struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st = store_prepare(s,
                                     "UPDATE admissions SET revoked_at = ?1, revoked_by = ?2, revoked_why = ?3 "
                                     "WHERE kind = ?4 AND id = ?5 AND revoked_at IS NULL",
                                     e);
    if (st) {
        sqlite3_bind_int64(st, 1, clock_real_ms());
        store_bind_text(st, 2, actor);
        store_bind_text(st, 3, why);
        store_bind_text(st, 4, kind);
        store_bind_text(st, 5, id);
        rc = store_step_done(s, st, e);
    }
    if (rc == 0 && sqlite3_changes(s->db) != 1)
        rc = err_set(e, ERR_USAGE, "no %s admission %.90s is in force; `admit %s --list` shows them", kind, id, kind);
    return store_leave(s, own, rc, e);
}

int store_admissions(struct store *s, const char *kind, store_admission_fn each, void *ctx, struct err *e) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT " COLUMNS " FROM admissions a WHERE ?1 IS NULL OR a.kind = ?1 ORDER BY a.n DESC", e);
    if (!st) return -1;
    store_bind_text(st, 1, kind);
    struct store_admission *row = malloc(sizeof *row);
    BUG_UNLESS(row != NULL);
    int rc = SQLITE_DONE, stop = 0;
    while (stop == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        read_row(st, row);
        stop = each(ctx, row);
    }
    free(row);
    if (stop == 0 && rc != SQLITE_DONE) return store_fail(s, e, "list of admissions");
    return stop;
}

int store_admission_newest(struct store *s, const char *kind, const char *subject, struct store_admission *ret,
                           struct err *e) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(
        s, "SELECT " COLUMNS " FROM admissions a WHERE a.kind = ?1 AND a.subject = ?2 ORDER BY a.n DESC LIMIT 1", e);
    if (!st) return -1;
    store_bind_text(st, 1, kind);
    store_bind_text(st, 2, subject);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return err_set(e, ERR_MISSING, "no %s admission of that subject was recorded", kind);
    if (rc != SQLITE_ROW) return store_fail(s, e, "admission");
    read_row(st, ret);
    ret->record = strdup(ret->record);
    BUG_UNLESS(ret->record != NULL);
    return 0;
}
