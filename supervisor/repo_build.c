/* repo_build.c - new trees and a commit in memory, so that their ids are known, and can be refused, before anything is written. */
#include <errno.h>
#include <fcntl.h>
#include <git2/odb_backend.h>
#include <git2/sys/mempack.h>
#include <git2/sys/repository.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/git_names.h"
#include "common/io.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

int new_objects_open(struct new_objects *o, const struct repo *r, struct err *e) {
    char objects[REPO_PATH_MAX + 16];
    git_odb_backend *memory = NULL, *packed = NULL, *loose = NULL;
    *o = (struct new_objects){0};
    snprintf(objects, sizeof objects, "%s/.git/objects", r->path);
    if (git_odb_new(&o->odb) == 0 && git_mempack_new(&memory) == 0 && git_odb_add_backend(o->odb, memory, 999) == 0 &&
        git_odb_backend_pack(&packed, objects) == 0 && git_odb_add_backend(o->odb, packed, 2) == 0 &&
        git_odb_backend_loose(&loose, objects, -1, 1, 0, 0) == 0 && git_odb_add_backend(o->odb, loose, 1) == 0 &&
        git_repository_wrap_odb(&o->git, o->odb) == 0)
        return 0;
    repo_git_fail(e, ERR_INTERNAL, "make room for new objects");
    new_objects_release(o);
    return -1;
}

void new_objects_release(struct new_objects *o) {
    git_repository_free(o->git);
    git_odb_free(o->odb);
    free(o->v);
    *o = (struct new_objects){0};
}

static void note(struct new_objects *o, const git_oid *id) {
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 64;
        o->v = realloc(o->v, o->cap * sizeof *o->v);
        BUG_UNLESS(o->v != NULL);
    }
    o->v[o->n++] = *id;
}

/* --- trees --------------------------------------------------------------------------------------------------------- */

struct build {
    struct new_objects *o;
    const struct edit *edits;
};

static int refuse(struct err *e, const char *why) {
    return err_set(e, ERR_CONFLICT, "the result cannot land: %s", why);
}

static bool path_is_safe(const char *path) {
    size_t depth = 0;
    if (strlen(path) >= REPO_PATH_MAX) return false;
    for (const char *p = path;; p++) {
        const size_t n = strcspn(p, "/");
        if (!name_is_safe(p, n) || ++depth > REPO_DEPTH_MAX) return false;
        p += n;
        if (!*p) return true;
    }
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct edit *)a)->path, ((const struct edit *)b)->path);
}

static int check_edit(const struct edit *x, const struct edit *before, struct err *e) {
    if (!path_is_safe(x->path)) return refuse(e, "a path in it is not safe");
    if (before && strcmp(before->path, x->path) == 0) return refuse(e, "it names a path twice");
    if (x->mode != 0 && x->mode != MODE_FILE && x->mode != MODE_EXEC && x->mode != MODE_LINK)
        return refuse(e, "it holds something that is no file and no symbolic link");
    const char *slash = strrchr(x->path, '/');
    if (strcasecmp(slash ? slash + 1 : x->path, ".gitmodules") == 0)
        return refuse(e, "it changes .gitmodules, and a target has no submodules");
    return 0;
}

static int build_level(const struct build *b, const git_oid *base, size_t prefix, size_t lo, size_t hi, git_oid *ret,
                       bool *ret_empty, struct err *e);

