/* replay.c - see replay.h. What is kept of a cassette is an index; an answer is read again when it is played. */
#include "worker/gateway/replay.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "worker/gateway/cassette.h"

struct pair {
    uint64_t at; /* of its line in the file */
    size_t len;
    uint32_t n;
    enum gw_path path;
    char sha256[65];
    bool played;
};

struct replay {
    struct gw *gw;
    int fd;
    struct pair *v;
    size_t n, cap;
    uint8_t seen[CASSETTE_PAIRS_MAX / 8 + 1]; /* bit per n */
    char model[GW_MODEL_MAX + 1];
};

struct play {
    struct replay *replay;
    const struct up_events *on;
    void *ctx;
    uv_timer_t timer; /* fires at once: events come from the loop */
    struct buf data;
    size_t *ends; /* of the chunks in data */
    size_t n, next;
    struct cassette_pair pair;
    bool head_told, paused;
};

/* --- reading ------------------------------------------------------------------------------------------------------ */
static int add_pair(struct replay *r, const char *line, size_t len, uint64_t at, struct err *e) {
    struct cassette_pair p;
    if (cassette_read_pair(line, len, &p, NULL, NULL, e) < 0) return -1;
    if ((unsigned)r->seen[p.n / 8] >> p.n % 8 & 1u) return err_set(e, ERR_USAGE, "n is there twice");
    r->seen[p.n / 8] |= (uint8_t)(1u << p.n % 8);
    if (r->n == CASSETTE_PAIRS_MAX) return err_set(e, ERR_LIMIT, "more than %d answers", CASSETTE_PAIRS_MAX);
    if (r->n == r->cap) {
        const size_t cap = r->cap ? 2 * r->cap : 64;
        struct pair *v = realloc(r->v, cap * sizeof *v);
        if (!v) return err_set(e, ERR_SYS, "out of memory");
        r->v = v;
        r->cap = cap;
    }
    struct pair *q = &r->v[r->n++];
    *q = (struct pair){.at = at, .len = len, .n = p.n, .path = p.path};
    memcpy(q->sha256, p.sha256, sizeof q->sha256);
    return 0;
}

static int take_line(struct replay *r, unsigned number, const struct buf *line, uint64_t at, struct err *e) {
    int rc;
    if (number == 1)
        rc = cassette_read_first(buf_str(line), line->len, r->model, sizeof r->model, e);
    else
        rc = add_pair(r, buf_str(line), line->len, at, e);
    return rc < 0 ? err_ctx(e, "cassette:%u", number) : 0;
}

static int by_n(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    return (x->n > y->n) - (x->n < y->n);
}

static int read_all(struct replay *r, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(CASSETTE_LINE_MAX);
    uint64_t at = 0, line_at = 0;
    unsigned number = 0;
    for (;;) {
        char chunk[16384];
        const ssize_t n = pread(r->fd, chunk, sizeof chunk, (off_t)at);
        if (n < 0) return err_sys(e, "read the cassette");
        if (n == 0) break;
        const char *p = chunk, *end = chunk + n;
        while (p < end) {
            const char *nl = memchr(p, '\n', (size_t)(end - p));
            const char *stop = nl ? nl : end;
            buf_put(&line, p, (size_t)(stop - p));
            if (line.bad) return err_set(e, ERR_LIMIT, "cassette:%u: the line is too long", number + 1);
            p = nl ? nl + 1 : end;
            if (!nl) continue;
            if (take_line(r, ++number, &line, line_at, e) < 0) return -1;
            buf_reset(&line);
            line_at = at + (uint64_t)(p - chunk);
        }
        at += (uint64_t)n;
    }
    if (line.len > 0) return err_set(e, ERR_USAGE, "cassette:%u: the last line has no end", number + 1);
    if (number == 0) return err_set(e, ERR_USAGE, "cassette: empty");
    if (r->n > 0) qsort(r->v, r->n, sizeof r->v[0], by_n);
    return 0;
}

int replay_start(struct gw *g, int fd, struct err *e) {
    struct replay *r = calloc(1, sizeof *r);
    if (!r) return err_set(e, ERR_SYS, "out of memory");
    g->replay = r;
    r->gw = g;
    r->fd = fd;
    if (read_all(r, e) < 0) return -1;
    if (strcmp(r->model, g->config.model) != 0)
        return err_set(e, ERR_USAGE, "cassette: recorded with another model than the admitted one");
    return 0;
}

