/* control.h - the stream socket to the supervisor: GW_CONFIG down, once; everything else up (common/msg.h). */
#ifndef CTO_WORKER_GATEWAY_CONTROL_H
#define CTO_WORKER_GATEWAY_CONTROL_H

#include "common/buf.h"
#include "common/msg.h"
#include "worker/gateway/gateway.h"

/* Before there is a loop, and before the confinement. Waits; `out` gets the payload of GW_CONFIG. ERR_MISSING: the supervisor closed
 * instead. */
int control_read_config(int fd, struct buf *out, uint64_t deadline_us, struct err *e);
/* Blocking, for what is said before the loop or after it. */
int control_say(int fd, enum msg_type type, const void *p, size_t n, struct err *e);
int control_say_failed(int fd, const struct err *e);

/* On the loop. `on_end`: end of file, an error, or a byte that may not come any more. Not called twice. */
int control_start(struct gw *g, int fd, void (*on_end)(struct gw *g), struct err *e);
/* Queued, and sent before the loop waits. A supervisor that leaves 4 MiB of reports unread is gone: on_end then. */
void control_send(struct gw *g, enum msg_type type, const void *p, size_t n);
/* Waits until all is written, 2 s at most. Stops the handle. */
void control_stop(struct gw *g);
void control_free(struct control *c);

#endif
