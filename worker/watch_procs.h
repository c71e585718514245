/* watch_procs.h - what the processes of a jail use, seen from outside through the host's /proc, where there is no group to count it.
 *
 * All of a jail are descendants of its pid 1. A look is no snapshot: a process that forks and exits while it is taken may be missed,
 * and is there at the next one with all its memory, or gone. What a look counts:
 *   tasks    processes and threads, without pid 1
 *   cpu      of those alive, and of those that were waited for; not of children whose parent ignores SIGCHLD
 *   anon     private memory (RssAnon; when that exceeds what is allowed and the kernel lets us, Pss_Anon, which counts a page that
 *            forked processes share once)
 *   shared   mapped shared memory (RssShmem, Pss_Shmem), or scratch and the memfds that processes hold, whichever is more. Which files a
 *            process holds is visible only where the worker has the jail's uid, as an ordinary user
 *   unlinked blocks of files of the workspace's file system that are deleted and still open; same condition
 * Not counted: page cache, page tables, sockets and pipes (bounded by their own limits), System V segments that nobody has attached.
 */
#ifndef CTO_WORKER_WATCH_PROCS_H
#define CTO_WORKER_WATCH_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct procs_look {
    uint64_t tasks, cpu_us, anon, shmem, memfd, unlinked;
};

struct procs {
    pid_t init;
    pid_t *v; /* found by the look in progress */
    size_t n, cap;
    dev_t memfd_dev, disk_dev;
    size_t next; /* the sweep over descriptors goes on with the process of this place */
    uint64_t memfd_part, unlinked_part, memfd, unlinked;
    uint64_t seen[1024]; /* inode numbers of this sweep */
    size_t n_seen;
};

/* disk: a descriptor of the workspace. -1: /proc does not show the jail's processes. */
int procs_init(struct procs *p, pid_t init, int disk);
void procs_release(struct procs *p);
/* `until_us`: when to stop looking, monotonic. */
void procs_look(struct procs *p, uint64_t until_us, struct procs_look *ret);
/* Counts again, with every shared page counted once where that can be known. Expensive in proportion to the memory. */
void procs_look_closely(struct procs *p, struct procs_look *io);

#endif
