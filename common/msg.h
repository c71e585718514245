/* msg.h - the protocol between supervisor, worker and inspector: one table, from which enum, names and rules expand.
 *
 * Two channels per worker. CONTROL is a stream socket: RUN_SPEC and STOP go down, everything that decides goes up. BULK is a
 * pipe: output and artifacts, which must never delay a result. The two are not ordered with each other; so a bulk frame is
 * permitted in every state from ENGINE on. Each channel of itself is ordered. There is no request and no answer: what a
 * worker would ask for belongs in the RUN_SPEC.
 *
 * A gateway (worker/gateway/) has one stream socket of its own to the supervisor, the channel GATEWAY: its configuration goes down
 * once, what it saw comes up. What it saw was made by an agent and by a model's server: data, never a verdict of theirs.
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
enum msg_channel { MSG_CONTROL, MSG_BULK, MSG_GATEWAY };
#define MSG_ONCE 1u
#define IN(state) (1u << RUN_##state)
#define IN_WORK (IN(STARTING) | IN(BASELINE) | IN(ENGINE) | IN(STOPPING) | IN(INSPECTING) | IN(VERIFYING))
#define IN_BULK (IN(ENGINE) | IN(STOPPING) | IN(INSPECTING) | IN(VERIFYING) | IN(COLLECTING))
#define IN_GATEWAY (IN_WORK | IN(COLLECTING))
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
 *   ENGINE_END  u8 enum end_kind, i32 code (exit code, signal or errno; of "stopped" the signal, or the exit code below zero, 0
 *               to -255, of one that was asked to end and exited), u64 cpu_us, u64 max_rss_kib, u64 processes,
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
 *   ARTIFACT_END u8 enum artifact_id, u64 total size
 *   GW_CONFIG   strict JSON (worker/gateway/config.h)
 *   GW_READY    bytes JSON: what confines the gateway {mechanisms[], landlock_abi, seccomp_instructions, pid}
 *   GW_REQUEST  u32 number (from 1, in the order of their ends), u8 enum gw_path, str model asked for, str model that the answer named ("" unknown), u16 HTTP
 *               status as the agent got it, u8 enum gw_outcome, u64 tokens in, u64 tokens out (as the answer says; 0 unknown), i64
 *               start (real ms), u64 latency_us, u64 first_byte_us (0: none came), u64 bytes up, u64 bytes down, str detail (one
 *               sentence of the gateway's own; never text of the agent's or the server's)
 *   GW_TRAFFIC  u64 bytes since the last one: at most once a second while bytes move, for the idle clock
 *   GW_BUDGET   u8 enum gw_budget, u64 limit, u64 seen: this budget is used up; requests are refused from here on. Once for each
 *   GW_FAILED   str text: the gateway cannot work; nothing follows
 *   GW_PROBE    u8 enum gw_outcome, u16 HTTP status, str model that the answer named, u64 latency_us, str detail: all that
 *               `cto-harness-gateway --probe` says
 *   GW_DONE     u32 requests, u64 tokens in, u64 tokens out, u64 bytes up, u64 bytes down: after the supervisor's end of file */
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
    X(ARTIFACT_END, 66, MSG_TO_SUPERVISOR, MSG_BULK, IN_BULK, 0, INSPECT_DIFF, 9)                                  \
    X(GW_CONFIG, 40, MSG_TO_WORKER, MSG_GATEWAY, IN(STARTING), MSG_ONCE, 0, 256u << 10)                            \
    X(GW_READY, 41, MSG_TO_SUPERVISOR, MSG_GATEWAY, IN_GATEWAY, MSG_ONCE, 0, 2048)                                 \
    X(GW_REQUEST, 42, MSG_TO_SUPERVISOR, MSG_GATEWAY, IN_GATEWAY, 0, 0, 1024)                                      \
    X(GW_TRAFFIC, 43, MSG_TO_SUPERVISOR, MSG_GATEWAY, IN_GATEWAY, 0, 0, 8)                                         \
    X(GW_BUDGET, 44, MSG_TO_SUPERVISOR, MSG_GATEWAY, IN_GATEWAY, 0, 0, 17)                                         \
    X(GW_FAILED, 45, MSG_TO_SUPERVISOR, MSG_GATEWAY, IN_GATEWAY, MSG_ONCE, 0, 512)                                 \
    X(GW_PROBE, 46, MSG_TO_SUPERVISOR, MSG_GATEWAY, IN_GATEWAY, MSG_ONCE, 0, 1024)                                 \
    X(GW_DONE, 47, MSG_TO_SUPERVISOR, MSG_GATEWAY, IN_GATEWAY, MSG_ONCE, 0, 40)

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
#define END_KINDS(X)                                                                           \
    X(EXITED, 1, "exited")             /* code = exit code */                                  \
    X(SIGNALLED, 2, "signalled")       /* code = signal, not ours */                           \
    X(STOPPED, 3, "stopped")           /* by a STOP or a kill of ours; code: see ENGINE_END */ \
    X(TIMED_OUT, 4, "timed_out")       /* a deadline that the worker keeps (verification) */   \
    X(EXEC_FAILED, 5, "exec_failed")   /* code = errno */                                      \
    X(SETUP_FAILED, 6, "setup_failed") /* the jail could not be built; detail says where */    \
    X(OUT_OF_MEMORY, 7, "out_of_memory")                                                       \
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

