/* cgroup_internal.h - what the cgroup*.c files share. */
#ifndef CTO_COMMON_CGROUP_INTERNAL_H
#define CTO_COMMON_CGROUP_INTERNAL_H

#include <stddef.h>
#include <sys/types.h>

#include "common/cgroup.h"

#define CGROUP_PREFIX "cto-harness."
/* A small file of a group or of /proc, as text. -1: not readable. */
ssize_t cgroup_read_file(int dir, const char *name, char *out, size_t size);
/* Kills all in the v2 group of this directory. Nothing happens in v1, or before Linux 5.14. */
void cgroup_kill_in(int dir);
/* rmdir, with a little patience for a group whose last process is just gone. */
bool cgroup_remove_dir(int place, const char *name);
/* "<pid namespace>.<pid>.<start time>" of a process; -1: there is none. */
int cgroup_owner(pid_t pid, char *out, size_t size);

/* One mount of a hierarchy that can be ours. */
struct cgroup_mount {
    char at[256], root[256];
    bool unified, memory, pids, cpuacct;
};
/* Calls back for every cgroup mount in sight, until it returns non-zero; returns that. */
int cgroup_each_mount(int (*fn)(void *ctx, const struct cgroup_mount *m), void *ctx);

#endif
