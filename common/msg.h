/* msg.h - the protocol between supervisor, worker and inspector: one table, from which enum, names and rules expand.
 *
 * Two channels per worker. CONTROL is a stream socket: RUN_SPEC and STOP go down, everything that decides goes up. BULK is a
 * pipe: output and artifacts, which must never delay a result. The two are not ordered with each other; so a bulk frame is
 * permitted in every state from ENGINE on. Each channel of itself is ordered. There is no request and no answer: what a
 * worker would ask for belongs in the RUN_SPEC.
 *
 * An inspector writes the same frames to its standard output, for the worker to hand up. The worker checks that the frame is
 * one that this inspector step may send (the INSPECT_* column) and its size, and never looks inside.
 *
 * A frame that the table does not permit in the present state ends the run: worker_protocol_violation. There is no
 * "ignore unknown": supervisor and worker are of one build (HELLO says which), so a version never needs negotiating. The
 * rule for change: any change of this file changes the build id; recorded byte streams under tests are made anew.
 */
#ifndef CTO_COMMON_MSG_H
#define CTO_COMMON_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

/* Run states in order of life. supervisor/run.h has the diagram and the legal successors. */
#define RUN_STATES(X)           \
    X(PLANNED, "planned")       \
    X(GATED, "gated")           \
    X(STARTING, "starting")     \
    X(BASELINE, "baseline")     \
    X(ENGINE, "engine")         \
    X(STOPPING, "stopping")     \
    X(INSPECTING, "inspecting") \
    X(VERIFYING, "verifying")   \
    X(COLLECTING, "collecting") \
    X(LANDING, "landing")       \
    X(OUTCOME, "outcome")       \
    X(SEALING, "sealing")       \
    X(DONE, "done")
enum run_state {
#define X(name, text) RUN_##name,
    RUN_STATES(X)
#undef X
        RUN_STATE_COUNT
};
const char *run_state_name(enum run_state s);

enum msg_direction { MSG_TO_WORKER, MSG_TO_SUPERVISOR };
enum msg_channel { MSG_CONTROL, MSG_BULK };
#define MSG_ONCE 1u
#define IN(state) (1u << RUN_##state)
#define IN_WORK (IN(STARTING) | IN(BASELINE) | IN(ENGINE) | IN(STOPPING) | IN(INSPECTING) | IN(VERIFYING))
#define IN_BULK (IN(ENGINE) | IN(STOPPING) | IN(INSPECTING) | IN(VERIFYING) | IN(COLLECTING))
/* Inspector steps, as a mask: who may send a frame. 0: no inspector may. */
#define INSPECT_WATCH 1u  /* makes the baseline, then answers "moved? clean?" while the engine lives */
#define INSPECT_COMMIT 2u /* harness commit of what a `commit: harness` backend left */
#define INSPECT_CENSUS 4u /* after the engine's death: import objects, find the result, is the tree clean */
#define INSPECT_DIFF 8u
#define INSPECT_CHECKOUT 16u
#define INSPECT_ANY 31u

/* Payloads, in order of fields; "str" and "bytes" are u16 length + bytes (buf.h), hex ids are 40 or 64 digits as str:
 *   RUN_SPEC    strict JSON (spec.h)
 *   STOP        u8 enum stop_reason
 *   HELLO       str build_id, u32 pid
 *   READY       bytes JSON: the sandbox report (mechanisms in force, kernel, ABI)
 *   BASELINE    str oid, u8 clean, u32 files, u64 bytes, u32 commits
 *   STARTED     (empty): the engine's exec has happened
 *   LOOK        u8 moved (HEAD differs from the baseline and descends from it), u8 clean, str head ("" unborn or unreadable),
 *               u64 fingerprint of the worktree
 *   ENGINE_END  u8 enum end_kind, i32 code (exit code, signal or errno), u64 cpu_us, u64 max_rss_kib, u64 processes,
 *               u64 output_bytes, u64 dropped_bytes, str detail
 *   RESULT      u8 enum result_kind, str head, u8 clean, u32 dirty_paths, u32 commits, u8 made_by_harness, str detail
 *   DIRTY       u8 letter ('?' untracked, 'M' changed, 'D' missing, 'T' type, 'I' index differs, 'X' unreadable), bytes path
 *   COMMIT      str oid, u8 parents, i64 author time, bytes author, bytes subject line
 *   CHANGE      u8 scope (0 baseline..result, 1 of the last COMMIT), u8 letter (A M D T), u32 old_mode, u32 new_mode, bytes path
 *   ATTEMPT     u8 enum attempt_kind, bytes name: the mark of a forbidden action in the agent's .git
 *   TREE        str oid: of the result's tree. This and the next only in a run that is to be landed
 *   LAND        u32 mode (0: the path is removed), str oid ("" then), u64 size, bytes path: one change of the sum, whole. What
 *               ARTIFACT_BLOBS carries is the contents of these, one after the other
 *   VERIFY_START u16 index of the command (the checkout is ready when the first one comes)
 *   VERIFY_END  u16 index, u8 enum end_kind, i32 code, u64 duration_us, u64 output_bytes, u64 dropped_bytes, str detail
 *   VERIFY_SKIP str reason (a sentence)
 *   LIMIT       u16 index of the command (0 when it is the engine), str name, u64 limit, u64 seen, str mechanism, u8 ended (it is
 *               why the program was ended): comes before the END that it explains
 *   TRACE       str step, u64 start (monotonic us), u64 duration us, u8 ok, str detail
 *   FAILED      u8 enum failed_class, u32 err_code, u32 errno, str text: the worker gives up; nothing follows
 *   DONE        (empty): every step was done; the worker exits 0 after it
 *   DENIED      u8 enum denied_by, u16 index of the command, u8 enum denied_kind, str system call, u64 count, 3 u64 arguments of
 *               the first time: what the seccomp filter refused. Shown, never judged.
 *   OUTPUT      u8 enum out_stream, then raw bytes
 *   ARTIFACT    u8 enum artifact_id, then raw bytes
 *   ARTIFACT_END u8 enum artifact_id, u64 total size */
