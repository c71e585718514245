/* import.h - objects come from the agent's repository into our own, one at a time and only when somebody needs them.
 *
 * Nothing of libgit2 ever opens the agent's objects directory: a loose object is copied as a file and believed when its
 * size and hash have been checked, a pack is weighed (packcost.h) and indexed anew, object by object, and the agent's .idx is not looked
 * at.
 * Alternates, info/, multi-pack indexes, commit graphs and promisors do not exist for us.
 */
#ifndef CTO_WORKER_INSPECT_IMPORT_H
#define CTO_WORKER_INSPECT_IMPORT_H

#include <git2.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct import_pack {
    char name[64];
    uint64_t size, inode;
    int64_t mtime_ns;
};
struct importer {
    int ws_fd;           /* -1: there is nothing to import from */
    int odb_fd;          /* borrowed */
    git_odb *quarantine; /* loose objects that have been copied and not yet believed */
    const char *odb_dir;
    uint64_t bytes; /* copied so far */
    uint64_t work;  /* spent on packs (packcost.h); the watch begins anew with each look */
    uint32_t loose, packs;
    struct import_pack *tried; /* packs that are in, or are no good */
    size_t n_tried, cap_tried;
    struct err
        refused; /* of a pack that was too dear, else of the last that was no good: why an object may be missing */
};

/* `odb_dir` (borrowed, like the descriptors) is the directory of our own repository. */
int import_open(struct importer *im, int ws_fd, int odb_fd, const char *odb_dir, struct err *e);
void import_release(struct importer *im);
/* The loose object, if the agent has it as a plain file: 1 it is in our odb now, 0 it is not there, -1 error
 * (ERR_PARSE: it is not what its name says). */
int import_loose(struct importer *im, const git_oid *oid, struct err *e);
/* Every pack not tried yet: how many came in (0: nothing new), or -1. A bad pack is noted and passed over. */
int import_packs(struct importer *im, struct err *e);

#endif
