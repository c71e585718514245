/* store.h - the SQLite store: index and durable state of all runs. The files of a run directory are the evidence; the
 * store says which runs there are, in which state, and what their sealed report's digest is.
 *
 * One struct store belongs to one thread at a time. Several processes may have one file open: WAL, immediate
 * transactions, 10 s of patience. A row is changed only by the owner of its generation: a supervisor that lost its run
 * to a recovery is refused (ERR_CONFLICT) whatever it still wants to say. That refusal changes nothing; after any other
 * error inside a batch the batch must be rolled back.
 *
 * Durability: transitions survive the death of the process (WAL, synchronous NORMAL); store_run_sealed(),
 * store_matrix_finish() and what people decide survive the loss of power (FULL). Inside store_begin() everything waits for store_commit().
 */
#ifndef CTO_SUPERVISOR_STORE_H
#define CTO_SUPERVISOR_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "supervisor/admission.h"
#include "supervisor/evidence.h"
#include "supervisor/record.h"

#define STORE_VERSION 5
#define STORE_APPLICATION_ID 0x43544f48 /* "CTOH" */

struct store; /* opaque */

/* writable: creates (0600), migrates forward. Else: never creates; a missing file is ERR_MISSING. A file that is not
 * ours, of a newer version, or damaged is ERR_USAGE with what to do. */
int store_open(const char *path, bool writable, struct store **ret, struct err *e);
void store_close(struct store *s); /* NULL is fine; rolls back what is open */

/* Batches: nothing is visible to others before the commit. A batch that seals runs must be begun durable. Not nested.
 * */
int store_begin(struct store *s, bool durable, struct err *e);
int store_commit(struct store *s, struct err *e);
void store_rollback(struct store *s);

/* --- writing: runs ---------------------------------------------------------------------------------------------------
 * */
int store_supervisor_add(struct store *s, const char *supervisor_id, int64_t pid, struct err *e);
/* State planned. ERR_CONFLICT when the run id exists. Also notes the case. */
int store_run_insert(struct store *s, const struct run_record *r, const char *supervisor_id, struct err *e);
/* Undoes an insert whose directory could not be made; only while the run is still planned and of this generation. */
int store_run_forget(struct store *s, const char *run_id, int64_t generation, struct err *e);
/* ERR_CONFLICT when the generation is not the row's or the run is done. Appends to transitions. */
int store_run_transition(struct store *s, const char *run_id, int64_t generation, enum run_state to, int64_t real_ms,
                         uint64_t mono_us, struct err *e);
/* State done, verdict, blockers, artifacts, events, digests: one durable transaction, in which what the row had of these goes
 * (a store that contradicted itself). Generation as above. */
int store_run_sealed(struct store *s, const struct run_record *r, const struct seal_summary *sum, struct err *e);

/* --- endpoints ----------------------------------------------------------------------------------------------------------
 * The circuit breaker (design: providers). `name` is model_route_name(). */
#define STORE_BREAKER_FAILURES 3 /* one after the other, and it opens */
#define STORE_BREAKER_PAUSE_MS 30000
#define STORE_BREAKER_PAUSE_MAX_MS 900000
#define STORE_BREAKER_CLAIM_MS 240000 /* longer than a probe lasts */
struct store_endpoint {
    int64_t failures, retry_ms; /* 0: closed */
    char last_outcome[24];
};
/* May the endpoint be asked now? 1: yes, and when it was open, by this caller alone; 0: it is open, `ret` says until when; -1: error. */
int store_endpoint_may_ask(struct store *s, const char *name, int64_t now_ms, struct store_endpoint *ret,
                           struct err *e);
/* What came of asking: enum gw_outcome. */
int store_endpoint_told(struct store *s, const char *name, unsigned outcome, int64_t now_ms, struct err *e);

/* --- matrices --------------------------------------------------------------------------------------------------------
 * */
struct store_matrix {
    char id[RUN_ID_MAX], kind[32], backend[32], supervisor_id[96];
    char report_path[4096], report_sha256[65]; /* "" also when it was interrupted before there was one */
    int64_t started_ms, finished_ms;           /* 0: not yet */
    int64_t planned, passed, failed, blocked, unexpected;
    bool interrupted;
};
int store_matrix_insert(struct store *s, const struct store_matrix *m, struct err *e); /* ERR_CONFLICT when it exists */
int store_matrix_finish(struct store *s, const struct store_matrix *m, struct err *e);

