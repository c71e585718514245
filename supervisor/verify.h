/* verify.h - does a run directory hold? Offline, on a copy, trusting nothing in it: bounded reads, no links followed.
 * Checks, in this order: the set of files against SHA256SUMS (strict format, sorted, nothing else there), digests, the
 * event chain, report.json against itself, the files and the events, the task contract. The first thing that does not
 * hold is named.
 */
#ifndef CTO_SUPERVISOR_VERIFY_H
#define CTO_SUPERVISOR_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/err.h"
#include "supervisor/blockers.h"

struct verify_report {
    bool ok;
    char file[256]; /* the file that does not hold, "" when it is the directory itself */
    char what[400]; /* what does not hold */
    char run_id[160], case_id[80], status[16];
    char report_sha256[DIGEST_HEX_SIZE], sums_sha256[DIGEST_HEX_SIZE];
    int files;
    uint32_t events;
    uint64_t bytes;
};

/* 0: the check was made, see ret->ok. -1: it could not be made (no such directory, no memory). `expect_run_id` may be
 * NULL. */
int verify_run_dir(const char *dir, const char *expect_run_id, struct verify_report *ret, struct err *e);

/* Documents of comparisons (comparison.h): such a directory has one of them where a matrix has report.json. */
#define VERIFY_STAGE6_FILE "stage6-candidate-default-comparison.json"
#define VERIFY_REFRESH_FILE "stage6-real-governed-refresh-comparison.json"

/* The same for the directory of a matrix or comparison: the set of files and their digests. report_sha256 is of its document. */
int verify_matrix_dir(const char *dir, struct verify_report *ret, struct err *e);

/* One line of SHA256SUMS form at a time; shared with the sealing. Strict: 64 lower-case hex digits, two spaces, plain
 * relative path, newline. Returns the length of the line or 0. */
struct sums_line {
    const char *path;
    size_t path_len;
    char sha256[DIGEST_HEX_SIZE];
};
size_t sums_parse_line(const char *p, size_t n, struct sums_line *ret);

#endif
