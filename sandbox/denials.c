/* denials.c - what the filter of a jail refused, seen from outside: an observer, never a decision point.
 *
 * When asked for, pid 1 installs the same filter with one difference: where it would answer EPERM it asks a listener
 * (SECCOMP_RET_USER_NOTIF). The listener's descriptor goes to the parent over a socket that pid 1 closes, with its own copy,
 * before the program starts; no process of the jail ever has it. The parent counts and answers EPERM, always: never
 * "continue", and nothing it does depends on memory of the program. What is ENOSYS or a kill stays so, without a word to
 * anybody.
 *
 * Nothing can hang on this but the denied call itself. A parent that is slow or stopped delays the program's own refused
 * calls, which end with the program: a waiting process is killed like any other. A parent that dies takes the jail with it.
 * One that lives answers in jail_wait, or calls jail_denied_serve() from its own loop. A program that does nothing but be
 * refused would make the parent work for it outside of its own limits: after a burst it is answered slowly.
 *
 * Where the kernel has no listeners, or a filter above us has one already (one per process: a container's, an outer
 * observer's), the plain filter is installed and the report says that denials are not observed.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/pass_fd.h"
#include "sandbox/internal.h"

#define SERVE_AT_ONCE 64
#define BURST 10000
#define SLOW_AT_ONCE 8
#define SLOW_PAUSE_NS 2000000

/* The newest part of the interface that is used is of Linux 5.0; these are its sizes, which are part of the ABI. */
_Static_assert(sizeof(struct seccomp_notif) == 80 && sizeof(struct seccomp_notif_resp) == 24, "as the kernel has them");

int denials_send_listener(int socket, int listener, struct err *e) {
    return pass_fd_send(socket, listener, "the seccomp listener", e);
}

int denials_take_listener(int socket, struct err *e) {
    /* It was sent before the record that brought us here. */
    return pass_fd_take(socket, false, "the seccomp listener", e);
}

/* One entry for each name. Numbers without one share "unknown": who reads the report knows a call by its name, and a second
 * entry of the same name would be a second first time. So there is always room, and nothing is left out. */
static struct jail_denial *slot_of(struct jail_denials *d, int nr) {
    const char *name = syscall_name(nr);
    for (size_t i = 0; i < d->n; i++)
        if (d->v[i].nr == nr || strcmp(d->v[i].name, name) == 0) return &d->v[i];
    BUG_UNLESS(d->n < JAIL_DENIALS_MAX);
    d->v[d->n] = (struct jail_denial){.nr = nr, .name = name};
    return &d->v[d->n++];
}

static void count(struct jail_denials *d, const struct seccomp_data *call, const struct jail_observer *o) {
    struct jail_denial *v = slot_of(d, call->nr);
    d->total++;
    if (v->count++ > 0) return;
    for (size_t i = 0; i < JAIL_DENIAL_ARGS; i++) v->args[i] = call->args[i];
    if (o->on_denied) o->on_denied(o->ctx, v);
}

/* 1: answered one, 0: there was none. */
static int serve_one(int listener, struct jail_denials *d, const struct jail_observer *o) {
    struct pollfd p = {.fd = listener, .events = POLLIN};
    struct seccomp_notif call;
    /* Asked first, since the next call waits; what is there now can only be taken by us, or die. */
    if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN)) return 0;
    memset(&call, 0, sizeof call); /* the kernel refuses anything else */
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) return errno == ENOENT || errno == EINTR;
    struct seccomp_notif_resp answer = {.id = call.id, .error = -EPERM};
    /* It may be dead by now; then nobody waits. */
    (void)!ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    count(d, &call.data, o);
    return 1;
}

void denials_serve(int listener, struct jail_denials *d, const struct jail_observer *o) {
    const bool slow = d->total > BURST;
    for (int i = 0; i < (slow ? SLOW_AT_ONCE : SERVE_AT_ONCE); i++)
        if (serve_one(listener, d, o) == 0) return;
    if (!slow) return;
    const struct timespec pause = {.tv_nsec = SLOW_PAUSE_NS};
    nanosleep(&pause, NULL);
}
