/* record.h - all that is known of one run: filled by gates, state machine and executor, read by verdict, seal and report.
 * Plain data, no libuv, no SQLite. Bounded: lists that hostile input can lengthen have a cap and a `truncated` flag.
 * Hundreds of runs may be in flight: lists that are mostly empty are allocated when there is something to put in.
 */
#ifndef CTO_SUPERVISOR_RECORD_H
#define CTO_SUPERVISOR_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/msg.h"
#include "supervisor/blockers.h"
#include "supervisor/case.h"
#include "supervisor/observe.h"
#include "supervisor/secrets.h"

#define RUN_ID_MAX 160
#define OID_SIZE 41
#define RECORD_MAX_CHANGES 20000
#define RECORD_MAX_DIRTY 200
#define RECORD_MAX_DENIED 256
#define DENIED_ARGS 3

/* Lists of byte strings packed into one buffer: records of u8 letter, u32 modes, u16 length, bytes. */
struct change {
    char letter; /* A M D T */
    uint32_t old_mode, new_mode;
    const char *path; /* NUL-terminated copy; git paths hold no NUL */
    uint8_t scope;    /* 0 net, 1 in a commit on the way */
    bool allowed, forbidden;
};

struct gate_result {
    const char *name;   /* static */
    const char *status; /* "passed", "missing", "failed", "not_evaluated"; static */
    enum blocker blocker;
    char reason[256];
};

/* What a report says of a gated backend beside its gates; from the facts on which they decided. */
struct governed {
    bool proof_double; /* our test double ran: it proves mechanics, and nothing about the backend */
    int stage;         /* 0: none was asked for */
    char provider[160], model[160], model_admission_status[24], source_admission_status[24];
    char model_admission_file[4096], model_admission_sha256[65], executable_sha256[65]; /* "" when there is none */
};

struct run_subject;
struct model_use;

/* What a human said to this run's scope. */
struct approval_seen {
    char id[96], request_id[96], state[16], actor[160], requester[160], why[400], scope[65];
    int64_t requested_ms, decided_ms, expires_ms;
};

struct verify_result {
    bool seen;
    enum end_kind kind;
    int32_t code;
    uint64_t duration_us, output_bytes, dropped_bytes;
    char detail[200];
};

/* A system call that a jail's filter refused, see denials.h. */
struct denied_call {
    unsigned by; /* enum denied_by */
    int command;
    char name[40];
    uint64_t count, args[DENIED_ARGS];
    bool closed; /* its total has been told */
};

/* A LIMIT frame. */
struct limit_seen {
    bool of_backend; /* else of a verification command */
    unsigned index;  /* of that */
    char name[24], mechanism[24];
    uint64_t limit, seen;
    bool ended; /* it is why the program was ended */
};
/* Two of the engine, two of each command. */
#define RECORD_MAX_LIMITS (2 + 2 * SPEC_MAX_VERIFY)

struct blocker_entry {
    enum blocker id;
    char detail[400]; /* one human sentence */
};

struct phase_time {
    int64_t entered_real_ms; /* 0: never */
    uint64_t entered_us;
};

struct run_record {
    char run_id[RUN_ID_MAX];
    char matrix_id[RUN_ID_MAX]; /* "" when single */
    char *run_dir, *work_dir;   /* owned; record_set_dirs() */
    const struct cto_case *c;   /* borrowed; outlives the run */
    const char *engine;         /* registered name */
    const char *output;         /* how its stdout is to be read, of engine_output_words (engine_file.h); static */
    int attempt;
    int64_t generation;
    int64_t started_ms, finished_ms; /* real time */
    struct phase_time phases[RUN_STATE_COUNT];

    struct gate_result *gates; /* owned; NULL before the gates */
    int n_gates;
    struct governed *governed;      /* owned; NULL for the default lane */
    struct run_subject *subject;    /* owned, see subject.h; NULL: the case's fixture */
    struct approval_seen *approval; /* owned; NULL: nobody said anything, or nothing was needed */
    bool recovered;                 /* its supervisor died: what it had seen is not known */
    bool gated_out;                 /* blocked before anything was started: the preflight event sequence applies */

