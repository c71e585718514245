/* run_all_fake.c - the main job: every case on the deterministic lane, no model, no network; ends with a table. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/batch.h"
#include "supervisor/table.h"

#define ONLY_MAX 256

const char help_run_all_fake[] = "Usage: cto-harness run-all-fake [-j N] [--failures] [--only CASE]...\n"
                                 "\n"
                                 "Runs every case that is declared for the fake backend on it, and writes a\n"
                                 "matrix report. Passes (exit 0) when every case ended as it should.\n"
                                 "\n"
                                 "  -j, --jobs N   runs at the same time (default: the number of processors)\n"
                                 "  --failures     also the failure fixtures\n"
                                 "  --only CASE    only this case; may be repeated\n"
                                 "\n"
                                 "Examples:\n"
                                 "  cto-harness run-all-fake\n"
                                 "  cto-harness run-all-fake -j 8 --json | jq .totals\n";

static const struct table_column columns[] = {{.title = "case", .least = 26},
                                              {.title = "status"},
                                              {.title = "expected"},
                                              {.title = "time", .drop = 1, .right = true},
                                              {.title = "blockers", .least = 12, .drop = 2}};

static void print_table(const struct batch *b) {
    struct table *t = table_new(columns, (int)(sizeof columns / sizeof columns[0]));
    for (int i = 0; i < b->n; i++) {
        const struct matrix_row *r = &b->rows[i];
        bool ran = r->status != VERDICT_NONE;
        AUTO_BUF struct buf why = BUF_INIT(4096);
        table_cell(t, r->case_id, NULL);
        table_cell(t, ran ? verdict_name(r->status) : "not run", NULL);
        table_cell(t, r->as_expected ? "yes" : ran ? "NO" : "-", NULL);
        table_cellf(t, "%.2f s", (double)r->duration_ms / 1000);
        for (int k = 0; k < r->n_blockers; k++)
            buf_printf(&why, "%s%s", k ? "," : "", blocker_rule(r->blockers[k])->reason);
        if (ran && !r->as_expected) buf_puts(&why, "   <-- not as expected");
        table_cell(t, buf_str(&why), NULL);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), true);
    table_free(t);
}

static void count(const struct batch *b, struct store_matrix *m) {
    for (int i = 0; i < b->n; i++) {
        const struct matrix_row *r = &b->rows[i];
        m->passed += r->status == VERDICT_PASS;
        m->failed += r->status == VERDICT_FAIL;
        m->blocked += r->status == VERDICT_BLOCKED;
        m->unexpected += !r->as_expected;
    }
}

/* Writes the matrix report and its row; then says what came of it. */
static int conclude(struct batch *b, const struct global_options *g, int jobs, int64_t started, struct err *e) {
    struct store_matrix m = {
        .started_ms = started, .finished_ms = clock_real_ms(), .planned = b->n, .interrupted = b->interrupted};
    const struct seal_input *env = executor_environment(b->x);
    struct matrix_summary s = {.matrix_id = b->matrix_id,
                               .kind = "run-all-fake",
                               .backend = "fake",
                               .started_ms = started,
                               .finished_ms = m.finished_ms,
                               .interrupted = b->interrupted,
                               .jobs = jobs,
                               .harness_version = env->harness_version,
                               .build_id = env->build_id,
                               .host = env->host,
                               .kernel = env->kernel,
                               .rows = b->rows,
                               .n_rows = b->n};
    bool ok = false;
    count(b, &m);
    snprintf(m.id, sizeof m.id, "%s", b->matrix_id);
    snprintf(m.kind, sizeof m.kind, "run-all-fake");
    snprintf(m.backend, sizeof m.backend, "fake");
    if (matrix_report_write(&b->home, &s, m.report_path, m.report_sha256, &ok, e) < 0) return -1;
    if (store_matrix_finish(executor_store(b->x), &m, e) < 0) return -1;
    if (g->json) {
        cJSON *doc = cJSON_CreateObject();
        json_put_str(doc, "matrix_id", b->matrix_id);
        json_put_bool(doc, "ok", ok);
        json_put_bool(doc, "interrupted", b->interrupted);
        json_put_str(doc, "report_path", m.report_path);
        cJSON *t = cJSON_CreateObject();
        json_put_int(t, "planned", m.planned);
        json_put_int(t, "passed", m.passed);
        json_put_int(t, "failed", m.failed);
        json_put_int(t, "blocked", m.blocked);
        json_put_int(t, "unexpected", m.unexpected);
        json_put(doc, "totals", t);
        cli_print_json(doc, 0);
    } else {
        print_table(b);
        printf("\n%d of %d cases as expected in %.1f s%s\nreport: %s\n", b->n - (int)m.unexpected, b->n,
               (double)(m.finished_ms - started) / 1000, b->interrupted ? " (interrupted)" : "", m.report_path);
        fflush(stdout);
    }
    return ok ? EXIT_PASS : EXIT_FAIL;
}

