/* test_wk_relay.c - what an inspector may say through the worker, and what it may not. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "worker/relay.h"

#define OID "0123456789abcdef0123456789abcdef01234567"

struct rig {
    struct up up;
    int control[2], bulk[2];
    struct relay relay;
    struct buf wire;
    struct err e;
};

static void rig_open(struct rig *r, unsigned step) {
    *r = (struct rig){.wire = BUF_INIT(1 << 20)};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, r->control) == 0 && pipe2(r->bulk, O_CLOEXEC) == 0);
    CHECK(up_init(&r->up, r->control[1], r->bulk[1], getppid(), &r->e) == 0);
    relay_init(&r->relay, &r->up, step);
}

static void rig_close(struct rig *r) {
    relay_release(&r->relay);
    up_release(&r->up);
    buf_release(&r->wire);
    for (int i = 0; i < 2; i++) {
        close(r->control[i]);
        close(r->bulk[i]);
    }
}

static int feed(struct rig *r) {
    int rc = relay_feed(&r->relay, r->wire.p, r->wire.len, &r->e);
    buf_reset(&r->wire);
    return rc;
}

/* Type of the next frame on a channel, 0 when there is none. */
static unsigned next(int fd) {
    uint8_t h[8], payload[32 << 10];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0 || read(fd, h, 8) != 8) return 0;
    struct rd rd = rd_over(h, 8);
    uint32_t len = rd_u32(&rd);
    if (len > 0) CHECK(read(fd, payload, len) == (ssize_t)len);
    return rd_u16(&rd);
}

static void put_look(struct rig *r, unsigned moved, unsigned clean) {
    AUTO_BUF struct buf b = BUF_INIT(128);
    buf_put_u8(&b, (uint8_t)moved);
    buf_put_u8(&b, (uint8_t)clean);
    buf_put_str(&b, OID);
    buf_put_u64(&b, 7);
    frame_put(&r->wire, MSG_LOOK, b.p, b.len);
}

static void put_baseline(struct rig *r, const char *oid) {
    AUTO_BUF struct buf b = BUF_INIT(256);
    buf_put_str(&b, oid);
    buf_put_u8(&b, 1);
    buf_put_u32(&b, 1);
    buf_put_u64(&b, 1);
    buf_put_u32(&b, 1);
    frame_put(&r->wire, MSG_BASELINE, b.p, b.len);
}

static void put_result(struct rig *r, unsigned kind, const char *head) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u8(&b, (uint8_t)kind);
    buf_put_str(&b, head);
    buf_put_u8(&b, 1);
    buf_put_u32(&b, 0);
    buf_put_u32(&b, 1);
    buf_put_u8(&b, 0);
    buf_put_str(&b, "");
    frame_put(&r->wire, MSG_RESULT, b.p, b.len);
}

static void test_watch(void) {
    struct rig r;
    rig_open(&r, INSPECT_WATCH);
    put_baseline(&r, OID);
    put_look(&r, 0, 1);
    CHECK(feed(&r) == 0 && r.relay.has_baseline && strcmp(r.relay.baseline, OID) == 0);
    CHECK(r.relay.looks == 1 && r.relay.look_clean);
    CHECK(next(r.control[0]) == MSG_BASELINE && next(r.control[0]) == MSG_LOOK && next(r.control[0]) == 0);
    r.relay.mute_looks = true;
    put_look(&r, 0, 0);
    CHECK(feed(&r) == 0 && r.relay.looks == 2 && !r.relay.look_clean && next(r.control[0]) == 0);
    r.relay.mute_dirty = true;
    frame_put(&r.wire, MSG_DIRTY, "?\1\0x", 4);
    CHECK(feed(&r) == 0 && next(r.control[0]) == 0);
    put_baseline(&r, OID); /* once */
    CHECK(feed(&r) < 0 && r.e.code == ERR_PROTO && next(r.control[0]) == 0);
    rig_close(&r);
}

/* n looks, unpassed: how many until the relay has enough of them? */
static uint64_t looks_until_refused(uint64_t age_s, uint64_t n) {
    struct rig r;
    rig_open(&r, INSPECT_WATCH);
    r.relay.mute_looks = true;
    r.relay.born_us -= age_s * 1000000u;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        put_look(&r, 1, 0);
        rc = feed(&r);
    }
    CHECK(rc == 0 || (r.e.code == ERR_LIMIT && strstr(r.e.text, "LOOK") != NULL));
    uint64_t looks = r.relay.looks;
    rig_close(&r);
    return looks;
}

