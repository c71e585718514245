/* run_internal.h - between run.c (life and death) and run_frames.c (what a worker says). Nobody else includes it. */
#ifndef CTO_SUPERVISOR_RUN_INTERNAL_H
#define CTO_SUPERVISOR_RUN_INTERNAL_H

#include "supervisor/run.h"

struct run_feed {
    struct run *run;
    uint64_t now;
};

int run_on_frame(void *feed, const struct frame *f, struct err *e); /* a frame_fn */
void run_set_state(struct run *r, uint64_t now, enum run_state to);
void run_stop(struct run *r, uint64_t now, enum stop_reason reason);
void run_violation(struct run *r, const char *text);

#endif
