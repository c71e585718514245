/* refresh.c - `cto-harness refresh stage6-real`: imports two stage-5 passes of different cases and judges them again. It reads what is
 * there; all that it writes is a directory of its own and the row beside it. And the validator of what it left. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/log.h"
#include "supervisor/commands/refresh_run.h"
#include "supervisor/engines.h"
#include "supervisor/progress.h"
#include "supervisor/standing.h"

const char help_refresh[] = "Usage: cto-harness refresh stage6-real --first RUN [--repeat RUN] [--json]\n"
                            "\n"
                            "Imports one or two accepted stage-5 passes, of different cases on one backend,\n"
                            "and judges them again: their evidence, their proofs, whose word they had, that\n"
                            "the target still has what was landed, and its verification once more on the\n"
                            "landed commit in a fresh jail. Neither run nor target is changed; it leaves a\n"
                            "comparison among the runs. Two that hold make the result repeatable; it\n"
                            "activates nothing.\n"
                            "\n"
                            "  --first RUN    a pass\n"
                            "  --repeat RUN   another one, of another case; without it there is no repetition\n"
                            "\n"
                            "Exit status: 0 repeatable, 1 something does not hold, 2 usage, 3 something is\n"
                            "missing.\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness refresh stage6-real --first RUN --repeat RUN\n"
                            "  cto-harness refresh stage6-real --first RUN --json | jq .repeatability_status\n";

static void warn(const char *text) { log_line("%s", text); }

static int find_row(struct refresh *x, const char *run, struct store_run_row *ret, struct err *e) {
    const char *slash = strrchr(run, '/');
    if (store_run_get(x->store, slash ? slash + 1 : run, ret, NULL) == 0) return 0;
    return err_set(e, ERR_USAGE, "%.160s is no run that this home's store knows", run);
}

/* Before anything is judged: runs of one backend, and of different cases. */
static int check_runs(struct refresh *x, const char *const *runs, struct err *e) {
    struct store_run_row *a = calloc(2, sizeof *a), *b = a + 1;
    BUG_UNLESS(a != NULL);
    int rc = find_row(x, runs[0], a, e);
    if (rc == 0) snprintf(x->made.backend, sizeof x->made.backend, "%s", a->backend);
    if (rc == 0 && runs[1]) rc = find_row(x, runs[1], b, e);
    if (rc == 0 && runs[1] && strcmp(a->case_id, b->case_id) == 0)
        rc = err_set(e, ERR_USAGE, "--repeat: both runs are of case %s; a repetition is of another case", a->case_id);
    if (rc == 0 && runs[1] && strcmp(a->backend, b->backend) != 0)
        rc = err_set(e, ERR_USAGE, "--repeat: one run is of %s, the other of %s", a->backend, b->backend);
    free(a);
    return rc;
}

int refresh_all(struct refresh *x, const char *const *runs, struct err *e) {
    if (check_runs(x, runs, e) < 0) return -1;
    if (ladder_read(&x->ladder, &x->home, x->store, x->made.backend, e) < 0) return -1;
    refresh_carry(x, x->made.backend);
    struct progress *p = progress_new(runs[1] ? 2 : 1, x->g->quiet || x->g->json, x->g->no_color);
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2 && runs[i]; i++) {
        progress_step(p, "refresh: evidence and verification of %s", runs[i]);
        rc = refresh_import(x, runs[i], &x->passes[i], e);
        if (rc == 0) x->n++;
    }
    progress_free(p);
    if (rc < 0) return -1;
    struct refresh_pass judged[2] = {x->passes[0].judged, x->passes[1].judged};
    refresh_conclude(&x->result, judged, x->n, &x->ladder);
    return 0;
}

static int keep(struct refresh *x, struct executor *ex, struct err *e) {
    x->made.kind = COMPARISON_REFRESH;
    for (int i = 0; i < x->n; i++) {
        const enum lane_status s = refresh_pass_status(&x->passes[i].judged);
        x->made.passed += s == LANE_PASS;
        x->made.failed += s == LANE_FAIL;
        x->made.blocked += s == LANE_BLOCKED;
    }
    if (comparison_begin(&x->made, &x->home, ex, e) < 0) return -1;
    cJSON *doc = refresh_document(x);
    AUTO_FREE char *md = refresh_text(x);
    const int rc = comparison_finish(&x->made, &x->home, x->store, doc, md, e);
    cJSON_Delete(doc);
    return rc;
}

static int print(const struct refresh *x) {
    const int code = x->result.passed ? EXIT_PASS : strcmp(x->result.status, "fail") == 0 ? EXIT_FAIL : EXIT_BLOCKED;
    if (x->g->json) {
        cJSON *o = refresh_document(x);
        json_put_str(o, "stage6_real_governed_refresh_comparison_path", x->made.path);
        return cli_print_json(o, code);
    }
    for (int i = 0; i < x->n; i++)
        printf("%s  %s\n", lane_status_name(refresh_pass_status(&x->passes[i].judged)), x->passes[i].row.run_id);
    printf("%s: repeatability of %s, %d of %d%s%s\n  comparison: %s\n", x->result.status, x->made.backend,
           x->result.count, LADDER_REPEATS, x->result.why[0] ? ": " : "", x->result.why, x->made.path);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

void refresh_free(struct refresh *x) {
    for (int i = 0; i < 2; i++) {
        cJSON_Delete(x->passes[i].report);
        cJSON_Delete(x->passes[i].proof);
        cJSON_Delete(x->passes[i].contract);
    }
    cJSON_Delete(x->stage6);
    free(x);
}

static int run(const struct global_options *g, const char *const *runs) {
    struct executor *ex = NULL;
    struct err e = ERR_INIT;
    struct refresh *x = calloc(1, sizeof *x);
    BUG_UNLESS(x != NULL);
    x->g = g;
    int rc = home_resolve(&x->home, &g->home, &e);
    if (rc == 0) rc = executor_open(&x->home, warn, &ex, &e);
    if (rc == 0) {
        x->store = executor_store(ex);
        rc = refresh_all(x, runs, &e);
    }
    if (rc == 0) rc = keep(x, ex, &e);
    const int code = rc == 0 ? print(x) : cli_error(&e);
    executor_close(ex);
    refresh_free(x);
    return code;
}

int cmd_refresh(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {
        {"first", required_argument, NULL, 'f'}, {"repeat", required_argument, NULL, 'r'}, {0}};
    const char *runs[3] = {NULL, NULL, NULL};
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        rc = c == 'f'   ? cli_once("refresh", "--first", &runs[0], optarg)
             : c == 'r' ? cli_once("refresh", "--repeat", &runs[1], optarg)
                        : cli_bad_option("refresh", c, argv);
    if (rc != 0) return rc;
    if (argc - optind != 1 || strcmp(argv[optind], "stage6-real") != 0)
        return cli_usage("refresh", "stage6-real is expected");
    if (!runs[0]) return cli_usage("refresh", "--first RUN is needed; 'cto-harness report list --status pass'");
    return run(g, runs);
}
