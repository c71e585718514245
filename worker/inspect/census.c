/* census.c - the verdict, after the engine's death: what is the result, is it sound, and is the tree clean?
 *
 * Nothing that the watch step remembered is used. Every object that the result has and the baseline has not is read
 * whole and its hash compared, before any later step touches it: the later steps can then take a bad object for a
 * fault of ours. Comparing each new commit with its first parent visits every new tree and blob (a tree that is not in
 * that difference is in the parent, which was visited before it, or is the baseline's).
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "worker/inspect/attempts.h"
#include "worker/inspect/commits.h"
#include "worker/inspect/hash.h"
#include "worker/inspect/out.h"
#include "worker/inspect/refs.h"
#include "worker/inspect/scan.h"
#include "worker/inspect/session.h"
#include "worker/inspect/treediff.h"

struct census {
    struct session s;
    git_oid head;
    bool made; /* the result is a commit of the commit step */
    struct commit_list commits;
    struct oidset blobs;
    uint64_t budget, changes, blob_bytes;
    uint32_t dirt_sent, attempts;
    struct scan scan;
};

static int verify_blob(void *ctx, const struct tree_change *change, struct err *e) {
    struct census *c = ctx;
    git_odb_object *blob = NULL;
    if (++c->changes > MAX_CHANGES) return err_set(e, ERR_LIMIT, "more than %u changed paths", MAX_CHANGES);
    if (change->new_mode == 0 || change->new_mode == GIT_FILEMODE_COMMIT) return 0;
    if (store_is_base(&c->s.store, &change->new_oid)) {
        return store_need(&c->s.store, &change->new_oid, GIT_OBJECT_BLOB, MAX_BLOB, NULL, e);
    }
    int added = oidset_add(&c->blobs, &change->new_oid, e);
    if (added <= 0) return added;
    if (store_blob(&c->s.store, &change->new_oid, &blob, e) < 0) {
        char text[OUT_QUOTE_SIZE];
        return err_ctx(e, "%s", out_quote(change->path, change->path_len, text));
    }
    c->blob_bytes += git_odb_object_size(blob);
    git_odb_object_free(blob);
    return 0;
}

static int tree_of(struct store *s, const git_oid *commit, git_oid *ret, struct err *e) {
    git_commit *c = NULL;
    if (store_commit(s, commit, &c, e) < 0) return -1;
    *ret = *git_commit_tree_id(c);
    git_commit_free(c);
    return 0;
}

static int verify_commit(struct census *c, const git_oid *oid, struct err *e) {
    git_commit *commit = NULL;
    git_oid before;
    bool has_parent = false;
    if (store_commit(&c->s.store, oid, &commit, e) < 0) return -1;
    int r = 0;
    if (git_commit_parentcount(commit) > 0) {
        has_parent = true;
        r = tree_of(&c->s.store, git_commit_parent_id(commit, 0), &before, e);
    }
    if (r == 0)
        r = treediff(&c->s.store, has_parent ? &before : NULL, git_commit_tree_id(commit), &c->budget, verify_blob, c,
                     e);
    git_commit_free(commit);
    return r;
}

/* Where the result should be: the harness's own commit, else the agent's HEAD. 0 with a zero id when there is none. */
static int find_head(struct census *c, struct head *h, struct err *e) {
    refs_read_head(c->s.ws_fd, h);
    if (c->s.args->made_by_harness) {
        int r = store_read_ref(&c->s.store, "result", &c->head, e);
        if (r < 0) return -1;
        c->made = r == 1 && (h->state != HEAD_OID || !git_oid_equal(&h->oid, &c->head));
        if (r == 1) return 0;
    }
    if (h->state == HEAD_OID) c->head = h->oid;
    return 0;
}

static int judge_missing_head(const struct census *c, const struct head *h, struct out_result *r, char *detail,
                              size_t size) {
    if (h->state == HEAD_UNREADABLE)
        r->kind = RESULT_UNREADABLE;
    else
        r->kind = c->s.store.baseline_empty ? RESULT_NONE : RESULT_NOT_DESCENDANT;
    snprintf(detail, size, "%s", h->why);
    return 0;
}

/* Kind and detail. -1: our trouble. */
static int judge(struct census *c, const struct head *h, struct out_result *r, char *detail, size_t size,
                 struct err *e) {
    struct err why = ERR_INIT;
    enum relation relation = RELATION_OTHER;
    if (store_read_note(&c->s.store, "cto-commit-refused", detail, size, e) == 1) {
        r->kind = RESULT_TOO_LARGE;
        return 0;
    }
    if (git_oid_is_zero(&c->head)) return judge_missing_head(c, h, r, detail, size);
    int bad = commits_since_baseline(&c->s.store, &c->head, &relation, &c->commits, &why);
    for (size_t i = 0; bad == 0 && i < c->commits.n; i++) bad = verify_commit(c, &c->commits.v[i], &why);
    if (bad < 0 && !inspect_is_finding(&why)) {
        *e = why;
        return -1;
    }
    r->commits = (uint32_t)c->commits.n;
    if (bad < 0) {
        r->kind = why.code == ERR_LIMIT ? RESULT_TOO_LARGE : RESULT_UNREADABLE;
        snprintf(detail, size, "%s", why.text);
    } else if (relation == RELATION_OTHER) {
        r->kind = RESULT_NOT_DESCENDANT;
        snprintf(detail, size, "HEAD does not descend from the baseline: amended, rewound or unrelated");
    } else if (relation == RELATION_SAME) {
        r->kind = RESULT_NONE;
        snprintf(detail, size, "HEAD is the baseline");
    } else {
        r->kind = RESULT_COMMITTED;
        snprintf(detail, size, "%zu commits, %llu changed paths", c->commits.n, (unsigned long long)c->changes);
    }
    return 0;
}

