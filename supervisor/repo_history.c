/* repo_history.c - see repo.h: one more commit on a repository that we made. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

int repo_add_empty_commit(const char *path, const char *message, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    AUTO_OBJECTS struct new_objects objects = {0};
    const struct commit_words words = {.message = message, .when_s = REPO_EPOCH + 60};
    char branch[256], line[GIT_OID_HEXSZ + 2];
    git_oid head, tree, commit;
    if (repo_git_start(e) < 0 || repo_open(&r, path, e) < 0 || repo_open_objects(&r, e) < 0) return -1;
    const int on = repo_read_head(&r, branch, &head, e);
    if (on < 0) return -1;
    if (on == 0 || repo_read_ref(&r, branch, &head, e) != 1) return err_set(e, ERR_USAGE, "HEAD is on no branch");
    if (repo_commit_tree(&r, &head, &tree, e) < 0 || new_objects_open(&objects, &r, e) < 0 ||
        commit_build(&objects, &tree, &head, &words, &commit, e) < 0 || new_objects_write(&objects, &r, e) < 0)
        return -1;
    git_oid_tostr(line, sizeof line, &commit);
    line[GIT_OID_HEXSZ] = '\n';
    return io_replace_file_at(r.git_fd, branch, line, GIT_OID_HEXSZ + 1, 0644, 0, e);
}
