/* listener.h - the engine's listening socket. It is made in the network namespace of a jail and comes from the worker in one
 * message; what comes is looked at before anybody is served on it. */
#ifndef CTO_WORKER_GATEWAY_LISTENER_H
#define CTO_WORKER_GATEWAY_LISTENER_H

#include "common/err.h"
#include "worker/gateway/gateway.h"

/* One recvmsg(). 1: *ret_fd is a listening TCP socket on 127.0.0.0/8, and not the endpoint's port; 0: nothing is there yet; -1: it
 * is something else (every descriptor that came is closed), or the other end is closed (ERR_MISSING). */
int listener_receive(int socket, uint16_t endpoint_port, int *ret_fd, struct err *e);

#endif
