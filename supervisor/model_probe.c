/* model_probe.c - see model_probe.h. Resolving, asking, telling, each with a deadline of one timer. A resolver that hangs cannot be
 * interrupted; its memory is then left to it, and freed when it comes back. */
#include "supervisor/model_probe.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/frame.h"
#include "supervisor/gateway_proc.h"

#define RESOLVE_LIMIT_MS 15000
#define MARGIN_MS 5000 /* its own limit comes first, so that it says what hung */

struct model_probe {
    uv_loop_t *loop;
    uv_timer_t timer;
    const char *program, *model;
    struct model_route *route;
    bool responses_api, answered, told;
    int64_t uid, limit_ms;
    struct gateway_proc *gw;
    struct frame_reader reader;
    struct lookup *lookup; /* under way */
    struct model_probe_result result;
    model_probe_fn done;
    void *ctx;
};

struct lookup {
    uv_getaddrinfo_t req;
    struct model_probe *p; /* NULL: nobody waits any more */
};

static void on_timer_closed(uv_handle_t *h) {
    struct model_probe *p = h->data;
    model_probe_fn done = p->done;
    void *ctx = p->ctx;
    const struct model_probe_result result = p->result;
    frame_reader_release(&p->reader);
    free(p);
    if (done) done(ctx, &result);
}

