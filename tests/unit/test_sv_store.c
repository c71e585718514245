/* test_sv_store.c - opening and refusing, runs and generations, sealing, paging, checking. */
#include "sv_fixture.h"
#include "supervisor/store.h"

static struct fixture f;

static void sql(const char *text) {
    char cmd[8192];
    snprintf(cmd, sizeof cmd,
             "python3 -c 'import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); "
             "c.commit()' '%s' \"%s\"",
             f.home.store, text);
    NEED(fixture_sh(cmd) == 0);
}

static int count_row(void *ctx, const struct store_run_row *row) {
    (void)row;
    ++*(int *)ctx;
    return 0;
}
static void count_bad(void *ctx, const char *what) {
    (void)what;
    ++*(int *)ctx;
}

static void test_open(void) {
    struct store *s = NULL;
    struct err e = ERR_INIT;
    struct stat sb;
    CHECK(store_open(f.home.store, false, &s, &e) == -1 && e.code == ERR_MISSING);
    CHECK(stat(f.home.store, &sb) < 0); /* a reader creates nothing */
    e = ERR_INIT;
    NEED(store_open(f.home.store, true, &s, &e) == 0);
    CHECK(stat(f.home.store, &sb) == 0 && (sb.st_mode & 0777) == 0600);
    struct store *again = NULL, *reader = NULL;
    CHECK(store_open(f.home.store, true, &again, &e) == 0);
    CHECK(store_open(f.home.store, false, &reader, &e) == 0);
    int bad = 0;
    CHECK(store_check(reader, count_bad, &bad, &e) == 0 && bad == 0);
    store_close(reader);
    store_close(again);
    store_close(s);
}

static void test_refused(void) {
    struct store *s = NULL;
    struct err e = ERR_INIT;
    char saved[sizeof f.home.store];
    memcpy(saved, f.home.store, sizeof saved);
    snprintf(f.home.store, sizeof f.home.store, "%s/other.db", f.dir);
    sql("create table t(x)");
    CHECK(store_open(f.home.store, true, &s, &e) == -1 && e.code == ERR_USAGE && strstr(e.text, "another program"));
    snprintf(f.home.store, sizeof f.home.store, "%s/newer.db", f.dir);
    sql("create table t(x); pragma application_id=1129598792; pragma user_version=99");
    e = ERR_INIT;
    CHECK(store_open(f.home.store, true, &s, &e) == -1 && e.code == ERR_USAGE && strstr(e.text, "version 99"));
    e = ERR_INIT;
    CHECK(store_open(f.home.store, false, &s, &e) == -1 && e.code == ERR_USAGE);
    fixture_write(f.dir, "corrupt.db", "this is not a database, whatever its name says", 46);
    snprintf(f.home.store, sizeof f.home.store, "%s/corrupt.db", f.dir);
    e = ERR_INIT;
    CHECK(store_open(f.home.store, true, &s, &e) == -1 && e.code == ERR_USAGE && strstr(e.text, "damaged"));
    e = ERR_INIT;
    CHECK(store_open(f.home.store, false, &s, &e) == -1 && e.code == ERR_USAGE);
    memcpy(f.home.store, saved, sizeof saved);
}

static struct store *open_rw(void) {
    struct store *s = NULL;
    struct err e = ERR_INIT;
    NEED(store_open(f.home.store, true, &s, &e) == 0);
    return s;
}

static void insert_at(struct store *s, int n, int64_t started_ms) {
    struct err e = ERR_INIT;
    snprintf(f.r.run_id, sizeof f.r.run_id, "run-%04d", n);
    char run_dir[40], work_dir[40];
    snprintf(run_dir, sizeof run_dir, "/runs/%.20s", f.r.run_id);
    snprintf(work_dir, sizeof work_dir, "/srv/%.20s", f.r.run_id);
    record_set_dirs(&f.r, run_dir, work_dir);
    f.r.started_ms = started_ms;
    f.r.generation = 1;
    int rc = store_run_insert(s, &f.r, "sup", &e);
    if (rc < 0) fprintf(stderr, "%s\n", e.text);
    NEED(rc == 0);
}

static void insert(struct store *s, int n) { insert_at(s, n, 1000 + n / 3); /* ties on purpose */ }

