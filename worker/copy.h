/* copy.h - copies of a case's files, owned by whoever is to work on them.
 *
 * What is kept: names, bytes, the execute bit (mode 0644 or 0755), symbolic links as they are. Nothing else: no
 * times, no other mode bits, no extended attributes, never a hard link (the agent would write into the case).
 * Anything that is neither file, directory nor link is an error.
 *
 * Bytes are shared by reflink where the file system can, else moved by copy_file_range, else read and written.
 * Ownership is given with fchown right after each create. setfsuid around the whole copy would save that call, but
 * every change of credentials clears the parent-death signal, and the worker would outlive a killed supervisor for
 * that time.
 */
#ifndef CTO_WORKER_COPY_H
#define CTO_WORKER_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct copier {
    int64_t owner; /* uid and gid of what is made; -1: leave it ours */
    uint64_t files, bytes;
    bool no_reflink, no_range; /* learned: the file systems cannot */
    unsigned depth;
};

/* Everything inside directory `from` into the existing directory `to`. */
int copy_inside(struct copier *c, int from, int to, struct err *e);
/* The entry `from_name` of `from`, whatever it is, as the new entry `to_name` of `to`. */
int copy_entry(struct copier *c, int from, const char *from_name, int to, const char *to_name, struct err *e);
/* A new file with these bytes. */
int copy_bytes(struct copier *c, int to, const char *name, const void *p, size_t n, struct err *e);

/* Opens directory `path` below `root`, making what is missing. Where a component is something else than a directory
 * it is an error, or, with `replace`, removed first: `root` may then hold what an agent committed. Symbolic links are
 * never followed. "" is `root` itself. Returns a descriptor. */
int copy_open_dir(struct copier *c, int root, const char *path, bool replace, struct err *e);

/* Splits "a/b/c" or "a/b/c/" in place into its directory ("a/b", "" for none) and last name. Not a plain relative path:
 * ERR_USAGE. buf must hold PATH_MAX bytes. */
int copy_split(const char *path, char *buf, const char **ret_dir, const char **ret_name, struct err *e);

#endif
