/* report.c - `cto-harness report show|list`: what the sealed directories and the store say, for people and for
 * programs. The directory may be a copy from anywhere: what goes to a terminal has its control bytes made visible. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/cli.h"
#include "supervisor/locate.h"
#include "supervisor/seal.h"
#include "supervisor/store.h"

const char help_report[] =
    "usage: cto-harness report show RUN [--md|--json]\n"
    "       cto-harness report list [--status S] [--backend B] [--case C] [--matrix M] [--before RUN] [--limit N] "
    "[--json]\n"
    "\n"
    "show   the report of a run or matrix, by id or by directory\n"
    "list   runs, newest first; --status is pass, fail, blocked or running; --before RUN is the next page after RUN;\n"
    "       --limit is 1 to 10000, default 50\n"
    "\n"
    "examples:\n"
    "  cto-harness report list --status fail --limit 20\n"
    "  cto-harness report list --case r1-string-slugify --json | jq -r '.runs[0].run_id'\n"
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
    static const struct option options[] = {
        {"md", no_argument, NULL, 'm'}, {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct err e = ERR_INIT;
    struct home h;
    bool json = g->json;
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') return fputs(help_report, stdout) < 0 ? EXIT_HARNESS : EXIT_PASS;
        if (c != 'm' && c != 'j') return cli_usage("report", "unknown option");
        json = c == 'j';
    }
    if (argc - optind != 1) return cli_usage("report", "show takes one run");
    struct located *at = calloc(1, sizeof *at);
    BUG_UNLESS(at != NULL);
    int rc = home_resolve(&h, &g->home, &e);
    if (rc == 0) rc = locate(&h, argv[optind], at, &e);
    if (rc == 0 && at->in_store && !at->is_matrix && at->row.state != RUN_DONE)
        rc = err_set(&e, ERR_USAGE, "run %s is not finished: it is in state %s", argv[optind],
                     run_state_name(at->row.state));
    if (rc == 0) rc = print_report(at->dir, json, &e);
    free(at);
    return rc < 0 ? cli_error(&e) : rc;
}

/* --- list
 * ------------------------------------------------------------------------------------------------------------- */

struct listing {
    cJSON *runs; /* NULL: a table */
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
    if (l->n == 1) printf("%-8s %-8s %-19s %9s  %-48s %s\n", "STATUS", "BACKEND", "STARTED", "TOOK", "RUN", "REASONS");
    clock_stamp(row->started_ms, stamp);
    stamp[10] = ' ';
    stamp[19] = '\0';
    if (row->finished_ms) snprintf(took, sizeof took, "%.2f s", (double)(row->finished_ms - row->started_ms) / 1000);
    printf("%s%-8s%s %-8s %s %9s  %-48s %s\n", l->colour ? colour_of(row) : "", status_of(row),
           l->colour ? "\x1b[0m" : "", row->backend, stamp, took, row->run_id,
           row->verdict == VERDICT_NONE && row->state < RUN_STATE_COUNT ? run_state_name(row->state) : row->reasons);
    return 0;
}

static int parse_list(int argc, char **argv, struct store_filter *f) {
    static const struct option options[] = {
        {"status", required_argument, NULL, 's'}, {"backend", required_argument, NULL, 'b'},
        {"case", required_argument, NULL, 'c'},   {"matrix", required_argument, NULL, 'm'},
        {"before", required_argument, NULL, 'p'}, {"limit", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},         {0}};
    *f = (struct store_filter){.limit = 50};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "hn:", options, NULL)) != -1;) {
        char *end = NULL;
        long n;
        switch (c) {
        case 's': f->status = optarg; break;
        case 'b': f->backend = optarg; break;
        case 'c': f->case_id = optarg; break;
        case 'm': f->matrix_id = optarg; break;
        case 'p': f->before = optarg; break;
        case 'n':
            n = strtol(optarg, &end, 10);
            if (!optarg[0] || *end || n < 1 || n > 10000)
                return cli_usage("report", "--limit %.20s: a number from 1 to 10000", optarg);
            f->limit = (int)n;
            break;
        case 'h': return fputs(help_report, stdout) < 0 ? EXIT_HARNESS : EXIT_PASS;
        default: return cli_usage("report", "unknown option");
        }
    }
    if (optind < argc) return cli_usage("report", "list takes no \"%.60s\"", argv[optind]);
    return -1;
}

static int list(const struct global_options *g, int argc, char **argv) {
    struct err e = ERR_INIT;
    struct home h;
    struct store_filter f;
    struct store *s = NULL;
    int code = parse_list(argc, argv, &f);
    if (code >= 0) return code;
    if (home_resolve(&h, &g->home, &e) < 0 || store_open(h.store, false, &s, &e) < 0) return cli_error(&e);
    struct listing l = {.runs = g->json ? cJSON_CreateArray() : NULL};
    l.colour = !g->no_color && !getenv("NO_COLOR") && isatty(1);
    int rc = store_runs_list(s, &f, put_row, &l, &e);
    store_close(s);
    if (rc < 0) {
        cJSON_Delete(l.runs);
        return cli_error(&e);
    }
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
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0)
        return fputs(help_report, stdout) < 0 ? EXIT_HARNESS : EXIT_PASS;
    return cli_usage("report", "say `show` or `list`");
}
