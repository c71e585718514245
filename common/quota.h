/* quota.h - a project of a file system: what was made below one directory, counted and limited by the kernel.
 *
 * ext4 and XFS have it when they are mounted with prjquota. A file belongs to the project of the directory that it is made in; the
 * number of a project is anybody's to choose, so ours is the kernel uid of the jail that works there (one run holds it at a time).
 * Only root of the host can join and limit, and whoever owns a file there could leave: the jails' filter refuses that ioctl.
 *
 * What a killed worker leaves is a limit on a number, for recovery to set back. Every call here is one or two system calls.
 */
#ifndef CTO_COMMON_QUOTA_H
#define CTO_COMMON_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct quota_use {
    uint64_t bytes, inodes; /* bytes: blocks, also those of deleted files that are held open */
};

/* Can a directory that is made in `dir` become project `id` and be limited? Tries it. Nothing stays. */
bool quota_usable(int dir, uint32_t id);
/* The empty directory and all that is made below it from now on. Needs the owner's rights. */
int quota_join(int dir, uint32_t id, struct err *e);
int quota_use(int dir, uint32_t id, struct quota_use *ret, struct err *e);
/* `dir` is any directory of the file system. 0 and 0: no limit. Writes beyond fail with EDQUOT. */
int quota_limit(int dir, uint32_t id, struct quota_use limit, struct err *e);
/* The project that a directory belongs to; 0: none. */
uint32_t quota_project(int dir);

#endif
