/* exchange.c - see exchange.h. The first cause wins: once an outcome is settled, what follows from it does not change it; only an
 * agent that leaves before it has all of a good answer turns OK into AGENT_LEFT. */
#include "worker/gateway/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/gateway/answer.h"
#include "worker/gateway/body.h"
#include "worker/gateway/normal.h"
#include "worker/gateway/record.h"
#include "worker/gateway/redact.h"
#include "worker/gateway/replay.h"
#include "worker/gateway/reply.h"
#include "worker/gateway/report.h"
#include "worker/gateway/slots.h"
#include "worker/gateway/spell.h"

#define OUT_MAX (192u << 10)      /* of a stream, held for an agent that reads slowly */
#define HELD_BACK_MAX (32u << 10) /* of a stream that may be spelling a secret */
#define ERROR_MAX (64u << 10)     /* of the server's own error text */

enum phase { HEAD, BODY, ASKING, ANSWERING, ANSWERED };
enum kind { KIND_ERROR, KIND_JSON, KIND_STREAM };

struct exchange {
    struct gw *gw;
    void (*wake)(void *ctx);
    void *ctx;
    enum phase phase;
    bool inside; /* of a call of server.c: no wake */
    enum gw_path path;
    /* request */
    struct body body;
    struct buf text;
    uint64_t discarded, held;
    bool too_large, no_room;
    /* the way to an answer */
    struct slot_wait slot;
    struct up_transfer *transfer;
    struct play *play;
    struct record_pair *pair;
    /* answer */
    enum kind kind;
    struct up_head head;
    struct answer answer;
    struct redact_stream redact;
    struct spell *spell;
    struct buf out;
    size_t out_at, out_free; /* read so far; of a stream, what may be read */
    uint64_t streamed;
    bool have_head, paused, source_ended, cut, truncated;
    /* what the agent gets */
    bool replied, close;
    unsigned status;
    const char *content_type;
    /* for the report */
    bool settled;
    enum gw_outcome outcome;
    const char *detail;
    int64_t start_ms;
    uint64_t begun_us, first_us, up, down;
};

static const struct up_events events;

/* --- small ones --------------------------------------------------------------------------------------------------- */
static void settle(struct exchange *x, enum gw_outcome o, const char *detail) {
    if (x->settled) return;
    x->settled = true;
    x->outcome = o;
    x->detail = detail;
}

static void wake(struct exchange *x) {
    if (!x->inside) x->wake(x->ctx);
}

static bool hold(struct exchange *x, uint64_t n) {
    if (x->gw->held + n > GW_HELD_MAX) return false;
    x->held += n;
    x->gw->held += n;
    return true;
}

static void set_reply(struct exchange *x, unsigned status, const char *content_type) {
    x->replied = true;
    x->status = status;
    x->content_type = content_type;
}

/* The gateway's own error in place of an answer. */
static void say(struct exchange *x, unsigned status, const char *code, const char *text) {
    buf_release(&x->out);
    x->out.max = 4096;
    x->out_at = 0;
    reply_error(&x->out, status, code, text);
    set_reply(x, status, "application/json");
    x->kind = KIND_ERROR;
    x->phase = ANSWERED;
    x->source_ended = true;
}

static void refuse(struct exchange *x, enum gw_outcome o, unsigned status, const char *text) {
    settle(x, o, text);
    say(x, status, gw_outcome_name(o), text);
}

/* --- request ------------------------------------------------------------------------------------------------------ */
struct exchange *exchange_new(struct gw *g, const char *target, void (*wake_fn)(void *ctx), void *ctx) {
    struct exchange *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->gw = g;
    x->wake = wake_fn;
    x->ctx = ctx;
    x->slot.slot = -1;
    x->detail = "";
    x->path = head_path(target);
    x->start_ms = clock_real_ms();
    x->begun_us = clock_mono_us();
    body_init(&x->body, g->config.model);
    /* room for what body_ask_for_usage() adds is its own business */
    x->text = BUF_INIT((size_t)g->config.limits.body_bytes);
    x->out = BUF_INIT((size_t)g->config.limits.body_bytes);
    return x;
}

bool exchange_has_head(const struct exchange *x) { return x->phase != HEAD; }

bool exchange_head(struct exchange *x, const struct head *h) {
    const struct head_answer a = head_check(h);
    x->phase = BODY;
    x->path = a.path;
    if (a.outcome != GW_OK) {
        x->close = true;
        refuse(x, a.outcome, a.status, a.why);
    } else if (x->gw->ending) {
        x->close = true;
        refuse(x, GW_REFUSED_REQUEST, 503, "the run is over");
    } else if (a.path == GW_PATH_MODELS) {
        settle(x, GW_OK, "");
        reply_models(&x->out, x->gw->config.model);
        set_reply(x, 200, "application/json");
        x->kind = KIND_JSON;
        x->phase = ANSWERED;
        x->source_ended = true;
    }
    return x->replied;
}

