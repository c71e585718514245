/* commit.c - the harness's own commit of what a backend left that does not commit by itself.
 *
 * It goes into our store only; the agent's repository is not touched. Its tree is HEAD's tree with every difference
 * that the same scan finds which judges cleanliness, so that "what we committed" and "what is clean" cannot disagree:
 * untracked files that the baseline's ignore rules name stay out, raw bytes go in, special files and names that git
 * must not have stay out and are found by the census.
 */
#include <errno.h>
#include <fcntl.h>
#include <git2/sys/commit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/git_names.h"
#include "common/io.h"
#include "worker/inspect/commits.h"
#include "worker/inspect/out.h"
#include "worker/inspect/refs.h"
#include "worker/inspect/scan.h"
#include "worker/inspect/session.h"

struct work {
    struct session s;
    struct flat tree;      /* HEAD's */
    struct flat additions; /* paths to take from the worktree; ids are not known yet */
    struct flat removals;
    uint64_t bytes;
};

static bool committable(const char *path, size_t n) {
    for (size_t start = 0, i = 0; i <= n; i++) {
        if (i < n && path[i] != '/') continue;
        if (!name_is_safe(path + start, i - start)) return false;
        start = i + 1;
    }
    return true;
}

static int collect(void *ctx, char letter, const char *path, size_t n, struct err *e) {
    struct work *w = ctx;
    static const git_oid none;
    if (w->additions.n + w->removals.n >= MAX_CHANGES)
        return err_set(e, ERR_LIMIT, "the backend left more than %u changed files", MAX_CHANGES);
    if (letter == 'D' || letter == 'T') {
        if (flat_add(&w->removals, path, n, 0, &none, e) < 0) return -1;
    }
    if ((letter == '?' || letter == 'M' || letter == 'T') && committable(path, n))
        return flat_add(&w->additions, path, n, 0, &none, e);
    return 0;
}

/* Reads a link. The parent is opened beneath first, so that only the last step is a link, and that is read, not
 * followed. */
static int read_link(const struct work *w, const char *path, struct buf *out, struct err *e) {
    AUTO_FD int fd = io_open_beneath(w->s.ws_fd, path, O_PATH | O_NOFOLLOW, 0, e);
    char target[MAX_PATH + 1];
    if (fd < 0) return -1;
    ssize_t n = readlinkat(fd, "", target, sizeof target);
    if (n < 0) return err_sys(e, "read a symbolic link");
    buf_reset(out);
    buf_put(out, target, (size_t)n);
    return 0;
}

