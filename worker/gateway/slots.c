/* slots.c - see slots.h. */
#include "worker/gateway/slots.h"

#include <fcntl.h>
#include <stdlib.h>

#include "common/clock.h"

#define LOOK_MS 10
#define YIELD_MS (3 * LOOK_MS)

/* Bytes of a lock file. The second one only of the first file: whoever holds no slot and waits for one has a shared lock on it. */
enum { SLOT_BYTE, WAITING_BYTE };

struct slots {
    struct gw *gw;
    int first_fd, n, n_held;
    bool held[GW_SLOTS_MAX], marked;
    uint64_t not_before_us; /* somebody else's turn until then */
    struct slot_wait *first, **last;
    uv_timer_t timer;
};

static bool lock(int fd, short type, off_t byte) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

/* Not asked while we are marked ourselves. */
static bool others_wait(const struct slots *s) {
    if (!lock(s->first_fd, F_WRLCK, WAITING_BYTE)) return true;
    lock(s->first_fd, F_UNLCK, WAITING_BYTE);
    return false;
}

static void set_mark(struct slots *s) {
    const bool want = s->first != NULL && s->n_held == 0;
    if (want != s->marked && lock(s->first_fd, want ? F_RDLCK : F_UNLCK, WAITING_BYTE)) s->marked = want;
}

static int take(struct slots *s) {
    if (clock_mono_us() < s->not_before_us) return -1;
    for (int i = 0; i < s->n; i++) {
        if (s->held[i] || !lock(s->first_fd + i, F_WRLCK, SLOT_BYTE)) continue;
        s->held[i] = true;
        s->n_held++;
        return i;
    }
    return -1;
}

static void on_timer(uv_timer_t *h) {
    struct slots *s = h->data;
    while (s->first) {
        struct slot_wait *w = s->first;
        const int slot = take(s);
        if (slot < 0) break;
        s->first = w->next;
        if (!s->first) s->last = &s->first;
        w->slot = slot;
        w->waiting = false;
        w->on_slot(w);
    }
    set_mark(s);
    if (!s->first) uv_timer_stop(&s->timer);
}

int slots_start(struct gw *g, int first_fd, struct err *e) {
    struct slots *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_SYS, "out of memory");
    *s = (struct slots){.gw = g, .first_fd = first_fd, .n = g->config.slots, .timer.data = s};
    s->last = &s->first;
    for (int i = 0; i < s->n; i++)
        if (fcntl(first_fd + i, F_GETFD) < 0) {
            free(s);
            return err_sys(e, "slot %d is not open", i);
        }
    if (uv_timer_init(&g->loop, &s->timer) < 0) {
        free(s);
        return err_set(e, ERR_INTERNAL, "timer");
    }
    g->slots = s;
    return 0;
}

bool slots_want(struct gw *g, struct slot_wait *w) {
    struct slots *s = g->slots;
    w->slot = -1;
    if (s->n == 0) return true;
    if (!s->first && (w->slot = take(s)) >= 0) return true; /* nobody is before us */
    w->next = NULL;
    w->waiting = true;
    *s->last = w;
    s->last = &w->next;
    set_mark(s);
    uv_timer_start(&s->timer, on_timer, LOOK_MS, LOOK_MS);
    return false;
}

static void forget(struct slots *s, struct slot_wait *w) {
    struct slot_wait **p = &s->first;
    while (*p && *p != w) p = &(*p)->next;
    if (*p) *p = w->next;
    for (s->last = &s->first; *s->last; s->last = &(*s->last)->next) continue;
    w->waiting = false;
}

void slots_release(struct gw *g, struct slot_wait *w) {
    struct slots *s = g->slots;
    if (w->waiting) forget(s, w);
    if (w->slot >= 0) {
        lock(s->first_fd + w->slot, F_UNLCK, SLOT_BYTE);
        s->held[w->slot] = false;
        s->n_held--;
        w->slot = -1;
        const bool yields = others_wait(s);
        if (yields) s->not_before_us = clock_mono_us() + YIELD_MS * 1000;
        if (s->first) uv_timer_start(&s->timer, on_timer, yields ? YIELD_MS : 0, LOOK_MS); /* who waits here is next */
    }
    set_mark(s);
}

void slots_stop(struct gw *g) { uv_close((uv_handle_t *)&g->slots->timer, NULL); }
void slots_free(struct slots *s) { free(s); }
