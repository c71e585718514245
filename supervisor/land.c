/* land.c - see land.h: from an order to a commit in memory whose tree is the verified one; then land_finish.c. */
#include "supervisor/land.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"
#include "supervisor/land_internal.h"

static bool is_id(const char *s, git_oid *ret) {
    return strlen(s) == GIT_OID_HEXSZ && strspn(s, "0123456789abcdef") == GIT_OID_HEXSZ && git_oid_fromstr(ret, s) == 0;
}

static int check_order(const struct land_order *o, git_oid *old, git_oid *tree, struct err *e) {
    const size_t n = strlen(o->run_id);
    if (n == 0 || n >= RUN_ID_MAX || strchr(o->run_id, '/')) return err_set(e, ERR_USAGE, "land: no run");
    if (!repo_path_ok(o->target))
        return err_set(e, ERR_USAGE, "land: the target's path is not absolute in its shortest form");
    if (!repo_branch_ok(o->branch)) return err_set(e, ERR_USAGE, "land: no branch");
    if (!is_id(o->old_head, old) || !is_id(o->expect_tree, tree))
        return err_set(e, ERR_USAGE, "land: no commit or tree");
    if (o->n_changes < 1) return err_set(e, ERR_USAGE, "land: nothing is changed");
    if (o->n_changes > LAND_CHANGES_MAX) return err_set(e, ERR_LIMIT, "land: more than %d paths", LAND_CHANGES_MAX);
    if (!o->message[0] || !json_is_utf8(o->message, strlen(o->message)))
        return err_set(e, ERR_USAGE, "land: no message, or one that is not UTF-8");
    return 0;
}

/* Opaque bytes, held against their name. */
static int check_blob(int dir, const char *id, const git_oid *want, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(REPO_FILE_BYTES_MAX);
    git_oid got;
    if (file_read(dir, id, REPO_FILE_BYTES_MAX, &text, NULL, e) < 0) {
        if (e && e->code == ERR_SYS && e->sys == ENOENT)
            return err_set(e, ERR_CONFLICT, "a blob of the result is missing");
        return err_ctx(e, "a blob of the result");
    }
    if (git_odb_hash(&got, text.len ? (const void *)text.p : "", text.len, GIT_OBJECT_BLOB) < 0)
        return repo_git_fail(e, ERR_INTERNAL, "hash a blob");
    return git_oid_equal(&got, want) ? 0 : err_set(e, ERR_CONFLICT, "a blob of the result is not what its id says");
}

static int read_changes(const struct land_order *o, struct edit *edits, struct err *e) {
    AUTO_FD int dir = open(o->blob_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open the result's blobs");
    for (int i = 0; i < o->n_changes; i++) {
        const struct land_change *c = &o->changes[i];
        edits[i] = (struct edit){.path = c->path, .mode = c->mode};
        if (c->mode == 0) continue;
        if (!is_id(c->oid, &edits[i].oid)) return err_set(e, ERR_USAGE, "land: a blob without an id");
        if (check_blob(dir, c->oid, &edits[i].oid, e) < 0) return -1;
    }
    return 0;
}

static int build_result(struct landing *l, const struct land_order *o, const git_oid *old_tree, const git_oid *want,
                        struct new_objects *objects, struct err *e) {
    const struct commit_words words = {o->author_name, o->author_email, o->message, o->when_s};
    struct edit *edits = calloc((size_t)o->n_changes, sizeof *edits);
    git_oid tree;
    BUG_UNLESS(edits != NULL);
    int rc = read_changes(o, edits, e);
    if (rc == 0) rc = tree_build(objects, old_tree, edits, (size_t)o->n_changes, &tree, e);
    free(edits);
    if (rc < 0) return -1;
    if (!git_oid_equal(&tree, want))
        return err_set(e, ERR_CONFLICT, "the result laid over the target is not the tree that was verified");
    if (git_oid_equal(&tree, old_tree)) return err_set(e, ERR_CONFLICT, "the result changes nothing in the target");
    if (commit_build(objects, &tree, &l->old_head, &words, &l->new_head, e) < 0) return -1;
    return tree_diff(objects->git, old_tree, &tree, &l->changes, e);
}

static int plan(struct landing *l, const struct land_order *o, const git_oid *want, struct new_objects *objects,
                struct err *e) {
    git_oid old_tree;
    char head[REPO_ID_SIZE];
    if (land_look(o->target, o->branch, false, head, e) < 0) return -1;
    if (strcmp(head, o->old_head) != 0)
        return err_set(e, ERR_CONFLICT, "the target's branch has moved since the run began");
    if (repo_open_objects(&l->repo, e) < 0 || new_objects_open(objects, &l->repo, e) < 0 ||
        repo_commit_tree(&l->repo, &l->old_head, &old_tree, e) < 0 ||
        build_result(l, o, &old_tree, want, objects, e) < 0)
        return -1;
    git_oid_tostr(l->j.new_head, sizeof l->j.new_head, &l->new_head);
    return land_room(l, e);
}

/* Another one may lie at its path by now, with the same commit on the same branch. */
static int check_identity(const struct landing *l, const struct land_order *o, struct err *e) {
    struct repo_identity now;
    repo_identify(&l->repo, &now);
    if (!o->identity || (now.dev == o->identity->dev && now.root == o->identity->root && now.git == o->identity->git))
        return 0;
    return err_set(e, ERR_CONFLICT, "another repository lies at the target's place than when the run began");
}

int land(struct store *s, const struct land_order *o, char ret_commit[REPO_ID_SIZE], struct err *e) {
    AUTO_LANDING struct landing l = {.store = s, .repo = REPO_INIT, .stage_fd = -1};
    AUTO_OBJECTS struct new_objects objects = {0};
    git_oid tree;
    ret_commit[0] = '\0';
    if (repo_git_start(e) < 0 || check_order(o, &l.old_head, &tree, e) < 0) return -1;
    l.j = (struct store_landing){.kind = "land"};
    snprintf(l.j.run_id, sizeof l.j.run_id, "%s", o->run_id);
    snprintf(l.j.target, sizeof l.j.target, "%s", o->target);
    snprintf(l.j.branch, sizeof l.j.branch, "%s", o->branch);
    snprintf(l.j.old_head, sizeof l.j.old_head, "%s", o->old_head);
    if (land_hold(&l, o->target, e) < 0 || check_identity(&l, o, e) < 0 || plan(&l, o, &tree, &objects, e) < 0)
        return -1;
    if (land_begin(&l, &objects, o->blob_dir, e) < 0) return -1;
    snprintf(ret_commit, REPO_ID_SIZE, "%s", l.j.new_head);
    return land_finish(&l, true, e);
}
