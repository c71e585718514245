/* control.c - see control.h. The socket is written without blocking: a loop that serves an agent may not wait for a supervisor. */
#include "worker/gateway/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/io.h"

#define QUEUE_MAX (4u << 20) /* GW_FREE_MAX of each outcome, before a supervisor that is busy reads one */
#define FLUSH_MS 2000

struct control {
    struct gw *gw;
    int fd;
    uv_poll_t poll;
    uv_prepare_t before_wait; /* what one turn of the loop has to say goes at once: each message wakes the supervisor */
    struct buf queue;
    int watched; /* events */
    bool ended, closed;
    void (*on_end)(struct gw *g);
};

/* --- before the loop ---------------------------------------------------------------------------------------------- */
struct wanted {
    struct buf *out;
    bool have;
};

static int on_config(void *ctx, const struct frame *f, struct err *e) {
    struct wanted *w = ctx;
    if (f->type != MSG_GW_CONFIG || w->have) return err_set(e, ERR_PROTO, "only one GW_CONFIG may come");
    buf_put(w->out, f->payload, f->len);
    w->have = true;
    return w->out->bad ? err_set(e, ERR_LIMIT, "GW_CONFIG is too large") : 0;
}

int control_read_config(int fd, struct buf *out, uint64_t deadline_us, struct err *e) {
    struct frame_reader r;
    struct wanted w = {.out = out};
    int rc = 0;
    frame_reader_init(&r, MSG_TO_WORKER, MSG_GATEWAY);
    while (rc == 0 && !w.have) {
        char chunk[4096];
        const int ready = io_wait(fd, POLLIN, clock_left_ms(deadline_us), e);
        if (ready <= 0) {
            rc = ready < 0 ? -1 : err_set(e, ERR_LIMIT, "no GW_CONFIG in time");
            break;
        }
        const ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = err_sys(e, "read GW_CONFIG");
        if (n == 0) rc = err_set(e, ERR_MISSING, "the supervisor closed before GW_CONFIG");
        if (n > 0) rc = frame_feed(&r, chunk, (size_t)n, on_config, &w, e);
    }
    if (rc == 0) rc = frame_finish(&r, e);
    frame_reader_release(&r);
    return rc;
}

int control_say(int fd, enum msg_type type, const void *p, size_t n, struct err *e) {
    return frame_write(fd, type, NULL, 0, p, n, e);
}

int control_say_failed(int fd, const struct err *e) {
    struct buf b = BUF_INIT(512);
    buf_put_str(&b, e->text);
    const int rc = b.bad ? -1 : control_say(fd, MSG_GW_FAILED, b.p, b.len, NULL);
    buf_release(&b);
    return rc;
}

/* --- on the loop -------------------------------------------------------------------------------------------------- */
static void on_poll(uv_poll_t *h, int status, int events);

static void watch(struct control *c) {
    const int events = (c->ended ? 0 : UV_READABLE) | (c->queue.len > 0 ? UV_WRITABLE : 0);
    if (c->closed || events == c->watched) return;
    c->watched = events;
    if (events == 0)
        uv_poll_stop(&c->poll);
    else
        uv_poll_start(&c->poll, events, on_poll);
}

static void end(struct control *c) {
    if (c->ended) return;
    c->ended = true;
    c->on_end(c->gw);
}

/* -1: nobody reads any more. */
static int flush(struct control *c) {
    while (c->queue.len > 0) {
        const ssize_t n = send(c->fd, c->queue.p, c->queue.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        buf_consume(&c->queue, (size_t)n);
    }
    return 0;
}

static void give_up(struct control *c) {
    buf_release(&c->queue);
    end(c);
}

static void on_poll(uv_poll_t *h, int status, int events) {
    struct control *c = h->data;
    char byte;
    if (status < 0 || flush(c) < 0) give_up(c);
    if ((events & UV_READABLE) && !c->ended) {
        const ssize_t n = recv(c->fd, &byte, 1, MSG_DONTWAIT);
        if (n >= 0 || (errno != EAGAIN && errno != EINTR)) end(c); /* a byte may not come; end of file is the end */
    }
    watch(c);
}

static void on_before_wait(uv_prepare_t *h) {
    struct control *c = h->data;
    if (c->queue.len == 0) return;
    if (flush(c) < 0) give_up(c);
    watch(c);
}

int control_start(struct gw *g, int fd, void (*on_end)(struct gw *g), struct err *e) {
    struct control *c = calloc(1, sizeof *c);
    if (!c) return err_set(e, ERR_SYS, "out of memory");
    *c = (struct control){.gw = g, .fd = fd, .queue = BUF_INIT(QUEUE_MAX), .on_end = on_end};
    c->poll.data = c->before_wait.data = c;
    if (uv_poll_init(&g->loop, &c->poll, fd) < 0) {
        free(c);
        return err_set(e, ERR_SYS, "the control socket cannot be polled");
    }
    /* The first that is started is called last: after the server's, which makes most of what is said. */
    uv_prepare_init(&g->loop, &c->before_wait);
    uv_prepare_start(&c->before_wait, on_before_wait);
    g->control = c;
    watch(c);
    return 0;
}

void control_send(struct gw *g, enum msg_type type, const void *p, size_t n) {
    struct control *c = g->control;
    if (c->closed) return;
    frame_put(&c->queue, type, p, n);
    if (c->queue.bad) give_up(c);
}

void control_stop(struct gw *g) {
    struct control *c = g->control;
    const uint64_t deadline = clock_mono_us() + FLUSH_MS * 1000;
    while (c->queue.len > 0 && flush(c) == 0 && c->queue.len > 0)
        if (io_wait(c->fd, POLLOUT, clock_left_ms(deadline), NULL) <= 0) break;
    if (!c->closed) {
        uv_close((uv_handle_t *)&c->poll, NULL);
        uv_close((uv_handle_t *)&c->before_wait, NULL);
    }
    c->closed = true;
}

void control_free(struct control *c) {
    if (!c) return;
    buf_release(&c->queue);
    free(c);
}
