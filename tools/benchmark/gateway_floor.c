/* gateway_floor.c - the same pipe without any policy: libmicrohttpd's epoll descriptor on a libuv loop, libcurl's multi interface on
 * it, bodies up, answers down as they come. No look at a header, a body or an answer; no limit, no redaction, no confinement, no report.
 * A yardstick: it must never serve anybody but the benchmark.
 *
 *   gateway_floor PORT      prints its own port; ends with its standard input
 */
#include <curl/curl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define OUT_MAX (64u << 10)

struct pipe {
    struct MHD_Connection *agent;
    CURL *easy;
    struct curl_slist *headers;
    char *body, *out;
    size_t body_len, out_len, out_at;
    int begun, suspended, queued, paused, ended, stream;
    char url[128];
};

static uv_loop_t loop;
static CURLM *multi;
static struct MHD_Daemon *daemon_;
static uv_timer_t timer;
static CURL *spare[8];
static int n_spare, upstream, kicked;

static void die(const char *what) {
    fprintf(stderr, "gateway_floor: %s\n", what);
    exit(1);
}

static int number(const char *text) { return (int)strtol(text, NULL, 10); }

static void resume(struct pipe *p) {
    if (!p->suspended) return;
    p->suspended = 0;
    kicked = 1;
    MHD_resume_connection(p->agent);
}

/* --- upward ------------------------------------------------------------------------------------------------------- */
static size_t on_header(char *h, size_t size, size_t n, void *ctx) {
    struct pipe *p = ctx;
    if (strncasecmp(h, "content-type: text/event-stream", 31) == 0) p->stream = 1;
    return size * n;
}

static size_t on_body(char *b, size_t size, size_t n, void *ctx) {
    struct pipe *p = ctx;
    n *= size;
    if (p->stream && p->out_len > p->out_at && p->out_len - p->out_at + n > OUT_MAX) {
        p->paused = 1;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (p->out_at > 0) {
        memmove(p->out, p->out + p->out_at, p->out_len - p->out_at);
        p->out_len -= p->out_at;
        p->out_at = 0;
    }
    p->out = realloc(p->out, p->out_len + n + 1);
    if (!p->out) die("memory");
    memcpy(p->out + p->out_len, b, n);
    p->out_len += n;
    if (p->stream) resume(p);
    return n;
}

static void send_up(struct pipe *p) {
    CURL *c = p->easy = n_spare > 0 ? spare[--n_spare] : curl_easy_init();
    p->headers = curl_slist_append(NULL, "Content-Type: application/json");
    p->headers = curl_slist_append(p->headers, "Expect:");
    curl_easy_setopt(c, CURLOPT_URL, p->url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)p->body_len);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, p->body);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, p);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(c, CURLOPT_PRIVATE, p);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_multi_add_handle(multi, c);
}

static void take_ended(void) {
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(multi, &left)) != NULL) {
        struct pipe *p;
        CURL *c = m->easy_handle;
        if (m->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(c, CURLINFO_PRIVATE, &p);
        curl_multi_remove_handle(multi, c);
        curl_easy_reset(c);
        if (n_spare < 8)
            spare[n_spare++] = c;
        else
            curl_easy_cleanup(c);
        p->easy = NULL;
        p->ended = 1;
        resume(p);
    }
}

static void act(curl_socket_t fd, int flags) {
    int running;
    curl_multi_socket_action(multi, fd, flags, &running);
    take_ended();
}

