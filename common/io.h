/* io.h - descriptors and whole-file helpers. Every descriptor made here is CLOEXEC from birth. */
#ifndef CTO_COMMON_IO_H
#define CTO_COMMON_IO_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"

/* Scope-bound ownership: `AUTO_FD int fd = open(...)` closes when the scope ends; take_fd(&fd) hands it on. */
static inline void io_auto_close(int *fd) {
    if (*fd >= 0) close(*fd);
}
static inline void io_auto_free(void *p) { free(*(void **)p); }
#define AUTO_FD __attribute__((cleanup(io_auto_close)))
#define AUTO_FREE __attribute__((cleanup(io_auto_free)))
static inline int take_fd(int *fd) {
    int r = *fd;
    *fd = -1;
    return r;
}
#define TAKE_PTR(p)                 \
    ({                              \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

/* Loops over short transfers and EINTR. io_read_full returns bytes read: fewer than `n` only at end of file. */
ssize_t io_read_full(int fd, void *p, size_t n, struct err *e);
int io_write_full(int fd, const void *p, size_t n, struct err *e);

/* Opens `path` relative to `dirfd`, never leaving it and never following a symbolic link (openat2 with RESOLVE_BENEATH,
 * RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS). O_CLOEXEC and O_NOCTTY are added. Returns the descriptor or -1. */
int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct err *e);
/* The same, silently: -1 with errno set. For hot paths that expect failure. */
int io_open_beneath_quiet(int dirfd, const char *path, int flags, mode_t mode);

/* Reads a regular file of at most `max` bytes into `out` (replaced). Larger: ERR_LIMIT. Not regular: ERR_PARSE. */
int io_read_file_at(int dirfd, const char *path, size_t max, struct buf *out, struct err *e);
/* Creates or replaces by temporary name + rename in the same directory; with `sync`, file and directory are fsynced. */
int io_replace_file_at(int dirfd, const char *path, const void *p, size_t n, mode_t mode, int sync, struct err *e);

/* mkdir -p below `dirfd`; existing directories are fine. */
int io_mkdirs_at(int dirfd, const char *path, mode_t mode, struct err *e);

/* Removes a tree below `dirfd` without following links or crossing mounts, also when the tree is hostile: deep (no
 * recursion on the C stack), huge, unreadable by mode (chmod u+rwx on directories on the way). Missing is success. */
int io_remove_tree_at(int dirfd, const char *name, struct err *e);

/* Duplicates /dev/null onto 0, 1, 2 wherever those are closed. Call first in every main(). */
int io_sanitize_std_fds(struct err *e);

/* Monotonic deadline helpers: see clock.h. poll() on one fd; returns 1 ready, 0 timeout, -1 error. timeout_ms < 0 waits. */
int io_wait(int fd, short events, int timeout_ms, struct err *e);

#endif
