/* guard.c - `cto-harness guard core-route`: the looks of core_guard.h, and what follows from them. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"
#include "supervisor/cli.h"
#include "supervisor/core_guard.h"
#include "supervisor/core_route.h"
#include "supervisor/standing.h"
#include "supervisor/table.h"

const char help_guard[] = "Usage: cto-harness guard core-route --core DIR [--conflict NAME]...\n"
                          "           [--route-file PATH] [--json]\n"
                          "\n"
                          "May a route to the core be opened, or is somebody at work there? Looks at the\n"
                          "repository in DIR: its worktrees, whether they are clean and idle, its sequence\n"
                          "route file, processes that work in it. Any doubt blocks. Writes nothing there,\n"
                          "reserves nothing. An ordinary user cannot see where the processes of others\n"
                          "work, so where there are such, only root gets another answer than blocked.\n"
                          "\n"
                          "  --core DIR         the core repository, its main worktree\n"
                          "  --conflict NAME    blocks when a worktree, a branch, a directory or the active\n"
                          "                     route has this name; may be repeated\n"
                          "  --route-file PATH  the route file, in the repository (default:\n"
                          "                     sequence-route.json): JSON with \"route_status\": \"idle\" and\n"
                          "                     no \"active_route\" when nothing is under way\n"
                          "\n"
                          "Exit codes: 0 clear; 3 blocked.\n"
                          "\n"
                          "Examples:\n"
                          "  cto-harness guard core-route --core /srv/core\n"
                          "  cto-harness guard core-route --core /srv/core --conflict CORE-WORK-172 \\\n"
                          "      --conflict worktrees/core-keyvault-authmd-promotion-135 --json\n";

static cJSON *checks_json(const struct core_guard *g) {
    cJSON *list = json_new_array();
    for (int i = 0; i < GUARD_CHECKS; i++) {
        cJSON *o = json_new_object();
        json_put_str(o, "name", guard_check_name(i));
        json_put_bool(o, "passed", g->checks[i].passed);
        json_put_str(o, "why_not", g->checks[i].passed ? NULL : g->checks[i].why);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static cJSON *trees_json(const struct core_guard *g) {
    cJSON *list = json_new_array();
    for (int i = 0; i < g->n_trees; i++) {
        const struct guard_worktree *t = &g->trees[i];
        cJSON *o = json_new_object();
        json_put(o, "name", json_bytes(t->name, strlen(t->name)));
        json_put(o, "path", json_bytes(t->path, strlen(t->path)));
        json_put_str(o, "head", t->head);
        json_put_bool(o, "idle", !t->why[0]);
        json_put_str(o, "why_not", t->why[0] ? t->why : NULL);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static cJSON *guard_json(const struct core_guard *g) {
    bool clear = core_guard_clear(g);
    cJSON *o = json_new_object();
    json_put_str(o, "guard", "core-route");
    json_put_str(o, "core_route_admission_status", clear ? "admissible" : "not_admitted");
    json_put_str(o, "guard_status", clear ? "clear" : "blocked");
    json_put_str(o, "blocked_reason", clear ? NULL : CORE_BLOCKED_REASON);
    json_put_bool(o, "do_not_touch_other_agent_work", true);
    json_put_bool(o, "ready_for_core_route_review", clear);
    json_put_str(o, "next_allowed_action", CORE_NEXT_ACTION);
    json_put_bool(o, "idle_governed_core_route_required", true);
    json_put_bool(o, "no_active_conflicting_core_worktree_required", true);
    json_put_str(o, "recommended_next_decision", CORE_NEXT_DECISION);
    standing_put(o);
    json_put(o, "core", json_bytes(g->q->core, strlen(g->q->core)));
    json_put(o, "conflicts", json_strings(g->q->conflicts, (size_t)g->q->n_conflicts));
    json_put(o, "checks", checks_json(g));
    json_put(o, "worktrees", trees_json(g));
    return o;
}

static int print_table(const struct core_guard *g) {
    static const struct table_column columns[] = {
        {.title = ""}, {.title = "check"}, {.title = "why", .least = 24, .wrap = true}};
    struct table *t = table_new(columns, 3);
    bool clear = core_guard_clear(g);
    for (int i = 0; i < GUARD_CHECKS; i++) {
        table_cell(t, g->checks[i].passed ? "ok" : "BLOCKS", NULL);
        table_cell(t, guard_check_name(i), NULL);
        table_cell(t, g->checks[i].passed ? "" : g->checks[i].why, NULL);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), false);
    table_free(t);
    printf("\n%s\nnext: %s\n" STANDING_SENTENCE,
           clear ? "clear: admissible" : "blocked: not_admitted (" CORE_BLOCKED_REASON ")", CORE_NEXT_ACTION);
    return fflush(stdout) == 0;
}

static int read_options(int argc, char **argv, struct guard_question *q) {
    static const struct option options[] = {{"core", required_argument, NULL, 'c'},
                                            {"conflict", required_argument, NULL, 'n'},
                                            {"route-file", required_argument, NULL, 'r'},
                                            {0}};
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'c')
            rc = cli_once("guard", "--core", &q->core, optarg);
        else if (c == 'r')
            rc = cli_once("guard", "--route-file", &q->route_file, optarg);
        else if (c != 'n')
            rc = cli_bad_option("guard", c, argv);
        else if (!optarg[0])
            rc = cli_usage("guard", "--conflict is empty");
        else if (q->n_conflicts == GUARD_CONFLICTS_MAX)
            rc = cli_usage("guard", "more than %d times --conflict", GUARD_CONFLICTS_MAX);
        else
            q->conflicts[q->n_conflicts++] = optarg;
    }
    if (rc != 0) return rc;
    if (argc - optind != 1 || strcmp(argv[optind], "core-route") != 0)
        return cli_usage("guard", "one guard is expected: core-route");
    if (!q->core || !q->core[0]) return cli_usage("guard", "--core DIR is missing: which repository?");
    if (!q->route_file) q->route_file = GUARD_ROUTE_FILE;
    return 0;
}

int cmd_guard(const struct global_options *g, int argc, char **argv) {
    struct guard_question q = {0};
    char core[PATH_MAX];
    int rc = read_options(argc, argv, &q);
    if (rc != 0) return rc;
    if (realpath(q.core, core)) q.core = core; /* else the looks say that it is not there */
    struct core_guard *found = malloc(sizeof *found);
    BUG_UNLESS(found != NULL);
    core_guard_look(found, &q);
    int code = core_guard_clear(found) ? EXIT_PASS : EXIT_BLOCKED;
    if (g->json)
        code = cli_print_json(guard_json(found), code);
    else if (!print_table(found))
        code = EXIT_HARNESS;
    core_guard_release(found);
    free(found);
    return code;
}
