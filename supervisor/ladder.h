/* ladder.h - what has been proven, read from the store and held against the evidence: for the records that are computed from it
 * (packet, audit) and for whoever else shows it. A row alone proves nothing: the file that it names must lie among this home's runs
 * and have the digest that the row has. What cannot be read was not proven.
 *
 * Only words of this file come out: what a row says is compared with words that are known, and never handed on.
 */
#ifndef CTO_SUPERVISOR_LADDER_H
#define CTO_SUPERVISOR_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/digest.h"
#include "supervisor/home.h"
#include "supervisor/record.h"
#include "supervisor/stages.h"

struct store;

#define LADDER_BACKEND "case" /* whose ladder leads to candidate-default */
#define LADDER_REPEATS 2      /* so many different cases make a result repeatable */
#define LADDER_RUNS_MAX 200   /* newest accepted passes that are looked at */

/* Of the two kinds of proof the real one, when both hold. */
enum rung_status { RUNG_NOT_PROVEN, RUNG_MECHANICS, RUNG_VALIDATED };
const char *rung_status_name(enum rung_status s); /* "not_proven", "mechanics_validated", "validated" */

struct rung {
    enum rung_status status;
    int64_t proven_ms;
    char report_path[4096]; /* "" unless it holds */
    char sha256[DIGEST_HEX_SIZE];
    char why[160]; /* of RUNG_NOT_PROVEN: no row, another build, or what does not hold of its evidence */
};

struct repeat { /* a stage-5 pass that counts */
    char run_id[RUN_ID_MAX], case_id[CASE_ID_MAX + 1];
    char report_path[4096], sha256[DIGEST_HEX_SIZE];
};

struct ladder {
    struct rung rungs[STAGE_COUNT + 1];    /* by stage; [0] is the adapter interface */
    bool comparison_accepted;              /* the operator accepted the comparison that stage 6 names */
    bool candidate_default_eligible;       /* stages 1 to 6 validated, comparison accepted */
    struct repeat repeats[LADDER_REPEATS]; /* of different cases, newest first; the count goes on beyond */
    int repeatability_count;
    int not_holding;                  /* accepted passes whose evidence does not hold */
    const char *repeatability_status; /* "pass", "blocked", "fail" */
    bool repeatability_eligible;      /* of the candidate default */
};

/* `s` may be NULL: then nothing was ever proven. -1: the store cannot be read. */
int ladder_read(struct ladder *ret, const struct home *h, struct store *s, const char *backend, struct err *e);
/* What follows from the rungs, the acceptance and the counts. Pure. */
void ladder_conclude(struct ladder *l);

/* Bytes of a file among this home's runs: `path` as a row has it. NULL with a reason when it is elsewhere, cannot be read, is
 * longer than 64 MiB or has another digest. */
char *ladder_evidence(const struct home *h, const char *path, const char *sha256, char why[160]);

#endif
