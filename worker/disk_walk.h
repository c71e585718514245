/* disk_walk.h - how much a directory tree holds, counted in small steps while somebody hostile changes it.
 *
 * Bytes are blocks (a sparse file counts as what it holds, a file with n links n times a n-th), inodes are names. Nothing is opened but
 * directories, no link is followed, no other file system is entered. Depth is unbounded: up to WALK_FDS levels are held open, below
 * that the way back is "..", taken only when it leads to where we came from. A tree that is moved about while it is walked may
 * be counted twice or not at all; one that nobody touches is counted exactly.
 */
#ifndef CTO_WORKER_DISK_WALK_H
#define CTO_WORKER_DISK_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WALK_FDS 48

struct walk_level {
    int fd; /* -1: closed while below it */
    ino_t ino;
    int64_t resume; /* position behind the directory that we went down into */
};

struct disk_walk {
    int root; /* borrowed */
    dev_t dev;
    struct walk_level *levels; /* levels[depth - 1] is being read; depth 0: between two sweeps */
    size_t depth, cap;
    size_t len, pos;        /* of entries */
    uint64_t bytes, inodes; /* so far in this sweep; of the whole when it has just ended */
    char entries[8192];
};

int disk_walk_init(struct disk_walk *d, int root);
void disk_walk_release(struct disk_walk *d);
/* Looks at up to `budget` entries; begins a sweep when none is under way. True: this sweep is complete. */
bool disk_walk_step(struct disk_walk *d, unsigned budget);
/* Forgets the sweep under way. */
void disk_walk_restart(struct disk_walk *d);

#endif
