/* refresh_rerun.c - see refresh_rerun.h. What was landed came from an agent: no name in it is followed. */
#include "supervisor/commands/refresh_rerun.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/ask.h"
#include "supervisor/launcher.h"
#include "supervisor/repo.h"

#define JAIL_UID 1879048192u /* of a jail started by root, as cto-harness-sandbox has it */
#define ARGS_MAX (SPEC_MAX_ARGV + 64)
#define OVER_MS 15000 /* beyond the command's own time: the jail's, and the kill */

static void say(char *why, size_t size, const char *text) { snprintf(why, size, "%s", text); }

/* "a/b/c": the directory a/b below `dir`, without following a link; made when it is not there. */
static int parent_of(int dir, const char *path, struct err *e) {
    const char *slash = strrchr(path, '/');
    if (!slash) return io_open_beneath(dir, ".", O_RDONLY | O_DIRECTORY, 0, e);
    AUTO_FREE char *at = strndup(path, (size_t)(slash - path));
    BUG_UNLESS(at != NULL);
    if (io_mkdirs_at(dir, at, 0755, e) < 0) return -1;
    return io_open_beneath(dir, at, O_RDONLY | O_DIRECTORY, 0, e);
}

/* What is there now goes, what was there before comes; a path that was not there before is not there. */
static int restore(int base, int tree, const char *rule, struct err *e) {
    AUTO_FREE char *path = strdup(rule);
    BUG_UNLESS(path != NULL);
    const size_t n = strlen(path);
    if (n > 0 && path[n - 1] == '/') path[n - 1] = '\0';
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    AUTO_FD int to = parent_of(tree, path, e);
    if (to < 0 || io_remove_tree_at(to, name, e) < 0) return -1;
    AUTO_FD int from = parent_of(base, path, e);
    if (from < 0) return -1;
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return 0;
    return renameat(from, name, to, name) < 0 ? err_sys(e, "a pristine path") : 0;
}

static int restore_all(const char *base, const char *tree, const struct cto_case *c, struct err *e) {
    AUTO_FD int from = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    AUTO_FD int to = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0 || to < 0) return err_sys(e, "the exported tree");
    for (int i = 0; i < c->pristine.n; i++)
        if (restore(from, to, c->pristine.v[i], e) < 0) return -1;
    return 0;
}

static int give(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return lchown(path, JAIL_UID, JAIL_UID);
}

/* The exit code of one command; -1: there was none. */
static int run_one(const struct spec_command *v, const struct cto_case *c, const char *tree, struct err *e) {
    const char *argv[ARGS_MAX];
    char launcher[4096], bind[4200], seconds[32];
    AUTO_BUF struct buf out = BUF_INIT(4096);
    int n = 0;
    if (launcher_path(launcher, sizeof launcher, e) < 0) return -1;
    snprintf(bind, sizeof bind, "%s:/workspace", tree);
    snprintf(seconds, sizeof seconds, "%lld", (long long)(v->timeout_ms + 999) / 1000);
    const char *const first[] = {"/bin/sh",      "-c",        "exec \"$0\" \"$@\" >/dev/null 2>&1",
                                 launcher,       "--profile", "verifier",
                                 "--bind-write", bind,        "--chdir",
                                 "/workspace",   "--timeout", seconds};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) argv[n++] = first[i];
    for (int i = 0; i < c->read_roots.n && n + 4 < ARGS_MAX - SPEC_MAX_ARGV; i++) {
        argv[n++] = "--read";
        argv[n++] = c->read_roots.v[i];
    }
    argv[n++] = "--";
    for (int i = 0; i < v->argc && n < ARGS_MAX - 1; i++) argv[n++] = v->argv[i];
    argv[n] = NULL;
    return ask(argv, -1, &out, (int)v->timeout_ms + OVER_MS, e);
}

static enum lane_status run_all(const struct rerun_order *o, const char *tree, char *why, size_t size) {
    for (int i = 0; i < o->c->n_verify; i++) {
        struct err e = ERR_INIT;
        const int code = run_one(&o->c->verify[i], o->c, tree, &e);
        if (code == 0) continue;
        if (code < 0 || code == 4) {
            say(why, size, "no jail could be built for the verification");
            return LANE_BLOCKED;
        }
        snprintf(why, size, "command %d of the verification ended with %d on the landed commit", i + 1, code);
        return LANE_FAIL;
    }
    return LANE_PASS;
}

static enum lane_status rerun_in(const struct rerun_order *o, const char *dir, char *why, size_t size) {
    char base[4096], tree[4096];
    struct err e = ERR_INIT;
    if (snprintf(base, sizeof base, "%s/base", dir) >= (int)sizeof base ||
        snprintf(tree, sizeof tree, "%s/tree", dir) >= (int)sizeof tree ||
        repo_export(o->repository, o->base, base, &e) < 0 || repo_export(o->repository, o->landed, tree, &e) < 0) {
        say(why, size, "the landed commit cannot be read as files");
        return LANE_BLOCKED;
    }
    if (restore_all(base, tree, o->c, &e) < 0 || (geteuid() == 0 && nftw(tree, give, 16, FTW_PHYS) != 0)) {
        say(why, size, "the pristine paths cannot be put back without following a link");
        return LANE_BLOCKED;
    }
    return run_all(o, tree, why, size);
}

enum lane_status refresh_rerun(const struct rerun_order *o, char *why, size_t size) {
    char dir[3800];
    why[0] = '\0';
    if (o->c->n_verify == 0) {
        say(why, size, "the case has no verification");
        return LANE_BLOCKED;
    }
    if (snprintf(dir, sizeof dir, "%s/%s", o->home->work, o->name) >= (int)sizeof dir || mkdir(dir, 0755) < 0) {
        say(why, size, "no directory for it could be made");
        return LANE_BLOCKED;
    }
    const enum lane_status s = rerun_in(o, dir, why, size);
    (void)io_remove_tree_at(AT_FDCWD, dir, NULL);
    return s;
}
