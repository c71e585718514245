/* store_write.c - what the owner of a run may change. Every change of a run names the generation it believes in; the
 * WHERE clause does the comparing, so that a supervisor whose run was taken over changes nothing and learns it. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/store_internal.h"

#define GENERATION_MAX 1000000000000ll /* nobody has taken over that often */

int store_supervisor_add(struct store *s, const char *supervisor_id, int64_t pid, struct err *e) {
    bool own;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s, "INSERT OR IGNORE INTO supervisors (id, pid, started_at) VALUES (?1, ?2, ?3)", e);
    if (st) {
        store_bind_text(st, 1, supervisor_id);
        sqlite3_bind_int64(st, 2, pid);
        sqlite3_bind_int64(st, 3, clock_real_ms());
        rc = store_step_done(s, st, e);
    }
    return store_leave(s, own, rc, e);
}

static int note_case(struct store *s, const struct run_record *r, struct err *e) {
    sqlite3_stmt *st =
        store_prepare(s,
                      "INSERT INTO cases (id, title, kind, last_used) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) "
                      "DO UPDATE SET title = ?2, kind = ?3, last_used = max(last_used, ?4)",
                      e);
    if (!st) return -1;
    sqlite3_bind_text(st, 1, r->c->id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 2, r->c->title ? r->c->title : "", -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 3, r->c->kind ? r->c->kind : "task", -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 4, r->started_ms);
    return store_step_done(s, st, e);
}

static int append_transition(struct store *s, int64_t run, int64_t generation, enum run_state to, int64_t real_ms,
                             uint64_t mono_us, struct err *e) {
    sqlite3_stmt *st =
        store_prepare(s,
                      "INSERT INTO transitions (run, n, generation, state, at, mono_us) VALUES (?1, (SELECT "
                      "coalesce(max(n), 0) + 1 FROM transitions WHERE run = ?1), ?2, ?3, ?4, ?5)",
                      e);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, run);
    sqlite3_bind_int64(st, 2, generation);
    store_bind_text(st, 3, run_state_name(to));
    sqlite3_bind_int64(st, 4, real_ms);
    sqlite3_bind_int64(st, 5, (int64_t)mono_us);
    return store_step_done(s, st, e);
}

static int insert_run(struct store *s, const struct run_record *r, const char *supervisor_id, struct err *e) {
    sqlite3_stmt *st =
        store_prepare(s,
                      "INSERT INTO runs (run_id, case_id, backend, matrix_id, attempt, supervisor_id, generation, "
                      "state, started_at, run_dir, work_dir) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'planned', ?8, "
                      "?9, ?10) ON CONFLICT (run_id) DO NOTHING",
                      e);
    if (!st) return -1;
    store_bind_text(st, 1, r->run_id);
    store_bind_text(st, 2, r->c->id);
    store_bind_text(st, 3, r->engine);
    store_bind_text(st, 4, r->matrix_id);
    sqlite3_bind_int(st, 5, r->attempt > 0 ? r->attempt : 1);
    store_bind_text(st, 6, supervisor_id);
    sqlite3_bind_int64(st, 7, r->generation);
    sqlite3_bind_int64(st, 8, r->started_ms);
    store_bind_text(st, 9, r->run_dir);
    store_bind_text(st, 10, r->work_dir);
    if (store_step_done(s, st, e) < 0) return err_ctx(e, "insert run %s", r->run_id);
    if (sqlite3_changes(s->db) == 0) return err_set(e, ERR_CONFLICT, "run %s exists", r->run_id);
    return 0;
}

int store_run_insert(struct store *s, const struct run_record *r, const char *supervisor_id, struct err *e) {
    bool own;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int rc = note_case(s, r, e);
    if (rc == 0) rc = insert_run(s, r, supervisor_id, e);
    if (rc == 0)
        rc = append_transition(s, sqlite3_last_insert_rowid(s->db), r->generation, RUN_PLANNED, clock_real_ms(),
                               clock_mono_us(), e);
    return store_leave(s, own, rc, e);
}

