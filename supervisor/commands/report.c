/* report.c - `cto-harness report show|list`: what the sealed directories and the store say, for people and for
 * programs. The directory may be a copy from anywhere: what goes to a terminal has its control bytes made visible. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/case.h"
#include "supervisor/cli.h"
#include "supervisor/commands/closeout.h"
#include "supervisor/commands/report_waiting.h"
#include "supervisor/engines.h"
#include "supervisor/locate.h"
#include "supervisor/seal.h"
#include "supervisor/store.h"
#include "supervisor/table.h"
#include "supervisor/verify.h"

const char help_report[] = "Usage: cto-harness report show RUN [--md | --json]\n"
                           "       cto-harness report list [--status S] [--backend B] [--case C]\n"
                           "                               [--matrix M] [--before RUN] [--limit N] [--json]\n"
                           "       cto-harness report governed RUN [--json]\n"
                           "\n"
                           "  show             the report of a run or matrix, by id or by directory; --md\n"
                           "                   (the default) prints report.md, --json report.json; of a run\n"
                           "                   that waits for your word: what was done, what was landed,\n"
                           "                   until when it waits, and the command that says it\n"
                           "  list             runs, newest first\n"
                           "      --status S   only pass, fail, blocked or running (those that wait for\n"
                           "                   a word are among the latter)\n"
                           "      --backend B  only runs of this backend\n"
                           "      --case C     only runs of this case\n"
                           "      --matrix M   only runs of this matrix\n"
                           "      --before RUN the next page: what is older than RUN\n"
                           "      --limit N    at most so many, 1 to 10000; default 50\n"
                           "  governed         the closeout of a run that a human approved: what was asked,\n"
                           "                   who allowed it, what was landed, what the operator said\n"
                           "\n"
                           "A backend, case or matrix that nobody knows is an error (exit 2): neither this\n"
                           "build nor the cases nor any run in the store has it. One that is known and has\n"
                           "no runs gives an empty list (exit 0).\n"
                           "\n"
                           "Examples:\n"
                           "  cto-harness report list --status fail --limit 20\n"
                           "  cto-harness report list --case r1-string-slugify --json | jq '.runs[0].run_id'\n"
                           "  cto-harness report show 20261122T111914Z-r1-string-slugify-4711\n";

#define REPORT_MAX (64u << 20)

/* Line by line through the cleaner: newlines stay, everything else that a terminal would act on does not. */
static int print_clean(const struct buf *text) {
    AUTO_BUF struct buf out = BUF_INIT(4 * (size_t)REPORT_MAX);
    const char *p = buf_str(text), *end = p + text->len;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((nl ? nl : end) - p);
        AUTO_FREE char *line = strndup(p, n);
        BUG_UNLESS(line != NULL);
        report_put_text(&out, line, false);
        if (nl) buf_puts(&out, "\n");
        p += n + (nl ? 1 : 0);
    }
    bool ok = !out.bad && fwrite(buf_str(&out), 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    return ok ? EXIT_PASS : EXIT_HARNESS;
}

static int print_report(const char *dir, bool json, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_set(e, ERR_USAGE, "%s: the directory is missing or cannot be read", dir);
    const char *name = json ? "report.json" : "report.md";
    for (int i = 0; json && i < 2; i++) { /* a comparison's document is its report */
        static const char *const documents[] = {VERIFY_STAGE6_FILE, VERIFY_REFRESH_FILE};
        if (faccessat(fd, documents[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) name = documents[i];
    }
    AUTO_FD int file = io_open_beneath_quiet(fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    if (file < 0) return err_set(e, ERR_USAGE, "%s: no %s; the run is not finished, or this is no run", dir, name);
    if (io_read_file_at(fd, name, REPORT_MAX, &text, e) < 0) return err_ctx(e, "%s", dir);
    if (!json) return print_clean(&text);
    cJSON *o = cJSON_ParseWithLength(buf_str(&text), text.len);
    if (!o) return err_set(e, ERR_PARSE, "%s/report.json is not JSON; see `cto-harness verify`", dir);
    return cli_print_json(
        o, EXIT_PASS); /* printed anew, so that no raw control byte of a tampered file reaches a terminal */
}

static int show(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"md", no_argument, NULL, 'm'}, {0}};
    struct err e = ERR_INIT;
    struct home h;
    bool md = false;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (c != 'm') return cli_bad_option("report", c, argv);
        md = true;
    }
    if (argc - optind != 1) return cli_usage("report", "show takes exactly one run, not %d", argc - optind);
    if (md && g->json) return cli_usage("report", "--md and --json: one of them");
    struct located *at = calloc(1, sizeof *at);
    BUG_UNLESS(at != NULL);
    int rc = home_resolve(&h, &g->home, &e);
    if (rc == 0) rc = locate(&h, argv[optind], at, &e);
    if (rc == 0 && at->in_store && !at->is_matrix && at->row.state == RUN_OUTCOME)
        rc = report_waiting(g, &h, &at->row, &e);
    else if (rc == 0 && at->in_store && !at->is_matrix && at->row.state != RUN_DONE)
        rc = err_set(&e, ERR_USAGE, "run %s is not finished: it is in state %s", argv[optind],
                     run_state_name(at->row.state));
    else if (rc == 0)
        rc = print_report(at->dir, g->json, &e);
    free(at);
    return rc < 0 ? cli_error(&e) : rc;
}

