/* doctor.c - what can this host do? The launcher really tries each mechanism; this adds programs, home and settings. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "build_id.h"
#include "common/json.h"
#include "supervisor/binaries.h"
#include "supervisor/case.h"
#include "supervisor/cli.h"
#include "supervisor/env_file.h"
#include "supervisor/launcher.h"
#include "supervisor/probes.h"
#include "supervisor/seal.h"
#include "supervisor/store.h"
#include "supervisor/table.h"

const char help_doctor[] = "Usage: cto-harness doctor [--probe] [--json]\n"
                           "\n"
                           "Tries every mechanism that the sandbox needs, looks at programs, home and\n"
                           "settings, and says what is missing and what to do. Changes nothing. Exit 0 when\n"
                           "runs can start here, 3 when something required is missing.\n"
                           "\n"
                           "  --probe   also try to get out of the jails, in every way of the escape suite\n"
                           "            that is harmless when it succeeds. Takes some seconds; exit 1 when\n"
                           "            one does succeed\n"
                           "\n"
                           "Examples:\n"
                           "  cto-harness doctor\n"
                           "  cto-harness doctor --json | jq '.checks[] | select(.ok | not)'\n"
                           "  cto-harness doctor --probe\n"
                           "  cto-harness doctor --probe --json | jq -c '.probes.results[]'\n";

struct checkup {
    cJSON *list, *probes; /* probes: NULL when they were not asked for, or gave nothing */
    bool ok, escaped;
};

static void add(struct checkup *c, const char *name, bool ok, bool required, const char *detail) {
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "name", name);
    json_put_bool(o, "ok", ok);
    json_put_bool(o, "required", required);
    json_put_str(o, "detail", detail);
    cJSON_AddItemToArray(c->list, o);
    if (required && !ok) c->ok = false;
}

static bool is_ok(const cJSON *row) { return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "ok")); }

static void check_sandbox(struct checkup *c) {
    AUTO_BUF struct buf out = BUF_INIT(256u << 10);
    struct err e = ERR_INIT;
    char path[4096];
    if (launcher_path(path, sizeof path, &e) < 0 || launcher_ask(path, "--probe", &out, 20000, &e) < 0) {
        add(c, "sandbox", false, true, e.text);
        return;
    }
    cJSON *rows = cJSON_Parse(buf_str(&out));
    const cJSON *row, *list = cJSON_GetObjectItemCaseSensitive(rows, "checks");
    if (!cJSON_IsArray(list)) add(c, "sandbox", false, true, "cto-harness-sandbox --probe gave no list");
    cJSON_ArrayForEach(row, list) {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(row, "name");
        const cJSON *detail = cJSON_GetObjectItemCaseSensitive(row, "detail");
        add(c, cJSON_IsString(name) ? name->valuestring : "?",
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "ok")),
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "required")),
            cJSON_IsString(detail) ? detail->valuestring : "");
    }
    cJSON_Delete(rows);
}

static void check_cases(struct checkup *c, const struct home *h) {
    struct err e = ERR_INIT;
    char **ids = NULL, detail[700];
    int n = case_ids(h->cases, true, &ids, &e), good = 0;
    for (int i = 0; i < n; i++) {
        struct cto_case k;
        if (case_load(&k, h->cases, ids[i], &e) < 0) break;
        case_release(&k);
        good++;
    }
    bool ok = n > 0 && good == n;
    if (ok)
        snprintf(detail, sizeof detail, "%.600s, %d cases", h->cases, good);
    else
        snprintf(detail, sizeof detail, "%.690s", n == 0 ? "no cases there; give --cases DIR" : e.text);
    add(c, "cases", ok, true, detail);
    case_ids_free(ids, n > 0 ? n : 0);
}

/* Where the home would be made: the nearest directory that exists must let us write. */
static bool can_make(const char *path, char *where, size_t size) {
    snprintf(where, size, "%s", path);
    while (where[0] && access(where, F_OK) < 0) {
        char *slash = strrchr(where, '/');
        if (!slash) return false;
        *slash = '\0';
    }
    if (!where[0]) snprintf(where, size, "/");
    return access(where, W_OK | X_OK) == 0;
}

static void check_home_dir(struct checkup *c, const struct home *h) {
    char detail[700], where[PATH_MAX];
    struct statvfs fs;
    if (access(h->home, F_OK) < 0) {
        bool ok = can_make(h->home, where, sizeof where);
        if (ok)
            snprintf(detail, sizeof detail, "%.600s: not there yet, the first run makes it", h->home);
        else
            snprintf(detail, sizeof detail, "%.300s: cannot be made: %.300s is not writable; give --home DIR", h->home,
                     where);
        add(c, "home", ok, true, detail);
        return;
    }
    double gib = statvfs(h->home, &fs) == 0 ? (double)fs.f_bavail * (double)fs.f_frsize / (1 << 30) : 0;
    bool writable = access(h->home, W_OK | X_OK) == 0;
    const char *what = !writable ? "not writable; give --home DIR" : gib < 0.1 ? "disk is full" : "";
    snprintf(detail, sizeof detail, "%.400s, %.1f GiB free%s%s", h->home, gib, what[0] ? ": " : "", what);
    add(c, "home", !what[0], true, detail);
}

