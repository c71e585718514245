/* budget.h - what a run may use up. Pure: counters in, a refusal out. A budget is looked at before a request goes up; one that is
 * under way is never cut for it, so the last one may go over, and as many more as are under way at once. */
#ifndef CTO_WORKER_GATEWAY_BUDGET_H
#define CTO_WORKER_GATEWAY_BUDGET_H

#include "common/msg.h"
#include "worker/gateway/config.h"

struct budget {
    struct gw_budgets limit;
    struct gw_budgets used; /* wall_ms: since budget_begin */
    uint64_t begun_us;
    bool told[GW_BUDGET_OF_WALL + 1];
};

void budget_init(struct budget *b, const struct gw_budgets *limit);
void budget_begin(struct budget *b, uint64_t now_us);
/* The first budget that is used up; 0: none. */
enum gw_budget budget_exhausted(struct budget *b, uint64_t now_us);
/* The same for a request that was counted and then waited for a slot: what those before it have used up meanwhile. */
enum gw_budget budget_exhausted_since(struct budget *b, uint64_t now_us);
/* The next one that is used up and was not told of yet, with its figures; 0: none. */
enum gw_budget budget_news(struct budget *b, uint64_t now_us, uint64_t *ret_limit, uint64_t *ret_seen);

#endif
