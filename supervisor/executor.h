/* executor.h - runs a list of jobs, at most N at once, on one libuv loop; owns home lock, store and signals meanwhile.
 *
 * The queue is in list order and strictly bounded by `jobs`. SIGINT, SIGTERM and SIGHUP stop it: nothing new starts, every
 * run in flight is killed and sealed as supervisor_interrupted, and executor_run() returns with `interrupted` set.
 */
#ifndef CTO_SUPERVISOR_EXECUTOR_H
#define CTO_SUPERVISOR_EXECUTOR_H

#include "supervisor/evidence.h"
#include "supervisor/home.h"
#include "supervisor/record.h"
#include "supervisor/recover.h"
#include "supervisor/store.h"

struct executor;
struct model_double;

struct job {
    const struct cto_case *c; /* borrowed until executor_run returns */
    const char *engine;
    const char *matrix_id; /* NULL: a single run */
    int attempt;
    bool keep; /* leave the work directory as work/<run_id>.kept */
    int proof_double; /* > 0: a validator's run of our test double of ca at this stage (double.h). Set by code alone: no option,
                       * variable, file or record may lead here */
    const struct model_double
        *model; /* of such a run: the server that it may ask (model_double.h), likewise; NULL: it asks none */
    const char *record, *replay; /* files: what the model said is kept there, or comes from there; NULL. Borrowed */
    bool double_absent; /* of such a run: as if the double was not there, to show what a missing program leads to */
};

/* Callbacks on the loop's thread. `i` is the job's index. The record is gone after done(). */
struct executor_events {
    void (*state)(void *ctx, int i, const struct run_record *rec, enum run_state s);
    /* e is NULL when the run was sealed and stored; else it says why not, and rec may be incomplete. */
    void (*done)(void *ctx, int i, const struct run_record *rec, const struct seal_summary *sum, const struct err *e);
    void (*tick)(void *ctx); /* ten times a second, for progress; may be NULL */
};

/* Prepares the home, opens the store, takes this supervisor's lock, recovers what dead supervisors left; `warn` is told of what
 * could not be, see recover.h. */
int executor_open(const struct home *h, recover_warn_fn warn, struct executor **ret, struct err *e);
struct store *executor_store(struct executor *x);
const char *executor_id(const struct executor *x);
int executor_run(struct executor *x, const struct job *jobs, int n, int parallel, const struct executor_events *ev,
                 void *ctx, struct err *e);
bool executor_interrupted(const struct executor *x);
void executor_close(struct executor *x); /* NULL is fine */

/* Version, build id and host facts for matrix reports; static strings. */
const struct seal_input *executor_environment(const struct executor *x);

#endif
