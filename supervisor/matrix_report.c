/* matrix_report.c - the report of a set of runs. It repeats of each run only what a reader needs to pick one, with the
 * digest of that run's report: the runs are the evidence, this is their index. The directory is sealed like a run's.
 */
#include "supervisor/matrix_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"

#define SLOWEST 5

int matrix_dir_create(const struct home *h, const char *kind, bool with_pid, int64_t started_ms,
                      matrix_reserve_fn reserve, void *ctx, char matrix_id[RUN_ID_MAX], struct err *e) {
    char stamp[CLOCK_COMPACT_SIZE], path[8192], pid[16] = "";
    if (with_pid) snprintf(pid, sizeof pid, "-%d", (int)getpid());
    clock_compact(started_ms, stamp);
    for (int n = 1; n < 100000; n++) {
        struct err why = ERR_INIT;
        char suffix[16] = "";
        if (n > 1) snprintf(suffix, sizeof suffix, "-%d", n);
        int len = snprintf(matrix_id, RUN_ID_MAX, "%s-%s%s%s", stamp, kind, pid, suffix);
        if (len < 0 || len >= RUN_ID_MAX) return err_set(e, ERR_LIMIT, "matrix id is too long");
        snprintf(path, sizeof path, "%s/%s", h->runs, matrix_id);
        if (access(path, F_OK) == 0) continue;
        if (reserve(ctx, matrix_id, &why) < 0) {
            if (why.code == ERR_CONFLICT) continue;
            if (e) *e = why;
            return -1;
        }
        return mkdir(path, 0700) < 0 ? err_sys(e, "mkdir %s", path) : 0;
    }
    return err_set(e, ERR_LIMIT, "no free matrix id below %s", h->runs);
}

static bool has(const enum blocker *v, int n, enum blocker b) {
    for (int i = 0; i < n; i++)
        if (v[i] == b) return true;
    return false;
}

/* As expected: the same status, and the same set of reasons where the case names any or the run passed. */
static bool as_expected(const struct matrix_row *row, const struct cto_case *c) {
    if (row->status != c->expect.status) return false;
    if (c->expect.n_blockers == 0) return true;
    if (c->expect.n_blockers != row->n_blockers) return false;
    for (int i = 0; i < row->n_blockers; i++)
        if (!has(c->expect.blockers, c->expect.n_blockers, row->blockers[i])) return false;
    return true;
}

void matrix_row_fill(struct matrix_row *ret, const struct run_record *r, const char *report_sha256) {
    memset(ret, 0, sizeof *ret);
    snprintf(ret->run_id, sizeof ret->run_id, "%s", r->run_id);
    ret->case_id = r->c->id;
    ret->backend = r->engine;
    ret->status = r->verdict;
    ret->expected = r->c->expect.status;
    for (int i = 0; i < r->n_blockers; i++) ret->blockers[ret->n_blockers++] = r->blockers[i].id;
    ret->as_expected = as_expected(ret, r->c);
    ret->duration_ms = r->finished_ms > r->started_ms ? r->finished_ms - r->started_ms : 0;
    report_phase_ms(r, ret->phase_ms);
    snprintf(ret->report_sha256, sizeof ret->report_sha256, "%s", report_sha256 ? report_sha256 : "");
    if (ret->as_expected) return;
    size_t used = (size_t)snprintf(ret->note, sizeof ret->note, "expected %s", verdict_name(ret->expected));
    for (int i = 0; i < r->c->expect.n_blockers && used < sizeof ret->note; i++)
        used += (size_t)snprintf(ret->note + used, sizeof ret->note - used, "%s%s", i ? "," : ": ",
                                 blocker_rule(r->c->expect.blockers[i])->reason);
}

struct totals {
    int pass, fail, blocked, none, unexpected;
    int tally[BLOCKER_COUNT];
    bool ok;
};

static struct totals count(const struct matrix_summary *m) {
    struct totals t = {.ok = !m->interrupted && m->n_rows > 0};
    for (int i = 0; i < m->n_rows; i++) {
        const struct matrix_row *r = &m->rows[i];
        t.pass += r->status == VERDICT_PASS;
        t.fail += r->status == VERDICT_FAIL;
        t.blocked += r->status == VERDICT_BLOCKED;
        t.none += r->status == VERDICT_NONE;
        t.unexpected += !r->as_expected;
        for (int k = 0; k < r->n_blockers; k++) t.tally[r->blockers[k]]++;
        if (!r->as_expected || r->status == VERDICT_NONE) t.ok = false;
    }
    return t;
}

