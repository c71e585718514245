/* run.h - the life of one run as a pure state machine: bytes and times go in, actions come out. No libuv, no SQLite, no
 * system calls; so it is tested and fuzzed alone, and a recorded byte stream can be played into it.
 *
 *   planned -> gated -> starting -> baseline -> engine -> stopping -> inspecting -> verifying -> collecting -> sealing -> done
 *                 |         |          |  |        |                     ^  |           ^  |          ^          ^
 *                 |         |          |  |        `---------------------'  `-----------|--|----------'          |
 *                 |         |          |  `---(exec failed)--------------'              |  |                     |
 *                 `---------+----------+-----------(blocked, failed, killed, worker lost)--+---------------------'
 *
 * A run whose result is landed on a repository (subject.h) goes collecting -> landing -> sealing, or -> outcome, where it waits.
 *
 * Rules that hold whatever a worker writes:
 *  - a frame that the table (common/msg.h) does not permit in this state kills the worker: worker_protocol_violation;
 *  - what a gateway says is held against the same table, and its end while the engine works is the end of the run: it is the
 *    agent's only network, and an agent that could crash it must not win by that;
 *  - first cause wins: what ended the run is recorded once and never overwritten;
 *  - a run is over when the worker's exit, control EOF and bulk EOF, and its gateway's end, have all been seen; after the exit a drain deadline
 *    replaces a missing EOF;
 *  - a supervisor that was itself stopped beyond a deadline says so (supervisor_interrupted), and claims nothing else;
 *  - every state has a deadline, so every run reaches `sealing`, exactly once.
 * Events change state and call actions; actions never change state.
 */
#ifndef CTO_SUPERVISOR_RUN_H
#define CTO_SUPERVISOR_RUN_H

#include "common/frame.h"
#include "supervisor/model_use.h"
#include "supervisor/record.h"

enum run_timer {
    RUN_TIMER_PHASE, /* this state must be left */
    RUN_TIMER_IDLE,
    RUN_TIMER_GRACE, /* committed: end it when quiet */
    RUN_TIMER_LOOK,  /* ask the inspector */
    RUN_TIMER_DRAIN, /* exit seen, waiting for EOF */
    RUN_TIMER_COUNT
};

struct run;
/* Actions. None may call back into the machine. */
struct run_ops {
    void (*entered)(void *ctx, struct run *r, enum run_state from);     /* r->state is the new one */
    void (*stop)(void *ctx, enum stop_reason reason);                   /* send STOP */
    void (*kill)(void *ctx);                                            /* SIGKILL to the worker; idempotent */
    void (*wake)(void *ctx);                                            /* "look now" to the inspector */
    void (*bulk)(void *ctx, unsigned type, const uint8_t *p, size_t n); /* OUTPUT, ARTIFACT, ARTIFACT_END payloads */
    void (*trace)(void *ctx, const char *step, uint64_t start_us, uint64_t dur_us, bool ok, const char *detail);
    void (*denied)(void *ctx, const struct denied_call *d);  /* for the first time, or its total */
    void (*limit)(void *ctx, const struct limit_seen *l);    /* a limit was hit, just now */
    void (*model)(void *ctx, const struct model_request *q); /* the gateway told of a request */
};

struct run {
    enum run_state state;
    struct run_record *rec; /* borrowed */
    const struct run_ops *ops;
    void *ctx;
    uint64_t timers[RUN_TIMER_COUNT]; /* monotonic us; 0: not armed */
    struct frame_reader control, bulk, gateway;
    uint64_t once_seen; /* bit per type of a MSG_ONCE frame */
    bool exit_seen, control_eof, bulk_eof, killed;
    bool gateway_open; /* there is one, and its end has not been seen */
    unsigned kill_waits;
    bool last_clean; /* of the newest LOOK */
    uint64_t last_fingerprint, first_commit_us;
    bool idle_pending; /* a look was asked for because the idle limit is near */
};

void run_init(struct run *r, struct run_record *rec, const struct run_ops *ops, void *ctx);
void run_release(struct run *r);

/* Events. `now` is monotonic microseconds. */
void run_gate(struct run *r, uint64_t now, bool blocked); /* planned -> gated, then sealing when blocked */
void run_spawned(struct run *r, uint64_t now);            /* gated -> starting */
void run_spawn_failed(struct run *r, uint64_t now, const char *why);
void run_bytes(struct run *r, uint64_t now, enum msg_channel c, const void *p, size_t n);
void run_eof(struct run *r, uint64_t now, enum msg_channel c);
void run_exited(struct run *r, uint64_t now, int64_t status, int signal);
void run_gateway_started(struct run *r);
/* The run's gateway ended, or its channel did. While the engine works, that is the end of the run. */
void run_gateway_ended(struct run *r, uint64_t now);
void run_watch(struct run *r, uint64_t now); /* something happened below .git */
void run_cancel(struct run *r, uint64_t now, enum blocker why, const char *text);
void run_time(struct run *r, uint64_t now);
/* landing -> sealing: it was landed for good, or could not be, or need not. Or -> outcome: a human's word is waited for, and this
 * machine ends there; outcome.h goes on, in another process perhaps. */
void run_landed(struct run *r, uint64_t now, bool waits);
void run_sealed(struct run *r, uint64_t now);    /* sealing -> done */
uint64_t run_next_deadline(const struct run *r); /* 0: none */

/* Called after each event; aborts when the struct contradicts itself. */
void run_check(const struct run *r);

#endif
