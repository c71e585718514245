/* test_sv_run_time.c - the clocks of a run: every state's deadline, patience with a worker that cannot be killed, draining, the
 * three ends of life, the idle limit, looks. */
#include "sv_world.h"

static void at(struct world *w, uint64_t when) {
    w->now = when;
    run_time(&w->r, w->now);
}

/* Every state but "engine" ends in a kill when its limit is over, not a microsecond earlier; the kill ends it. */
static void state_limits(void) {
    static const enum run_state s[] = {RUN_STARTING,   RUN_BASELINE,  RUN_STOPPING,
                                       RUN_INSPECTING, RUN_VERIFYING, RUN_COLLECTING};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        struct world *w = world_at(s[i]);
        uint64_t limit = w->r.timers[RUN_TIMER_PHASE];
        CHECK(limit > w->now && limit - w->now <= 1000 * SEC);
        at(w, limit - 1);
        CHECK(w->kills == 0 && w->r.state == s[i]);
        at(w, limit);
        CHECK(w->kills == 1 && w->r.state == s[i] && w->rec.cause_blocker == BLOCKER_worker_failed);
        CHECK(strstr(w->rec.cause, run_state_name(s[i])) && strstr(w->rec.cause, "longer than its limit"));
        worker_goes(w);
        world_free(w);
    }
    struct world *w = world_at(RUN_VERIFYING); /* the commands' own limits are inside it */
    CHECK(w->r.timers[RUN_TIMER_PHASE] - w->now > 7 * SEC);
    world_free(w);
}

static void total_limit(void) {
    struct world *w = world_at(RUN_ENGINE);
    uint64_t start = w->now;
    CHECK(w->r.timers[RUN_TIMER_PHASE] == start + 60 * SEC); /* exactly the case's */
    at(w, start + 60 * SEC - 1);
    CHECK(w->stops == 0 && w->r.state == RUN_ENGINE);
    at(w, start + 60 * SEC);
    CHECK(w->stops == 1 && w->stop_reason == STOP_TIMEOUT && w->rec.stop_sent == STOP_TIMEOUT &&
          w->r.state == RUN_STOPPING && w->kills == 0);
    CHECK(w->rec.cause_blocker ==
          BLOCKER_COUNT); /* what becomes of it is for the verdict: there may be a good result */
    engine_end(w, END_STOPPED, 9);
    CHECK(w->r.state == RUN_INSPECTING && w->rec.engine_kind == END_STOPPED && w->stops == 1);
    world_free(w);
}

/* Nobody ran when the limit was reached: neither a timeout nor what came in later is believed. */
static void overslept(void) {
    for (int bytes = 0; bytes < 2; bytes++) {
        struct world *w = world_at(RUN_ENGINE);
        w->now = w->r.timers[RUN_TIMER_PHASE] + 6 * SEC;
        if (bytes)
            engine_end(w, END_EXITED, 0);
        else
            run_time(&w->r, w->now);
        CHECK(w->kills == 1 && w->stops == 0 && w->r.state == RUN_ENGINE && !w->rec.engine_ended);
        CHECK(w->rec.cause_blocker == BLOCKER_supervisor_interrupted && strstr(w->rec.cause, "nobody watched"));
        worker_goes(w);
        world_free(w);
    }
    struct world *w = world_at(RUN_ENGINE); /* a little late is load */
    w->now = w->r.timers[RUN_TIMER_PHASE] + 4 * SEC;
    engine_end(w, END_EXITED, 0);
    CHECK(w->kills == 0 && w->r.state == RUN_INSPECTING && w->rec.cause_blocker == BLOCKER_COUNT);
    world_free(w);
}

/* Not even SIGKILL ends it: it is given up after some patience, and nothing waits for ever. */
static void immortal(void) {
    static const enum run_state s[] = {RUN_STARTING,   RUN_BASELINE,  RUN_ENGINE,    RUN_STOPPING,
                                       RUN_INSPECTING, RUN_VERIFYING, RUN_COLLECTING};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        struct world *w = world_at(s[i]);
        int steps = 0;
        while (w->r.state < RUN_SEALING && steps++ < 2000) {
            uint64_t next = run_next_deadline(&w->r);
            NEED(next > w->now);
            at(w, next);
        }
        CHECK(w->r.state == RUN_SEALING && w->entered[RUN_SEALING] == 1 && w->kills == 1 && w->stops <= 1);
        run_sealed(&w->r, w->now);
        world_free(w);
    }
}

