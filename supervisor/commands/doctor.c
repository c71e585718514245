/* doctor.c - what can this host do? The launcher really tries each mechanism; this adds programs, home and settings. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "build_id.h"
#include "common/json.h"
#include "supervisor/binaries.h"
#include "supervisor/cli.h"
#include "supervisor/env_file.h"
#include "supervisor/launcher.h"

const char help_doctor[] =
    "Usage: cto-harness doctor [--json]\n\n"
    "Tries every mechanism that the sandbox needs, looks at programs, home and settings, and says what is missing and "
    "what to\n"
    "do. Changes nothing. Exit 0 when runs can start here, 3 when something required is missing.\n\n"
    "Example:\n"
    "  cto-harness doctor --json | jq '.checks[] | select(.ok | not)'\n";

struct checkup {
    cJSON *list;
    bool ok;
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

static void check_home(struct checkup *c, const struct global_options *g) {
    struct err e = ERR_INIT;
    struct home h;
    struct binaries *b = NULL;
    char detail[700];
    if (home_resolve(&h, &g->home, &e) < 0) {
        add(c, "home", false, true, e.text);
        return;
    }
    add(c, "cases", true, true, h.cases);
    bool same = binaries_check(h.libexec, &b, &e) == 0;
    add(c, "programs of one build", same, true, same ? h.libexec : e.text);
    binaries_free(b);
    struct statvfs fs;
    bool exists = statvfs(h.home, &fs) == 0;
    if (exists) {
        double gib = (double)fs.f_bavail * (double)fs.f_frsize / (1 << 30);
        snprintf(detail, sizeof detail, "%.500s, %.1f GiB free", h.home, gib);
        add(c, "home", access(h.home, W_OK) == 0 && gib > 0.1, true, detail);
    } else {
        int why = errno;
        snprintf(detail, sizeof detail, "%.500s: %s", h.home,
                 why == ENOENT ? "not there yet, the first run makes it" : strerror(why));
        add(c, "home", why == ENOENT, true, detail);
    }
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

int cmd_doctor(const struct global_options *g, int argc, char **argv) {
    if (argc > 1) return cli_usage("doctor", "unexpected argument %s", argv[1]);
    struct checkup c = {.list = cJSON_CreateArray(), .ok = true};
    check_sandbox(&c);
    check_home(&c, g);
    check_settings(&c);
    int code = c.ok ? EXIT_PASS : EXIT_BLOCKED;
    if (g->json) {
        cJSON *doc = cJSON_CreateObject();
        json_put_bool(doc, "ok", c.ok);
        json_put_str(doc, "version", CTO_VERSION);
        json_put_str(doc, "build_id", CTO_BUILD_ID);
        json_put(doc, "checks", c.list);
        return cli_print_json(doc, code);
    }
    const cJSON *row;
    cJSON_ArrayForEach(row, c.list) {
        bool ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "ok"));
        bool required = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "required"));
        printf("%-9s %-26s %s\n",
               ok         ? "ok"
               : required ? "MISSING"
                          : "absent",
               cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring,
               cJSON_GetObjectItemCaseSensitive(row, "detail")->valuestring);
    }
    printf("\n%s\n", c.ok ? "Runs can start on this host." : "Something required is missing: runs would end blocked.");
    cJSON_Delete(c.list);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}
