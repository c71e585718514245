/* up.c - frames to the supervisor.
 *
 * Control is written blocking: its frames are few, small, and decide. Bulk is written non-blocking with a poll on both
 * channels, because a supervisor may leave the bulk pipe full for a while (that is the back-pressure) and a STOP or a
 * hang-up that comes meanwhile must be seen: a worker that sits in write() on a full pipe is deaf.
 */
#include "worker/up.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/frame.h"

#define TRACE_DETAIL_MAX 1500
#define TICK_MS 25

static int set_nonblock(int fd, bool on, struct err *e) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return err_sys(e, "descriptor %d", fd);
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (fcntl(fd, F_SETFL, flags) < 0) return err_sys(e, "descriptor %d", fd);
    return 0;
}

int up_init(struct up *u, int control, int bulk, pid_t supervisor, struct err *e) {
    *u = (struct up){.control = control, .bulk = bulk, .supervisor = supervisor};
    u->frame = BUF_INIT(FRAME_HEADER + (64u << 10));
    if (set_nonblock(control, false, e) < 0) return -1;
    return set_nonblock(bulk, true, e);
}

void up_release(struct up *u) { buf_release(&u->frame); }

void up_lost(void) { _exit(UP_EXIT_ORPHAN); }

static void control_frame(struct up *u, enum msg_type type, const void *payload, size_t len) {
    const struct msg_rule *rule = msg_rule(type);
    BUG_UNLESS(rule != NULL && rule->direction == MSG_TO_SUPERVISOR && len <= rule->largest);
    if (frame_write(u->control, type, NULL, 0, payload, len, NULL) < 0) up_lost();
}

void up_control(struct up *u, enum msg_type type, const struct buf *payload) {
    BUG_UNLESS(payload == NULL || !payload->bad);
    control_frame(u, type, payload != NULL ? payload->p : NULL, payload != NULL ? payload->len : 0);
}

/* Waits until the pipe may have room. The control socket is in the set for its hang-up, and for STOP when somebody
 * listens. */
static void wait_for_room(struct up *u) {
    struct pollfd p[2] = {
        {.fd = u->bulk, .events = POLLOUT},
        {.fd = u->control, .events = u->listen != NULL ? POLLIN : 0},
    };
    int n = poll(p, 2, u->tick != NULL ? TICK_MS : 1000);
    if (n < 0 && errno != EINTR) up_lost();
    if (u->tick != NULL) u->tick(u->tick_ctx);
    if (n <= 0) {
        if (getppid() != u->supervisor) up_lost();
        return;
    }
    if ((p[1].revents & (POLLHUP | POLLERR | POLLNVAL)) || (p[0].revents & (POLLERR | POLLNVAL))) up_lost();
    if (p[1].revents & POLLIN) u->listen(u->listen_ctx);
}

void up_bulk(struct up *u, enum msg_type type, const void *payload, size_t len) {
    const struct msg_rule *rule = msg_rule(type);
    BUG_UNLESS(rule != NULL && rule->channel == MSG_BULK && len <= rule->largest);
    buf_reset(&u->frame);
    frame_put(&u->frame, type, payload, len);
    BUG_UNLESS(!u->frame.bad);
    for (size_t done = 0; done < u->frame.len;) {
        ssize_t n = write(u->bulk, u->frame.p + done, u->frame.len - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            wait_for_room(u);
        else if (errno != EINTR)
            up_lost();
    }
}

void up_pass(struct up *u, const struct msg_rule *rule, const void *payload, size_t len) {
    if (rule->channel == MSG_BULK)
        up_bulk(u, (enum msg_type)rule->type, payload, len);
    else
        control_frame(u, (enum msg_type)rule->type, payload, len);
}

void up_failed(struct up *u, enum failed_class class, const struct err *why) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u8(&b, (uint8_t) class);
    buf_put_u32(&b, (uint32_t)why->code);
    buf_put_u32(&b, (uint32_t)why->sys);
    buf_put_str(&b, why->text);
    up_control(u, MSG_FAILED, &b);
}

struct span span_start(const char *fmt, ...) {
    struct span s = {.start_us = clock_mono_us()};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s.step, sizeof s.step, fmt, ap);
    va_end(ap);
    return s;
}

void span_end(struct up *u, const struct span *s, bool ok, const char *fmt, ...) {
    char detail[TRACE_DETAIL_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    AUTO_BUF struct buf b = BUF_INIT(2048);
    buf_put_str(&b, s->step);
    buf_put_u64(&b, s->start_us);
    buf_put_u64(&b, clock_mono_us() - s->start_us);
    buf_put_u8(&b, ok);
    buf_put_str(&b, detail);
    up_control(u, MSG_TRACE, &b);
}

int span_close(struct up *u, const struct span *s, int rc, const struct err *e) {
    span_end(u, s, rc == 0, "%s", rc == 0 ? "" : e->text);
    return rc;
}
