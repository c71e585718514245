/* exchange.h - one request of the agent, from its first byte to its GW_REQUEST. Knows neither libmicrohttpd nor libcurl.
 *
 *   server.c feeds      exchange_new, exchange_head, exchange_body, exchange_body_end; then it waits until there is a reply
 *   upstream.c feeds    the answer (or replay.c does)
 *   server.c takes      exchange_reply, then the bytes of it by exchange_read
 *   the end             exchange_left (the agent went away), exchange_done: GW_REQUEST goes up, all is freed
 *
 *      HEAD -> BODY -> ASKING -> ANSWERING -> ANSWERED       ANSWERED also from HEAD, BODY and ASKING: a refusal, or an answer that
 *        `--------------------------------------^            is told whole
 *
 * An answer that is not streamed is held until it was looked at whole, so one of another model never reaches the agent. A streamed
 * one is passed on piece by piece, each after it was looked at; the first piece of another model is withheld and ends it.
 */
#ifndef CTO_WORKER_GATEWAY_EXCHANGE_H
#define CTO_WORKER_GATEWAY_EXCHANGE_H

#include "common/buf.h"
#include "worker/gateway/gateway.h"
#include "worker/gateway/head.h"
#include "worker/gateway/upstream.h"

struct exchange;
/* What goes to the agent first. Static or owned by the exchange. */
struct exchange_reply {
    unsigned status;
    const char *content_type;
    bool stream; /* of unknown length; else all of it is in `text` */
    bool close;  /* the connection ends with it */
    const struct buf *text;
    const struct up_head *head; /* more headers, or NULL */
};

/* `target` as in the request line. `wake` is called from the loop, at any time but not inside of the functions that server.c calls,
 * when a reply, more bytes or the end have come. NULL: out of memory. */
struct exchange *exchange_new(struct gw *g, const char *target, void (*wake)(void *ctx), void *ctx);
/* All of these: true when there is a reply now. */
bool exchange_head(struct exchange *x, const struct head *h);
bool exchange_body(struct exchange *x, const void *p, size_t n);
bool exchange_body_end(struct exchange *x);
/* The agent sends a body that is far larger than it may be: not even worth a reply. */
bool exchange_is_hopeless(const struct exchange *x);
bool exchange_has_head(const struct exchange *x); /* exchange_head was called */
/* false: none is ready. */
bool exchange_get_reply(struct exchange *x, struct exchange_reply *ret);
/* Bytes of a streamed reply: > 0 that many; 0: none now, wake comes; -1: it has ended; -2: it was cut. */
long exchange_read(struct exchange *x, char *p, size_t n);
/* Now and then, from the loop: a wait for a slot has an end. */
void exchange_look(struct exchange *x, uint64_t now_us);
/* A timeout of the agent's side, a closed connection, the end of the gateway: stops asking. */
void exchange_left(struct exchange *x, const char *why);
/* The last call. */
enum exchange_end {
    EXCHANGE_COMPLETE,  /* the agent got all of the reply */
    EXCHANGE_MALFORMED, /* what came could not be parsed: the HTTP library has answered by itself */
    EXCHANGE_LEFT       /* closed, or too slow */
};
void exchange_done(struct exchange *x, enum exchange_end how);

#endif
