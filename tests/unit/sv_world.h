/* sv_world.h - a run's state machine without anything around it: actions are counted, frames are put in by hand, time is a
 * number. For test_sv_run*.c. */
#ifndef CTO_TESTS_UNIT_SV_WORLD_H
#define CTO_TESTS_UNIT_SV_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "supervisor/run.h"

#define SEC UINT64_C(1000000)
#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OID_C "cccccccccccccccccccccccccccccccccccccccc"

struct world {
    struct cto_case c;
    struct spec_command command;
    struct run_record rec;
    struct run r;
    uint64_t now;
    int entered[RUN_STATE_COUNT], kills, stops, wakes, bulks, traces, denied, limits, asked;
    enum stop_reason stop_reason;
    char order[512]; /* states as they were entered */
    size_t bulk_bytes;
};

static inline void world_entered(void *ctx, struct run *r, enum run_state from) {
    struct world *w = ctx;
    CHECK(r == &w->r && from != r->state);
    CHECK(++w->entered[r->state] == 1); /* no state twice */
    size_t n = strlen(w->order);
    snprintf(w->order + n, sizeof w->order - n, "%s%s", n ? " " : "", run_state_name(r->state));
}
static inline void world_stop(void *ctx, enum stop_reason reason) {
    struct world *w = ctx;
    w->stops++;
    w->stop_reason = reason;
}
static inline void world_kill(void *ctx) { ((struct world *)ctx)->kills++; }
static inline void world_wake(void *ctx) { ((struct world *)ctx)->wakes++; }
static inline void world_bulk(void *ctx, unsigned type, const uint8_t *p, size_t n) {
    struct world *w = ctx;
    CHECK(p && n > 0 && msg_rule(type)->channel == MSG_BULK);
    w->bulks++;
    w->bulk_bytes += n;
}
static inline void world_trace(void *ctx, const char *step, uint64_t start, uint64_t dur, bool ok, const char *detail) {
    (void)start, (void)dur, (void)ok;
    CHECK(step && detail);
    ((struct world *)ctx)->traces++;
}

static inline void world_denied(void *ctx, const struct denied_call *d) {
    CHECK(d && d->name[0]);
    ((struct world *)ctx)->denied++;
}

static inline void world_limit(void *ctx, const struct limit_seen *l) {
    CHECK(l->name[0] && l->mechanism[0]);
    ((struct world *)ctx)->limits++;
}

static inline void world_model(void *ctx, const struct model_request *q) {
    CHECK(q->n > 0);
    ((struct world *)ctx)->asked++;
}

static const struct run_ops world_ops = {world_entered, world_stop,   world_kill,  world_wake, world_bulk,
                                         world_trace,   world_denied, world_limit, world_model};

/* A case with one verification command of 7 s, 60 s in all, quiet with 2 s of grace and 30 s at most. Planned. */
static inline struct world *world_new(void) {
    struct world *w = calloc(1, sizeof *w);
    NEED(w != NULL);
    static const char *writes[] = {"src/"}, *forbidden[] = {".git/", "src/locked"};
    w->c = (struct cto_case){.id = "unit",
                             .verify = &w->command,
                             .n_verify = 1,
                             .end_of_life = EOL_QUIET,
                             .grace_ms = 2000,
                             .grace_max_ms = 30000,
                             .backend_timeout_ms = 60000,
                             .setup_timeout_ms = 120000,
                             .inspect_timeout_ms = 60000,
                             .diff_required = true,
                             .clean_start_required = true,
                             .allowed_writes = {writes, 1},
                             .forbidden_paths = {forbidden, 2}};
    w->command = (struct spec_command){.argv = {"make"}, .argc = 1, .timeout_ms = 7000};
    w->rec.c = &w->c;
    w->rec.engine = "fake";
    w->now = 1000 * SEC;
    run_init(&w->r, &w->rec, &world_ops, w);
    return w;
}

static inline void world_free(struct world *w) {
    run_check(&w->r);
    run_release(&w->r);
    record_release(&w->rec);
    free(w);
}

static inline void give(struct world *w, enum msg_channel c, const void *p, size_t n) {
    run_bytes(&w->r, w->now, c, p, n);
}

static inline void frame(struct world *w, enum msg_type type, const struct buf *payload) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    frame_put(&b, type, payload ? payload->p : NULL, payload ? payload->len : 0);
    give(w, msg_rule(type)->channel, b.p, b.len);
}

