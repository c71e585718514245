/* report.c - see report.h. */
#include "worker/gateway/report.h"

#include <string.h>

#include "common/clock.h"
#include "worker/gateway/control.h"
#include "worker/gateway/redact.h"

/* Printable ASCII from `least` on, cut. */
static void put_plain(struct buf *b, const char *text, size_t max, unsigned char least) {
    char plain[256];
    size_t n = strlen(text);
    if (n > max) n = max;
    for (size_t i = 0; i < n; i++)
        plain[i] = (unsigned char)text[i] >= least && (unsigned char)text[i] < 0x7f ? text[i] : '?';
    plain[n] = 0;
    buf_put_str(b, plain);
}

/* A model's name is what an agent or a server wrote there: it may be a known value, and one that was cut may end inside of one. */
static void put_model(struct gw *g, struct buf *b, const char *name) {
    AUTO_BUF struct buf clean = BUF_INIT(64u << 10);
    struct redact_stream s;
    redact_begin(&s, g->redact);
    redact_feed(&s, name, strlen(name), &clean);
    if (strlen(name) < GW_MODEL_MAX) redact_end(&s, &clean);
    redact_release(&s);
    put_plain(b, clean.bad ? "?" : buf_str(&clean), GW_MODEL_MAX, '!');
}

/* What an agent can have as often as it likes, since no server and no budget stands against it. */
static bool costs_nothing(const struct report_request *r) {
    if (r->outcome == GW_OK) return r->path == GW_PATH_MODELS;
    return (r->outcome >= GW_REFUSED_PATH && r->outcome <= GW_REFUSED_BUDGET) ||
           (r->outcome == GW_AGENT_LEFT && r->bytes_up == 0);
}

void report_request(struct gw *g, const struct report_request *r) {
    struct buf b = BUF_INIT(1024);
    g->totals.requests++;
    g->totals.tokens_in += r->tokens_in;
    g->totals.tokens_out += r->tokens_out;
    g->totals.bytes_up += r->bytes_up;
    g->totals.bytes_down += r->bytes_down;
    BUG_UNLESS(r->outcome < GW_OUTCOMES_MAX);
    if (costs_nothing(r) && ++g->told[r->outcome] > GW_FREE_MAX) return;
    buf_put_u32(&b, ++g->last_number);
    buf_put_u8(&b, (uint8_t)r->path);
    put_model(g, &b, r->model_asked);
    put_model(g, &b, r->model_answered);
    buf_put_u16(&b, (uint16_t)r->status);
    buf_put_u8(&b, (uint8_t)r->outcome);
    buf_put_u64(&b, r->tokens_in);
    buf_put_u64(&b, r->tokens_out);
    buf_put_i64(&b, r->start_ms);
    buf_put_u64(&b, r->latency_us);
    buf_put_u64(&b, r->first_byte_us);
    buf_put_u64(&b, r->bytes_up);
    buf_put_u64(&b, r->bytes_down);
    put_plain(&b, r->detail, 200, ' ');
    BUG_UNLESS(!b.bad);
    control_send(g, MSG_GW_REQUEST, b.p, b.len);
    buf_release(&b);
}

void report_budgets(struct gw *g) {
    uint64_t limit, seen;
    enum gw_budget k;
    while ((k = budget_news(&g->budget, clock_mono_us(), &limit, &seen)) != 0) {
        struct buf b = BUF_INIT(17);
        buf_put_u8(&b, (uint8_t)k);
        buf_put_u64(&b, limit);
        buf_put_u64(&b, seen);
        control_send(g, MSG_GW_BUDGET, b.p, b.len);
        buf_release(&b);
    }
}

void report_traffic(struct gw *g) {
    struct buf b = BUF_INIT(8);
    if (g->traffic == 0) return;
    buf_put_u64(&b, g->traffic);
    g->traffic = 0;
    control_send(g, MSG_GW_TRAFFIC, b.p, b.len);
    buf_release(&b);
}

void report_done(struct gw *g) {
    const struct gw_totals *t = &g->totals;
    struct buf b = BUF_INIT(40);
    buf_put_u32(&b, t->requests);
    buf_put_u64(&b, t->tokens_in);
    buf_put_u64(&b, t->tokens_out);
    buf_put_u64(&b, t->bytes_up);
    buf_put_u64(&b, t->bytes_down);
    control_send(g, MSG_GW_DONE, b.p, b.len);
    buf_release(&b);
}
