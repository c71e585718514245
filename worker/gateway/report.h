/* report.h - frames that say what happened. Strings of agent and server are cut and made plain on their way in. */
#ifndef CTO_WORKER_GATEWAY_REPORT_H
#define CTO_WORKER_GATEWAY_REPORT_H

#include "worker/gateway/gateway.h"

struct report_request {
    enum gw_path path;
    const char *model_asked, *model_answered;
    unsigned status;
    enum gw_outcome outcome;
    uint64_t tokens_in, tokens_out, latency_us, first_byte_us, bytes_up, bytes_down;
    int64_t start_ms;
    const char *detail; /* ours */
};
/* Numbers it, in the order of their ends and without a gap: the supervisor holds that against it. Counts it in the totals, too. What costs
 * the agent nothing is told GW_FREE_MAX times for each outcome. */
void report_request(struct gw *g, const struct report_request *r);
/* GW_BUDGET for each that is used up and was not told of. */
void report_budgets(struct gw *g);
/* GW_TRAFFIC, when bytes have moved. The caller keeps the rate. */
void report_traffic(struct gw *g);
void report_done(struct gw *g);

#endif