/* --- list
 * ------------------------------------------------------------------------------------------------------------- */

static const struct table_column list_columns[] = {{.title = "STATUS"},
                                                   {.title = "BACKEND", .drop = 1},
                                                   {.title = "STARTED", .drop = 2},
                                                   {.title = "TOOK", .drop = 3, .right = true},
                                                   {.title = "RUN", .least = 44},
                                                   {.title = "REASONS", .least = 12, .drop = 4}};
#define LIST_COLUMNS ((int)(sizeof list_columns / sizeof list_columns[0]))

struct listing {
    cJSON *runs; /* NULL: a table */
    struct table *table;
    bool colour;
    int n;
    char last[RUN_ID_MAX];
};

static const char *status_of(const struct store_run_row *row) {
    return row->verdict != VERDICT_NONE ? verdict_name(row->verdict) : "running";
}

static void put_json(struct listing *l, const struct store_run_row *row) {
    char stamp[CLOCK_STAMP_SIZE];
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_str(o, "run_id", row->run_id);
    json_put_str(o, "case_id", row->case_id);
    json_put_str(o, "backend", row->backend);
    json_put_str(o, "matrix_id", row->matrix_id[0] ? row->matrix_id : NULL);
    json_put_str(o, "status", status_of(row));
    json_put_str(o, "state", row->state < RUN_STATE_COUNT ? run_state_name(row->state) : "unknown");
    json_put_int(o, "attempt", row->attempt);
    clock_stamp(row->started_ms, stamp);
    json_put_str(o, "run_started_at", stamp);
    clock_stamp(row->finished_ms, stamp);
    json_put_str(o, "run_finished_at", row->finished_ms ? stamp : NULL);
    json_put(o, "duration_ms",
             row->finished_ms ? cJSON_CreateNumber((double)(row->finished_ms - row->started_ms)) : cJSON_CreateNull());
    cJSON *reasons = cJSON_CreateArray();
    char copy[sizeof row->reasons], *rest = copy;
    snprintf(copy, sizeof copy, "%s", row->reasons);
    for (char *word; rest && (word = strsep(&rest, ",")) != NULL;)
        if (word[0]) cJSON_AddItemToArray(reasons, cJSON_CreateString(word));
    json_put(o, "blocker_reasons", reasons);
    json_put(o, "run_dir", json_bytes(row->run_dir, strlen(row->run_dir)));
    json_put_str(o, "report_sha256", row->report_sha256[0] ? row->report_sha256 : NULL);
    cJSON_AddItemToArray(l->runs, o);
}

static const char *colour_of(const struct store_run_row *row) {
    switch (row->verdict) {
    case VERDICT_PASS: return "\x1b[32m";
    case VERDICT_FAIL: return "\x1b[31m";
    case VERDICT_BLOCKED: return "\x1b[33m";
    case VERDICT_NONE: break;
    }
    return "\x1b[36m";
}

static int put_row(void *ctx, const struct store_run_row *row) {
    struct listing *l = ctx;
    char stamp[CLOCK_STAMP_SIZE], took[32] = "-";
    snprintf(l->last, sizeof l->last, "%s", row->run_id);
    l->n++;
    if (l->runs) {
        put_json(l, row);
        return 0;
    }
    clock_stamp(row->started_ms, stamp);
    stamp[10] = ' ';
    stamp[19] = '\0';
    if (row->finished_ms) snprintf(took, sizeof took, "%.2f s", (double)(row->finished_ms - row->started_ms) / 1000);
    const char *status = row->state == RUN_OUTCOME ? "waiting" : status_of(row);
    table_cell(l->table, status, l->colour ? colour_of(row) : NULL);
    table_cell(l->table, row->backend, NULL);
    table_cell(l->table, stamp, NULL);
    table_cell(l->table, took, NULL);
    table_cell(l->table, row->run_id, NULL);
    bool running = row->verdict == VERDICT_NONE && row->state < RUN_STATE_COUNT;
    table_cell(l->table, running ? run_state_name(row->state) : row->reasons, NULL);
    return 0;
}

static int parse_limit(const char *text, int *ret) {
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (!text[0] || *end || n < 1 || n > 10000)
        return cli_usage("report", "--limit %.20s: a number from 1 to 10000 is expected", text);
    *ret = (int)n;
    return 0;
}

