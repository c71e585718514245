/* compare.c - `cto-harness compare`: shows the comparison of lanes that validate stage6 made, with the operator's word and what follows
 * from it. It runs nothing and writes nothing. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/cli.h"
#include "supervisor/comparison.h"
#include "supervisor/engines.h"
#include "supervisor/ladder.h"
#include "supervisor/locate.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"
#include "supervisor/table.h"

const char help_compare[] = "Usage: cto-harness compare [COMPARISON] [--engine NAME] [--json]\n"
                            "\n"
                            "Shows a comparison of lanes as validate stage6 made it: per dimension the\n"
                            "default lane, the candidate, the lanes that were not run and why; the\n"
                            "operator's word; and whether the candidate is eligible. Without an id the\n"
                            "newest one of the backend.\n"
                            "It holds only while its directory is what was written.\n"
                            "\n"
                            "  --engine NAME  the candidate (default: case)\n"
                            "\n"
                            "Exit status: 0 it holds and can be shown, 1 it does not hold, 2 there is none.\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness compare\n"
                            "  cto-harness compare --json | jq '.dimensions, .operator_outcome'\n";

struct shown {
    struct comparison c;
    struct ladder l;
    struct store_outcome said;
    cJSON *doc;
    bool eligible; /* of this comparison: it is the one that stage 6 names */
};

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s ? s : "-";
}

static int gather(struct shown *x, const struct global_options *g, const char *id, const char *engine, struct err *e) {
    struct home h;
    struct store *s = NULL;
    if (home_resolve(&h, &g->home, e) < 0 || locate_store(&h, &s, e) < 0) return -1;
    int rc = comparison_read(&x->c, &h, s, COMPARISON_STAGE6, id, id ? NULL : engine, &x->doc, e);
    if (rc == 0) rc = ladder_read(&x->l, &h, s, x->c.backend, e);
    if (rc == 0) rc = store_outcome_get(s, x->c.id, &x->said, e);
    store_close(s);
    if (rc < 0) return -1;
    const struct rung *six = &x->l.rungs[STAGE_COUNT];
    x->eligible = x->l.candidate_default_eligible && strcmp(six->sha256, x->c.sha256) == 0;
    return 0;
}

static int print_json(struct shown *x) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(x->said.said_ms, stamp);
    cJSON_DeleteItemFromObjectCaseSensitive(x->doc, "candidate_default_eligible");
    json_put_str(x->doc, "operator_outcome", x->said.outcome[0] ? x->said.outcome : NULL);
    json_put_str(x->doc, "operator_outcome_actor", x->said.actor[0] ? x->said.actor : NULL);
    json_put_str(x->doc, "operator_outcome_at", x->said.said_ms ? stamp : NULL);
    json_put_bool(x->doc, "candidate_default_eligible", x->eligible);
    json_put_str(x->doc, "comparison_path", x->c.path);
    json_put_str(x->doc, "comparison_sha256", x->c.sha256);
    return cli_print_json(TAKE_PTR(x->doc), EXIT_PASS);
}

static void print_lanes(const struct shown *x) {
    static const struct table_column columns[] = {{.title = "DIMENSION", .least = 12},
                                                  {.title = "LANE"},
                                                  {.title = "STATUS"},
                                                  {.title = "PROOF", .drop = 1},
                                                  {.title = "RATIONALE", .least = 16, .drop = 2}};
    struct table *t = table_new(columns, 5);
    const cJSON *d, *lane;
    cJSON_ArrayForEach(d, get(x->doc, "dimensions")) {
        cJSON_ArrayForEach(lane, d) {
            if (!cJSON_IsObject(lane)) continue;
            table_cell(t, d->string, NULL);
            table_cell(t, lane->string, NULL);
            table_cell(t, text(lane, "status"), NULL);
            table_cell(t, text(lane, "proof_kind"), NULL);
            table_cell(t, text(lane, "rationale"), NULL);
        }
        table_cell(t, d->string, NULL);
        table_cell(t, "parity", NULL);
        table_cell(t, text(d, "parity"), NULL);
        table_cell(t, "", NULL);
        table_cell(t, "", NULL);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), false);
    table_free(t);
}

static int print_text(struct shown *x) {
    print_lanes(x);
    printf("\n%s: %s against fake, %s\n", x->c.id, x->c.backend, text(x->doc, "stage_status"));
    printf("operator: %s%s%s\neligible: %s\n" STANDING_SENTENCE, x->said.outcome[0] ? x->said.outcome : "not said",
           x->said.actor[0] ? " by " : "", x->said.actor, x->eligible ? "yes" : "no");
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

int cmd_compare(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"engine", required_argument, NULL, 'e'}, {0}};
    const char *engine = NULL;
    struct err e = ERR_INIT;
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        rc = c == 'e' ? cli_once("compare", "--engine", &engine, optarg) : cli_bad_option("compare", c, argv);
    if (rc != 0) return rc;
    if (argc - optind > 1) return cli_usage("compare", "one comparison, not %d", argc - optind);
    if (engine && argc > optind) return cli_usage("compare", "an id or --engine: one of them");
    if (engine && !engine_find(engine)) return cli_usage("compare", "unknown engine \"%.40s\"", engine);
    struct shown *x = calloc(1, sizeof *x);
    BUG_UNLESS(x != NULL);
    rc = gather(x, g, argc > optind ? argv[optind] : NULL, engine ? engine : LADDER_BACKEND, &e);
    int code = rc < 0 ? cli_error(&e) : g->json ? print_json(x) : print_text(x);
    if (rc < 0 && e.code == ERR_CONFLICT) code = EXIT_FAIL;
    cJSON_Delete(x->doc);
    free(x);
    return code;
}
