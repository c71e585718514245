/* run.c - see run.h. The successor table is the diagram as data; set_state() is the only writer of r->state; frames are
 * decoded in run_frames.c; this file owns life and death. */
#include "supervisor/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/run_internal.h"
#include "supervisor/subject.h"

#define TO(state) (1u << RUN_##state)
static const uint32_t successors[RUN_STATE_COUNT] = {
    [RUN_PLANNED] = TO(GATED) | TO(SEALING),
    [RUN_GATED] = TO(STARTING) | TO(SEALING),
    [RUN_STARTING] = TO(BASELINE) | TO(COLLECTING) | TO(SEALING),
    [RUN_BASELINE] = TO(ENGINE) | TO(INSPECTING) | TO(COLLECTING) | TO(SEALING),
    [RUN_ENGINE] = TO(STOPPING) | TO(INSPECTING) | TO(COLLECTING) | TO(SEALING),
    [RUN_STOPPING] = TO(INSPECTING) | TO(COLLECTING) | TO(SEALING),
    [RUN_INSPECTING] = TO(VERIFYING) | TO(COLLECTING) | TO(SEALING),
    [RUN_VERIFYING] = TO(COLLECTING) | TO(SEALING),
    [RUN_COLLECTING] = TO(LANDING) | TO(SEALING),
    [RUN_LANDING] = TO(OUTCOME) | TO(SEALING),
    [RUN_OUTCOME] = TO(SEALING),
    [RUN_SEALING] = TO(DONE),
    [RUN_DONE] = 0,
};

#define SECOND UINT64_C(1000000)
#define START_LIMIT (20 * SECOND)
#define STOP_LIMIT (20 * SECOND)
#define INSPECTORS_AFTER_ENGINE 4 /* commit, census, diff, first checkout: all before the first VERIFY_START */
#define COLLECT_LIMIT (20 * SECOND)
#define DRAIN_LIMIT (5 * SECOND)
#define KILL_PATIENCE \
    2 /* times DRAIN_LIMIT; then it is stuck in the kernel, and only finish.c still waits for it, to say so */
#define SLEPT_LIMIT (5 * SECOND) /* later than this no load explains it: the supervisor was stopped */
#define LOOK_EVERY (1 * SECOND)
#define LOOK_DEBOUNCE UINT64_C(3000)

/* The worker keeps the deadlines of inspectors and commands itself; a state's limit is their sum and one inspector's time on
 * top, so that it is the worker who says what hung, and the supervisor who ends a worker that does not. */
static uint64_t inspect_limit(const struct run_record *rec, int inspectors) {
    return (uint64_t)rec->c->inspect_timeout_ms * 1000 * (uint64_t)(inspectors + 1);
}

static uint64_t verify_limit(const struct run_record *rec) {
    int n = rec->c->n_verify;
    uint64_t sum = inspect_limit(rec, n > 0 ? n - 1 : 0); /* each command after the first has a checkout of its own */
    for (int i = 0; i < n; i++) sum += (uint64_t)rec->c->verify[i].timeout_ms * 1000;
    return sum;
}

static uint64_t setup_limit(const struct run_record *rec) { return (uint64_t)rec->c->setup_timeout_ms * 1000; }

/* How long a state may last; 0: it waits for nobody outside. */
static uint64_t state_limit(const struct run *r, enum run_state s) {
    switch (s) {
    case RUN_STARTING: return setup_limit(r->rec) < START_LIMIT ? setup_limit(r->rec) : START_LIMIT;
    case RUN_BASELINE: return setup_limit(r->rec);
    case RUN_ENGINE: return (uint64_t)r->rec->c->backend_timeout_ms * 1000;
    case RUN_STOPPING: return STOP_LIMIT;
    case RUN_INSPECTING: return inspect_limit(r->rec, INSPECTORS_AFTER_ENGINE);
    case RUN_VERIFYING: return verify_limit(r->rec);
    case RUN_COLLECTING: return COLLECT_LIMIT;
    default: return 0;
    }
}