#define MSG_TABLE(                                                                                                 \
    X) /* name, number, direction, channel, permitted in states, flags, inspector steps, largest payload */        \
    X(RUN_SPEC, 1, MSG_TO_WORKER, MSG_CONTROL, IN(STARTING), MSG_ONCE, 0, 256u << 10)                              \
    X(STOP, 2, MSG_TO_WORKER, MSG_CONTROL, IN(ENGINE), MSG_ONCE, 0, 1)                                             \
    X(HELLO, 16, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(STARTING), MSG_ONCE, 0, 128)                                   \
    X(READY, 17, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(STARTING), MSG_ONCE, 0, 8u << 10)                              \
    X(BASELINE, 18, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(BASELINE), MSG_ONCE, INSPECT_WATCH, 128)                    \
    X(STARTED, 19, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(BASELINE), MSG_ONCE, 0, 0)                                   \
    X(LOOK, 20, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(BASELINE) | IN(ENGINE) | IN(STOPPING) | IN(INSPECTING), 0,      \
      INSPECT_WATCH, 128)                                                                                          \
    X(ENGINE_END, 21, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(BASELINE) | IN(ENGINE) | IN(STOPPING), MSG_ONCE, 0, 1024) \
    X(RESULT, 22, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING), MSG_ONCE, INSPECT_CENSUS, 1024)                  \
    X(DIRTY, 23, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(BASELINE) | IN(INSPECTING), 0, INSPECT_WATCH | INSPECT_CENSUS, \
      5u << 10)                                                                                                    \
    X(COMMIT, 24, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING), 0, INSPECT_DIFF, 2048)                           \
    X(CHANGE, 25, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING), 0, INSPECT_DIFF, 5u << 10)                       \
    X(VERIFY_END, 26, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING) | IN(VERIFYING), 0, 0, 1024)                  \
    X(VERIFY_SKIP, 27, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING) | IN(VERIFYING), MSG_ONCE, 0, 1024)          \
    X(TRACE, 28, MSG_TO_SUPERVISOR, MSG_CONTROL, IN_WORK, 0, INSPECT_ANY, 2048)                                    \
    X(FAILED, 29, MSG_TO_SUPERVISOR, MSG_CONTROL, IN_WORK, MSG_ONCE, INSPECT_ANY, 1024)                            \
    X(DONE, 30, MSG_TO_SUPERVISOR, MSG_CONTROL, IN_WORK, MSG_ONCE, INSPECT_ANY, 0)                                 \
    X(VERIFY_START, 31, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING) | IN(VERIFYING), 0, 0, 2)                   \
    X(ATTEMPT, 32, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING), 0, INSPECT_CENSUS, 512)                         \
    X(DENIED, 33, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(ENGINE) | IN(STOPPING) | IN(VERIFYING), 0, 0, 256)            \
    X(LIMIT, 34, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(ENGINE) | IN(STOPPING) | IN(VERIFYING), 0, 0, 256)             \
    X(TREE, 35, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING), MSG_ONCE, INSPECT_DIFF, 64)                        \
    X(LAND, 36, MSG_TO_SUPERVISOR, MSG_CONTROL, IN(INSPECTING), 0, INSPECT_DIFF, 5u << 10)                         \
    X(OUTPUT, 64, MSG_TO_SUPERVISOR, MSG_BULK, IN_BULK, 0, 0, 16u << 10)                                           \
    X(ARTIFACT, 65, MSG_TO_SUPERVISOR, MSG_BULK, IN_BULK, 0, INSPECT_DIFF, 16u << 10)                              \
    X(ARTIFACT_END, 66, MSG_TO_SUPERVISOR, MSG_BULK, IN_BULK, 0, INSPECT_DIFF, 9)

enum msg_type {
#define X(name, number, dir, chan, states, flags, steps, largest) MSG_##name = (number),
    MSG_TABLE(X)
#undef X
};

