/* land_finish.c - the steps of a landing in their order, for land() and land_revert(): up to the commit point, where every failure
 * is taken back, and from there on, where every failure is for land_recover() to go on with. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/land_internal.h"

int land_look(const char *target, const char *branch, bool beside, char ret_head[REPO_ID_SIZE], struct err *e) {
    struct repo_facts f;
    if (repo_look(target, &f, e) < 0) return -1;
    if (f.why[0] && !(beside && f.only_dirty)) return err_set(e, ERR_CONFLICT, "%s", f.why);
    if (strcmp(f.branch, branch) != 0) return err_set(e, ERR_CONFLICT, "the target is on another branch");
    if (ret_head) snprintf(ret_head, REPO_ID_SIZE, "%s", f.head);
    return 0;
}

static int write_blobs(const struct landing *l, const char *blob_dir, struct err *e) {
    AUTO_FD int dir = open(blob_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open the result's blobs");
    for (size_t i = 0; i < l->changes.n; i++) {
        const struct tree_change *c = &l->changes.v[i];
        char name[REPO_ID_SIZE];
        AUTO_BUF struct buf text = BUF_INIT(REPO_FILE_BYTES_MAX);
        if (c->new_mode == 0 || git_odb_exists(l->repo.odb, &c->new_oid)) continue;
        git_oid_tostr(name, sizeof name, &c->new_oid);
        if (file_read(dir, name, REPO_FILE_BYTES_MAX, &text, NULL, e) < 0) return err_ctx(e, "a blob of the result");
        if (repo_write_blob(&l->repo, &c->new_oid, text.p, text.len, e) < 0) return -1;
    }
    return 0;
}

/* Under git's locks nothing moves any more that obeys them: what the first look saw is looked at once more. */
static int look_again(const struct landing *l, struct err *e) {
    char head[REPO_ID_SIZE];
    if (land_look(l->j.target, l->j.branch, l->beside, head, e) < 0) return -1;
    if (strcmp(head, l->j.old_head) != 0)
        return err_set(e, ERR_CONFLICT, "the target's branch has moved since the run began");
    return land_room(l, e);
}

static int to_commit_point(struct landing *l, struct new_objects *o, const char *blob_dir, struct err *e) {
    if (blob_dir && write_blobs(l, blob_dir, e) < 0) return -1;
    if (new_objects_write(o, &l->repo, e) < 0 || land_stage_open(l, false, e) < 0) return -1;
    if (land_stage_files(l, e) < 0 || land_lock_git(l, true, e) < 0 || look_again(l, e) < 0) return -1;
    return land_move_branch(l, e);
}

/* Undoes only what is this landing's: when the staging directory was another home's it stays. */
static void take_back(struct landing *l) {
    if (l->stage_fd >= 0) land_unlock_git(l);
    (void)store_landing_forget(l->store, &l->j, NULL); /* else land_recover() does */
}

int land_begin(struct landing *l, struct new_objects *o, const char *blob_dir, struct err *e) {
    if (store_landing_begin(l->store, &l->j, e) < 0) return -1;
    if (to_commit_point(l, o, blob_dir, e) == 0 || l->moved) return 0;
    take_back(l);
    return -1;
}

/* --- after it ------------------------------------------------------------------------------------------------------ */

static int settle_conflict(struct landing *l, const char *why, struct err *e) {
    if (store_landing_settle(l->store, &l->j, "conflict", why, e) < 0) return -1;
    return err_set(e, ERR_CONFLICT, "the landing of run %s is on its branch, but %s", l->j.run_id, why);
}

/* What is not ours to put right. */
static int verify(const struct landing *l, bool strict, char why[300], struct err *e) {
    struct repo_facts f;
    why[0] = '\0';
    if (repo_look(l->j.target, &f, e) < 0) return -1;
    if (l->conflicts)
        snprintf(why, 300, "%zu of its files were changed by somebody meanwhile, and stay as they are", l->conflicts);
    else if (f.why[0] && (strict || !f.only_dirty))
        snprintf(why, 300, "%.280s", f.why);
    else if (strcmp(f.head, l->j.new_head) != 0)
        snprintf(why, 300, "HEAD is not what was landed");
    return 0;
}

static int sync_worktree(const struct landing *l, struct err *e) {
    return syncfs(l->repo.root_fd) < 0 ? err_sys(e, "sync the target's file system") : 0;
}

/* The locks go before the journal is closed: whoever is killed between the two leaves an open journal, never a lock. */
int land_finish(struct landing *l, bool strict, struct err *e) {
    char why[300];
    land_reflogs(l);
    if (land_put_files(l, e) < 0 || land_put_index(l, e) < 0 || sync_worktree(l, e) < 0) return -1;
    if (verify(l, strict, why, e) < 0) return -1;
    land_unlock_git(l);
    return why[0] ? settle_conflict(l, why, e) : store_landing_settle(l->store, &l->j, "finished", NULL, e);
}
