/* adapter.h - what makes one backend different from another inside a worker: argv, environment, generated files,
 * mounts. Everything else about an engine is the same for all. One file per backend; adapters.c has the table. */
#ifndef CTO_WORKER_ADAPTERS_ADAPTER_H
#define CTO_WORKER_ADAPTERS_ADAPTER_H

#include "common/err.h"
#include "common/msg.h"
#include "common/spec.h"
#include "sandbox/jail.h"

#define PLAN_ARGV_MAX 64
#define PLAN_ENV_MAX 48
#define PLAN_BINDS_MAX 8
#define PLAN_FILES_MAX 12
#define PLAN_LEFT_MAX 4

/* `path` in the workspace, of a file, or with a slash at its end of a folder: the files in it, one after the other by their names. */
struct plan_left {
    const char *path;
    enum out_stream as;
};

/* Filled by prepare(). Strings are literals or borrowed from the run spec, which outlives the plan. */
struct engine_plan {
    int state_fd; /* the directory that the engine sees read-only at /task: for generated files */
    const char *argv[PLAN_ARGV_MAX + 1];
    const char *env[PLAN_ENV_MAX + 1]; /* beside jail_default_env() */
    struct jail_bind
        binds[PLAN_BINDS_MAX]; /* beside /workspace, /task and the read roots; sources inside the worker's root */
    int n_argv, n_env, n_binds;
    const char *cwd;   /* inside; NULL: the workspace */
    const char *input; /* what it reads on stdin; NULL: nothing */
    int stop_signal;   /* with which a STOP asks it to end before it is killed; 0: killed at once */
    int64_t stop_grace_ms;
    /* Small files that are the engine's own from the start: in scratch, and in the workspace beside what is in the baseline (which
     * must not have them). Whoever puts some there makes the run's `ignore` name them. */
    struct jail_seed scratch[PLAN_FILES_MAX], workspace[PLAN_FILES_MAX];
    int n_scratch, n_workspace;
    /* What it leaves there that the evidence keeps (left.h). */
    struct plan_left left[PLAN_LEFT_MAX];
    int n_left;
};

struct adapter {
    const char *name;
    int (*prepare)(const struct run_spec *spec, struct engine_plan *plan, struct err *e);
};

/* NULL: no such backend. */
const struct adapter *adapter_by_name(const char *name);

extern const struct adapter adapter_fake, adapter_exec, adapter_codex, adapter_pi, adapter_case;

/* Writes one generated file, 0644, into the plan's state directory. */
int adapter_write(const struct engine_plan *plan, const char *name, const char *text, struct err *e);

#endif