struct msg_rule {
    const char *name;
    uint16_t type;
    enum msg_direction direction;
    enum msg_channel channel;
    uint32_t states, flags, steps, largest;
};
/* NULL for a number that is not in the table. */
const struct msg_rule *msg_rule(unsigned type);
/* The whole table, for documentation and tests. */
const struct msg_rule *msg_rules(size_t *ret_count);

enum stop_reason { STOP_COMMITTED = 1, STOP_TIMEOUT = 2, STOP_IDLE = 3, STOP_OUTPUT_LIMIT = 4, STOP_CANCELLED = 5 };

/* How a jailed program ended. Append only: recorded in the store. */
#define END_KINDS(X)                                                                          \
    X(EXITED, 1, "exited")             /* code = exit code */                                 \
    X(SIGNALLED, 2, "signalled")       /* code = signal, not ours */                          \
    X(STOPPED, 3, "stopped")           /* ended by a STOP or a kill of ours; code = signal */ \
    X(TIMED_OUT, 4, "timed_out")       /* a deadline that the worker keeps (verification) */  \
    X(EXEC_FAILED, 5, "exec_failed")   /* code = errno */                                     \
    X(SETUP_FAILED, 6, "setup_failed") /* the jail could not be built; detail says where */   \
    X(OUT_OF_MEMORY, 7, "out_of_memory")                                                      \
    X(LIMIT, 8, "limit") /* a resource limit; detail says which */
enum end_kind {
#define X(name, number, text) END_##name = (number),
    END_KINDS(X)
#undef X
};
const char *end_kind_name(unsigned k); /* "invalid" when it is none */

/* What the census found where the result should be. */
#define RESULT_KINDS(X)                                                                                             \
    X(NONE, 1, "none")                     /* HEAD is the baseline */                                               \
    X(COMMITTED, 2, "committed")           /* HEAD descends from the baseline */                                    \
    X(NOT_DESCENDANT, 3, "not_descendant") /* HEAD is something else: amended, unrelated, rewound */                \
    X(UNREADABLE, 4, "unreadable")         /* HEAD or an object it needs is missing, corrupt or not a plain file */ \
    X(TOO_LARGE, 5, "too_large")           /* more objects, commits or bytes than the limits allow */
enum result_kind {
#define X(name, number, text) RESULT_##name = (number),
    RESULT_KINDS(X)
#undef X
};
const char *result_kind_name(unsigned k);

/* Which mark, and of which forbidden action. */
#define ATTEMPT_KINDS(X)                                         \
    X(REMOTE, 1, "push", "a remote is configured")               \
    X(TRACKING_REF, 2, "push", "there is a remote-tracking ref") \
    X(CREDENTIAL, 3, "credential_change", "credentials are configured")
enum attempt_kind {
#define X(name, number, action, text) ATTEMPT_##name = (number),
    ATTEMPT_KINDS(X)
#undef X
};
const char *attempt_action(unsigned k); /* one of the ten forbidden actions; NULL when it is none */
const char *attempt_text(unsigned k);

enum failed_class {
    FAILED_SANDBOX = 1, /* a mechanism that the profile requires is not there: sandbox_unavailable */
    FAILED_WORKER = 2,  /* the worker itself could not go on (ENOSPC, a missing fixture): infrastructure */
    FAILED_INSPECT = 3, /* an inspector died, hung or broke its protocol after the engine had its hands on the bytes */
    FAILED_SPEC = 4,    /* the RUN_SPEC is not acceptable, or of another build */
};

enum denied_by { DENIED_BY_ENGINE = 1, DENIED_BY_VERIFIER = 2 };
enum denied_kind {
    DENIED_FIRST = 1,  /* refused for the first time */
    DENIED_TOTAL = 2,  /* at the end of the jail, when it was refused more than once */
    DENIED_UNSEEN = 3, /* no name: refusals of this jail cannot be observed here */
};

enum out_stream { OUT_STDOUT = 1, OUT_STDERR = 2, OUT_VERIFY = 3 };
enum artifact_id { ARTIFACT_PATCH = 1, ARTIFACT_BLOBS = 2 };

/* Descriptors a worker is started with; everything above is closed on entry. */
enum worker_fd {
    WORKER_FD_STDIN = 0,   /* /dev/null */
    WORKER_FD_STDOUT = 1,  /* /dev/null */
    WORKER_FD_STDERR = 2,  /* the supervisor's stderr: only for aborts and sanitizers */
    WORKER_FD_CONTROL = 3, /* stream socket */
    WORKER_FD_BULK = 4,    /* write end of a pipe */
    WORKER_FD_WAKE = 5,    /* eventfd: the supervisor adds 1 for "look now"; the inspector alone reads it */
    WORKER_FD_COUNT
};
/* Descriptors an inspector is started with. */
enum inspect_fd {
    INSPECT_FD_WAKE = 0, /* the eventfd for the watch step, else /dev/null */
    INSPECT_FD_OUT = 1,  /* frames */
    INSPECT_FD_ERR = 2,
    INSPECT_FD_COUNT
};

#endif
