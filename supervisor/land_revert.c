/* land_revert.c - one commit that takes a landing back. What the operator has committed since stays: for each path of the landing,
 * the old file comes back when the new one is still there; where that was changed again, the landing's lines are taken out of it
 * as three versions are merged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/text.h"
#include "supervisor/land_internal.h"

static int cannot(struct err *e, const char *why) {
    return err_set(e, ERR_CONFLICT, "the landing cannot be taken back exactly: %s", why);
}

static bool is_file(uint32_t mode) { return mode == MODE_FILE || mode == MODE_EXEC; }

static int merge_blobs(struct new_objects *o, git_blob *blobs[3], git_oid *ret, struct err *e) {
    git_merge_file_input in[3];
    git_merge_file_result out = {0};
    for (int i = 0; i < 3; i++) {
        const void *p = git_blob_rawcontent(blobs[i]);
        in[i] = (git_merge_file_input){
            .version = GIT_MERGE_FILE_INPUT_VERSION, .ptr = p ? p : "", .size = (size_t)git_blob_rawsize(blobs[i])};
        if (memchr(in[i].ptr, '\0', in[i].size)) return cannot(e, "a file that is no text was changed again");
    }
    if (git_merge_file(&out, &in[0], &in[1], &in[2], NULL) < 0) return repo_git_fail(e, ERR_INTERNAL, "merge a file");
    int rc = out.automergeable ? blob_build(o, out.ptr, out.len, ret, e)
                               : cannot(e, "the same lines of a file were changed again");
    git_merge_file_result_free(&out);
    return rc;
}

/* From what landed, one way what is there now, the other way what was there before. */
static int merge(struct new_objects *o, const git_oid *landed, const git_oid *now, const git_oid *before, git_oid *ret,
                 struct err *e) {
    const git_oid *ids[3] = {landed, now, before};
    git_blob *blobs[3] = {NULL, NULL, NULL};
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++)
        if (git_blob_lookup(&blobs[i], o->git, ids[i]) < 0) rc = repo_git_fail(e, ERR_PARSE, "a blob of the target");
    if (rc == 0) rc = merge_blobs(o, blobs, ret, e);
    for (int i = 0; i < 3; i++) git_blob_free(blobs[i]);
    return rc;
}

/* 1: an edit; 0: nothing is left to do for this path. */
static int undo_path(struct new_objects *o, const struct tree_change *c, const struct tree_file *now, struct edit *ret,
                     struct err *e) {
    const uint32_t mode = now ? now->mode : 0;
    const bool landed = mode == c->new_mode && (mode == 0 || git_oid_equal(&now->oid, &c->new_oid));
    const bool before = mode == c->old_mode && (mode == 0 || git_oid_equal(&now->oid, &c->old_oid));
    if (before) return 0;
    *ret = (struct edit){.path = c->path, .mode = c->old_mode, .oid = c->old_oid};
    if (landed) return 1;
    if (!is_file(mode) || !is_file(c->old_mode) || !is_file(c->new_mode))
        return cannot(e, "a file of it was changed, removed or made again");
    if (mode != c->new_mode && c->old_mode != c->new_mode && mode != c->old_mode)
        return cannot(e, "a file's mode was changed again");
    if (mode != c->new_mode) ret->mode = mode; /* changed since, not by the landing */
    return merge(o, &c->new_oid, &now->oid, &c->old_oid, &ret->oid, e) < 0 ? -1 : 1;
}

static int undo_tree(struct landing *l, const git_oid *landed_old, const git_oid *landed_new, const git_oid *head_tree,
                     struct new_objects *o, git_oid *ret, struct err *e) {
    AUTO_CHANGES struct tree_changes c = {0};
    AUTO_TREE struct tree_files now = {0};
    if (tree_diff(l->repo.git, landed_old, landed_new, &c, e) < 0 || tree_flatten(l->repo.git, head_tree, &now, e) < 0)
        return -1;
    struct edit *edits = calloc(c.n + 1, sizeof *edits);
    BUG_UNLESS(edits != NULL);
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < c.n; i++) {
        rc = undo_path(o, &c.v[i], tree_find(&now, c.v[i].path, strlen(c.v[i].path)), &edits[n], e);
        if (rc > 0) n++;
    }
    if (rc >= 0) rc = tree_build(o, head_tree, edits, n, ret, e);
    free(edits);
    return rc;
}

static int undo_commit(struct landing *l, const git_oid *tree, const struct store_landing *landed, const char *reason,
                       struct new_objects *o, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(8192);
    git_commit *c = NULL;
    git_oid id;
    if (git_oid_fromstr(&id, landed->new_head) < 0 || git_commit_lookup(&c, l->repo.git, &id) < 0)
        return repo_git_fail(e, ERR_PARSE, "the landed commit");
    const char *subject = git_commit_summary(c) ? git_commit_summary(c) : "";
    buf_printf(&text, "Revert \"%.*s\"\n\nThis reverts commit %s.\n", (int)text_fits(subject, 200), subject,
               landed->new_head);
    if (reason[0] && json_is_utf8(reason, strlen(reason))) buf_printf(&text, "\n%.1000s\n", reason);
    git_commit_free(c);
    const struct commit_words words = {NULL, NULL, buf_str(&text), clock_real_ms() / 1000};
    if (commit_build(o, tree, &l->old_head, &words, &l->new_head, e) < 0) return -1;
    git_oid_tostr(l->j.new_head, sizeof l->j.new_head, &l->new_head);
    return 0;
}