static void on_timer(uv_timer_t *t) {
    (void)t;
    act(CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *m, long ms, void *ctx) {
    (void)m, (void)ctx;
    if (ms < 0)
        uv_timer_stop(&timer);
    else
        uv_timer_start(&timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void on_socket(uv_poll_t *h, int status, int events) {
    const int fd = (int)(intptr_t)h->data;
    act(fd, status < 0 ? CURL_CSELECT_ERR
                       : (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void on_closed(uv_handle_t *h) { free(h); }

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *per_socket) {
    uv_poll_t *h = per_socket;
    (void)easy, (void)ctx;
    if (what == CURL_POLL_REMOVE) {
        if (h) uv_close((uv_handle_t *)h, on_closed);
        return 0;
    }
    if (!h) {
        h = calloc(1, sizeof *h);
        if (!h || uv_poll_init_socket(&loop, h, fd) < 0) die("poll");
        h->data = (void *)(intptr_t)fd;
        curl_multi_assign(multi, fd, h);
    }
    return uv_poll_start(h, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                         on_socket);
}

/* --- downward ----------------------------------------------------------------------------------------------------- */
static ssize_t on_read(void *ctx, uint64_t at, char *b, size_t n) {
    struct pipe *p = ctx;
    const size_t have = p->out_len - p->out_at;
    (void)at;
    if (have == 0 && p->ended) return MHD_CONTENT_READER_END_OF_STREAM;
    if (have == 0) {
        MHD_suspend_connection(p->agent);
        p->suspended = 1;
        return 0;
    }
    if (n > have) n = have;
    memcpy(b, p->out + p->out_at, n);
    p->out_at += n;
    if (p->paused && p->out_len - p->out_at <= OUT_MAX / 2) {
        p->paused = 0;
        curl_easy_pause(p->easy, CURLPAUSE_CONT);
    }
    return (ssize_t)n;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *agent, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **request) {
    struct pipe *p = *request;
    (void)ctx, (void)method, (void)version;
    if (!p) {
        p = *request = calloc(1, sizeof *p);
        if (!p) return MHD_NO;
        p->agent = agent;
        snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d%s", upstream, url);
        return MHD_YES;
    }
    if (*n > 0) {
        p->body = realloc(p->body, p->body_len + *n);
        if (!p->body) return MHD_NO;
        memcpy(p->body + p->body_len, data, *n);
        p->body_len += *n;
        *n = 0;
        return MHD_YES;
    }
    if (!p->begun) {
        p->begun = 1;
        MHD_suspend_connection(agent);
        p->suspended = 1;
        send_up(p);
        return MHD_YES;
    }
    struct MHD_Response *m = p->stream ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_read, p, NULL)
                                       : MHD_create_response_from_buffer(p->out_len, p->out, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(m, "Content-Type", p->stream ? "text/event-stream" : "application/json");
    const enum MHD_Result r = MHD_queue_response(agent, 200, m);
    MHD_destroy_response(m);
    return r;
}

static void on_completed(void *ctx, struct MHD_Connection *agent, void **request,
                         enum MHD_RequestTerminationCode code) {
    struct pipe *p = *request;
    (void)ctx, (void)agent, (void)code;
    if (!p) return;
    if (p->easy) {
        curl_multi_remove_handle(multi, p->easy);
        curl_easy_cleanup(p->easy);
    }
    curl_slist_free_all(p->headers);
    free(p->body);
    free(p->out);
    free(p);
    *request = NULL;
}

static void on_prepare(uv_prepare_t *h) {
    MHD_UNSIGNED_LONG_LONG ms;
    (void)h;
    while (kicked || (MHD_get_timeout(daemon_, &ms) == MHD_YES && ms == 0)) {
        kicked = 0;
        MHD_run(daemon_);
    }
}

static void on_poll(uv_poll_t *h, int status, int events) {
    (void)h, (void)status, (void)events;
    kicked = 1;
}

static void on_stdin(uv_poll_t *h, int status, int events) {
    char c;
    (void)status, (void)events, (void)h;
    if (read(0, &c, 1) <= 0) exit(0);
}

int main(int argc, char **argv) {
    uv_prepare_t prepare;
    uv_poll_t poll, end;
    if (argc != 2) die("usage: gateway_floor PORT");
    upstream = number(argv[1]);
    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    daemon_ = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, NULL,
                               MHD_OPTION_SOCK_ADDR, &a, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                               MHD_OPTION_CONNECTION_LIMIT, 256u, MHD_OPTION_END);
    if (!daemon_) die("MHD_start_daemon");
    uv_poll_init(&loop, &poll, MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    uv_poll_start(&poll, UV_READABLE, on_poll);
    uv_poll_init(&loop, &end, 0);
    uv_poll_start(&end, UV_READABLE, on_stdin);
    uv_prepare_init(&loop, &prepare);
    uv_prepare_start(&prepare, on_prepare);
    printf("%d\n", (int)MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