void run_set_state(struct run *r, uint64_t now, enum run_state to) {
    enum run_state from = r->state;
    BUG_UNLESS(successors[from] >> to & 1u);
    uint64_t limit = state_limit(r, to);
    memset(r->timers, 0, sizeof r->timers);
    r->state = to;
    if (limit) r->timers[RUN_TIMER_PHASE] = now + limit;
    if (to == RUN_ENGINE) {
        r->timers[RUN_TIMER_LOOK] = now + LOOK_EVERY;
        if (r->rec->c->idle_timeout_ms > 0)
            r->timers[RUN_TIMER_IDLE] = now + (uint64_t)r->rec->c->idle_timeout_ms * 1000;
    }
    if (r->exit_seen && to <= RUN_COLLECTING) r->timers[RUN_TIMER_DRAIN] = now + DRAIN_LIMIT;
    r->ops->entered(r->ctx, r, from);
}

void run_init(struct run *r, struct run_record *rec, const struct run_ops *ops, void *ctx) {
    *r = (struct run){.state = RUN_PLANNED, .rec = rec, .ops = ops, .ctx = ctx};
    frame_reader_init(&r->control, MSG_TO_SUPERVISOR, MSG_CONTROL);
    frame_reader_init(&r->bulk, MSG_TO_SUPERVISOR, MSG_BULK);
    frame_reader_init(&r->gateway, MSG_TO_SUPERVISOR, MSG_GATEWAY);
    rec->cause_blocker = BLOCKER_COUNT;
}

void run_release(struct run *r) {
    frame_reader_release(&r->control);
    frame_reader_release(&r->bulk);
    frame_reader_release(&r->gateway);
}

/* First cause wins. */
static void set_cause(struct run *r, enum blocker b, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void set_cause(struct run *r, enum blocker b, const char *fmt, ...) {
    if (r->rec->cause_blocker != BLOCKER_COUNT) return;
    r->rec->cause_blocker = b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->rec->cause, sizeof r->rec->cause, fmt, ap);
    va_end(ap);
}

static void kill_worker(struct run *r) {
    if (!r->exit_seen && !r->killed) {
        r->killed = true;
        r->ops->kill(r->ctx);
    }
}

/* Its result goes to a repository of somebody's: only when the worker said that all was done. */
static bool has_landing(const struct run *r) {
    const struct run_record *rec = r->rec;
    return r->state == RUN_COLLECTING && rec->subject && subject_lands(rec->subject->kind) && rec->worker_done &&
           rec->cause_blocker == BLOCKER_COUNT;
}

static bool with_worker(const struct run *r) { return r->state >= RUN_STARTING && r->state <= RUN_COLLECTING; }

/* A supervisor that did not run when a limit was reached cannot say who was late: what waits in the pipes may have been sent long
 * after. Checked before anything is believed, since a loop that wakes up sees bytes before it sees its timers. */
static void check_slept(struct run *r, uint64_t now) {
    const uint64_t limit = r->timers[RUN_TIMER_PHASE];
    if (!with_worker(r) || r->killed || r->exit_seen || limit == 0 || now <= limit + SLEPT_LIMIT) return;
    set_cause(r, BLOCKER_supervisor_interrupted,
              "the supervisor did not run when state %s reached its limit, nor for %llu s after it: nobody watched",
              run_state_name(r->state), (unsigned long long)((now - limit) / SECOND));
    kill_worker(r);
    r->timers[RUN_TIMER_PHASE] = now + DRAIN_LIMIT;
}

/* The end of the worker's part: everything was seen, or will not come any more. */
static void maybe_finish(struct run *r, uint64_t now) {
    if (with_worker(r) && r->exit_seen && r->control_eof && r->bulk_eof && !r->gateway_open)
        run_set_state(r, now, has_landing(r) ? RUN_LANDING : RUN_SEALING);
}

void run_violation(struct run *r, const char *text) {
    set_cause(r, BLOCKER_worker_protocol_violation, "in state %s: %s", run_state_name(r->state), text);
    kill_worker(r);
}

void run_gate(struct run *r, uint64_t now, bool blocked) {
    run_set_state(r, now, RUN_GATED);
    if (blocked) {
        r->rec->gated_out = true;
        run_set_state(r, now, RUN_SEALING);
    }
    run_check(r);
}

