/* inspect_run.h - the inspectors of a run: processes that read the hostile repository so that nobody else has to.
 *
 * One process per step. The watch step lives while the engine lives; the others are run to their end by
 * inspect_run(). A step is good only when all of this holds: the frames it must send were seen, DONE, end of file,
 * exit status 0, in time.
 */
#ifndef CTO_WORKER_INSPECT_RUN_H
#define CTO_WORKER_INSPECT_RUN_H

#include <sys/types.h>

#include "common/err.h"
#include "worker/relay.h"

struct worker;

#define INSPECT_DEADLINE_US (60 * 1000000ull) /* unless the spec says how long one may take */

struct inspector {
    pid_t pid; /* 0: none runs */
    int pidfd;
    int out;
    struct relay relay;
};
#define INSPECTOR_INIT ((struct inspector){.pidfd = -1, .out = -1})

/* Starts the inspector of one step (an INSPECT_* bit). */
int inspect_start(struct worker *w, unsigned step, struct inspector *ret, struct err *e);
/* Reads what is there and hands it up. 1: go on; 0: end of stream, reaped, and all was well; -1: it broke, died or
 * failed. */
int inspect_read(struct worker *w, struct inspector *in, struct err *e);
/* Kills and reaps; its unread frames are dropped. Idempotent. */
void inspect_kill(struct inspector *in);
/* Starts a step and runs it to its good end. ret_result may be NULL. On failure w->blame says whom: after the engine
 * had its hands on the bytes a misbehaving inspector is the engine's doing, and so FAILED_INSPECT. */
int inspect_run(struct worker *w, unsigned step, struct relay_result *ret_result, struct err *e);
/* Waits until the watch has sent `looks` LOOK frames in total (BASELINE with looks 0). */
int inspect_await(struct worker *w, struct inspector *in, uint64_t looks, struct err *e);
const char *inspect_step_name(unsigned step);

#endif
