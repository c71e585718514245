/* session.c - see session.h. The descriptor of the workspace is opened once, before anything hostile can have happened
 * to its path, and every later look starts from it. */
#include "worker/inspect/session.h"

#include <fcntl.h>
#include <string.h>

#include "common/io.h"
#include "worker/inspect/out.h"

#define GITIGNORE_MAX (1u << 20)

/* The root tree of the baseline, which is not empty. */
static int baseline_tree(struct session *s, git_tree **ret, struct err *e) {
    git_commit *c = NULL;
    if (store_commit(&s->store, &s->store.baseline, &c, e) < 0) return -1;
    int r = store_tree(&s->store, git_commit_tree_id(c), ret, e);
    git_commit_free(c);
    return r;
}

/* Only the root's .gitignore, only from the baseline commit: what the agent wrote into ignore files does not count. */
static int load_ignore(struct session *s, struct err *e) {
    s->ignore.extra = s->args->ignore;
    s->ignore.n_extra = (size_t)s->args->n_ignore;
    if (s->store.baseline_empty) return 0;
    git_tree *t = NULL;
    git_odb_object *blob = NULL;
    int r = baseline_tree(s, &t, e);
    const git_tree_entry *en = r == 0 ? git_tree_entry_byname(t, ".gitignore") : NULL;
    if (en != NULL && (git_tree_entry_filemode_raw(en) & 0170000) == 0100000) {
        r = store_blob(&s->store, git_tree_entry_id(en), &blob, e);
        if (r == 0 && git_odb_object_size(blob) > GITIGNORE_MAX)
            r = err_set(e, ERR_LIMIT, ".gitignore is larger than 1 MiB");
        if (r == 0) r = ignore_parse(&s->ignore, git_odb_object_data(blob), git_odb_object_size(blob), e);
    }
    git_odb_object_free(blob);
    git_tree_free(t);
    return r < 0 ? err_ctx(e, "the baseline's ignore rules") : 0;
}

static bool is_link_in(const git_tree *t, const char *path) {
    git_tree_entry *en = NULL;
    bool is_link = git_tree_entry_bypath(&en, t, path) == 0 && git_tree_entry_filemode_raw(en) == GIT_FILEMODE_COMMIT;
    git_tree_entry_free(en);
    return is_link;
}

int session_mark_submodules(struct session *s, struct flat *f, struct err *e) {
    git_tree *t = NULL;
    for (size_t i = 0; i < f->n && !s->store.baseline_empty; i++) {
        if (f->v[i].mode != GIT_FILEMODE_COMMIT) continue;
        if (t == NULL && baseline_tree(s, &t, e) < 0) return err_ctx(e, "the baseline's submodules");
        f->v[i].submodule = is_link_in(t, flat_path(f, &f->v[i]));
    }
    git_tree_free(t);
    return 0;
}

int session_flatten(struct session *s, const git_oid *commit, struct flat *f, struct err *e) {
    if (flatten_commit(&s->store, commit, f, e) < 0) return -1;
    return session_mark_submodules(s, f, e);
}

int session_open_at(struct session *s, const struct inspect_args *a, int ws_fd, struct err *e) {
    git_oid expected;
    *s = (struct session){.args = a, .ws_fd = ws_fd, .store = {.dir_fd = -1}};
    if (store_open(&s->store, a->odb, ws_fd, e) < 0) {
        session_release(s);
        return -1;
    }
    bool given = a->baseline != NULL;
    if (given && (git_oid_fromstr(&expected, a->baseline) < 0 || !git_oid_equal(&expected, &s->store.baseline)))
        err_set(e, ERR_USAGE, "--baseline %s: the store was made for another one", a->baseline);
    else if (load_ignore(s, e) == 0)
        return 0;
    session_release(s);
    return -1;
}

int session_open(struct session *s, const struct inspect_args *a, struct err *e) {
    int fd = open(a->ws, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return err_sys(e, "open the workspace %s", a->ws);
    return session_open_at(s, a, fd, e);
}

void session_release(struct session *s) {
    store_release(&s->store);
    ignore_release(&s->ignore);
    if (s->ws_fd >= 0) close(s->ws_fd);
    s->ws_fd = -1;
}