/* What the agent asked a gateway for. */
#define GW_PATHS(X)                    \
    X(MODELS, 1, "/v1/models")         \
    X(CHAT, 2, "/v1/chat/completions") \
    X(RESPONSES, 3, "/v1/responses")   \
    X(OTHER, 4, "other") /* refused; its text is the agent's */
enum gw_path {
#define X(name, number, text) GW_PATH_##name = (number),
    GW_PATHS(X)
#undef X
};
const char *gw_path_name(unsigned k); /* "invalid" when it is none */

/* What costs an agent nothing (refusals, the list of models, leaving before anything was sent on) has a GW_REQUEST so many times for each
 * outcome; GW_DONE counts all. An agent may not fill the evidence with it, nor hide one kind behind many of another. */
#define GW_FREE_MAX 1000

/* How a request ended. `infrastructure`: counts for the endpoint's circuit breaker and against no agent; recorded in the store, append
 * only. */
#define GW_OUTCOMES(X) /* name, number, text, infrastructure */                                              \
    X(OK, 1, "ok", 0)                                                                                        \
    X(REFUSED_PATH, 2, "refused_path", 0)                                                                    \
    X(REFUSED_REQUEST, 3, "refused_request", 0) /* malformed, smuggled, too large, upgraded */               \
    X(REFUSED_MODEL, 4, "refused_model", 0)     /* another model than the admitted one was asked for */      \
    X(REFUSED_BUDGET, 5, "refused_budget", 0)                                                                \
    X(AGENT_LEFT, 6, "agent_left", 0)   /* the agent closed before the answer was whole */                   \
    X(WRONG_MODEL, 7, "wrong_model", 0) /* the answer names another model: withheld where it still can be */ \
    X(REJECTED, 8, "rejected", 0)       /* another 4xx of the server's */                                    \
    X(UNREACHABLE, 9, "unreachable", 1) /* no connection, or it broke before an answer */                    \
    X(TLS, 10, "tls_failed", 1)                                                                              \
    X(UNAUTHORIZED, 11, "unauthorized", 1)     /* 401, 403 */                                                \
    X(RATE_LIMITED, 12, "rate_limited", 1)     /* 429 */                                                     \
    X(SERVER_ERROR, 13, "server_error", 1)     /* 5xx */                                                     \
    X(GARBAGE, 14, "garbage", 1)               /* not what the interface promises */                         \
    X(TIMED_OUT, 15, "timed_out", 1)           /* connect, first byte, idle or total limit */                \
    X(BROKEN, 16, "broken", 1)                 /* the answer ended before its end */                         \
    X(REDIRECTED, 17, "redirected", 1)         /* 3xx: refused, never followed */                            \
    X(REASONING_ONLY, 18, "reasoning_only", 0) /* a probe's: an answer without any content */                \
    X(NO_REPLAY, 19, "no_replay", 0)           /* the cassette has no such request */