void run_spawned(struct run *r, uint64_t now) {
    run_set_state(r, now, RUN_STARTING);
    run_check(r);
}

void run_spawn_failed(struct run *r, uint64_t now, const char *why) {
    set_cause(r, BLOCKER_worker_failed, "%s", why);
    run_set_state(r, now, RUN_SEALING);
    run_check(r);
}

void run_bytes(struct run *r, uint64_t now, enum msg_channel c, const void *p, size_t n) {
    struct err e = ERR_INIT;
    struct run_feed feed = {.run = r, .now = now};
    check_slept(r, now);
    if (!with_worker(r) || r->rec->cause_blocker != BLOCKER_COUNT) return; /* dead to us: drained, not believed */
    struct frame_reader *reader = c == MSG_CONTROL ? &r->control : c == MSG_BULK ? &r->bulk : &r->gateway;
    if (frame_feed(reader, p, n, run_on_frame, &feed, &e) < 0) run_violation(r, e.text);
    run_check(r);
}

void run_eof(struct run *r, uint64_t now, enum msg_channel c) {
    struct err e = ERR_INIT;
    if (c == MSG_CONTROL)
        r->control_eof = true;
    else
        r->bulk_eof = true;
    if (with_worker(r)) {
        /* a worker that was killed, by us or by anybody, may well end inside a frame: its exit says enough */
        const struct frame_reader *reader = c == MSG_CONTROL ? &r->control : &r->bulk;
        if (!r->killed && r->rec->worker_done && frame_finish(reader, &e) < 0) run_violation(r, e.text);
        if (c == MSG_CONTROL && !r->exit_seen && !r->rec->worker_done && !r->rec->failed_seen && !r->killed)
            r->timers[RUN_TIMER_DRAIN] = now + DRAIN_LIMIT; /* nobody speaks: its exit must follow */
        maybe_finish(r, now);
    }
    run_check(r);
}

void run_exited(struct run *r, uint64_t now, int64_t status, int signal) {
    check_slept(r, now);
    r->exit_seen = true;
    r->rec->worker_clean = status == 0 && signal == 0;
    if (!r->killed && signal != 0)
        set_cause(r, BLOCKER_worker_failed, "the worker was ended by signal %d in state %s", signal,
                  run_state_name(r->state));
    if (with_worker(r)) {
        r->timers[RUN_TIMER_DRAIN] = now + DRAIN_LIMIT;
        maybe_finish(r, now);
    }
    run_check(r);
}

void run_gateway_started(struct run *r) { r->gateway_open = true; }

void run_gateway_ended(struct run *r, uint64_t now) {
    const struct model_use *u = r->rec->model_use;
    r->gateway_open = false;
    if (r->state >= RUN_STARTING && r->state <= RUN_STOPPING) {
        set_cause(r, BLOCKER_worker_failed, "the model gateway ended before the backend did%s%s",
                  u && u->failed[0] ? ": " : "", u ? u->failed : "");
        kill_worker(r);
    }
    maybe_finish(r, now);
    run_check(r);
}

void run_watch(struct run *r, uint64_t now) {
    if (r->state != RUN_ENGINE) return;
    if (r->timers[RUN_TIMER_LOOK] > now + LOOK_DEBOUNCE) r->timers[RUN_TIMER_LOOK] = now + LOOK_DEBOUNCE;
}

void run_cancel(struct run *r, uint64_t now, enum blocker why, const char *text) {
    if (r->state >= RUN_LANDING) return; /* what lands is landed: half of it is the one thing that must not be */
    set_cause(r, why, "%s", text);
    if (with_worker(r))
        kill_worker(r);
    else
        run_set_state(r, now, RUN_SEALING);
    run_check(r);
}

void run_stop(struct run *r, uint64_t now, enum stop_reason reason) {
    BUG_UNLESS(r->state == RUN_ENGINE);
    r->rec->stop_sent = reason;
    r->ops->stop(r->ctx, reason);
    run_set_state(r, now, RUN_STOPPING);
}