bool exchange_body(struct exchange *x, const void *p, size_t n) {
    gw_moved(x->gw, n);
    if (!x->too_large && !x->no_room) {
        if (x->text.len + n > x->text.max)
            x->too_large = true;
        else if (!hold(x, n))
            x->no_room = true;
    }
    if (x->too_large || x->no_room) {
        buf_release(&x->text);
        x->discarded += n;
        return false;
    }
    body_feed(&x->body, p, n);
    buf_put(&x->text, p, n);
    if (x->text.bad) x->no_room = true;
    return false;
}

bool exchange_is_hopeless(const struct exchange *x) { return x->discarded > (uint64_t)x->gw->config.limits.body_bytes; }

static bool check_body(struct exchange *x) {
    if (x->too_large || x->no_room) {
        x->close = true;
        if (x->too_large)
            refuse(x, GW_REFUSED_REQUEST, 413, "the body is too large");
        else
            refuse(x, GW_REFUSED_REQUEST, 503, "too many large requests at once");
        return false;
    }
    const enum body_verdict v = body_end(&x->body);
    if (v == BODY_FINE) return true;
    if (v == BODY_MALFORMED || v == BODY_AMBIGUOUS)
        refuse(x, GW_REFUSED_REQUEST, 400, body_verdict_text(v));
    else
        refuse(x, GW_REFUSED_MODEL, 403, body_verdict_text(v));
    return false;
}

static void refuse_budget(struct exchange *x, enum gw_budget k) {
    static const char *const texts[] = {"",
                                        "budget of this run is used up: requests",
                                        "budget of this run is used up: input tokens",
                                        "budget of this run is used up: output tokens",
                                        "budget of this run is used up: bytes",
                                        "budget of this run is used up: wall time"};
    report_budgets(x->gw);
    refuse(x, GW_REFUSED_BUDGET, 429, texts[k]);
}

static bool check_budget(struct exchange *x) {
    struct budget *b = &x->gw->budget;
    const enum gw_budget k = budget_exhausted(b, clock_mono_us());
    if (k == 0)
        b->used.requests++;
    else
        refuse_budget(x, k);
    return k == 0;
}

/* What goes up: without known values, and asking for its tokens. */
static void make_text(struct exchange *x) {
    struct buf clean = BUF_INIT(x->text.max * 2);
    if (redact_whole(x->gw->redact, x->text.p, x->text.len, &clean) > 0) {
        buf_release(&x->text);
        x->text = clean;
        struct body again; /* places in it have moved */
        body_init(&again, x->gw->config.model);
        body_feed(&again, x->text.p, x->text.len);
        (void)body_end(&again);
        x->body.options_start = again.options_start;
        x->body.options_end = again.options_end;
    }
    if (x->path == GW_PATH_CHAT && x->body.stream && !x->body.include_usage && !x->text.bad)
        body_ask_for_usage(&x->body, &x->text);
}

static void ended(struct exchange *x, enum gw_outcome o, const char *detail);

static void send_up(struct exchange *x) {
    const uint64_t now = clock_mono_us();
    const int64_t used_ms = (int64_t)((now - x->begun_us) / 1000);
    const struct up_request r = {.path = x->path,
                                 .body = x->text.p,
                                 .body_len = x->text.len,
                                 .stream = x->body.stream,
                                 .total_ms = x->gw->config.limits.total_ms - used_ms};
    if (r.total_ms <= 0) {
        ended(x, GW_TIMED_OUT, "no slot at the endpoint was free in time");
        return;
    }
    x->transfer = up_send(x->gw, &r, &events, x);
    if (!x->transfer) ended(x, GW_UNREACHABLE, "the gateway is out of memory");
}

/* Those that it waited for may have used up what there was. */
static void on_slot(struct slot_wait *w) {
    struct exchange *x = (struct exchange *)((char *)w - offsetof(struct exchange, slot));
    const enum gw_budget k = budget_exhausted_since(&x->gw->budget, clock_mono_us());
    if (k == 0) {
        send_up(x);
        return;
    }
    slots_release(x->gw, w);
    if (x->pair) record_drop(x->pair);
    x->pair = NULL;
    refuse_budget(x, k);
    wake(x);
}

