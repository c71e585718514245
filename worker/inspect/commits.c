/* commits.c - a walk by hand rather than git_revwalk: it must import what it needs, stop at a bound, and never look at
 * grafts, replacements or a shallow file, all of which are the agent's to write.
 *
 * Old commits are the baseline and its ancestors; they are all in the baseline's own pack, and nothing else is (but
 * trees and blobs), so "is it old" is one look-up. A head that is old without being the baseline was rewound.
 */
#include "worker/inspect/commits.h"

#include <stdlib.h>
#include <string.h>

#include "worker/inspect/hash.h"
#include "worker/inspect/inspect.h"

struct frame {
    git_commit *commit;
    unsigned next; /* parent to look at */
};
struct traversal {
    struct store *store;
    struct oidset seen;
    struct frame *stack;
    size_t n, cap;
    struct commit_list done; /* in post-order: parents first */
    size_t done_cap;
    bool met_baseline;
};

void commit_list_release(struct commit_list *l) {
    free(l->v);
    *l = (struct commit_list){0};
}

static int enter(struct traversal *t, const git_oid *oid, struct err *e) {
    if (!t->store->baseline_empty && git_oid_equal(oid, &t->store->baseline)) t->met_baseline = true;
    if (store_is_base(t->store, oid)) return store_need(t->store, oid, GIT_OBJECT_COMMIT, MAX_COMMIT_SIZE, NULL, e);
    int r = oidset_add(&t->seen, oid, e);
    if (r <= 0) return r;
    if (t->seen.n > MAX_COMMITS) return err_set(e, ERR_LIMIT, "more than %u new commits", MAX_COMMITS);
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 64 : t->cap * 2;
        struct frame *v = realloc(t->stack, cap * sizeof *v);
        if (v == NULL) return err_set(e, ERR_INTERNAL, "no memory for commits");
        t->stack = v;
        t->cap = cap;
    }
    git_commit *c = NULL;
    if (store_commit(t->store, oid, &c, e) < 0) return -1;
    t->stack[t->n++] = (struct frame){.commit = c};
    return 0;
}

static int leave(struct traversal *t, struct err *e) {
    git_commit *c = t->stack[t->n - 1].commit;
    if (t->done.n == t->done_cap) {
        size_t cap = t->done_cap == 0 ? 64 : t->done_cap * 2;
        git_oid *v = realloc(t->done.v, cap * sizeof *v);
        if (v == NULL) return err_set(e, ERR_INTERNAL, "no memory for commits");
        t->done.v = v;
        t->done_cap = cap;
    }
    t->done.v[t->done.n++] = *git_commit_id(c);
    git_commit_free(c);
    t->n--;
    return 0;
}

static int traverse(struct traversal *t, const git_oid *head, struct err *e) {
    if (enter(t, head, e) < 0) return -1;
    while (t->n > 0) {
        struct frame *top = &t->stack[t->n - 1];
        int r;
        if (top->next < git_commit_parentcount(top->commit))
            r = enter(t, git_commit_parent_id(top->commit, top->next++), e);
        else
            r = leave(t, e);
        if (r < 0) return -1;
    }
    return 0;
}

int commits_since_baseline(struct store *s, const git_oid *head, enum relation *ret, struct commit_list *list,
                           struct err *e) {
    *ret = RELATION_OTHER;
    if (git_oid_is_zero(head)) return 0;
    struct traversal t = {.store = s};
    int r = traverse(&t, head, e);
    if (r == 0) {
        if (git_oid_equal(head, &s->baseline))
            *ret = RELATION_SAME;
        else if (t.done.n > 0 && (t.met_baseline || s->baseline_empty))
            *ret = RELATION_DESCENDS;
        if (list != NULL && *ret == RELATION_DESCENDS) {
            commit_list_release(list);
            *list = t.done;
            t.done = (struct commit_list){0};
        }
    }
    while (t.n > 0) git_commit_free(t.stack[--t.n].commit);
    free(t.stack);
    oidset_release(&t.seen);
    commit_list_release(&t.done);
    return r;
}
