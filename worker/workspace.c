/* workspace.c - the run's directories and the copy of the fixture in them.
 *
 * Who may what, in root mode (as an ordinary user all is one uid, and the jails make the difference):
 *   /area   root 0711: inspectors walk through it under the engine's or the verifier's uid
 *   ws      engine 0700
 *   odb     engine, group verifier, 0750: the checkout step reads objects as the verifier
 *   check   verifier 0700; in it ws, the checkout
 *   state   root 0755: the engine reads it through its read-only mount, and cannot change it
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "worker/copy.h"
#include "worker/worker.h"

static int make_part(int work, const char *name, mode_t mode, int64_t uid, int64_t gid, struct err *e) {
    if (mkdirat(work, name, mode) < 0) return err_sys(e, "make %s", name);
    if (uid >= 0 && fchownat(work, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, "give %s to uid %lld", name, (long long)uid);
    return 0;
}

/* Before anything is in them: a directory that joins a project later leaves out what it holds. */
static int make_projects(struct worker *w, int work, struct err *e) {
    if (project_make(&w->ws, &w->limits, work, "ws", worker_engine_uid(w), e) < 0) return -1;
    return project_make(&w->checkout, &w->limits, work, "check/ws", worker_verifier_uid(w), e);
}

static int make_parts(struct worker *w, int work, struct err *e) {
    int64_t engine = worker_engine_uid(w), verifier = worker_verifier_uid(w);
    if (w->mode == JAIL_MODE_ROOT && fchmod(work, 0711) < 0) return err_sys(e, "open /area to the run's uids");
    if (make_part(work, "ws", 0700, engine, engine, e) < 0 || make_part(work, "odb", 0750, engine, verifier, e) < 0 ||
        make_part(work, "check", 0700, verifier, verifier, e) < 0 ||
        make_part(work, "check/ws", 0755, verifier, verifier, e) < 0)
        return -1;
    if (make_projects(w, work, e) < 0) return -1;
    return make_part(work, "state", 0755, -1, -1, e);
}

/* What ran in the old one may have rewritten tests or taken its mode away; it is not looked at again. The rename needs no
 * right on the directory itself, since its parent stays the same. */
int workspace_fresh_checkout(struct worker *w, int index, struct err *e) {
    int64_t verifier = worker_verifier_uid(w);
    char aside[32];
    AUTO_FD int check = open("/area/check", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (check < 0) return err_sys(e, "open /area/check");
    snprintf(aside, sizeof aside, "used.%d", index);
    if (renameat(check, "ws", check, aside) < 0) return err_sys(e, "put the checkout of command %d aside", index);
    if (make_part(check, "ws", 0755, verifier, verifier, e) < 0) return -1;
    return project_make(&w->checkout, &w->limits, check, "ws", verifier, e);
}

/* A .git of the fixture's own would become the repository: whatever it says, its hooks and alternates included. */
static int refuse_git(int fixture, struct err *e) {
    struct stat st;
    if (fstatat(fixture, ".git", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) return 0;
    return err_set(e, ERR_PARSE, "the fixture holds a .git; a fixture is files only, the baseline is made from them");
}

static int copy_fixture(struct copier *c, int src_root, const char *fixture, int dst, struct err *e) {
    AUTO_FD int src = io_open_beneath(src_root, fixture, O_RDONLY | O_DIRECTORY, 0, e);
    if (src < 0 || refuse_git(src, e) < 0 || copy_inside(c, src, dst, e) < 0) return err_ctx(e, "fixture %s", fixture);
    return 0;
}

static int copy_submodules(struct copier *c, const struct run_spec *s, int src_root, int ws, struct err *e) {
    for (int i = 0; i < s->n_submodules; i++) {
        char buf[PATH_MAX];
        const char *dir, *name;
        if (copy_split(s->submodules[i].path, buf, &dir, &name, e) < 0) return err_ctx(e, "submodule");
        AUTO_FD int dst = copy_open_dir(c, ws, s->submodules[i].path, false, e);
        if (dst < 0 || copy_fixture(c, src_root, s->submodules[i].fixture, dst, e) < 0)
            return err_ctx(e, "submodule %s", s->submodules[i].path);
    }
    return 0;
}

/* File n of a generated set: <dir>/<n / 100, three digits>/f<n, six digits>.txt, its name repeated to the size. The
 * same bytes in every run, different bytes in every file. */
static int generate_one(struct copier *c, int dir, int64_t n, size_t size, struct err *e) {
    static char text[1 << 20];
    char name[32];
    int len = snprintf(name, sizeof name, "f%06lld.txt", (long long)n);
    BUG_UNLESS(size <= sizeof text);
    for (size_t i = 0; i < size; i++)
        text[i] = i % (size_t)(len + 1) < (size_t)len ? name[i % (size_t)(len + 1)] : '\n';
    return copy_bytes(c, dir, name, text, size, e);
}

static int generate(struct copier *c, const struct run_spec *s, int ws, struct err *e) {
    AUTO_FD int dir = -1;
    for (int64_t n = 0; s->generate_dir != NULL && n < s->generate_count; n++) {
        if (n % 100 == 0) {
            char path[PATH_MAX + 16];
            size_t len = strlen(s->generate_dir);
            bool slash = len > 0 && s->generate_dir[len - 1] == '/';
            snprintf(path, sizeof path, "%s%s%03lld", s->generate_dir, slash ? "" : "/", (long long)(n / 100));
            if (dir >= 0) close(dir);
            dir = copy_open_dir(c, ws, path, false, e);
            if (dir < 0) return -1;
        }
        if (generate_one(c, dir, n, (size_t)s->generate_size, e) < 0) return -1;
    }
    return 0;
}

static int fill(struct worker *w, struct copier *c, int work, struct err *e) {
    const struct run_spec *s = &w->spec;
    AUTO_FD int ws = io_open_beneath(work, "ws", O_RDONLY | O_DIRECTORY, 0, e);
    AUTO_FD int src = open("/case", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ws < 0) return -1;
    if (src < 0) return err_sys(e, "open the case");
    if (s->fixture != NULL && copy_fixture(c, src, s->fixture, ws, e) < 0) return -1;
    if (generate(c, s, ws, e) < 0) return err_ctx(e, "generate %s", s->generate_dir);
    return copy_submodules(c, s, src, ws, e);
}

int workspace_make(struct worker *w, struct err *e) {
    struct span s = span_start("workspace");
    struct copier c = {.owner = worker_engine_uid(w)};
    AUTO_FD int work = open("/area", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = work < 0 ? err_sys(e, "open /area") : 0;
    if (rc == 0) rc = make_parts(w, work, e);
    if (rc == 0) rc = fill(w, &c, work, e);
    if (rc < 0) {
        err_ctx(e, "workspace");
        return span_close(&w->up, &s, rc, e);
    }
    span_end(&w->up, &s, true, "%llu files, %llu bytes, %s", (unsigned long long)c.files, (unsigned long long)c.bytes,
             c.bytes == 0    ? "nothing to copy"
             : !c.no_reflink ? "reflink"
             : !c.no_range   ? "copy_file_range"
                             : "read and write");
    return 0;
}