static void draining(void) {
    for (int which = 0; which < 3; which++) { /* no EOF, only control, only bulk */
        struct world *w = world_at(RUN_COLLECTING);
        run_exited(&w->r, w->now, 0, 0);
        if (which) run_eof(&w->r, w->now, which == 1 ? MSG_CONTROL : MSG_BULK);
        uint64_t limit = w->r.timers[RUN_TIMER_DRAIN];
        CHECK(limit > w->now && limit - w->now <= 20 * SEC);
        at(w, limit - 1);
        CHECK(w->r.state == RUN_COLLECTING);
        at(w, limit);
        CHECK(w->r.state == RUN_SEALING && w->kills == 0 && w->rec.cause_blocker == BLOCKER_COUNT);
        world_free(w);
    }
    struct world *w = world_at(RUN_ENGINE); /* closed its mouth and did not go */
    run_eof(&w->r, w->now, MSG_CONTROL);
    at(w, w->r.timers[RUN_TIMER_DRAIN] - 1);
    CHECK(w->kills == 0);
    at(w, w->r.timers[RUN_TIMER_DRAIN]);
    CHECK(w->kills == 1 && w->rec.cause_blocker == BLOCKER_worker_failed &&
          strstr(w->rec.cause, "closed its control channel"));
    worker_goes(w);
    world_free(w);
    w = world_at(RUN_COLLECTING); /* after DONE the same is no hurry: its own limit counts */
    run_eof(&w->r, w->now, MSG_CONTROL);
    CHECK(w->r.timers[RUN_TIMER_DRAIN] == 0 && w->r.timers[RUN_TIMER_PHASE] != 0);
    world_free(w);
}

static struct world *engine(enum end_of_life eol) {
    struct world *w = world_at(RUN_ENGINE);
    w->c.end_of_life = eol;
    return w;
}

static bool committed_stop(const struct world *w) {
    return w->stops == 1 && w->stop_reason == STOP_COMMITTED && w->r.state == RUN_STOPPING;
}

static void quiet(void) {
    struct world *w = engine(EOL_QUIET);
    uint64_t t = w->now;
    look(w, false, true, OID_A, 1); /* clean, but nothing was committed */
    look(w, true, false, OID_B, 2); /* committed, but not clean */
    CHECK(w->r.timers[RUN_TIMER_GRACE] == 0 && !w->rec.committed_seen);
    look(w, true, true, OID_B, 3);
    CHECK(w->rec.committed_seen && strcmp(w->rec.committed_head, OID_B) == 0 &&
          w->r.timers[RUN_TIMER_GRACE] == t + 2 * SEC);
    w->now = t + SEC;
    look(w, true, true, OID_B, 3); /* nothing new: the grace goes on */
    CHECK(w->r.timers[RUN_TIMER_GRACE] == t + 2 * SEC);
    look(w, true, true, OID_B, 4); /* another worktree: again from here */
    CHECK(w->r.timers[RUN_TIMER_GRACE] == t + 3 * SEC);
    w->now = t + 2 * SEC;
    look(w, true, true, OID_C, 4); /* another head */
    CHECK(w->r.timers[RUN_TIMER_GRACE] == t + 4 * SEC && strcmp(w->rec.committed_head, OID_C) == 0);
    look(w, true, false, OID_C, 5); /* at work again */
    CHECK(w->r.timers[RUN_TIMER_GRACE] == 0);
    at(w, t + 10 * SEC);
    CHECK(w->stops == 0 && w->r.state == RUN_ENGINE);
    look(w, true, true, OID_C, 6);
    at(w, t + 12 * SEC - 1);
    CHECK(w->stops == 0);
    at(w, t + 12 * SEC);
    CHECK(committed_stop(w) && w->rec.stop_sent == STOP_COMMITTED);
    world_free(w);
}

