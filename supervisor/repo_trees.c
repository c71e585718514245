/* repo_trees.c - a tree as the sorted list of its files, and two of them compared. In order of path, as an index is: git sorts the
 * entries of a tree so that a walk gives just that. */
#include <stdlib.h>
#include <string.h>

#include "common/git_names.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

void tree_files_release(struct tree_files *t) {
    for (size_t i = 0; i < t->n; i++) free(t->v[i].path);
    free(t->v);
    *t = (struct tree_files){0};
}

void tree_changes_release(struct tree_changes *c) {
    for (size_t i = 0; i < c->n; i++) free(c->v[i].path);
    free(c->v);
    *c = (struct tree_changes){0};
}

static int add_file(struct tree_files *t, const char *path, const git_tree_entry *en, struct err *e) {
    if (t->n == REPO_FILES_MAX) return err_set(e, ERR_LIMIT, "the repository has more than %u files", REPO_FILES_MAX);
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->v = realloc(t->v, t->cap * sizeof *t->v);
        BUG_UNLESS(t->v != NULL);
    }
    struct tree_file *f = &t->v[t->n];
    f->path = strdup(path);
    BUG_UNLESS(f->path != NULL);
    t->n++;
    f->mode = (uint32_t)git_tree_entry_filemode(en); /* 0100664 of old times is 0100644 */
    git_oid_cpy(&f->oid, git_tree_entry_id(en));
    return 0;
}

static int add_tree(git_repository *git, const git_oid *id, char *path, size_t len, int depth, struct tree_files *t,
                    struct err *e) {
    git_tree *tree = NULL;
    if (depth > REPO_DEPTH_MAX) return err_set(e, ERR_LIMIT, "the repository is deeper than %d directories", depth - 1);
    if (git_tree_lookup(&tree, git, id) < 0) return repo_git_fail(e, ERR_PARSE, "a tree of the target");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < git_tree_entrycount(tree); i++) {
        const git_tree_entry *en = git_tree_entry_byindex(tree, i);
        const char *name = git_tree_entry_name(en);
        const size_t n = strlen(name);
        if (!name_is_safe(name, n) || len + n + 2 > REPO_PATH_MAX) {
            rc = err_set(e, ERR_PARSE, "the repository holds a file whose name is not safe");
            break;
        }
        memcpy(path + len, name, n + 1);
        if (git_tree_entry_type(en) == GIT_OBJECT_TREE) {
            memcpy(path + len + n, "/", 2);
            rc = add_tree(git, git_tree_entry_id(en), path, len + n + 1, depth + 1, t, e);
        } else {
            rc = add_file(t, path, en, e);
        }
    }
    git_tree_free(tree);
    return rc;
}

int tree_flatten(git_repository *git, const git_oid *tree, struct tree_files *ret, struct err *e) {
    char path[REPO_PATH_MAX] = "";
    *ret = (struct tree_files){0};
    if (add_tree(git, tree, path, 0, 0, ret, e) == 0) return 0;
    tree_files_release(ret);
    return -1;
}

static int compare(const char *a, size_t na, const char *b, size_t nb) {
    const int c = memcmp(a, b, na < nb ? na : nb);
    return c ? c : (na > nb) - (na < nb);
}

/* The first that is not before it. */
static size_t lower_bound(const struct tree_files *t, const char *path, size_t n) {
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (compare(t->v[mid].path, strlen(t->v[mid].path), path, n) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct tree_file *tree_find(const struct tree_files *t, const char *path, size_t n) {
    const size_t i = lower_bound(t, path, n);
    return i < t->n && strlen(t->v[i].path) == n && memcmp(t->v[i].path, path, n) == 0 ? &t->v[i] : NULL;
}

bool tree_has_below(const struct tree_files *t, const char *dir, size_t n) {
    char prefix[REPO_PATH_MAX + 1];
    if (n >= REPO_PATH_MAX) return false;
    memcpy(prefix, dir, n);
    prefix[n] = '/';
    const size_t i = lower_bound(t, prefix, n + 1);
    return i < t->n && strncmp(t->v[i].path, prefix, n + 1) == 0;
}

/* --- two of them --------------------------------------------------------------------------------------------------- */

static void add_change(struct tree_changes *c, const struct tree_file *a, const struct tree_file *b) {
    struct tree_change *x = &c->v[c->n++];
    const struct tree_file *named = a ? a : b;
    BUG_UNLESS(named != NULL);
    *x = (struct tree_change){.path = strdup(named->path)};
    BUG_UNLESS(x->path != NULL);
    if (a) {
        x->old_mode = a->mode;
        x->old_oid = a->oid;
    }
    if (b) {
        x->new_mode = b->mode;
        x->new_oid = b->oid;
    }
}

static void merge_lists(const struct tree_files *a, const struct tree_files *b, struct tree_changes *c) {
    for (size_t i = 0, k = 0; i < a->n || k < b->n;) {
        const int order = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->v[i].path, b->v[k].path);
        if (order < 0) {
            add_change(c, &a->v[i++], NULL);
        } else if (order > 0) {
            add_change(c, NULL, &b->v[k++]);
        } else {
            if (a->v[i].mode != b->v[k].mode || !git_oid_equal(&a->v[i].oid, &b->v[k].oid))
                add_change(c, &a->v[i], &b->v[k]);
            i++;
            k++;
        }
    }
}

int tree_diff(git_repository *git, const git_oid *old_tree, const git_oid *new_tree, struct tree_changes *ret,
              struct err *e) {
    AUTO_TREE struct tree_files a = {0};
    AUTO_TREE struct tree_files b = {0};
    if (tree_flatten(git, old_tree, &a, e) < 0 || tree_flatten(git, new_tree, &b, e) < 0) return -1;
    struct tree_changes c = {.v = calloc(a.n + b.n + 1, sizeof *c.v)};
    BUG_UNLESS(c.v != NULL);
    merge_lists(&a, &b, &c);
    *ret = c;
    return 0;
}