/* A day of constant changes at the inspector's own pace is honest; a flood is not. */
static void test_rate_of_looks(void) {
    CHECK(looks_until_refused(86400, 86400 * 20) == 86400 * 20);
    uint64_t flood = looks_until_refused(10, 1u << 20);
    CHECK(flood >= RELAY_LOOKS_AT_ONCE + 10 * RELAY_LOOKS_PER_S && flood < 100000);
}

static void test_may_not(void) {
    static const unsigned never[] = {MSG_HELLO,        MSG_READY,      MSG_STARTED,    MSG_ENGINE_END,
                                     MSG_VERIFY_START, MSG_VERIFY_END, MSG_VERIFY_SKIP};
    struct rig r;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        rig_open(&r, INSPECT_CENSUS);
        frame_put(&r.wire, (enum msg_type)never[i], "", 0);
        CHECK(feed(&r) < 0 && next(r.control[0]) == 0);
        rig_close(&r);
    }
    rig_open(&r, INSPECT_CENSUS); /* another step's frames, another stream's, a frame to the worker, none at all */
    frame_put(&r.wire, MSG_ARTIFACT, "\1x", 2);
    CHECK(feed(&r) < 0 && next(r.bulk[0]) == 0);
    frame_put(&r.wire, MSG_OUTPUT, "\3all tests passed", 17);
    CHECK(feed(&r) < 0 && next(r.bulk[0]) == 0);
    frame_put(&r.wire, MSG_STOP, "\1", 1);
    CHECK(feed(&r) < 0);
    frame_put(&r.wire, (enum msg_type)99, "", 0);
    CHECK(feed(&r) < 0);
    rig_close(&r);
}

static void test_result(void) {
    struct rig r;
    rig_open(&r, INSPECT_CENSUS);
    put_result(&r, RESULT_COMMITTED, OID);
    frame_put(&r.wire, MSG_DONE, NULL, 0);
    CHECK(feed(&r) == 0 && r.relay.done && r.relay.result.seen && r.relay.result.kind == RESULT_COMMITTED);
    CHECK(strcmp(r.relay.result.head, OID) == 0 && relay_finish(&r.relay, &r.e) == 0);
    CHECK(next(r.control[0]) == MSG_RESULT && next(r.control[0]) == 0); /* DONE is not passed up */
    frame_put(&r.wire, MSG_DIRTY, "?\1\0x", 4);
    CHECK(feed(&r) < 0 && next(r.control[0]) == 0); /* nothing after DONE */
    rig_close(&r);
    static const char *const bad[] = {"; rm -rf /", "--out", "0123", OID "0",
                                      "0123456789ABCDEF0123456789abcdef01234567"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_open(&r, INSPECT_CENSUS);
        put_result(&r, RESULT_COMMITTED, bad[i]);
        CHECK(feed(&r) < 0 && !r.relay.result.seen && next(r.control[0]) == 0);
        rig_close(&r);
    }
    rig_open(&r, INSPECT_CENSUS);
    put_result(&r, RESULT_COMMITTED, "");
    CHECK(feed(&r) < 0);
    put_result(&r, 0, OID);
    CHECK(feed(&r) < 0);
    rig_close(&r);
}

static void test_ends(void) {
    struct rig r;
    rig_open(&r, INSPECT_DIFF);
    frame_put(&r.wire, MSG_ARTIFACT, "\1diff", 5);
    CHECK(feed(&r) == 0 && next(r.bulk[0]) == MSG_ARTIFACT && next(r.control[0]) == 0);
    CHECK(relay_finish(&r.relay, &r.e) < 0); /* no DONE */
    buf_put(&r.wire, "\5\0\0", 3);
    CHECK(feed(&r) == 0 && relay_finish(&r.relay, &r.e) < 0); /* half a frame */
    rig_close(&r);
    rig_open(&r, INSPECT_DIFF);
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u8(&b, FAILED_SANDBOX);
    buf_put_u32(&b, ERR_LIMIT);
    buf_put_u32(&b, 0);
    buf_put_str(&b, "too large");
    frame_put(&r.wire, MSG_FAILED, b.p, b.len);
    CHECK(feed(&r) == 0 && next(r.control[0]) == 0); /* its text goes up in the worker's own FAILED */
    CHECK(relay_finish(&r.relay, &r.e) < 0 && r.e.code == ERR_LIMIT && strcmp(r.e.text, "too large") == 0);
    rig_close(&r);
}

int main(void) {
    test_watch();
    test_rate_of_looks();
    test_may_not();
    test_result();
    test_ends();
    return check_done();
}
