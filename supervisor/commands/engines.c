/* engines.c - prints the dispatch table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "supervisor/cli.h"
#include "supervisor/engines.h"
#include "supervisor/standing.h"
#include "supervisor/table.h"

const char help_engines[] = "Usage: cto-harness engines [--json]\n"
                            "\n"
                            "Lists the backends: how each is gated, whether the gate is open in this\n"
                            "environment, whether this build has its adapter. A gated backend runs only when\n"
                            "its variable is \"1\"; fake is the default lane and always open.\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness engines\n"
                            "  cto-harness engines --json | jq -r '.engines[] | select(.gate_open).name'\n";

static bool is_open(const struct engine *en) {
    const char *v = en->gated_by_env ? getenv(en->gated_by_env) : "1";
    return v && strcmp(v, "1") == 0;
}

static cJSON *engine_json(const struct engine *en, bool is_default) {
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "name", en->name);
    json_put_str(o, "summary", en->summary);
    json_put_str(o, "gated_by_env", en->gated_by_env);
    json_put_bool(o, "gate_open", is_open(en));
    json_put_bool(o, "adapter", en->has_adapter);
    json_put_bool(o, "default", is_default);
    return o;
}

int cmd_engines(const struct global_options *g, int argc, char **argv) {
    if (argc > 1) return cli_usage("engines", "unexpected argument %.60s", argv[1]);
    if (g->json) {
        cJSON *doc = cJSON_CreateObject(), *list = cJSON_CreateArray();
        for (int i = 0; engine_at(i); i++) cJSON_AddItemToArray(list, engine_json(engine_at(i), i == 0));
        json_put(doc, "engines", list);
        json_put_str(doc, "default", engine_at(0)->name);
        standing_put(doc);
        return cli_print_json(doc, EXIT_PASS);
    }
    static const struct table_column columns[] = {{.title = "engine"},
                                                  {.title = "gate", .least = 12, .drop = 2},
                                                  {.title = "open"},
                                                  {.title = "adapter"},
                                                  {.title = "what", .least = 16, .drop = 1}};
    struct table *t = table_new(columns, 5);
    for (int i = 0; engine_at(i); i++) {
        const struct engine *en = engine_at(i);
        table_cell(t, en->name, NULL);
        table_cell(t, en->gated_by_env ? en->gated_by_env : "-", NULL);
        table_cell(t, is_open(en) ? "yes" : "no", NULL);
        table_cell(t, en->has_adapter ? "yes" : "no", NULL);
        table_cell(t, en->summary, NULL);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), true);
    table_free(t);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}