static void test_runs(void) {
    struct store *s = open_rw();
    struct err e = ERR_INIT;
    struct store_run_row row;
    CHECK(store_supervisor_add(s, "sup", 42, &e) == 0 && store_supervisor_add(s, "sup", 42, &e) == 0);
    CHECK(store_supervisor_add(s, "other", 43, &e) == 0);
    insert(s, 0);
    CHECK(store_run_insert(s, &f.r, "sup", &e) == -1 && e.code == ERR_CONFLICT);
    CHECK(store_run_transition(s, "run-0000", 1, RUN_GATED, 5, 6, &e) == 0);
    CHECK(store_run_forget(s, "run-0000", 1, &e) == -1);
    CHECK(store_run_takeover(s, &f.r, "other", &e) == 0 && f.r.generation == 2);
    f.r.generation = 1;
    CHECK(store_run_takeover(s, &f.r, "sup", &e) == -1 && e.code == ERR_CONFLICT && f.r.generation == 1);
    CHECK(store_run_transition(s, "run-0000", 1, RUN_STARTING, 7, 8, &e) == -1 &&
          e.code == ERR_CONFLICT); /* a late writer */
    CHECK(store_run_transition(s, "run-0000", 2, RUN_STARTING, 7, 8, &e) == 0);
    CHECK(store_run_transition(s, "nobody", 1, RUN_GATED, 7, 8, &e) == -1 && e.code == ERR_MISSING);
    CHECK(store_run_get(s, "run-0000", &row, &e) == 0 && row.state == RUN_STARTING && row.generation == 2);
    CHECK(strcmp(row.supervisor_id, "other") == 0);
    int n = 0;
    CHECK(store_runs_unfinished(s, count_row, &n, &e) == 0 && n == 1);
    struct seal_artifact a = {.path = "report.json", .size = 3};
    struct seal_event ev = {1, "run.started", 9};
    struct seal_summary sum = {
        .artifacts = &a, .n_artifacts = 1, .events = &ev, .n_events = 1, .events_total = 1, .total_bytes = 3};
    memset(sum.report_sha256, 'c', 64);
    memset(a.sha256, 'c', 64);
    f.r.verdict = VERDICT_FAIL;
    f.r.finished_ms = 5000;
    record_block(&f.r, BLOCKER_no_diff, "nothing changed");
    f.r.generation = 1;
    CHECK(store_run_sealed(s, &f.r, &sum, &e) == -1 && e.code == ERR_CONFLICT);
    f.r.generation = 2;
    CHECK(store_begin(s, false, &e) == 0);
    CHECK(store_run_sealed(s, &f.r, &sum, &e) == -1); /* would not be durable */
    store_rollback(s);
    CHECK(store_run_sealed(s, &f.r, &sum, &e) == 0);
    CHECK(store_run_sealed(s, &f.r, &sum, &e) == -1 && e.code == ERR_CONFLICT);
    CHECK(store_run_get(s, "run-0000", &row, &e) == 0 && row.verdict == VERDICT_FAIL &&
          strcmp(row.reasons, "no_diff") == 0);
    n = 0;
    CHECK(store_runs_unfinished(s, count_row, &n, &e) == 0 && n == 0);
    CHECK(store_check(s, count_bad, &n, &e) == 0 && n == 0);
    store_close(s);
}

struct pages {
    char last[RUN_ID_MAX];
    int n, order_bad;
    int64_t at, id;
};
static int page_row(void *ctx, const struct store_run_row *row) {
    struct pages *p = ctx;
    if (p->n++ && (row->started_ms > p->at || (row->started_ms == p->at && row->id >= p->id))) p->order_bad++;
    p->at = row->started_ms;
    p->id = row->id;
    snprintf(p->last, sizeof p->last, "%s", row->run_id);
    return 0;
}

