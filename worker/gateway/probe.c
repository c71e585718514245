/* probe.c - see probe.h. With room for 1024 tokens: with 32 a model that reasons first has none left for content. Not streamed, so that
 * one document says all. Content that comes late is content. */
#include "worker/gateway/probe.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "worker/gateway/answer.h"
#include "worker/gateway/control.h"
#include "worker/gateway/redact.h"
#include "worker/gateway/reply.h"
#include "worker/gateway/slots.h"
#include "worker/gateway/upstream.h"

#define ANSWER_MAX (1u << 20)
#define TOKENS 1024

struct probe {
    struct gw *gw;
    struct slot_wait slot;
    struct up_transfer *transfer;
    char *body;
    struct buf out;
    struct answer answer;
    unsigned status;
    bool json, done, settled, running;
    enum gw_outcome outcome;
    const char *detail;
    uint64_t begun_us;
};

/* --- judging ------------------------------------------------------------------------------------------------------ */
static const cJSON *member(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static bool has_text(const cJSON *v) {
    const char *s = cJSON_GetStringValue(v);
    return s && s[strspn(s, " \t\r\n")] != 0;
}

/* A string, or a list of parts with a text each. */
static bool has_content(const cJSON *v) {
    const cJSON *part;
    if (has_text(v)) return true;
    cJSON_ArrayForEach(part, v) {
        const char *type = cJSON_GetStringValue(member(part, "type"));
        if (type && strcmp(type, "reasoning_text") == 0) continue;
        if (has_text(member(part, "text"))) return true;
    }
    return false;
}

static enum gw_outcome judge_chat(const cJSON *root) {
    const cJSON *message = member(cJSON_GetArrayItem(member(root, "choices"), 0), "message");
    if (!cJSON_IsObject(message)) return GW_GARBAGE;
    return has_content(member(message, "content")) ? GW_OK : GW_REASONING_ONLY;
}

static enum gw_outcome judge_responses(const cJSON *root) {
    const cJSON *item, *output = member(root, "output");
    if (!cJSON_IsArray(output)) return GW_GARBAGE;
    cJSON_ArrayForEach(item, output) {
        const char *type = cJSON_GetStringValue(member(item, "type"));
        if (type && strcmp(type, "message") == 0 && has_content(member(item, "content"))) return GW_OK;
    }
    return GW_REASONING_ONLY;
}

enum gw_outcome probe_judge(enum gw_api api, const char *text, size_t len) {
    cJSON *root = cJSON_ParseWithLength(text, len);
    enum gw_outcome o = GW_GARBAGE;
    if (cJSON_IsObject(root)) o = api == GW_API_CHAT ? judge_chat(root) : judge_responses(root);
    cJSON_Delete(root);
    return o;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */
static char *make_body(const struct gw_config *c) {
    static const char ask[] = "Say ok.";
    const bool chat = c->probe_api == GW_API_CHAT;
    cJSON *o = json_new_object();
    json_put_str(o, "model", c->model);
    if (chat) {
        cJSON *list = json_new_array(), *m = json_new_object();
        json_put_str(m, "role", "user");
        json_put_str(m, "content", ask);
        BUG_UNLESS(cJSON_AddItemToArray(list, m));
        json_put(o, "messages", list);
    } else {
        json_put_str(o, "input", ask);
    }
    json_put_int(o, chat ? "max_tokens" : "max_output_tokens", TOKENS);
    json_put_bool(o, "stream", false);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}

static void settle(struct probe *p, enum gw_outcome o, const char *detail) {
    if (p->settled) return;
    p->settled = true;
    p->outcome = o;
    p->detail = detail;
}

static int on_head(void *ctx, const struct up_head *h) {
    struct probe *p = ctx;
    p->status = h->status;
    p->json = strcmp(h->content_type, "application/json") == 0;
    if (h->status == 200) return 0;
    const enum gw_outcome o = h->status >= 500                       ? GW_SERVER_ERROR
                              : h->status == 429                     ? GW_RATE_LIMITED
                              : h->status == 401 || h->status == 403 ? GW_UNAUTHORIZED
                              : h->status >= 400                     ? GW_REJECTED
                              : h->status >= 300                     ? GW_REDIRECTED
                                                                     : GW_GARBAGE;
    settle(p, o, reply_text_of(o));
    return -1;
}

static enum up_taken on_data(void *ctx, const void *bytes, size_t n) {
    struct probe *p = ctx;
    buf_put(&p->out, bytes, n);
    if (p->out.bad) {
        settle(p, GW_GARBAGE, "the answer is too large");
        return UP_ABORT;
    }
    return UP_TAKEN;
}

static void judge(struct probe *p) {
    if (!p->json) {
        settle(p, GW_GARBAGE, "the answer is not JSON");
        return;
    }
    enum answer_verdict v = answer_feed(&p->answer, buf_str(&p->out), p->out.len);
    if (v == ANSWER_FINE) v = answer_end(&p->answer);
    if (v == ANSWER_WRONG_MODEL)
        settle(p, GW_WRONG_MODEL, "the answer names another model");
    else if (v == ANSWER_NO_MODEL)
        settle(p, GW_WRONG_MODEL, "the answer names no model");
    else if (v != ANSWER_FINE)
        settle(p, GW_GARBAGE, "the answer is not one JSON object");
    else
        switch (probe_judge(p->gw->config.probe_api, buf_str(&p->out), p->out.len)) {
        case GW_OK: settle(p, GW_OK, "content came"); break;
        case GW_REASONING_ONLY: settle(p, GW_REASONING_ONLY, "an answer without content: reasoning at most"); break;
        default: settle(p, GW_GARBAGE, "the answer is not what this API promises"); break;
        }
}

static void on_end(void *ctx, enum gw_outcome o, const char *detail) {
    struct probe *p = ctx;
    p->transfer = NULL;
    if (o == GW_OK)
        judge(p);
    else
        settle(p, o, *detail ? detail : reply_text_of(o));
    p->done = true;
    if (p->running) uv_stop(&p->gw->loop);
}

static const struct up_events events = {.on_head = on_head, .on_data = on_data, .on_end = on_end};

static void send_up(struct probe *p) {
    const struct gw_config *c = &p->gw->config;
    const struct up_request r = {.path = c->probe_api == GW_API_CHAT ? GW_PATH_CHAT : GW_PATH_RESPONSES,
                                 .body = p->body,
                                 .body_len = strlen(p->body),
                                 .total_ms = c->limits.total_ms - (int64_t)((clock_mono_us() - p->begun_us) / 1000)};
    if (r.total_ms > 0) p->transfer = up_send(p->gw, &r, &events, p);
    if (!p->transfer) on_end(p, GW_TIMED_OUT, "no slot at the endpoint was free in time");
}

static void on_slot(struct slot_wait *w) { send_up((struct probe *)((char *)w - offsetof(struct probe, slot))); }

static void on_late(uv_timer_t *t) {
    struct probe *p = t->data;
    if (p->slot.waiting) on_end(p, GW_TIMED_OUT, "no slot at the endpoint was free in time");
}

static void tell(const struct probe *p) {
    struct buf b = BUF_INIT(1024);
    char model[GW_MODEL_MAX + 1];
    size_t n = 0;
    for (const char *m = p->answer.model; *m; m++)
        model[n++] = (unsigned char)*m >= 0x20 && (unsigned char)*m < 0x7f ? *m : '?';
    model[n] = 0;
    buf_put_u8(&b, (uint8_t)p->outcome);
    buf_put_u16(&b, (uint16_t)p->status);
    buf_put_str(&b, model);
    buf_put_u64(&b, clock_mono_us() - p->begun_us);
    buf_put_str(&b, p->detail);
    BUG_UNLESS(!b.bad);
    control_send(p->gw, MSG_GW_PROBE, b.p, b.len);
    buf_release(&b);
}

int probe_run(struct gw *g, struct err *e) {
    struct probe p = {
        .gw = g, .slot = {.slot = -1, .on_slot = on_slot}, .out = BUF_INIT(ANSWER_MAX), .begun_us = clock_mono_us()};
    uv_timer_t late;
    late.data = &p;
    p.body = make_body(&g->config);
    answer_init(&p.answer, g->config.probe_api, false, g->config.model);
    uv_timer_init(&g->loop, &late);
    uv_timer_start(&late, on_late, (uint64_t)g->config.limits.total_ms, 0);
    if (slots_want(g, &p.slot)) send_up(&p);
    p.running = true;
    if (!p.done) uv_run(&g->loop, UV_RUN_DEFAULT);
    p.running = false;
    const bool done = p.done;
    if (p.transfer) up_cancel(p.transfer);
    slots_release(g, &p.slot);
    if (done) tell(&p);
    uv_close((uv_handle_t *)&late, NULL);
    uv_run(&g->loop, UV_RUN_NOWAIT); /* its close callback: it stands on this stack */
    free(p.body);
    buf_release(&p.out);
    return done ? 0 : err_set(e, ERR_MISSING, "the supervisor closed before the probe had an answer");
}
