/* verify.c - the verdict's own ground: a checkout of the result commit, the case's pristine files over it, and each
 * command in a fresh jail.
 *
 * Nothing of the engine is in these jails: not its workspace, not its .git, not its state. The checkout was written
 * by a confined inspector from our own object store. What the agent committed is hostile still: a link or a file
 * where a pristine path needs a directory is removed, and no name is ever followed.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "worker/copy.h"
#include "worker/jailed.h"

/* --- pristine paths --------------------------------------------------------------------------------------------- */

static int open_source_dir(const struct worker *w, const char *dir, struct err *e) {
    char path[PATH_MAX * 2];
    AUTO_FD int root = open("/case", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return err_sys(e, "open the case");
    if (w->spec.fixture == NULL) return err_set(e, ERR_MISSING, "the case has no fixture to restore from");
    snprintf(path, sizeof path, "%s%s%s", w->spec.fixture, dir[0] != '\0' ? "/" : "", dir);
    return io_open_beneath(root, path, O_RDONLY | O_DIRECTORY, 0, e);
}

static int restore_one(const struct worker *w, struct copier *c, int checkout, const char *path, struct err *e) {
    char buf[PATH_MAX];
    const char *dir, *name;
    if (copy_split(path, buf, &dir, &name, e) < 0) return -1;
    AUTO_FD int src = open_source_dir(w, dir, e);
    if (src < 0) return -1;
    if (faccessat(src, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "in the fixture");
    AUTO_FD int dst = copy_open_dir(c, checkout, dir, true, e);
    /* Removed first, not merged: a file that the agent added to a pristine directory (a conftest.py, say) decides
     * tests. */
    if (dst < 0 || io_remove_tree_at(dst, name, e) < 0) return -1;
    return copy_entry(c, src, name, dst, name, e);
}

static int restore_pristine(struct worker *w, struct err *e) {
    if (w->spec.n_pristine == 0) return 0;
    struct span s = span_start("pristine");
    struct copier c = {.owner = worker_verifier_uid(w)};
    AUTO_FD int checkout = io_open_beneath(AT_FDCWD, "area/check/ws", O_RDONLY | O_DIRECTORY, 0, e); /* cwd is "/" */
    int rc = checkout < 0 ? -1 : 0;
    for (int i = 0; rc == 0 && i < w->spec.n_pristine; i++) {
        rc = restore_one(w, &c, checkout, w->spec.pristine[i], e);
        if (rc < 0) err_ctx(e, "restore %s", w->spec.pristine[i]);
    }
    if (rc < 0) return span_close(&w->up, &s, rc, e);
    span_end(&w->up, &s, true, "%llu files restored", (unsigned long long)c.files);
    return 0;
}

/* --- the commands ----------------------------------------------------------------------------------------------- */

static void send_start(struct worker *w, int index) {
    AUTO_BUF struct buf b = BUF_INIT(8);
    buf_put_u16(&b, (uint16_t)index);
    up_control(&w->up, MSG_VERIFY_START, &b);
}

static void send_end(struct worker *w, int index, const struct ending *end) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u16(&b, (uint16_t)index);
    buf_put_u8(&b, (uint8_t)end->kind);
    buf_put_u32(&b, (uint32_t)end->code);
    buf_put_u64(&b, end->duration_us);
    buf_put_u64(&b, end->output_bytes);
    buf_put_u64(&b, end->dropped_bytes);
    buf_put_str(&b, end->detail);
    up_control(&w->up, MSG_VERIFY_END, &b);
}

static int run_command(struct worker *w, int index, struct err *e) {
    const struct spec_command *cmd = &w->spec.verify[index];
    struct jail_bind binds[1 + SPEC_MAX_PATHS] = {
        {.source = "/area/check/ws", .target = "/workspace", .writable = true}};
    size_t n_binds = 1;
    for (int i = 0; i < w->spec.n_read_roots; i++) /* the tool chain that the engine had */
        binds[n_binds++] = (struct jail_bind){.source = w->spec.read_roots[i], .target = w->spec.read_roots[i]};
    struct jailed j = {
        .spec = {.profile = JAIL_VERIFIER,
                 .argv = cmd->argv,
                 .cwd = "/workspace",
                 .binds = binds,
                 .n_binds = n_binds,
                 .uid = w->mode == JAIL_MODE_ROOT ? (uid_t)w->spec.verifier_uid : 0},
        .out = OUT_VERIFY,
        .err = OUT_VERIFY,
        .timeout_us = (uint64_t)cmd->timeout_ms * 1000,
        .observed = DENIED_BY_VERIFIER,
        .command = index,
        .workspace = "/area/check/ws",
        .project = &w->checkout,
    };
    send_start(w, index);
    struct span s = span_start("verify %d", index);
    struct ending end;
    int rc = jailed_run(w, &j, &end, e);
    if (rc < 0) {
        err_ctx(e, "verification command %d", index);
        return span_close(&w->up, &s, rc, e);
    }
    span_end(&w->up, &s, true, "%s %d%s%s", end_kind_name(end.kind), end.code, end.detail[0] != '\0' ? ": " : "",
             end.detail);
    jailed_tell_limits(w, (unsigned)index, &end);
    send_end(w, index, &end);
    return 0;
}

static void skip(struct worker *w, const char *why) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_str(&b, why);
    up_control(&w->up, MSG_VERIFY_SKIP, &b);
}

int verify_run(struct worker *w, struct err *e) {
    if (w->result.kind != RESULT_COMMITTED) return 0; /* inspection_result() has said why */
    if (w->spec.n_verify == 0) {
        skip(w, "the case declares no verification command");
        return 0;
    }
    /* All of them: the report has a row for each. Each in a checkout of its own: a command runs the agent's code, which could
     * otherwise rewrite the tests of the next. */
    for (int i = 0; i < w->spec.n_verify; i++) {
        if (i > 0 && workspace_fresh_checkout(w, i - 1, e) < 0) return -1;
        if (inspect_run(w, INSPECT_CHECKOUT, NULL, e) < 0 || restore_pristine(w, e) < 0 || run_command(w, i, e) < 0)
            return -1;
    }
    return 0;
}
