/* gateway.h - one gateway: what its parts share.
 *
 *   main.c      order of life: descriptors, configuration, confinement, loop
 *   control.c   frames to and from the supervisor          listener.c  the engine's listening socket, looked at before it is used
 *   server.c    the agent's side: libmicrohttpd            upstream.c  the server's side: libcurl; trust.c its certificates
 *   exchange.c  one request from its first byte to its GW_REQUEST; reply.c what the gateway itself says to an agent
 *   head.c, body.c, jscan.c, answer.c, redact.c, spell.c, budget.c, normal.c     pure: what may pass, and what was said
 *   slots.c     requests under way at an endpoint, across runs        tcp.c     what the kernel knows of a connection
 *   cassette.c, record.c, replay.c      recording and playing        probe.c  --probe
 *
 * One thread, one loop. Nothing waits but the loop; everything that has a peer has a deadline. Memory that a peer can cause is
 * bounded by `held` below, by the limits of the configuration, and by RLIMIT_DATA.
 */
#ifndef CTO_WORKER_GATEWAY_GATEWAY_H
#define CTO_WORKER_GATEWAY_GATEWAY_H

#include <uv.h>

#include "worker/gateway/budget.h"
#include "worker/gateway/config.h"

/* Bodies of requests and whole answers in memory at once, of all requests together. */
#define GW_HELD_MAX (UINT64_C(96) << 20)

#define GW_OUTCOMES_MAX 32 /* numbers of enum gw_outcome */

struct gw_totals {
    uint32_t requests;
    uint64_t tokens_in, tokens_out, bytes_up, bytes_down;
};

struct gw {
    struct gw_config config;
    uv_loop_t loop;
    struct control *control;
    struct redact *redact, *secrets; /* all known values; those of them that no event may spell */
    struct upstream *upstream;       /* NULL in replay */
    struct slots *slots;
    struct server *server; /* NULL until the listener has come */
    struct recorder *recorder;
    struct replay *replay;
    struct budget budget;
    struct gw_totals totals;
    uint64_t traffic, held;
    uint32_t last_number, told[GW_OUTCOMES_MAX]; /* of what costs nothing: see report.h */
    void (*fail)(struct gw *g, const char *why); /* ends the gateway: GW_FAILED */
    bool ending;                                 /* the supervisor has closed: no new request is taken */
};

/* Bytes that moved, for the idle clock. */
static inline void gw_moved(struct gw *g, uint64_t n) { g->traffic += n; }

#endif
