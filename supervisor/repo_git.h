/* repo_git.h - what repo*.c and land*.c share of one opened repository of the operator; the only place where the supervisor
 * includes libgit2.
 *
 * Objects are read through a repository that only wraps an object database. Refs and HEAD, which are one line of text each, are
 * read here; so no configuration of any level has a say, and a ref can be changed under a lock that a killed process leaves
 * recognisable (land_locks.c).
 */
#ifndef CTO_SUPERVISOR_REPO_GIT_H
#define CTO_SUPERVISOR_REPO_GIT_H

#include <git2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/err.h"
#include "supervisor/repo.h"

#define REPO_PATH_MAX 4096
#define REPO_DEPTH_MAX 256
#define REPO_NAME "cto-harness"
#define REPO_EMAIL "harness@localhost"
#define REPO_EPOCH 1700000000 /* the date of repo_create()'s commit */

#define MODE_FILE 0100644u
#define MODE_EXEC 0100755u
#define MODE_LINK 0120000u
#define MODE_DIR 0040000u
#define MODE_MODULE 0160000u

struct repo {
    char path[REPO_PATH_MAX];
    char index[REPO_PATH_MAX + 320]; /* of a linked worktree; "": path/.git/index */
    int root_fd, git_fd;             /* the worktree, its .git */
    git_odb *odb;
    git_repository *git; /* wraps odb */
};
#define REPO_INIT ((struct repo){.root_fd = -1, .git_fd = -1})

/* --- repo_open.c --- */
/* libgit2 with nothing of this host in it. Before any other call of it. */
int repo_git_start(struct err *e);
/* Sets the error from libgit2's last one, unless that names a path. */
int repo_git_fail(struct err *e, enum err_code code, const char *what);
/* Absolute and in its shortest form? */
bool repo_path_ok(const char *path);
/* Without following a symbolic link anywhere. -1 with errno. */
int repo_open_exact(const char *path, int flags);
/* A worktree with a directory .git, as repo_look() found it: descriptors and objects. */
int repo_open(struct repo *r, const char *path, struct err *e);
int repo_open_objects(struct repo *r, struct err *e);
/* Of what is open; all zero when that cannot be said. */
void repo_identify(const struct repo *r, struct repo_identity *ret);
void repo_close(struct repo *r); /* also half-opened, also REPO_INIT */
#define AUTO_REPO __attribute__((cleanup(repo_close)))

/* 1: HEAD names a branch, which is in `branch`; 0: it is a commit; -1: it is neither. */
int repo_read_head(const struct repo *r, char branch[256], git_oid *ret, struct err *e);
/* 1: the ref's value; 0: there is none; -1: it cannot be read, or is symbolic. Loose, else packed. */
int repo_read_ref(const struct repo *r, const char *name, git_oid *ret, struct err *e);
bool repo_branch_ok(const char *name); /* refs/heads/..., as git takes it */
int repo_commit_tree(const struct repo *r, const git_oid *commit, git_oid *ret, struct err *e);

/* --- repo_file.c: one path of a worktree --- */
struct file_state {
    uint32_t
        mode; /* 0: nothing there; MODE_FILE, MODE_EXEC, MODE_LINK with oid; MODE_DIR; else a type git does not know */
    git_oid oid; /* of the content as a blob */
    struct stat st;
};
int file_state_at(int dirfd, const char *name, struct file_state *ret, struct err *e);
/* Beneath `root`, through no link: a parent that is missing, or no directory, is "nothing there". */
int file_state(int root, const char *path, struct file_state *ret, struct err *e);
static inline bool file_is(const struct file_state *f, uint32_t mode, const git_oid *oid) {
    return f->mode == mode && (mode == 0 || git_oid_equal(&f->oid, oid));
}
/* A new file, link as `mode` says, with these bytes; `fsync`ed when asked. */
int file_write_at(int dirfd, const char *name, uint32_t mode, const void *p, size_t n, bool sync, struct err *e);
/* A regular file through no link, whole; at most `max` bytes. Its stat, which was the same before and after. */
int file_read(int dirfd, const char *path, size_t max, struct buf *out, struct stat *ret_st, struct err *e);
/* The directory of `path` beneath root, and its last segment. -1 with errno, silently. */
int file_parent(int root, const char *path, const char **ret_name);

