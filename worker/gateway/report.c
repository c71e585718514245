/* report.c - see report.h. */
#include "worker/gateway/report.h"

#include <string.h>

#include "common/clock.h"
#include "worker/gateway/control.h"

/* Printable ASCII, cut. */
static void put_plain(struct buf *b, const char *text, size_t max) {
    char plain[256];
    size_t n = strlen(text);
    if (n > max) n = max;
    for (size_t i = 0; i < n; i++)
        plain[i] = (unsigned char)text[i] >= 0x20 && (unsigned char)text[i] < 0x7f ? text[i] : '?';
    plain[n] = 0;
    buf_put_str(b, plain);
}

static bool is_refusal(enum gw_outcome o) { return o >= GW_REFUSED_PATH && o <= GW_REFUSED_BUDGET; }

void report_request(struct gw *g, const struct report_request *r) {
    struct buf b = BUF_INIT(1024);
    g->totals.requests++;
    g->totals.tokens_in += r->tokens_in;
    g->totals.tokens_out += r->tokens_out;
    g->totals.bytes_up += r->bytes_up;
    g->totals.bytes_down += r->bytes_down;
    if (is_refusal(r->outcome) && ++g->refusals > REFUSALS_MAX) return;
    buf_put_u32(&b, ++g->last_number);
    buf_put_u8(&b, (uint8_t)r->path);
    put_plain(&b, r->model_asked, GW_MODEL_MAX);
    put_plain(&b, r->model_answered, GW_MODEL_MAX);
    buf_put_u16(&b, (uint16_t)r->status);
    buf_put_u8(&b, (uint8_t)r->outcome);
    buf_put_u64(&b, r->tokens_in);
    buf_put_u64(&b, r->tokens_out);
    buf_put_i64(&b, r->start_ms);
    buf_put_u64(&b, r->latency_us);
    buf_put_u64(&b, r->first_byte_us);
    buf_put_u64(&b, r->bytes_up);
    buf_put_u64(&b, r->bytes_down);
    put_plain(&b, r->detail, 200);
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
