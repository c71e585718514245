/* workspace.c - `cto-harness workspace validate`: the lint of workspace.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "supervisor/cli.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"
#include "supervisor/workspace.h"
#include "supervisor/yaml.h"

const char help_workspace[] = "Usage: cto-harness workspace validate DIR [--json]\n"
                              "\n"
                              "Checks a planning workspace: front matter and standing sentences of its\n"
                              "Markdown, the terms of CONTEXT.md, the entries of WORKBOARD.yaml with what\n"
                              "they wait for and the PRD, issues and evidence that belong to them, links,\n"
                              "admission records, claims that nobody may make, text that looks like a secret.\n"
                              "Reads only, follows no link. One line \"file:line: rule: message\" for each\n"
                              "mistake. The rules are in the manual page.\n"
                              "\n"
                              "Exit codes: 0 everything holds; 1 something does not; 2 there is no such\n"
                              "directory.\n"
                              "\n"
                              "Examples:\n"
                              "  cto-harness workspace validate ./planning\n"
                              "  cto-harness workspace validate ./planning --json | jq -r '.errors[].rule'\n";

static const char *text(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return s ? s : "";
}

static void print_error(const cJSON *x) {
    AUTO_BUF struct buf line = BUF_INIT(16384);
    report_put_text(&line, text(x, "file"), false);
    buf_printf(&line, ":%d: %s: ", cJSON_GetObjectItemCaseSensitive(x, "line")->valueint, text(x, "rule"));
    report_put_text(&line, text(x, "message"), false);
    printf("%s\n", buf_str(&line));
}

static int say(const struct global_options *g, cJSON *checked, cJSON *errors) {
    int n = cJSON_GetArraySize(errors), files = cJSON_GetArraySize(checked), code = n == 0 ? EXIT_PASS : EXIT_FAIL;
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put_bool(o, "ok", n == 0);
        json_put(o, "checked", checked);
        json_put(o, "errors", errors);
        standing_put(o);
        return cli_print_json(o, code);
    }
    const cJSON *x;
    cJSON_ArrayForEach(x, errors) print_error(x);
    if (!g->quiet) printf("%s: %d files, %d errors\n", n == 0 ? "ok" : "FAILED", files, n);
    cJSON_Delete(checked);
    cJSON_Delete(errors);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

int cmd_workspace(const struct global_options *g, int argc, char **argv) {
    struct err e = ERR_INIT;
    struct home h;
    char yaml[4096];
    cJSON *checked = NULL, *errors = NULL;
    if (cli_no_options("workspace", argc, argv) != 0) return EXIT_USAGE;
    if (argc - optind < 1 || strcmp(argv[optind], "validate") != 0)
        return cli_usage("workspace", "say validate and a directory");
    if (argc - optind != 2 || !argv[optind + 1][0]) return cli_usage("workspace", "validate: one DIR is expected");
    if (home_resolve(&h, &g->home, &e) < 0 || yaml_find(h.libexec, yaml, &e) < 0 ||
        workspace_validate(argv[optind + 1], yaml, &checked, &errors, &e) < 0)
        return cli_error(&e);
    return say(g, checked, errors);
}
