/* audit.c - `cto-harness audit endgoal`: prints what audit.h decides. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_id.h"
#include "common/json.h"
#include "supervisor/audit.h"
#include "supervisor/cli.h"
#include "supervisor/locate.h"
#include "supervisor/standing.h"
#include "supervisor/table.h"

const char help_audit[] = "Usage: cto-harness audit endgoal [--json]\n"
                          "\n"
                          "The ten claims that the whole is built for, each proven or not proven by the\n"
                          "evidence of this home and this build. Reads only. Exit 0 when all are proven, 3\n"
                          "when one is not.\n"
                          "\n"
                          "Examples:\n"
                          "  cto-harness audit endgoal\n"
                          "  cto-harness audit endgoal --json | jq -c '.claims[] | [.claim, .status]'\n";

static cJSON *parts_json(const struct audit_claim *c) {
    cJSON *list = cJSON_CreateArray();
    BUG_UNLESS(list != NULL);
    for (int i = 0; i < c->n_parts; i++) {
        const struct audit_part *p = &c->parts[i];
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put_str(o, "name", p->name);
        json_put_bool(o, "holds", p->holds);
        json_put(o, "reference", p->ref[0] ? json_bytes(p->ref, strlen(p->ref)) : cJSON_CreateNull());
        json_put_str(o, "why_not", p->holds ? NULL : p->why);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static cJSON *audit_json(const struct audit *a) {
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    BUG_UNLESS(o && list);
    for (int i = 0; i < AUDIT_CLAIMS; i++) {
        cJSON *c = cJSON_CreateObject();
        BUG_UNLESS(c != NULL);
        json_put_str(c, "id", a->claims[i].id);
        json_put_str(c, "claim", a->claims[i].claim);
        json_put_str(c, "status", a->claims[i].proven ? "proven" : "not_proven");
        json_put(c, "evidence", parts_json(&a->claims[i]));
        cJSON_AddItemToArray(list, c);
    }
    json_put_str(o, "audit", "endgoal");
    json_put_str(o, "build_id", CTO_BUILD_ID);
    json_put(o, "claims", list);
    json_put_str(o, "completion_status", a->complete ? "complete" : "incomplete");
    json_put(o, "transportability_evidence", parts_json(&a->claims[AUDIT_CLAIMS - 1]));
    standing_put(o);
    return o;
}

static int print_table(const struct audit *a) {
    static const struct table_column columns[] = {
        {.title = "status"}, {.title = "claim", .least = 16}, {.title = "what is missing", .least = 24, .wrap = true}};
    struct table *t = table_new(columns, 3);
    for (int i = 0; i < AUDIT_CLAIMS; i++) {
        const struct audit_claim *c = &a->claims[i];
        const char *why = "";
        for (int k = c->n_parts - 1; k >= 0; k--)
            if (!c->parts[k].holds) why = c->parts[k].why;
        table_cell(t, c->proven ? "proven" : "not_proven", NULL);
        table_cell(t, c->claim, NULL);
        table_cell(t, why, NULL);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), true);
    table_free(t);
    printf("\n%s\n" STANDING_SENTENCE, a->complete ? "complete" : "incomplete");
    return fflush(stdout) == 0;
}

int cmd_audit(const struct global_options *g, int argc, char **argv) {
    struct err e = ERR_INIT;
    struct home h;
    struct store *s = NULL;
    if (cli_no_options("audit", argc, argv) != 0) return EXIT_USAGE;
    if (argc - optind != 1 || strcmp(argv[optind], "endgoal") != 0)
        return cli_usage("audit", "one audit is expected: endgoal");
    struct audit *a = calloc(1, sizeof *a);
    BUG_UNLESS(a != NULL);
    int rc = home_resolve(&h, &g->home, &e);
    if (rc == 0) rc = locate_store(&h, &s, &e);
    if (rc == 0) rc = audit_endgoal(a, &h, s, &e);
    store_close(s);
    int code = rc < 0 ? cli_error(&e) : a->complete ? EXIT_PASS : EXIT_BLOCKED;
    if (rc == 0 && g->json)
        code = cli_print_json(audit_json(a), code);
    else if (rc == 0 && !print_table(a))
        code = EXIT_HARNESS;
    free(a);
    return code;
}