static int send_dirt(void *ctx, char letter, const char *path, size_t n, struct err *e) {
    struct census *c = ctx;
    if (c->dirt_sent == MAX_DIRTY) return 0;
    c->dirt_sent++;
    return out_dirty(letter, path, n, e);
}

/* The agent's index says nothing about a commit that we made; the worktree must be what we committed all the same, and
 * what could not be committed (special files, nested repositories) shows here. */
static int look_for_dirt(struct census *c, struct out_result *r, struct err *e) {
    struct flat tree = {0};
    if (r->kind != RESULT_NONE && r->kind != RESULT_COMMITTED) return 0;
    if (session_flatten(&c->s, &c->head, &tree, e) < 0) {
        if (!inspect_is_finding(e)) return -1;
        r->kind = e->code == ERR_LIMIT ? RESULT_TOO_LARGE : RESULT_UNREADABLE;
        *e = ERR_INIT;
        r->detail = "the result's tree is too large or cannot be read";
        return 0;
    }
    c->scan = (struct scan){.ws_fd = c->s.ws_fd, .tree = &tree, .ignore = &c->s.ignore, .dirt = send_dirt, .ctx = c};
    int bad = scan_worktree(&c->scan, e);
    if (bad == 0 && !c->s.args->made_by_harness) bad = scan_index(&c->scan, &c->s.store, e);
    flat_release(&tree);
    r->dirty_paths = (uint32_t)(c->scan.dirty < UINT32_MAX ? c->scan.dirty : UINT32_MAX);
    r->clean = bad == 0 && c->scan.dirty == 0;
    return bad;
}

static int send_attempt(void *ctx, enum attempt_kind kind, const char *name, size_t n, struct err *e) {
    struct census *c = ctx;
    return ++c->attempts > MAX_ATTEMPTS ? 0 : out_attempt(kind, name, n, e);
}

/* Whatever became of the result: an attempt is one without a commit too. */
static int look_for_attempts(struct census *c, struct out_result *r, char *detail, size_t size, struct err *e) {
    uint64_t start = clock_mono_us();
    struct err why = ERR_INIT;
    if (attempts_in_repository(c->s.ws_fd, send_attempt, c, &why) < 0) {
        if (!inspect_is_finding(&why)) {
            *e = why;
            return -1;
        }
        if (r->kind != RESULT_UNREADABLE) snprintf(detail, size, "marks of forbidden actions: %.400s", why.text);
        r->kind = RESULT_UNREADABLE;
    }
    return out_trace("inspect.attempts", start, c->attempts == 0, e, "marks of forbidden actions: %u", c->attempts);
}

static int report(struct census *c, uint64_t start, struct err *e) {
    char detail[600], hex[GIT_OID_HEXSZ + 1] = "";
    struct head h;
    struct out_result r = {.detail = detail};
    if (find_head(c, &h, e) < 0 || judge(c, &h, &r, detail, sizeof detail, e) < 0 || look_for_dirt(c, &r, e) < 0 ||
        look_for_attempts(c, &r, detail, sizeof detail, e) < 0)
        return -1;
    if (!git_oid_is_zero(&c->head)) git_oid_tostr(hex, sizeof hex, &c->head);
    r.head = hex;
    r.made_by_harness = c->made;
    if ((r.kind == RESULT_COMMITTED || r.kind == RESULT_NONE) && !git_oid_is_zero(&c->head) &&
        store_write_ref(&c->s.store, "result", &c->head, e) < 0)
        return -1;
    if (out_trace(
            "inspect.census", start, true, e,
            "commits %zu, changed paths %llu, new blobs %zu of %llu bytes, imported %u loose objects and %u packs, "
            "hashed %llu bytes of the worktree, dirty paths %u",
            c->commits.n, (unsigned long long)c->changes, c->blobs.n, (unsigned long long)c->blob_bytes,
            c->s.store.import.loose, c->s.store.import.packs, (unsigned long long)c->scan.hashed_bytes,
            r.dirty_paths) < 0)
        return -1;
    return out_result(&r, e);
}

int step_census(const struct inspect_args *a, struct err *e) {
    struct census c = {.budget = MAX_OBJECTS};
    uint64_t start = clock_mono_us();
    if (session_open(&c.s, a, e) < 0) return -1;
    int r = report(&c, start, e);
    commit_list_release(&c.commits);
    oidset_release(&c.blobs);
    session_release(&c.s);
    return r;
}
