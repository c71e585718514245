/* probe.h - one real completion: does the endpoint answer with content, of the admitted model? A model's server that is up, and even
 * one that streams reasoning, proves nothing of that. */
#ifndef CTO_WORKER_GATEWAY_PROBE_H
#define CTO_WORKER_GATEWAY_PROBE_H

#include "common/err.h"
#include "worker/gateway/gateway.h"

/* Runs the loop until GW_PROBE is said, or the supervisor closes (-1). */
int probe_run(struct gw *g, struct err *e);

/* Pure: is this answer of the server's, a whole JSON document, content (OK), reasoning alone (REASONING_ONLY), or none of both
 * (GARBAGE)? */
enum gw_outcome probe_judge(enum gw_api api, const char *text, size_t len);

#endif
