/* land_recover.c - journal entries that are not finished. The branch says which side of the commit point the landing died on; what
 * is left on either side is done by the code that would have done it. */
#include <stdio.h>
#include <string.h>

#include "supervisor/land_internal.h"

static int load(struct landing *l, struct err *e) {
    git_oid old_tree, new_tree;
    if (git_oid_fromstr(&l->old_head, l->j.old_head) < 0 || git_oid_fromstr(&l->new_head, l->j.new_head) < 0)
        return err_set(e, ERR_INTERNAL, "the journal of a landing is damaged");
    if (repo_commit_tree(&l->repo, &l->old_head, &old_tree, e) < 0 ||
        repo_commit_tree(&l->repo, &l->new_head, &new_tree, e) < 0)
        return -1;
    return tree_diff(l->repo.git, &old_tree, &new_tree, &l->changes, e);
}

/* The branch is where it was, or has gone on from the landing: by now all of it is in commits and a clean worktree, or it is
 * somebody's to look at. */
static int settle_moved_on(struct landing *l, struct err *e) {
    char head[REPO_ID_SIZE];
    if (land_look(l->j.target, l->j.branch, strcmp(l->j.kind, "revert") == 0, head, e) < 0) return -1;
    land_unlock_git(l);
    return store_landing_settle(l->store, &l->j, "finished", NULL, e);
}

/* Before the commit point nothing of anybody's was touched. But the branch may also have been set back by the operator, after a
 * kill that left a file of theirs in our hands. */
static int settle_not_moved(struct landing *l, struct err *e) {
    if (load(l, NULL) == 0 && land_stage_open(l, true, NULL) == 0) land_keep_foreign(l);
    land_unlock_git(l);
    return store_landing_forget(l->store, &l->j, e);
}

static int roll_forward(struct landing *l, struct err *e) {
    char branch[256];
    git_oid head;
    if (repo_read_head(&l->repo, branch, &head, e) < 0) return -1;
    if (strcmp(branch, l->j.branch) != 0)
        return err_set(e, ERR_CONFLICT, "the target is on another branch than the one that was landed on");
    if (load(l, e) < 0 || land_stage_open(l, true, e) < 0 || land_lock_git(l, false, e) < 0) return -1;
    return land_finish(l, false, e);
}

/* 0: settled. Else the error says what stands against it. */
static int settle_held(struct landing *l, struct err *e) {
    git_oid now;
    if (repo_open_objects(&l->repo, e) < 0) return -1;
    if (git_oid_fromstr(&l->old_head, l->j.old_head) < 0 || git_oid_fromstr(&l->new_head, l->j.new_head) < 0)
        return err_set(e, ERR_INTERNAL, "the journal of a landing is damaged");
    const int found = repo_read_ref(&l->repo, l->j.branch, &now, e);
    if (found < 0) return -1;
    if (found == 1 && git_oid_equal(&now, &l->old_head)) return settle_not_moved(l, e);
    if (found == 1 && git_oid_equal(&now, &l->new_head)) return roll_forward(l, e);
    if (found == 1 && git_graph_descendant_of(l->repo.git, &now, &l->new_head) == 1) return settle_moved_on(l, e);
    return err_set(e, ERR_CONFLICT, "the target's branch is neither where it was nor where the landing put it");
}

static void say_what_to_do(const struct store_landing *j, const char *why, char ret_text[600]) {
    snprintf(ret_text, 600,
             "run %.80s: its %s on a target is not settled: %.220s. Commit or put back what is open there, or set its "
             "branch to "
             "%.12s (landed) or %.12s (not landed); the next command that writes settles it",
             j->run_id, strcmp(j->kind, "land") == 0 ? "landing" : "revert", why, j->new_head, j->old_head);
}

int land_settle(struct store *s, const struct store_landing *row, char ret_text[600], struct err *e) {
    AUTO_LANDING struct landing l = {.store = s, .repo = REPO_INIT, .stage_fd = -1};
    struct err why = ERR_INIT;
    ret_text[0] = '\0';
    int rc = land_hold(&l, row->target, &why);
    if (rc < 0 && why.code == ERR_CONFLICT) return 0; /* whoever holds it is alive, and goes on with it */
    /* Under the lock: the process that held it may have settled it. */
    struct err gone = ERR_INIT;
    if (store_landing_get(s, row->run_id, row->kind, &l.j, &gone) < 0) {
        if (gone.code == ERR_MISSING) return 0;
        if (e) *e = gone;
        return -1;
    }
    if (strcmp(l.j.state, "finished") == 0) return 0;
    if (rc == 0 && (rc = settle_held(&l, &why)) < 0) land_drop_locks(&l);
    if (rc == 0) return 0;
    say_what_to_do(&l.j, why.text, ret_text);
    return store_landing_settle(s, &l.j, "conflict", why.text, e);
}

struct recovery {
    struct store *s;
    void (*warn)(void *ctx, const char *text);
    void *ctx;
    struct err *e;
};

static int each(void *ctx, const struct store_landing *row) {
    struct recovery *r = ctx;
    char text[600];
    if (land_settle(r->s, row, text, r->e) < 0) return -1;
    if (text[0] && r->warn) r->warn(r->ctx, text);
    return 0;
}

int land_recover(struct store *s, void (*warn)(void *ctx, const char *text), void *ctx, struct err *e) {
    struct recovery r = {s, warn, ctx, e};
    return store_landings_unfinished(s, each, &r, e);
}
