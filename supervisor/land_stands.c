/* land_stands.c - before a landing is accepted, or taken back: it must be the run's; and to be accepted it must be there. */
#include <string.h>

#include "supervisor/land_internal.h"

static int on_branch(struct repo *r, const struct store_landing *j, struct err *e) {
    char branch[256];
    git_oid head, landed;
    if (repo_read_head(r, branch, &head, e) < 0) return -1;
    if (strcmp(branch, j->branch) != 0)
        return err_set(e, ERR_CONFLICT, "the target is on another branch than the one that was landed on");
    if (git_oid_fromstr(&landed, j->new_head) < 0)
        return err_set(e, ERR_INTERNAL, "the journal of a landing is damaged");
    if (repo_read_ref(r, branch, &head, e) != 1) return err_set(e, ERR_CONFLICT, "the target's branch has no commit");
    if (git_oid_equal(&head, &landed) || git_graph_descendant_of(r->git, &head, &landed) == 1) return 0;
    return err_set(e, ERR_CONFLICT, "the landed commit is no longer on the target's branch");
}

static int is_of(struct repo *r, const struct store_landing *j, const char *tree, struct err *e) {
    git_oid landed, old, want;
    git_commit *c = NULL;
    if (git_oid_fromstr(&landed, j->new_head) < 0 || git_oid_fromstr(&old, j->old_head) < 0 ||
        git_oid_fromstr(&want, tree) < 0)
        return err_set(e, ERR_CONFLICT, "the journal of its landing is damaged");
    if (git_commit_lookup(&c, r->git, &landed) < 0) return repo_git_fail(e, ERR_PARSE, "the landed commit");
    const bool same = git_commit_parentcount(c) == 1 && git_oid_equal(git_commit_parent_id(c, 0), &old) &&
                      git_oid_equal(git_commit_tree_id(c), &want);
    git_commit_free(c);
    return same ? 0 : err_set(e, ERR_CONFLICT, "the journal of its landing names another commit than the run made");
}

static int open_landed(struct store *s, const char *run_id, struct repo *r, struct store_landing *j, struct err *e) {
    if (repo_git_start(e) < 0 || store_landing_get(s, run_id, "land", j, e) < 0) return -1;
    return repo_open(r, j->target, e) < 0 ? -1 : repo_open_objects(r, e);
}

int land_is_of(struct store *s, const char *run_id, const char *tree, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    struct store_landing j;
    return open_landed(s, run_id, &r, &j, e) < 0 ? -1 : is_of(&r, &j, tree, e);
}

int land_stands(struct store *s, const char *run_id, const char *tree, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    struct store_landing j;
    if (open_landed(s, run_id, &r, &j, e) < 0 || is_of(&r, &j, tree, e) < 0) return -1;
    return on_branch(&r, &j, e);
}
