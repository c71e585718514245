/* clock.h - two clocks: monotonic for durations and deadlines, real time for stamps people read.
 *
 * Nothing hangs: every wait, who keeps its deadline, and what happens then. "state" is the limit of the run's state in
 * supervisor/run.c, which is above every deadline that the worker keeps in it. tools/soak-hangs injects what it can of this.
 *
 *   who waits, for what                              deadline, kept by               then
 *   -- supervisor (its loop never blocks on a run) --
 *   a worker to move on: starting, baseline          setup_s (starting: at most 20)  kill worker: worker_failed
 *     engine                                         backend_s, idle_s               STOP: timeout
 *     stopping                                       20 s                            kill worker: worker_failed
 *     inspecting                                     5 times inspect_s               kill worker: worker_failed
 *     verifying                                      timeout_s, inspect_s of each    kill worker: worker_failed
 *     collecting, exit after end of file             20 s, 5 s                       kill worker: worker_failed
 *   end of file after the exit                       5 s (somebody else holds it)    goes on without
 *   exit of a killed worker                          10 s (stuck in the kernel)      goes on without
 *   what a dead worker left                          10 s, once for each process     sandbox_violation
 *   writing RUN_SPEC, STOP                           none: queued, never waited for
 *   its own stderr (progress)                        none: not blocking, dropped
 *   its own stdout (the result)                      the reader's; all runs are sealed and stored by then
 *   store: lock of another process                   10 s (busy timeout)             the command fails, exit 4
 *   sealing: hash, fsync                             the local disk's; in the pool, the loop goes on
 *   removal of a work directory                      linear in what is there; in the pool, after the verdict
 *   recovery: the same at the start of a command     linear; Ctrl-C ends it, the next command goes on with it
 *   locks of homes, of uid slots                     none: tried, never waited for
 *   a word on a run that another command finishes    10 s                            kept; exit 4, the next command tries again
 *   cases, env file (the operator's own disk)        the operator's: regular files only, opened without blocking
 *   read roots of a run that needs an approval       10 s, from file to file         gate_missing
 *   the launcher's answer (doctor)                   20 s, kept by the caller        kill
 *   the YAML helper's answer                         5 s, kept by the caller         kill
 *   -- worker --
 *   RUN_SPEC                                         10 s                            exit
 *   an inspector's frames, its exit                  inspect_s, 10 s                 kill: worker_failed, repository_unreadable
 *   vfork until the inspector's exec                 state
 *   a jail to be ready                               30 s                            kill jail: sandbox_unavailable
 *   a jail's program                                 timeout_s; engine: STOP         kill jail: timed_out, stopped
 *   a killed jail                                    60 s, below it the state        error; the supervisor kills the worker
 *   output after the end                             0.2 s, never for end of file    the rest is not read
 *   room in bulk, control                            as long as the supervisor lives and reads; it dies with it
 *   reaping after SIGKILL                            state
 *   -- gateway (its loop never blocks) --
 *   GW_CONFIG                                        10 s                            GW_FAILED
 *   the listener                                     600 s, or the run's end         GW_FAILED; GW_DONE
 *   a request of the agent, whole; a byte of it      total_ms; idle_ms               closed: agent_left
 *   an agent that does not read                      idle_ms                         closed: agent_left
 *   a slot at the endpoint                           total_ms                        504: timed_out
 *   connecting, first byte, next byte, the whole     connect_, first_byte_, idle_, total_ms   504, or cut: timed_out
 *   what is under way at the run's end               0.5 s                           cut: agent_left
 *   room in control                                  none: queued up to 1 MiB; 2 s at the end
 *   -- pid 1 of a jail, inspector --
 *   a child; a wake                                  the life of who started it (PDEATHSIG; end of its pipe)
 *   paths of the agent                               none: beneath, O_NONBLOCK, regular files only, sizes capped
 *   one inspector's work                             20 min of cpu, inspect_s of the worker
 */
#ifndef CTO_COMMON_CLOCK_H
#define CTO_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_us(void); /* CLOCK_MONOTONIC in microseconds */
int64_t clock_real_ms(void);  /* milliseconds since 1970 UTC */

#define CLOCK_STAMP_SIZE 25 /* "2026-11-22T11:19:14.123Z" + NUL */
void clock_stamp(int64_t real_ms, char out[CLOCK_STAMP_SIZE]);
/* RFC 3339 UTC with optional milliseconds; -1 when it is not one. */
int clock_parse_stamp(const char *s, int64_t *ret_ms);
/* What people write into records: RFC 3339 with any offset ("2026-11-22T11:19:14+01:00", fractions of up to nine digits), or a
 * bare date, which is its first moment in UTC. -1 when it is neither. */
int clock_parse_when(const char *s, int64_t *ret_ms);
#define CLOCK_COMPACT_SIZE 17 /* "20261122T111914Z" + NUL */
void clock_compact(int64_t real_ms, char out[CLOCK_COMPACT_SIZE]);

/* Milliseconds left until a monotonic deadline, for poll(): 0 when passed; -1 when deadline_us is 0 (none). */
int clock_left_ms(uint64_t deadline_us);

#endif
