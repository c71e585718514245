/* repo_export.c - a commit's tree as plain files. Not libgit2's checkout, which knows filters, attributes and line ends: blobs are
 * written as they are, each file must be new, and none is written through a link. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

static int make_parents(int out, const char *path, struct err *e) {
    char dir[REPO_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash) return 0;
    memcpy(dir, path, (size_t)(slash - path)); /* tree_flatten() bounds it */
    dir[slash - path] = '\0';
    struct err why = ERR_INIT;
    if (io_mkdirs_at(out, dir, 0777, &why) == 0) return 0;
    errno = why.sys;
    return err_sys(e, "make a directory of the copy");
}

static int export_file(const struct repo *r, const struct tree_file *f, int out, uint64_t *left, struct err *e) {
    git_blob *blob = NULL;
    const char *name;
    if (f->mode == MODE_MODULE) return err_set(e, ERR_USAGE, "the target has submodules");
    if (make_parents(out, f->path, e) < 0) return -1;
    AUTO_FD int dir = file_parent(out, f->path, &name);
    if (dir < 0) return err_sys(e, "a directory of the copy");
    if (git_blob_lookup(&blob, r->git, &f->oid) < 0) return repo_git_fail(e, ERR_PARSE, "a blob of the target");
    const uint64_t n = (uint64_t)git_blob_rawsize(blob);
    int rc;
    if (n > REPO_FILE_BYTES_MAX || n > *left)
        rc = err_set(e, ERR_LIMIT, "the target has more than %llu MiB", REPO_EXPORT_BYTES_MAX >> 20);
    else
        rc = file_write_at(dir, name, f->mode, git_blob_rawcontent(blob), (size_t)n, false, e);
    if (rc == 0) *left -= n;
    git_blob_free(blob);
    return rc;
}

static int export_tree(const struct repo *r, const char *head, int out, struct err *e) {
    AUTO_TREE struct tree_files files = {0};
    uint64_t left = REPO_EXPORT_BYTES_MAX;
    git_oid commit, tree;
    if (strlen(head) != GIT_OID_HEXSZ || git_oid_fromstr(&commit, head) < 0)
        return err_set(e, ERR_USAGE, "the commit to copy is no id");
    if (repo_commit_tree(r, &commit, &tree, e) < 0 || tree_flatten(r->git, &tree, &files, e) < 0) return -1;
    for (size_t i = 0; i < files.n; i++)
        if (export_file(r, &files.v[i], out, &left, e) < 0) return -1;
    return 0;
}

int repo_export(const char *path, const char *head, const char *to, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    if (repo_open(&r, path, e) < 0 || repo_open_objects(&r, e) < 0) return -1;
    if (mkdir(to, 0777) < 0) return err_sys(e, "make the directory of the copy");
    AUTO_FD int out = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const int rc = out < 0 ? err_sys(e, "open the directory of the copy") : export_tree(&r, head, out, e);
    if (rc < 0) (void)io_remove_tree_at(AT_FDCWD, to, NULL);
    return rc;
}
