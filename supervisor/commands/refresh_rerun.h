/* refresh_rerun.h - the verification of a landed commit once more: its tree as files of our own, the case's pristine paths as they were
 * before the landing, each command in a fresh jail, and the wait status is the verdict. The repository itself is read and no more. */
#ifndef CTO_SUPERVISOR_COMMANDS_REFRESH_RERUN_H
#define CTO_SUPERVISOR_COMMANDS_REFRESH_RERUN_H

#include "supervisor/case.h"
#include "supervisor/home.h"
#include "supervisor/lanes.h"

struct rerun_order {
    const struct home *home;
    const struct cto_case *c;
    const char *repository;    /* absolute */
    const char *base, *landed; /* commits: before the landing, and the landed one */
    const char *name;          /* of a directory of our own below work/ */
};
/* LANE_BLOCKED: it could not be run here. `why` when it is no pass; it names no path of the repository. */
enum lane_status refresh_rerun(const struct rerun_order *o, char *why, size_t size);

#endif
