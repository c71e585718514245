/* denied.c - tells the supervisor what a jail's filter refused: each call the first time, so that it stands in the events
 * also of a run that does not live to its end, and how often at the end. At most JAIL_DENIALS_MAX names a jail, two frames
 * each. What a frame says of an argument is a number from a register: no memory of the program is read. */
#include "worker/denied.h"

static void send(const struct denied *d, enum denied_kind kind, const char *name, uint64_t count,
                 const uint64_t args[JAIL_DENIAL_ARGS]) {
    AUTO_BUF struct buf b = BUF_INIT(256);
    buf_put_u8(&b, (uint8_t)d->by);
    buf_put_u16(&b, (uint16_t)d->command);
    buf_put_u8(&b, (uint8_t)kind);
    buf_put_str(&b, name);
    buf_put_u64(&b, count);
    for (int i = 0; i < JAIL_DENIAL_ARGS; i++) buf_put_u64(&b, args[i]);
    up_control(&d->w->up, MSG_DENIED, &b);
}

static void on_denied(void *ctx, const struct jail_denial *v) {
    const struct denied *d = ctx;
    send(d, DENIED_FIRST, v->name, v->count, v->args);
}

void denied_observe(struct denied *d, struct worker *w, enum denied_by by, int command) {
    *d = (struct denied){.w = w, .by = by, .command = command, .observer = {.on_denied = on_denied}};
    d->observer.ctx = d;
}

void denied_started(const struct denied *d, const struct jail *j) {
    static const uint64_t none[JAIL_DENIAL_ARGS];
    if (!jail_report(j)->denials_observed) send(d, DENIED_UNSEEN, "", 0, none);
}

void denied_totals(const struct denied *d, const struct jail *j) {
    const struct jail_denials *all = jail_denials(j);
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i].count > 1) send(d, DENIED_TOTAL, all->v[i].name, all->v[i].count, all->v[i].args);
}
