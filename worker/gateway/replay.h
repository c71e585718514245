/* replay.h - plays a cassette: the answers of a recorded run, by order and digest, with no network. */
#ifndef CTO_WORKER_GATEWAY_REPLAY_H
#define CTO_WORKER_GATEWAY_REPLAY_H

#include "worker/gateway/gateway.h"
#include "worker/gateway/upstream.h"

/* Reads all of it once: an error names the line. */
int replay_start(struct gw *g, int fd, struct err *e);
void replay_free(struct replay *r);

struct play;
/* The first recorded pair of this path and digest that was not played yet, delivered as upstream.h's events from the loop. NULL: there
 * is none. */
struct play *replay_find(struct gw *g, enum gw_path path, const char *sha256, const struct up_events *on, void *ctx);
void play_continue(struct play *p);
void play_cancel(struct play *p);

#endif
