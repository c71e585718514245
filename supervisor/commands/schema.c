/* schema.c - `cto-harness schema`: the JSON Schemas that were embedded at build time, so that they fit this program; those of records
 * are made from the table that their reader reads. */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "embedded.h"
#include "supervisor/admission.h"
#include "supervisor/cli.h"

const char help_schema[] = "Usage: cto-harness schema [NAME]\n"
                           "\n"
                           "Prints the JSON Schema of a document that this program writes or reads; without\n"
                           "a name the names.\n"
                           "\n"
                           "Examples:\n"
                           "  cto-harness schema\n"
                           "  cto-harness schema report > report.schema.json\n"
                           "  cto-harness schema case | jq .properties.allowed_writes.description\n";

static int list_names(bool json) {
    if (!json) {
        for (size_t i = 0; i < embedded_schemas_count; i++) printf("%s\n", embedded_schemas[i].name);
        for (int k = 0; k < ADMISSION_KINDS; k++) printf("%s\n", admission_rules((enum admission_kind)k)->schema);
        return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    cJSON *o = cJSON_CreateObject(), *a = cJSON_CreateArray();
    BUG_UNLESS(o && a);
    for (size_t i = 0; i < embedded_schemas_count; i++)
        cJSON_AddItemToArray(a, cJSON_CreateString(embedded_schemas[i].name));
    for (int k = 0; k < ADMISSION_KINDS; k++)
        cJSON_AddItemToArray(a, cJSON_CreateString(admission_rules((enum admission_kind)k)->schema));
    json_put(o, "schemas", a);
    return cli_print_json(o, EXIT_PASS);
}

int cmd_schema(const struct global_options *g, int argc, char **argv) {
    if (cli_no_options("schema", argc, argv) != 0) return EXIT_USAGE;
    if (optind == argc) return list_names(g->json);
    if (argc - optind > 1) return cli_usage("schema", "one name, not %d", argc - optind);
    for (size_t i = 0; i < embedded_schemas_count; i++) {
        const struct embedded_file *f = &embedded_schemas[i];
        if (strcmp(f->name, argv[optind]) != 0) continue;
        bool ok = fwrite(f->text, 1, f->len, stdout) == f->len && fflush(stdout) == 0;
        return ok ? EXIT_PASS : EXIT_HARNESS;
    }
    for (int k = 0; k < ADMISSION_KINDS; k++)
        if (strcmp(admission_rules((enum admission_kind)k)->schema, argv[optind]) == 0)
            return cli_print_json(admission_schema((enum admission_kind)k), EXIT_PASS);
    return cli_usage("schema", "no schema \"%.60s\"; `cto-harness schema` lists them", argv[optind]);
}
