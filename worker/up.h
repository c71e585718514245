/* up.h - everything that goes up to the supervisor: control frames, bulk frames, trace spans.
 *
 * None of these functions can fail from the caller's point of view. When the supervisor cannot be told any more it is
 * gone, nobody will ever use what this run makes, and the process ends at once: its jails and inspectors die with it.
 */
#ifndef CTO_WORKER_UP_H
#define CTO_WORKER_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/msg.h"

struct up {
    int control; /* blocking stream socket */
    int bulk;    /* non-blocking pipe */
    pid_t supervisor;
    struct buf frame; /* one bulk frame in the making */
    /* Called when the control socket has something to read while a bulk write waits; NULL: what comes stays unread. */
    void (*listen)(void *ctx);
    void *listen_ctx;
    /* Called now and then while a bulk write waits; NULL: nothing to do meanwhile. */
    void (*tick)(void *ctx);
    void *tick_ctx;
};

#define UP_EXIT_ORPHAN 9 /* exit code when the supervisor is gone: for a person with strace, nobody reads it */

/* Takes the two descriptors as they are: control is made blocking, bulk non-blocking. */
int up_init(struct up *u, int control, int bulk, pid_t supervisor, struct err *e);
void up_release(struct up *u);
void up_lost(void) __attribute__((noreturn));

/* payload NULL: empty. Blocks while the supervisor lives and does not read. */
void up_control(struct up *u, enum msg_type type, const struct buf *payload);
/* A frame that somebody else made, on the channel that the table gives it. */
void up_pass(struct up *u, const struct msg_rule *rule, const void *payload, size_t len);
/* Waits for room as long as the supervisor lives: this is the back-pressure that slows an engine down. */
void up_bulk(struct up *u, enum msg_type type, const void *payload, size_t len);
void up_failed(struct up *u, enum failed_class class, const struct err *why);

/* One step of the worker in the trace. */
struct span {
    char step[32];
    uint64_t start_us;
};
struct span span_start(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void span_end(struct up *u, const struct span *s, bool ok, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The usual end: rc as the step returned it, the error's text when it failed. Returns rc. */
int span_close(struct up *u, const struct span *s, int rc, const struct err *e);

#endif
