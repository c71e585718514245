/* history.c - deterministic: identity, dates and content depend on nothing but the number of commits. */
#include "worker/inspect/history.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/io.h"
#include "worker/inspect/out.h"

#define LINES_MAX 500 /* then the oldest line goes: the blobs of a long history would be quadratic in its length */

static int one_entry_tree(struct workshop *w, const char *name, const git_oid *oid, git_filemode_t mode, git_oid *ret,
                          struct err *e) {
    git_treebuilder *tb = NULL;
    int r = git_treebuilder_new(&tb, w->repo, NULL);
    if (r == 0) r = git_treebuilder_insert(NULL, tb, name, oid, mode);
    if (r == 0) r = git_treebuilder_write(ret, tb);
    git_treebuilder_free(tb);
    return r < 0 ? out_git_error(e, ERR_INTERNAL, "make a tree of the generated history") : 0;
}

static int one_commit(struct workshop *w, const struct buf *log, int i, int n, git_oid *last, struct err *e) {
    git_oid blob, dir, root, made;
    char message[64];
    snprintf(message, sizeof message, "history %d of %d\n", i, n);
    if (workshop_blob(w, log->p, log->len, &blob, e) < 0 ||
        one_entry_tree(w, "log.txt", &blob, GIT_FILEMODE_BLOB, &dir, e) < 0 ||
        one_entry_tree(w, "history", &dir, GIT_FILEMODE_TREE, &root, e) < 0 ||
        workshop_commit(w, &root, i > 1 ? last : NULL, i - n - 1, message, &made, e) < 0)
        return -1;
    *last = made;
    return 0;
}

int history_make(struct workshop *w, int ws_fd, int n, git_oid *ret_last, struct err *e) {
    AUTO_BUF struct buf log = BUF_INIT(1u << 20);
    for (int i = 1; i <= n; i++) {
        buf_printf(&log, "entry %d\n", i);
        if (i > LINES_MAX) buf_consume(&log, (size_t)snprintf(NULL, 0, "entry %d\n", i - LINES_MAX));
        if (one_commit(w, &log, i, n, ret_last, e) < 0) return -1;
    }
    if (io_mkdirs_at(ws_fd, "history", 0755, e) < 0) return -1;
    AUTO_FD int fd = io_open_beneath(ws_fd, "history/log.txt", O_WRONLY | O_CREAT | O_EXCL, 0644, e);
    if (fd < 0) return err_ctx(e, "generated history");
    return io_write_full(fd, log.p, log.len, e);
}
