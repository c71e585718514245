/* test_common_frame.c - the frame reader: a stream cut at every byte border gives the same frames; a wrong length, type,
 * direction, channel or reserved field is refused before anything is allocated; and the writers write what it reads. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "common/frame.h"
#include "common/io.h"

struct seen {
    unsigned types[16];
    size_t lens[16];
    uint8_t last[32];
    int n, stop_at;
};

static int note(void *ctx, const struct frame *f, struct err *e) {
    struct seen *s = ctx;
    if (s->n == 16) return err_set(e, ERR_INTERNAL, "more frames than were written");
    s->types[s->n] = f->type;
    s->lens[s->n++] = f->len;
    size_t n = f->len < sizeof s->last ? f->len : sizeof s->last;
    if (n) memcpy(s->last, f->payload, n);
    return s->n == s->stop_at ? err_set(e, ERR_PARSE, "the callback's own") : 0;
}

static void put_stream(struct buf *b) {
    uint8_t payload[300];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)i;
    frame_put(b, MSG_HELLO, payload, 100);
    frame_put(b, MSG_STARTED, NULL, 0);
    frame_put(b, MSG_TRACE, payload, sizeof payload);
    frame_put(b, MSG_DONE, NULL, 0);
    frame_put(b, MSG_LOOK, payload, 11);
}

static void expect_stream(const struct seen *s) {
    CHECK(s->n == 5 && s->types[0] == MSG_HELLO && s->types[1] == MSG_STARTED && s->types[2] == MSG_TRACE);
    CHECK(s->types[3] == MSG_DONE && s->types[4] == MSG_LOOK);
    CHECK(s->lens[0] == 100 && s->lens[1] == 0 && s->lens[2] == 300 && s->lens[3] == 0 && s->lens[4] == 11);
    CHECK(memcmp(s->last, "\0\1\2\3\4\5\6\7\10\11\12", 11) == 0);
}

static void every_border(void) {
    AUTO_BUF struct buf b = BUF_INIT(10000);
    put_stream(&b);
    for (size_t first = 0; first <= b.len; first++) {
        struct frame_reader r;
        struct seen s = {0};
        struct err e = ERR_INIT;
        frame_reader_init(&r, MSG_TO_SUPERVISOR, MSG_CONTROL);
        CHECK(frame_feed(&r, b.p, first, note, &s, &e) == 0);
        CHECK(frame_feed(&r, b.p + first, b.len - first, note, &s, &e) == 0);
        CHECK(frame_finish(&r, &e) == 0 && r.partial.p == NULL); /* an idle reader holds no memory */
        expect_stream(&s);
        frame_reader_release(&r);
    }
    for (size_t step = 1; step < 20; step++) {
        struct frame_reader r;
        struct seen s = {0};
        frame_reader_init(&r, MSG_TO_SUPERVISOR, MSG_CONTROL);
        for (size_t at = 0; at < b.len; at += step)
            CHECK(frame_feed(&r, b.p + at, b.len - at < step ? b.len - at : step, note, &s, NULL) == 0);
        expect_stream(&s);
        frame_reader_release(&r);
    }
}

/* An end in the middle of a frame is seen, wherever it is. */
static void cut_end(void) {
    AUTO_BUF struct buf b = BUF_INIT(1000);
    frame_put(&b, MSG_HELLO, "abcdef", 6);
    for (size_t n = 0; n <= b.len; n++) {
        struct frame_reader r;
        struct seen s = {0};
        struct err e = ERR_INIT;
        frame_reader_init(&r, MSG_TO_SUPERVISOR, MSG_CONTROL);
        CHECK(frame_feed(&r, b.p, n, note, &s, &e) == 0);
        int rc = frame_finish(&r, &e);
        bool whole = n == 0 || n == b.len;
        CHECK(whole ? rc == 0 : rc == -1 && e.code == ERR_PROTO);
        CHECK(s.n == (n == b.len));
        frame_reader_release(&r);
    }
}