static int parse_list(int argc, char **argv, struct store_filter *f) {
    static const struct option options[] = {{"status", required_argument, NULL, 0},
                                            {"backend", required_argument, NULL, 1},
                                            {"case", required_argument, NULL, 2},
                                            {"matrix", required_argument, NULL, 3},
                                            {"before", required_argument, NULL, 4},
                                            {"limit", required_argument, NULL, 5},
                                            {0}};
    const char *limit = NULL, **slots[] = {&f->status, &f->backend, &f->case_id, &f->matrix_id, &f->before, &limit};
    *f = (struct store_filter){.limit = 50};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":n:", options, NULL)) != -1;) {
        int at = c == 'n' ? 5 : c;
        char name[16];
        if (at == '?' || at == ':') return cli_bad_option("report", c, argv);
        snprintf(name, sizeof name, "--%s", options[at].name);
        if (cli_once("report", name, slots[at], optarg) != 0) return EXIT_USAGE;
        if (!optarg[0]) return cli_usage("report", "%s is empty", name);
    }
    if (limit && parse_limit(limit, &f->limit) != 0) return EXIT_USAGE;
    if (optind < argc) return cli_usage("report", "list takes no \"%.60s\"", argv[optind]);
    return store_status_known(f->status)
               ? 0
               : cli_usage("report", "--status %.40s: pass, fail, blocked or running is expected", f->status);
}

/* --- an empty list: nothing there, or a filter that can never match?
 * A word that nobody knows is a slip of the pen, and an empty list would hide it: `git log NAME` and `gh run list --workflow
 * NAME` refuse it, too. What exists and was not run yet is no mistake. */

static int count_row(void *ctx, const struct store_run_row *row) {
    (void)row;
    ++*(int *)ctx;
    return 0;
}

static bool any_run(struct store *s, struct store_filter f) {
    int n = 0;
    f.limit = 1;
    return store_runs_list(s, &f, count_row, &n, NULL) < 0 || n > 0;
}

static int check_backend(struct store *s, const char *name, struct err *e) {
    const char *names[16];
    char hint[256];
    int n = 0;
    if (engine_find(name) || any_run(s, (struct store_filter){.backend = name})) return 0;
    for (; n < 16 && engine_at(n); n++) names[n] = engine_at(n)->name;
    case_suggest(name, names, n, hint, sizeof hint);
    return err_set(e, ERR_USAGE,
                   "--backend %.60s: no such backend, and no run of one%s; `cto-harness engines` lists them", name,
                   hint);
}

static int check_case(struct store *s, const struct home *h, const char *id, struct err *e) {
    char place[CASE_ID_MAX + 16];
    struct err why = ERR_INIT;
    if (case_find(h->cases, id, place, &why) == 0 || any_run(s, (struct store_filter){.case_id = id})) return 0;
    return err_set(e, ERR_USAGE, "--case: %s; no run of it either", why.text);
}

static int check_filters(struct store *s, const struct home *h, const struct store_filter *f, struct err *e) {
    struct store_matrix m;
    if (f->backend && check_backend(s, f->backend, e) < 0) return -1;
    if (f->case_id && check_case(s, h, f->case_id, e) < 0) return -1;
    if (f->matrix_id && store_matrix_get(s, f->matrix_id, &m, NULL) < 0)
        return err_set(
            e, ERR_USAGE,
            "--matrix %.160s: no such matrix in %.160s; 'cto-harness report list --json | jq .runs[].matrix_id' "
            "shows them",
            f->matrix_id, h->store);
    return 0;
}

static int list(const struct global_options *g, int argc, char **argv) {
    struct err e = ERR_INIT;
    struct home h;
    struct store_filter f;
    struct store *s = NULL;
    int code = parse_list(argc, argv, &f);
    if (code != 0) return code;
    if (home_resolve(&h, &g->home, &e) < 0 || store_open(h.store, false, &s, &e) < 0) return cli_error(&e);
    struct listing l = {.runs = g->json ? cJSON_CreateArray() : NULL, .table = table_new(list_columns, LIST_COLUMNS)};
    l.colour = !g->no_color && table_width(STDOUT_FILENO) > 0;
    int rc = store_runs_list(s, &f, put_row, &l, &e);
    if (rc == 0 && l.n == 0) rc = check_filters(s, &h, &f, &e);
    store_close(s);
    if (rc < 0) {
        cJSON_Delete(l.runs);
        table_free(l.table);
        return cli_error(&e);
    }
    if (!g->json && l.n > 0) table_print(l.table, stdout, table_width(STDOUT_FILENO), true);
    table_free(l.table);
    if (!g->json) {
        if (l.n == 0 && !g->quiet) printf("no runs\n");
        if (l.n == f.limit && !g->quiet) printf("next page: --before %s\n", l.last);
        return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put(o, "runs", l.runs);
    json_put_str(o, "next", l.n == f.limit ? l.last : NULL);
    return cli_print_json(o, EXIT_PASS);
}

int cmd_report(const struct global_options *g, int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "show") == 0) return show(g, argc - 1, argv + 1);
    if (strcmp(what, "list") == 0) return list(g, argc - 1, argv + 1);
    if (strcmp(what, "governed") == 0) {
        if (argc != 3 || argv[2][0] == '-') return cli_usage("report", "governed takes exactly one run");
        return closeout_run(g, argv[2]);
    }
    return cli_usage("report", what[0] ? "say show, list or governed, not \"%.60s\"" : "say show, list or governed%s",
                     what);
}
