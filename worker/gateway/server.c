/* server.c - libmicrohttpd in its external mode: its epoll descriptor is one of the loop's. It parses; what it found is judged by
 * exchange.c. A connection whose answer is not there yet is suspended, so that nothing is asked of it, and resumed when there is more.
 *
 * libmicrohttpd does not look at a suspended connection, so the loop does: an agent that closes while it waits must not keep a model
 * busy. It never calls back but from MHD_run(), and that runs only in on_prepare(), so no callback of the one library ever runs inside
 * of a callback of the other.
 *
 * Deadlines of a connection: idle_ms without a byte either way (libmicrohttpd's; it counts whole seconds), and total_ms for one request
 * to be whole (kept here), so that a byte now and then does not hold a place for ever.
 */
#include "worker/gateway/server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "worker/gateway/exchange.h"
#include "worker/gateway/report.h"
#include "worker/gateway/tcp.h"

#define TICK_MS 1000
#define RUNS_MAX 16 /* of MHD_run in one turn of the loop */
#define STREAM_BLOCK 4096
#define NOTHING_MORE UINT64_MAX
#define POOL_EXTRA (84u << 10) /* beside a request's headers: the body's and the answer's pieces */

struct server {
    struct gw *gw;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_idle_t again;
    uv_timer_t tick;
    struct connection *first;
    bool kick, stopping;
    unsigned busy;
    int listener;
};

struct connection {
    struct server *server;
    struct connection *next, *prev;
    uv_poll_t watch;
    int fd;
    bool gone;
    struct MHD_Connection *mhd;
    struct request *request; /* under way */
    uint64_t since_us;       /* the last whole request, or the beginning */
    uint64_t heard_bytes;    /* at the end of the last request; NOTHING_MORE: what follows is no request */
};

struct request {
    struct connection *connection;
    struct exchange *exchange;
    char *target; /* as in the request line */
    bool suspended, queued, body_ended, closes;
};

static void kick(struct server *s) { s->kick = true; }

static void stop_watching(struct connection *c) {
    if (uv_is_active((uv_handle_t *)&c->watch)) uv_poll_stop(&c->watch);
}

/* --- connections -------------------------------------------------------------------------------------------------- */
static struct connection *connection_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void resume(struct request *r) {
    if (!r->suspended) return;
    r->suspended = false;
    stop_watching(r->connection);
    MHD_resume_connection(r->connection->mhd);
    kick(r->connection->server);
}

/* The agent has closed, or at least will send nothing more: no client of this API does that and goes on reading. */
static void on_gone(uv_poll_t *h, int status, int events) {
    struct connection *c = h->data;
    (void)status, (void)events;
    stop_watching(c);
    c->gone = true;
    if (!c->request) return;
    exchange_left(c->request->exchange, "it closed while it waited");
    resume(c->request);
}

static void suspend(struct request *r) {
    struct connection *c = r->connection;
    if (c->server->stopping) return;
    MHD_suspend_connection(c->mhd);
    r->suspended = true;
    if (!c->gone) uv_poll_start(&c->watch, UV_DISCONNECT, on_gone);
}

static void on_connection_closed(uv_handle_t *h) { free(h->data); }

static void connection_begin(struct server *s, struct MHD_Connection *mhd, void **ctx) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *c = calloc(1, sizeof *c);
    if (!c || !info) {
        free(c);
        return; /* its requests are then refused */
    }
    *c = (struct connection){
        .server = s, .fd = info->connect_fd, .mhd = mhd, .next = s->first, .since_us = clock_mono_us()};
    c->watch.data = c;
    if (uv_poll_init(&s->gw->loop, &c->watch, c->fd) < 0) {
        free(c);
        return;
    }
    if (s->first) s->first->prev = c;
    s->first = c;
    *ctx = c;
}

/* What has no request line that can be read, another protocol's first bytes for one, libmicrohttpd answers by itself, in its own words,
 * and nothing above is called. The kernel knows that something came. An empty line behind a request, which old clients send, and
 * the end of the stream do not count. */
static void tell_unreadable(const struct connection *c) {
    if (c->heard_bytes == NOTHING_MORE || tcp_bytes_received(c->fd) <= c->heard_bytes + sizeof "\r\n") return;
    const struct report_request r = {.path = GW_PATH_OTHER,
                                     .model_asked = "",
                                     .model_answered = "",
                                     .status = 400,
                                     .outcome = GW_REFUSED_REQUEST,
                                     .start_ms = clock_real_ms(),
                                     .detail = "it does not begin like a request of HTTP/1.1"};
    report_request(c->server->gw, &r);
}