/* The edits below one directory, from `lo` on; sets *ret_end behind them. */
static int build_dir(const struct build *b, git_treebuilder *tb, size_t prefix, size_t lo, size_t hi, size_t *ret_end,
                     struct err *e) {
    char name[256];
    const char *from = b->edits[lo].path + prefix;
    const size_t n = strcspn(from, "/");
    memcpy(name, from, n); /* safe names have at most 255 bytes */
    name[n] = '\0';
    size_t end = lo;
    while (end < hi && strncmp(b->edits[end].path + prefix, from, n + 1) == 0) end++;
    *ret_end = end;
    const git_tree_entry *there = git_treebuilder_get(tb, name);
    const bool is_tree = there && git_tree_entry_type(there) == GIT_OBJECT_TREE;
    git_oid base, id;
    bool empty = false;
    if (is_tree) git_oid_cpy(&base, git_tree_entry_id(there));
    if (build_level(b, is_tree ? &base : NULL, prefix + n + 1, lo, end, &id, &empty, e) < 0) return -1;
    if (empty) return is_tree && git_treebuilder_remove(tb, name) < 0 ? repo_git_fail(e, ERR_INTERNAL, "a tree") : 0;
    if (there && !is_tree) return refuse(e, "it puts a file below a file");
    return git_treebuilder_insert(NULL, tb, name, &id, GIT_FILEMODE_TREE) < 0 ? repo_git_fail(e, ERR_INTERNAL, "a tree")
                                                                              : 0;
}

/* Files that go first, so that a directory can take their place; then directories, so that they can be gone when a file takes
 * theirs; then files that come. */
static int edit_level(const struct build *b, git_treebuilder *tb, size_t prefix, size_t lo, size_t hi, struct err *e) {
    for (size_t i = lo; i < hi; i++) {
        const char *name = b->edits[i].path + prefix;
        if (b->edits[i].mode != 0 || strchr(name, '/')) continue;
        const git_tree_entry *there = git_treebuilder_get(tb, name);
        if (!there || git_tree_entry_type(there) != GIT_OBJECT_BLOB)
            return refuse(e, "it removes a file that is not there");
        if (git_treebuilder_remove(tb, name) < 0) return repo_git_fail(e, ERR_INTERNAL, "a tree");
    }
    for (size_t i = lo, end; i < hi; i = end) {
        end = i + 1;
        if (strchr(b->edits[i].path + prefix, '/') && build_dir(b, tb, prefix, i, hi, &end, e) < 0) return -1;
    }
    for (size_t i = lo; i < hi; i++) {
        const char *name = b->edits[i].path + prefix;
        if (b->edits[i].mode == 0 || strchr(name, '/')) continue;
        const git_tree_entry *there = git_treebuilder_get(tb, name);
        if (there && git_tree_entry_type(there) != GIT_OBJECT_BLOB)
            return refuse(e, "it puts a file where a directory or a submodule is");
        if (git_treebuilder_insert(NULL, tb, name, &b->edits[i].oid, (git_filemode_t)b->edits[i].mode) < 0)
            return repo_git_fail(e, ERR_INTERNAL, "a tree");
    }
    return 0;
}

static int build_level(const struct build *b, const git_oid *base, size_t prefix, size_t lo, size_t hi, git_oid *ret,
                       bool *ret_empty, struct err *e) {
    git_tree *source = NULL;
    git_treebuilder *tb = NULL;
    int rc = 0;
    if (base && git_tree_lookup(&source, b->o->git, base) < 0)
        rc = repo_git_fail(e, ERR_PARSE, "a tree of the target");
    else if (git_treebuilder_new(&tb, b->o->git, source) < 0)
        rc = repo_git_fail(e, ERR_INTERNAL, "a new tree");
    if (rc == 0) rc = edit_level(b, tb, prefix, lo, hi, e);
    *ret_empty = rc == 0 && git_treebuilder_entrycount(tb) == 0;
    if (rc == 0 && !(*ret_empty && prefix > 0)) {
        if (git_treebuilder_write(ret, tb) < 0)
            rc = repo_git_fail(e, ERR_INTERNAL, "a new tree");
        else
            note(b->o, ret);
    }
    git_treebuilder_free(tb);
    git_tree_free(source);
    return rc;
}

int tree_build(struct new_objects *o, const git_oid *base, struct edit *edits, size_t n, git_oid *ret, struct err *e) {
    bool empty;
    if (n > 0) qsort(edits, n, sizeof *edits, by_path);
    for (size_t i = 0; i < n; i++)
        if (check_edit(&edits[i], i > 0 ? &edits[i - 1] : NULL, e) < 0) return -1;
    return build_level(&(struct build){o, edits}, base, 0, 0, n, ret, &empty, e);
}

/* --- commits and blobs --------------------------------------------------------------------------------------------- */

