/* buf.c - see buf.h. Growth doubles and is capped by `max`; one byte is always kept for the terminating NUL. */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_release(struct buf *b) {
    free(b->p);
    *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b) {
    b->len = 0;
    b->bad = false;
    if (b->p) b->p[0] = 0;
}

static void buf_spoil(struct buf *b) {
    free(b->p);
    b->p = NULL;
    b->len = b->cap = 0;
    b->bad = true;
}

/* Room for n more bytes and a NUL. */
static bool buf_room(struct buf *b, size_t n) {
    if (b->bad) return false;
    if (n > b->max || b->len > b->max - n) {
        buf_spoil(b);
        return false;
    }
    size_t need = b->len + n + 1;
    if (need <= b->cap) return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) cap *= 2;
    if (cap > b->max + 1) cap = b->max + 1;
    uint8_t *p = realloc(b->p, cap);
    if (!p) {
        buf_spoil(b);
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void buf_put(struct buf *b, const void *p, size_t n) {
    if (!buf_room(b, n)) return;
    if (n) memcpy(b->p + b->len, p, n);
    b->len += n;
    b->p[b->len] = 0;
}

static void buf_put_le(struct buf *b, uint64_t v, unsigned bytes) {
    uint8_t raw[8];
    for (unsigned i = 0; i < bytes; i++) raw[i] = (uint8_t)(v >> (8 * i));
    buf_put(b, raw, bytes);
}

void buf_put_u8(struct buf *b, uint8_t v) { buf_put(b, &v, 1); }
void buf_put_u16(struct buf *b, uint16_t v) { buf_put_le(b, v, 2); }
void buf_put_u32(struct buf *b, uint32_t v) { buf_put_le(b, v, 4); }
void buf_put_u64(struct buf *b, uint64_t v) { buf_put_le(b, v, 8); }
void buf_put_i64(struct buf *b, int64_t v) { buf_put_le(b, (uint64_t)v, 8); }

void buf_put_bytes(struct buf *b, const void *p, size_t n) {
    if (n > UINT16_MAX) {
        buf_spoil(b);
        return;
    }
    buf_put_u16(b, (uint16_t)n);
    buf_put(b, p, n);
}

void buf_put_str(struct buf *b, const char *s) { buf_put_bytes(b, s, strlen(s)); }
void buf_puts(struct buf *b, const char *s) { buf_put(b, s, strlen(s)); }

void buf_vprintf(struct buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) {
        buf_spoil(b);
    } else if (buf_room(b, (size_t)n)) {
        vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

const char *buf_str(const struct buf *b) { return b->p ? (const char *)b->p : ""; }

void buf_consume(struct buf *b, size_t n) {
    if (n >= b->len) {
        buf_reset(b);
        return;
    }
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
    b->p[b->len] = 0;
}

char *buf_detach(struct buf *b) {
    if (b->bad) return NULL;
    if (!b->p) buf_put(b, "", 0);
    char *p = (char *)b->p;
    *b = BUF_INIT(b->max);
    return p;
}

const uint8_t *rd_raw(struct rd *r, size_t n) {
    if (r->bad || n > r->left) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    r->left -= n;
    return p;
}

static uint64_t rd_le(struct rd *r, unsigned bytes) {
    const uint8_t *p = rd_raw(r, bytes);
    uint64_t v = 0;
    if (!p) return 0;
    for (unsigned i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t rd_u8(struct rd *r) { return (uint8_t)rd_le(r, 1); }
uint16_t rd_u16(struct rd *r) { return (uint16_t)rd_le(r, 2); }
uint32_t rd_u32(struct rd *r) { return (uint32_t)rd_le(r, 4); }
uint64_t rd_u64(struct rd *r) { return rd_le(r, 8); }
int64_t rd_i64(struct rd *r) { return (int64_t)rd_le(r, 8); }

const uint8_t *rd_bytes(struct rd *r, size_t *ret_n) {
    size_t n = rd_u16(r);
    const uint8_t *p = rd_raw(r, n);
    *ret_n = p ? n : 0;
    return p;
}

void rd_str(struct rd *r, char *out, size_t out_size) {
    size_t n;
    const uint8_t *p = rd_bytes(r, &n);
    out[0] = '\0';
    if (!p) return;
    if (n >= out_size || memchr(p, 0, n)) {
        r->bad = true;
        return;
    }
    memcpy(out, p, n);
    out[n] = '\0';
}
