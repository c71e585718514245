/* fuzz_sv_run.c - the state machine of a run against a hostile worker and a hostile clock. Whatever is written, in whatever
 * order channels close, and even if SIGKILL does not end the worker: `sealing` is entered exactly once, `done` after it, no
 * action is called after that, and the invariants (run_check) hold after each event. And no verdict is a pass unless the worker
 * said that it was done, ended clean, and every command ended with 0.
 *
 * The input is a little program: an opcode byte and its operands. One opcode makes a well-formed frame around the next bytes,
 * so that the fuzzer gets past the framing. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/run.h"
#include "supervisor/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct run run;
    unsigned entered[RUN_STATE_COUNT];
    unsigned stops, kills;
    bool exited, eof[3], over, immortal;
    uint64_t now;
};

#define MUST(condition) ((condition) ? (void)0 : abort())

static void on_entered(void *ctx, struct run *r, enum run_state from) {
    struct world *w = ctx;
    MUST(!w->over && r == &w->run && r->state != from);
    w->entered[r->state]++;
    MUST(w->entered[r->state] == 1); /* no state twice: the machine only goes forward */
}

static void on_stop(void *ctx, enum stop_reason reason) {
    struct world *w = ctx;
    MUST(!w->over && reason >= STOP_COMMITTED && reason <= STOP_CANCELLED);
    MUST(++w->stops == 1);
}

static void on_kill(void *ctx) {
    struct world *w = ctx;
    MUST(!w->over && !w->exited);
    w->kills++;
}

static void on_wake(void *ctx) { MUST(!((struct world *)ctx)->over); }

static void on_bulk(void *ctx, unsigned type, const uint8_t *p, size_t n) {
    const struct world *w = ctx;
    MUST(!w->over && msg_rule(type)->channel == MSG_BULK && p != NULL && n > 0);
    MUST(w->run.state >= RUN_ENGINE &&
         w->run.state < RUN_SEALING); /* nothing of a run that has not begun or has ended */
}

static void on_trace(void *ctx, const char *step, uint64_t start, uint64_t duration, bool ok, const char *detail) {
    (void)start, (void)duration, (void)ok;
    MUST(!((struct world *)ctx)->over && strlen(step) < 64 && strlen(detail) < 2048);
}

static void on_limit(void *ctx, const struct limit_seen *l) {
    MUST(!((struct world *)ctx)->over && l->name[0] && strlen(l->name) < sizeof l->name);
}

static void on_model(void *ctx, const struct model_request *q) {
    MUST(!((struct world *)ctx)->over && q->n > 0 && memchr(q->asked, 0, sizeof q->asked));
}

static void give(struct world *w, enum msg_channel c, const uint8_t *p, size_t n) {
    if (!w->eof[c]) run_bytes(&w->run, w->now, c, p, n);
}

static void one_event(struct world *w, struct rd *rd, bool may_cut);

/* `cut`: only a part of the frame comes now. What else happens, on the other channel too, may come before the rest. */
static void give_frame(struct world *w, struct rd *rd, bool cut) {
    size_t count;
    const struct msg_rule *rules = msg_rules(&count);
    const struct msg_rule *rule = &rules[rd_u8(rd) % count];
    size_t n = rd_u8(rd);
    if (n > rd->left) n = rd->left;
    const uint8_t *payload = rd_raw(rd, n);
    struct buf b = BUF_INIT(1 << 16);
    frame_put(&b, (enum msg_type)rule->type, payload, n);
    size_t first = cut ? rd_u8(rd) % (b.len + 1) : b.len;
    give(w, rule->channel, b.p, first);
    for (unsigned n_between = cut ? rd_u8(rd) % 4u : 0; n_between > 0 && rd->left > 0; n_between--)
        one_event(w, rd, false);
    give(w, rule->channel, b.p + first, b.len - first);
    buf_release(&b);
}

static void close_channel(struct world *w, enum msg_channel c) {
    if (w->eof[c]) return;
    w->eof[c] = true;
    run_eof(&w->run, w->now, c);
}

static void end_worker(struct world *w, int64_t status, int signal) {
    if (w->exited) return;
    w->exited = true;
    run_exited(&w->run, w->now, status, signal);
}