/* The slowest phases of all runs: index = row * RUN_STATE_COUNT + state; fewer than SLOWEST when there are fewer. */
static int slowest(const struct matrix_summary *m, int ret[SLOWEST]) {
    int n = 0;
    for (int i = 0; i < m->n_rows * RUN_STATE_COUNT; i++) {
        int64_t ms = m->rows[i / RUN_STATE_COUNT].phase_ms[i % RUN_STATE_COUNT];
        if (ms <= 0) continue;
        int at = n;
        while (at > 0 && m->rows[ret[at - 1] / RUN_STATE_COUNT].phase_ms[ret[at - 1] % RUN_STATE_COUNT] < ms) at--;
        if (at == SLOWEST) continue;
        if (n < SLOWEST) n++;
        for (int k = n - 1; k > at; k--) ret[k] = ret[k - 1];
        ret[at] = i;
    }
    return n;
}

static cJSON *row_json(const struct matrix_row *r) {
    cJSON *o = json_new_object(), *reasons = cJSON_CreateArray();
    char path[RUN_ID_MAX + 32];
    for (int i = 0; i < r->n_blockers; i++)
        cJSON_AddItemToArray(reasons, cJSON_CreateString(blocker_rule(r->blockers[i])->reason));
    snprintf(path, sizeof path, "../%s/report.json", r->run_id);
    json_put_str(o, "case_id", r->case_id);
    json_put_str(o, "backend", r->backend);
    json_put_str(o, "status", r->status == VERDICT_NONE ? NULL : verdict_name(r->status));
    json_put_str(o, "expected", r->expected == VERDICT_NONE ? NULL : verdict_name(r->expected));
    json_put_bool(o, "as_expected", r->as_expected);
    json_put(o, "blockers", reasons);
    json_put_int(o, "duration_ms", r->duration_ms);
    json_put_str(o, "run_id", r->run_id[0] ? r->run_id : NULL);
    json_put_str(o, "report_path", r->run_id[0] ? path : NULL);
    json_put_str(o, "report_sha256", r->report_sha256[0] ? r->report_sha256 : NULL);
    json_put(o, "note", r->note[0] ? json_bytes(r->note, strlen(r->note)) : cJSON_CreateNull());
    return o;
}

static void put_lists(cJSON *o, const struct matrix_summary *m, const struct totals *t) {
    cJSON *rows = cJSON_CreateArray(), *slow = cJSON_CreateArray(), *tally = json_new_object(),
          *sums = json_new_object();
    int at[SLOWEST], n = slowest(m, at);
    BUG_UNLESS(rows && slow);
    for (int i = 0; i < m->n_rows; i++) cJSON_AddItemToArray(rows, row_json(&m->rows[i]));
    for (int i = 0; i < n; i++) {
        const struct matrix_row *r = &m->rows[at[i] / RUN_STATE_COUNT];
        cJSON *x = json_new_object();
        json_put_str(x, "case_id", r->case_id);
        json_put_str(x, "run_id", r->run_id);
        json_put_str(x, "phase", run_state_name((enum run_state)(at[i] % RUN_STATE_COUNT)));
        json_put_int(x, "ms", r->phase_ms[at[i] % RUN_STATE_COUNT]);
        cJSON_AddItemToArray(slow, x);
    }
    for (int i = 0; i < BLOCKER_COUNT; i++)
        if (t->tally[i]) json_put_int(tally, blocker_rule((enum blocker)i)->reason, t->tally[i]);
    json_put_int(sums, "runs", m->n_rows);
    json_put_int(sums, "pass", t->pass);
    json_put_int(sums, "fail", t->fail);
    json_put_int(sums, "blocked", t->blocked);
    json_put_int(sums, "not_run", t->none);
    json_put_int(sums, "unexpected", t->unexpected);
    json_put(o, "totals", sums);
    json_put(o, "rows", rows);
    json_put(o, "slowest_phases", slow);
    json_put(o, "blocker_tally", tally);
}

static char *json_text(const struct matrix_summary *m, const struct totals *t) {
    char started[CLOCK_STAMP_SIZE], finished[CLOCK_STAMP_SIZE];
    clock_stamp(m->started_ms, started);
    clock_stamp(m->finished_ms, finished);
    cJSON *o = json_new_object(), *env = json_new_object();
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "matrix_id", m->matrix_id);
    json_put_str(o, "kind", m->kind);
    json_put_str(o, "backend", m->backend);
    json_put_bool(o, "ok", t->ok);
    json_put_bool(o, "interrupted", m->interrupted);
    json_put_str(o, "started_at", started);
    json_put_str(o, "finished_at", finished);
    json_put_int(o, "duration_ms", m->finished_ms - m->started_ms);
    json_put_int(o, "jobs", m->jobs);
    put_lists(o, m, t);
    standing_put(o);
    json_put_str(env, "host", m->host);
    json_put_str(env, "kernel", m->kernel);
    json_put_str(env, "harness_version", m->harness_version);
    json_put_str(env, "build_id", m->build_id);
    json_put(o, "environment", env);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}

