/* flatten.c - see flatten.h. Trees of a hostile repository can share subtrees so that a few kilobytes describe 10^10
 * files: every entry that is looked at counts against one bound, and so do depth, path length and bytes.
 */
#include "worker/inspect/flatten.h"

#include <stdlib.h>
#include <string.h>

#include "worker/inspect/inspect.h"

void flat_release(struct flat *f) {
    free(f->v);
    free(f->paths);
    *f = (struct flat){0};
}

static int reserve(struct flat *f, size_t path_bytes, struct err *e) {
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 256 : f->cap * 2;
        struct flat_entry *v = realloc(f->v, cap * sizeof *v);
        if (v == NULL) return err_set(e, ERR_INTERNAL, "no memory for %zu paths", cap);
        f->v = v;
        f->cap = cap;
    }
    if (f->paths_len + path_bytes > f->paths_cap) {
        size_t cap = (f->paths_len + path_bytes) * 2 + 4096;
        char *p = realloc(f->paths, cap);
        if (p == NULL) return err_set(e, ERR_INTERNAL, "no memory for paths");
        f->paths = p;
        f->paths_cap = cap;
    }
    return 0;
}

int flat_add(struct flat *f, const char *path, size_t n, uint32_t mode, const git_oid *oid, struct err *e) {
    if (f->n == MAX_FILES) return err_set(e, ERR_LIMIT, "more than %u files in one tree", MAX_FILES);
    if (reserve(f, n + 1, e) < 0) return -1;
    struct flat_entry *x = &f->v[f->n++];
    *x = (struct flat_entry){.path = f->paths_len, .len = (uint32_t)n, .mode = mode, .oid = *oid};
    memcpy(f->paths + f->paths_len, path, n);
    f->paths[f->paths_len + n] = '\0';
    f->paths_len += n + 1;
    return 0;
}

struct descent {
    struct store *store;
    struct flat *flat;
    unsigned entries;
    char path[MAX_PATH + 1];
};

static int add_tree(struct descent *d, const git_oid *oid, size_t base, unsigned depth, struct err *e);

static int add_entry(struct descent *d, const git_tree_entry *en, size_t base, unsigned depth, struct err *e) {
    const char *name = git_tree_entry_name(en);
    size_t n = strlen(name);
    if (++d->entries > MAX_OBJECTS) return err_set(e, ERR_LIMIT, "more than %u entries in one tree", MAX_OBJECTS);
    if (base + n + 1 > MAX_PATH) return err_set(e, ERR_LIMIT, "a path of more than %u bytes in a tree", MAX_PATH);
    memcpy(d->path + base, name, n);
    unsigned mode = git_tree_entry_filemode_raw(en);
    if (mode != GIT_FILEMODE_TREE) return flat_add(d->flat, d->path, base + n, mode, git_tree_entry_id(en), e);
    d->path[base + n] = '/';
    return add_tree(d, git_tree_entry_id(en), base + n + 1, depth + 1, e);
}

static int add_tree(struct descent *d, const git_oid *oid, size_t base, unsigned depth, struct err *e) {
    git_tree *t = NULL;
    if (depth > MAX_DEPTH) return err_set(e, ERR_LIMIT, "more than %u directories above a file in a tree", MAX_DEPTH);
    if (store_tree(d->store, oid, &t, e) < 0) return -1;
    size_t n = git_tree_entrycount(t);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) r = add_entry(d, git_tree_entry_byindex(t, i), base, depth, e);
    git_tree_free(t);
    return r;
}

int flatten(struct store *s, const git_oid *tree, struct flat *f, struct err *e) {
    struct flat made = {0};
    struct descent d = {.store = s, .flat = &made};
    if (add_tree(&d, tree, 0, 0, e) < 0) {
        flat_release(&made);
        return -1;
    }
    flat_release(f);
    *f = made;
    return 0;
}

int flatten_commit(struct store *s, const git_oid *commit, struct flat *f, struct err *e) {
    git_commit *c = NULL;
    if (git_oid_is_zero(commit)) {
        flat_release(f);
        return 0;
    }
    if (store_commit(s, commit, &c, e) < 0) return -1;
    git_oid tree = *git_commit_tree_id(c);
    git_commit_free(c);
    return flatten(s, &tree, f, e);
}

static int compare(const char *a, size_t an, const char *b, size_t bn) {
    int r = memcmp(a, b, an < bn ? an : bn);
    if (r != 0) return r;
    return an < bn ? -1 : an > bn;
}

static int by_path(const void *a, const void *b, void *flat) {
    const struct flat_entry *x = a, *y = b;
    return compare(flat_path(flat, x), x->len, flat_path(flat, y), y->len);
}

void flat_sort(struct flat *f) {
    if (f->n > 1) qsort_r(f->v, f->n, sizeof *f->v, by_path, f);
}

/* The first entry that is not before the path. */
static size_t lower_bound(const struct flat *f, const char *path, size_t n) {
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(flat_path(f, &f->v[mid]), f->v[mid].len, path, n) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct flat_entry *flat_find(const struct flat *f, const char *path, size_t n) {
    size_t i = lower_bound(f, path, n);
    if (i == f->n || compare(flat_path(f, &f->v[i]), f->v[i].len, path, n) != 0) return NULL;
    return &f->v[i];
}

bool flat_has_below(const struct flat *f, const char *dir, size_t n) {
    char prefix[MAX_PATH + 3];
    if (n > MAX_PATH) return false;
    memcpy(prefix, dir, n);
    prefix[n] = '/';
    size_t i = lower_bound(f, prefix, n + 1);
    return i < f->n && f->v[i].len > n && memcmp(flat_path(f, &f->v[i]), prefix, n + 1) == 0;
}

void flat_inherit(struct flat *f, const struct flat *older) {
    for (size_t i = 0, j = 0; i < f->n && j < older->n;) {
        struct flat_entry *x = &f->v[i];
        const struct flat_entry *y = &older->v[j];
        int order = compare(flat_path(f, x), x->len, flat_path(older, y), y->len);
        if (order == 0 && y->hashed) {
            x->hashed = true;
            x->key = y->key;
            x->hash = y->hash;
        }
        if (order <= 0) i++;
        if (order >= 0) j++;
    }
}
