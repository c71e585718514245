/* frame.c - see frame.h. Whole frames inside one read are delivered in place; only a frame that spans reads is copied. */
#include "common/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/io.h"

static uint32_t largest_payload(const struct frame_reader *r) {
    uint32_t largest = 0;
    size_t n;
    const struct msg_rule *rules = msg_rules(&n);
    for (size_t i = 0; i < n; i++)
        if (rules[i].direction == r->direction && (r->any_channel || rules[i].channel == r->channel) &&
            rules[i].largest > largest)
            largest = rules[i].largest;
    return largest;
}

void frame_reader_init(struct frame_reader *r, enum msg_direction d, enum msg_channel c) {
    *r = (struct frame_reader){.direction = d, .channel = c};
    r->partial = BUF_INIT(0);
}

void frame_reader_release(struct frame_reader *r) { buf_release(&r->partial); }

/* Checks a header; returns the payload length, or -1. */
static int64_t check_header(const struct frame_reader *r, const uint8_t *h, unsigned *ret_type, struct err *e) {
    struct rd rd = rd_over(h, FRAME_HEADER);
    uint32_t len = rd_u32(&rd);
    unsigned type = rd_u16(&rd);
    unsigned zero = rd_u16(&rd);
    const struct msg_rule *rule = msg_rule(type);
    if (!rule) return err_set(e, ERR_PROTO, "frame type %u is not in the table", type);
    if (zero != 0) return err_set(e, ERR_PROTO, "%s: reserved field is not zero", rule->name);
    if (rule->direction != r->direction || (!r->any_channel && rule->channel != r->channel))
        return err_set(e, ERR_PROTO, "%s: not for this channel", rule->name);
    if (len > rule->largest) return err_set(e, ERR_PROTO, "%s: %u bytes, at most %u", rule->name, len, rule->largest);
    *ret_type = type;
    return len;
}

/* Moves bytes into `partial` until it holds `want` bytes; returns how many were taken. */
static size_t fill(struct frame_reader *r, const uint8_t *p, size_t n, size_t want) {
    size_t take = want - r->partial.len;
    if (take > n) take = n;
    buf_put(&r->partial, p, take);
    return take;
}

/* Finishes the frame that began in an earlier read. Sets *used; returns -1 on error. */
static int feed_partial(struct frame_reader *r, const uint8_t *p, size_t n, size_t *used, frame_fn on, void *ctx,
                        struct err *e) {
    *used = 0;
    if (r->partial.len < FRAME_HEADER) *used = fill(r, p, n, FRAME_HEADER);
    if (r->partial.len < FRAME_HEADER) return 0;
    struct frame f;
    int64_t len = check_header(r, r->partial.p, &f.type, e);
    if (len < 0) return -1;
    *used += fill(r, p + *used, n - *used, FRAME_HEADER + (size_t)len);
    if (r->partial.bad) return err_set(e, ERR_SYS, "out of memory for a frame");
    if (r->partial.len < FRAME_HEADER + (size_t)len) return 0;
    f.payload = r->partial.p + FRAME_HEADER;
    f.len = (size_t)len;
    int rc = on(ctx, &f, e);
    buf_release(&r->partial); /* idle readers hold no memory */
    return rc;
}

int frame_feed(struct frame_reader *r, const void *bytes, size_t n, frame_fn on, void *ctx, struct err *e) {
    const uint8_t *p = bytes;
    if (r->partial.max == 0) r->partial.max = FRAME_HEADER + (size_t)largest_payload(r);
    while (n > 0) {
        if (r->partial.len > 0) {
            size_t used;
            if (feed_partial(r, p, n, &used, on, ctx, e) < 0) return -1;
            p += used;
            n -= used;
            continue;
        }
        struct frame f;
        int64_t len = n >= FRAME_HEADER ? check_header(r, p, &f.type, e) : 0;
        if (len < 0) return -1;
        if (n < FRAME_HEADER || n < FRAME_HEADER + (size_t)len) {
            buf_put(&r->partial, p, n);
            return r->partial.bad ? err_set(e, ERR_SYS, "out of memory for a frame") : 0;
        }
        f.payload = p + FRAME_HEADER;
        f.len = (size_t)len;
        if (on(ctx, &f, e) < 0) return -1;
        p += FRAME_HEADER + (size_t)len;
        n -= FRAME_HEADER + (size_t)len;
    }
    return 0;
}

int frame_finish(const struct frame_reader *r, struct err *e) {
    if (r->partial.len == 0) return 0;
    return err_set(e, ERR_PROTO, "stream ends inside a frame, after %zu bytes", r->partial.len);
}

static void put_header(uint8_t h[FRAME_HEADER], enum msg_type type, size_t len) {
    for (unsigned i = 0; i < 4; i++) h[i] = (uint8_t)((uint32_t)len >> (8 * i));
    h[4] = (uint8_t)type;
    h[5] = (uint8_t)((unsigned)type >> 8);
    h[6] = h[7] = 0;
}

void frame_put(struct buf *b, enum msg_type type, const void *payload, size_t len) {
    uint8_t h[FRAME_HEADER];
    put_header(h, type, len);
    buf_put(b, h, sizeof h);
    buf_put(b, payload, len);
}

int frame_write(int fd, enum msg_type type, const void *lead, size_t lead_len, const void *payload, size_t len,
                struct err *e) {
    uint8_t h[FRAME_HEADER];
    put_header(h, type, lead_len + len);
    struct iovec iov[3] = {
        {.iov_base = h, .iov_len = sizeof h},
        {.iov_base = (void *)(uintptr_t)lead, .iov_len = lead_len},
        {.iov_base = (void *)(uintptr_t)payload, .iov_len = len},
    };
    int i = 0;
    while (i < 3) {
        if (iov[i].iov_len == 0) {
            i++;
            continue;
        }
        ssize_t n = writev(fd, iov + i, 3 - i);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_sys(e, "write frame");
        for (size_t left = (size_t)n; left > 0; i += iov[i].iov_len == 0) {
            size_t step = left < iov[i].iov_len ? left : iov[i].iov_len;
            if (step == 0) continue; /* an empty part: its base may be NULL */
            iov[i].iov_base = (uint8_t *)iov[i].iov_base + step;
            iov[i].iov_len -= step;
            left -= step;
        }
    }
    return 0;
}

int frame_write_buf(int fd, enum msg_type type, const struct buf *payload, struct err *e) {
    if (payload->bad) return err_set(e, ERR_INTERNAL, "frame %d: payload did not fit", (int)type);
    return frame_write(fd, type, NULL, 0, payload->p, payload->len, e);
}