void replay_free(struct replay *r) {
    if (!r) return;
    free(r->v);
    free(r);
}

/* --- playing ------------------------------------------------------------------------------------------------------ */
static int add_chunk(void *ctx, const char *p, size_t n, struct err *e) {
    struct play *play = ctx;
    buf_put(&play->data, p, n);
    if (play->data.bad) return err_set(e, ERR_SYS, "out of memory");
    if ((play->n & (play->n - 1)) == 0) { /* grows at 0, 1, 2, 4, ... */
        size_t *more = realloc(play->ends, (play->n ? 2 * play->n : 1) * sizeof *more);
        if (!more) return err_set(e, ERR_SYS, "out of memory");
        play->ends = more;
    }
    play->ends[play->n++] = play->data.len;
    return 0;
}

static void on_closed(uv_handle_t *h) {
    struct play *p = h->data;
    buf_release(&p->data);
    free(p->ends);
    free(p);
}

static void end(struct play *p, enum gw_outcome o, const char *detail) {
    const struct up_events *on = p->on;
    void *ctx = p->ctx;
    play_cancel(p);
    on->on_end(ctx, o, detail);
}

static bool tell_head(struct play *p) {
    struct up_head h = {.status = p->pair.status};
    if (p->head_told) return true;
    p->head_told = true;
    memcpy(h.content_type, p->pair.content_type, sizeof h.content_type);
    return p->on->on_head(p->ctx, &h) == 0;
}

static void on_timer(uv_timer_t *t) {
    struct play *p = t->data;
    if (!tell_head(p)) {
        end(p, GW_GARBAGE, "");
        return;
    }
    if (p->next == p->n) {
        end(p, p->pair.complete ? GW_OK : GW_BROKEN, "the recording was cut there");
        return;
    }
    const size_t from = p->next > 0 ? p->ends[p->next - 1] : 0;
    switch (p->on->on_data(p->ctx, p->data.p + from, p->ends[p->next] - from)) {
    case UP_TAKEN: p->next++; break;
    case UP_PAUSE: p->paused = true; return;
    case UP_ABORT: end(p, GW_GARBAGE, ""); return;
    }
    uv_timer_start(&p->timer, on_timer, 0, 0);
}

static int load(struct play *p, const struct pair *q) {
    char *line = malloc(q->len + 1);
    int rc = -1;
    if (line && pread(p->replay->fd, line, q->len, (off_t)q->at) == (ssize_t)q->len) {
        line[q->len] = 0;
        rc = cassette_read_pair(line, q->len, &p->pair, add_chunk, p, NULL);
    }
    /* The file may have been changed: another answer must not be given for this one. */
    if (rc == 0 && (p->pair.n != q->n || p->pair.path != q->path || strcmp(p->pair.sha256, q->sha256) != 0)) rc = -1;
    free(line);
    return rc;
}

struct play *replay_find(struct gw *g, enum gw_path path, const char *sha256, const struct up_events *on, void *ctx) {
    struct replay *r = g->replay;
    size_t i = 0;
    while (i < r->n && (r->v[i].played || r->v[i].path != path || strcmp(r->v[i].sha256, sha256) != 0)) i++;
    struct play *p = i < r->n ? calloc(1, sizeof *p) : NULL;
    if (!p) return NULL;
    *p = (struct play){.replay = r, .on = on, .ctx = ctx, .data = BUF_INIT(CASSETTE_LINE_MAX), .timer.data = p};
    r->v[i].played = true;
    uv_timer_init(&g->loop, &p->timer);
    if (load(p, &r->v[i]) < 0) {
        play_cancel(p);
        return NULL;
    }
    uv_timer_start(&p->timer, on_timer, 0, 0);
    return p;
}

void play_continue(struct play *p) {
    if (!p->paused) return;
    p->paused = false;
    uv_timer_start(&p->timer, on_timer, 0, 0);
}

void play_cancel(struct play *p) { uv_close((uv_handle_t *)&p->timer, on_closed); }