/* Feeds n bytes in one piece and byte by byte: refused both times, with nothing delivered and next to nothing allocated. */
static void refuse(const uint8_t *p, size_t n, enum msg_direction d, enum msg_channel c, const char *word) {
    for (int cut = 0; cut < 2; cut++) {
        struct frame_reader r;
        struct seen s = {0};
        struct err e = ERR_INIT;
        int rc = 0;
        frame_reader_init(&r, d, c);
        if (!cut) rc = frame_feed(&r, p, n, note, &s, &e);
        for (size_t i = 0; cut && rc == 0 && i < n; i++) rc = frame_feed(&r, p + i, 1, note, &s, &e);
        if (!CHECK(rc == -1 && e.code == ERR_PROTO && s.n == 0 && strstr(e.text, word)))
            fprintf(stderr, "    %s: rc %d, \"%s\"\n", word, rc, e.text);
        CHECK(r.partial.cap <= 64);
        frame_reader_release(&r);
    }
}

static void header(uint8_t h[FRAME_HEADER], uint32_t len, unsigned type, unsigned zero) {
    for (unsigned i = 0; i < 4; i++) h[i] = (uint8_t)(len >> (8 * i));
    h[4] = (uint8_t)type, h[5] = (uint8_t)(type >> 8), h[6] = (uint8_t)zero, h[7] = (uint8_t)(zero >> 8);
}

static void refused(void) {
    uint8_t h[FRAME_HEADER];
    size_t n;
    const struct msg_rule *rules = msg_rules(&n);
    for (unsigned type = 0; type < 70000; type += type < 300 ? 1 : 997) {
        if (msg_rule(type & 0xffff)) continue;
        header(h, 0, type, 0);
        refuse(h, sizeof h, MSG_TO_SUPERVISOR, MSG_CONTROL, "not in the table");
    }
    for (size_t i = 0; i < n; i++) {
        const struct msg_rule *m = &rules[i];
        enum msg_direction other = m->direction == MSG_TO_WORKER ? MSG_TO_SUPERVISOR : MSG_TO_WORKER;
        enum msg_channel aside = m->channel == MSG_CONTROL ? MSG_BULK : MSG_CONTROL;
        header(h, 0, m->type, 0);
        refuse(h, sizeof h, other, m->channel, "not for this channel");
        refuse(h, sizeof h, m->direction, aside, "not for this channel");
        header(h, 0, m->type, 1);
        refuse(h, sizeof h, m->direction, m->channel, "reserved");
        header(h, 0, m->type, 0x100);
        refuse(h, sizeof h, m->direction, m->channel, "reserved");
        header(h, m->largest + 1, m->type, 0);
        refuse(h, sizeof h, m->direction, m->channel, "at most");
        header(h, UINT32_MAX, m->type, 0);
        refuse(h, sizeof h, m->direction, m->channel, "at most");
    }
}

static void largest(void) {
    size_t n;
    const struct msg_rule *rules = msg_rules(&n);
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF struct buf b = BUF_INIT(1 << 20);
        uint8_t *payload = calloc(1, rules[i].largest + 1u);
        NEED(payload != NULL);
        frame_put(&b, (enum msg_type)rules[i].type, payload, rules[i].largest);
        for (int cut = 0; cut < 2; cut++) {
            struct frame_reader r;
            struct seen s = {0};
            size_t half = cut ? b.len / 2 : b.len;
            frame_reader_init(&r, rules[i].direction, rules[i].channel);
            CHECK(frame_feed(&r, b.p, half, note, &s, NULL) == 0 &&
                  frame_feed(&r, b.p + half, b.len - half, note, &s, NULL) == 0);
            CHECK(s.n == 1 && s.types[0] == rules[i].type && s.lens[0] == rules[i].largest);
            frame_reader_release(&r);
        }
        free(payload);
    }
}

