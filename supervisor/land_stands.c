/* land_stands.c - before a landing is accepted: it must be there. */
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

int land_stands(struct store *s, const char *run_id, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    struct store_landing j;
    if (repo_git_start(e) < 0 || store_landing_get(s, run_id, "land", &j, e) < 0) return -1;
    if (repo_open(&r, j.target, e) < 0 || repo_open_objects(&r, e) < 0) return -1;
    return on_branch(&r, &j, e);
}