/* grace_max counts from the first commit, however often it changes after that. */
static void grace_max(void) {
    struct world *w = engine(EOL_QUIET);
    uint64_t t = w->now;
    for (uint64_t i = 0; i < 29; i++) {
        at(w, t + i * SEC);
        look(w, true, true, OID_B, i + 1);
        CHECK(w->stops == 0);
    }
    CHECK(w->r.timers[RUN_TIMER_GRACE] == t + 30 * SEC);
    at(w, t + 29 * SEC);
    look(w, true, true, OID_B, 99);
    CHECK(w->stops == 0 && w->r.timers[RUN_TIMER_GRACE] == t + 30 * SEC);
    at(w, t + 30 * SEC);
    CHECK(committed_stop(w));
    world_free(w);
    w = engine(EOL_QUIET); /* dirty for longer than grace_max, then clean: at once */
    t = w->now;
    look(w, true, true, OID_B, 1);
    look(w, true, false, OID_B, 2);
    at(w, t + 40 * SEC);
    CHECK(w->stops == 0);
    look(w, true, true, OID_B, 3);
    at(w, t + 40 * SEC + 1);
    CHECK(committed_stop(w));
    world_free(w);
}

static void first_commit(void) {
    struct world *w = engine(EOL_FIRST_COMMIT);
    uint64_t t = w->now;
    look(w, true, true, OID_B, 1);
    w->now = t + SEC;
    look(w, true, true, OID_C, 2); /* changes do not move it */
    CHECK(w->r.timers[RUN_TIMER_GRACE] == t + 2 * SEC);
    at(w, t + 2 * SEC);
    CHECK(committed_stop(w));
    world_free(w);
}

static void by_exit(void) {
    struct world *w = engine(EOL_EXIT);
    look(w, true, true, OID_B, 1);
    CHECK(w->rec.committed_seen && w->r.timers[RUN_TIMER_GRACE] == 0);
    at(w, w->now + 59 * SEC);
    CHECK(w->stops == 0);
    engine_end(w, END_EXITED, 0);
    CHECK(w->r.state == RUN_INSPECTING && w->rec.stop_sent == 0);
    world_free(w);
    w = engine(EOL_QUIET); /* an exit in the grace: no stop either */
    look(w, true, true, OID_B, 1);
    engine_end(w, END_EXITED, 0);
    CHECK(w->r.state == RUN_INSPECTING && w->stops == 0 && w->r.timers[RUN_TIMER_GRACE] == 0);
    look(w, true, true, OID_B, 2); /* its inspector may still answer */
    CHECK(w->kills == 0 && w->r.timers[RUN_TIMER_GRACE] == 0);
    world_free(w);
}

static struct world *idle_world(int64_t idle_ms) {
    struct world *w = world_new();
    w->c.idle_timeout_ms = idle_ms;
    run_gate(&w->r, w->now, false);
    run_spawned(&w->r, w->now);
    say(w, MSG_HELLO), say(w, MSG_READY), say(w, MSG_BASELINE), say(w, MSG_STARTED);
    CHECK(w->r.state == RUN_ENGINE);
    return w;
}

/* Lets time go on until `end`; the inspector answers each wake with the worktree's fingerprint, given by `of`. */
static void live(struct world *w, uint64_t end, uint64_t (*of)(uint64_t since), uint64_t start) {
    while (w->r.state == RUN_ENGINE) {
        uint64_t next = run_next_deadline(&w->r);
        int wakes = w->wakes;
        if (next > end) break;
        at(w, next > w->now ? next : w->now);
        if (w->wakes > wakes && w->r.state == RUN_ENGINE) look(w, false, false, OID_A, of(w->now - start));
    }
    if (w->now < end && w->r.state == RUN_ENGINE) w->now = end;
}

static uint64_t still(uint64_t since) { return (void)since, 7; }
static uint64_t every_2s(uint64_t since) { return 7 + since / (2 * SEC); }
static uint64_t once_at_1s(uint64_t since) { return since > SEC ? 8 : 7; }

