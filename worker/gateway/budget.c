/* budget.c - one look at a table of five. A limit of n requests lets n pass: the count is taken when one goes up. */
#include "worker/gateway/budget.h"

#include <string.h>

void budget_init(struct budget *b, const struct gw_budgets *limit) {
    memset(b, 0, sizeof *b);
    b->limit = *limit;
}

void budget_begin(struct budget *b, uint64_t now_us) { b->begun_us = now_us; }

static bool used_up(struct budget *b, enum gw_budget k, uint64_t now_us, uint64_t *limit, uint64_t *seen) {
    b->used.wall_ms = b->begun_us != 0 && now_us > b->begun_us ? (now_us - b->begun_us) / 1000 : 0;
    switch (k) {
    case GW_BUDGET_OF_REQUESTS: *limit = b->limit.requests, *seen = b->used.requests; break;
    case GW_BUDGET_OF_TOKENS_IN: *limit = b->limit.tokens_in, *seen = b->used.tokens_in; break;
    case GW_BUDGET_OF_TOKENS_OUT: *limit = b->limit.tokens_out, *seen = b->used.tokens_out; break;
    case GW_BUDGET_OF_BYTES: *limit = b->limit.bytes, *seen = b->used.bytes; break;
    case GW_BUDGET_OF_WALL: *limit = b->limit.wall_ms, *seen = b->used.wall_ms; break;
    }
    return *limit != 0 && *seen >= *limit;
}

static enum gw_budget first_from(struct budget *b, int k, uint64_t now_us) {
    uint64_t limit, seen;
    for (; k <= GW_BUDGET_OF_WALL; k++)
        if (used_up(b, (enum gw_budget)k, now_us, &limit, &seen)) return (enum gw_budget)k;
    return (enum gw_budget)0;
}

enum gw_budget budget_exhausted(struct budget *b, uint64_t now_us) {
    return first_from(b, GW_BUDGET_OF_REQUESTS, now_us);
}

enum gw_budget budget_exhausted_since(struct budget *b, uint64_t now_us) {
    return first_from(b, GW_BUDGET_OF_REQUESTS + 1, now_us);
}

enum gw_budget budget_news(struct budget *b, uint64_t now_us, uint64_t *ret_limit, uint64_t *ret_seen) {
    for (int k = GW_BUDGET_OF_REQUESTS; k <= GW_BUDGET_OF_WALL; k++) {
        if (b->told[k] || !used_up(b, (enum gw_budget)k, now_us, ret_limit, ret_seen)) continue;
        b->told[k] = true;
        return (enum gw_budget)k;
    }
    return (enum gw_budget)0;
}