int store_run_forget(struct store *s, const char *run_id, int64_t generation, struct err *e) {
    bool own;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s, "DELETE FROM runs WHERE run_id = ?1 AND generation = ?2 AND state = 'planned'", e);
    if (st) {
        store_bind_text(st, 1, run_id);
        sqlite3_bind_int64(st, 2, generation);
        rc = store_step_done(s, st, e);
        if (rc == 0 && sqlite3_changes(s->db) == 0)
            rc = err_set(e, ERR_CONFLICT, "run %s is not ours to forget", run_id);
    }
    return store_leave(s, own, rc, e);
}

/* The row's number, when the run is still ours: of this generation and not done. */
static int own_run(struct store *s, const char *run_id, int64_t generation, int64_t *ret_id, struct err *e) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(s, "SELECT id, generation, state FROM runs WHERE run_id = ?1", e);
    if (!st) return -1;
    store_bind_text(st, 1, run_id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) return err_set(e, ERR_MISSING, "run %s is not in the store", run_id);
    if (rc != SQLITE_ROW) return store_fail(s, e, "read run");
    int64_t now = sqlite3_column_int64(st, 1);
    const char *state = (const char *)sqlite3_column_text(st, 2);
    if (now != generation)
        return err_set(e, ERR_CONFLICT,
                       "run %s has generation %lld now, ours was %lld: another supervisor took it over", run_id,
                       (long long)now, (long long)generation);
    if (state && strcmp(state, "done") == 0) return err_set(e, ERR_CONFLICT, "run %s is done already", run_id);
    *ret_id = sqlite3_column_int64(st, 0);
    return 0;
}

static int set_state(struct store *s, int64_t id, enum run_state to, struct err *e) {
    sqlite3_stmt *st = store_prepare(s, "UPDATE runs SET state = ?2 WHERE id = ?1", e);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, id);
    store_bind_text(st, 2, run_state_name(to));
    return store_step_done(s, st, e);
}

int store_run_transition(struct store *s, const char *run_id, int64_t generation, enum run_state to, int64_t real_ms,
                         uint64_t mono_us, struct err *e) {
    BUG_UNLESS(to != RUN_DONE); /* only with a verdict, by store_run_sealed */
    bool own;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int64_t id = 0;
    int rc = own_run(s, run_id, generation, &id, e);
    if (rc == 0) rc = set_state(s, id, to, e);
    if (rc == 0) rc = append_transition(s, id, generation, to, real_ms, mono_us, e);
    return store_leave(s, own, rc, e);
}

/* Above all that the run ever had: in a store that contradicts itself a transition may be ahead of its row. */
static int next_generation(struct store *s, int64_t id, int64_t now, int64_t *ret, struct err *e) {
    AUTO_RESET sqlite3_stmt *st =
        store_prepare(s, "SELECT max(?2, coalesce(max(generation), 0)) FROM transitions WHERE run = ?1", e);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_int64(st, 2, now);
    if (sqlite3_step(st) != SQLITE_ROW) return store_fail(s, e, "read transitions");
    int64_t highest = sqlite3_column_int64(st, 0);
    if (highest < 0 || highest >= GENERATION_MAX)
        return err_set(e, ERR_PARSE, "its generation is %lld", (long long)highest);
    *ret = highest + 1;
    return 0;
}

static int set_owner(struct store *s, int64_t id, const struct run_record *r, int64_t generation,
                     const char *supervisor_id, struct err *e) {
    sqlite3_stmt *st = store_prepare(
        s, "UPDATE runs SET generation = ?2, supervisor_id = ?3, run_dir = ?4, work_dir = ?5 WHERE id = ?1", e);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_int64(st, 2, generation);
    store_bind_text(st, 3, supervisor_id);
    store_bind_text(st, 4, r->run_dir);
    store_bind_text(st, 5, r->work_dir);
    return store_step_done(s, st, e);
}

