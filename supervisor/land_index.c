/* land_index.c - the target's index after a landing: the old one with the changed paths' entries, written whole beside it and
 * renamed over it, under git's own index.lock. An entry says that its file is unchanged only when the file was hashed and is the
 * new one; whoever reads it later then need not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/land_internal.h"

#define INDEX_MAX (256u << 20)

static int copy_index(const struct landing *l, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(INDEX_MAX);
    struct err why = ERR_INIT;
    unlinkat(l->stage_fd, "index", 0);
    unlinkat(l->stage_fd, "index.lock", 0); /* libgit2's, of a process that was killed */
    if (file_read(l->repo.git_fd, "index", INDEX_MAX, &text, NULL, &why) < 0) {
        if (why.sys == ENOENT) return 0; /* as after a clone without checkout: every entry comes */
        if (e) *e = why;
        return -1;
    }
    return file_write_at(l->stage_fd, "index", MODE_FILE, text.p, text.len, false, e);
}

static bool entry_is(const git_index_entry *en, uint32_t mode, const git_oid *id) {
    return en ? mode == en->mode && git_oid_equal(&en->id, id) : mode == 0;
}

static int put_entry(struct landing *l, git_index *index, const struct tree_change *c, struct err *e) {
    const git_index_entry *there = git_index_get_bypath(index, c->path, 0);
    struct file_state now;
    struct err why = ERR_INIT;
    if (!entry_is(there, c->old_mode, &c->old_oid) && !entry_is(there, c->new_mode, &c->new_oid)) {
        l->conflicts++;
        return 0;
    }
    if (c->new_mode == 0)
        return there && git_index_remove(index, c->path, 0) < 0 ? repo_git_fail(e, ERR_INTERNAL, "the target's index")
                                                                : 0;
    const bool same = file_state(l->repo.root_fd, c->path, &now, &why) == 0 && file_is(&now, c->new_mode, &c->new_oid);
    const git_index_entry en = index_entry(c->path, c->new_mode, &c->new_oid, same ? &now.st : NULL);
    return git_index_add(index, &en) < 0 ? repo_git_fail(e, ERR_INTERNAL, "the target's index") : 0;
}

/* Entries that go come first: libgit2 holds files and directories of one name apart. */
static int edit_index(struct landing *l, git_index *index, struct err *e) {
    for (size_t i = 0; i < l->changes.n; i++)
        if (l->changes.v[i].new_mode == 0 && put_entry(l, index, &l->changes.v[i], e) < 0) return -1;
    for (size_t i = 0; i < l->changes.n; i++)
        if (l->changes.v[i].new_mode != 0 && put_entry(l, index, &l->changes.v[i], e) < 0) return -1;
    return git_index_write(index) < 0 ? repo_git_fail(e, ERR_SYS, "write the target's index") : 0;
}

static int sync_file(int dirfd, const char *name, struct err *e) {
    AUTO_FD int fd = io_open_beneath_quiet(dirfd, name, O_RDONLY, 0);
    return fd < 0 || fsync(fd) < 0 ? err_sys(e, "fsync the target's index") : 0;
}

int land_put_index(struct landing *l, struct err *e) {
    char path[REPO_PATH_MAX + 64];
    git_index *index = NULL;
    if (copy_index(l, e) < 0) return -1;
    snprintf(path, sizeof path, "%s/.git/" LAND_STAGE "/index", l->repo.path);
    if (git_index_open(&index, path) < 0) return repo_git_fail(e, ERR_INTERNAL, "the target's index");
    int rc = git_index_read(index, 1) < 0 ? repo_git_fail(e, ERR_PARSE, "the target's index") : 0;
    if (rc == 0) rc = edit_index(l, index, e);
    git_index_free(index);
    if (rc == 0) rc = sync_file(l->stage_fd, "index", e);
    if (rc == 0 && fchmodat(l->stage_fd, "index", 0666u & ~repo_umask, 0) < 0) rc = err_sys(e, "the target's index");
    if (rc == 0 && renameat(l->stage_fd, "index", l->repo.git_fd, "index") < 0)
        rc = err_sys(e, "put the target's index in place");
    return rc;
}
