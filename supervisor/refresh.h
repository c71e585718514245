/* refresh.h - two stage-5 passes of different cases, imported and judged again (design: stages, "Refresh and repeatability"). Pure: what
 * was read comes in, what holds comes out. A pass counts when every dimension of it holds; one that does not hold is a fail, what
 * cannot be asked is blocked, and neither is ever left out.
 */
#ifndef CTO_SUPERVISOR_REFRESH_H
#define CTO_SUPERVISOR_REFRESH_H

#include "common/digest.h"
#include "common/json.h"
#include "supervisor/ladder.h"
#include "supervisor/lanes.h"
#include "supervisor/source_fresh.h"

enum refresh_dim {
    REFRESH_EVIDENCE, /* verifies, is what the store sealed, is a real pass of stage 5; its proof says the same */
    REFRESH_SHAPE,
    REFRESH_EVENTS,
    REFRESH_PATHS,
    REFRESH_CLOSURE, /* carried forward from stage 6 */
    REFRESH_ARTIFACTS,
    REFRESH_ACTIONS,  /* no forbidden action was attempted */
    REFRESH_ACCEPTED, /* the operator accepted it: report, proof and store say so */
    REFRESH_APPROVAL, /* who allowed it, and that it was used up by this run */
    REFRESH_SOURCE,   /* source admission freshness */
    REFRESH_TARGET,   /* the target still has the landed commit, and nothing was written to it now */
    REFRESH_STANDING, /* nothing in it activates or promotes; named so that its own name does not */
    REFRESH_SECRETS,  /* no key in it is shaped like a secret's */
    REFRESH_RERUN,    /* the verification again, on the landed commit, in a fresh jail */
    REFRESH_DIMS
};
const char *refresh_dim_name(enum refresh_dim d);

struct refresh_facts {                      /* of one pass, as it was found */
    const cJSON *report, *proof, *contract; /* NULL: not there */
    const char *run_id, *case_id, *backend; /* of the store's row */
    bool verifies, sealed;                  /* the directory; and its report is the one of the row */
    const char *verify_why, *absent;
    bool said_accepted;     /* in the store */
    bool approval_found;    /* an approval that this run claimed */
    bool approval_consumed; /* by a pass */
    const char *approval_id, *approval_actor;
    const struct source_fresh *source;
    bool target_known; /* its admission is recorded, newest and not revoked */
    bool target_looked, target_has_commit, target_untouched;
    const char *target_why;
    enum lane_status rerun;
    const char *rerun_why;
    enum lane_status closure; /* of the stage-6 comparison that is carried forward */
    const char *closure_why;
};

struct refresh_pass {
    enum lane_status dims[REFRESH_DIMS];
    char why[REFRESH_DIMS][240];
};
void refresh_judge(struct refresh_pass *ret, const struct refresh_facts *f);
enum lane_status refresh_pass_status(const struct refresh_pass *p); /* the worst of its dimensions */
cJSON *refresh_pass_json(const struct refresh_pass *p);             /* {dimension: {status, rationale}} */

/* What follows: `n` passes of different cases (1 or 2). */
struct refresh_result {
    int count;             /* of passes that hold in every dimension; 0 while stage 5 or 6 is not validated */
    const char *status;    /* "pass", "blocked", "fail" */
    bool passed, eligible; /* the latter: of the candidate default, as the ladder has it */
    char why[240];         /* of what is no pass */
};
void refresh_conclude(struct refresh_result *ret, const struct refresh_pass *passes, int n, const struct ladder *l);

/* The first key that is shaped like a secret's; NULL: none. */
const char *refresh_secret_key(const cJSON *doc);
/* The first key or text that activates or promotes something; NULL: none. */
const char *refresh_claim(const cJSON *doc);

#endif