/* --- reading ---------------------------------------------------------------------------------------------------------
 * */
struct store_run_row {
    int64_t id; /* the store's own number, grows */
    char run_id[RUN_ID_MAX], case_id[CASE_ID_MAX + 1], backend[32], matrix_id[RUN_ID_MAX], supervisor_id[96];
    char run_dir[4096], work_dir[4096];
    int attempt;
    int64_t generation, started_ms, finished_ms;
    enum run_state state;
    enum verdict verdict;
    char report_sha256[65], sums_sha256[65]; /* "" before done */
    char reasons[256];                       /* blocker reasons, comma-separated, cut */
};
typedef int (*store_run_fn)(void *ctx, const struct store_run_row *row); /* non-zero stops and is returned */

/* Every run that is not done, oldest first. The callback may write to the store. */
int store_runs_unfinished(struct store *s, store_run_fn each, void *ctx, struct err *e);
/* Makes supervisor_id the owner of the run and r's directories those of its row. r->generation is the one the row was read with
 * and becomes the new one: above it and above every transition's. ERR_CONFLICT when somebody else was faster. */
int store_run_takeover(struct store *s, struct run_record *r, const char *supervisor_id, struct err *e);

struct store_filter {
    const char *status;                        /* pass, fail, blocked, running; NULL: any. Anything else: ERR_USAGE */
    const char *backend, *case_id, *matrix_id; /* NULL: any */
    const char *before;                        /* run id: only runs older than it; unknown: ERR_USAGE */
    int limit;                                 /* 1..10000 */
};
bool store_status_known(const char *status); /* is it one of these words? NULL is */
/* Newest first. The callback must not write to the store. */
int store_runs_list(struct store *s, const struct store_filter *f, store_run_fn each, void *ctx, struct err *e);
/* ERR_MISSING when there is none of that id. */
int store_run_get(struct store *s, const char *run_id, struct store_run_row *ret, struct err *e);
int store_matrix_get(struct store *s, const char *matrix_id, struct store_matrix *ret, struct err *e);
typedef int (*store_matrix_fn)(void *ctx, const struct store_matrix *m); /* non-zero stops and is returned */
/* Every matrix, oldest first. */
int store_matrices(struct store *s, store_matrix_fn each, void *ctx, struct err *e);
/* Does any run or matrix have this id? */
bool store_knows(struct store *s, const char *id);

/* --- admissions ------------------------------------------------------------------------------------------------------
 * */
struct store_admission {
    char id[96], kind[16], status[64], actor[160], revoked_by[160], revoked_why[400], digest[DIGEST_HEX_SIZE];
    char subject[ADMISSION_SUBJECT_MAX];
    int64_t recorded_ms, revoked_ms; /* the latter 0: it was not revoked */
    bool newest;                     /* of its subject */
    char *record; /* owned by store_admission_newest()'s caller; in a list the callback's time long */
};
/* Keeps the record's bytes; durable. ERR_USAGE when the newest one of the subject has the same bytes and is not revoked. */
int store_admission_add(struct store *s, const struct admission *a, const char *text, size_t len, const char *actor,
                        char ret_id[96], struct err *e);
/* Durable. ERR_USAGE when there is none of that kind and id, or it was revoked before. */
int store_admission_revoke(struct store *s, const char *kind, const char *id, const char *actor, const char *why,
                           struct err *e);
typedef int (*store_admission_fn)(void *ctx, const struct store_admission *a); /* non-zero stops and is returned */
/* Newest first; `kind` NULL: all. The callback must not write to the store. */
int store_admissions(struct store *s, const char *kind, store_admission_fn each, void *ctx, struct err *e);
/* The newest one of the subject, whatever it says, revoked or not. ERR_MISSING when there is none. */
int store_admission_newest(struct store *s, const char *kind, const char *subject, struct store_admission *ret,
                           struct err *e);

/* --- approvals -------------------------------------------------------------------------------------------------------
 * A scope is the digest of all that a run must be like (approval.h). */
