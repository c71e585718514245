/* repo_clean.c - do HEAD, index and worktree agree? Every file is hashed: what the index remembers of times and sizes, and what it
 * was told not to look at, decides nothing. Untracked files are somebody's, unless a .gitignore of HEAD (not one of the worktree,
 * not info/exclude, nobody's configuration) says otherwise. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/git_names.h"
#include "common/ignore.h"
#include "common/io.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

#define GITIGNORE_MAX (1u << 20)

/* The rules of one directory; those of the directories above it follow. */
struct level {
    const struct level *up;
    struct ignore rules;
    size_t prefix; /* of a path, up to this directory's own names */
    bool ignored;  /* itself: then all in it is, and no rule brings it back, as in git */
};
struct look {
    const struct repo *r;
    const struct tree_files *head;
    struct dirt *dirt;
    char path[REPO_PATH_MAX];
};

/* --- the index ----------------------------------------------------------------------------------------------------- */

static void compare_index(const git_index *index, const struct tree_files *head, struct dirt *d) {
    const size_t n = git_index_entrycount(index);
    size_t same = 0, present = 0;
    for (size_t i = 0; i < n; i++) {
        const git_index_entry *en = git_index_get_byindex((git_index *)index, i);
        const struct tree_file *f = tree_find(head, en->path, strlen(en->path));
        const bool here = f && GIT_INDEX_ENTRY_STAGE(en) == 0;
        present += here;
        same += here && en->mode == f->mode && git_oid_equal(&en->id, &f->oid);
        if ((en->flags & GIT_INDEX_ENTRY_VALID) || (en->flags_extended & GIT_INDEX_ENTRY_EXTENDED_FLAGS)) d->flagged++;
    }
    d->staged = n - same + head->n - present;
}

/* libgit2 refuses what it does not know and must (a split or a sparse index): so do we. */
static int look_index(const struct look *k, struct err *e) {
    char path[REPO_PATH_MAX + 16];
    git_index *index = NULL;
    snprintf(path, sizeof path, "%s/.git/index", k->r->path);
    if (git_index_open(&index, k->r->index[0] ? k->r->index : path) < 0)
        return repo_git_fail(e, ERR_PARSE, "the target's index");
    if (git_index_read(index, 1) == 0)
        compare_index(index, k->head, k->dirt);
    else
        k->dirt->index_unreadable = true;
    git_index_free(index);
    return 0;
}

/* --- the worktree -------------------------------------------------------------------------------------------------- */

static int load_rules(const struct look *k, size_t len, struct level *ret, struct err *e) {
    char path[REPO_PATH_MAX + 16];
    git_blob *blob = NULL;
    const int n = snprintf(path, sizeof path, "%.*s.gitignore", (int)len, k->path);
    const struct tree_file *f = tree_find(k->head, path, (size_t)n);
    if (!f || (f->mode != MODE_FILE && f->mode != MODE_EXEC)) return 0;
    if (git_blob_lookup(&blob, k->r->git, &f->oid) < 0) return repo_git_fail(e, ERR_PARSE, "a .gitignore of HEAD");
    int rc = 0;
    if (git_blob_rawsize(blob) > GITIGNORE_MAX)
        rc = err_set(e, ERR_LIMIT, "a .gitignore of HEAD has more than 1 MiB");
    else if (git_blob_rawsize(blob) > 0)
        rc = ignore_parse(&ret->rules, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob), e);
    git_blob_free(blob);
    return rc;
}

static bool is_ignored(const struct level *at, const char *path, size_t n, bool is_dir) {
    if (at->ignored) return true;
    for (; at; at = at->up) {
        const enum ignore_says s = ignore_ask(&at->rules, path + at->prefix, n - at->prefix, is_dir);
        if (s != IGNORE_NOTHING) return s == IGNORE_YES;
    }
    return false;
}

static int look_dir(struct look *k, int fd, size_t len, const struct level *up, bool ignored, int depth,
                    size_t *tracked, struct err *e);

static int look_below(struct look *k, int dirfd, const char *name, size_t n, const struct level *at, int depth,
                      size_t *tracked, struct err *e) {
    const bool ignored = is_ignored(at, k->path, n, true);
    if (ignored && !tree_has_below(k->head, k->path, n)) return 0;
    AUTO_FD int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return err_sys(e, "a directory of the worktree");
    if (n + 2 > sizeof k->path) return err_set(e, ERR_LIMIT, "a path of the worktree is too long");
    memcpy(k->path + n, "/", 2);
    return look_dir(k, fd, n + 1, at, ignored, depth + 1, tracked, e);
}

static int look_entry(struct look *k, int dirfd, const char *name, size_t n, const struct level *at, int depth,
                      size_t *tracked, struct err *e) {
    struct stat st;
    struct file_state s;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "a file of the worktree");
    const struct tree_file *f = tree_find(k->head, k->path, n);
    if (S_ISDIR(st.st_mode)) return look_below(k, dirfd, name, n, at, depth, tracked, e);
    if (!f) {
        if (!is_ignored(at, k->path, n, false)) k->dirt->untracked++;
        return 0;
    }
    ++*tracked;
    if (file_state_at(dirfd, name, &s, e) < 0) return -1;
    if (!file_is(&s, f->mode, &f->oid)) k->dirt->changed++;
    return 0;
}

static int look_dir(struct look *k, int fd, size_t len, const struct level *up, bool ignored, int depth,
                    size_t *tracked, struct err *e) {
    struct level at = {.up = up, .prefix = len, .ignored = ignored};
    if (depth > REPO_DEPTH_MAX) return err_set(e, ERR_LIMIT, "the worktree is deeper than %d directories", depth - 1);
    const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) return err_sys(e, "a directory of the worktree");
    int rc = load_rules(k, len, &at, e);
    for (struct dirent *de; rc == 0;) {
        errno = 0;
        de = readdir(d);
        if (!de) {
            if (errno) rc = err_sys(e, "a directory of the worktree");
            break;
        }
        const size_t n = strlen(de->d_name);
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        if (len == 0 && strcmp(de->d_name, ".git") == 0) continue;
        if (len + n + 2 > sizeof k->path) {
            rc = err_set(e, ERR_LIMIT, "a path of the worktree is too long");
            break;
        }
        memcpy(k->path + len, de->d_name, n + 1);
        rc = look_entry(k, fd, de->d_name, len + n, &at, depth, tracked, e);
    }
    closedir(d);
    ignore_release(&at.rules);
    return rc;
}

int repo_clean(const struct repo *r, const struct tree_files *head, struct dirt *ret, struct err *e) {
    struct look k = {.r = r, .head = head, .dirt = ret};
    size_t tracked = 0, modules = 0;
    *ret = (struct dirt){0};
    for (size_t i = 0; i < head->n; i++) modules += head->v[i].mode == MODE_MODULE;
    if (look_index(&k, e) < 0 || look_dir(&k, r->root_fd, 0, NULL, false, 0, &tracked, e) < 0) return -1;
    if (tracked + modules < head->n) ret->changed += head->n - modules - tracked; /* missing */
    return 0;
}
