/* conns.h - connections to the model's server, those that are kept between two requests above all.
 *
 * What a server sends on a connection after its answer would be read as the answer to the next request there: libcurl (7.88) takes a socket
 * with something to read for a live one. So before a request is sent, each connection that nobody uses is looked at, and one that has bytes,
 * or was closed, is shut down: libcurl then finds it dead and makes another.
 */
#ifndef CTO_WORKER_GATEWAY_CONNS_H
#define CTO_WORKER_GATEWAY_CONNS_H

#include <stdbool.h>

struct conn;
struct conns {
    struct conn *first;
};

/* false: out of memory. */
bool conns_opened(struct conns *c, int fd);
void conns_closed(struct conns *c, int fd);
/* The one with this end here is `user`'s from now on, until it leaves. */
void conns_take(struct conns *c, const void *user, const char *local_ip, int local_port);
void conns_leave(struct conns *c, const void *user);
void conns_end_stale(struct conns *c);
void conns_release(struct conns *c);

#endif
