/* life.c - a child dies with its parent, also when the parent was killed before the child had said so.
 *
 * PR_SET_PDEATHSIG only covers deaths after the call, and a change of credentials clears it. So: arm, then look
 * whether the parent is gone already. A byte read from a pipe proves nothing, since a buffered byte outlives its
 * writer; a hang-up does, also while data is unread, provided that no third process holds a copy of the parent's end.
 * getppid() is the second witness; in a pid namespace of its own it is always 0, so init.c uses a pidfd of the parent
 * instead.
 */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/jail.h"

int jail_bind_life(pid_t parent, int lifeline) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return -1;
    if (getppid() != parent) return -1;
    if (lifeline < 0) return 0;
    struct pollfd p = {.fd = lifeline, .events = 0}; /* POLLHUP, POLLERR and POLLNVAL are always reported */
    return poll(&p, 1, 0) == 0 ? 0 : -1;
}
