/* upstream.c - see upstream.h. libcurl's multi interface: it says which sockets it waits for, libuv waits.
 *
 * Deadlines: connecting and the whole are libcurl's; the first byte and the pause between two are kept here, by one timer that runs
 * while there are transfers, because libcurl's notion of a slow transfer would also count the time in which an agent does not read.
 */
#include "worker/gateway/upstream.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/gateway/conns.h"
#include "worker/gateway/redact.h"
#include "worker/gateway/trust.h"

#define LOOK_MS 20
#define HEADERS_MAX (64u << 10) /* of an answer, all interim ones included */
#define SPARE_MAX 4
#define BUFFER_BYTES (64L << 10) /* of what comes down: the fewer wakings, the less each byte costs */
#define UPLOAD_BYTES (16L << 10)

struct upstream {
    struct gw *gw;
    struct trust *trust; /* NULL: plain HTTP */
    CURLM *multi;
    struct curl_slist *resolve, *common; /* addresses; headers of every request */
    uv_timer_t curl_timer, look;
    struct up_transfer *first;
    struct conns conns;
    CURL *spare[SPARE_MAX];
    int n_spare;
    char base[ENDPOINT_MAX + ENDPOINT_AUTHORITY_SIZE + 16];
};

struct socket_watch {
    uv_poll_t poll;
    struct upstream *up;
    curl_socket_t fd;
};

struct up_transfer {
    struct upstream *up;
    struct up_transfer *next, *prev;
    CURL *easy;
    struct curl_slist *headers;
    const struct up_events *on;
    void *ctx;
    struct up_head head;
    bool head_told, paused, aborted, encoded, wrong_peer, timed_out;
    uint64_t moved_us, header_bytes, down;
    char error[CURL_ERROR_SIZE];
};

int upstream_prepare(struct gw *g, struct err *e) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_INTERNAL, "libcurl cannot be initialised");
    struct upstream *u = calloc(1, sizeof *u);
    if (!u) return err_set(e, ERR_SYS, "out of memory");
    u->gw = g;
    g->upstream = u;
    return g->config.endpoint.tls ? trust_read(g->config.ca_file, &u->trust, e) : 0;
}

/* --- answers of the server ---------------------------------------------------------------------------------------- */
static bool is_allowed(const struct upstream *u, const struct sockaddr *sa, socklen_t len) {
    const struct gw_config *c = &u->gw->config;
    for (int i = 0; i < c->n_addresses; i++) {
        const struct sockaddr *have = (const struct sockaddr *)&c->addresses[i].sa;
        if (have->sa_family != sa->sa_family) continue;
        if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
            const struct sockaddr_in *a = (const struct sockaddr_in *)have, *b = (const struct sockaddr_in *)sa;
            if (a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port) return true;
        }
        if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
            const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)have, *b = (const struct sockaddr_in6 *)sa;
            if (memcmp(&a->sin6_addr, &b->sin6_addr, 16) == 0 && a->sin6_port == b->sin6_port) return true;
        }
    }
    return false;
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a) {
    struct up_transfer *t = ctx;
    if (purpose != CURLSOCKTYPE_IPCXN || a->socktype != SOCK_STREAM || !is_allowed(t->up, &a->addr, a->addrlen)) {
        t->wrong_peer = true;
        return CURL_SOCKET_BAD;
    }
    const int fd = socket(a->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0 || conns_opened(&t->up->conns, fd)) return fd;
    close(fd);
    return CURL_SOCKET_BAD;
}

static int on_close_socket(void *ctx, curl_socket_t fd) {
    struct upstream *u = ctx;
    conns_closed(&u->conns, fd);
    return close(fd);
}

