/* inspect.h - what every step of the inspector shares: its arguments, its limits and its entry points.
 *
 * One process runs one step on one run's workspace and ends. Everything below the workspace directory was written by
 * the agent, also while we read it; everything below the odb directory was written by inspectors of this run alone.
 *
 * Error codes carry a meaning here (err.h): ERR_PARSE, ERR_MISSING and ERR_LIMIT say that what the agent left is
 * corrupt, absent or too large, which is a result; every other code says that we could not do our work, which is a
 * failure.
 */
#ifndef CTO_WORKER_INSPECT_INSPECT_H
#define CTO_WORKER_INSPECT_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/msg.h"
#include "common/spec.h"

#define INSPECT_NAME "cto-harness"
#define INSPECT_EMAIL "harness@localhost"
#define INSPECT_BRANCH "main"
#define INSPECT_EPOCH 1700000000 /* the baseline's date; generated history ends there */
#define INSPECT_ZERO_OID "0000000000000000000000000000000000000000"

#define MAX_OBJECTS 2000000u       /* objects or tree entries looked at in one step */
#define MAX_COMMITS 10000u         /* new commits */
#define MAX_BLOB (256u << 20)      /* one blob, one file of the worktree */
#define MAX_TREE (64u << 20)       /* one tree object */
#define MAX_COMMIT_SIZE (1u << 20) /* one commit object */
#define MAX_PARENTS 64u            /* of one commit */
#define MAX_TOTAL (4ull << 30)     /* bytes read or copied in one step */
#define MAX_CPU_S 30u              /* processor time of one step, or of one look, when it reads objects */
#define MAX_DEPTH 256u             /* directories above a file */
#define MAX_PATH 4095u             /* bytes of a path inside the repository */
#define MAX_FILES 1000000u         /* entries of a flattened tree, or of a walk of the worktree */
#define MAX_CHANGES 200000u        /* CHANGE frames */
#define MAX_DIRTY 200u             /* DIRTY frames */
#define MAX_ATTEMPTS 8u            /* ATTEMPT frames */
#define MAX_LANDING (512ull << 20) /* contents that are landed */
#define MAX_INDEX (128u << 20)     /* .git/index */
#define MAX_FIXTURE (512u << 20)   /* bytes of a fixture: it is packed in memory */
#define MAX_HISTORY 10000

struct inspect_args {
    unsigned step; /* one INSPECT_* bit of msg.h */
    const char *ws, *odb, *out, *baseline, *head, *run_id;
    const char *submodules[SPEC_MAX_SUBMODULES];
    int n_submodules;
    const char *ignore[SPEC_MAX_PATHS];
    int n_ignore;
    int history;
    int start_looks; /* the first dirty one of this many looks lists its dirt */
    bool empty, made_by_harness, landing, contents;
    pid_t parent; /* 0: none given */
};

/* Fills *ret from the command line; strings are borrowed from argv. ERR_USAGE says what is wrong. */
int args_parse(int argc, char **argv, struct inspect_args *ret, struct err *e);
const char *args_step_name(unsigned step);

/* The steps. Each is called confined (see main.c), writes its frames to INSPECT_FD_OUT, and does not send DONE or
 * FAILED. */
/* *ret_class: whose fault an error is; the watch step changes it when the agent's time begins. */
int step_watch(const struct inspect_args *a, enum failed_class *ret_class, struct err *e);
int step_commit(const struct inspect_args *a, struct err *e);
int step_census(const struct inspect_args *a, struct err *e);
int step_diff(const struct inspect_args *a, struct err *e);
int step_checkout(const struct inspect_args *a, struct err *e);

/* Did the agent's bytes cause it (see above), or is it our trouble? */
static inline bool inspect_is_finding(const struct err *e) {
    return e->code == ERR_PARSE || e->code == ERR_MISSING || e->code == ERR_LIMIT;
}

#endif
