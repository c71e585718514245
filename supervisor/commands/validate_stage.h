/* validate_stage.h - `validate stage1` to `stage5`: the validators of the proof ladder. */
#ifndef CTO_SUPERVISOR_COMMANDS_VALIDATE_STAGE_H
#define CTO_SUPERVISOR_COMMANDS_VALIDATE_STAGE_H

#include "supervisor/commands/proof_run.h"

#define VALIDATE_STAGE_LAST 5
#define VALIDATE_STAGE_CASE "r1-string-slugify"

/* The number in "stage3"; 0: it is none of ours. */
int validate_stage_number(const char *word);
/* A directory that must stay as it is: absolute and resolved in `out`. */
int validate_stage_protect(const struct global_options *g, const char *dir, char out[PATH_MAX], struct err *e);

/* Proves the stage for this backend, its unproven predecessors first, and records what holds. Prints; an exit code: 0 ok, 1 not, 3
 * the operator has not allowed or described the backend. */
int validate_stage(const struct global_options *g, int stage, const struct proof_wishes *w);

/* The stages below `stage`, where they are not proven: proves them, bottom up. The caller owns both lists, which are what happened
 * and what does not hold. An exit code as above; EXIT_INTERRUPTED when a signal ended it; EXIT_USAGE with the error in `e`. */
int validate_stages_below(const struct global_options *g, int stage, const struct proof_wishes *w,
                          struct cJSON **ret_predecessors, struct cJSON **ret_errors, struct err *e);

#endif
