/* watchdog.h - looks at what a jail uses, and says when it is more than it may.
 *
 * A look every 25 ms while the jail is at work, up to 200 ms apart while it is not, and not more than a twentieth of one processor
 * (more for hundreds of processes, of which the last must be seen too, and for a close look at memory: watch_procs.h).
 * So a burst may take for 25 to 200 ms whatever the kernel gives it within the guarantees (limits.h) before it is ended; what it took is
 * gone with it. With a group the kernel counts memory, processes and cpu time and the look reads its counters; without one
 * watch_procs.h says what is seen. What the workspace holds is read from its project's counters, or it is walked a thousand entries a look; a walk that has found too much is
 * believed when the next one finds it too, since a tree that is moved about can be counted twice. After the end of the jail everything
 * is looked at once more: then nothing moves, and the verdict does not depend on when a look was taken.
 */
#ifndef CTO_WORKER_WATCHDOG_H
#define CTO_WORKER_WATCHDOG_H

#include "worker/disk_walk.h"
#include "worker/limits.h"
#include "worker/project.h"
#include "worker/watch_procs.h"

struct watchdog {
    const struct limits *limits;
    const struct project *project; /* of the workspace; its id 0: there is none, so it is walked */
    struct jail *jail;
    struct limit_hit hit;
    uint64_t next_us; /* when to look again, monotonic */
    /* own */
    int disk;     /* root of the walk */
    bool blind;   /* /proc does not show the jail */
    bool crowded; /* a look was cut short by its deadline: more time for each from then on */
    uint64_t pause_us, last_cpu_us, last_memory;
    uint64_t free_at_start;
    unsigned over; /* sweeps in a row that found too much */
    uint64_t sweep_after_us;
    uint64_t close_cost_us; /* of a close look, when this look took one */
    struct close_pause close;
    struct disk_walk walk;
    struct procs procs;
};

/* `uid`: see procs_init. `workspace` is the path of the write root in the worker's own root. It always starts: what it cannot see it does not count. */
void watchdog_start(struct watchdog *d, const struct limits *l, struct jail *j, uid_t uid, const char *workspace,
                    const struct project *project);
/* True: the jail must be ended, hit says why. */
bool watchdog_look(struct watchdog *d);
/* After the end. `failed`: it did not end by itself with 0. */
void watchdog_end(struct watchdog *d, const struct jail_end *end, bool failed);
void watchdog_release(struct watchdog *d);

#endif
