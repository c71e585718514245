/* pump.h - the one place in a worker that waits for several things at once: a jailed program's output, the watch
 * inspector, the supervisor's STOP or hang-up, the end of the jail, a deadline.
 *
 * The end of a program is the end of its jail's pid 1, never the end of file of its output: by then the kernel has
 * ended every process of the jail, so what is still in the pipes is all there will ever be.
 */
#ifndef CTO_WORKER_PUMP_H
#define CTO_WORKER_PUMP_H

#include "common/frame.h"
#include "sandbox/jail.h"
#include "worker/inspect_run.h"
#include "worker/watchdog.h"

/* When the case sets no limit. */
#define PUMP_OUTPUT_BYTES (16u << 20)
#define PUMP_LOG_LINES 200000u
#define PUMP_CHUNK ((16u << 10) - 1) /* with the stream's number: OUTPUT's largest payload */

/* Output is passed up until one of the limits; everything beyond is read (so that the program does not block on a full
 * pipe), counted and dropped. One marker line says so on the stream where it happened. */
struct pump_cap {
    uint64_t max_bytes, max_lines;
    uint64_t bytes, lines; /* passed up */
    uint64_t dropped;      /* bytes */
    bool marked;
};

struct pump_stream {
    int fd; /* non-blocking read end; -1: ended */
    enum out_stream name;
};

struct pump {
    struct worker *w;
    struct jail *jail;
    struct pump_stream streams[2];
    int n_streams;
    struct pump_cap cap;
    struct inspector *watch; /* NULL: none */
    bool stoppable;          /* STOP is listened to */
    uint64_t ask_us;         /* on a STOP the program is asked first, and killed so long after; 0: killed at once */
    uint64_t deadline_us;    /* monotonic; 0: none */
    struct watchdog *dog;    /* NULL: none */

    /* outcome */
    bool stopped; /* a STOP came: we killed, or asked it to end and killed when it did not */
    bool asked;
    bool timed_out; /* the deadline passed: we killed */
    bool limited;   /* the watchdog found too much: we killed */
    unsigned stop_reason;

    /* own */
    struct frame_reader commands;
    struct err trouble; /* a command that is none: found while a bulk write waited */
    uint64_t killed_us;
    uint64_t patience_us; /* until when an asked program may take; 0: it was not asked */
};

/* Pumps until nothing of the jail lives, and fills `end`. -1: the watch broke, or the supervisor broke the protocol,
 * or the jail would not die; the jail has been killed then. */
int pump_run(struct pump *p, struct jail_end *end, struct err *e);
/* How much of these n bytes may still be passed up; counts them. */
size_t pump_admit(struct pump_cap *cap, const char *p, size_t n);

#endif
