/* gateway_proc.h - one gateway process and its channel on the loop: spawn, bytes in, exit. The same for a run's gateway and for a probe.
 *
 * Its configuration goes down the channel once; nothing of it stands in an argument or a variable. gateway_proc_end() shuts our side
 * of the channel, which asks it to finish; who does not within GATEWAY_END_MS is killed. gateway_proc_close() starts closing the
 * handles; the memory goes with the last close callback.
 */
#ifndef CTO_SUPERVISOR_GATEWAY_PROC_H
#define CTO_SUPERVISOR_GATEWAY_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "common/err.h"
#include "common/msg.h"

#define GATEWAY_PROGRAM "cto-harness-gateway"
#define GATEWAY_END_MS 3000
#define GATEWAY_SLOTS_MAX (GATEWAY_FD_COUNT - GATEWAY_FD_SLOTS)

struct gateway_proc;

struct gateway_events {
    void (*bytes)(void *ctx, const void *p, size_t n);
    void (*over)(void *ctx); /* once: it exited and its channel ended */
};

/* -1: not open. All of them stay the caller's. */
struct gateway_fds {
    int listener, record, replay;
    int slots[GATEWAY_SLOTS_MAX], n_slots;
};

/* `config`: JSON of worker/gateway/config.h, copied. `probe`: one question, one answer. */
int gateway_proc_spawn(uv_loop_t *loop, const char *program, bool probe, const char *config, size_t n,
                       const struct gateway_fds *fds, const struct gateway_events *ev, void *ctx,
                       struct gateway_proc **ret, struct err *e);
void gateway_proc_end(struct gateway_proc *g);   /* idempotent; NULL is fine */
void gateway_proc_kill(struct gateway_proc *g);  /* NULL is fine */
void gateway_proc_close(struct gateway_proc *g); /* kills too; no callback comes after this; NULL is fine */

#endif