static void any_channel(void) {
    AUTO_BUF struct buf b = BUF_INIT(1000);
    frame_put(&b, MSG_DONE, NULL, 0);
    frame_put(&b, MSG_ARTIFACT, "\1abc", 4);
    struct frame_reader r;
    struct seen s = {0};
    frame_reader_init(&r, MSG_TO_SUPERVISOR, MSG_CONTROL);
    r.any_channel = true;
    CHECK(frame_feed(&r, b.p, b.len, note, &s, NULL) == 0 && s.n == 2);
    frame_reader_release(&r);
    uint8_t h[FRAME_HEADER];
    header(h, 0, MSG_STOP, 0);
    frame_reader_init(&r, MSG_TO_SUPERVISOR, MSG_CONTROL);
    r.any_channel = true;
    CHECK(frame_feed(&r, h, sizeof h, note, &s, NULL) == -1); /* the direction still counts */
    frame_reader_release(&r);
}

static void callback_stops(void) {
    AUTO_BUF struct buf b = BUF_INIT(10000);
    put_stream(&b);
    for (size_t step = 1; step < b.len + 1; step += 37) {
        struct frame_reader r;
        struct seen s = {.stop_at = 3};
        struct err e = ERR_INIT;
        int rc = 0;
        frame_reader_init(&r, MSG_TO_SUPERVISOR, MSG_CONTROL);
        for (size_t at = 0; rc == 0 && at < b.len; at += step)
            rc = frame_feed(&r, b.p + at, b.len - at < step ? b.len - at : step, note, &s, &e);
        CHECK(rc == -1 && s.n == 3 && e.code == ERR_PARSE && strcmp(e.text, "the callback's own") == 0);
        frame_reader_release(&r);
    }
}

struct drain {
    int fd;
    struct buf got;
};
static void *drain_pipe(void *arg) {
    struct drain *d = arg;
    char chunk[777];
    for (ssize_t n; (n = read(d->fd, chunk, sizeof chunk)) > 0;) buf_put(&d->got, chunk, (size_t)n);
    return NULL;
}

/* Blocking writers into a pipe that is smaller than the frame. */
static void writers(void) {
    int p[2];
    pthread_t t;
    struct err e = ERR_INIT;
    static uint8_t big[16u << 10];
    NEED(pipe2(p, O_CLOEXEC) == 0);
    CHECK(fcntl(p[1], F_SETPIPE_SZ, 4096) >= 4096);
    struct drain d = {.fd = p[0], .got = BUF_INIT(1 << 20)};
    NEED(pthread_create(&t, NULL, drain_pipe, &d) == 0);
    for (size_t i = 0; i < sizeof big; i++) big[i] = (uint8_t)(i * 7);
    AUTO_BUF struct buf payload = BUF_INIT(100), want = BUF_INIT(1 << 20), whole = BUF_INIT(1 << 20);
    CHECK(frame_write(p[1], MSG_OUTPUT, "\2", 1, big, sizeof big - 1, &e) == 0);
    CHECK(frame_write(p[1], MSG_DONE, NULL, 0, NULL, 0, &e) == 0);
    buf_put_str(&payload, "hello");
    CHECK(frame_write_buf(p[1], MSG_HELLO, &payload, &e) == 0);
    close(p[1]);
    pthread_join(t, NULL);
    close(p[0]);
    buf_put_u8(&whole, 2);
    buf_put(&whole, big, sizeof big - 1);
    frame_put(&want, MSG_OUTPUT, whole.p, whole.len);
    frame_put(&want, MSG_DONE, NULL, 0);
    frame_put(&want, MSG_HELLO, payload.p, payload.len);
    CHECK(d.got.len == want.len && memcmp(d.got.p, want.p, want.len) == 0);
    buf_release(&d.got);
    buf_put(&payload, big, 101);
    CHECK(payload.bad && frame_write_buf(-1, MSG_HELLO, &payload, &e) == -1 && e.code == ERR_INTERNAL);
    CHECK(frame_write(-1, MSG_DONE, NULL, 0, NULL, 0, &e) == -1 && e.code == ERR_SYS && e.sys == EBADF);
}

int main(void) {
    every_border();
    cut_end();
    refused();
    largest();
    any_channel();
    callback_stops();
    writers();
    return check_done();
}
