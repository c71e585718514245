/* lane_run.h - one run that a validator makes and looks at afterwards as a stranger would: its report, its events, does its directory
 * hold. Quietly; on any lane, or on our test double of ca. */
#ifndef CTO_SUPERVISOR_COMMANDS_LANE_RUN_H
#define CTO_SUPERVISOR_COMMANDS_LANE_RUN_H

#include "supervisor/batch.h"
#include "supervisor/model_double.h"
#include "supervisor/verify.h"

#define LANE_SUBJECT "r1-string-slugify" /* declared for every backend */

struct lane_order {
    const char *case_id, *engine;
    const char *script;                 /* of the double, the JSON of case.json's "double"; NULL: not on it */
    const struct model_double *model;   /* that the double may ask; NULL: none */
    void (*change)(struct cto_case *c); /* of the case as it was loaded; static words only; NULL */
    struct progress *outer;             /* whose step it is; NULL */
};
struct lane_seen {
    cJSON *report; /* NULL: there is none */
    char dir[PATH_MAX], path[PATH_MAX], run_id[RUN_ID_MAX], sha256[DIGEST_HEX_SIZE];
    struct verify_report verified; /* ok: also against the digest that was sealed */
    bool as_expected;              /* status and reasons are those of its case */
    bool interrupted;
};

/* Where the case `id` is taken from: the operator's cases where it is among them, else the shipped ones. A validator's own material
 * (its usual subject, the fixtures of failures) is not missing because somebody has a folder of cases of his own. */
void lane_cases(const char *own, const char *id, char ret[PATH_MAX]);
/* -1: the run could not be made at all. */
int lane_run(const struct global_options *g, const struct lane_order *o, struct lane_seen *ret, struct err *e);
/* Several cases on one lane, none of them on the double, all from one folder: the shipped ones unless the operator's has them all.
 * `ret` has n places. `outer` as above. */
int lane_run_all(const struct global_options *g, const char *engine, const char *const *ids, int n,
                 struct progress *outer, struct lane_seen *ret, struct err *e);
void lane_seen_release(struct lane_seen *s);

/* Shorthands for what is asked of it. */
bool lane_says(const cJSON *o, const char *key, const char *text);
bool lane_blocked_by(const struct lane_seen *s, const char *status, const char *reason); /* the first reason */
bool lane_has_file(const struct lane_seen *s, const char *name);
/* The data of the first event of this type; NULL: there is none. The caller owns it. */
cJSON *lane_event(const struct lane_seen *s, const char *type);
/* The first file of the artifact set that is not there; NULL: it is complete. */
const char *lane_absent(const struct lane_seen *s);
/* 1: these bytes are in a file of the run; 0: they are not; -1: it cannot be read, or has more files and bytes than are searched. */
int lane_mentions(const struct lane_seen *s, const char *text);

#endif