static void connection_end(struct connection *c) {
    if (!c) return;
    tell_unreadable(c);
    if (c->prev)
        c->prev->next = c->next;
    else
        c->server->first = c->next;
    if (c->next) c->next->prev = c->prev;
    uv_close((uv_handle_t *)&c->watch, on_connection_closed);
    kick(c->server); /* at its limit libmicrohttpd does not listen, and looks only when it runs whether it may again */
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode what) {
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        connection_begin(ctx, mhd, socket_ctx);
    else
        connection_end(*socket_ctx);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */
static void on_wake(void *ctx) {
    struct request *r = ctx;
    resume(r);
    kick(r->connection->server);
}

/* The request line is there, nothing else yet. What is returned is the request's context from here on. */
static void *on_line(void *ctx, const char *target, struct MHD_Connection *mhd) {
    struct server *s = ctx;
    struct connection *c = connection_of(mhd);
    struct request *r = c ? calloc(1, sizeof *r) : NULL;
    if (!r) return NULL;
    r->connection = c;
    r->target = strdup(target);
    r->exchange = r->target ? exchange_new(s->gw, target, on_wake, r) : NULL;
    if (!r->exchange) {
        free(r->target);
        free(r);
        return NULL;
    }
    c->request = r;
    c->heard_bytes = NOTHING_MORE;
    s->busy++;
    return r;
}

struct fields {
    struct head_field v[HEAD_FIELDS_MAX + 1];
    size_t n;
};

static enum MHD_Result take_field(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                  const char *value, size_t value_len) {
    struct fields *f = ctx;
    (void)kind;
    if (f->n > HEAD_FIELDS_MAX) return MHD_NO;
    f->v[f->n++] = (struct head_field){name, value ? value : "", name_len, value ? value_len : 0};
    return MHD_YES;
}

static bool judge_head(struct request *r, const char *method, const char *version) {
    const struct gw_limits *l = &r->connection->server->gw->config.limits;
    struct fields f = {.n = 0};
    MHD_get_connection_values_n(r->connection->mhd, MHD_HEADER_KIND, take_field, &f);
    const struct head h = {.method = method,
                           .target = r->target,
                           .version = version,
                           .fields = f.v,
                           .n = f.n,
                           .bytes_max = (size_t)l->header_bytes,
                           .body_max = (uint64_t)l->body_bytes};
    return exchange_head(r->exchange, &h);
}

static ssize_t on_read(void *ctx, uint64_t at, char *p, size_t n) {
    struct request *r = ctx;
    (void)at;
    const long got = exchange_read(r->exchange, p, n);
    if (got > 0) return got;
    if (got == -1) return MHD_CONTENT_READER_END_OF_STREAM;
    if (got == -2) return MHD_CONTENT_READER_END_WITH_ERROR;
    suspend(r);
    return 0;
}

static enum MHD_Result queue_reply(struct request *r, const struct exchange_reply *reply) {
    struct MHD_Response *m =
        reply->stream ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, r, NULL)
                      : MHD_create_response_from_buffer(reply->text->len, reply->text->p, MHD_RESPMEM_PERSISTENT);
    if (!m) return MHD_NO;
    bool ok = MHD_add_response_header(m, "Content-Type", reply->content_type) == MHD_YES;
    if (reply->stream) ok = ok && MHD_add_response_header(m, "Cache-Control", "no-cache") == MHD_YES;
    if (reply->close) ok = ok && MHD_add_response_header(m, "Connection", "close") == MHD_YES;
    for (unsigned i = 0; ok && reply->head && i < reply->head->n_pass; i++)
        ok = MHD_add_response_header(m, reply->head->pass[i].name, reply->head->pass[i].value) == MHD_YES;
    const enum MHD_Result result = ok ? MHD_queue_response(r->connection->mhd, reply->status, m) : MHD_NO;
    MHD_destroy_response(m);
    r->queued = result == MHD_YES;
    r->closes = reply->close;
    return result;
}

/* Called for the headers, for each piece of the body, at its end, and after each resume until a response is queued. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **request_ctx) {
    struct request *r = *request_ctx;
    struct exchange_reply reply;
    bool ready;
    (void)ctx, (void)mhd, (void)url;
    if (!r || r->connection->gone) return MHD_NO;
    if (!exchange_has_head(r->exchange)) {
        /* A reply that is queued before the body was read ends the connection: right for a refusal, not for the list of models. */
        ready = judge_head(r, method, version);
        if (!ready || !exchange_get_reply(r->exchange, &reply) || !reply.close) return MHD_YES;
    } else if (*n > 0) {
        exchange_body(r->exchange, data, *n);
        *n = 0;
        return exchange_is_hopeless(r->exchange) ? MHD_NO : MHD_YES;
    } else {
        ready = exchange_get_reply(r->exchange, &reply) || (!r->body_ended && exchange_body_end(r->exchange));
        r->body_ended = true; /* the body has ended: not again */
    }
    if (exchange_get_reply(r->exchange, &reply)) return queue_reply(r, &reply);
    if (ready) return MHD_NO;
    r->connection->since_us = clock_mono_us();
    suspend(r);
    return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_ctx,
                         enum MHD_RequestTerminationCode code) {
    struct server *s = ctx;
    struct request *r = *request_ctx;
    (void)mhd;
    if (!r) return;
    *request_ctx = NULL;
    stop_watching(r->connection);
    r->connection->request = NULL;
    r->connection->since_us = clock_mono_us();
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && !r->closes)
        r->connection->heard_bytes = tcp_bytes_received(r->connection->fd);
    exchange_done(r->exchange, code == MHD_REQUEST_TERMINATED_COMPLETED_OK                         ? EXCHANGE_COMPLETE
                               : code == MHD_REQUEST_TERMINATED_WITH_ERROR && !r->connection->gone ? EXCHANGE_MALFORMED
                                                                                                   : EXCHANGE_LEFT);
    free(r->target);
    free(r);
    s->busy--;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */
