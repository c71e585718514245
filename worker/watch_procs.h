/* watch_procs.h - what the processes of a jail use, seen from outside through the host's /proc, where there is no group to count it.
 *
 * All of a jail are descendants of its pid 1. A look is no snapshot: a process that forks and exits while it is taken may be missed,
 * and is there at the next one with all its memory, or gone. What a look counts:
 *   tasks    processes and threads, without pid 1
 *   cpu      of those alive, and of those that were waited for; not of children whose parent ignores SIGCHLD
 *   anon     private memory (RssAnon; when that exceeds what is allowed and the kernel lets us, Pss_Anon, which counts a page that
 *            forked processes share once)
 *            a child of vfork or posix_spawn that has not executed its program yet has its parent's, which is counted once
 *   shared   mapped shared memory (RssShmem, Pss_Shmem), or scratch and the memfds that processes hold, whichever is more
 *   unlinked blocks of files of the workspace's file system that are deleted and still open
 * Not counted: page cache, page tables, sockets and pipes (bounded by their own limits), System V segments that nobody has attached,
 * memfds that nobody has open while they travel in a socket: the kernel says how many descriptors wait there (scm_fds in fdinfo), but
 * not which. It lets a user have as many on the way as one process may have open (open_files), and each may be as large as a file
 * may be (file_bytes), so that is no bound. Only a group counts those.
 *
 * Which files a process holds, and Pss, the kernel shows to who has the process's ids, or CAP_SYS_PTRACE, which a worker does not keep.
 * In root mode the look is taken with the jail's file system ids (setfsuid), under which the worker may less, not more. A process that
 * makes itself undumpable hides both; its other memory is seen all the same.
 */
#ifndef CTO_WORKER_WATCH_PROCS_H
#define CTO_WORKER_WATCH_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct procs_look {
    uint64_t tasks, cpu_us, anon, shmem, memfd, unlinked;
    bool cut; /* there were more processes than the time was for */
};

struct seen_proc {
    pid_t pid, parent, parent_tid; /* and which of the parent's threads made it */
    bool borrows;                  /* its parent's memory */
};

struct procs {
    pid_t init;
    uid_t uid;           /* of the jail, when the worker's is another: 0 means that it is not */
    struct seen_proc *v; /* found by the look in progress */
    size_t n, cap, borrowers;
    dev_t memfd_dev, disk_dev;
    size_t next; /* the sweep over descriptors goes on with the process of this place */
    uint64_t memfd_part, unlinked_part, memfd, unlinked;
    uint64_t seen[1024]; /* inode numbers of this sweep */
    size_t n_seen;
};

/* disk: a descriptor of the workspace. uid: of the jail's processes, in root mode; else 0. -1: /proc does not show them. */
int procs_init(struct procs *p, pid_t init, int disk, uid_t uid);
void procs_release(struct procs *p);
/* `until_us`: when to stop looking, monotonic. */
void procs_look(struct procs *p, uint64_t until_us, struct procs_look *ret);
/* Counts again, with every shared page counted once where that can be known, until it is more than `enough`. Expensive in
 * proportion to the memory. */
void procs_look_closely(struct procs *p, uint64_t enough, struct procs_look *io);

/* When to look closely. Seconds of work must not be done all the time, and a pause in proportion to them must not be a time in which
 * a jail takes what it likes: forks that share a heap make it as long as they wish. But whatever it takes, this host has less to
 * give then; so the pause ends when as much is gone from what is available as the jail had left. */
struct close_pause {
    uint64_t until_us;     /* the pause in proportion */
    uint64_t not_until_us; /* and never a shorter one than the work took */
    uint64_t available;    /* when it was last looked at */
    uint64_t room;         /* what it might still take then */
};
bool close_pause_over(const struct close_pause *c, uint64_t now_us, uint64_t available);
/* cost_us: of the look that has just been taken; share: of one processor, a share-th. */
void close_pause_begin(struct close_pause *c, uint64_t now_us, uint64_t cost_us, unsigned share);
/* MemAvailable of the host; 0 when it does not say. */
uint64_t host_available(void);

#endif
