/* schema.c - `cto-harness schema`: the JSON Schemas that were embedded at build time, so that they fit this program. */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "embedded.h"
#include "supervisor/cli.h"

const char help_schema[] =
    "usage: cto-harness schema [NAME]\n"
    "\n"
    "Prints the JSON Schema (2020-12) of what this program writes and reads; without NAME, the names.\n"
    "\n"
    "examples:\n"
    "  cto-harness schema\n"
    "  cto-harness schema report > report.schema.json\n";

static int list_names(bool json) {
    if (!json) {
        for (size_t i = 0; i < embedded_schemas_count; i++) printf("%s\n", embedded_schemas[i].name);
        return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    cJSON *o = cJSON_CreateObject(), *a = cJSON_CreateArray();
    BUG_UNLESS(o && a);
    for (size_t i = 0; i < embedded_schemas_count; i++)
        cJSON_AddItemToArray(a, cJSON_CreateString(embedded_schemas[i].name));
    json_put(o, "schemas", a);
    return cli_print_json(o, EXIT_PASS);
}

int cmd_schema(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c != 'h') return cli_usage("schema", "unknown option");
        fputs(help_schema, stdout);
        return EXIT_PASS;
    }
    if (optind == argc) return list_names(g->json);
    if (argc - optind > 1) return cli_usage("schema", "one name, not %d", argc - optind);
    for (size_t i = 0; i < embedded_schemas_count; i++) {
        const struct embedded_file *f = &embedded_schemas[i];
        if (strcmp(f->name, argv[optind]) != 0) continue;
        bool ok = fwrite(f->text, 1, f->len, stdout) == f->len && fflush(stdout) == 0;
        return ok ? EXIT_PASS : EXIT_HARNESS;
    }
    return cli_usage("schema", "no schema \"%.60s\"; `cto-harness schema` lists them", argv[optind]);
}