static void check_store(struct checkup *c, const struct home *h) {
    struct err e = ERR_INIT;
    struct store *s = NULL;
    if (access(h->store, F_OK) < 0) return; /* the first run makes it */
    bool ok = store_open(h->store, false, &s, &e) == 0;
    add(c, "store", ok, true, ok ? h->store : e.text);
    store_close(s);
}

static void check_probes(struct checkup *c, const char *libexec) {
    struct err e = ERR_INIT;
    if (probes_run(libexec, &c->probes, &e) < 0) {
        add(c, "escape probes", false, true, e.text);
        return;
    }
    c->escaped = !probes_held(c->probes);
    add(c, "escape probes", !c->escaped, true, c->escaped ? "not all were held" : "none succeeded");
}

static void check_home(struct checkup *c, const struct global_options *g, bool probe) {
    struct err e = ERR_INIT;
    struct home h;
    struct binaries *b = NULL;
    if (home_resolve(&h, &g->home, &e) < 0) {
        add(c, "home, cases, programs", false, true, e.text);
        return;
    }
    check_cases(c, &h);
    bool same = binaries_check(h.libexec, &b, &e) == 0;
    add(c, "programs of one build", same, true, same ? h.libexec : e.text);
    binaries_free(b);
    check_home_dir(c, &h);
    check_store(c, &h);
    if (probe) check_probes(c, h.libexec);
}

static void check_settings(struct checkup *c) {
    static const char *const programs[] = {"/usr/bin/git", "/usr/bin/python3", "/usr/bin/node", "/usr/bin/make",
                                           "/usr/bin/gcc"};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        add(c, strrchr(programs[i], '/') + 1, access(programs[i], X_OK) == 0, i == 0, programs[i]);
    for (int i = 0; env_file_unused[i]; i++) {
        const char *v = getenv(env_file_unused[i]);
        if (v && v[0]) add(c, env_file_unused[i], true, false, "set, accepted for compatibility, not used");
    }
}

/* What is missing is said again below the table where the table had to be cut: there it is the remedy that counts. */
static void print_table(const cJSON *list) {
    static const struct table_column columns[] = {
        {.title = ""}, {.title = "", .least = 22}, {.title = "", .least = 10, .drop = 1}};
    struct table *t = table_new(columns, 3);
    int width = table_width(STDOUT_FILENO);
    const cJSON *row;
    cJSON_ArrayForEach(row, list) {
        bool required = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "required"));
        table_cell(t, is_ok(row) ? "ok" : required ? "MISSING" : "absent", NULL);
        table_cell(t, cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring, NULL);
        table_cell(t, cJSON_GetObjectItemCaseSensitive(row, "detail")->valuestring, NULL);
    }
    table_print(t, stdout, width, false);
    table_free(t);
    cJSON_ArrayForEach(row, list) {
        const char *name = cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring;
        const char *detail = cJSON_GetObjectItemCaseSensitive(row, "detail")->valuestring;
        AUTO_BUF struct buf line = BUF_INIT(8192);
        buf_printf(&line, "\n%s: ", name);
        report_put_text(&line, detail, false);
        if (width > 0 && !is_ok(row) && strlen(name) + strlen(detail) + 16 > (size_t)width)
            printf("%s\n", buf_str(&line));
    }
}

int cmd_doctor(const struct global_options *g, int argc, char **argv) {
    const bool probe = argc == 2 && strcmp(argv[1], "--probe") == 0;
    if (argc > 1 && !probe) return cli_usage("doctor", "unexpected argument %.60s", argv[1]);
    struct checkup c = {.list = cJSON_CreateArray(), .ok = true};
    check_sandbox(&c);
    check_home(&c, g, probe);
    check_settings(&c);
    int code = c.escaped ? EXIT_FAIL : c.ok ? EXIT_PASS : EXIT_BLOCKED;
    if (g->json) {
        cJSON *doc = cJSON_CreateObject();
        json_put_bool(doc, "ok", c.ok);
        json_put_str(doc, "version", CTO_VERSION);
        json_put_str(doc, "build_id", CTO_BUILD_ID);
        json_put(doc, "checks", c.list);
        if (c.probes) json_put(doc, "probes", c.probes);
        return cli_print_json(doc, code);
    }
    print_table(c.list);
    if (c.probes) probes_print(c.probes);
    printf("\n%s\n", c.escaped ? "A probe succeeded: this host does not hold what is promised."
                     : c.ok    ? "Runs can start on this host."
                               : "Something required is missing: runs would end blocked.");
    cJSON_Delete(c.list);
    cJSON_Delete(c.probes);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}