/* A payload that the table's grammar permits. */
static inline void payload_of(enum msg_type type, struct buf *b) {
    switch (type) {
    case MSG_HELLO: buf_put_str(b, "build"), buf_put_u32(b, 7); break;
    case MSG_READY: buf_put_bytes(b, "{\"kernel\":\"x\"}", 14); break;
    case MSG_BASELINE:
        buf_put_str(b, OID_A), buf_put_u8(b, 1), buf_put_u32(b, 3), buf_put_u64(b, 99), buf_put_u32(b, 1);
        break;
    case MSG_LOOK: buf_put_u8(b, 0), buf_put_u8(b, 1), buf_put_str(b, OID_A), buf_put_u64(b, 1); break;
    case MSG_ENGINE_END:
        buf_put_u8(b, END_EXITED), buf_put_u32(b, 0);
        for (int i = 0; i < 5; i++) buf_put_u64(b, 0);
        buf_put_str(b, "");
        break;
    case MSG_RESULT:
        buf_put_u8(b, RESULT_COMMITTED), buf_put_str(b, OID_B), buf_put_u8(b, 1), buf_put_u32(b, 0), buf_put_u32(b, 1);
        buf_put_u8(b, 0), buf_put_str(b, "");
        break;
    case MSG_DIRTY: buf_put_u8(b, '?'), buf_put_bytes(b, "stray", 5); break;
    case MSG_ATTEMPT: buf_put_u8(b, ATTEMPT_REMOTE), buf_put_bytes(b, "origin", 6); break;
    case MSG_COMMIT:
        buf_put_str(b, OID_B), buf_put_u8(b, 1), buf_put_i64(b, 1700000000), buf_put_bytes(b, "A", 1),
            buf_put_bytes(b, "s", 1);
        break;
    case MSG_CHANGE:
        buf_put_u8(b, 0), buf_put_u8(b, 'M'), buf_put_u32(b, 0100644), buf_put_u32(b, 0100644),
            buf_put_bytes(b, "src/x", 5);
        break;
    case MSG_VERIFY_START: buf_put_u16(b, 0); break;
    case MSG_VERIFY_END:
        buf_put_u16(b, 0), buf_put_u8(b, END_EXITED), buf_put_u32(b, 0);
        for (int i = 0; i < 3; i++) buf_put_u64(b, 0);
        buf_put_str(b, "");
        break;
    case MSG_DENIED:
        buf_put_u8(b, DENIED_BY_ENGINE), buf_put_u16(b, 0), buf_put_u8(b, DENIED_FIRST), buf_put_str(b, "ptrace");
        for (int i = 0; i < 4; i++) buf_put_u64(b, i == 0);
        break;
    case MSG_VERIFY_SKIP: buf_put_str(b, "no result"); break;
    case MSG_TRACE:
        buf_put_str(b, "step"), buf_put_u64(b, 1), buf_put_u64(b, 2), buf_put_u8(b, 1), buf_put_str(b, "detail");
        break;
    case MSG_LIMIT:
        buf_put_u16(b, 0), buf_put_str(b, "disk_bytes"), buf_put_u64(b, 8), buf_put_u64(b, 9);
        buf_put_str(b, "cgroup v2"), buf_put_u8(b, 1);
        break;
    case MSG_FAILED:
        buf_put_u8(b, FAILED_WORKER), buf_put_u32(b, 1), buf_put_u32(b, 2), buf_put_str(b, "no space");
        break;
    case MSG_OUTPUT: buf_put_u8(b, OUT_STDOUT), buf_put(b, "hello", 5); break;
    case MSG_ARTIFACT: buf_put_u8(b, ARTIFACT_PATCH), buf_put(b, "diff", 4); break;
    case MSG_ARTIFACT_END: buf_put_u8(b, ARTIFACT_PATCH), buf_put_u64(b, 4); break;
    default: break;
    }
}

static inline void say(struct world *w, enum msg_type type) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    payload_of(type, &b);
    frame(w, type, &b);
}

static inline void look(struct world *w, bool moved, bool clean, const char *head, uint64_t fingerprint) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    buf_put_u8(&b, moved), buf_put_u8(&b, clean), buf_put_str(&b, head), buf_put_u64(&b, fingerprint);
    frame(w, MSG_LOOK, &b);
}

static inline void engine_end(struct world *w, enum end_kind kind, int32_t code) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    buf_put_u8(&b, (uint8_t)kind), buf_put_u32(&b, (uint32_t)code);
    for (int i = 0; i < 5; i++) buf_put_u64(&b, 0);
    buf_put_str(&b, "");
    frame(w, MSG_ENGINE_END, &b);
}

/* On the shortest honest way to a state. */
static inline struct world *world_at(enum run_state s) {
    struct world *w = world_new();
    if (s >= RUN_GATED) run_gate(&w->r, w->now, false);
    if (s >= RUN_STARTING) run_spawned(&w->r, w->now);
    if (s >= RUN_BASELINE) say(w, MSG_HELLO), say(w, MSG_READY);
    if (s >= RUN_ENGINE) say(w, MSG_BASELINE), say(w, MSG_STARTED);
    if (s == RUN_STOPPING) {
        w->now += 60 * SEC;
        run_time(&w->r, w->now);
    }
    if (s >= RUN_INSPECTING) engine_end(w, END_EXITED, 0);
    if (s >= RUN_VERIFYING) say(w, MSG_RESULT), say(w, MSG_CHANGE), say(w, MSG_VERIFY_START);
    if (s >= RUN_COLLECTING) say(w, MSG_VERIFY_END), say(w, MSG_DONE);
    if (s >= RUN_SEALING) {
        run_exited(&w->r, w->now, 0, 0);
        run_eof(&w->r, w->now, MSG_CONTROL);
        run_eof(&w->r, w->now, MSG_BULK);
    }
    if (s >= RUN_DONE) run_sealed(&w->r, w->now);
    CHECK(w->r.state == s && w->kills == 0 && w->rec.cause_blocker == BLOCKER_COUNT);
    return w;
}

/* The worker goes, as a killed one does; the run must be sealing then, entered once. */
static inline void worker_goes(struct world *w) {
    if (!w->r.exit_seen) run_exited(&w->r, w->now, 0, 9);
    if (!w->r.control_eof) run_eof(&w->r, w->now, MSG_CONTROL);
    if (!w->r.bulk_eof) run_eof(&w->r, w->now, MSG_BULK);
    CHECK(w->r.state == RUN_SEALING && w->entered[RUN_SEALING] == 1);
}

#endif