static void finish(struct model_probe *p) {
    if (p->told) return;
    p->told = true;
    if (p->lookup) {
        p->lookup->p = NULL;
        (void)uv_cancel((uv_req_t *)&p->lookup->req); /* when it has not begun yet */
        p->lookup = NULL;
    }
    gateway_proc_close(p->gw);
    p->gw = NULL;
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

static void conclude(struct model_probe *p, enum gw_outcome o, const char *text) {
    if (!p->answered) {
        p->answered = true;
        p->result.outcome = o;
        snprintf(p->result.detail, sizeof p->result.detail, "%s", text);
    }
    finish(p);
}

static void on_late(uv_timer_t *t) {
    struct model_probe *p = t->data;
    conclude(p, GW_TIMED_OUT, p->lookup ? "the endpoint's host name was not resolved in time" : "no answer in time");
}

/* --- the answer ----------------------------------------------------------------------------------------------------------- */

static void copy_plain(struct rd *rd, char *out, size_t size) {
    size_t n, k = 0;
    const uint8_t *s = rd_bytes(rd, &n);
    for (size_t i = 0; s && i < n && k + 1 < size; i++) out[k++] = s[i] >= 0x20 && s[i] < 0x7f ? (char)s[i] : '?';
    out[k] = '\0';
}

static int on_frame(void *ctx, const struct frame *f, struct err *e) {
    struct model_probe *p = ctx;
    struct rd rd = rd_over(f->payload, f->len);
    struct model_probe_result *r = &p->result;
    if (f->type == MSG_GW_READY) return 0;
    if (f->type == MSG_GW_FAILED && !p->answered) {
        p->answered = true;
        r->outcome = GW_UNREACHABLE;
        copy_plain(&rd, r->detail, sizeof r->detail);
        return 0;
    }
    if (f->type != MSG_GW_PROBE || p->answered)
        return err_set(e, ERR_PROTO, "%s is not permitted", msg_rule(f->type)->name);
    r->outcome = (enum gw_outcome)rd_u8(&rd);
    r->status = rd_u16(&rd);
    copy_plain(&rd, r->model, sizeof r->model);
    r->latency_us = rd_u64(&rd);
    copy_plain(&rd, r->detail, sizeof r->detail);
    if (!rd_done(&rd) || strcmp(gw_outcome_name(r->outcome), "invalid") == 0)
        return err_set(e, ERR_PROTO, "GW_PROBE: malformed");
    p->answered = true;
    return 0;
}

static void on_bytes(void *ctx, const void *bytes, size_t n) {
    struct model_probe *p = ctx;
    struct err e = ERR_INIT;
    if (frame_feed(&p->reader, bytes, n, on_frame, p, &e) == 0) return;
    p->answered = false;
    conclude(p, GW_GARBAGE, "the probe broke its protocol");
}

static void on_over(void *ctx) { conclude(ctx, GW_UNREACHABLE, "the probe ended without a word"); }

static const struct gateway_events events = {on_bytes, on_over};

/* --- the way there -------------------------------------------------------------------------------------------------------- */

static void ask(struct model_probe *p) {
    struct err e = ERR_INIT;
    const struct route_config c = {.run_id = "probe",
                                   .model = p->model,
                                   .responses_api = p->responses_api,
                                   .probe = true,
                                   .uid = p->uid,
                                   .total_ms = p->limit_ms};
    char *text = model_route_config(p->route, &c);
    int rc = gateway_proc_spawn(p->loop, p->program, true, text, strlen(text), NULL, &events, p, &p->gw, &e);
    free_wiped(text);
    if (rc < 0)
        conclude(p, GW_UNREACHABLE, "the gateway could not be started");
    else
        uv_timer_start(&p->timer, on_late, (uint64_t)p->limit_ms + MARGIN_MS, 0);
}

static void add_address(struct model_route *r, const struct addrinfo *a) {
    char text[INET6_ADDRSTRLEN];
    const void *at = a->ai_family == AF_INET
                         ? (const void *)&((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr
                         : (const void *)&((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr;
    if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) || !inet_ntop(a->ai_family, at, text, sizeof text))
        return;
    for (int i = 0; i < r->n_addresses; i++)
        if (strcmp(r->addresses[i], text) == 0) return;
    if (r->n_addresses < ROUTE_ADDRESSES) snprintf(r->addresses[r->n_addresses++], sizeof r->addresses[0], "%s", text);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list) {
    struct lookup *l = (struct lookup *)req;
    struct model_probe *p = l->p;
    if (p && status == 0)
        for (const struct addrinfo *a = list; a; a = a->ai_next) add_address(p->route, a);
    uv_freeaddrinfo(list);
    free(l);
    if (!p) return;
    p->lookup = NULL;
    if (p->route->n_addresses == 0)
        conclude(p, GW_UNREACHABLE, "the endpoint's host name cannot be resolved");
    else
        ask(p);
}

static void on_begin(uv_timer_t *t) {
    struct model_probe *p = t->data;
    struct model_route *r = p->route;
    r->n_addresses = 0;
    if (r->endpoint.numeric) {
        snprintf(r->addresses[r->n_addresses++], sizeof r->addresses[0], "%.45s", r->endpoint.host);
        ask(p);
        return;
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct lookup *l = calloc(1, sizeof *l);
    BUG_UNLESS(l != NULL);
    l->p = p;
    if (uv_getaddrinfo(p->loop, &l->req, on_resolved, r->endpoint.host, NULL, &hints) < 0) {
        free(l);
        conclude(p, GW_UNREACHABLE, "the endpoint's host name cannot be looked up");
        return;
    }
    p->lookup = l;
    uv_timer_start(&p->timer, on_late, RESOLVE_LIMIT_MS, 0);
}

void model_probe_start(uv_loop_t *loop, const char *program, struct model_route *route, const char *model,
                       bool responses_api, int64_t uid, int64_t limit_ms, model_probe_fn done, void *ctx,
                       struct model_probe **ret) {
    struct model_probe *p = calloc(1, sizeof *p);
    BUG_UNLESS(p != NULL);
    *p = (struct model_probe){.loop = loop,
                              .program = program,
                              .model = model,
                              .route = route,
                              .responses_api = responses_api,
                              .uid = uid,
                              .limit_ms = limit_ms > 0 ? limit_ms : PROBE_LIMIT_MS,
                              .done = done,
                              .ctx = ctx};
    frame_reader_init(&p->reader, MSG_TO_SUPERVISOR, MSG_GATEWAY);
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    uv_timer_start(&p->timer, on_begin, 0, 0);
    *ret = p;
}

void model_probe_cancel(struct model_probe *p) {
    if (!p) return;
    p->done = NULL;
    finish(p);
}