/* Connected, now or for an earlier request; nothing of this one is sent yet. `ip` and `port` are what getpeername() said. */
static int on_connected(void *ctx, char *ip, char *local, int port, int local_port) {
    struct up_transfer *t = ctx;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    t->moved_us = clock_mono_us();
    conns_take(&t->up->conns, t, local, local_port);
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1 && is_allowed(t->up, (struct sockaddr *)&v4, sizeof v4))
        return CURL_PREREQFUNC_OK;
    if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1 && is_allowed(t->up, (struct sockaddr *)&v6, sizeof v6))
        return CURL_PREREQFUNC_OK;
    t->wrong_peer = true;
    return CURL_PREREQFUNC_ABORT;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *ctx) {
    const struct up_transfer *t = ctx;
    (void)easy;
    return trust_apply(t->up->trust, ssl_ctx) == 0 ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

static void moved(struct up_transfer *t, size_t n) {
    t->moved_us = clock_mono_us();
    t->down += n;
    gw_moved(t->up->gw, n);
}

/* Trimmed, printable ASCII; false: it does not fit or is something else. */
static bool take_value(char *out, size_t size, const char *p, size_t n) {
    while (n > 0 && (*p == ' ' || *p == '\t')) p++, n--;
    while (n > 0 && (p[n - 1] == '\r' || p[n - 1] == '\n' || p[n - 1] == ' ' || p[n - 1] == '\t')) n--;
    if (n >= size) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < 0x20 || (unsigned char)p[i] >= 0x7f) return false;
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

static bool is_known_value(const struct gw *g, const char *text) {
    AUTO_BUF struct buf clean = BUF_INIT(4096);
    return redact_whole(g->redact, text, strlen(text), &clean) > 0;
}

static bool is_name(const char *name, size_t n, const char *want) {
    return n == strlen(want) && strncasecmp(name, want, n) == 0;
}

static void take_header(struct up_transfer *t, const char *name, size_t name_len, const char *value, size_t n) {
    static const char *const pass[] = {"retry-after", "retry-after-ms", "x-request-id", "x-should-retry"};
    struct up_head *h = &t->head;
    char encoding[16];
    if (is_name(name, name_len, "content-encoding"))
        t->encoded = !take_value(encoding, sizeof encoding, value, n) || strcasecmp(encoding, "identity") != 0;
    if (is_name(name, name_len, "content-type")) {
        if (!take_value(h->content_type, sizeof h->content_type, value, n)) h->content_type[0] = 0;
        h->content_type[strcspn(h->content_type, "; \t")] = 0;
        for (char *p = h->content_type; *p; p++)
            if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + 32);
        return;
    }
    for (size_t i = 0; i < sizeof pass / sizeof pass[0]; i++) {
        if (!is_name(name, name_len, pass[i]) || h->n_pass == UP_HEADERS_MAX) continue;
        h->pass[h->n_pass].name = pass[i];
        char *to = h->pass[h->n_pass].value;
        if (take_value(to, sizeof h->pass[0].value, value, n) && !is_known_value(t->up->gw, to)) h->n_pass++;
    }
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx) {
    struct up_transfer *t = ctx;
    n *= size;
    moved(t, n);
    t->header_bytes += n;
    if (t->header_bytes > HEADERS_MAX) {
        t->aborted = true;
        return 0;
    }
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) { /* a new one: what came before was 100 Continue */
        memset(&t->head, 0, sizeof t->head);
        t->encoded = false;
        return n;
    }
    const char *colon = memchr(p, ':', n);
    if (colon) take_header(t, p, (size_t)(colon - p), colon + 1, n - (size_t)(colon - p) - 1);
    return n;
}

