/* store.c - `cto-harness store info|check`: read-only looks at the store. */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "supervisor/cli.h"
#include "supervisor/store.h"

const char help_store[] = "Usage: cto-harness store info [--json]\n"
                          "       cto-harness store check [--json]\n"
                          "\n"
                          "  info   version, counts and sizes of the store\n"
                          "  check  is the file whole, does every reference lead somewhere, do the rows\n"
                          "         make sense; exit 1 when not\n"
                          "\n"
                          "Examples:\n"
                          "  cto-harness store info\n"
                          "  cto-harness --home /srv/cto store check --json | jq .errors\n";

struct findings {
    cJSON *list;
    bool print;
};

static void note(void *ctx, const char *what) {
    struct findings *f = ctx;
    cJSON_AddItemToArray(f->list, json_bytes(what, strlen(what)));
    if (f->print) printf("not right: %s\n", what);
}

static int check(const struct global_options *g, struct store *s, const char *path) {
    struct err e = ERR_INIT;
    struct findings f = {.list = cJSON_CreateArray(), .print = !g->json};
    BUG_UNLESS(f.list != NULL);
    if (store_check(s, note, &f, &e) < 0) {
        cJSON_Delete(f.list);
        return cli_error(&e);
    }
    int code = cJSON_GetArraySize(f.list) == 0 ? EXIT_PASS : EXIT_FAIL;
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put_bool(o, "ok", code == EXIT_PASS);
        json_put(o, "store", json_bytes(path, strlen(path)));
        json_put(o, "errors", f.list);
        return cli_print_json(o, code);
    }
    if (code == EXIT_PASS && !g->quiet) printf("store %s: ok\n", path);
    cJSON_Delete(f.list);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

static const struct {
    const char *name;
    size_t offset;
} rows[] = {
#define ROW(field) \
    { #field, offsetof(struct store_counts, field) }
    ROW(user_version), ROW(runs),   ROW(unfinished), ROW(passed),         ROW(failed),     ROW(blocked),
    ROW(matrices),     ROW(events), ROW(artifacts),  ROW(supervisors),    ROW(file_bytes), ROW(wal_bytes),
    ROW(page_size),    ROW(pages),  ROW(free_pages), ROW(artifact_bytes),
#undef ROW
};

static int info(const struct global_options *g, struct store *s, const char *path) {
    struct err e = ERR_INIT;
    struct store_counts c;
    if (store_info(s, &c, &e) < 0) return cli_error(&e);
    struct findings f = {.list = cJSON_CreateArray()};
    BUG_UNLESS(f.list != NULL);
    if (store_check(s, note, &f, &e) < 0) {
        cJSON_Delete(f.list);
        return cli_error(&e);
    }
    bool whole = cJSON_GetArraySize(f.list) == 0;
    cJSON_Delete(f.list);
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put(o, "store", json_bytes(path, strlen(path)));
    json_put_str(o, "integrity", whole ? "ok" : "not ok: see store check");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t v;
        memcpy(&v, (const char *)&c + rows[i].offset, sizeof v);
        json_put_int(o, rows[i].name, v);
    }
    int code = whole ? EXIT_PASS : EXIT_FAIL;
    if (g->json) return cli_print_json(o, code);
    for (const cJSON *x = o->child; x; x = x->next) {
        if (cJSON_IsString(x))
            printf("%-15s %s\n", x->string, x->valuestring);
        else
            printf("%-15s %.0f\n", x->string, x->valuedouble);
    }
    cJSON_Delete(o);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

int cmd_store(const struct global_options *g, int argc, char **argv) {
    struct err e = ERR_INIT;
    struct home h;
    struct store *s = NULL;
    if (cli_no_options("store", argc, argv) != 0) return EXIT_USAGE;
    const char *what = optind < argc ? argv[optind] : "";
    bool is_check = strcmp(what, "check") == 0;
    if (!is_check && strcmp(what, "info") != 0) return cli_usage("store", "say info or check, not \"%.60s\"", what);
    if (argc - optind != 1) return cli_usage("store", "%s takes no argument: %.60s", what, argv[optind + 1]);
    if (home_resolve(&h, &g->home, &e) < 0 || store_open(h.store, false, &s, &e) < 0) return cli_error(&e);
    int code = is_check ? check(g, s, h.store) : info(g, s, h.store);
    store_close(s);
    return code;
}
