/* test_common_buf.c - buffers with a hard bound, and readers that end exactly at the end. */
#include <string.h>

#include "check.h"
#include "common/buf.h"

static void bound(void) {
    for (size_t max = 0; max < 200; max++) {
        struct buf b = BUF_INIT(max);
        for (size_t i = 0; i < max; i++) buf_put_u8(&b, (uint8_t)i);
        CHECK(!b.bad && b.len == max && b.cap <= max + 1);
        if (max) CHECK(b.p[max - 1] == (uint8_t)(max - 1) && b.p[max] == 0);
        buf_put_u8(&b, 1);
        CHECK(b.bad && b.len == 0 && b.p == NULL); /* the data is dropped, not cut */
        buf_put(&b, "x", 1);
        buf_puts(&b, "x");
        buf_printf(&b, "%d", 1);
        buf_put_str(&b, "x");
        CHECK(b.bad && b.len == 0 && buf_detach(&b) == NULL && strcmp(buf_str(&b), "") == 0);
        buf_reset(&b);
        buf_put(&b, "", 0);
        CHECK(!b.bad);
        buf_release(&b);
        CHECK(b.max == max && b.p == NULL && b.len == 0 && !b.bad);
    }
    struct buf b = BUF_INIT(10);
    buf_put(&b, "12345", 5);
    buf_put(&b, "xxx", SIZE_MAX); /* a length that would wrap the sum */
    CHECK(b.bad);
    buf_release(&b);
}

static void integers(void) {
    static const uint8_t want[] = {1,    0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 8, 7, 6,   5,   4, 3, 2, 1, 0xfe,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 'a', 'b', 3, 0, 0, 1, 2};
    struct buf b = BUF_INIT(1000);
    buf_put_u8(&b, 1);
    buf_put_u16(&b, 0x1234);
    buf_put_u32(&b, 0x12345678);
    buf_put_u64(&b, UINT64_C(0x0102030405060708));
    buf_put_i64(&b, -2);
    buf_put_str(&b, "ab");
    buf_put_bytes(&b, "\0\1\2", 3);
    CHECK(!b.bad && b.len == sizeof want && memcmp(b.p, want, sizeof want) == 0);
    struct rd r = rd_over(b.p, b.len);
    char s[3];
    size_t n;
    CHECK(rd_u8(&r) == 1 && rd_u16(&r) == 0x1234 && rd_u32(&r) == 0x12345678 &&
          rd_u64(&r) == UINT64_C(0x0102030405060708));
    CHECK(rd_i64(&r) == -2);
    rd_str(&r, s, sizeof s);
    CHECK(strcmp(s, "ab") == 0 && !rd_done(&r));
    const uint8_t *p = rd_bytes(&r, &n);
    CHECK(p && n == 3 && memcmp(p, "\0\1\2", 3) == 0 && rd_done(&r));
    /* every cut of it is bad, whatever is read, and what comes after a bad read is zero */
    for (size_t cut = 0; cut < b.len; cut++) {
        r = rd_over(b.p, cut);
        rd_u8(&r), rd_u16(&r), rd_u32(&r), rd_u64(&r), rd_i64(&r);
        rd_str(&r, s, sizeof s);
        p = rd_bytes(&r, &n);
        CHECK(r.bad && !rd_done(&r) && p == NULL && n == 0 && rd_u64(&r) == 0 && rd_raw(&r, 0) == NULL);
    }
    buf_release(&b);
}

static void strings(void) {
    char out[4];
    struct buf b = BUF_INIT(200000);
    buf_put_str(&b, "abc");
    struct rd r = rd_over(b.p, b.len);
    rd_str(&r, out, 4);
    CHECK(strcmp(out, "abc") == 0 && rd_done(&r));
    r = rd_over(b.p, b.len);
    rd_str(&r, out, 3); /* no room for the NUL */
    CHECK(r.bad && out[0] == '\0');
    buf_reset(&b);
    buf_put_bytes(&b, "a\0b", 3);
    r = rd_over(b.p, b.len);
    rd_str(&r, out, sizeof out);
    CHECK(r.bad && out[0] == '\0');
    r = rd_over("\xff\xff"
                "abc",
                5); /* says 65535, has 3 */
    rd_str(&r, out, sizeof out);
    CHECK(r.bad);
    static char big[65537];
    memset(big, 'x', sizeof big - 1);
    buf_reset(&b);
    buf_put_bytes(&b, big, 65535);
    CHECK(!b.bad && b.len == 65537);
    buf_put_bytes(&b, big, 65536);
    CHECK(b.bad);
    buf_release(&b);
}

static void text(void) {
    struct buf b = BUF_INIT(12);
    CHECK(strcmp(buf_str(&b), "") == 0);
    buf_puts(&b, "ab");
    buf_printf(&b, "%s-%d", "c", 12);
    CHECK(strcmp(buf_str(&b), "abc-12") == 0 && b.len == 6);
    buf_printf(&b, "%s", "");
    buf_printf(&b, "%6d", 1);
    CHECK(strcmp(buf_str(&b), "abc-12     1") == 0 && b.len == 12 && !b.bad);
    buf_consume(&b, 0);
    CHECK(b.len == 12);
    buf_consume(&b, 4);
    CHECK(strcmp(buf_str(&b), "12     1") == 0 && b.len == 8);
    buf_consume(&b, 100);
    CHECK(b.len == 0 && strcmp(buf_str(&b), "") == 0);
    buf_printf(&b, "%13d", 1);
    CHECK(b.bad);
    buf_release(&b);
    char *empty = buf_detach(&b);
    CHECK(empty && empty[0] == '\0');
    free(empty);
    buf_puts(&b, "mine");
    char *mine = buf_detach(&b);
    CHECK(mine && strcmp(mine, "mine") == 0 && b.p == NULL && b.len == 0 && b.max == 12);
    free(mine);
    AUTO_BUF struct buf scoped = BUF_INIT(3);
    buf_puts(&scoped, "abc");
    CHECK(scoped.len == 3);
}

int main(void) {
    bound();
    integers();
    strings();
    text();
    return check_done();
}