struct store_request {
    char id[96], task_id[CASE_ID_MAX + 1], backend[32], actor[160], scope[DIGEST_HEX_SIZE];
    int64_t created_ms;
    const char *document; /* JSON, in a callback only */
    /* what was said to it last; "" when nobody has said anything */
    char approval_id[96], approval_state[16];
    int64_t expires_ms;
};
typedef int (*store_request_fn)(void *ctx, const struct store_request *r); /* non-zero stops and is returned */
/* The next id; names nothing yet. */
int store_request_id(struct store *s, char ret_id[96], struct err *e);
int store_request_add(struct store *s, const struct store_request *r, struct err *e); /* durable */
/* Newest first, or the one of this id; ERR_MISSING when there is none of it. The callback must not write to the store. */
int store_requests(struct store *s, const char *id, store_request_fn each, void *ctx, struct err *e);

struct store_approval {
    char id[96], request_id[96], scope[DIGEST_HEX_SIZE], request_scope[DIGEST_HEX_SIZE], state[16], actor[160],
        why[400], run_id[RUN_ID_MAX], run_verdict[16], revoked_by[160], requester[160];
    int64_t decided_ms, expires_ms, revoked_ms, requested_ms;
};
typedef int (*store_approval_fn)(void *ctx, const struct store_approval *a);
/* `state` is granted or denied. ERR_USAGE when the request was denied before, or has an approval that is not used up. Durable. */
int store_approval_add(struct store *s, const struct store_request *r, const char *state, const char *actor,
                       const char *why, int64_t expires_ms, char ret_id[96], struct err *e);
/* Only of a grant that no run has claimed: ERR_USAGE. Durable. */
int store_approval_revoke(struct store *s, const char *id, const char *actor, struct err *e);
/* Newest first; of this scope (its own or its request's, which are the same in a store that nobody has changed), of this id, of this
 * run, or all (NULL). */
int store_approvals(struct store *s, const char *scope, const char *id, const char *run_id, store_approval_fn each,
                    void *ctx, struct err *e);
/* Now, or the start of the last run when that is later: a clock that went back brings nothing back that had expired. */
int store_seen_ms(struct store *s, int64_t now_ms, int64_t *ret_ms, struct err *e);
/* granted -> claimed, for this run and no other, at one stroke, while it has not expired and nobody has said no since. ERR_CONFLICT:
 * somebody was faster.
 * store_run_sealed() settles it: consumed, or granted again when the run ended blocked and its backend was never started. */
int store_approval_claim(struct store *s, const char *id, const char *run_id, int64_t now_ms, struct err *e);

/* --- landings --------------------------------------------------------------------------------------------------------
 * The journal behind land.h; all of it durable. */
struct store_landing {
    char run_id[RUN_ID_MAX], kind[8]; /* kind: land or revert */
    char target[4096], branch[256], old_head[41], new_head[41];
    char state[16], why[300]; /* journalled, conflict, finished */
    int64_t started_ms, finished_ms;
};
/* State journalled. ERR_CONFLICT when this run has one of the kind, or anybody's on this target is not finished. */
int store_landing_begin(struct store *s, const struct store_landing *l, struct err *e);
/* Of a row that is not finished: conflict with a reason, or finished. */
int store_landing_settle(struct store *s, const struct store_landing *l, const char *state, const char *why,
                         struct err *e);
/* Of a row that is not finished: the target's branch was not moved. */
int store_landing_forget(struct store *s, const struct store_landing *l, struct err *e);
/* ERR_MISSING when there is none. */
int store_landing_get(struct store *s, const char *run_id, const char *kind, struct store_landing *ret, struct err *e);
typedef int (*store_landing_fn)(void *ctx, const struct store_landing *l); /* non-zero stops and is returned */
/* Oldest first: landings of sealed runs that are no pass and were not left by the operator's word, which nothing has taken back. The
 * callback may write to the store. */
int store_landings_owed(struct store *s, store_landing_fn each, void *ctx, struct err *e);
/* Oldest first, those that are not finished. The callback may write to the store. */
int store_landings_unfinished(struct store *s, store_landing_fn each, void *ctx, struct err *e);