static void idle(void) {
    struct world *w = idle_world(5000);
    uint64_t t = w->now;
    live(w, t + 59 * SEC, still, t);
    CHECK(w->stops == 1 && w->stop_reason == STOP_IDLE && w->rec.stop_sent == STOP_IDLE && w->r.state == RUN_STOPPING);
    CHECK(w->now >= t + 5 * SEC && w->now <= t + 7 * SEC);
    world_free(w);
    w = idle_world(5000); /* output pushes it out */
    t = w->now;
    for (uint64_t i = 1; i < 10; i++) {
        live(w, t + i * 4 * SEC, still, t);
        CHECK(w->r.state == RUN_ENGINE);
        say(w, MSG_OUTPUT);
    }
    live(w, t + 59 * SEC, still, t);
    CHECK(w->stops == 1 && w->stop_reason == STOP_IDLE && w->now >= t + 41 * SEC && w->now <= t + 43 * SEC);
    world_free(w);
    w = idle_world(5000); /* so does work on files without a word: what an agent does that edits every two seconds */
    t = w->now;
    live(w, t + 55 * SEC, every_2s, t);
    CHECK(w->stops == 0 && w->r.state == RUN_ENGINE);
    world_free(w);
    w = idle_world(5000); /* one edit gives one more limit */
    t = w->now;
    live(w, t + 59 * SEC, once_at_1s, t);
    CHECK(w->stop_reason == STOP_IDLE && w->now >= t + 6 * SEC && w->now <= t + 12 * SEC);
    world_free(w);
    w = idle_world(
        500); /* before it fires the worktree is looked at once more: work that no look has seen yet counts */
    w->now += SEC / 2;
    int wakes = w->wakes;
    run_time(&w->r, w->now);
    CHECK(w->stops == 0 && w->wakes == wakes + 1 && w->r.state == RUN_ENGINE);
    look(w, false, false, OID_A, 99);
    CHECK(w->r.timers[RUN_TIMER_IDLE] == w->now + SEC / 2);
    w->now += SEC / 2;
    run_time(&w->r, w->now); /* and again: what pushed it out once is used up */
    CHECK(w->stops == 0);
    look(w, false, false, OID_A, 99);
    w->now += SEC;
    run_time(&w->r, w->now);
    CHECK(w->stops == 1 && w->stop_reason == STOP_IDLE);
    world_free(w);
    w = idle_world(0); /* none */
    t = w->now;
    live(w, t + 59 * SEC, still, t);
    CHECK(w->stops == 0 && w->r.state == RUN_ENGINE);
    world_free(w);
}

static void looks(void) {
    struct world *w = world_at(RUN_ENGINE);
    uint64_t t = w->now;
    for (uint64_t i = 1; i <= 10; i++) at(w, t + i * SEC);
    CHECK(w->wakes == 10); /* a look each second as a net */
    run_watch(&w->r, w->now);
    uint64_t next = run_next_deadline(&w->r);
    CHECK(next > w->now && next <= w->now + 5000);                 /* debounced, at most 5 ms */
    for (int i = 0; i < 100; i++) run_watch(&w->r, w->now + 1000); /* a busy agent does not push it away */
    CHECK(run_next_deadline(&w->r) == next);
    at(w, next);
    CHECK(w->wakes == 11);
    engine_end(w, END_EXITED, 0);
    run_watch(&w->r, w->now);
    CHECK(w->r.timers[RUN_TIMER_LOOK] == 0);
    world_free(w);
    w = world_at(RUN_BASELINE); /* the start check: moved or dirty is not clean */
    say(w, MSG_BASELINE);
    look(w, false, false, OID_A, 5);
    CHECK(!w->rec.baseline_clean && !w->rec.committed_seen);
    look(w, true, true, OID_B, 5); /* a start that has moved on is none, however clean */
    CHECK(!w->rec.baseline_clean && !w->rec.committed_seen);
    say(w, MSG_DONE); /* and then the work may end here */
    CHECK(w->kills == 0 && w->r.state == RUN_COLLECTING && w->rec.worker_done);
    world_free(w);
}

/* The jail could not be built or the program is not there: no engine, no verification, an honest end. */
static void not_started(void) {
    static const enum end_kind kinds[] = {END_EXEC_FAILED, END_SETUP_FAILED};
    for (int i = 0; i < 2; i++) {
        struct world *w = world_at(RUN_BASELINE);
        say(w, MSG_BASELINE);
        engine_end(w, kinds[i], 2);
        CHECK(w->r.state == RUN_INSPECTING && !w->rec.engine_started && w->rec.engine_ended);
        say(w, MSG_DONE);
        CHECK(w->r.state == RUN_COLLECTING && w->kills == 0);
        run_exited(&w->r, w->now, 0, 0);
        worker_goes(w);
        CHECK(w->rec.cause_blocker == BLOCKER_COUNT && w->rec.worker_clean);
        world_free(w);
    }
}

int main(void) {
    state_limits();
    total_limit();
    overslept();
    immortal();
    draining();
    quiet();
    grace_max();
    first_commit();
    by_exit();
    idle();
    looks();
    not_started();
    return check_done();
}
