/* scan.h - does the worktree agree with a commit? And the index? */
#ifndef CTO_WORKER_INSPECT_SCAN_H
#define CTO_WORKER_INSPECT_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "worker/inspect/flatten.h"
#include "common/ignore.h"

/* What was found not to agree: a letter of the DIRTY frame (msg.h) and a path. */
typedef int (*dirt_fn)(void *ctx, char letter, const char *path, size_t n, struct err *e);

struct scan {
    /* in */
    int ws_fd;
    struct flat *tree; /* what it should be; its marks and stat keys are ours to write */
    const struct ignore *ignore;
    bool trust_stat; /* take a file with an unchanged key for unchanged: the stop hint, never a verdict */
    dirt_fn dirt;
    void *ctx;
    /* out */
    uint64_t fingerprint; /* of paths, sizes, times and modes; does not depend on the order of the walk */
    uint64_t dirty;       /* how often `dirt` was called */
    uint64_t hashed_bytes;
};

struct stat_key scan_key(const struct stat *st);
/* A file whose times lie after this could still change without its key showing it. */
int64_t scan_racy_border(void);
/* Walks everything and compares raw bytes, executable bit, link target and type. -1 only when we or the callback
 * failed: whatever the agent left is dirt, not an error. */
int scan_worktree(struct scan *s, struct err *e);
/* Path, mode, id and stage of every index entry against the tree; skip-worktree, assume-unchanged and stat fields say
 * nothing. It is read from a copy in our own directory. Letter 'I'. */
int scan_index(struct scan *s, const struct store *store, struct err *e);
/* Has the index file changed since *key was filled? Fills it. A racy or unreadable file always has. */
bool scan_index_changed(int ws_fd, struct stat_key *key);

#endif
