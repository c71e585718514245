/* batch.c - see batch.h. */
#include "supervisor/batch.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/gate_facts.h"
#include "supervisor/model_double.h"
#include "supervisor/progress.h"
#include "supervisor/seal.h"

int batch_default_jobs(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? n : 1;
}

int batch_parse_jobs(const char *command, const char *text) {
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno == 0 && *end == '\0' && end != text && n >= 1 && n <= 4096) return (int)n;
    cli_usage(command, "-j %.40s: a number from 1 to 4096 is expected", text);
    return 0;
}

static void set_report_path(struct batch *b, int i, const char *run_dir) {
    char *path = NULL;
    BUG_UNLESS(asprintf(&path, "%s%s", run_dir, run_dir[0] ? "/" EVIDENCE_REPORT : "") >= 0);
    free(b->report_paths[i]);
    b->report_paths[i] = path;
}

/* The first complaint of lint, as an error: what lint refuses is not run. */
static void first_complaint(void *e, const char *text) {
    if (((struct err *)e)->code == ERR_NONE) err_set(e, ERR_USAGE, "%s", text);
}

static int load_case(struct cto_case *c, const char *cases, const char *id, struct err *e) {
    struct err complaint = ERR_INIT;
    if (case_load(c, cases, id, e) < 0) return -1;
    if (case_lint(c, first_complaint, &complaint) == 0) return 0;
    case_release(c);
    *e = complaint;
    return -1;
}

int batch_load(struct batch *b, const struct global_options *g, char *const *ids, int n, struct err *e) {
    *b = (struct batch){0};
    if (home_resolve(&b->home, &g->home, e) < 0) return -1;
    b->cases = calloc((size_t)n, sizeof *b->cases);
    b->rows = calloc((size_t)n, sizeof *b->rows);
    b->report_paths = calloc((size_t)n, sizeof *b->report_paths);
    b->why = calloc((size_t)n, sizeof *b->why);
    b->waiting = calloc((size_t)n, sizeof *b->waiting);
    BUG_UNLESS(b->cases && b->rows && b->report_paths && b->why && b->waiting);
    for (; b->n < n; b->n++) {
        if (load_case(&b->cases[b->n], b->home.cases, ids[b->n], e) < 0) return -1;
        case_forget_document(&b->cases[b->n]);
        set_report_path(b, b->n, "");
    }
    return 0;
}

void batch_release(struct batch *b) {
    for (int i = 0; i < b->n; i++) {
        case_release(&b->cases[i]);
        free(b->report_paths[i]);
        free(b->why[i]);
    }
    free(b->why);
    free(b->waiting);
    free(b->cases);
    free(b->rows);
    free(b->report_paths);
    executor_close(b->x);
    *b = (struct batch){0};
}

struct batch_view {
    struct batch *b;
    struct progress *p, *outer;
};

static void on_state(void *ctx, int i, const struct run_record *rec, enum run_state s) {
    struct batch_view *v = ctx;
    progress_state(v->p, i, rec, s);
}

/* Details may quote an agent's paths: cleaned here, once. */
static void note_why(struct batch *b, int i, const struct run_record *rec) {
    AUTO_BUF struct buf text = BUF_INIT(64u << 10);
    for (int k = 0; k < rec->n_blockers; k++) {
        buf_printf(&text, "  %s: ", blocker_rule(rec->blockers[k].id)->reason);
        report_put_text(&text, rec->blockers[k].detail, false);
        buf_puts(&text, "\n");
    }
    free(b->why[i]);
    b->why[i] = buf_detach(&text);
}

static void on_done(void *ctx, int i, const struct run_record *rec, const struct seal_summary *sum,
                    const struct err *e) {
    struct batch_view *v = ctx;
    struct matrix_row *row = &v->b->rows[i];
    if (rec) {
        matrix_row_fill(row, rec, sum && !e ? sum->report_sha256 : "");
        set_report_path(v->b, i, rec->run_dir);
        note_why(v->b, i, rec);
    }
    if (rec && !sum && !e) {
        v->b->waiting[i] = true;
        snprintf(row->note, sizeof row->note, "waits for the operator's outcome");
    }
    if (e) { /* sealed badly or not at all: no verdict is claimed */
        row->status = VERDICT_NONE;
        row->as_expected = false;
        snprintf(row->note, sizeof row->note, "%.190s", e->text);
        if (v->b->failure.code == ERR_NONE) v->b->failure = *e;
    }
    progress_done(v->p, i, v->b->cases[i].id, rec, row->as_expected, row->note);
}

