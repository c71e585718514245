/* patch.c - libgit2's diff over our own odb: there is no worktree, no configuration and no attribute file that it
 * could look at, so no line of the agent's can make a change look binary, empty or converted. No renames, full ids,
 * binary patches with their content, so that the patch is exact: applied to the baseline it gives the result's tree.
 */
#include "worker/inspect/patch.h"

#include <string.h>

#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"

#define TEXT_MAX (64u << 20) /* a larger file is shown as binary */

struct stream {
    char buffer[OUT_CHUNK];
    size_t n;
    uint64_t total;
    struct err *e;
};

static int flush(struct stream *s) {
    if (s->n == 0) return 0;
    s->total += s->n;
    size_t n = s->n;
    s->n = 0;
    return out_artifact(ARTIFACT_PATCH, s->buffer, n, s->e);
}

static int put(struct stream *s, const char *p, size_t n) {
    while (n > 0) {
        size_t room = OUT_CHUNK - s->n, take = n < room ? n : room;
        memcpy(s->buffer + s->n, p, take);
        s->n += take;
        p += take;
        n -= take;
        if (s->n == OUT_CHUNK && flush(s) < 0) return -1;
    }
    return 0;
}

static int on_line(const git_diff_delta *delta, const git_diff_hunk *hunk, const git_diff_line *line, void *ctx) {
    struct stream *s = ctx;
    (void)delta;
    (void)hunk;
    bool marked = line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
                  line->origin == GIT_DIFF_LINE_DELETION;
    if (marked && put(s, &line->origin, 1) < 0) return -1;
    return put(s, line->content, line->content_len);
}

static int send_deltas(git_diff *diff, struct stream *s) {
    size_t n = git_diff_num_deltas(diff);
    for (size_t i = 0; i < n; i++) {
        git_patch *patch = NULL;
        if (git_patch_from_diff(&patch, diff, i) < 0) return out_git_error(s->e, ERR_INTERNAL, "make the patch");
        int r = patch != NULL ? git_patch_print(patch, on_line, s) : 0;
        git_patch_free(patch);
        if (r < 0 && s->e->code == ERR_NONE) return out_git_error(s->e, ERR_INTERNAL, "print the patch");
        if (r < 0) return -1;
    }
    return flush(s);
}

static int find_deltas(struct store *s, const git_oid *old_tree, const git_oid *new_tree, git_diff **ret,
                       struct err *e) {
    git_diff_options o;
    git_tree *a = NULL, *b = NULL;
    if (git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION) < 0)
        return out_git_error(e, ERR_INTERNAL, "compare the trees");
    o.flags = GIT_DIFF_SHOW_BINARY;
    o.id_abbrev = GIT_OID_HEXSZ;
    o.max_size = TEXT_MAX;
    int r = old_tree != NULL ? store_tree(s, old_tree, &a, e) : 0;
    if (r == 0 && new_tree != NULL) r = store_tree(s, new_tree, &b, e);
    if (r == 0 && git_diff_tree_to_tree(ret, s->repo, a, b, &o) < 0)
        r = out_git_error(e, ERR_INTERNAL, "compare the trees");
    git_tree_free(a);
    git_tree_free(b);
    return r;
}

int patch_send(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *ret_size, struct err *e) {
    git_diff *diff = NULL;
    struct stream stream = {.e = e};
    if (find_deltas(s, old_tree, new_tree, &diff, e) < 0) return -1;
    int r = send_deltas(diff, &stream);
    git_diff_free(diff);
    if (r < 0) return -1;
    *ret_size = stream.total;
    return out_artifact_end(ARTIFACT_PATCH, stream.total, e);
}
