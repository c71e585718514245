/* slots.c - see slots.h. */
#include "worker/gateway/slots.h"

#include <fcntl.h>
#include <stdlib.h>

#define LOOK_MS 10

struct slots {
    struct gw *gw;
    int first_fd, n;
    bool held[GW_SLOTS_MAX];
    struct slot_wait *first, **last;
    uv_timer_t timer;
};

static bool lock(int fd, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

static int take(struct slots *s) {
    for (int i = 0; i < s->n; i++) {
        if (s->held[i] || !lock(s->first_fd + i, F_WRLCK)) continue;
        s->held[i] = true;
        return i;
    }
    return -1;
}

static void on_timer(uv_timer_t *h) {
    struct slots *s = h->data;
    while (s->first) {
        struct slot_wait *w = s->first;
        const int slot = take(s);
        if (slot < 0) return;
        s->first = w->next;
        if (!s->first) s->last = &s->first;
        w->slot = slot;
        w->waiting = false;
        w->on_slot(w);
    }
    uv_timer_stop(&s->timer);
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
    if (w->slot < 0) return;
    lock(s->first_fd + w->slot, F_UNLCK);
    s->held[w->slot] = false;
    w->slot = -1;
    if (s->first) uv_timer_start(&s->timer, on_timer, 0, LOOK_MS); /* whoever waits here is next */
}

void slots_stop(struct gw *g) { uv_close((uv_handle_t *)&g->slots->timer, NULL); }
void slots_free(struct slots *s) { free(s); }