static void ask(struct exchange *x) {
    char sha256[DIGEST_HEX_SIZE];
    struct gw *g = x->gw;
    struct err e = ERR_INIT;
    x->phase = ASKING;
    if (g->recorder || g->replay) {
        if (normal_digest(x->path, buf_str(&x->text), x->text.len, sha256, &e) < 0) {
            refuse(x, GW_REFUSED_REQUEST, 413, "the body is too large to be recorded or played");
            return;
        }
        if (g->recorder) x->pair = record_begin(g, x->path, sha256, x->text.p, x->text.len);
    }
    if (g->replay) {
        x->play = replay_find(g, x->path, sha256, &events, x);
        if (!x->play) ended(x, GW_NO_REPLAY, "the cassette has no such request");
        return;
    }
    x->slot.on_slot = on_slot;
    if (slots_want(g, &x->slot)) send_up(x);
}

bool exchange_body_end(struct exchange *x) {
    x->inside = true;
    if (check_body(x) && check_budget(x)) {
        make_text(x);
        if (x->text.bad)
            refuse(x, GW_REFUSED_REQUEST, 503, "the gateway is out of memory");
        else
            ask(x);
    }
    x->inside = false;
    return x->replied;
}

/* --- answer ------------------------------------------------------------------------------------------------------- */
static enum gw_outcome outcome_of_status(unsigned status) {
    if (status == 401 || status == 403) return GW_UNAUTHORIZED;
    if (status == 429) return GW_RATE_LIMITED;
    if (status >= 500) return GW_SERVER_ERROR;
    if (status >= 400) return GW_REJECTED;
    if (status >= 300) return GW_REDIRECTED;
    return GW_GARBAGE;
}

static bool is_json(const char *content_type) {
    const size_t n = strlen(content_type);
    return strcmp(content_type, "application/json") == 0 || (n > 5 && strcmp(content_type + n - 5, "+json") == 0);
}

static int on_head(void *ctx, const struct up_head *h) {
    struct exchange *x = ctx;
    x->head = *h;
    x->have_head = true;
    x->phase = ANSWERING;
    x->first_us = clock_mono_us();
    const enum gw_api api = x->path == GW_PATH_RESPONSES ? GW_API_RESPONSES : GW_API_CHAT;
    if (h->status != 200) {
        const enum gw_outcome o = outcome_of_status(h->status);
        settle(x, o, reply_text_of(o));
        x->kind = KIND_ERROR;
        x->out.max = ERROR_MAX;
        return o == GW_REDIRECTED || o == GW_GARBAGE ? -1 : 0;
    }
    x->kind = strcmp(h->content_type, "text/event-stream") == 0 ? KIND_STREAM : KIND_JSON;
    if (x->kind == KIND_JSON && !is_json(h->content_type)) {
        settle(x, GW_GARBAGE, "the answer is neither JSON nor a stream of events");
        return -1;
    }
    answer_init(&x->answer, api, x->kind == KIND_STREAM, x->gw->config.model);
    if (x->kind == KIND_STREAM) {
        redact_begin(&x->redact, x->gw->redact);
        if (redact_longest(x->gw->secrets) > 0) {
            x->spell = spell_new(x->gw->secrets);
            if (!x->spell) return -1;
            answer_watch(&x->answer, x->spell);
        }
        x->out.max = 4 * OUT_MAX; /* a carry may come on top, and labels are longer than what they replace */
    }
    return 0;
}

static bool is_fine(struct exchange *x, enum answer_verdict v) {
    switch (v) {
    case ANSWER_FINE: return true;
    case ANSWER_WRONG_MODEL: settle(x, GW_WRONG_MODEL, "the answer names another model"); break;
    case ANSWER_NO_MODEL: settle(x, GW_WRONG_MODEL, "the answer names no model"); break;
    case ANSWER_GARBAGE: settle(x, GW_GARBAGE, "the answer is not what this API promises"); break;
    case ANSWER_BROKEN: settle(x, GW_BROKEN, "the stream has no end"); break;
    }
    return false;
}

static enum up_taken take_json(struct exchange *x, const void *p, size_t n) {
    if (!is_fine(x, answer_feed(&x->answer, p, n))) return UP_ABORT;
    if (x->out.len + n > x->out.max || !hold(x, n)) {
        settle(x, GW_GARBAGE, "the answer is too large");
        return UP_ABORT;
    }
    buf_put(&x->out, p, n);
    return x->out.bad ? UP_ABORT : UP_TAKEN;
}

/* What is held back goes to the agent, and into the recording. */
static void let_out(struct exchange *x) {
    const size_t n = x->out.len - x->out_free;
    if (n == 0) return;
    if (x->pair) record_chunk(x->pair, x->out.p + x->out_free, n);
    x->out_free = x->out.len;
    if (!x->replied) set_reply(x, 200, "text/event-stream");
    wake(x);
}

