/* life.h - a gateway from the confinement to its end. */
#ifndef CTO_WORKER_GATEWAY_LIFE_H
#define CTO_WORKER_GATEWAY_LIFE_H

#include "common/err.h"
#include "worker/gateway/gateway.h"

/* Waits for the listener, serves, ends with the supervisor's end of file. 0: GW_DONE was said. -1: e, which the caller says. */
int life_serve(struct gw *g, struct err *e);
/* One completion: GW_PROBE. */
int life_probe(struct gw *g, struct err *e);

#endif