static bool tell_head(struct up_transfer *t) {
    long status = 0;
    if (t->head_told) return true;
    t->head_told = true;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->head.status = (unsigned)status;
    /* Nobody asked for that, and what is in it could not be looked at. Errors are told in our words when they are not JSON. */
    const bool unseen = t->encoded && status == 200;
    if (!unseen && t->on->on_head(t->ctx, &t->head) == 0) return true;
    t->aborted = true;
    return false;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx) {
    struct up_transfer *t = ctx;
    n *= size;
    if (!tell_head(t)) return 0;
    const enum up_taken r = t->on->on_data(t->ctx, p, n);
    if (r == UP_PAUSE) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    moved(t, n);
    if (r == UP_TAKEN) return n;
    t->aborted = true;
    return 0;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */
#define SET(option, value) ok = ok && curl_easy_setopt(c, option, value) == CURLE_OK

static bool set_where(struct up_transfer *t, CURL *c, const char *url) {
    const struct gw_limits *l = &t->up->gw->config.limits;
    const bool tls = t->up->gw->config.endpoint.tls;
    bool ok = true;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROXY, ""); /* also none of the environment */
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_RESOLVE, t->up->resolve);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, t->up);
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)l->connect_ms);
    if (!tls) return ok;
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
    SET(CURLOPT_SSL_CTX_DATA, t);
    return ok;
}

static bool set_what(struct up_transfer *t, CURL *c, const struct up_request *r) {
    bool ok = true;
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    SET(CURLOPT_POSTFIELDS, r->body);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_USERAGENT, "cto-harness");
    SET(CURLOPT_TIMEOUT_MS, (long)(r->total_ms > 0 ? r->total_ms : 1));
    SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->error);
    return ok;
}

static bool add_header(struct curl_slist **list, const char *line) {
    struct curl_slist *more = curl_slist_append(*list, line);
    if (more) *list = more;
    return more != NULL;
}

static bool make_headers(struct up_transfer *t, bool stream) {
    bool ok = add_header(&t->headers, stream ? "Accept: text/event-stream" : "Accept: application/json");
    for (const struct curl_slist *c = t->up->common; ok && c; c = c->next) ok = add_header(&t->headers, c->data);
    return ok;
}

static CURL *take_easy(struct upstream *u) { return u->n_spare > 0 ? u->spare[--u->n_spare] : curl_easy_init(); }

static void give_easy(struct upstream *u, CURL *c) {
    if (u->n_spare == SPARE_MAX) {
        curl_easy_cleanup(c);
        return;
    }
    curl_easy_reset(c);
    u->spare[u->n_spare++] = c;
}

static void link_transfer(struct up_transfer *t) {
    t->next = t->up->first;
    if (t->next) t->next->prev = t;
    t->up->first = t;
}

static void transfer_free(struct up_transfer *t) {
    struct upstream *u = t->up;
    if (t->prev)
        t->prev->next = t->next;
    else if (u->first == t)
        u->first = t->next;
    if (t->next) t->next->prev = t->prev;
    if (t->easy) {
        curl_multi_remove_handle(u->multi, t->easy);
        give_easy(u, t->easy);
    }
    conns_leave(&u->conns, t);
    curl_slist_free_all(t->headers);
    free(t);
    if (!u->first) uv_timer_stop(&u->look);
}

static void on_look(uv_timer_t *h);

struct up_transfer *up_send(struct gw *g, const struct up_request *r, const struct up_events *on, void *ctx) {
    struct upstream *u = g->upstream;
    char url[sizeof u->base + 32];
    struct up_transfer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->up = u;
    t->on = on;
    t->ctx = ctx;
    t->moved_us = clock_mono_us();
    link_transfer(t);
    conns_end_stale(&u->conns);
    t->easy = take_easy(u);
    snprintf(url, sizeof url, "%s%s", u->base, gw_path_name(r->path) + strlen("/v1"));
    if (!t->easy || !make_headers(t, r->stream) || !set_where(t, t->easy, url) || !set_what(t, t->easy, r) ||
        curl_multi_add_handle(u->multi, t->easy) != CURLM_OK) {
        transfer_free(t);
        return NULL;
    }
    gw_moved(g, r->body_len);
    uv_timer_start(&u->look, on_look, LOOK_MS, LOOK_MS);
    return t;
}

