/* walk.h - the worktree, walked without ever leaving it: no links followed, one descriptor at a time, bounded. */
#ifndef CTO_WORKER_INSPECT_WALK_H
#define CTO_WORKER_INSPECT_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/err.h"

struct walk_entry {
    const char *path; /* from the root of the walk, no leading slash */
    size_t path_len;
    const char *name;    /* its last segment */
    int dirfd;           /* of the directory that has it; -1 with a problem found on the way in */
    struct stat st;      /* not followed; only st_mode is set when dirfd is -1 */
    int tag;             /* what the callback returned for the directory that has it; 0 at the root */
    const char *problem; /* NULL, or why its contents are not looked at: too deep, too long, unreadable */
};

#define WALK_SKIP (-2) /* from the callback: do not descend into this directory */
/* Called for every entry but the root's ".git", in no particular order; a directory comes before what is in it.
 * Returns a tag >= 0 for what is below (ignored when it is no directory), WALK_SKIP, or -1 to stop with an error. An
 * entry may be seen a second time, with a problem, when its directory could not be opened after all. */
typedef int (*walk_fn)(void *ctx, const struct walk_entry *w, struct err *e);

/* *ret_complete is false when the bound on entries stopped the walk. Errors: only the callback's, and no memory. */
int walk_tree(int root_fd, walk_fn fn, void *ctx, bool *ret_complete, struct err *e);

#endif
