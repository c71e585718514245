/* worker_proc.h - one worker process and its channels on the loop: spawn, bytes in, frames out, exit.
 *
 * The caller learns of bytes, end of file and exit by callbacks and feeds them to the state machine. worker_proc_close()
 * starts closing the handles; the memory goes with the last close callback, never earlier.
 */
#ifndef CTO_SUPERVISOR_WORKER_PROC_H
#define CTO_SUPERVISOR_WORKER_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/err.h"
#include "common/msg.h"

struct worker_proc;

struct worker_events {
    void (*bytes)(void *ctx, enum msg_channel c, const void *p, size_t n);
    void (*eof)(void *ctx, enum msg_channel c); /* also after a read error */
    void (*exited)(void *ctx, int64_t status, int signal);
};

/* `spec` (JSON text, n bytes) is sent at once as RUN_SPEC; it is copied. `gateway`: WORKER_FD_GATEWAY, stays the caller's; -1: none. */
int worker_proc_spawn(uv_loop_t *loop, const char *program, const char *spec, size_t n, int gateway,
                      const struct worker_events *ev, void *ctx, struct worker_proc **ret, struct err *e);
int worker_proc_pid(const struct worker_proc *w);
/* Bulk is read only from here on: control and bulk are not ordered with each other, and no bulk byte may be taken for the
 * run's before its engine has started or the worker is ending. Idempotent. */
void worker_proc_read_bulk(struct worker_proc *w);
void worker_proc_stop(struct worker_proc *w, enum stop_reason reason);
void worker_proc_kill(struct worker_proc *w);
void worker_proc_wake(struct worker_proc *w);  /* one tick on the eventfd */
void worker_proc_close(struct worker_proc *w); /* no callback comes after this; NULL is fine */

#endif