void up_continue(struct up_transfer *t) {
    if (!t->paused) return;
    t->paused = false;
    t->moved_us = clock_mono_us();
    curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

void up_cancel(struct up_transfer *t) { transfer_free(t); }

void up_counts(const struct up_transfer *t, uint64_t *ret_up, uint64_t *ret_down) {
    curl_off_t up = 0;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    *ret_up = (uint64_t)up;
    *ret_down = t->down;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */
static enum gw_outcome outcome_of(const struct up_transfer *t, CURLcode code, const char **ret_detail) {
    *ret_detail = "";
    if (t->wrong_peer) {
        *ret_detail = "the peer is none of the endpoint's addresses";
        return GW_UNREACHABLE;
    }
    if (t->aborted) {
        *ret_detail = t->header_bytes > HEADERS_MAX ? "the answer's headers are too large"
                      : t->encoded                  ? "the answer is compressed, which nobody asked for"
                                                    : "";
        return GW_GARBAGE;
    }
    switch (code) {
    case CURLE_OK: return GW_OK;
    case CURLE_OPERATION_TIMEDOUT: *ret_detail = "connecting or the whole request took too long"; return GW_TIMED_OUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: *ret_detail = "the TLS handshake failed"; return GW_TLS;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT: *ret_detail = "no connection"; return GW_UNREACHABLE;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        *ret_detail =
            t->header_bytes > 0 ? "the connection broke inside of the answer" : "the connection broke before an answer";
        return t->header_bytes > 0 ? GW_BROKEN : GW_UNREACHABLE;
    case CURLE_PARTIAL_FILE: *ret_detail = "the answer is shorter than it said"; return GW_BROKEN;
    default: *ret_detail = "the answer is not HTTP/1.1"; return GW_GARBAGE;
    }
}

static void finish(struct up_transfer *t, CURLcode code) {
    const struct up_events *on = t->on;
    void *ctx = t->ctx;
    const char *detail;
    enum gw_outcome o = outcome_of(t, code, &detail);
    if (t->timed_out) {
        o = GW_TIMED_OUT;
        detail = t->header_bytes == 0 ? "no first byte in time" : "nothing more came in time";
    }
    if (o == GW_OK && !tell_head(t)) o = GW_GARBAGE; /* an answer without a body */
    on->on_end(ctx, o, detail);                      /* may still look at the counts */
    transfer_free(t);
}

static void take_ended(struct upstream *u) {
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(u->multi, &left)) != NULL) {
        struct up_transfer *t = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        const CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        finish(t, code);
    }
}

static bool is_late(const struct up_transfer *t, uint64_t now) {
    const struct gw_limits *l = &t->up->gw->config.limits;
    if (t->paused) return false;
    const int64_t limit = t->header_bytes > 0 ? l->idle_ms : l->first_byte_ms;
    return now > t->moved_us && now - t->moved_us > (uint64_t)limit * 1000;
}

static struct up_transfer *first_late(const struct upstream *u) {
    const uint64_t now = clock_mono_us();
    struct up_transfer *t = u->first;
    while (t && !is_late(t, now)) t = t->next;
    return t;
}

/* Looked for from the beginning each time: the end of one may have begun or ended others. */
static void on_look(uv_timer_t *h) {
    struct up_transfer *t;
    while ((t = first_late(h->data)) != NULL) {
        t->timed_out = true;
        finish(t, CURLE_OPERATION_TIMEDOUT);
    }
}

/* --- libcurl and libuv -------------------------------------------------------------------------------------------- */
static void act(struct upstream *u, curl_socket_t fd, int events) {
    int running;
    curl_multi_socket_action(u->multi, fd, events, &running);
    take_ended(u);
}

static void on_socket(uv_poll_t *h, int status, int events) {
    const struct socket_watch *w = h->data;
    int flags = 0;
    if (status < 0) flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
    act(w->up, w->fd, flags);
}

static void on_timer(uv_timer_t *h) { act(h->data, CURL_SOCKET_TIMEOUT, 0); }

