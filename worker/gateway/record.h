/* record.h - writes a cassette while a run goes on. */
#ifndef CTO_WORKER_GATEWAY_RECORD_H
#define CTO_WORKER_GATEWAY_RECORD_H

#include "worker/gateway/gateway.h"

struct record_pair;

int recorder_start(struct gw *g, int fd, struct err *e);
void recorder_free(struct recorder *r);
/* NULL when nothing is recorded. `sha256` and `body` as they are compared and went up, redacted. */
struct record_pair *record_begin(struct gw *g, enum gw_path path, const char *sha256, const void *body, size_t len);
void record_head(struct record_pair *p, unsigned status, const char *content_type);
void record_chunk(struct record_pair *p, const void *bytes, size_t n); /* as the agent gets it */
/* Writes the line and frees the pair. When it is too large, or the cassette is full or cannot be written, the cassette says so in a
 * last line that no replay accepts, and the gateway fails: who asked for a recording has none. */
void record_end(struct gw *g, struct record_pair *p, bool complete);
void record_drop(struct record_pair *p); /* the agent left before there was an answer */

#endif