static enum up_taken take_stream(struct exchange *x, const void *p, size_t n) {
    const size_t waiting = x->out.len - x->out_at;
    if (waiting > 0 && waiting + n > OUT_MAX) {
        x->paused = true;
        return UP_PAUSE;
    }
    x->streamed += n;
    if (x->streamed > (uint64_t)x->gw->config.limits.stream_bytes) {
        settle(x, GW_GARBAGE, "the stream is too long");
        return UP_ABORT;
    }
    if (!is_fine(x, answer_feed(&x->answer, p, n))) return UP_ABORT;
    buf_consume(&x->out, x->out_at);
    x->out_free -= x->out_at;
    x->out_at = 0;
    redact_feed(&x->redact, p, n, &x->out);
    if (x->out.bad) return UP_ABORT;
    const enum spelled spelled = x->spell ? spell_look(x->spell) : SPELL_NOTHING;
    if (spelled == SPELL_NOTHING) {
        let_out(x);
    } else if (spelled == SPELL_VALUE || x->out.len - x->out_free > HELD_BACK_MAX) {
        settle(x, GW_GARBAGE, "the stream spells a known value over several events");
        return UP_ABORT;
    }
    return UP_TAKEN;
}

static enum up_taken on_data(void *ctx, const void *p, size_t n) {
    struct exchange *x = ctx;
    if (x->kind == KIND_JSON) return take_json(x, p, n);
    if (x->kind == KIND_STREAM) return take_stream(x, p, n);
    if (x->out.len + n > ERROR_MAX)
        x->truncated = true;
    else
        buf_put(&x->out, p, n);
    return UP_TAKEN;
}

static void count(struct exchange *x) {
    struct budget *b = &x->gw->budget;
    if (x->transfer) up_counts(x->transfer, &x->up, &x->down);
    x->transfer = NULL;
    x->play = NULL;
    b->used.tokens_in += x->answer.tokens_in;
    b->used.tokens_out += x->answer.tokens_out;
    b->used.bytes += x->up + x->down;
    slots_release(x->gw, &x->slot);
}

static bool is_document(const struct buf *b) {
    struct jscan s;
    jscan_init(&s, NULL, NULL);
    return jscan_feed(&s, buf_str(b), b->len) == 0 && jscan_end(&s);
}

/* Its own words when they are JSON: clients read them. Else ours. */
static void say_failure(struct exchange *x) {
    const unsigned status = reply_status_of(x->outcome, x->head.status);
    const bool own = x->have_head && status == x->head.status && x->kind == KIND_ERROR && !x->truncated && !x->out.bad;
    if (own && is_document(&x->out)) {
        set_reply(x, status, "application/json");
        x->phase = ANSWERED;
        return;
    }
    say(x, status, gw_outcome_name(x->outcome), reply_text_of(x->outcome));
}

static void redact_reply(struct exchange *x) {
    struct buf clean = BUF_INIT(2 * x->out.max);
    if (redact_whole(x->gw->redact, x->out.p, x->out.len, &clean) == 0) return;
    buf_release(&x->out);
    x->out = clean;
    if (clean.bad) say(x, 502, gw_outcome_name(GW_GARBAGE), reply_text_of(GW_GARBAGE));
}

static void end_stream(struct exchange *x) {
    if (!x->settled && is_fine(x, answer_end(&x->answer))) {
        redact_end(&x->redact, &x->out);
        let_out(x);
        settle(x, GW_OK, "");
        x->phase = ANSWERED;
        return;
    }
    x->out.len = x->out_free;
    x->cut = x->replied;
    if (!x->replied) say_failure(x);
}

static void record_reply(struct exchange *x) {
    struct record_pair *p = x->pair;
    x->pair = NULL;
    if (!p) return;
    if (!x->replied) {
        record_drop(p);
        return;
    }
    record_head(p, x->status, x->content_type);
    if (x->kind != KIND_STREAM) record_chunk(p, x->out.p, x->out.len);
    record_end(x->gw, p, !x->cut);
}

/* The source has nothing more: what does the agent get? */
static void ended(struct exchange *x, enum gw_outcome o, const char *detail) {
    count(x);
    if (o != GW_OK) settle(x, o, detail);
    if (x->have_head && x->kind == KIND_STREAM) {
        end_stream(x);
    } else if (!x->settled && x->kind == KIND_JSON && is_fine(x, answer_end(&x->answer))) {
        settle(x, GW_OK, "");
        set_reply(x, 200, "application/json");
        redact_reply(x);
        x->phase = ANSWERED;
    } else {
        BUG_UNLESS(x->settled);
        say_failure(x);
        redact_reply(x);
    }
    x->source_ended = true;
    record_reply(x);
    buf_release(&x->text);
    report_budgets(x->gw);
    wake(x);
}

