/* subject.h - the repository that a governed run is about (design: stages, "The proof ladder"; governance, "Target repository
 * admission").
 *
 *   fixture     the case's own folder, copied (stages 1 and 2, and the default lane)
 *   source      a local repository of the operator's, copied and never changed (stage 3)
 *   disposable  one that the harness makes of the fixture, to which the result is landed, and which then goes (stage 4)
 *   target      an admitted repository that somebody owns, to which the result is landed, and which waits for a human (stage 5)
 *
 * The agent sees none of the last three: it works on a copy of HEAD's tree, made from git's objects and nothing else, in the
 * workspace that every run has. What it may change is what both the case and the admission allow. A result gets back as names,
 * modes and contents of files; the supervisor makes tree and commit of them itself (land.h).
 *
 * No path of a source or a target is in a contract, a report, an event or a trace: they say the admission's id, or a word.
 *
 * On disk, beside the run's work directory: work/<run_id>.subject/ with fixture/ (what the worker copies), blobs (the contents to
 * be landed, one after the other), disposable/ (the repository of stage 4).
 */
#ifndef CTO_SUPERVISOR_SUBJECT_H
#define CTO_SUPERVISOR_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/err.h"
#include "supervisor/case.h"
#include "supervisor/land.h"
#include "supervisor/record.h"
#include "supervisor/repo.h"

enum subject_kind { SUBJECT_FIXTURE, SUBJECT_SOURCE, SUBJECT_DISPOSABLE, SUBJECT_TARGET };
const char *
subject_kind_name(enum subject_kind k); /* "copied-fixture", "copied-repository", "disposable-repository", "target" */
/* What a run of this case at this stage is about. */
enum subject_kind subject_kind_of(const struct cto_case *c, int stage);
static inline bool subject_lands(enum subject_kind k) { return k == SUBJECT_DISPOSABLE || k == SUBJECT_TARGET; }

#define SUBJECT_SUFFIX ".subject"
#define SUBJECT_MAX_CHANGES RECORD_MAX_CHANGES

/* What is known of it, in a run's record. */
struct run_subject {
    enum subject_kind kind;
    char path[4096];                                          /* of source and target; never told */
    char admission_id[96], admission_sha256[DIGEST_HEX_SIZE]; /* of a target; "" */
    char owner[200];                                          /* of a target, as its admission has it */
    char approval_source[400];                                /* likewise */
    char head[OID_SIZE], tree_before[OID_SIZE], branch[256];
    bool start_clean, end_clean;
    char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE]; /* of a source: everything in it */
    struct repo_facts repo;

    /* the result as it would be landed: LAND, TREE and ARTIFACT_BLOBS frames */
    char tree[OID_SIZE];
    struct land_change *changes; /* owned, paths too */
    uint64_t *sizes;             /* owned; of each change's contents */
    int n_changes, cap_changes;
    uint64_t blobs_seen; /* bytes that came */
    bool blobs_whole;    /* and the end of them, of just so many */
    uint64_t blobs_written;
    int blobs_fd; /* -1; owned */

    /* what became of it */
    char commit[OID_SIZE], revert_commit[OID_SIZE]; /* "" */
    char outcome[16], outcome_actor[160];           /* accepted, rejected, missing; "" */
    int64_t outcome_ms, outcome_due_ms;
};
/* branch, base, remotes [], push and merge allowed: false; the caller owns it. */
cJSON *subject_branch_policy(const struct run_subject *s);
void subject_free(struct run_subject *s); /* NULL is fine */

/* Takes a copy of the path. ERR_PROTO when there are more than can be. */
int subject_add_change(struct run_subject *s, const struct land_change *c, uint64_t size, const char *path, size_t n,
                       struct err *e);

/* Names below work/: the subject's own directory, and in it. */
void subject_path(const struct run_record *r, const char *name, char *out, size_t size);
/* Makes work/<run_id>.subject/ and what the worker copies. `e` names no path of the operator's. */
int subject_prepare(struct run_record *r, struct err *e);
/* The next bytes of the contents. */
int subject_take_blobs(struct run_record *r, const void *p, size_t n, struct err *e);
/* Is what came complete, and every path of it allowed? Else why not, as a sentence. */
bool subject_landing_fits(const struct run_record *r, char *why, size_t size);
/* Lands it; commit or an error. Blocks on the disk: for the thread pool. */
struct store;
int subject_land(struct store *s, struct run_record *r, struct err *e);
/* One commit that takes back what the run landed; said twice it is the same one. Tries for two seconds: git of the operator's may hold
 * its lock for a moment. */
int subject_take_back(struct store *s, const char *run_id, const char *reason, char ret_commit[OID_SIZE],
                      struct err *e);
/* Looks at it once more when the run is over: end_clean, after. */
void subject_look_again(struct run_record *r);
/* Removes work/<run_id>.subject. */
void subject_remove(const struct run_record *r);

#endif
