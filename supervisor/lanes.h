/* lanes.h - the comparison of stage 6 (design: stages, row 6): what the lanes fake, case, codex and pi (and the candidate, where it is
 * another backend) show of themselves in five dimensions, and whether the candidate matches or beats the default lane in each. Pure:
 * reports and counts in, a document out.
 *
 * A lane that was not run is blocked and says why; it is never left out. A lane that ran on our test double shows mechanics: its
 * dimensions are told, and it counts for nothing.
 */
#ifndef CTO_SUPERVISOR_LANES_H
#define CTO_SUPERVISOR_LANES_H

#include <stdbool.h>

#include "common/json.h"
#include "supervisor/blockers.h"

enum lane_status { LANE_BLOCKED, LANE_FAIL, LANE_PASS };
const char *lane_status_name(enum lane_status s); /* "blocked", "fail", "pass" */

enum dimension { DIM_SHAPE, DIM_EVENTS, DIM_PATHS, DIM_CLOSURE, DIM_ARTIFACTS, DIM_COUNT };
const char *dimension_name(enum dimension d); /* "report_shape" and so on */

/* What people know why these are not run. */
#define LANE_NO_CODEX "not run without explicit Codex admission"
#define LANE_NO_PI "not run without explicit Pi probe and admission"

struct lane_state {
    const char *name;
    bool ran, on_double;
    char rationale[300]; /* of one that did not run */
    char report[4096];   /* of its run; "" */
    enum lane_status dims[DIM_COUNT];
    char why[DIM_COUNT][200]; /* of one that is no pass */
};

/* A run as it is judged. */
struct lane_run {
    const cJSON *report;   /* NULL: there is none */
    const cJSON *baseline; /* the default lane's report of the same case; NULL for that lane itself */
    bool verifies;
    const char *verify_why;  /* when it does not */
    const char *absent;      /* the first file of the artifact set that is not there; NULL */
    int closed, rows, open;  /* failure rows that closed as they must, of how many; and those that did not */
    const char *closure_why; /* why there are no rows; NULL */
};
void lane_judge(struct lane_state *l, const struct lane_run *r);
/* Blocked as a whole. */
void lane_block(struct lane_state *l, const char *rationale);
enum lane_status lane_conclude(const struct lane_state *l); /* of all dimensions: the worst */

enum parity { PARITY_BLOCKED, PARITY_BELOW, PARITY_MATCHES, PARITY_BEATS };
const char *parity_name(enum parity p);
enum parity lane_parity(const struct lane_state *candidate, const struct lane_state *fake, enum dimension d);

/* {dimension: {lane: {status, proof_kind, rationale}, .., parity}}; the first lane is the default one. */
cJSON *lanes_dimensions(const struct lane_state *lanes, int n, const struct lane_state *candidate);
/* {lane: {status, proof_kind, rationale, report}} */
cJSON *lanes_summary(const struct lane_state *lanes, int n);

/* --- the twelve failure classes, and the stage whose validator shows each of them on the lane that it validates --- */
#define FAILURE_CLASSES 12
struct failure_class {
    const char *name; /* fixture and class */
    enum blocker blocker;
    int stage;           /* 2..4 */
    const char *no_fake; /* why the default lane cannot show it; NULL: it does */
};
const struct failure_class *failure_class_at(int i);

#endif
