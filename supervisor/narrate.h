/* narrate.h - turns what was observed of a run into normalized events, in the order that the design fixes.
 *
 * Events that carry a reason (blockers.h names which) are written when the verdict is known; the others as they happen. Each
 * function writes its event at most once, so that recovery and the normal end can call them all.
 */
#ifndef CTO_SUPERVISOR_NARRATE_H
#define CTO_SUPERVISOR_NARRATE_H

#include "supervisor/evidence.h"
#include "supervisor/model_use.h"
#include "supervisor/record.h"

struct narrator {
    struct evidence *ev;    /* borrowed */
    struct run_record *rec; /* borrowed */
    bool contract_written;
    char contract_digest[DIGEST_HEX_SIZE];
};

/* run.started, and the task contract as a file. */
int narrate_begin(struct narrator *n, struct err *e);
/* backend.started, after task.contract.created and plan.updated: the start was clean and the engine runs. */
int narrate_engine(struct narrator *n, struct err *e);
int narrate_committed(struct narrator *n, struct err *e); /* lifecycle.committed, seen while the engine lived */
int narrate_engine_end(struct narrator *n, struct err *e);
/* backend.message, backend.tool ...: what the backend said of itself. Once; the list of it is given up then. */
int narrate_observed(struct narrator *n, struct err *e);
/* limit.hit: once for each. */
int narrate_limit(struct narrator *n, const struct limit_seen *l, struct err *e);
/* gateway.request: as the gateway told of it. */
int narrate_model(struct narrator *n, const struct model_request *q, struct err *e);
/* Everything between the end of the work and run.completed, markers and the closing words of test.log included. The verdict
 * must have been judged. */
int narrate_findings(struct narrator *n, struct err *e);
/* branch.policy.recorded, before anything is started. */
int narrate_branch_policy(struct narrator *n, struct err *e);
/* result.landing: all checks held, and now it is written to the repository. `waits`: what a run that waits is finished by, or NULL. */
struct outcome_parcel;
int narrate_landed(struct narrator *n, const struct outcome_parcel *waits, struct err *e);
/* operator.outcome.recorded, when somebody has said accepted or rejected. */
int narrate_outcome(struct narrator *n, struct err *e);
int narrate_completed(struct narrator *n, struct err *e);

#endif