    char *
        sandbox_json; /* READY's payload as received (bounded, from our worker before any agent ran); malloc'd or NULL */
    char baseline_head[OID_SIZE];
    bool baseline_seen, baseline_clean, engine_started;
    uint32_t baseline_files, baseline_commits;
    uint64_t baseline_bytes;

    bool committed_seen; /* a LOOK said committed and clean while the engine lived */
    int64_t committed_ms;
    char committed_head[OID_SIZE];
    enum stop_reason stop_sent; /* 0: none */

    bool engine_ended;
    enum end_kind engine_kind;
    int32_t engine_code;
    uint64_t engine_cpu_us, engine_rss_kib, engine_processes, engine_output, engine_dropped;
    char engine_detail[200];

    bool result_seen;
    enum result_kind result_kind;
    char result_head[OID_SIZE];
    bool result_clean, made_by_harness;
    uint32_t result_dirty, result_commits;
    char result_detail[200];
    struct change *changes; /* owned array */
    int n_changes, cap_changes;
    bool changes_truncated;
    char forbidden_action[300]; /* the first mark of a forbidden action, as a sentence; "" when there is none */
    uint32_t n_attempts;
    char **dirty; /* owned, at most RECORD_MAX_DIRTY; "M path" with the letter in front */
    int n_dirty;

    struct verify_result *verify; /* owned, c->n_verify of them, or NULL: record_verify(), record_verify_slot() */
    char verify_skip[400];        /* "" when not skipped */
    bool with_gateway;            /* one was started for it */
    struct model_use *model_use;  /* owned, see model_use.h; NULL: no gateway said anything */
    bool model_replayed;          /* a recording answered, and no model */
    unsigned case_marks;          /* what the backend's log claims, of enum case_mark (case_log.h) */
    struct limit_seen *limits;    /* owned, as they came; at most RECORD_MAX_LIMITS */
    int n_limits;

    struct denied_call *denied; /* owned, or NULL */
    int n_denied;
    bool denied_truncated, denied_unseen;

    bool worker_done;  /* DONE was received */
    bool worker_clean; /* exit status 0 */
    bool failed_seen;
    enum failed_class failed_class;
    char failed_text[480];
    char cause[400]; /* the supervisor's own reason for ending the run early ("" when none): first cause wins */
    enum blocker cause_blocker; /* BLOCKER_COUNT when none */
    bool artifact_failed;
    char artifact_detail[300];
    uint64_t patch_seen;                  /* bytes of the patch that came */
    bool patch_whole;                     /* and the inspector's end of it, of just so many bytes */
    uint64_t patch_bytes, artifact_bytes; /* written so far in the run directory */

    struct observed *observed; /* owned; NULL: its output is a text, or it was not started */
    struct secrets *secrets;   /* owned; NULL: nothing is known, nothing was searched */
    bool search_contents;      /* the committed contents are sent to be searched, although nothing is to be landed */
    uint64_t contents_seen;
    bool contents_whole; /* and the end of them, of just so many bytes */

    enum verdict verdict;
    struct blocker_entry *blockers; /* owned; each reason once, so at most BLOCKER_COUNT */
    int n_blockers;
};

void record_release(struct run_record *r); /* what it owns; the rest stays as it is */
/* Copies; NULL: none. */
void record_set_dirs(struct run_record *r, const char *run_dir, const char *work_dir);
/* The result of command i of the case: a result that was not seen while there is none. */
const struct verify_result *record_verify(const struct run_record *r, int i);
struct verify_result *record_verify_slot(struct run_record *r, int i);
/* Takes `line`. At most RECORD_MAX_DIRTY of them; more are dropped. */
void record_add_dirty(struct run_record *r, char *line);
/* The class of a reason in this run, see blockers.h. */
enum blocker_class record_class(const struct run_record *r, enum blocker b);
/* Adds once; later details for the same blocker are dropped (first cause wins). */
void record_block(struct run_record *r, enum blocker b, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
