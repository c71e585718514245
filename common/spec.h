/* spec.h - RUN_SPEC: everything a worker is told, once. Built by the supervisor, strict JSON on the wire.
 *
 * Strings of a parsed spec point into its document and live until spec_release(). A spec built by the supervisor borrows
 * everything; spec_emit() is then the only use. Unknown keys are refused with their path.
 */
#ifndef CTO_COMMON_SPEC_H
#define CTO_COMMON_SPEC_H

#include <stdint.h>
#include <sys/types.h>

#include "common/json.h"

#define SPEC_MAX_ARGV 64
#define SPEC_MAX_VERIFY 16
#define SPEC_MAX_PATHS 132 /* a list of the case's, and a few of the engine's own */
#define SPEC_MAX_SUBMODULES 8
#define SPEC_MAX_HIDDEN 8

enum commit_by { COMMIT_AGENT, COMMIT_HARNESS };
extern const char *const commit_by_words[]; /* "agent", "harness", NULL */

struct spec_command {
    const char *argv[SPEC_MAX_ARGV + 1]; /* NULL-terminated */
    int argc;
    int64_t timeout_ms;
};

/* 0 means: the profile's own default. The table in sandbox/profile.c has the defaults. */
struct spec_limits {
    int64_t memory_bytes, processes, cpu_s, disk_bytes, inodes, open_files, file_bytes, scratch_bytes;
    int64_t output_bytes; /* of the engine, both streams together; the same again for each verification command */
    int64_t log_lines;
};

struct spec_submodule {
    const char *path;    /* in the workspace */
    const char *fixture; /* directory beside the fixture, relative to the case directory */
};

struct run_spec {
    const char *run_id, *build_id;
    const char *case_dir;    /* absolute; holds fixture/ */
    const char *fixture;     /* relative to case_dir; NULL: an empty repository */
    const char *work_dir;    /* absolute; exists, empty, 0700; the worker makes ws, odb, check, state in it */
    const char *libexec_dir; /* absolute; cto-harness-inspect and cto-harness-fake-agent are there */
    int64_t supervisor_pid;
    int64_t engine_uid,
        verifier_uid; /* root mode: unprivileged kernel uids of this run's slot; -1 as an ordinary user */

    /* baseline */
    bool baseline_empty;      /* no commit at all before the agent's first one: HEAD unborn */
    int64_t history_commits;  /* generated commits before the fixture's */
    const char *generate_dir; /* the workspace gets generate_count files of generate_size bytes below it; NULL: none */
    int64_t generate_count, generate_size;
    struct spec_submodule submodules[SPEC_MAX_SUBMODULES];
    int n_submodules;
    const char *dirty_start; /* fake steps (JSON text) run after the baseline, before the start check; or NULL */
    bool clean_start_required, diff_required;

    /* engine */
    const char *engine;        /* adapter name */
    const char *engine_config; /* JSON text for the adapter: for fake {"steps":[...]}; or NULL */
    const char *
        program; /* absolute host path of the engine's program, or of the tree it is in, shown to it elsewhere; NULL: the adapter has its own */
    const char *interpreter; /* likewise of the program that reads it; NULL: none, or one that is in every jail */
    const char *task;        /* text of task.md */
    enum commit_by commit;
    bool network_none;    /* no loopback in the jails */
    int64_t gateway_port; /* of the engine's 127.0.0.1, where the model gateway listens; 0: there is none */
    int64_t inspect_ms;   /* how long one inspector may take; 0: INSPECT_DEADLINE_US of the worker */
    const char *ignore[SPEC_MAX_PATHS]; /* the case's, and what the engine puts there itself */
    int n_ignore;
    const char
        *read_roots[SPEC_MAX_PATHS]; /* absolute host paths an engine needs, mounted read-only at the same place */
    int n_read_roots;
    const char *hidden[SPEC_MAX_HIDDEN]; /* the harness's own directories: no read root may show them */
    int n_hidden;
    const char *person_home;  /* of whoever started this; or NULL */
    int64_t landlock_abi_min; /* less is no sandbox for this case; 0: any */
    struct spec_limits limits;

    /* verification */
    struct spec_command verify[SPEC_MAX_VERIFY];
    int n_verify;
    const char *pristine[SPEC_MAX_PATHS]; /* restored from the fixture into the checkout before verification */
    int n_pristine;

    bool contents;       /* all contents of the result are wanted, to be searched (ARTIFACT_BLOBS before the patch) */
    bool landing;        /* the result's contents are wanted too (LAND, TREE, ARTIFACT_BLOBS) */
    bool keep;           /* leave the work directory in place */
    struct json_doc doc; /* owns the strings of a parsed spec */
};

char *spec_emit(const struct run_spec *s); /* malloc'd JSON; aborts when memory is out */
int spec_parse(struct run_spec *ret, const void *p, size_t n, struct err *e);
void spec_release(struct run_spec *s);

#endif
