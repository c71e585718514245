/* relay.c - see relay.h. The inspector has read hostile bytes and counts as taken over from then on: it can lie about
 * the repository (the supervisor weighs that), but it cannot speak for the worker, the engine or the verifier. */
#include "worker/relay.h"

#include <string.h>

#include "common/buf.h"
#include "common/clock.h"

void relay_init(struct relay *r, struct up *up, unsigned step) {
    *r = (struct relay){.up = up, .step = step, .born_us = clock_mono_us()};
    frame_reader_init(&r->reader, MSG_TO_SUPERVISOR, MSG_CONTROL);
    r->reader.any_channel = true;
}

void relay_release(struct relay *r) { frame_reader_release(&r->reader); }

/* A str field that is an object id or empty. */
static bool read_oid(struct rd *rd, char out[RELAY_OID_SIZE]) {
    rd_str(rd, out, RELAY_OID_SIZE);
    if (rd->bad) return false;
    size_t n = strlen(out);
    return (n == 0 || n == 40 || n == 64) && strspn(out, "0123456789abcdef") == n;
}

static int read_baseline(struct relay *r, const struct frame *f, struct err *e) {
    struct rd rd = rd_over(f->payload, f->len);
    if (!read_oid(&rd, r->baseline)) return err_set(e, ERR_PROTO, "BASELINE without an object id");
    r->has_baseline = true;
    return 0;
}

static int read_look(struct relay *r, const struct frame *f, struct err *e) {
    struct rd rd = rd_over(f->payload, f->len);
    r->look_moved = rd_u8(&rd) != 0;
    r->look_clean = rd_u8(&rd) == 1;
    if (rd.bad) return err_set(e, ERR_PROTO, "LOOK is too short");
    r->looks++;
    return 0;
}

static int read_result(struct relay *r, const struct frame *f, struct err *e) {
    struct relay_result res = {.seen = true};
    struct rd rd = rd_over(f->payload, f->len);
    res.kind = (enum result_kind)rd_u8(&rd);
    if (!read_oid(&rd, res.head) || res.kind < RESULT_NONE || res.kind > RESULT_TOO_LARGE)
        return err_set(e, ERR_PROTO, "RESULT without kind and object id");
    if (res.kind == RESULT_COMMITTED && res.head[0] == '\0')
        return err_set(e, ERR_PROTO, "RESULT committed, without a head");
    r->result = res;
    return 0;
}

static int read_failed(struct relay *r, const struct frame *f, struct err *e) {
    struct rd rd = rd_over(f->payload, f->len);
    rd_u8(&rd); /* its class is not its to choose: what a failure means depends on what ran before */
    r->failure.code = (enum err_code)rd_u32(&rd);
    r->failure.sys = (int)rd_u32(&rd);
    rd_str(&rd, r->failure.text, sizeof r->failure.text);
    if (rd.bad || r->failure.code <= ERR_NONE || r->failure.code > ERR_INTERNAL)
        return err_set(e, ERR_PROTO, "FAILED is malformed");
    r->failed = true;
    return 0;
}

static int check_rate(const struct relay *r, struct err *e) {
    uint64_t seconds = (clock_mono_us() - r->born_us) / 1000000u;
    if (r->looks < RELAY_LOOKS_AT_ONCE + RELAY_LOOKS_PER_S * seconds) return 0;
    return err_set(e, ERR_LIMIT, "inspector sends more than %u LOOKs a second", RELAY_LOOKS_PER_S);
}

static int check(struct relay *r, const struct msg_rule *rule, struct err *e) {
    if (r->done || r->failed) return err_set(e, ERR_PROTO, "inspector sent %s after its end", rule->name);
    if ((rule->steps & r->step) == 0) return err_set(e, ERR_PROTO, "this inspector step may not send %s", rule->name);
    if (rule->type == MSG_LOOK) return check_rate(r, e);
    if (rule->channel == MSG_CONTROL && ++r->frames > RELAY_MAX_FRAMES)
        return err_set(e, ERR_LIMIT, "inspector sent more than %u frames", RELAY_MAX_FRAMES);
    if ((rule->flags & MSG_ONCE) == 0) return 0;
    BUG_UNLESS(rule->type < 64);
    if (r->seen_once & (1ull << rule->type)) return err_set(e, ERR_PROTO, "inspector sent %s twice", rule->name);
    r->seen_once |= 1ull << rule->type;
    return 0;
}

static int on_frame(void *ctx, const struct frame *f, struct err *e) {
    struct relay *r = ctx;
    const struct msg_rule *rule = msg_rule(f->type);
    BUG_UNLESS(rule != NULL && f->len <= rule->largest); /* frame_feed's promise */
    if (check(r, rule, e) < 0) return -1;
    switch (f->type) {
    case MSG_DONE: r->done = true; return 0;
    case MSG_FAILED: return read_failed(r, f, e);
    case MSG_BASELINE:
        if (read_baseline(r, f, e) < 0) return -1;
        break;
    case MSG_LOOK:
        if (read_look(r, f, e) < 0) return -1;
        if (r->mute_looks) return 0;
        break;
    case MSG_DIRTY:
        if (r->mute_dirty) return 0;
        break;
    case MSG_RESULT:
        if (read_result(r, f, e) < 0) return -1;
        break;
    default: break;
    }
    up_pass(r->up, rule, f->payload, f->len);
    return 0;
}

int relay_feed(struct relay *r, const void *p, size_t n, struct err *e) {
    return frame_feed(&r->reader, p, n, on_frame, r, e);
}

int relay_finish(const struct relay *r, struct err *e) {
    if (r->failed) {
        *e = r->failure;
        return -1;
    }
    if (frame_finish(&r->reader, e) < 0) return -1;
    if (!r->done) return err_set(e, ERR_PROTO, "inspector ended without DONE");
    return 0;
}