static void phase_over(struct run *r, uint64_t now) {
    if (r->state == RUN_ENGINE) {
        run_stop(r, now, STOP_TIMEOUT);
        return;
    }
    set_cause(r, BLOCKER_worker_failed, "state %s lasted longer than its limit", run_state_name(r->state));
    if (r->killed &&
        ++r->kill_waits >= KILL_PATIENCE) { /* not even SIGKILL ends it (stuck in the kernel): go on without */
        r->exit_seen = r->control_eof = r->bulk_eof = true;
        r->gateway_open = false;
        maybe_finish(r, now);
        return;
    }
    kill_worker(r);
    r->timers[RUN_TIMER_PHASE] = now + DRAIN_LIMIT;
}

static void drain_over(struct run *r, uint64_t now) {
    if (!r->exit_seen) {
        set_cause(r, BLOCKER_worker_failed, "the worker closed its control channel and did not exit");
        kill_worker(r);
        r->timers[RUN_TIMER_DRAIN] = now + DRAIN_LIMIT;
        return;
    }
    /* somebody still holds an end of a channel although the worker is dead: not waited for */
    r->control_eof = r->bulk_eof = true;
    r->gateway_open = false;
    maybe_finish(r, now);
}

/* Output and changes of the worktree push the limit out; before it fires, the worktree is looked at once more. */
static void idle_over(struct run *r, uint64_t now) {
    if (r->idle_pending) {
        run_stop(r, now, STOP_IDLE);
        return;
    }
    r->idle_pending = true;
    r->timers[RUN_TIMER_IDLE] = now + SECOND;
    r->ops->wake(r->ctx);
}

void run_time(struct run *r, uint64_t now) {
    check_slept(r, now);
    for (int t = 0; t < RUN_TIMER_COUNT; t++) {
        if (r->timers[t] == 0 || r->timers[t] > now) continue;
        r->timers[t] = 0;
        switch ((enum run_timer)t) {
        case RUN_TIMER_PHASE: phase_over(r, now); break;
        case RUN_TIMER_DRAIN: drain_over(r, now); break;
        case RUN_TIMER_IDLE: idle_over(r, now); break;
        case RUN_TIMER_GRACE: run_stop(r, now, STOP_COMMITTED); break;
        case RUN_TIMER_LOOK:
            r->timers[RUN_TIMER_LOOK] = now + LOOK_EVERY;
            r->ops->wake(r->ctx);
            break;
        case RUN_TIMER_COUNT: break;
        }
    }
    run_check(r);
}

void run_landed(struct run *r, uint64_t now, bool waits) {
    run_set_state(r, now, waits ? RUN_OUTCOME : RUN_SEALING);
    run_check(r);
}

void run_sealed(struct run *r, uint64_t now) {
    run_set_state(r, now, RUN_DONE);
    run_check(r);
}

uint64_t run_next_deadline(const struct run *r) {
    uint64_t next = 0;
    for (int t = 0; t < RUN_TIMER_COUNT; t++)
        if (r->timers[t] && (next == 0 || r->timers[t] < next)) next = r->timers[t];
    return next;
}

void run_check(const struct run *r) {
    BUG_UNLESS((unsigned)r->state < RUN_STATE_COUNT);
    bool waits = with_worker(r);
    BUG_UNLESS(!waits || r->timers[RUN_TIMER_PHASE] != 0 || r->timers[RUN_TIMER_DRAIN] != 0); /* nothing hangs */
    BUG_UNLESS(waits || run_next_deadline(r) == 0);
    BUG_UNLESS(r->state != RUN_ENGINE || r->rec->engine_started);
    BUG_UNLESS(r->rec->stop_sent == 0 || r->state >= RUN_STOPPING || r->state == RUN_ENGINE);
    BUG_UNLESS(!r->rec->gated_out || r->state >= RUN_GATED);
    BUG_UNLESS(r->rec->n_changes <= RECORD_MAX_CHANGES && r->rec->n_dirty <= RECORD_MAX_DIRTY);
    BUG_UNLESS(r->rec->n_limits <= RECORD_MAX_LIMITS);
}
