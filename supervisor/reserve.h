/* reserve.h - room for evidence on a file system that an agent may fill.
 *
 * A file without a name, so that nothing of it outlives the process, holds RESERVE_BYTES below harness-runs, or an eighth of what
 * is free where that is less. It is given back to the file system when a run of which nothing lives any more is about to be sealed
 * and finds less than that free; an agent that lives would take it. What is written while one lives (events, trace) has its blocks from the start, see evidence.h.
 */
#ifndef CTO_SUPERVISOR_RESERVE_H
#define CTO_SUPERVISOR_RESERVE_H

#include <sys/types.h>

#define RESERVE_BYTES (8u << 20)
#define RESERVE_SHARE 8

struct reserve {
    int fd; /* -1: there is none */
    off_t bytes;
};
#define RESERVE_NONE ((struct reserve){.fd = -1})

/* A file system that cannot set room aside, or a limit on the size of files: then there is none, and a full disk is an error of
 * whatever meets it. */
void reserve_open(struct reserve *r, const char *dir);
void reserve_release(struct reserve *r); /* closes */

/* Gives the room back when less than it is free. */
void reserve_use(struct reserve *r);
/* Takes it again, where there is room; else the next time. */
void reserve_refill(struct reserve *r);

#endif