/* An index entry with true stat fields; `path` is borrowed. `st` NULL: git looks at the content. */
git_index_entry index_entry(const char *path, uint32_t mode, const git_oid *id, const struct stat *st);

/* --- repo_trees.c: trees as lists of files --- */
struct tree_file {
    char *path;
    uint32_t mode;
    git_oid oid;
};
struct tree_files { /* in order of path */
    struct tree_file *v;
    size_t n, cap;
};
void tree_files_release(struct tree_files *t);
#define AUTO_TREE __attribute__((cleanup(tree_files_release)))
int tree_flatten(git_repository *git, const git_oid *tree, struct tree_files *ret, struct err *e);
const struct tree_file *tree_find(const struct tree_files *t, const char *path, size_t n);
/* Is there a file below this directory? */
bool tree_has_below(const struct tree_files *t, const char *dir, size_t n);

struct tree_change { /* mode 0: not there */
    char *path;
    uint32_t old_mode, new_mode;
    git_oid old_oid, new_oid;
};
struct tree_changes { /* in order of path */
    struct tree_change *v;
    size_t n;
};
void tree_changes_release(struct tree_changes *c);
#define AUTO_CHANGES __attribute__((cleanup(tree_changes_release)))
int tree_diff(git_repository *git, const git_oid *old_tree, const git_oid *new_tree, struct tree_changes *ret,
              struct err *e);

/* --- repo_build.c: a new tree in memory --- */
struct edit {
    const char *path;
    uint32_t mode; /* 0: removed */
    git_oid oid;
};
/* Objects that are not on disk yet. */
struct new_objects {
    git_odb *odb; /* the repository's, with room in memory in front: what is written goes there */
    git_repository *git;
    git_oid *v; /* in the order in which they must reach the disk: nothing before what it names */
    size_t n, cap;
};
int new_objects_open(struct new_objects *o, const struct repo *r, struct err *e);
void new_objects_release(struct new_objects *o);
#define AUTO_OBJECTS __attribute__((cleanup(new_objects_release)))
/* The tree of `base` (NULL: empty) with the edits, which are sorted here. Blobs need not exist. What cannot be (a path that is
 * not safe, removed but not there, a file and a directory in one place) is ERR_CONFLICT. */
int tree_build(struct new_objects *o, const git_oid *base, struct edit *edits, size_t n, git_oid *ret, struct err *e);
struct commit_words {
    const char *author_name, *author_email, *message; /* author NULL: the harness */
    int64_t when_s;
};
int commit_build(struct new_objects *o, const git_oid *tree, const git_oid *parent, const struct commit_words *w,
                 git_oid *ret, struct err *e);
/* Notes a blob that is written into o->odb. */
int blob_build(struct new_objects *o, const void *p, size_t n, git_oid *ret, struct err *e);
/* All of them into the repository's loose objects, fsynced. */
int new_objects_write(struct new_objects *o, const struct repo *r, struct err *e);
/* One blob, the same way; must have this id. */
int repo_write_blob(const struct repo *r, const git_oid *id, const void *p, size_t n, struct err *e);

/* --- repo_clean.c --- */
struct dirt {
    size_t changed, staged, flagged,
        untracked; /* worktree against HEAD; index against HEAD; told not to look; nobody's */
    bool index_unreadable;
};
int repo_clean(const struct repo *r, const struct tree_files *head, struct dirt *ret, struct err *e);
static inline bool dirt_none(const struct dirt *d) {
    return !d->index_unreadable && d->changed + d->staged + d->flagged + d->untracked == 0;
}

#endif