static int set_timer(CURLM *m, long ms, void *ctx) {
    struct upstream *u = ctx;
    (void)m;
    if (ms < 0)
        uv_timer_stop(&u->curl_timer);
    else
        uv_timer_start(&u->curl_timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void on_watch_closed(uv_handle_t *h) { free(h->data); }

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *per_socket) {
    struct upstream *u = ctx;
    struct socket_watch *w = per_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (!w) return 0;
        uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        curl_multi_assign(u->multi, fd, NULL);
        return 0;
    }
    if (!w) {
        w = calloc(1, sizeof *w);
        if (!w) return -1;
        *w = (struct socket_watch){.up = u, .fd = fd};
        w->poll.data = w;
        if (uv_poll_init_socket(&u->gw->loop, &w->poll, fd) < 0) {
            free(w);
            return -1;
        }
        curl_multi_assign(u->multi, fd, w);
    }
    const int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_socket) < 0 ? -1 : 0;
}

static bool make_common(struct upstream *u) {
    const struct gw_config *c = &u->gw->config;
    char line[8192];
    bool ok = add_header(&u->common, "Content-Type: application/json") && add_header(&u->common, "Expect:");
    if (ok && *c->key) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", c->key);
        ok = add_header(&u->common, line);
    }
    return ok;
}

/* "host:port:address,address": in place of a resolver. An address as host needs none. */
static bool make_resolve(struct upstream *u) {
    const struct gw_config *c = &u->gw->config;
    struct buf b = BUF_INIT(4096);
    if (c->endpoint.numeric) return true;
    buf_printf(&b, "%s:%u:", c->endpoint.host, (unsigned)c->endpoint.port);
    for (int i = 0; i < c->n_addresses; i++) {
        char text[INET6_ADDRSTRLEN] = "";
        const struct sockaddr *sa = (const struct sockaddr *)&c->addresses[i].sa;
        if (sa->sa_family == AF_INET)
            inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, text, sizeof text);
        else
            inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)sa)->sin6_addr, text, sizeof text);
        buf_printf(&b, sa->sa_family == AF_INET ? "%s%s" : "%s[%s]", i > 0 ? "," : "", text);
    }
    const bool ok = !b.bad && add_header(&u->resolve, buf_str(&b));
    buf_release(&b);
    return ok;
}

int upstream_start(struct gw *g, struct err *e) {
    struct upstream *u = g->upstream;
    char authority[ENDPOINT_AUTHORITY_SIZE];
    endpoint_authority(&g->config.endpoint, authority);
    snprintf(u->base, sizeof u->base, "%s://%s%s", g->config.endpoint.tls ? "https" : "http", authority,
             g->config.endpoint.path);
    u->multi = curl_multi_init();
    if (!u->multi || !make_common(u) || !make_resolve(u)) return err_set(e, ERR_SYS, "out of memory");
    curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
    curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
    curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, 16L);
    u->curl_timer.data = u->look.data = u;
    if (uv_timer_init(&g->loop, &u->curl_timer) < 0 || uv_timer_init(&g->loop, &u->look) < 0)
        return err_set(e, ERR_INTERNAL, "timers");
    return 0;
}

void upstream_stop(struct gw *g) {
    struct upstream *u = g->upstream;
    BUG_UNLESS(u->first == NULL);
    while (u->n_spare > 0) curl_easy_cleanup(u->spare[--u->n_spare]);
    curl_multi_cleanup(u->multi);
    u->multi = NULL;
    uv_close((uv_handle_t *)&u->curl_timer, NULL);
    uv_close((uv_handle_t *)&u->look, NULL);
}

void upstream_free(struct upstream *u) {
    if (!u) return;
    conns_release(&u->conns);
    trust_free(u->trust);
    curl_slist_free_all(u->resolve);
    curl_slist_free_all(u->common);
    free(u);
}
