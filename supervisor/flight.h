/* flight.h - one run in flight: the state machine with its process, watch, evidence and timer on the loop. Between
 * executor.c (which runs when) and flight.c / finish.c (what happens to one). */
#ifndef CTO_SUPERVISOR_FLIGHT_H
#define CTO_SUPERVISOR_FLIGHT_H

#include <uv.h>

#include "supervisor/case_task.h"
#include "supervisor/engine_file.h"
#include "supervisor/executor.h"
#include "supervisor/gate_facts.h"
#include "supervisor/gateway_proc.h"
#include "supervisor/model_probe.h"
#include "supervisor/narrate.h"
#include "supervisor/outcome.h"
#include "supervisor/reserve.h"
#include "supervisor/run.h"
#include "supervisor/slots.h"
#include "supervisor/watch.h"
#include "supervisor/worker_proc.h"

struct executor {
    uv_loop_t loop;
    struct home home;
    struct store *store;
    char id[96];
    int lock_fd;
    char worker_path[PATH_MAX + 32];
    struct seal_input env; /* shared by all runs; strings live in the fields below */
    struct binaries *binaries;
    char host[256], kernel[256];

    const struct job *jobs;
    int n_jobs, next_job, parallel, in_flight;
    const struct executor_events *ev;
    void *ctx;
    struct flight *flights, *to_clear; /* the latter: sealed, waiting for a thread that removes their work directory */
    int clearing;
    uv_signal_t signals[3];
    uv_timer_t tick;
    bool interrupted, loop_ready;
    int interrupt_signal;
    struct reserve reserve;
    struct err fatal; /* the store failed: nothing new is started */
};

struct flight {
    struct executor *x;
    int index;
    struct run run;
    struct run_record rec;
    struct engine_file *file;  /* of a backend that is described by one; owned */
    char *program;             /* what a backend with an admitted program starts, as a path of this host; owned */
    struct case_task *task;    /* of the case backend; owned */
    int proof_double;          /* see struct job */
    struct cto_case effective; /* the case as that file and a target's admission have it; rec.c then */
    cJSON *admission;          /* of the target: owned; `forbidden` points into it */
    const char **forbidden;    /* owned; of the case and of the admission */
    struct err land_error;     /* why the result was not landed */
    struct evidence *ev;
    struct redact_stream *contents; /* of the committed result, while they are searched; owned */
    struct narrator nar;
    struct worker_proc *wp;
    /* flight_model.c */
    struct gate_facts *facts; /* while the gates are open questions; owned */
    struct model_probe *probe;
    struct model_route route; /* of a run that has a gateway; owned */
    struct gateway_proc *gw;
    char endpoint[ROUTE_NAME_SIZE], gateway_path[PATH_MAX + 32];
    int64_t breaker_until_ms;
    uint64_t gates_us; /* when they were first asked */
    bool has_gateway;
    bool asking; /* the model was asked, or its breaker: the gates wait */
    struct watch *watch;
    struct slot slot;
    struct outcome_parcel parcel; /* of a run that will wait; owned */
    uv_timer_t timer;
    uv_work_t work;
    struct seal_summary sum;
    struct err error; /* of store or seal; code ERR_NONE when all is well */
    uint64_t finish_deadline_us;
    uint32_t untold; /* bit per state that the store had no room for; told before the end */
    bool reserved, finishing, keep, told_commit, parked;
    struct flight *next, *next_to_clear;
};

/* Starts the job; the flight ends by itself with executor_landed(). -1: nothing was started or left behind. */
int flight_start(struct executor *x, int index, struct err *e);
void flight_cancel(struct flight *f, enum blocker why, const char *text);
/* After every event that reached the machine: timers, news, and the way into finish.c. */
void flight_after(struct flight *f);
/* flight_model.c. Asks the model; flight_decided() comes, at once or later. */
void flight_ask_model(struct flight *f);
void flight_forget_model(struct flight *f); /* the answer is not waited for any more */
/* The gates have been evaluated for the last time. */
void flight_decided(struct flight *f, bool passed);
/* *ret_worker_end is the caller's. */
int flight_gateway_start(struct flight *f, int *ret_worker_end, struct err *e);
void flight_gateway_close(struct flight *f); /* fine without one */
/* finish.c: from state sealing to the end. */
void flight_finish(struct flight *f);
/* executor.c: the flight is over; it frees itself after this. */
void executor_landed(struct flight *f);
/* Nothing of an agent comes any more: what was held back of its streams is decided. */
void flight_streams_end(struct flight *f);
/* Tells the store the states that it does not know yet. */
int flight_tell_store(struct flight *f, struct err *e);
/* An evidence write that failed: noted once, the run goes on to its (failed) end. */
void flight_artifact_error(struct flight *f, const struct err *e);

#endif
