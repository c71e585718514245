/* treediff.c - libgit2's own tree diff reads every entry of both trees and keeps the whole list; this one skips equal
 * subtrees, hands out one change at a time, and is bounded, so that it can be let loose on trees that nobody has
 * checked yet.
 */
#include "worker/inspect/treediff.h"

#include <string.h>

#include "worker/inspect/inspect.h"

struct comparison {
    struct store *store;
    uint64_t *budget;
    treediff_fn fn;
    void *ctx;
    char path[MAX_PATH + 1];
};

static int compare_trees(struct comparison *c, const git_oid *a, const git_oid *b, size_t base, unsigned depth,
                         struct err *e);

static bool is_dir(const git_tree_entry *en) {
    return en != NULL && git_tree_entry_filemode_raw(en) == GIT_FILEMODE_TREE;
}

static char letter_of(uint32_t old_mode, uint32_t new_mode) {
    if (old_mode == 0) return 'A';
    if (new_mode == 0) return 'D';
    return (old_mode & 0170000) == (new_mode & 0170000) ? 'M' : 'T';
}

/* Two entries that are not directories (or NULL) at the path that the buffer holds. */
static int report(struct comparison *c, const git_tree_entry *a, const git_tree_entry *b, size_t len, struct err *e) {
    struct tree_change change = {.path = c->path, .path_len = len};
    if (a != NULL) {
        change.old_mode = git_tree_entry_filemode_raw(a);
        change.old_oid = *git_tree_entry_id(a);
    }
    if (b != NULL) {
        change.new_mode = git_tree_entry_filemode_raw(b);
        change.new_oid = *git_tree_entry_id(b);
    }
    if (change.old_mode == change.new_mode && git_oid_equal(&change.old_oid, &change.new_oid)) return 0;
    change.letter = letter_of(change.old_mode, change.new_mode);
    return c->fn(c->ctx, &change, e);
}

/* Entries of one name and one kind (both directories or both not), or only one of them. */
static int compare_pair(struct comparison *c, const git_tree_entry *a, const git_tree_entry *b, size_t base,
                        unsigned depth, struct err *e) {
    const char *name = git_tree_entry_name(a != NULL ? a : b);
    size_t n = strlen(name);
    if ((*c->budget)-- == 0) {
        *c->budget = 0;
        return err_set(e, ERR_LIMIT, "more than %u tree entries", MAX_OBJECTS);
    }
    if (base + n + 1 > MAX_PATH) return err_set(e, ERR_LIMIT, "a path of more than %u bytes in a tree", MAX_PATH);
    memcpy(c->path + base, name, n);
    c->path[base + n] = '\0';
    if (!is_dir(a) && !is_dir(b)) return report(c, a, b, base + n, e);
    c->path[base + n] = '/';
    const git_oid *old_tree = a != NULL ? git_tree_entry_id(a) : NULL;
    const git_oid *new_tree = b != NULL ? git_tree_entry_id(b) : NULL;
    return compare_trees(c, old_tree, new_tree, base + n + 1, depth + 1, e);
}

static int merge(struct comparison *c, const git_tree *a, const git_tree *b, size_t base, unsigned depth,
                 struct err *e) {
    size_t an = a != NULL ? git_tree_entrycount(a) : 0, bn = b != NULL ? git_tree_entrycount(b) : 0;
    for (size_t i = 0, j = 0; i < an || j < bn;) {
        const git_tree_entry *x = i < an ? git_tree_entry_byindex(a, i) : NULL;
        const git_tree_entry *y = j < bn ? git_tree_entry_byindex(b, j) : NULL;
        int order = x == NULL ? 1 : y == NULL ? -1 : git_tree_entry_cmp(x, y);
        if (order <= 0) i++;
        if (order >= 0) j++;
        if (compare_pair(c, order <= 0 ? x : NULL, order >= 0 ? y : NULL, base, depth, e) < 0) return -1;
    }
    return 0;
}

static int compare_trees(struct comparison *c, const git_oid *a, const git_oid *b, size_t base, unsigned depth,
                         struct err *e) {
    git_tree *old_tree = NULL, *new_tree = NULL;
    if (a != NULL && b != NULL && git_oid_equal(a, b)) return 0;
    if (depth > MAX_DEPTH) return err_set(e, ERR_LIMIT, "more than %u directories above a file in a tree", MAX_DEPTH);
    int r = a != NULL ? store_tree(c->store, a, &old_tree, e) : 0;
    if (r == 0 && b != NULL) r = store_tree(c->store, b, &new_tree, e);
    if (r == 0) r = merge(c, old_tree, new_tree, base, depth, e);
    git_tree_free(old_tree);
    git_tree_free(new_tree);
    return r;
}

int treediff(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *budget, treediff_fn fn,
             void *ctx, struct err *e) {
    struct comparison c = {.store = s, .budget = budget, .fn = fn, .ctx = ctx};
    return compare_trees(&c, old_tree, new_tree, 0, 0, e);
}
