/* treediff.h - what differs between two trees, path by path, without renames. */
#ifndef CTO_WORKER_INSPECT_TREEDIFF_H
#define CTO_WORKER_INSPECT_TREEDIFF_H

#include <stddef.h>
#include <stdint.h>

#include "worker/inspect/store.h"

struct tree_change {
    char letter; /* A added, D deleted, M content or executable bit, T another type: file, link or submodule */
    uint32_t old_mode, new_mode; /* 0: not there */
    git_oid old_oid, new_oid;
    const char *path; /* valid inside the callback */
    size_t path_len;
};
typedef int (*treediff_fn)(void *ctx, const struct tree_change *c, struct err *e);

/* Either tree may be NULL: the empty one. Equal subtrees are not read. `budget` counts down with every entry that is
 * looked at, over as many calls as share it: ERR_LIMIT at 0. */
int treediff(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *budget, treediff_fn fn,
             void *ctx, struct err *e);

#endif