static void on_end(void *ctx, enum gw_outcome o, const char *detail) { ended(ctx, o, detail); }

static const struct up_events events = {.on_head = on_head, .on_data = on_data, .on_end = on_end};

/* --- to the agent ------------------------------------------------------------------------------------------------- */
bool exchange_get_reply(struct exchange *x, struct exchange_reply *ret) {
    if (!x->replied) return false;
    *ret = (struct exchange_reply){.status = x->status,
                                   .content_type = x->content_type,
                                   .stream = x->kind == KIND_STREAM,
                                   .close = x->close,
                                   .text = &x->out,
                                   .head = x->have_head ? &x->head : NULL};
    return true;
}

static void go_on(struct exchange *x) {
    if (!x->paused || x->out.len - x->out_at > OUT_MAX / 2) return;
    x->paused = false;
    if (x->transfer) up_continue(x->transfer);
    if (x->play) play_continue(x->play);
}

long exchange_read(struct exchange *x, char *p, size_t n) {
    const size_t have = (x->kind == KIND_STREAM ? x->out_free : x->out.len) - x->out_at;
    if (have == 0) return !x->source_ended ? 0 : x->cut ? -2 : -1;
    if (n > have) n = have;
    memcpy(p, x->out.p + x->out_at, n);
    x->out_at += n;
    x->inside = true;
    go_on(x);
    x->inside = false;
    return (long)n;
}

/* A streamed answer says that it is at its end, and the server ends it a moment later: an agent that has read the last event to its empty
 * line may go before that. It has the answer. */
static bool has_all(const struct exchange *x) {
    return x->have_head && x->kind == KIND_STREAM && answer_is_whole(&x->answer) && x->out_at == x->out.len;
}

void exchange_left(struct exchange *x, const char *why) {
    if (x->settled && x->outcome != GW_OK) return;
    const bool all = has_all(x);
    if (x->transfer) {
        struct up_transfer *t = x->transfer;
        count(x);
        up_cancel(t);
    } else if (x->play) {
        struct play *p = x->play;
        count(x);
        play_cancel(p);
    } else {
        slots_release(x->gw, &x->slot);
    }
    settle(x, all ? GW_OK : GW_AGENT_LEFT, all ? "" : why);
    x->source_ended = true;
    x->cut = !all;
}

void exchange_look(struct exchange *x, uint64_t now_us) {
    if (!x->slot.waiting || now_us - x->begun_us < (uint64_t)x->gw->config.limits.total_ms * 1000) return;
    ended(x, GW_TIMED_OUT, "no slot at the endpoint was free in time");
}

static void free_all(struct exchange *x) {
    x->gw->held -= x->held;
    buf_release(&x->text);
    buf_release(&x->out);
    redact_release(&x->redact);
    spell_free(x->spell);
    free(x);
}

void exchange_done(struct exchange *x, enum exchange_end how) {
    if (x->phase == HEAD || (x->phase == BODY && !x->replied)) {
        if (how == EXCHANGE_LEFT)
            settle(x, GW_AGENT_LEFT, "before the request was whole");
        else
            settle(x, GW_REFUSED_REQUEST, "the request is malformed");
        x->status = how == EXCHANGE_LEFT ? 0 : 400; /* or another 4xx: the library does not say which */
    } else if (how != EXCHANGE_COMPLETE) {
        exchange_left(x, "before the answer was whole");
        if (x->outcome == GW_OK && !has_all(x)) x->outcome = GW_AGENT_LEFT, x->detail = "before the answer was whole";
    }
    record_reply(x);
    const uint64_t now = clock_mono_us();
    const struct report_request r = {.path = x->path,
                                     .model_asked = x->body.model,
                                     .model_answered = x->answer.model,
                                     .status = x->status,
                                     .outcome = x->outcome,
                                     .tokens_in = x->answer.tokens_in,
                                     .tokens_out = x->answer.tokens_out,
                                     .latency_us = now - x->begun_us,
                                     .first_byte_us = x->first_us > x->begun_us ? x->first_us - x->begun_us : 0,
                                     .bytes_up = x->up,
                                     .bytes_down = x->down,
                                     .start_ms = x->start_ms,
                                     .detail = x->detail};
    report_request(x->gw, &r);
    report_budgets(x->gw);
    free_all(x);
}