int store_run_takeover(struct store *s, struct run_record *r, const char *supervisor_id, struct err *e) {
    bool own;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int64_t id = 0, generation = 0;
    int rc = own_run(s, r->run_id, r->generation, &id, e);
    if (rc == 0) rc = next_generation(s, id, r->generation, &generation, e);
    if (rc == 0) rc = set_owner(s, id, r, generation, supervisor_id, e);
    if ((rc = store_leave(s, own, rc, e)) == 0) r->generation = generation;
    return rc;
}

/* --- sealing ---------------------------------------------------------------------------------------------------------
 * */

static int finish_row(struct store *s, int64_t id, const struct run_record *r, const struct seal_summary *sum,
                      struct err *e) {
    sqlite3_stmt *st =
        store_prepare(s,
                      "UPDATE runs SET state = 'done', verdict = ?2, finished_at = ?3, baseline_head = ?4, "
                      "result_head = ?5, report_sha256 = ?6, sums_sha256 = ?7, events_head = ?8, events_count = ?9, "
                      "bytes = ?10 WHERE id = ?1",
                      e);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, id);
    store_bind_text(st, 2, verdict_name(r->verdict));
    sqlite3_bind_int64(st, 3, r->finished_ms);
    store_bind_text(st, 4, r->baseline_head);
    store_bind_text(st, 5, r->result_head);
    store_bind_text(st, 6, sum->report_sha256);
    store_bind_text(st, 7, sum->sums_sha256);
    store_bind_text(st, 8, sum->events_head);
    sqlite3_bind_int64(st, 9, sum->events_total);
    sqlite3_bind_int64(st, 10, (int64_t)sum->total_bytes);
    return store_step_done(s, st, e);
}

static int clear_children(struct store *s, int64_t id, struct err *e) {
    static const char *const sql[] = {"DELETE FROM blockers WHERE run = ?1", "DELETE FROM artifacts WHERE run = ?1",
                                      "DELETE FROM events WHERE run = ?1",
                                      "DELETE FROM gateway_requests WHERE run = ?1"};
    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
        sqlite3_stmt *st = store_prepare(s, sql[i], e);
        if (!st) return -1;
        sqlite3_bind_int64(st, 1, id);
        if (store_step_done(s, st, e) < 0) return -1;
    }
    return 0;
}

static int put_blockers(struct store *s, int64_t id, const struct run_record *r, struct err *e) {
    for (int i = 0; i < r->n_blockers; i++) {
        const struct blocker_rule *rule = blocker_rule(r->blockers[i].id);
        sqlite3_stmt *st = store_prepare(s,
                                         "INSERT INTO blockers (run, n, reason, class, event, detail) VALUES "
                                         "(?1, ?2, ?3, ?4, ?5, ?6)",
                                         e);
        if (!st) return -1;
        sqlite3_bind_int64(st, 1, id);
        sqlite3_bind_int(st, 2, i);
        store_bind_text(st, 3, rule->reason);
        store_bind_text(st, 4, blocker_class_name(record_class(r, r->blockers[i].id)));
        store_bind_text(st, 5, rule->event);
        sqlite3_bind_text(st, 6, r->blockers[i].detail, -1, SQLITE_TRANSIENT);
        if (store_step_done(s, st, e) < 0) return -1;
    }
    return 0;
}

static int put_artifacts(struct store *s, int64_t id, const struct seal_summary *sum, struct err *e) {
    for (int i = 0; i < sum->n_artifacts; i++) {
        const struct seal_artifact *a = &sum->artifacts[i];
        sqlite3_stmt *st = store_prepare(s,
                                         "INSERT INTO artifacts (run, path, size, sha256, written_at) VALUES "
                                         "(?1, ?2, ?3, ?4, ?5)",
                                         e);
        if (!st) return -1;
        sqlite3_bind_int64(st, 1, id);
        store_bind_text(st, 2, a->path);
        sqlite3_bind_int64(st, 3, (int64_t)a->size);
        store_bind_text(st, 4, a->sha256);
        sqlite3_bind_int64(st, 5, a->written_ms);
        if (store_step_done(s, st, e) < 0) return -1;
    }
    return 0;
}