static void one_event(struct world *w, struct rd *rd, bool may_cut) {
    size_t n;
    switch (rd_u8(rd) % 11) {
    case 0:
    case 1:
    case 2: give_frame(w, rd, false); break;
    case 10: give_frame(w, rd, may_cut); break;
    case 3:
        n = rd_u8(rd);
        if (n > rd->left) n = rd->left;
        give(w, MSG_CONTROL, rd_raw(rd, n), n);
        break;
    case 4:
        n = rd_u8(rd);
        if (n > rd->left) n = rd->left;
        give(w, MSG_BULK, rd_raw(rd, n), n);
        break;
    case 5: close_channel(w, rd_u8(rd) & 1 ? MSG_BULK : MSG_CONTROL); break;
    case 6: end_worker(w, rd_u8(rd) & 3, 0); break;
    case 7: run_watch(&w->run, w->now); break;
    case 8:
        w->now += (uint64_t)rd_u16(rd) * 1000;
        run_time(&w->run, w->now);
        break;
    default:
        if (rd_u8(rd) < 16) run_cancel(&w->run, w->now, BLOCKER_supervisor_interrupted, "interrupted");
        break;
    }
}

/* The worker does what a killed one does, or (immortal) not even that; time goes on. */
static void run_out(struct world *w) {
    for (unsigned i = 0; w->run.state < RUN_SEALING; i++) {
        MUST(i < 5000); /* nothing hangs */
        if (w->kills > 0 && !w->immortal && !w->exited) {
            end_worker(w, 0, 9);
            continue;
        }
        uint64_t next = run_next_deadline(&w->run);
        MUST(next != 0);
        if (next > w->now) w->now = next;
        run_time(&w->run, w->now);
    }
}

static void judge(struct run_record *rec) {
    verdict_judge(rec);
    verdict_conclude(rec);
    MUST(rec->verdict != VERDICT_NONE && (rec->verdict == VERDICT_PASS) == (rec->n_blockers == 0));
    if (rec->verdict != VERDICT_PASS) return;
    MUST(rec->worker_done && rec->worker_clean && rec->cause_blocker == BLOCKER_COUNT && !rec->failed_seen);
    MUST(rec->engine_ended && rec->result_seen && rec->result_clean && rec->c->n_verify > 0);
    for (int i = 0; i < rec->c->n_verify; i++) {
        const struct verify_result *v = record_verify(rec, i);
        MUST(v->seen && v->kind == END_EXITED && v->code == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct run_ops ops = {.entered = on_entered,
                                       .stop = on_stop,
                                       .kill = on_kill,
                                       .wake = on_wake,
                                       .bulk = on_bulk,
                                       .trace = on_trace,
                                       .limit = on_limit,
                                       .model = on_model};
    struct rd rd = rd_over(data, size);
    uint8_t flags = rd_u8(&rd);
    struct spec_command commands[3] = {{.argv = {"a"}, .argc = 1, .timeout_ms = 1000},
                                       {.argv = {"b"}, .argc = 1, .timeout_ms = 1000},
                                       {.argv = {"c"}, .argc = 1, .timeout_ms = 1000}};
    struct cto_case c = {.verify = commands,
                         .n_verify = flags & 3,
                         .end_of_life = (enum end_of_life)((flags >> 2) % 3),
                         .grace_ms = 20,
                         .grace_max_ms = 100,
                         .backend_timeout_ms = 60000,
                         .setup_timeout_ms = 5000,
                         .inspect_timeout_ms = 2000,
                         .idle_timeout_ms = flags & 32 ? 3000 : 0};
    struct run_record *rec = calloc(1, sizeof *rec);
    struct world w = {.now = 1000000, .immortal = flags & 64};
    MUST(rec != NULL);
    rec->c = &c;
    rec->engine = flags & 128 ? "case" : "fake";
    run_init(&w.run, rec, &ops, &w);
    run_gate(&w.run, w.now, (flags & 128) != 0);
    if (!(flags & 128)) run_spawned(&w.run, w.now);
    while (rd.left > 0 && !rd.bad) one_event(&w, &rd, true);
    run_out(&w);
    MUST(w.run.state == RUN_SEALING && w.entered[RUN_SEALING] == 1);
    run_sealed(&w.run, w.now);
    MUST(w.run.state == RUN_DONE && w.entered[RUN_DONE] == 1);
    w.over = true;
    /* What is late is not believed. */
    close_channel(&w, MSG_CONTROL);
    close_channel(&w, MSG_BULK);
    end_worker(&w, 0, 0);
    run_watch(&w.run, w.now);
    judge(rec);
    run_release(&w.run);
    record_release(rec);
    free(rec);
    return 0;
}
