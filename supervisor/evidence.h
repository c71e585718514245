/* evidence.h - one open run directory: the artifact set of a run while it is written, and its sealing.
 *
 * The supervisor is the only writer. Files are made with O_EXCL below a held directory descriptor, streamed with
 * write(2), opened when first needed (events, trace, patch, stdout, stderr, test.log, the three of Case: at most ten
 * descriptors with the directory). Not thread-safe; one evidence may move to another thread between calls (sealing runs in the thread
 * pool).
 *
 *     evidence_create -> events, trace, output ... -> evidence_complete -> event run.completed -> evidence_seal
 *
 * What `verify` later expects from the events of the caller (helpers make the data):
 *   task.contract.created  data.digest = digest that evidence_contract() returned, data.path = "task-contract.json"
 *   run.completed          evidence_completed_data(): data.status, data.blockers = [reason..]; the last event
 *   backend.gate.blocked   data.backend, gate, reason, mutation_mode, case_executed
 *
 * events.normalized.jsonl: one object a line; `prev` is the SHA-256 of the bytes of the previous line without its
 * newline, 64 zeros in the first line; seq counts from 1.
 */
#ifndef CTO_SUPERVISOR_EVIDENCE_H
#define CTO_SUPERVISOR_EVIDENCE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/msg.h"
#include "supervisor/home.h"
#include "supervisor/record.h"
#include "supervisor/secrets.h"

struct evidence; /* opaque */

#define EVIDENCE_SUMS "SHA256SUMS"
#define EVIDENCE_REPORT "report.json"
#define EVIDENCE_REPORT_MD "report.md"
#define EVIDENCE_EVENTS "events.normalized.jsonl"
#define EVIDENCE_TRACE "trace.jsonl"
#define EVIDENCE_CONTRACT "task-contract.json"
#define EVIDENCE_PATCH "patch.diff"
#define EVIDENCE_TEST_LOG "test.log"
#define EVIDENCE_ATTESTATION "run.intoto.jsonl"
#define EVIDENCE_LINE_MAX (4u << 20) /* longest event line */
#define EVIDENCE_ZERO_PREV "0000000000000000000000000000000000000000000000000000000000000000"

/* Composes run_id (YYYYMMDDTHHMMSSZ-<case_id>-<pid>, from r->started_ms; now when 0), run_dir and work_dir into `r`,
 * calls reserve() to put the store's row in place BEFORE the exclusive mkdir, then makes run_dir and run_dir/backend
 * (0700). reserve() returning ERR_CONFLICT or an existing directory takes the next suffix: -2, -3, ... work_dir is only
 * named, not made. ERR_CONFLICT from here means: the directory appeared between the look and the mkdir, the reserved
 * row is still there (store_run_forget). r->c, r->engine must be set. reserve may be NULL. */
typedef int (*evidence_reserve_fn)(void *ctx, struct run_record *r, struct err *e);
int evidence_create(const struct home *h, struct run_record *r, evidence_reserve_fn reserve, void *ctx,
                    struct evidence **ret, struct err *e);
/* Recovery after a supervisor's death: keeps what exists, cuts events to the longest valid chain without run.completed,
 * trace to whole lines, removes report.json, report.md, run.intoto.jsonl and SHA256SUMS. A run_dir that was never made
 * is made. r->run_id, r->c and r->engine must be set. */
int evidence_reopen(const char *run_dir, struct run_record *r, struct evidence **ret, struct err *e);
void evidence_free(struct evidence *ev); /* closes; NULL is fine */

/* Total bytes of streamed artifacts (patch, output, test.log); more is ERR_LIMIT, and what did not fit is not written.
 * Events, trace, contract, markers and the files of the seal are counted but always written. 0: no limit. */
void evidence_set_budget(struct evidence *ev, int64_t bytes);
uint64_t evidence_bytes(const struct evidence *ev);

/* From here on no known value reaches the disk, and what was found is counted there; borrowed, NULL: none is known. Before the first
 * byte of an agent's. */
void evidence_set_secrets(struct evidence *ev, struct secrets *s);
/* The streams of output and patch have ended: what was held back because it might become a known value is written. */
int evidence_flush(struct evidence *ev, struct err *e);
/* patch.diff from here on is a line that says why it is not there. */
int evidence_withhold_patch(struct evidence *ev, struct err *e);

/* Events and trace have room set aside from their first line on: those that tell how an agent filled the disk can be written.
 * `data` (an object, NULL: {}) is taken, also on failure. A failed append leaves the chain as it was. */
