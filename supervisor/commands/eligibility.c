/* eligibility.c - `cto-harness eligibility`: the decision that a run would begin with, without a run. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "supervisor/cli.h"
#include "supervisor/gates.h"
#include "supervisor/store.h"
#include "supervisor/table.h"

const char help_eligibility[] = "Usage: cto-harness eligibility CASE [--engine NAME] [--json]\n"
                                "\n"
                                "May this backend do this case, here and now? Asks every gate that a run would\n"
                                "ask, and prints the decision. Nothing is run, copied or written. Exit 0 when the\n"
                                "backend is eligible, 3 when it is not.\n"
                                "\n"
                                "  --engine NAME  the backend (default: fake)\n"
                                "\n"
                                "Examples:\n"
                                "  cto-harness eligibility r1-string-slugify\n"
                                "  cto-harness eligibility r1-string-slugify --engine case --json | jq .reasons\n";

static int print_table(const struct run_record *r, const char *selected) {
    static const struct table_column columns[] = {
        {.title = "gate"}, {.title = "status"}, {.title = "why", .least = 24, .wrap = true}};
    struct table *t = table_new(columns, 3);
    for (int i = 0; i < r->n_gates; i++) {
        table_cell(t, r->gates[i].name, NULL);
        table_cell(t, r->gates[i].status, NULL);
        table_cell(t, r->gates[i].reason, NULL);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), true);
    table_free(t);
    printf("\nselected backend: %s%s\n", selected,
           gates_wait_for_a_probe(r) ? " (if its model answers, which is asked when a run starts)" : "");
    return fflush(stdout) == 0;
}

static int decide(const struct global_options *g, const struct cto_case *c, const char *engine, struct store *s) {
    struct run_record r = {.c = c, .engine = engine};
    struct gate_facts *f = malloc(sizeof *f);
    BUG_UNLESS(f != NULL);
    gate_facts_read(f, c, engine, s);
    bool passed = gates_evaluate(&r, f);
    if (gates_wait_for_a_look(&r)) {
        gate_facts_look(f, s);
        passed = gates_evaluate(&r, f);
    }
    int code = passed || gates_wait_for_a_probe(&r) ? EXIT_PASS : EXIT_BLOCKED;
    gate_facts_release(f);
    free(f);
    if (g->json)
        code = cli_print_json(gates_decision(&r), code);
    else if (!print_table(&r, code == EXIT_PASS ? engine : "none"))
        code = EXIT_HARNESS;
    record_release(&r);
    return code;
}

int cmd_eligibility(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"engine", required_argument, NULL, 'e'}, {0}};
    const char *engine = NULL;
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        rc = c == 'e' ? cli_once("eligibility", "--engine", &engine, optarg) : cli_bad_option("eligibility", c, argv);
    if (rc != 0) return rc;
    if (argc - optind != 1) return cli_usage("eligibility", "exactly one CASE is expected");
    if (!engine) engine = engine_at(0)->name;
    if (!engine_find(engine))
        return cli_usage("eligibility", "unknown engine \"%.40s\"; 'cto-harness engines' lists them", engine);
    struct home h;
    struct cto_case tc;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (home_resolve(&h, &g->home, &e) < 0 || case_load(&tc, h.cases, argv[optind], &e) < 0) return cli_error(&e);
    if (store_open(h.store, false, &s, &e) < 0 && e.code != ERR_MISSING) {
        case_release(&tc);
        return cli_error(&e);
    }
    int code = decide(g, &tc, engine, s);
    store_close(s);
    case_release(&tc);
    return code;
}
