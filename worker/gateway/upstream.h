/* upstream.h - the model's server: libcurl on the loop. Knows requests and answers, nothing of agents.
 *
 * It connects to the configured addresses and to no other: they are given to libcurl in place of a resolver, looked at once more
 * when a socket is asked for, and the peer is looked at when it is connected, before anything is sent. No proxy, no redirect, no
 * cookie, no .netrc, no environment. Headers that go up are ours, all of them.
 */
#ifndef CTO_WORKER_GATEWAY_UPSTREAM_H
#define CTO_WORKER_GATEWAY_UPSTREAM_H

#include "common/err.h"
#include "worker/gateway/gateway.h"

#define UP_HEADERS_MAX 4
struct up_head {
    unsigned status;
    char content_type[96]; /* "" none; lower case, without parameters */
    /* Of the answer's headers these alone come down: printable ASCII, short. */
    struct {
        const char *name;
        char value[128];
    } pass[UP_HEADERS_MAX];
    unsigned n_pass;
};
enum up_taken { UP_TAKEN, UP_PAUSE /* nothing was taken: the same bytes come again */, UP_ABORT };

/* Called from the loop. on_end comes exactly once, unless the transfer was cancelled; nothing comes after it. */
struct up_events {
    int (*on_head)(void *ctx, const struct up_head *h); /* -1: abort */
    enum up_taken (*on_data)(void *ctx, const void *p, size_t n);
    /* OK: the answer is whole. After an abort: GW_GARBAGE, which the caller knows better. `detail`: static, ours */
    void (*on_end)(void *ctx, enum gw_outcome outcome, const char *detail);
};
struct up_request {
    enum gw_path path; /* CHAT or RESPONSES */
    const void *body;  /* stays until on_end or cancel */
    size_t body_len;
    bool stream;
    int64_t total_ms; /* what is left of it */
};

/* Before the confinement: libraries initialised, certificates read. */
int upstream_prepare(struct gw *g, struct err *e);
/* On the loop. */
int upstream_start(struct gw *g, struct err *e);
void upstream_stop(struct gw *g); /* no transfer may be left */
void upstream_free(struct upstream *u);

struct up_transfer;
/* NULL: out of memory. */
struct up_transfer *up_send(struct gw *g, const struct up_request *r, const struct up_events *on, void *ctx);
void up_continue(struct up_transfer *t); /* after UP_PAUSE */
void up_cancel(struct up_transfer *t);   /* not from inside of an event */
void up_counts(const struct up_transfer *t, uint64_t *ret_up, uint64_t *ret_down);

#endif