static void test_pages(void) {
    struct store *s = open_rw();
    struct err e = ERR_INIT;
    CHECK(store_begin(s, false, &e) == 0);
    for (int i = 1; i <= 100; i++) insert(s, i);
    CHECK(store_commit(s, &e) == 0);
    struct pages p = {.n = 0};
    for (int before = -1; before != p.n;) {
        before = p.n;
        struct store_filter q = {.limit = 7, .before = p.n ? p.last : NULL};
        CHECK(store_runs_list(s, &q, page_row, &p, &e) == 0);
    }
    CHECK(p.n == 101 && p.order_bad == 0);
    int n = 0;
    CHECK(store_runs_list(s, &(struct store_filter){.limit = 500, .status = "running"}, count_row, &n, &e) == 0 &&
          n == 100);
    n = 0;
    CHECK(store_runs_list(
              s, &(struct store_filter){.limit = 500, .status = "fail", .case_id = "unit-case", .backend = "fake"},
              count_row, &n, &e) == 0 &&
          n == 1);
    n = 0;
    CHECK(store_runs_list(s, &(struct store_filter){.limit = 500, .matrix_id = "x' OR 1=1 --"}, count_row, &n, &e) ==
              0 &&
          n == 0);
    CHECK(store_runs_list(s, &(struct store_filter){.limit = 5, .status = "odd"}, count_row, &n, &e) == -1 &&
          e.code == ERR_USAGE);
    CHECK(store_runs_list(s, &(struct store_filter){.limit = 5, .before = "odd"}, count_row, &n, &e) == -1 &&
          e.code == ERR_USAGE);
    struct store_matrix m = {.id = "m1", .kind = "run-all-fake", .started_ms = 5, .planned = 3}, got;
    CHECK(store_matrix_insert(s, &m, &e) == 0 && store_matrix_insert(s, &m, &e) == -1 && e.code == ERR_CONFLICT);
    m.finished_ms = 9;
    m.passed = 3;
    CHECK(store_matrix_finish(s, &m, &e) == 0 && store_matrix_get(s, "m1", &got, &e) == 0 && got.passed == 3);
    CHECK(store_knows(s, "m1") && store_knows(s, "run-0001") && !store_knows(s, "m2"));
    struct store_counts c;
    CHECK(store_info(s, &c, &e) == 0 && c.runs == 101 && c.unfinished == 100 && c.failed == 1 &&
          c.user_version == STORE_VERSION);
    store_close(s);
}

static void test_check_finds(void) {
    static const char *const damage[] = {
        "pragma ignore_check_constraints=1; update runs set state='done' where run_id='run-0003'",
        "update runs set state='nonsense' where run_id='run-0004'",
        "pragma foreign_keys=0; update runs set supervisor_id='ghost' where run_id='run-0005'",
        "delete from blockers",
        "delete from transitions where run=(select id from runs where run_id='run-0006')",
    };
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        struct err e = ERR_INIT;
        struct store *s = NULL;
        int bad = 0;
        char backup[4 * PATH_MAX];
        snprintf(backup, sizeof backup, "cp '%s' '%s/keep.db'", f.home.store, f.dir);
        NEED(fixture_sh(backup) == 0);
        sql(damage[i]);
        NEED(store_open(f.home.store, false, &s, &e) == 0);
        if (!CHECK(store_check(s, count_bad, &bad, &e) == 0 && bad > 0)) fprintf(stderr, "unnoticed: %s\n", damage[i]);
        store_close(s);
        snprintf(backup, sizeof backup, "rm -f '%s'-wal '%s'-shm; cp '%s/keep.db' '%s'", f.home.store, f.home.store,
                 f.dir, f.home.store);
        NEED(fixture_sh(backup) == 0);
    }
}

/* Creation and writing by several processes at once: everybody gets in, nothing is lost. */
static void test_crowd(void) {
    char fresh[200];
    snprintf(fresh, sizeof fresh, "%s/crowd.db", f.dir);
    snprintf(f.home.store, sizeof f.home.store, "%s", fresh);
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid != 0) continue;
        struct store *s = NULL;
        struct err e = ERR_INIT;
        char id[20];
        int ok = store_open(fresh, true, &s, &e) == 0;
        snprintf(id, sizeof id, "s%d", i);
        ok = ok && store_supervisor_add(s, id, i, &e) == 0;
        for (int k = 0; ok && k < 20; k++) {
            snprintf(f.r.run_id, sizeof f.r.run_id, "run-%d-%d", i, k);
            f.r.generation = 1;
            ok = store_run_insert(s, &f.r, id, &e) == 0 &&
                 store_run_transition(s, f.r.run_id, 1, RUN_GATED, 1, 1, &e) == 0;
        }
        if (!ok) fprintf(stderr, "%s\n", e.text);
        store_close(s);
        _exit(ok ? 0 : 1);
    }
    for (int i = 0; i < 8; i++) {
        int status = 1;
        wait(&status);
        CHECK(status == 0);
    }
    struct store *s = open_rw();
    struct store_counts c;
    struct err e = ERR_INIT;
    CHECK(store_info(s, &c, &e) == 0 && c.runs == 160);
    store_close(s);
}