static void on_tick(void *ctx) {
    const struct batch_view *v = ctx;
    progress_tick(v->p);
    progress_tick(v->outer);
}

struct matrix_start {
    struct batch *b;
    const struct batch_options *o;
    int64_t started_ms;
};

static int reserve_matrix(void *ctx, const char *matrix_id, struct err *e) {
    const struct matrix_start *at = ctx;
    struct store_matrix m = {.started_ms = at->started_ms, .planned = at->b->n};
    snprintf(m.id, sizeof m.id, "%s", matrix_id);
    snprintf(m.kind, sizeof m.kind, "%s", at->o->matrix_kind);
    snprintf(m.backend, sizeof m.backend, "%s", at->o->engine);
    snprintf(m.supervisor_id, sizeof m.supervisor_id, "%s", executor_id(at->b->x));
    return store_matrix_insert(executor_store(at->b->x), &m, e);
}

static int begin_matrix(struct batch *b, const struct batch_options *o, int64_t started_ms, struct err *e) {
    struct matrix_start at = {b, o, started_ms};
    return matrix_dir_create(&b->home, o->matrix_kind, true, started_ms, reserve_matrix, &at, b->matrix_id, e);
}

static bool on_double(const struct batch *b, const struct batch_options *o, int i) {
    return o->double_stage > 0 || (o->with_double && b->cases[i].double_script);
}

static int double_stage(const struct batch *b, const struct batch_options *o, int i) {
    if (!on_double(b, o, i)) return 0;
    return o->double_stage > 0 ? o->double_stage : STAGE_FIRST;
}

static void prefill_rows(struct batch *b, const struct batch_options *o) {
    for (int i = 0; i < b->n; i++) {
        b->rows[i] = (struct matrix_row){.case_id = b->cases[i].id,
                                         .backend = on_double(b, o, i) ? "case" : o->engine,
                                         .expected = b->cases[i].expect.status};
        snprintf(b->rows[i].note, sizeof b->rows[i].note, "not started");
    }
}

static void warn(const char *text) { log_line("%s", text); }

/* Servers that the cases of this batch ask for, and only those. */
static int start_models(const struct batch *b, const struct batch_options *o, struct model_double **own,
                        struct err *e) {
    for (int i = 0; i < b->n; i++)
        if (on_double(b, o, i) && !o->model && b->cases[i].double_model &&
            model_double_start(b->home.libexec, b->cases[i].double_model, &own[i], e) < 0)
            return -1;
    return 0;
}

static void run_jobs(struct batch *b, const struct batch_options *o, struct model_double *const *own) {
    static const struct executor_events events = {on_state, on_done, on_tick};
    struct err failure = ERR_INIT;
    struct job *jobs = calloc((size_t)b->n, sizeof *jobs);
    BUG_UNLESS(jobs != NULL);
    for (int i = 0; i < b->n; i++)
        jobs[i] = (struct job){.c = &b->cases[i],
                               .engine = on_double(b, o, i) ? "case" : o->engine,
                               .proof_double = double_stage(b, o, i),
                               .double_absent = o->double_absent,
                               .model = own[i]               ? own[i]
                                        : on_double(b, o, i) ? o->model
                                                             : NULL,
                               .matrix_id = o->matrix_kind ? b->matrix_id : NULL,
                               .attempt = 1,
                               .keep = o->keep,
                               .record = o->record,
                               .replay = o->replay};
    struct batch_view v = {.b = b,
                           .p = o->alone ? progress_new_alone(o->quiet, o->no_color)
                                         : progress_new(b->n, o->quiet, o->no_color),
                           .outer = o->outer};
    if (executor_run(b->x, jobs, b->n, o->jobs, &events, &v, &failure) < 0 && b->failure.code == ERR_NONE)
        b->failure = failure;
    progress_free(v.p);
    free(jobs);
}

int batch_run(struct batch *b, const struct batch_options *o, struct err *e) {
    int64_t started = clock_real_ms();
    prefill_rows(b, o);
    if (executor_open(&b->home, warn, &b->x, e) < 0) return -1;
    if (o->matrix_kind && begin_matrix(b, o, started, e) < 0) return -1;
    struct model_double **own = calloc((size_t)b->n, sizeof *own);
    BUG_UNLESS(own != NULL);
    const int rc = start_models(b, o, own, e);
    if (rc == 0) run_jobs(b, o, own);
    for (int i = 0; i < b->n; i++) (void)model_double_end(own[i], NULL, NULL);
    free(own);
    if (rc == 0) b->interrupted = executor_interrupted(b->x);
    return rc;
}
