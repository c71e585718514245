/* cgroup.h - control groups of jails: where one may be made, what it limits, what it counted, its removal.
 *
 * Both sides use it: who builds a jail makes its group, counts and removes it; who recovers removes what a kill -9 left.
 * A group is one directory per hierarchy, named
 *     cto-harness.<pid namespace>.<owner's pid>.<owner's start time>.<n>
 * so that anybody can tell whether its owner still lives (in the same pid namespace: names of another one are left
 * alone) without asking anyone. Groups are made below the group that the caller is in itself (v1), or below the nearest
 * one on the way up that hands out controllers (v2): a limit that somebody put on us holds for our jails too.
 *
 * v2 ("unified"): usable when memory and pids are delegated. A child is cloned right into the group, which costs nothing.
 * v1: memory, pids and cpuacct each in a hierarchy of its own, when they are writable. A process is moved by writing
 * to cgroup.procs; the first such write in a while waits for an RCU grace period (9 ms seen), so that callers use v1 when
 * a limit is asked for, and v2 always.
 *
 * Everything goes through descriptors that are opened before the caller gives up its root. No memory is allocated.
 */
#ifndef CTO_COMMON_CGROUP_H
#define CTO_COMMON_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

enum cgroup_tree { CGROUP_UNIFIED, CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPUACCT, CGROUP_TREES };

struct cgroup_places {
    int fd[CGROUP_TREES]; /* directory in which groups are made; -1: none. UNIFIED excludes the others */
    char owner[64];       /* "<pid namespace>.<pid>.<start time>" of the process that opened them */
    char why[120];        /* why there is nothing better, for people */
};
#define CGROUP_PLACES_NONE ((struct cgroup_places){.fd = {-1, -1, -1, -1}})

/* Looks and opens; never fails: what cannot be used stays -1 and `why` says so. Needs the host's /proc and /sys. */
void cgroup_places_open(struct cgroup_places *ret);
void cgroup_places_close(struct cgroup_places *p);
/* 2, 1: version by which memory and processes can be limited here; 0: not at all. */
int cgroup_version(const struct cgroup_places *p);

struct cgroup_limits {
    uint64_t memory_bytes, processes; /* 0: not limited */
};

struct cgroup {
    int fd[CGROUP_TREES]; /* the group's own directories; -1: none */
    char name[96];
};
#define CGROUP_NONE ((struct cgroup){.fd = {-1, -1, -1, -1}})

/* Makes the group with its limits. On failure nothing is left. */
int cgroup_make(const struct cgroup_places *p, const struct cgroup_limits *l, struct cgroup *ret, struct err *e);
/* Moves the calling process into a v1 group; nothing to do in v2. Between clone and exec: system calls only. Returns 0 or -1
 * with errno. */
int cgroup_enter_self(const struct cgroup *g);
/* Ends every process in a v2 group at once (Linux 5.14); nothing in v1. For beside a kill of pid 1, which ends the same processes. */
void cgroup_kill(const struct cgroup *g);
/* Removes it, when every process of it is gone; what cannot be removed is left for cgroup_sweep. Idempotent. */
void cgroup_remove(const struct cgroup_places *p, struct cgroup *g);

struct cgroup_counts {
    bool has_cpu;
    uint64_t memory_bytes; /* now */
    uint64_t memory_peak;
    uint64_t oom_kills; /* processes that the kernel ended because memory was out */
    bool own_oom;       /* for this group's own limit; else memory was out around it, on the host or in a group above.
                              * v1 does not tell, and counts as own */
    uint64_t processes; /* now */
    uint64_t processes_hits; /* how often a fork was refused for the limit */
    uint64_t cpu_us;
};
int cgroup_count(const struct cgroup *g, struct cgroup_counts *ret);

/* Removes the groups in these places whose owner is dead and reaped; whatever still lives in one of v2 is ended first. Returns how many were removed. */
int cgroup_sweep(const struct cgroup_places *p);
/* The same for every group that this process can see in any hierarchy, whatever group it is in itself: for recovery. Bounded. */
int cgroup_sweep_host(void);

#endif
