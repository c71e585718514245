/* model_probe.h - does the model answer? One real completion, asked by a gateway of its own (--probe), on the loop: nothing waits.
 *
 * The host's name is resolved first, in the pool; the addresses stay in the route, and a run's gateway connects to these and to no
 * others. What came of it is one word (enum gw_outcome) and a sentence that holds nothing of endpoint, key or answer.
 */
#ifndef CTO_SUPERVISOR_MODEL_PROBE_H
#define CTO_SUPERVISOR_MODEL_PROBE_H

#include <uv.h>

#include "common/msg.h"
#include "supervisor/model_route.h"

#define PROBE_LIMIT_MS 180000 /* a big model on a busy box takes its time to 1024 tokens */

struct model_probe_result {
    enum gw_outcome outcome;
    unsigned status; /* HTTP; 0: none came */
    bool held_back;  /* by the endpoint's circuit breaker: nothing was asked */
    char model[160]; /* that the answer named; "" */
    uint64_t latency_us;
    char detail[200];
};

struct model_probe;
/* Called once, from the loop, never from model_probe_start(). The probe is gone after it. */
typedef void (*model_probe_fn)(void *ctx, const struct model_probe_result *r);

/* `route` and `program` are borrowed until the callback; the route's addresses are filled. `limit_ms`: 0 is PROBE_LIMIT_MS. */
void model_probe_start(uv_loop_t *loop, const char *program, struct model_route *route, const char *model,
                       bool responses_api, int64_t uid, int64_t limit_ms, model_probe_fn done, void *ctx,
                       struct model_probe **ret);
/* Ends it at once; no callback comes. NULL is fine. */
void model_probe_cancel(struct model_probe *p);

#endif