static void on_again(uv_idle_t *h) { (void)h; }

static bool is_pending(struct server *s) {
    MHD_UNSIGNED_LONG_LONG ms;
    return s->kick || (MHD_get_timeout(s->daemon, &ms) == MHD_YES && ms == 0);
}

static void on_prepare(uv_prepare_t *h) {
    struct server *s = h->data;
    int runs = 0;
    while (is_pending(s) && runs++ < RUNS_MAX) {
        s->kick = false;
        MHD_run(s->daemon);
    }
    if (is_pending(s))
        uv_idle_start(&s->again, on_again); /* the loop does not wait, and comes back */
    else
        uv_idle_stop(&s->again);
}

static void on_poll(uv_poll_t *h, int status, int events) {
    (void)status, (void)events;
    kick(h->data);
}

/* Has it closed, and was all read that it had sent? libmicrohttpd waits for an edge of its epoll, and there is none any more when the last
 * bytes and the end came together: it would keep the place until the connection is idle for too long. */
static bool has_closed(int fd) {
    char c;
    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Who began a request, or a connection, long ago and has not made it whole, or will not any more. */
static void end_slow(struct server *s, uint64_t now) {
    const uint64_t limit = (uint64_t)s->gw->config.limits.total_ms * 1000;
    for (struct connection *c = s->first; c; c = c->next) {
        const bool waits_for_us = c->request && (c->request->suspended || c->request->queued);
        if (c->request) exchange_look(c->request->exchange, now);
        if (waits_for_us || (now - c->since_us <= limit && !has_closed(c->fd))) continue;
        c->gone = true;
        shutdown(c->fd, SHUT_RDWR);
    }
}

static void on_tick(uv_timer_t *h) {
    struct server *s = h->data;
    kick(s); /* libmicrohttpd's own timeouts */
    end_slow(s, clock_mono_us());
    report_traffic(s->gw);
    report_budgets(s->gw);
}

static void no_log(void *ctx, const char *format, va_list ap) { (void)ctx, (void)format, (void)ap; }

static struct MHD_Daemon *start_daemon(struct server *s, int listener) {
    const struct gw_limits *l = &s->gw->config.limits;
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, s,
                            MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)l->connections, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)((l->idle_ms + 999) / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)l->header_bytes + POOL_EXTRA, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_URI_LOG_CALLBACK, on_line, s,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
}

int server_start(struct gw *g, int listener, struct err *e) {
    struct server *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_SYS, "out of memory");
    s->gw = g;
    s->listener = listener;
    s->poll.data = s->prepare.data = s->again.data = s->tick.data = s;
    s->daemon = start_daemon(s, listener);
    const union MHD_DaemonInfo *info = s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || uv_poll_init(&g->loop, &s->poll, info->epoll_fd) < 0) {
        free(s); /* the process ends */
        return err_set(e, ERR_INTERNAL, "the HTTP server does not start");
    }
    uv_poll_start(&s->poll, UV_READABLE, on_poll);
    uv_prepare_init(&g->loop, &s->prepare);
    uv_prepare_start(&s->prepare, on_prepare);
    uv_idle_init(&g->loop, &s->again);
    uv_timer_init(&g->loop, &s->tick);
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
    g->server = s;
    kick(s);
    return 0;
}

void server_quiesce(struct gw *g) {
    const int fd = MHD_quiesce_daemon(g->server->daemon);
    if (fd >= 0)
        close(fd); /* the last copy here: the port is free for nobody else, its namespace ends with the engine */
}

unsigned server_busy(const struct gw *g) { return g->server ? g->server->busy : 0; }

void server_stop(struct gw *g) {
    struct server *s = g->server;
    s->stopping = true;
    for (struct connection *c = s->first; c; c = c->next) {
        if (!c->request) continue;
        exchange_left(c->request->exchange, "the run ended");
        c->gone = true;
        resume(c->request);
    }
    MHD_run(s->daemon); /* suspended ones must be resumed before the end */
    MHD_stop_daemon(s->daemon);
    BUG_UNLESS(s->first == NULL && s->busy == 0);
    uv_close((uv_handle_t *)&s->poll, NULL);
    uv_close((uv_handle_t *)&s->prepare, NULL);
    uv_close((uv_handle_t *)&s->again, NULL);
    uv_close((uv_handle_t *)&s->tick, NULL);
}

void server_free(struct server *s) { free(s); }