enum gw_outcome {
#define X(name, number, text, infrastructure) GW_##name = (number),
    GW_OUTCOMES(X)
#undef X
};
const char *gw_outcome_name(unsigned k); /* "invalid" when it is none */
bool gw_outcome_is_infrastructure(unsigned k);

#define GW_BUDGETS(X)              \
    X(REQUESTS, 1, "requests")     \
    X(TOKENS_IN, 2, "tokens_in")   \
    X(TOKENS_OUT, 3, "tokens_out") \
    X(BYTES, 4, "bytes")           \
    X(WALL, 5, "wall_ms")
enum gw_budget {
#define X(name, number, text) GW_BUDGET_OF_##name = (number),
    GW_BUDGETS(X)
#undef X
};
const char *gw_budget_name(unsigned k); /* "invalid" when it is none */

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

/* The last three: what Case leaves beside the code, sent when nothing of it lives any more, in runs of that backend alone. */
enum out_stream {
    OUT_STDOUT = 1,
    OUT_STDERR = 2,
    OUT_VERIFY = 3,
    OUT_CASE_EVENTS = 4,
    OUT_CASE_TASK = 5,
    OUT_CASE_NOTES = 6
};
enum artifact_id { ARTIFACT_PATCH = 1, ARTIFACT_BLOBS = 2 };

/* Descriptors a worker is started with; everything above is closed on entry. */
enum worker_fd {
    WORKER_FD_STDIN = 0,   /* /dev/null */
    WORKER_FD_STDOUT = 1,  /* /dev/null */
    WORKER_FD_STDERR = 2,  /* the supervisor's stderr: only for aborts and sanitizers */
    WORKER_FD_CONTROL = 3, /* stream socket */
    WORKER_FD_BULK = 4,    /* write end of a pipe */
    WORKER_FD_WAKE = 5,    /* eventfd: the supervisor adds 1 for "look now"; the inspector alone reads it */
    /* stream socket to the run's gateway: the engine's listener goes there in one SCM_RIGHTS message. Not open without a gateway */
    WORKER_FD_GATEWAY = 6,
    WORKER_FD_COUNT
};
/* Descriptors a gateway is started with; everything above is closed on entry. Those that a run has no use for are not open. */
enum gateway_fd {
    GATEWAY_FD_STDIN = 0,  /* /dev/null */
    GATEWAY_FD_STDOUT = 1, /* /dev/null */
    GATEWAY_FD_STDERR = 2, /* the supervisor's stderr: only for aborts and sanitizers */
    GATEWAY_FD_CONTROL =
        3, /* stream socket to the supervisor: frames of the channel GATEWAY. Its end of file ends the gateway */
    GATEWAY_FD_LISTENER = 4, /* stream socket to the worker: one byte with the listening socket beside it */
    GATEWAY_FD_RECORD = 5,   /* the cassette that is written */
    GATEWAY_FD_REPLAY = 6,   /* the cassette that is played */
    GATEWAY_FD_SLOTS = 7,    /* and on: one lock file for each request that may be under way at the endpoint at once */
    GATEWAY_FD_COUNT = GATEWAY_FD_SLOTS + 16
};
/* Descriptors an inspector is started with. */
enum inspect_fd {
    INSPECT_FD_WAKE = 0, /* the eventfd for the watch step, else /dev/null */
    INSPECT_FD_OUT = 1,  /* frames */
    INSPECT_FD_ERR = 2,
    INSPECT_FD_COUNT
};

#endif
