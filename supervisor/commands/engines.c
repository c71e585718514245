/* engines.c - prints the dispatch table, and the engine files that are shipped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "embedded.h"
#include "supervisor/cli.h"
#include "supervisor/engine_file.h"
#include "supervisor/engines.h"
#include "supervisor/standing.h"
#include "supervisor/table.h"

const char help_engines[] = "Usage: cto-harness engines [--json]\n"
                            "       cto-harness engines show NAME\n"
                            "\n"
                            "Lists the backends: how each is gated, whether the gate is open in this\n"
                            "environment, whether this build has its adapter. A gated backend runs only when\n"
                            "its variable is \"1\"; fake is the default lane and always open. Then the engine\n"
                            "files that come with it: codex and pi are those two backends, the others are for\n"
                            "the exec backend, to be used as they are or copied and changed. \"show\" prints\n"
                            "one.\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness engines\n"
                            "  cto-harness engines --json | jq -r '.engines[] | select(.gate_open).name'\n"
                            "  cto-harness engines show shell >my-agent.json\n";

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

/* --- engine files --------------------------------------------------------------------------------------------------------- */

/* One that is shipped; that it can be read is a unit test's business. */
static struct engine_file *shipped_file(const struct embedded_file *text) {
    struct engine_file *f = calloc(1, sizeof *f);
    struct err e = ERR_INIT;
    BUG_UNLESS(f != NULL);
    if (engine_file_parse(f, text->name, text->text, text->len, &e) < 0) err_bug(__FILE__, __LINE__, e.text);
    return f;
}

static void shipped_free(struct engine_file *f) {
    engine_file_release(f);
    free(f);
}

/* What somebody has to have for it, as words. */
static int needs(const struct engine_file *f, const char *ret[4]) {
    int n = 0;
    if (f->program == PROGRAM_FILE) ret[n++] = "BIN";
    if (f->program == PROGRAM_PACKAGE || f->program == PROGRAM_PACKAGES) ret[n++] = "BIN in node_modules";
    if (f->interpreter_name) ret[n++] = f->interpreter_name;
    if (f->uses_model) ret[n++] = f->api == API_CHAT ? "a model (chat)" : "a model (responses)";
    return n;
}

static cJSON *file_json(const struct embedded_file *text) {
    const char *words[4];
    struct engine_file *f = shipped_file(text);
    cJSON *o = json_new_object();
    json_put_str(o, "name", f->name);
    json_put_str(o, "summary", f->summary);
    json_put_str(o, "engine", engine_find(f->name) ? f->name : "exec");
    json_put_bool(o, "tested", f->tested);
    json_put_str(o, "version", f->version);
    json_put_bool(o, "uses_model", f->uses_model);
    json_put_str(o, "api", engine_api_words[f->api]);
    json_put(o, "needs", json_strings(words, (size_t)needs(f, words)));
    json_put_str(o, "sha256", f->digest);
    shipped_free(f);
    return o;
}

static void print_files(void) {
    static const struct table_column columns[] = {{.title = "engine file"},
                                                  {.title = "tested", .least = 6},
                                                  {.title = "needs", .least = 10},
                                                  {.title = "what", .least = 16, .drop = 1}};
    struct table *t = table_new(columns, 4);
    for (int i = 0; engine_shipped_at(i); i++) {
        const char *words[4];
        char tested[96], list[160] = "-";
        struct engine_file *f = shipped_file(engine_shipped_at(i));
        snprintf(tested, sizeof tested, "%s%s", f->tested ? "with " : "no", f->tested ? f->version : "");
        const int n = needs(f, words);
        for (int k = 0, used = 0; k < n; k++)
            used += snprintf(list + used, sizeof list - (size_t)used, "%s%.40s", k ? ", " : "", words[k]);
        table_cell(t, f->name, NULL);
        table_cell(t, tested, NULL);
        table_cell(t, list, NULL);
        table_cell(t, f->summary, NULL);
        shipped_free(f);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), true);
    table_free(t);
}

static int show(int argc, char **argv) {
    if (argc != 3) return cli_usage("engines", "show: exactly one NAME is expected");
    const struct embedded_file *f = engine_shipped(argv[2]);
    if (!f) return cli_usage("engines", "no engine file \"%.60s\"; 'cto-harness engines' lists them", argv[2]);
    return fputs(f->text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

int cmd_engines(const struct global_options *g, int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "show") == 0) return show(argc, argv);
    if (argc > 1) return cli_usage("engines", "unexpected argument %.60s", argv[1]);
    if (g->json) {
        cJSON *doc = cJSON_CreateObject(), *list = cJSON_CreateArray();
        for (int i = 0; engine_at(i); i++) cJSON_AddItemToArray(list, engine_json(engine_at(i), i == 0));
        json_put(doc, "engines", list);
        cJSON *files = json_new_array();
        for (int i = 0; engine_shipped_at(i); i++)
            BUG_UNLESS(cJSON_AddItemToArray(files, file_json(engine_shipped_at(i))));
        json_put(doc, "files", files);
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
    putchar('\n');
    print_files();
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}
