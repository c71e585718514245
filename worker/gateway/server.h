/* server.h - the agent's side: libmicrohttpd on the loop. */
#ifndef CTO_WORKER_GATEWAY_SERVER_H
#define CTO_WORKER_GATEWAY_SERVER_H

#include "common/err.h"
#include "worker/gateway/gateway.h"

/* Takes the listener. */
int server_start(struct gw *g, int listener, struct err *e);
/* No new connection is taken. */
void server_quiesce(struct gw *g);
/* How many requests are under way. */
unsigned server_busy(const struct gw *g);
/* Cuts what is under way; each request is reported. */
void server_stop(struct gw *g);
void server_free(struct server *s); /* after the loop */

#endif
