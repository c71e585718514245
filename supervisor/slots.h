/* slots.h - unprivileged kernel uids for runs of a root supervisor. Every run in flight has two of its own (engine, verifier),
 * so that limits counted per uid and signals between uids never cross runs. Claimed by a lock that the kernel drops with the
 * process, on a host-wide directory: several supervisors and homes share the range without meeting. */
#ifndef CTO_SUPERVISOR_SLOTS_H
#define CTO_SUPERVISOR_SLOTS_H

#include <stdint.h>

#include "common/err.h"

#define SLOT_UID_BASE 1879048200u /* above systemd's container range, below 2^31; used by nobody else on Debian */
#define SLOT_COUNT 4096
#define SLOT_PROBE_UID (SLOT_UID_BASE - 1) /* of what is started before a run has its own */

struct slot {
    int lock_fd;                      /* -1: ordinary user, no slot */
    int64_t engine_uid, verifier_uid; /* -1 as an ordinary user */
};

int slot_claim(struct slot *ret, struct err *e);
void slot_release(struct slot *s);
/* What a killed worker left of limits on the projects of its workspaces (common/quota.h) in the work directory `name`: set back. A
 * project's number is the uid of a slot, so one whose slot a living run holds is left alone: that run has its own limit on it. `own`:
 * a slot that the caller holds itself; NULL: none. For before the directory is removed: then a kill in between loses nothing. */
void slot_forget_projects(int at, const char *name, const struct slot *own);

#endif
