/* slots.h - how many requests are under way at the endpoint at once, over all runs of this host. A slot is a lock file that the
 * supervisor opened; who holds its OFD lock may ask. The kernel gives a lock back when its holder dies, so none is ever lost.
 *
 * Waiting is by looking again each 10 ms: a lock that another process holds says nothing when it is free. It is first come, first
 * served within a gateway. Between gateways it is chance, but who gives a slot back while a run without any waits leaves it to that one for
 * a moment: an agent that asks without a pause does not keep the others out. The wait counts against a request's total limit and no other.
 */
#ifndef CTO_WORKER_GATEWAY_SLOTS_H
#define CTO_WORKER_GATEWAY_SLOTS_H

#include "common/err.h"
#include "worker/gateway/gateway.h"

struct slot_wait { /* embedded in who waits */
    struct slot_wait *next;
    void (*on_slot)(struct slot_wait *w); /* from the loop, never from inside of slots_want */
    int slot;                             /* -1: none */
    bool waiting;
};

int slots_start(struct gw *g, int first_fd, struct err *e);
void slots_stop(struct gw *g);
void slots_free(struct slots *s);

/* true: w->slot is held from here on (or there are no slots, and it is -1). false: on_slot comes later. */
bool slots_want(struct gw *g, struct slot_wait *w);
/* Gives back, or stops waiting. Harmless when there is neither. */
void slots_release(struct gw *g, struct slot_wait *w);

#endif
