/* project.h - the workspace of a jail as a project of its file system's quota (common/quota.h), as root where there is one.
 *
 * The limit is in force while the jail is alive, and lies a little above what the run may have: so whoever takes more than that is
 * seen to, and ended, and does not merely get an error that it may answer with any exit code. What the same number held
 * before the workspace was made (a checkout that was put aside, a kept run) is not the jail's.
 */
#ifndef CTO_WORKER_PROJECT_H
#define CTO_WORKER_PROJECT_H

#include "common/quota.h"
#include "worker/limits.h"

struct project {
    uint32_t id; /* 0: none */
    struct quota_use before;
};

/* The new, empty directory `name` in `parent`. Nothing to do when limits says that there is no quota. */
int project_make(struct project *p, const struct limits *l, int parent, const char *name, int64_t uid, struct err *e);
/* From now on. `dir`: of its file system. */
int project_hold(const struct project *p, const struct limits *l, int dir, struct err *e);
void project_let_go(const struct project *p, int dir);
/* What the jail has there. */
int project_use(const struct project *p, int dir, struct quota_use *ret);

#endif
