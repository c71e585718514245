/* buf.h - growable bytes with a hard bound, and a bounded reader.
 *
 * struct buf never grows above `max`: the put functions then set `bad`, drop the data, and every later put is a no-op, so
 * that a writer checks once at the end. struct rd walks bytes it does not own: a read past the end sets `bad` and yields
 * zero, and a parse is good only when rd_done() says that it ended exactly at the end. All integers are little-endian.
 */
#ifndef CTO_COMMON_BUF_H
#define CTO_COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *p; /* NUL-terminated beyond len whenever non-NULL, so text buffers can be used as C strings */
    size_t len, cap, max;
    bool bad;
};

#define BUF_INIT(maximum) ((struct buf){.max = (maximum)})

void buf_release(struct buf *b); /* frees the contents, keeps max; usable again */
void buf_reset(struct buf *b);   /* len = 0, keeps the memory, clears bad */
#define AUTO_BUF __attribute__((cleanup(buf_release)))

void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_i64(struct buf *b, int64_t v);
/* u16 length, then the bytes. Longer than 65535: bad. */
void buf_put_str(struct buf *b, const char *s);
void buf_put_bytes(struct buf *b, const void *p, size_t n);
/* Text. */
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* The contents as a C string; "" when empty. Valid until the next put. */
const char *buf_str(const struct buf *b);
/* Removes n bytes from the front. */
void buf_consume(struct buf *b, size_t n);
/* Hands the memory to the caller (free()); NULL when bad. */
char *buf_detach(struct buf *b);

struct rd {
    const uint8_t *p;
    size_t left;
    bool bad;
};

static inline struct rd rd_over(const void *p, size_t n) { return (struct rd){.p = p, .left = n}; }
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
int64_t rd_i64(struct rd *r);
/* Points into the buffer; NULL and bad when there are fewer than n bytes. */
const uint8_t *rd_raw(struct rd *r, size_t n);
/* u16 length + bytes, copied into out with a NUL; bad when it does not fit or holds a NUL byte. */
void rd_str(struct rd *r, char *out, size_t out_size);
/* u16 length + bytes, in place. */
const uint8_t *rd_bytes(struct rd *r, size_t *ret_n);
static inline bool rd_done(const struct rd *r) { return !r->bad && r->left == 0; }

#endif
