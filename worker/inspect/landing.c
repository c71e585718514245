/* landing.c - see landing.h. */
#include "worker/inspect/landing.h"

#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"
#include "worker/inspect/treediff.h"

struct landing {
    struct store *store;
    uint64_t total;
    bool only_contents;
};

static int send_content(struct landing *l, const char *p, size_t n, struct err *e) {
    l->total += n;
    while (n > 0) {
        size_t take = n < OUT_CHUNK ? n : OUT_CHUNK;
        if (out_artifact(ARTIFACT_BLOBS, p, take, e) < 0) return -1;
        p += take;
        n -= take;
    }
    return 0;
}

static int send_file(struct landing *l, const struct tree_change *c, struct err *e) {
    char oid[GIT_OID_HEXSZ + 1];
    git_odb_object *blob = NULL;
    if (store_blob(l->store, &c->new_oid, &blob, e) < 0) return -1;
    size_t n = git_odb_object_size(blob);
    git_oid_tostr(oid, sizeof oid, &c->new_oid);
    int r = l->total + n > MAX_LANDING
                ? err_set(e, ERR_LIMIT, "more than %llu bytes to be %s", (unsigned long long)MAX_LANDING,
                          l->only_contents ? "searched" : "landed")
            : l->only_contents ? 0
                               : out_land(c->new_mode, oid, n, c->path, e);
    if (r == 0) r = send_content(l, git_odb_object_data(blob), n, e);
    git_odb_object_free(blob);
    return r;
}

static int send_change(void *ctx, const struct tree_change *c, struct err *e) {
    const struct landing *l = ctx;
    if (l->only_contents && (c->new_mode == 0 || c->new_mode == GIT_FILEMODE_COMMIT)) return 0;
    switch (c->new_mode) {
    case 0: return out_land(0, "", 0, c->path, e);
    case GIT_FILEMODE_BLOB:
    case GIT_FILEMODE_BLOB_EXECUTABLE:
    case GIT_FILEMODE_LINK: return send_file(ctx, c, e);
    default: return err_set(e, ERR_LIMIT, "something that is neither a file nor a link is not landed");
    }
}

int landing_send(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *budget, struct err *e) {
    struct landing l = {.store = s};
    char oid[GIT_OID_HEXSZ + 1];
    git_oid_tostr(oid, sizeof oid, new_tree);
    if (out_tree(oid, e) < 0 || treediff(s, old_tree, new_tree, budget, send_change, &l, e) < 0) return -1;
    return out_artifact_end(ARTIFACT_BLOBS, l.total, e);
}

int landing_contents(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *budget,
                     struct err *e) {
    struct landing l = {.store = s, .only_contents = true};
    return treediff(s, old_tree, new_tree, budget, send_change, &l, e) < 0
               ? -1
               : out_artifact_end(ARTIFACT_BLOBS, l.total, e);
}