static int put_events(struct store *s, int64_t id, const struct seal_summary *sum, struct err *e) {
    for (int i = 0; i < sum->n_events; i++) {
        sqlite3_stmt *st = store_prepare(s, "INSERT INTO events (run, seq, type, at) VALUES (?1, ?2, ?3, ?4)", e);
        if (!st) return -1;
        sqlite3_bind_int64(st, 1, id);
        sqlite3_bind_int64(st, 2, sum->events[i].seq);
        store_bind_text(st, 3, sum->events[i].type);
        sqlite3_bind_int64(st, 4, sum->events[i].ts_ms);
        if (store_step_done(s, st, e) < 0) return -1;
    }
    return 0;
}

int store_run_sealed(struct store *s, const struct run_record *r, const struct seal_summary *sum, struct err *e) {
    BUG_UNLESS(r->verdict != VERDICT_NONE && r->finished_ms > 0);
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int64_t id = 0;
    int rc = own_run(s, r->run_id, r->generation, &id, e);
    if (rc == 0) rc = finish_row(s, id, r, sum, e);
    if (rc == 0) rc = clear_children(s, id, e);
    if (rc == 0) rc = put_blockers(s, id, r, e);
    if (rc == 0) rc = put_artifacts(s, id, sum, e);
    if (rc == 0) rc = put_events(s, id, sum, e);
    if (rc == 0) rc = store_put_requests(s, id, r->model_use, e);
    if (rc == 0) rc = store_waiting_settle(s, r, e);
    if (rc == 0) rc = store_approval_settle(s, r, e);
    if (rc == 0) rc = append_transition(s, id, r->generation, RUN_DONE, r->finished_ms, clock_mono_us(), e);
    return store_leave(s, own, rc, e);
}

/* --- matrices --------------------------------------------------------------------------------------------------------
 * */

int store_matrix_insert(struct store *s, const struct store_matrix *m, struct err *e) {
    bool own;
    if (store_enter(s, false, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s,
                      "INSERT INTO matrices (id, kind, backend, started_at, planned, supervisor_id) VALUES "
                      "(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
                      e);
    if (st) {
        store_bind_text(st, 1, m->id);
        store_bind_text(st, 2, m->kind);
        store_bind_text(st, 3, m->backend[0] ? m->backend : "fake");
        sqlite3_bind_int64(st, 4, m->started_ms);
        sqlite3_bind_int64(st, 5, m->planned);
        store_bind_text(st, 6, m->supervisor_id);
        rc = store_step_done(s, st, e);
        if (rc == 0 && sqlite3_changes(s->db) == 0) rc = err_set(e, ERR_CONFLICT, "matrix %s exists", m->id);
    }
    return store_leave(s, own, rc, e);
}

int store_matrix_finish(struct store *s, const struct store_matrix *m, struct err *e) {
    bool own;
    if (store_enter(s, true, &own, e) < 0) return -1;
    int rc = -1;
    sqlite3_stmt *st =
        store_prepare(s,
                      "UPDATE matrices SET finished_at = ?2, planned = ?3, passed = ?4, failed = ?5, blocked = ?6, "
                      "unexpected = ?7, interrupted = ?8, report_path = ?9, report_sha256 = ?10 WHERE id = ?1",
                      e);
    if (st) {
        store_bind_text(st, 1, m->id);
        sqlite3_bind_int64(st, 2, m->finished_ms);
        sqlite3_bind_int64(st, 3, m->planned);
        sqlite3_bind_int64(st, 4, m->passed);
        sqlite3_bind_int64(st, 5, m->failed);
        sqlite3_bind_int64(st, 6, m->blocked);
        sqlite3_bind_int64(st, 7, m->unexpected);
        sqlite3_bind_int(st, 8, m->interrupted);
        store_bind_text(st, 9, m->report_path);
        store_bind_text(st, 10, m->report_sha256);
        rc = store_step_done(s, st, e);
        if (rc == 0 && sqlite3_changes(s->db) == 0)
            rc = err_set(e, ERR_MISSING, "matrix %s is not in the store", m->id);
    }
    return store_leave(s, own, rc, e);
}
