/* repo_contains.c - see repo.h: is a commit in the history of HEAD? Are these names in a commit's tree? */
#include <string.h>

#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

int repo_contains(const char *path, const char *commit, bool *ret, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    char branch[256];
    git_oid head, wanted, tree;
    *ret = false;
    if (strlen(commit) != GIT_OID_HEXSZ || repo_git_start(e) < 0 || git_oid_fromstr(&wanted, commit) < 0)
        return err_set(e, ERR_USAGE, "the commit is no id");
    if (repo_open(&r, path, e) < 0 || repo_open_objects(&r, e) < 0) return -1;
    const int on = repo_read_head(&r, branch, &head, e);
    if (on < 0 || (on == 1 && repo_read_ref(&r, branch, &head, e) != 1)) return -1;
    if (git_oid_equal(&head, &wanted)) {
        *ret = true;
        return 0;
    }
    if (repo_commit_tree(&r, &wanted, &tree, NULL) < 0) return 0; /* not even an object of it */
    const int below = git_graph_descendant_of(r.git, &head, &wanted);
    if (below < 0) return repo_git_fail(e, ERR_PARSE, "the history");
    *ret = below == 1;
    return 0;
}

int repo_lacks(const char *path, const char *head, const char *const *names, int n, int *ret, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    AUTO_TREE struct tree_files files = {0};
    git_oid commit, tree;
    if (strlen(head) != GIT_OID_HEXSZ || repo_git_start(e) < 0 || git_oid_fromstr(&commit, head) < 0)
        return err_set(e, ERR_USAGE, "the commit is no id");
    if (repo_open(&r, path, e) < 0 || repo_open_objects(&r, e) < 0 || repo_commit_tree(&r, &commit, &tree, e) < 0 ||
        tree_flatten(r.git, &tree, &files, e) < 0)
        return -1;
    int i = 0;
    while (i < n &&
           (tree_find(&files, names[i], strlen(names[i])) || tree_has_below(&files, names[i], strlen(names[i]))))
        i++;
    *ret = i;
    return 0;
}
