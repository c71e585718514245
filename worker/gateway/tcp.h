/* tcp.h - what the kernel knows of a connection. By itself, because <linux/tcp.h> has the field and does not go together with the
 * <netinet/tcp.h> that libmicrohttpd's header brings. */
#ifndef CTO_WORKER_GATEWAY_TCP_H
#define CTO_WORKER_GATEWAY_TCP_H

#include <stdint.h>

/* Bytes that came from the peer, read or not. The end of its stream counts as one, once it has come. 0 when that cannot be told. */
uint64_t tcp_bytes_received(int fd);

#endif
