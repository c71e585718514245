/* out.h - the frames an inspector writes. All go to INSPECT_FD_OUT, in order, blocking. Layouts: common/msg.h. */
#ifndef CTO_WORKER_INSPECT_OUT_H
#define CTO_WORKER_INSPECT_OUT_H

#include <git2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/msg.h"

/* Where frames go: INSPECT_FD_OUT, or what a test has set. */
void out_set_fd(int fd);
int out_fd(void);

int out_baseline(const char *oid, bool clean, uint32_t files, uint64_t bytes, uint32_t commits, struct err *e);
int out_look(bool moved, bool clean, const char *head, uint64_t fingerprint, struct err *e);
int out_dirty(char letter, const char *path, size_t n, struct err *e);
int out_change(unsigned scope, char letter, uint32_t old_mode, uint32_t new_mode, const char *path, struct err *e);
int out_commit(const git_commit *c, struct err *e);

struct out_result {
    enum result_kind kind;
    const char *head; /* "" when there is none */
    bool clean, made_by_harness;
    uint32_t dirty_paths, commits;
    const char *detail;
};
int out_result(const struct out_result *r, struct err *e);

int out_attempt(enum attempt_kind kind, const char *name, size_t n, struct err *e);

/* A step of ours, for trace.jsonl: `start` is clock_mono_us() of its beginning, the duration is until now. */
int out_trace(const char *step, uint64_t start, bool ok, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
int out_tree(const char *oid, struct err *e);
int out_land(uint32_t mode, const char *oid, uint64_t size, const char *path, struct err *e);
#define OUT_CHUNK 16383u                                                       /* of an artifact in one frame */
int out_artifact(enum artifact_id id, const void *p, size_t n, struct err *e); /* at most OUT_CHUNK */
int out_artifact_end(enum artifact_id id, uint64_t total, struct err *e);
void out_failed(enum failed_class c, const struct err *why); /* best effort: the reader may be gone */
int out_done(struct err *e);

/* Hostile bytes for a message: printable ASCII as it is, the rest as \ooo, cut with "..." at the end of the buffer. */
#define OUT_QUOTE_SIZE 200
const char *out_quote(const char *p, size_t n, char buffer[OUT_QUOTE_SIZE]);

/* libgit2's last error as ours. `code` is what it means here; out of memory and file system errors become ERR_SYS. */
int out_git_error(struct err *e, enum err_code code, const char *what);

#endif