static int run(const struct global_options *g, char **ids, int n, int jobs) {
    struct batch b;
    struct err e = ERR_INIT;
    int64_t started = clock_real_ms();
    struct batch_options o = {.engine = "fake",
                              .jobs = jobs,
                              .matrix_kind = "run-all-fake",
                              .quiet = g->quiet || g->json,
                              .no_color = g->no_color};
    int code = EXIT_HARNESS;
    if (batch_load(&b, g, ids, n, &e) < 0 || batch_run(&b, &o, &e) < 0 ||
        (code = conclude(&b, g, jobs, started, &e)) < 0)
        code = cli_error(&e);
    else if (b.interrupted)
        code = EXIT_INTERRUPTED;
    else if (b.failure.code != ERR_NONE) {
        cli_error(&b.failure);
        code = EXIT_HARNESS;
    }
    batch_release(&b);
    return code;
}

static bool add_only(char **only, int *n, char *id) {
    for (int i = 0; i < *n; i++)
        if (strcmp(only[i], id) == 0) return cli_usage("run-all-fake", "--only %.60s is given twice", id), false;
    if (*n == ONLY_MAX) return cli_usage("run-all-fake", "--only: at most %d of them", ONLY_MAX), false;
    only[(*n)++] = id;
    return true;
}

/* What is made for our test double of ca is for validators, and a task that its author has not declared for this lane would only be
 * told so. A case that cannot be read stays, to be named. */
static int of_this_lane(const struct global_options *g, const char *cases, char **ids, int n) {
    int kept = 0, left = 0;
    for (int i = 0; i < n; i++) {
        struct cto_case c;
        const bool good = case_load(&c, cases, ids[i], NULL) == 0, of_double = good && c.double_script,
                   undeclared = good && strcmp(c.kind, "task") == 0 && !case_declares(&c, "fake");
        if (good) case_release(&c);
        left += undeclared;
        if (of_double || undeclared)
            free(ids[i]);
        else
            ids[kept++] = ids[i];
    }
    if (left > 0 && !g->quiet) log_line("left out: %d that are not declared for the fake backend", left);
    return kept;
}

int cmd_run_all_fake(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                            {"failures", no_argument, NULL, 'f'},
                                            {"only", required_argument, NULL, 'o'},
                                            {0}};
    int jobs = batch_default_jobs(), n_only = 0;
    bool failures = false;
    const char *jobs_text = NULL;
    char *only[ONLY_MAX];
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":j:", options, NULL)) != -1;) {
        if (c == '?' || c == ':') return cli_bad_option("run-all-fake", c, argv);
        if (c == 'f') failures = true;
        if (c == 'j' && cli_once("run-all-fake", "-j", &jobs_text, optarg) != 0) return EXIT_USAGE;
        if (c == 'j' && (jobs = batch_parse_jobs("run-all-fake", optarg)) == 0) return EXIT_USAGE;
        if (c == 'o' && !add_only(only, &n_only, optarg)) return EXIT_USAGE;
    }
    if (optind != argc) return cli_usage("run-all-fake", "unexpected argument %.60s", argv[optind]);
    if (n_only > 0) return run(g, only, n_only, jobs);
    struct err e = ERR_INIT;
    struct home h;
    char **ids = NULL;
    if (home_resolve(&h, &g->home, &e) < 0) return cli_error(&e);
    int n = case_ids(h.cases, failures, &ids, &e);
    if (n < 0) return cli_error(&e);
    n = of_this_lane(g, h.cases, ids, n);
    if (n == 0)
        return case_ids_free(ids, n),
               cli_usage("run-all-fake", "no cases in %s that are for the fake backend", h.cases);
    int code = run(g, ids, n, jobs);
    case_ids_free(ids, n);
    return code;
}
