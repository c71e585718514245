/* orphans.h - children that nobody started here: what a dying worker leaves. Killed, reaped, counted, never waited for without an end.
 *
 * A worker that is killed leaves its jails' first processes to us, because we are their subreaper. They die by PDEATHSIG; reaping them is
 * what makes "nothing of the run lives any more" a fact before the workspace is touched. The loop's thread only.
 */
#ifndef CTO_SUPERVISOR_ORPHANS_H
#define CTO_SUPERVISOR_ORPHANS_H

#include "common/err.h"

/* This process adopts what a dying worker leaves (PR_SET_CHILD_SUBREAPER). Call once before the first spawn. */
int orphans_adopt(struct err *e);
/* `pid` is a child of the loop's, or of somebody else here, who reaps it; whoever starts one says so, and says when it is over. 0 and what was never said:
 * nothing happens. */
void orphans_except(int pid);
void orphans_include(int pid);
/* Kills and reaps every other child of this process. Returns how many still live: 0 means that nothing of a dead worker's jails is
 * left. Never blocks. */
int orphans_reap(void);
/* The same, and whatever still lives is not counted again by either: it is stuck in the kernel, and only one run pays for it. */
int orphans_give_up(void);

#endif
