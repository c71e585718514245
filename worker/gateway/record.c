/* record.c - see record.h. A pair is collected in memory and written as one line when its answer has ended, so that lines of requests
 * that run at once do not mix. */
#include "worker/gateway/record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/io.h"
#include "worker/gateway/cassette.h"

#define PAIR_MAX (64u << 20)

struct recorder {
    int fd;
    uint32_t n;
    uint64_t written;
    bool failed;
};

struct record_pair {
    struct buf line, chunks;
    uint8_t carry[4]; /* the beginning of a character whose rest comes in the next piece */
    size_t carry_len;
};

static int put_line(struct recorder *r, const struct buf *line) {
    if (line->bad || r->written + line->len > CASSETTE_FILE_MAX) return -1;
    r->written += line->len;
    return io_write_full(r->fd, line->p, line->len, NULL);
}

int recorder_start(struct gw *g, int fd, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(4096);
    struct recorder *r = calloc(1, sizeof *r);
    if (!r) return err_set(e, ERR_SYS, "out of memory");
    g->recorder = r;
    r->fd = fd;
    cassette_put_first(&line, g->config.model, CTO_BUILD_ID);
    return put_line(r, &line) < 0 ? err_sys(e, "the recording cannot be written") : 0;
}

void recorder_free(struct recorder *r) { free(r); }

struct record_pair *record_begin(struct gw *g, enum gw_path path, const char *sha256, const void *body, size_t len) {
    struct recorder *r = g->recorder;
    struct record_pair *p = r && !r->failed ? calloc(1, sizeof *p) : NULL;
    if (!p) return NULL;
    p->line = p->chunks = BUF_INIT(PAIR_MAX);
    buf_printf(&p->line, "{\"n\":%u,\"path\":\"%s\",\"request_sha256\":\"%s\",\"request\":", (unsigned)++r->n,
               gw_path_name(path), sha256);
    cassette_put_text(&p->line, body, len);
    return p;
}

void record_head(struct record_pair *p, unsigned status, const char *content_type) {
    buf_printf(&p->line, ",\"status\":%u,\"content_type\":\"%s\"", status, content_type);
}

/* How many bytes at the end begin a character that is not whole. */
static size_t open_character(const uint8_t *p, size_t n) {
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const uint8_t c = p[n - back];
        const size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if ((c & 0xc0) == 0x80) continue; /* in the middle of one */
        return whole > back ? back : 0;
    }
    return 0;
}

static void put_chunk(struct record_pair *p, const uint8_t *bytes, size_t n) {
    if (n == 0) return;
    if (p->chunks.len > 0) buf_puts(&p->chunks, ",");
    cassette_put_text(&p->chunks, bytes, n);
}

void record_chunk(struct record_pair *p, const void *bytes, size_t n) {
    struct buf joined = BUF_INIT(PAIR_MAX);
    if (n == 0) return;
    buf_put(&joined, p->carry, p->carry_len);
    buf_put(&joined, bytes, n);
    if (joined.bad) {
        p->chunks.bad = true;
        return;
    }
    p->carry_len = open_character(joined.p, joined.len);
    memcpy(p->carry, joined.p + joined.len - p->carry_len, p->carry_len);
    put_chunk(p, joined.p, joined.len - p->carry_len);
    buf_release(&joined);
}

void record_end(struct gw *g, struct record_pair *p, bool complete) {
    struct recorder *r = g->recorder;
    put_chunk(p, p->carry, p->carry_len);
    buf_printf(&p->line, ",\"complete\":%s,\"chunks\":[", complete ? "true" : "false");
    if (p->chunks.bad) p->line.bad = true;
    buf_put(&p->line, p->chunks.p, p->chunks.len);
    buf_puts(&p->line, "]}\n");
    if (!r->failed && put_line(r, &p->line) < 0) {
        static const char last[] = "{\"recording\":\"failed\"}\n";
        r->failed = true;
        (void)io_write_full(r->fd, last, sizeof last - 1, NULL);
        g->fail(g, "the recording is too large, or its file cannot be written");
    }
    record_drop(p);
}

void record_drop(struct record_pair *p) {
    buf_release(&p->line);
    buf_release(&p->chunks);
    free(p);
}
