/* matrix_report.h - report.json and report.md of a set of runs, under <runs>/<matrix_id>/, with SHA256SUMS over both.
 * */
#ifndef CTO_SUPERVISOR_MATRIX_REPORT_H
#define CTO_SUPERVISOR_MATRIX_REPORT_H

#include "common/digest.h"
#include "supervisor/home.h"
#include "supervisor/record.h"

/* YYYYMMDDTHHMMSSZ-<kind>-<pid> (without the pid where its form has none), suffix -2.. when the directory exists or reserve() says ERR_CONFLICT. reserve() puts the
 * store's row in place BEFORE the directory (0700) is made, so that no directory exists which recovery cannot find. */
typedef int (*matrix_reserve_fn)(void *ctx, const char *matrix_id, struct err *e);
int matrix_dir_create(const struct home *h, const char *kind, bool with_pid, int64_t started_ms,
                      matrix_reserve_fn reserve, void *ctx, char matrix_id[RUN_ID_MAX], struct err *e);

struct matrix_row {
    char run_id[RUN_ID_MAX]; /* "" when the cell never became a run */
    const char *case_id, *backend;
    enum verdict status, expected; /* status NONE: did not run */
    bool as_expected;
    enum blocker blockers[BLOCKER_COUNT];
    int n_blockers;
    int64_t duration_ms;
    int64_t phase_ms[RUN_STATE_COUNT]; /* 0: not entered */
    char report_sha256[DIGEST_HEX_SIZE];
    char note[200]; /* why it did not run, or in what it differs from the expectation */
};
/* Fills a row from a sealed record. as_expected: status and the set of blocker reasons are those of the case. */
void matrix_row_fill(struct matrix_row *ret, const struct run_record *r, const char *report_sha256);

struct matrix_summary {
    const char *matrix_id, *kind, *backend;
    int64_t started_ms, finished_ms;
    bool interrupted;
    int jobs;
    const char *harness_version, *build_id, *host, *kernel;
    const struct matrix_row *rows;
    int n_rows;
};
/* Writes report.md, report.json, SHA256SUMS, fsyncs; returns path and digest of report.json. `ok` in the report (and
 * the command's exit 0) means: every row ran and is as expected, and nothing interrupted it. */
int matrix_report_write(const struct home *h, const struct matrix_summary *m, char path[4096],
                        char sha256[DIGEST_HEX_SIZE], bool *ret_ok, struct err *e);

#endif
