/* run_case.c - one case on one backend; the report is the output. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/batch.h"
#include "supervisor/commands/outcome_words.h"
#include "supervisor/engines.h"
#include "supervisor/gate_facts.h"
#include "supervisor/outcome.h"
#include "supervisor/recording.h"

const char help_run_case[] = "Usage: cto-harness run-case CASE [--engine NAME] [--keep]\n"
                             "                            [--record FILE | --replay FILE]\n"
                             "\n"
                             "Runs one case in the sandbox and writes its evidence. The exit code is the\n"
                             "verdict: 0 pass, 1 fail, 3 blocked.\n"
                             "\n"
                             "  --engine NAME  the backend (default: fake); 'cto-harness engines' lists them\n"
                             "  --keep         leave the work directory as work/<run id>.kept\n"
                             "  --record FILE  keep what the backend asked its model and what that said, in\n"
                             "                 a new file\n"
                             "  --replay FILE  the recording answers: no model, no endpoint, no network; what\n"
                             "                 it has no answer to ends the run\n"
                             "\n"
                             "With --json the run's report.json is printed. A failure fixture is a case too:\n"
                             "it fails as it should, and so does the command.\n"
                             "\n"
                             "Examples:\n"
                             "  cto-harness run-case r1-string-slugify\n"
                             "  cto-harness run-case r1-string-slugify --json | jq .status\n"
                             "  cto-harness run-case r1-string-slugify --engine codex --record fix.jsonl\n"
                             "  cto-harness run-case r1-string-slugify --engine codex --replay fix.jsonl\n";

static int print_report(const char *path, int code) {
    AUTO_BUF struct buf b = BUF_INIT(0);
    struct err e = ERR_INIT;
    if (io_read_file_at(AT_FDCWD, path, 64u << 20, &b, &e) < 0) return cli_error(&e);
    fputs(buf_str(&b), stdout);
    if (b.len > 0 && b.p[b.len - 1] != '\n') putchar('\n');
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

static void print_text(const struct batch *b) {
    const struct matrix_row *row = &b->rows[0];
    printf("%s  %s\n", verdict_name(row->status), row->run_id);
    if (b->why[0]) fputs(b->why[0], stdout);
    printf("  report: %s\n", b->report_paths[0]);
}

/* The run's result stands on its repository. When the operator has said beforehand what he makes of it, that is his word now. */
static int take_outcome(const struct global_options *g, struct batch *b, const char *engine) {
    struct err e = ERR_INIT;
    struct outcome_end end;
    const char *run_id = b->rows[0].run_id, *word = outcome_said_beforehand(engine);
    if (!word) return outcome_print_waiting(g, run_id);
    const struct outcome_place p = {
        .home = &b->home, .store = executor_store(b->x), .env = executor_environment(b->x), .self = executor_id(b->x)};
    if ((strcmp(word, OUTCOME_ACCEPTED) == 0 && outcome_may_accept(p.home, p.store, run_id, &e) < 0) ||
        store_waiting_say(p.store, run_id, word, OUTCOME_BY_VARIABLE, clock_real_ms(), &e) < 0 ||
        outcome_settle(&p, run_id, &end, &e) < 0)
        return cli_error(&e);
    b->rows[0].status = end.verdict;
    free(b->why[0]);
    BUG_UNLESS(asprintf(&b->why[0], end.why[0] ? "  %s\n" : "%s", end.why) >= 0);
    return -1;
}

/* Only a backend that talks to a model can be recorded. One whose engine file cannot be read is left to its gate. */
static int look_at_recording(const struct batch *b, const struct batch_options *o, struct err *e) {
    struct gate_facts f;
    if (!o->record && !o->replay) return 0;
    gate_facts_read(&f, &b->cases[0], o->engine, NULL);
    const bool by_file = gate_facts_needs(&f) & NEED_FILE;
    const bool none = !(gate_facts_needs(&f) & NEED_MODEL) && (!by_file || f.file);
    int rc = 0;
    if (none)
        rc = err_set(e, ERR_USAGE, "run-case: --%s: the %s backend %s no model", o->record ? "record" : "replay",
                     o->engine, by_file ? "of this engine file uses" : "uses");
    else
        rc = o->record ? recording_may_make(o->record, e) : recording_is_one(o->replay, f.model, e);
    gate_facts_release(&f);
    return rc;
}

static int run(const struct global_options *g, char *id, const struct batch_options *o) {
    struct batch b;
    struct err e = ERR_INIT;
    int code;
    if (batch_load(&b, g, &id, 1, &e) < 0 || look_at_recording(&b, o, &e) < 0 || batch_run(&b, o, &e) < 0) {
        code = cli_error(&e);
    } else if (b.failure.code != ERR_NONE) {
        cli_error(&b.failure);
        code = EXIT_HARNESS;
    } else {
        int waits = b.waiting[0] ? take_outcome(g, &b, o->engine) : -1;
        code = b.interrupted ? EXIT_INTERRUPTED : verdict_exit_code(b.rows[0].status);
        if (waits >= 0)
            code = waits;
        else if (b.report_paths[0][0] == '\0')
            code = b.interrupted ? EXIT_INTERRUPTED : EXIT_HARNESS;
        else if (g->json)
            code = print_report(b.report_paths[0], code);
        else
            print_text(&b);
    }
    batch_release(&b);
    return code;
}

int cmd_run_case(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"engine", required_argument, NULL, 'e'},
                                            {"keep", no_argument, NULL, 'k'},
                                            {"record", required_argument, NULL, 'r'},
                                            {"replay", required_argument, NULL, 'p'},
                                            {0}};
    struct batch_options o = {
        .engine = engine_at(0)->name, .jobs = 1, .quiet = g->quiet || g->json, .no_color = g->no_color, .alone = true};
    const char *engine = NULL;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        int code = 0;
        switch (c) {
        case 'k': o.keep = true; break;
        case 'e': code = cli_once("run-case", "--engine", &engine, optarg); break;
        case 'r': code = cli_once("run-case", "--record", &o.record, optarg); break;
        case 'p': code = cli_once("run-case", "--replay", &o.replay, optarg); break;
        default: return cli_bad_option("run-case", c, argv);
        }
        if (code != 0) return code;
    }
    if (engine) o.engine = engine;
    if (optind + 1 != argc) return cli_usage("run-case", "exactly one CASE is expected");
    if (o.record && o.replay)
        return cli_usage("run-case", "--record and --replay: what a recording says needs no second one");
    if (!engine_find(o.engine))
        return cli_usage("run-case", "unknown engine \"%.60s\" ('cto-harness engines' lists them)", o.engine);
    return run(g, argv[optind], &o);
}
