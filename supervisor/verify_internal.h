/* verify_internal.h - shared by verify*.c: what has been read of the directory so far. */
#ifndef CTO_SUPERVISOR_VERIFY_INTERNAL_H
#define CTO_SUPERVISOR_VERIFY_INTERNAL_H

#include <cjson/cJSON.h>

#include "supervisor/evidence.h"
#include "supervisor/verify.h"

#define VERIFY_MAX_FILES 1024
#define VERIFY_MAX_DIRS 64
#define VERIFY_MAX_DEPTH 6
#define VERIFY_MAX_FILE (16ull << 30)  /* a sparse file of a hostile copy must not keep us for ever */
#define VERIFY_MAX_TOTAL (64ull << 30) /* nor a thousand of them */
#define VERIFY_MAX_REPORT (64u << 20)
#define VERIFY_MAX_TYPES 128

struct verify_file {
    char path[256];
    uint64_t size;
    char sha256[DIGEST_HEX_SIZE]; /* of the bytes; set when SHA256SUMS agreed */
};

struct verify_state {
    struct verify_report *out;
    int dir;
    struct verify_file *files; /* sorted by path; without SHA256SUMS */
    int n_files;
    uint64_t total; /* bytes of them, as far as they were found */
    char dirs[VERIFY_MAX_DIRS][256];
    int n_dirs;
    bool any_document; /* also one of a comparison stands for report.json */

    /* events */
    uint32_t seq;
    char prev[DIGEST_HEX_SIZE];
    char run_id[RUN_ID_MAX], case_id[80], backend[32];
    char *types[VERIFY_MAX_TYPES]; /* distinct, in order of first occurrence; owned */
    int n_types;
    bool completed;
    char contract_digest[DIGEST_HEX_SIZE];             /* from task.contract.created */
    cJSON *completed_data, *gate_data, *approval_data; /* owned; NULL when there was none */
};

/* Notes the first thing that does not hold; returns -1. Later ones are dropped. */
int verify_bad(struct verify_state *v, const char *file, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
const struct verify_file *verify_find(const struct verify_state *v, const char *path);
/* Strict JSON of exactly n bytes: UTF-8, no NUL, nothing after it, bounded depth, no key twice. NULL when it is not. */
cJSON *verify_json(const char *text, size_t n);

int verify_files(struct verify_state *v);    /* the set of files, SHA256SUMS, digests */
int verify_required(struct verify_state *v); /* is the artifact set of a run complete? */
int verify_events(struct verify_state *v);   /* the chain */
int verify_result(struct verify_state *v);   /* report.json, report.md, task-contract.json against all of it */

#endif