/* 1 and mode and content; 0: nothing to commit there (a directory, a special file); -1. */
static int read_file(struct work *w, const char *path, struct buf *out, uint32_t *ret_mode, struct err *e) {
    char text[OUT_QUOTE_SIZE];
    AUTO_FD int fd = io_open_beneath_quiet(w->s.ws_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    struct stat st;
    if (fd < 0 && errno == ELOOP) {
        *ret_mode = GIT_FILEMODE_LINK;
        return read_link(w, path, out, e) < 0 ? -1 : 1;
    }
    if (fd < 0) return 0;
    if (fstat(fd, &st) < 0) return err_sys(e, "stat a file of the worktree");
    if (!S_ISREG(st.st_mode)) return 0;
    if ((uint64_t)st.st_size > MAX_BLOB || w->bytes + (uint64_t)st.st_size > MAX_TOTAL)
        return err_set(e, ERR_LIMIT, "the backend left a file that is too large to commit: %s",
                       out_quote(path, strlen(path), text));
    w->bytes += (uint64_t)st.st_size;
    *ret_mode = st.st_mode & S_IXUSR ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
    char *p = malloc((size_t)st.st_size + 1);
    if (p == NULL) return err_set(e, ERR_INTERNAL, "no memory for a file of the worktree");
    ssize_t n = io_read_full(fd, p, (size_t)st.st_size, e);
    buf_release(out);
    if (n >= 0) buf_put(out, p, (size_t)n);
    free(p);
    return n < 0 ? -1 : 1;
}

static int apply_addition(struct work *w, git_index *index, const char *path, struct buf *content, struct err *e) {
    git_index_entry en = {.path = path};
    int r = read_file(w, path, content, &en.mode, e);
    if (r <= 0) return r;
    if (git_odb_write(&en.id, w->s.store.odb, content->len > 0 ? (const void *)content->p : "", content->len,
                      GIT_OBJECT_BLOB) < 0 ||
        git_index_add(index, &en) < 0)
        return out_git_error(e, ERR_INTERNAL, "take a file of the worktree");
    return 0;
}

static int fill_index(struct work *w, git_index *index, struct err *e) {
    for (size_t i = 0; i < w->tree.n; i++) {
        const struct flat_entry *x = &w->tree.v[i];
        git_index_entry en = {.path = flat_path(&w->tree, x), .mode = x->mode, .id = x->oid};
        bool is_blob = x->mode != GIT_FILEMODE_COMMIT; /* the agent's own may not have been imported yet */
        if (is_blob && store_need(&w->s.store, &x->oid, GIT_OBJECT_BLOB, MAX_BLOB, NULL, e) < 0) return -1;
        if (git_index_add(index, &en) < 0) return out_git_error(e, ERR_INTERNAL, "build a tree");
    }
    for (size_t i = 0; i < w->removals.n; i++)
        if (git_index_remove(index, flat_path(&w->removals, &w->removals.v[i]), 0) < 0)
            return out_git_error(e, ERR_INTERNAL, "build a tree");
    AUTO_BUF struct buf content = BUF_INIT(MAX_BLOB);
    for (size_t i = 0; i < w->additions.n; i++)
        if (apply_addition(w, index, flat_path(&w->additions, &w->additions.v[i]), &content, e) < 0) return -1;
    return 0;
}

static int build_tree(struct work *w, git_oid *ret, struct err *e) {
    git_index *index = NULL;
    if (git_index_new(&index) < 0) return out_git_error(e, ERR_INTERNAL, "build a tree");
    int r = fill_index(w, index, e);
    if (r == 0 && git_index_write_tree_to(ret, index, w->s.store.repo) < 0)
        r = out_git_error(e, ERR_INTERNAL, "build a tree");
    git_index_free(index);
    return r;
}

static int make_commit(struct work *w, const git_oid *tree, const git_oid *parent, git_oid *ret, struct err *e) {
    git_signature *who = NULL;
    char message[256];
    const git_oid *parents[1] = {parent};
    snprintf(message, sizeof message, "cto-harness: result of %.200s\n", w->s.args->run_id);
    int r = git_signature_new(&who, INSPECT_NAME, INSPECT_EMAIL, clock_real_ms() / 1000, 0);
    if (r == 0)
        r = git_commit_create_from_ids(ret, w->s.store.repo, NULL, who, who, NULL, message, tree, parent != NULL,
                                       parents);
    git_signature_free(who);
    return r < 0 ? out_git_error(e, ERR_INTERNAL, "make the harness's commit") : 0;
}

/* Commits on top of `head` (zero: a root commit) when there is anything to commit, and notes the result. */
static int commit_on(struct work *w, const git_oid *head, const char **ret_what, struct err *e) {
    struct scan scan = {.ws_fd = w->s.ws_fd, .tree = &w->tree, .ignore = &w->s.ignore, .dirt = collect, .ctx = w};
    git_oid tree, made = *head;
    *ret_what = "nothing to commit";
    if (session_flatten(&w->s, head, &w->tree, e) < 0 || scan_worktree(&scan, e) < 0) return -1;
    if (w->additions.n + w->removals.n > 0) {
        if (build_tree(w, &tree, e) < 0) return -1;
        git_commit *c = NULL;
        bool born = !git_oid_is_zero(head), same = false;
        if (born) {
            if (store_commit(&w->s.store, head, &c, e) < 0) return -1;
            same = git_oid_equal(git_commit_tree_id(c), &tree);
            git_commit_free(c);
        }
        if (!same) {
            if (make_commit(w, &tree, born ? head : NULL, &made, e) < 0) return -1;
            *ret_what = "committed";
        }
    }
    return git_oid_is_zero(&made) ? 0 : store_write_ref(&w->s.store, "result", &made, e);
}

/* A head that is not the baseline's offspring gets no commit; the census says what it is. */
static int commit_if_fit(struct work *w, const char **ret_what, struct err *e) {
    struct head h;
    enum relation relation = RELATION_OTHER;
    git_oid head = {{0}};
    refs_read_head(w->s.ws_fd, &h);
    *ret_what = "HEAD is not the baseline or a descendant of it: no commit";
    if (h.state == HEAD_OID) {
        head = h.oid;
        if (commits_since_baseline(&w->s.store, &head, &relation, NULL, e) < 0) return -1;
        if (relation == RELATION_OTHER) return 0;
    } else if (h.state == HEAD_UNREADABLE || !w->s.store.baseline_empty) {
        return 0;
    }
    return commit_on(w, &head, ret_what, e);
}

int step_commit(const struct inspect_args *a, struct err *e) {
    struct work w = {0};
    uint64_t start = clock_mono_us();
    const char *what = "";
    char note[ERR_TEXT_MAX];
    if (session_open(&w.s, a, e) < 0) return -1;
    int r = commit_if_fit(&w, &what, e);
    if (r < 0 && inspect_is_finding(e)) {
        /* What the backend left is too large or broken: a result, which the census reports. It finds what is broken
         * itself. */
        bool too_large = e->code == ERR_LIMIT;
        snprintf(note, sizeof note, "%s", e->text);
        what = note;
        *e = ERR_INIT;
        r = too_large ? store_write_note(&w.s.store, "cto-commit-refused", note, e) : 0;
    }
    if (r == 0)
        r = out_trace("inspect.commit", start, true, e, "%s; taken %zu, removed %zu, %llu bytes", what, w.additions.n,
                      w.removals.n, (unsigned long long)w.bytes);
    flat_release(&w.tree);
    flat_release(&w.additions);
    flat_release(&w.removals);
    session_release(&w.s);
    return r;
}
