/* proof_outside.c - what must be the same before and after, by content: the cases and programs of the harness, where the backend
 * comes from, and what the operator wants protected. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/commands/proof_run.h"
#include "supervisor/engine_file.h"
#include "supervisor/tree_digest.h"

/* Through links: the program that would be started is what counts. */
static int file_digest(const char *path, char hex[DIGEST_HEX_SIZE], struct err *e) {
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? err_sys(e, "open %s", path) : digest_fd(fd, hex, NULL, e);
}

static void put(struct proof *p, struct outside *o, const char *what, const char *path, bool file) {
    char hex[DIGEST_HEX_SIZE] = "", key[PATH_MAX + 64];
    struct err e = ERR_INIT;
    const int rc = file ? file_digest(path, hex, &e) : tree_digest(path, hex, &e);
    if (rc < 0) {
        o->bad = true;
        holdf(p, "nothing_outside_changed", false, "%s: %s", what, e.text);
        return;
    }
    snprintf(key, sizeof key, "%s %s", what, path);
    if (!run_look_get(o->before, key)) json_put_str(o->before, key, hex);
}

/* The operator's own description of a command, the command, and what it may read of the host. */
static void put_engine_file(struct proof *p, struct outside *o) {
    char variable[96];
    struct err e = ERR_INIT;
    snprintf(variable, sizeof variable, "%sENGINE_FILE", p->engine->variables);
    const char *path = getenv(variable);
    struct engine_file *file = calloc(1, sizeof *file);
    BUG_UNLESS(file != NULL);
    if (path && engine_file_read(file, path, &e) == 0) {
        put(p, o, "engine", path, true);
        (void)engine_file_find(file, p->engine->variables, true, NULL);
        if (file->program == PROGRAM_FIXED && file->sha256[0]) put(p, o, "engine", file->command[0], true);
        if (file->shown) put(p, o, "engine", file->shown, file->program == PROGRAM_FILE);
        for (int i = 0; i < file->n_read_roots; i++) put(p, o, "engine", file->read_roots[i], false);
        engine_file_release(file);
    } else {
        o->bad = true;
        hold(p, "nothing_outside_changed", false, path ? e.text : "no engine file is named");
    }
    free(file);
}

static void put_program(struct proof *p, struct outside *o) {
    char variable[96], dir[PATH_MAX];
    snprintf(variable, sizeof variable, "%sBIN", p->engine->variables);
    const char *path = getenv(variable), *slash = path ? strrchr(path, '/') : NULL;
    if (!slash || slash == path) return; /* the double, which is among our programs */
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    if (access(dir, F_OK) == 0) put(p, o, "engine", dir, false);
}

void outside_look(struct proof *p, struct outside *ret) {
    *ret = (struct outside){.before = cJSON_CreateObject()};
    BUG_UNLESS(ret->before != NULL);
    put(p, ret, "harness", p->home.cases, false);
    put(p, ret, "harness", p->home.libexec, false);
    if (p->engine->needs & NEED_FILE && p->stage > 1) put_engine_file(p, ret);
    if (p->engine->needs & NEED_EXECUTABLE) put_program(p, ret);
    for (int i = 0; i < p->w->n_protect; i++) put(p, ret, "protected", p->w->protect[i], false);
}

void outside_check(struct proof *p, struct outside *before) {
    struct outside after;
    outside_look(p, &after);
    const cJSON *d;
    cJSON_ArrayForEach(d, before->before) {
        const char *now = run_look_text(after.before, d->string);
        holdf(p, "nothing_outside_changed", strcmp(now, d->valuestring) == 0, "%.400s is not as it was", d->string);
    }
    hold(p, "nothing_outside_changed", !before->bad && !after.bad && cJSON_GetArraySize(before->before) >= 2,
         "not all of it could be looked at");
    json_put(p->extra, "content_digests", after.before);
    cJSON_Delete(before->before);
    before->before = NULL;
}