static void md_rows(struct buf *b, const struct matrix_summary *m) {
    buf_puts(b, "\n| case | status | expected | as expected | blockers | ms | run |\n|---|---|---|---|---|---:|---|\n");
    for (int i = 0; i < m->n_rows; i++) {
        const struct matrix_row *r = &m->rows[i];
        buf_puts(b, "| ");
        report_put_text(b, r->case_id, true);
        const bool ran = r->status != VERDICT_NONE;
        const char *other = ran ? "**no**" : "-"; /* the words of the table on the terminal */
        buf_printf(b, " | %s | %s | %s | ", ran ? verdict_name(r->status) : "not run", verdict_name(r->expected),
                   r->as_expected ? "yes" : other);
        for (int k = 0; k < r->n_blockers; k++)
            buf_printf(b, "%s%s", k ? ", " : "", blocker_rule(r->blockers[k])->reason);
        buf_printf(b, " | %lld | ", (long long)r->duration_ms);
        if (r->run_id[0]) buf_printf(b, "[%s](../%s/report.md)", r->run_id, r->run_id);
        buf_puts(b, " |\n");
    }
}

static void md_notes(struct buf *b, const struct matrix_summary *m, const struct totals *t) {
    int at[SLOWEST], n = slowest(m, at);
    for (int i = 0; i < m->n_rows; i++) {
        if (!m->rows[i].note[0]) continue;
        buf_puts(b, "\n- ");
        report_put_text(b, m->rows[i].case_id, true);
        buf_puts(b, ": ");
        report_put_text(b, m->rows[i].note, true);
    }
    buf_puts(b, "\n\n## Slowest phases\n\n");
    for (int i = 0; i < n; i++) {
        const struct matrix_row *r = &m->rows[at[i] / RUN_STATE_COUNT];
        int state = at[i] % RUN_STATE_COUNT;
        buf_printf(b, "- %s %s: %lld ms\n", r->case_id, run_state_name((enum run_state)state),
                   (long long)r->phase_ms[state]);
    }
    buf_puts(b, "\n## Blockers\n\n");
    bool any = false;
    for (int i = 0; i < BLOCKER_COUNT; i++) any |= t->tally[i] > 0;
    if (!any) buf_puts(b, "None.\n");
    for (int i = 0; i < BLOCKER_COUNT; i++)
        if (t->tally[i]) buf_printf(b, "- %s: %d\n", blocker_rule((enum blocker)i)->reason, t->tally[i]);
}

static char *md_text(const struct matrix_summary *m, const struct totals *t) {
    AUTO_BUF struct buf b = BUF_INIT(64u << 20);
    char started[CLOCK_STAMP_SIZE], finished[CLOCK_STAMP_SIZE];
    clock_stamp(m->started_ms, started);
    clock_stamp(m->finished_ms, finished);
    buf_printf(&b, "# %s: %s on %s\n\n",
               t->ok            ? "AS EXPECTED"
               : m->interrupted ? "INTERRUPTED"
                                : "NOT AS EXPECTED",
               m->kind, m->backend);
    buf_printf(
        &b,
        "%d runs: %d pass, %d fail, %d blocked, %d not run; %d not as expected. %lld ms with %d at a time, %s to %s.\n",
        m->n_rows, t->pass, t->fail, t->blocked, t->none, t->unexpected, (long long)(m->finished_ms - m->started_ms),
        m->jobs, started, finished);
    md_rows(&b, m);
    md_notes(&b, m, t);
    buf_puts(&b, "\n" STANDING_SENTENCE);
    char *text = buf_detach(&b);
    BUG_UNLESS(text != NULL);
    return text;
}

static int write_one(int dir, const char *name, const char *text, struct buf *sums, char sha256[DIGEST_HEX_SIZE],
                     struct err *e) {
    digest_bytes(text, strlen(text), sha256);
    if (sums) buf_printf(sums, "%s  %s\n", sha256, name);
    return io_replace_file_at(dir, name, text, strlen(text), 0600, 1, e);
}

int matrix_report_write(const struct home *h, const struct matrix_summary *m, char path[4096],
                        char sha256[DIGEST_HEX_SIZE], bool *ret_ok, struct err *e) {
    struct totals t = count(m);
    char md_sha[DIGEST_HEX_SIZE], sums_sha[DIGEST_HEX_SIZE], dir_path[8192];
    AUTO_FREE char *md = md_text(m, &t), *json = json_text(m, &t);
    AUTO_BUF struct buf sums = BUF_INIT(4096);
    snprintf(dir_path, sizeof dir_path, "%s/%s", h->runs, m->matrix_id);
    if (snprintf(path, 4096, "%s/report.json", dir_path) >= 4096)
        return err_set(e, ERR_LIMIT, "%s: path too long", dir_path);
    AUTO_FD int dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open %s", dir_path);
    if (write_one(dir, "report.json", json, &sums, sha256, e) < 0 ||
        write_one(dir, "report.md", md, &sums, md_sha, e) < 0 ||
        write_one(dir, "SHA256SUMS", buf_str(&sums), NULL, sums_sha, e) < 0)
        return err_ctx(e, "%s", dir_path);
    *ret_ok = t.ok;
    return 0;
}
