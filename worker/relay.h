/* relay.h - an inspector's frames on their way up.
 *
 * The relay checks what can be checked without understanding: the table's size, whether this inspector step may send
 * this type, "once" types once, nothing after DONE. It looks inside three kinds only, at fixed and bounded fields,
 * because the next step of the worker needs them. Paths, messages and patches pass through unread.
 */
#ifndef CTO_WORKER_RELAY_H
#define CTO_WORKER_RELAY_H

#include "common/frame.h"
#include "worker/up.h"

#define RELAY_OID_SIZE 65           /* 40 or 64 hex digits + NUL */
#define RELAY_MAX_FRAMES (1u << 20) /* control frames of one inspector step, but for LOOK */
/* LOOK frames: so many at once, and so many a second in the long run. An engine may live for a week and change .git all
 * the time; our inspector looks 20 times a second then (watch.c). */
#define RELAY_LOOKS_AT_ONCE 4096u
#define RELAY_LOOKS_PER_S 100u

struct relay_result {
    bool seen;
    enum result_kind kind;
    char head[RELAY_OID_SIZE]; /* "" unless there is one */
};

struct relay {
    struct up *up;
    unsigned step; /* one INSPECT_* bit */
    struct frame_reader reader;
    uint32_t frames;
    uint64_t born_us;   /* monotonic */
    uint64_t seen_once; /* bit: msg type, for types below 64 */
    bool done;          /* DONE was read */
    bool failed;        /* FAILED was read: `failure` is its text, not passed up */
    struct err failure;
    bool mute_looks; /* LOOK is counted, not passed up: an answer that the supervisor must not judge by */
    bool mute_dirty; /* DIRTY of a watch is permitted before the engine starts only */

    bool has_baseline;
    char baseline[RELAY_OID_SIZE]; /* "" while unborn */
    uint64_t looks;
    bool look_moved, look_clean; /* of the last LOOK */
    struct relay_result result;
};

void relay_init(struct relay *r, struct up *up, unsigned step);
void relay_release(struct relay *r);
/* Feeds what a read returned. -1: the inspector broke the protocol. */
int relay_feed(struct relay *r, const void *p, size_t n, struct err *e);
/* At end of stream: half a frame is an error, and so is an end without DONE. A FAILED of the inspector is returned as
 * error. */
int relay_finish(const struct relay *r, struct err *e);

#endif
