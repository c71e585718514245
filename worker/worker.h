/* worker.h - what the steps of one worker share.
 *
 * A worker serves one run and exits. It is straight-line code: each step blocks until it is done or its deadline has
 * passed, and the list of steps in main.c is the design. The one place that waits for several things at once is pump.c.
 *
 * It reads no byte of an agent except to pass it on. What it must know about the result (an object id, "committed or
 * not") comes as bounded fields of frames that a confined inspector wrote, see relay.h.
 *
 * Paths inside the worker's own root, made by enter_run():
 *   /case     the case directory, read-only          /libexec  the programs, read-only
 *   /program  the engine's, when the spec names one; /interpreter likewise
 *   /area     the run's work directory, and in it:
 *     ws      the workspace; engine's uid, 0700       odb     our object store; engine's uid, readable by the
 *     verifier's
 *     check   the verifier's checkout, 0700           state   task and generated configuration; ours, engine may read
 */
#ifndef CTO_WORKER_WORKER_H
#define CTO_WORKER_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/msg.h"
#include "common/spec.h"
#include "sandbox/jail.h"
#include "worker/inspect_run.h"
#include "worker/limits.h"
#include "worker/project.h"
#include "worker/up.h"

struct worker {
    struct run_spec spec;
    struct up up;
    pid_t supervisor;
    enum jail_mode mode;
    struct jail_report report;
    struct limits limits;
    struct project ws, checkout; /* of the two directories that jails write to */
    enum failed_class blame;     /* what a failure now would mean; see inspect_run.h for the one who changes it late */
    bool engine_ran;             /* the engine's exec has happened: bytes in the workspace are hostile from here on */
    bool stop_early;             /* the start check said no: the supervisor judges, nothing more is done */
    struct ending_brief {
        bool exited; /* by itself, with any code */
    } engine;
    struct inspector watch;
    char baseline[RELAY_OID_SIZE]; /* "" while unborn */
    struct relay_result result;
};

/* entry.c: descriptors, HELLO, RUN_SPEC. */
int entry_check_fds(struct err *e);
int entry_take_spec(struct worker *w, struct err *e);
/* enter.c: own root, own filter, READY. */
int enter_run(struct worker *w, struct err *e);
/* sandbox_report.c: malloc'd JSON of what is in force, at most READY's size; see there for its keys. */
char *sandbox_report_json(const struct worker *w);
/* workspace.c */
int workspace_make(struct worker *w, struct err *e);
/* Puts /area/check/ws aside and makes an empty one; `index`: of the command that was run in it. */
int workspace_fresh_checkout(struct worker *w, int index, struct err *e);
/* inspection.c */
int inspection_baseline(struct worker *w, struct err *e);
int inspection_start_check(struct worker *w, struct err *e);
int inspection_result(struct worker *w, struct err *e);
/* engine.c */
int engine_dirty_start(struct worker *w, struct err *e);
int engine_run(struct worker *w, struct err *e);
/* verify.c */
int verify_run(struct worker *w, struct err *e);

/* Kernel uid of a part of the run: -1 as an ordinary user (everything is ours already). */
static inline int64_t worker_engine_uid(const struct worker *w) {
    return w->mode == JAIL_MODE_ROOT ? w->spec.engine_uid : -1;
}
static inline int64_t worker_verifier_uid(const struct worker *w) {
    return w->mode == JAIL_MODE_ROOT ? w->spec.verifier_uid : -1;
}

#endif