/* --- the proof ladder ------------------------------------------------------------------------------------------------
 * */
#define STORE_STAGE_INTERFACE 0 /* validate provider-adapter, beside the stages 1..6 */
/* Did a validator of this build prove it, with the real backend? A proof made with a double never counts. False also when the
 * store cannot be read. */
bool store_stage_proven(struct store *s, const char *backend, int stage, const char *build_id);
/* validate provider-adapter has passed on this build. It is about the harness's own side of every backend with a model, so one pass
 * counts for all of them, and it is always shown on doubles: no run rests on it as on a stage. */
bool store_interface_proven(struct store *s, const char *build_id);
struct store_proof {
    const char *backend, *build_id, *kind; /* kind: "real" or "double" */
    const char *report_path, *sha256;      /* of the run that shows it last */
    int stage;
};
/* The validator's word, in place of an older one of the same kind. Durable. */
int store_stage_prove(struct store *s, const struct store_proof *p, struct err *e);
struct store_proof_row {
    char build_id[DIGEST_HEX_SIZE], kind[16], report_path[4096], sha256[DIGEST_HEX_SIZE]; /* cut when they are longer */
    int stage;
    int64_t proven_ms;
};
typedef int (*store_proof_fn)(void *ctx, const struct store_proof_row *p); /* non-zero stops and is returned */
/* Every row of the backend, of all builds and both kinds, newest first; what it says is not checked. The callback must not write to
 * the store. */
int store_proofs(struct store *s, const char *backend, store_proof_fn each, void *ctx, struct err *e);
/* What a human said of a comparison, once: ERR_CONFLICT when the other word was said before, and 0 for the same once more. Durable. */
int store_outcome_say(struct store *s, const char *subject, const char *outcome, const char *actor, int64_t said_ms,
                      struct err *e);
struct store_outcome {
    char outcome[16], actor[160]; /* "" when nobody said anything */
    int64_t said_ms;
};
int store_outcome_get(struct store *s, const char *subject, struct store_outcome *ret, struct err *e);
/* Did a human say this of the run or comparison? *ret is false also when nobody said anything. */
int store_outcome_is(struct store *s, const char *subject, const char *outcome, bool *ret, struct err *e);
/* Passes of the backend whose outcome a human accepted, newest first, at most `limit`. The callback must not write to the store. */
int store_runs_accepted(struct store *s, const char *backend, int limit, store_run_fn each, void *ctx, struct err *e);

/* --- runs that wait for a human ------------------------------------------------------------------------------------------
 * Written before the landing, so that a run which landed is never without it; goes with the seal. */
struct store_waiting {
    char run_id[RUN_ID_MAX], evidence_sha256[DIGEST_HEX_SIZE];
    int64_t events_bytes; /* of the events' file when the digest was taken */
    int64_t since_ms, due_ms;
    char outcome[16], actor[160]; /* "" until somebody said it */
    int64_t said_ms;
    char *record; /* the run's record (record_json.h); owned by store_waiting_get()'s caller */
};
/* Durable. */
int store_waiting_add(struct store *s, const struct store_waiting *w, struct err *e);
/* ERR_MISSING: that run does not wait. */
int store_waiting_get(struct store *s, const char *run_id, struct store_waiting *ret, struct err *e);
/* Its record is of no use any more: recovery seals the run as interrupted then, and takes its landing back. */
int store_waiting_forget(struct store *s, const char *run_id, struct err *e);
/* A human's word, once: ERR_CONFLICT when another one was said before, and 0 for the same once more. Durable. */
int store_waiting_say(struct store *s, const char *run_id, const char *outcome, const char *actor, int64_t said_ms,
                      struct err *e);

struct store_counts {
    int64_t user_version, runs, unfinished, passed, failed, blocked, matrices, events, artifacts, supervisors;
    int64_t page_size, pages, free_pages, file_bytes, wal_bytes, artifact_bytes;
};
int store_info(struct store *s, struct store_counts *ret, struct err *e);
/* Integrity, foreign keys, invariants. Calls `bad` for each thing that does not hold; returns 0 when the check could be
 * made. */
int store_check(struct store *s, void (*bad)(void *ctx, const char *what), void *ctx, struct err *e);

#endif