/* This program again, in a process of its own, which opens the store, closes it and ends. */
static bool another_process(void) {
    char self[4096] = "", cmd[sizeof self + sizeof f.home.store + 32];
    NEED(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(cmd, sizeof cmd, "'%s' '%s'", self, f.home.store);
    return fixture_sh(cmd) == 0;
}

static ino_t wal(void) {
    char path[sizeof f.home.store + 8];
    struct stat sb;
    snprintf(path, sizeof path, "%s-wal", f.home.store);
    return stat(path, &sb) == 0 ? sb.st_ino : 0;
}

static char said[96];

static void say(struct store *s, int n, const char *state) {
    struct err e = ERR_INIT;
    struct store_request r = {.created_ms = 1, .document = "{}"};
    snprintf(r.id, sizeof r.id, "request-%d", n);
    snprintf(r.task_id, sizeof r.task_id, "a-case");
    snprintf(r.backend, sizeof r.backend, "fake");
    snprintf(r.actor, sizeof r.actor, "alice");
    snprintf(r.scope, sizeof r.scope, "a scope");
    NEED(store_request_add(s, &r, &e) == 0);
    NEED(store_approval_add(s, &r, state, "bob", "", clock_real_ms() + 60000, said, &e) == 0);
}

/* What was granted is taken while it counts: a run's gates were asked a moment ago, and since then somebody may have said no. */
static void test_claim(void) {
    struct store *s = open_rw();
    struct err e = ERR_INIT;
    char first[96], second[96];
    const int64_t now = clock_real_ms() + 5000; /* after all that is said here */
    say(s, 1, "granted");
    memcpy(first, said, sizeof first);
    say(s, 2, "denied");
    CHECK(store_approval_claim(s, first, "run-1", now, &e) == -1 && e.code == ERR_CONFLICT);
    say(s, 3, "granted");
    memcpy(second, said, sizeof second);
    CHECK(store_approval_claim(s, second, "run-2", now + 120000, NULL) == -1);
    CHECK(store_approval_claim(s, second, "run-2", 1, NULL) == -1);
    CHECK(store_approval_claim(s, second, "run-2", now, &e) == 0);
    e = ERR_INIT;
    CHECK(store_approval_claim(s, second, "run-3", now, &e) == -1 && e.code == ERR_CONFLICT);
    say(s, 4, "granted");
    memcpy(first, said, sizeof first);
    say(s, 5, "granted");
    NEED(store_approval_revoke(s, said, "bob", &e) == 0);
    CHECK(store_approval_claim(s, first, "run-4", now, NULL) == -1);
    say(s, 6, "granted");
    NEED(store_supervisor_add(s, "sup", 42, &e) == 0);
    insert_at(s, 9000, now + 120000); /* it has expired since, and then the clock went back */
    int64_t seen = 0;
    CHECK(store_seen_ms(s, now, &seen, &e) == 0 && seen == now + 120000);
    CHECK(store_approval_claim(s, said, "run-5", now, NULL) == -1);
    store_close(s);
}

/* A landing has a connection of its own beside the loop's. Whatever that one does to the file must leave the other's locks alone:
 * without them the next process to close the store takes itself for the last one and removes the WAL that is still written to; the
 * one after it makes another, and the two of them write over each other. */
static void test_locks(void) {
    char saved[sizeof f.home.store];
    memcpy(saved, f.home.store, sizeof saved);
    snprintf(f.home.store, sizeof f.home.store, "%s/locks.db", f.dir);
    struct store *s = open_rw(), *reader = NULL;
    struct err e = ERR_INIT;
    NEED(store_supervisor_add(s, "sup", 42, &e) == 0);
    insert(s, 1);
    const ino_t before = wal();
    CHECK(before != 0 && another_process() && wal() == before);
    store_close(open_rw());
    CHECK(another_process() && wal() == before);
    NEED(store_open(f.home.store, false, &reader, &e) == 0);
    store_close(reader);
    CHECK(another_process() && wal() == before);
    insert(s, 2);
    struct store *other = open_rw();
    CHECK(store_knows(other, "run-0001") && store_knows(other, "run-0002"));
    store_close(other);
    store_close(s);
    CHECK(wal() == 0); /* and the last one does remove it */
    memcpy(f.home.store, saved, sizeof saved);
}

int main(int argc, char **argv) {
    if (argc == 2) {
        struct store *s = NULL;
        struct err e = ERR_INIT;
        const int rc = store_open(argv[1], true, &s, &e);
        store_close(s);
        return rc == 0 ? 0 : 1;
    }
    fixture_home(&f);
    test_open();
    test_refused();
    test_runs();
    test_pages();
    test_check_finds();
    test_crowd();
    test_claim();
    test_locks();
    fixture_free(&f);
    return check_done();
}