/* What the operator has not committed in one of its paths would be in the way of the old file: asked before anything is written. */
static int paths_are_clean(const struct landing *l, struct err *e) {
    for (size_t i = 0; i < l->changes.n; i++) {
        const struct tree_change *c = &l->changes.v[i];
        struct file_state now;
        if (file_state(l->repo.root_fd, c->path, &now, e) < 0) return -1;
        if (c->old_mode == 0 && now.mode == MODE_DIR) continue; /* land_room() looks into it */
        if (!file_is(&now, c->old_mode, &c->old_oid))
            return cannot(e, "a file of it is changed in the worktree and not committed");
    }
    return 0;
}

static int plan(struct landing *l, const struct store_landing *landed, const char *reason, struct new_objects *o,
                struct err *e) {
    git_oid old_commit, new_commit, old_tree, new_tree, head_tree, tree;
    if (land_look(landed->target, landed->branch, true, l->j.old_head, e) < 0 || repo_open_objects(&l->repo, e) < 0 ||
        new_objects_open(o, &l->repo, e) < 0)
        return -1;
    if (git_oid_fromstr(&l->old_head, l->j.old_head) < 0 || git_oid_fromstr(&old_commit, landed->old_head) < 0 ||
        git_oid_fromstr(&new_commit, landed->new_head) < 0)
        return err_set(e, ERR_INTERNAL, "the journal of a landing is damaged");
    if (!git_oid_equal(&l->old_head, &new_commit) &&
        git_graph_descendant_of(l->repo.git, &l->old_head, &new_commit) != 1)
        return cannot(e, "its commit is not on the target's branch");
    if (repo_commit_tree(&l->repo, &old_commit, &old_tree, e) < 0 ||
        repo_commit_tree(&l->repo, &new_commit, &new_tree, e) < 0 ||
        repo_commit_tree(&l->repo, &l->old_head, &head_tree, e) < 0 ||
        undo_tree(l, &old_tree, &new_tree, &head_tree, o, &tree, e) < 0 ||
        undo_commit(l, &tree, landed, reason, o, e) < 0 || tree_diff(o->git, &head_tree, &tree, &l->changes, e) < 0)
        return -1;
    return paths_are_clean(l, e) < 0 ? -1 : land_room(l, e);
}

/* A row that is not finished is settled first, whatever it becomes. 1: it is finished; 0: there is none, or none any more. */
static int settled(struct store *s, const char *run_id, const char *kind, struct store_landing *ret, struct err *e) {
    char text[600];
    struct err why = ERR_INIT;
    for (int tries = 0;; tries++) {
        if (store_landing_get(s, run_id, kind, ret, &why) < 0) {
            if (why.code == ERR_MISSING) return 0;
            if (e) *e = why;
            return -1;
        }
        if (strcmp(ret->state, "finished") == 0) return 1;
        if (tries > 0)
            return err_set(e, ERR_CONFLICT, "the landing of run %s is not settled: %.200s", run_id, ret->why);
        if (land_settle(s, ret, text, e) < 0) return -1;
    }
}

int land_revert(struct store *s, const char *run_id, const char *reason, char ret_commit[REPO_ID_SIZE], struct err *e) {
    AUTO_LANDING struct landing l = {.store = s, .repo = REPO_INIT, .stage_fd = -1};
    AUTO_OBJECTS struct new_objects objects = {0};
    struct store_landing landed;
    ret_commit[0] = '\0';
    int rc = settled(s, run_id, "revert", &l.j, e);
    if (rc < 0) return -1;
    if (rc == 1) {
        snprintf(ret_commit, REPO_ID_SIZE, "%s", l.j.new_head);
        return 0;
    }
    rc = settled(s, run_id, "land", &landed, e);
    if (rc <= 0) return rc < 0 ? -1 : err_set(e, ERR_MISSING, "run %.80s has landed nothing", run_id);
    l.j = landed;
    snprintf(l.j.kind, sizeof l.j.kind, "revert");
    l.beside = true;
    if (land_hold(&l, landed.target, e) < 0 || plan(&l, &landed, reason, &objects, e) < 0) return -1;
    if (land_begin(&l, &objects, NULL, e) < 0) return -1;
    snprintf(ret_commit, REPO_ID_SIZE, "%s", l.j.new_head);
    return land_finish(&l, false, e); /* it is taken back by now; what else is dirty is the operator's */
}
