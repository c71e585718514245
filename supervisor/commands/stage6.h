/* stage6.h - `validate stage6`: the comparison of lanes in the making (design: stages, row 6). */
#ifndef CTO_SUPERVISOR_COMMANDS_STAGE6_H
#define CTO_SUPERVISOR_COMMANDS_STAGE6_H

#include "supervisor/commands/lane_run.h"
#include "supervisor/comparison.h"
#include "supervisor/engines.h"
#include "supervisor/ladder.h"
#include "supervisor/lanes.h"
#include "supervisor/source_fresh.h"

#define STAGE6_LANES 5
#define STAGE6_CHECKS 16

struct stage6_check {
    const char *name;
    enum lane_status status;
    char why[400]; /* when it is no pass */
};
struct stage6_row { /* of the failure matrix */
    enum lane_status fake, candidate;
    char fake_why[200], candidate_why[200], fake_report[4096], candidate_report[4096];
    bool candidate_on_double;
};

struct stage6 {
    const struct global_options *g;
    const struct engine *engine; /* the candidate */
    const char *case_id;
    struct home home;
    struct ladder ladder;
    struct lane_state lanes[STAGE6_LANES];
    int n_lanes;
    struct lane_state *candidate;
    struct stage6_row rows[FAILURE_CLASSES];
    struct source_fresh source;
    struct stage6_check checks[STAGE6_CHECKS];
    int n_checks;
    cJSON *below, *below_errors; /* what was done to prove the stages before it */
    int below_code;              /* an exit code */
    bool interrupted;
    struct progress *progress; /* of what is done here, after the stages below */
    struct comparison made;
};

void stage6_check(struct stage6 *x, const char *name, enum lane_status s, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool stage6_failed(const struct stage6 *x);             /* a check failed */
enum rung_status stage6_status(const struct stage6 *x); /* what it proves */

/* stage6_document.c */
cJSON *stage6_document(const struct stage6 *x);
char *stage6_text(const struct stage6 *x); /* report.md; malloc'd */
int stage6_print(const struct stage6 *x);

/* Proves the stages before it first where they are not. An exit code. */
int validate_stage6(const struct global_options *g, const char *engine, const char *case_id);

#endif