int evidence_event(struct evidence *ev, const char *type, cJSON *data, struct err *e);
int evidence_trace(struct evidence *ev, const char *step, uint64_t start_us, uint64_t dur_us, bool ok,
                   const char *detail, struct err *e);
int evidence_output(struct evidence *ev, enum out_stream stream, const void *p, size_t n, struct err *e);
int evidence_patch(struct evidence *ev, const void *p, size_t n, struct err *e);
/* backend/<name>, once per name; at most 24 of 256 KiB each. */
int evidence_marker(struct evidence *ev, const char *name, const char *text, struct err *e);
/* A line of the harness's own in test.log: which command runs, why there is none. A newline is added. */
int evidence_test_log(struct evidence *ev, const char *text, struct err *e);
/* Writes task-contract.json; its digest goes into the event task.contract.created. */
int evidence_contract(struct evidence *ev, const struct run_record *r, char digest[DIGEST_HEX_SIZE], struct err *e);

/* Distinct event types so far, in order of their first occurrence. Valid until the next event. */
size_t evidence_event_types(const struct evidence *ev, const char *const **ret);
/* The first event that must have come and did not, or came in the wrong order; NULL: all as required. A run that was
 * gated out has the four events of a preflight block, any other what its case requires. `completed_follows`: judge as
 * if run.completed came next. */
const char *evidence_missing_event(const struct evidence *ev, const struct run_record *r, bool completed_follows);
/* The first required event that came, but not in its place; NULL: none. What a run that ended early did not come to is not asked.
 * Only what recovery finds can have one. */
const char *evidence_misplaced_event(const struct evidence *ev, const struct run_record *r);
cJSON *evidence_completed_data(const struct run_record *r);

/* Call before run.completed: makes patch.diff and test.log (with the reason why there is none) where they are missing,
 * and checks that everything written is still there, whole, and written since the start. An error is an
 * artifact_write_failure. */
int evidence_complete(struct evidence *ev, const struct run_record *r, struct err *e);

/* A run that waits for a human before it is sealed: a digest of all that is there by now. *events_bytes: how much of the events
 * belongs to it; negative: all, and it is filled. A later call with that number gives the same digest while nobody has touched
 * anything. */
int evidence_fix(const char *run_dir, int64_t *events_bytes, char ret[DIGEST_HEX_SIZE], struct err *e);
/* Takes back what came after that: a supervisor died while it finished the run. */
int evidence_cut_events(const char *run_dir, int64_t bytes, struct err *e);

struct seal_binary {
    const char *name, *sha256;
};
struct seal_input {
    const cJSON *eligibility; /* the decision, borrowed; NULL: null in the report */
    const char *host, *kernel, *harness_version, *build_id;
    const struct seal_binary *binaries;
    int n_binaries;
    const char *home, *cases; /* for the commands under "How to reproduce"; NULL: left out */
};

struct seal_artifact {
    char path[128];
    char sha256[DIGEST_HEX_SIZE];
    uint64_t size;
    int64_t written_ms, checked_ms;
};
struct seal_event {
    uint32_t seq;
    const char *type; /* in the summary's own table */
    int64_t ts_ms;
};
struct seal_summary {
    struct seal_artifact *artifacts; /* every file of the directory, sorted by path */
    int n_artifacts;
    struct seal_event *events; /* the first EVIDENCE_INDEX_MAX of them */
    int n_events;
    uint32_t events_total;
    char **types; /* owned names behind events[].type */
    int n_types;
    char events_head[DIGEST_HEX_SIZE]; /* digest of the last line */
    char report_sha256[DIGEST_HEX_SIZE], sums_sha256[DIGEST_HEX_SIZE];
    uint64_t total_bytes;
};
#define EVIDENCE_INDEX_MAX 2000
void seal_summary_release(struct seal_summary *s);

/* The last steps in their order: digests, report.md, report.json, SHA256SUMS, fsync of files and directories.
 * run.completed must be the last event. Touches only `ev` and `r`: may run in a thread pool. After an error the run is
 * not sealed. */
int evidence_seal(struct evidence *ev, struct run_record *r, const struct seal_input *in, struct seal_summary *ret,
                  struct err *e);

/* Recovery: is there a SHA256SUMS and does all of the directory verify (as `verify` would)? Then the verdict is
 * adopted: status, blockers, finished_ms into `r`, and the summary for store_run_sealed(). */
bool evidence_is_sealed(const char *run_dir, const char *run_id);
int evidence_read_verdict(const char *run_dir, struct run_record *r, struct seal_summary *ret, struct err *e);

#endif
