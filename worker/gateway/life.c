/* life.c - the loop's own events: the listener comes, the supervisor closes.
 *
 *      waiting for the listener --listener--> serving --end of file--> ending (GRACE_MS for what is under way) --> GW_DONE
 *            `----------------------------------end of file----------------^
 */
#include "worker/gateway/life.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/gateway/control.h"
#include "worker/gateway/listener.h"
#include "worker/gateway/probe.h"
#include "worker/gateway/record.h"
#include "worker/gateway/replay.h"
#include "worker/gateway/report.h"
#include "worker/gateway/server.h"
#include "worker/gateway/slots.h"
#include "worker/gateway/upstream.h"

#define LISTENER_MS 600000 /* the worker makes workspace and jail before; its own deadlines are shorter */
#define GRACE_MS 500
#define LOOK_MS 10

struct life {
    struct gw *gw;
    uv_poll_t listener;
    uv_timer_t timer; /* of the listener, then of the end */
    uint64_t end_us;
    bool listener_open, failed;
    struct err err;
};

static void stop_listening(struct life *l) {
    if (!l->listener_open) return;
    l->listener_open = false;
    uv_close((uv_handle_t *)&l->listener, NULL);
}

static void fail(struct life *l) {
    l->failed = true;
    uv_stop(&l->gw->loop);
}

static void on_fail(struct gw *g, const char *why) {
    struct life *l = g->loop.data;
    if (!l->failed) err_set(&l->err, ERR_LIMIT, "%s", why);
    fail(l);
}

static void on_too_late(uv_timer_t *t) {
    struct life *l = t->data;
    err_set(&l->err, ERR_LIMIT, "no listener came in %d s", LISTENER_MS / 1000);
    fail(l);
}

static void on_listener(uv_poll_t *p, int status, int events) {
    struct life *l = p->data;
    struct gw *g = l->gw;
    int fd = -1;
    (void)status, (void)events;
    const int r = listener_receive(GATEWAY_FD_LISTENER, g->config.endpoint.port, &fd, &l->err);
    if (r == 0) return;
    stop_listening(l);
    /* A worker that ended early: the supervisor knows, and closes soon. Until then, or until it is too late, there is nothing to do. */
    if (r < 0 && l->err.code == ERR_MISSING) return;
    uv_timer_stop(&l->timer);
    close(GATEWAY_FD_LISTENER);
    if (r < 0 || server_start(g, fd, &l->err) < 0) {
        fail(l);
        return;
    }
    budget_begin(&g->budget, clock_mono_us());
}

static void on_ending(uv_timer_t *t) {
    struct life *l = t->data;
    if (server_busy(l->gw) > 0 && clock_mono_us() < l->end_us) return;
    uv_stop(&l->gw->loop);
}

static void on_control_end(struct gw *g) {
    struct life *l = g->loop.data;
    g->ending = true;
    stop_listening(l);
    if (g->server) server_quiesce(g);
    l->end_us = clock_mono_us() + GRACE_MS * 1000;
    uv_timer_start(&l->timer, on_ending, 0, LOOK_MS);
}

static int start_parts(struct gw *g, struct err *e) {
    if (control_start(g, GATEWAY_FD_CONTROL, on_control_end, e) < 0) return -1;
    if (slots_start(g, GATEWAY_FD_SLOTS, e) < 0) return -1;
    if (g->upstream && upstream_start(g, e) < 0) return -1;
    if (g->config.record && recorder_start(g, GATEWAY_FD_RECORD, e) < 0) return -1;
    return g->config.replay ? replay_start(g, GATEWAY_FD_REPLAY, e) : 0;
}

static void stop_parts(struct gw *g) {
    if (g->upstream) upstream_stop(g);
    if (g->slots) slots_stop(g);
    control_stop(g);
}

static int run(struct life *l, struct err *e) {
    struct gw *g = l->gw;
    if (uv_timer_init(&g->loop, &l->timer) < 0 || uv_poll_init(&g->loop, &l->listener, GATEWAY_FD_LISTENER) < 0)
        return err_set(e, ERR_INTERNAL, "the socket for the listener cannot be polled");
    l->listener_open = true;
    uv_poll_start(&l->listener, UV_READABLE | UV_DISCONNECT, on_listener);
    uv_timer_start(&l->timer, on_too_late, LISTENER_MS, 0);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    if (g->server) server_stop(g);
    if (l->failed) return err_set(e, l->err.code, "%s", l->err.text);
    report_traffic(g);
    report_done(g);
    return 0;
}

int life_serve(struct gw *g, struct err *e) {
    struct life l = {.gw = g};
    l.listener.data = l.timer.data = &l;
    g->loop.data = &l;
    g->fail = on_fail;
    if (start_parts(g, e) < 0) return -1; /* the process ends with it */
    if (run(&l, e) < 0) {
        control_stop(g);
        return -1;
    }
    stop_listening(&l);
    uv_close((uv_handle_t *)&l.timer, NULL);
    stop_parts(g);
    uv_run(&g->loop, UV_RUN_DEFAULT); /* the last close callbacks */
    return 0;
}

static void on_probe_control_end(struct gw *g) { uv_stop(&g->loop); }

int life_probe(struct gw *g, struct err *e) {
    if (control_start(g, GATEWAY_FD_CONTROL, on_probe_control_end, e) < 0 || slots_start(g, GATEWAY_FD_SLOTS, e) < 0 ||
        upstream_start(g, e) < 0)
        return -1;
    const int rc = probe_run(g, e);
    stop_parts(g);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    return rc;
}