/* The bytes by libgit2; the commit and the tree that it takes need not be on disk. */
static int commit_text(git_buf *out, struct new_objects *o, const git_oid *tree, const git_oid *parent,
                       const struct commit_words *w, struct err *e) {
    git_signature *author = NULL, *harness = NULL;
    git_tree *t = NULL;
    git_commit *p = NULL;
    const git_commit *parents[1] = {NULL};
    int rc = 0;
    if (git_signature_new(&harness, REPO_NAME, REPO_EMAIL, w->when_s, 0) < 0 ||
        git_signature_new(&author, w->author_name ? w->author_name : REPO_NAME,
                          w->author_name ? w->author_email : REPO_EMAIL, w->when_s, 0) < 0)
        rc = repo_git_fail(e, ERR_USAGE, "the commit's author");
    else if (git_tree_lookup(&t, o->git, tree) < 0 || (parent && git_commit_lookup(&p, o->git, parent) < 0))
        rc = repo_git_fail(e, ERR_PARSE, "the target's commit");
    parents[0] = p;
    if (rc == 0 &&
        git_commit_create_buffer(out, o->git, author, harness, NULL, w->message, t, parent ? 1 : 0, parents) < 0)
        rc = repo_git_fail(e, ERR_INTERNAL, "a new commit");
    git_signature_free(author);
    git_signature_free(harness);
    git_tree_free(t);
    git_commit_free(p);
    return rc;
}

int commit_build(struct new_objects *o, const git_oid *tree, const git_oid *parent, const struct commit_words *w,
                 git_oid *ret, struct err *e) {
    git_buf text = GIT_BUF_INIT;
    int rc = commit_text(&text, o, tree, parent, w, e);
    if (rc == 0 && git_odb_write(ret, o->odb, text.ptr, text.size, GIT_OBJECT_COMMIT) < 0)
        rc = repo_git_fail(e, ERR_INTERNAL, "a new commit");
    git_buf_dispose(&text);
    if (rc == 0) note(o, ret);
    return rc;
}

int blob_build(struct new_objects *o, const void *p, size_t n, git_oid *ret, struct err *e) {
    if (git_odb_write(ret, o->odb, n ? p : "", n, GIT_OBJECT_BLOB) < 0)
        return repo_git_fail(e, ERR_INTERNAL, "a new blob");
    note(o, ret);
    return 0;
}

/* --- to disk ------------------------------------------------------------------------------------------------------- */

static int write_object(const struct repo *r, const git_oid *id, const void *p, size_t n, git_object_t type,
                        struct err *e) {
    git_oid got;
    if (git_odb_exists(r->odb, id)) return 0;
    if (git_odb_write(&got, r->odb, n ? p : "", n, type) < 0)
        return repo_git_fail(e, ERR_SYS, "write an object of the target; is the disk full, or not writable?");
    return git_oid_equal(&got, id) ? 0 : err_set(e, ERR_CONFLICT, "a blob of the result is not what its id says");
}

int repo_write_blob(const struct repo *r, const git_oid *id, const void *p, size_t n, struct err *e) {
    return write_object(r, id, p, n, GIT_OBJECT_BLOB, e);
}

int new_objects_write(struct new_objects *o, const struct repo *r, struct err *e) {
    for (size_t i = 0; i < o->n; i++) {
        git_odb_object *x = NULL;
        if (git_odb_read(&x, o->odb, &o->v[i]) < 0) return repo_git_fail(e, ERR_INTERNAL, "a new object");
        const int rc =
            write_object(r, &o->v[i], git_odb_object_data(x), git_odb_object_size(x), git_odb_object_type(x), e);
        git_odb_object_free(x);
        if (rc < 0) return -1;
    }
    /* libgit2 syncs each object and its directory; that directory's own name is ours to sync. */
    AUTO_FD int fd = io_open_beneath(r->git_fd, "objects", O_RDONLY | O_DIRECTORY, 0, e);
    return fd < 0 ? -1 : fsync(fd) < 0 ? err_sys(e, "fsync the target's objects") : 0;
}
