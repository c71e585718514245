/* diff.c - what changed: commit by commit, in sum, and as a patch. Reads our store only; the census has verified what
 * is in it.
 *
 * Each commit is compared with every one of its parents, so that a path which a merge took from the other side shows,
 * and so does one that was written and reverted again. The sum is baseline against result.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/inspect/commits.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/landing.h"
#include "worker/inspect/out.h"
#include "worker/inspect/patch.h"
#include "worker/inspect/treediff.h"

struct change {
    char *path;
    char letter;
    uint32_t old_mode, new_mode;
};
struct diff {
    struct store store;
    git_oid result;
    uint64_t budget;
    bool landing, contents;
    uint32_t sent, net;
    struct change *v; /* of the commit in hand, before they are sorted and sent */
    size_t n, cap;
};

static void forget(struct diff *d) {
    for (size_t i = 0; i < d->n; i++) free(d->v[i].path);
    d->n = 0;
}

static int keep(void *ctx, const struct tree_change *c, struct err *e) {
    struct diff *d = ctx;
    if (d->n >= MAX_CHANGES * 2u) return err_set(e, ERR_LIMIT, "more than %u changed paths", MAX_CHANGES);
    if (d->n == d->cap) {
        size_t cap = d->cap == 0 ? 64 : d->cap * 2;
        struct change *v = realloc(d->v, cap * sizeof *v);
        if (v == NULL) return err_set(e, ERR_INTERNAL, "no memory for %zu changes", cap);
        d->v = v;
        d->cap = cap;
    }
    char *path = strdup(c->path);
    if (path == NULL) return err_set(e, ERR_INTERNAL, "no memory for a path");
    d->v[d->n++] = (struct change){.path = path, .letter = c->letter, .old_mode = c->old_mode, .new_mode = c->new_mode};
    return 0;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

/* Each path once: of several parents' views of a path the first one found stays. */
static int send_changes(struct diff *d, unsigned scope, struct err *e) {
    if (d->n > 1) qsort(d->v, d->n, sizeof *d->v, by_path);
    for (size_t i = 0; i < d->n; i++) {
        const struct change *c = &d->v[i];
        if (i > 0 && strcmp(c->path, d->v[i - 1].path) == 0) continue;
        if (++d->sent > MAX_CHANGES) return err_set(e, ERR_LIMIT, "more than %u changed paths", MAX_CHANGES);
        if (scope == 0) d->net++;
        if (out_change(scope, c->letter, c->old_mode, c->new_mode, c->path, e) < 0) return -1;
    }
    return 0;
}

static int tree_of(struct store *s, const git_oid *commit, git_oid *ret, struct err *e) {
    git_commit *c = NULL;
    if (store_commit(s, commit, &c, e) < 0) return -1;
    *ret = *git_commit_tree_id(c);
    git_commit_free(c);
    return 0;
}

static int compare_with_parents(struct diff *d, const git_commit *c, struct err *e) {
    unsigned n = git_commit_parentcount(c);
    if (n == 0) return treediff(&d->store, NULL, git_commit_tree_id(c), &d->budget, keep, d, e);
    for (unsigned i = 0; i < n; i++) {
        git_oid before;
        if (tree_of(&d->store, git_commit_parent_id(c, i), &before, e) < 0 ||
            treediff(&d->store, &before, git_commit_tree_id(c), &d->budget, keep, d, e) < 0)
            return -1;
    }
    return 0;
}

static int send_commit(struct diff *d, const git_oid *oid, struct err *e) {
    git_commit *c = NULL;
    if (store_commit(&d->store, oid, &c, e) < 0) return -1;
    int r = out_commit(c, e);
    if (r == 0) r = compare_with_parents(d, c, e);
    if (r == 0) r = send_changes(d, 1, e);
    git_commit_free(c);
    forget(d);
    return r;
}

static int send_sum(struct diff *d, uint64_t *ret_size, struct err *e) {
    git_oid before, after;
    bool born = !d->store.baseline_empty;
    if (born && tree_of(&d->store, &d->store.baseline, &before, e) < 0) return -1;
    if (tree_of(&d->store, &d->result, &after, e) < 0) return -1;
    int r = treediff(&d->store, born ? &before : NULL, &after, &d->budget, keep, d, e);
    if (r == 0) r = send_changes(d, 0, e);
    forget(d);
    const git_oid *old = born ? &before : NULL;
    /* The contents first: when something is in them that must not be told, the patch must not be, either. */
    if (r == 0 && d->landing) r = landing_send(&d->store, old, &after, &d->budget, e);
    if (r == 0 && d->contents) r = landing_contents(&d->store, old, &after, &d->budget, e);
    return r < 0 ? -1 : patch_send(&d->store, old, &after, ret_size, e);
}

/* --head, or what the census noted. 0: there is no result at all. */
static int find_result(struct diff *d, const struct inspect_args *a, struct err *e) {
    if (a->head == NULL) return store_read_ref(&d->store, "result", &d->result, e);
    if (git_oid_fromstr(&d->result, a->head) < 0) return err_set(e, ERR_USAGE, "--head %s: not an object id", a->head);
    return 1;
}

static int run(struct diff *d, const struct inspect_args *a, uint64_t start, struct err *e) {
    struct commit_list commits = {0};
    enum relation relation;
    uint64_t size = 0;
    int r = find_result(d, a, e);
    if (r < 0) return -1;
    if (r == 0) return out_artifact_end(ARTIFACT_PATCH, 0, e);
    r = commits_since_baseline(&d->store, &d->result, &relation, &commits, e);
    if (r == 0 && relation == RELATION_OTHER)
        r = err_set(e, ERR_USAGE, "the result does not descend from the baseline");
    for (size_t i = 0; r == 0 && i < commits.n; i++) r = send_commit(d, &commits.v[i], e);
    if (r == 0) r = send_sum(d, &size, e);
    if (r == 0)
        r = out_trace("inspect.diff", start, true, e, "commits %zu, changed paths %u, patch %llu bytes", commits.n,
                      d->net, (unsigned long long)size);
    commit_list_release(&commits);
    return r;
}

int step_diff(const struct inspect_args *a, struct err *e) {
    struct diff d = {.budget = MAX_OBJECTS, .landing = a->landing, .contents = a->contents};
    uint64_t start = clock_mono_us();
    if (store_open(&d.store, a->odb, -1, e) < 0) return -1;
    int r = run(&d, a, start, e);
    forget(&d);
    free(d.v);
    store_release(&d.store);
    return r;
}
