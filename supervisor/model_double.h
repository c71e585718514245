/* model_double.h - a server for a validator's run of our test double of ca to ask: our test double of one (tests/doubles/model). It has
 * no model; each mode is one way in which a server answers, or does not.
 *
 * A run reaches one by struct job's `model` alone, which code sets and no option, variable, file or record reaches. It listens on a port
 * of this host's loopback that the kernel chose, behind a path and with a key that are made up for it, so that they can be looked
 * for in what a run leaves. Blocking calls with a deadline each: it is started and ended while no loop runs.
 */
#ifndef CTO_SUPERVISOR_MODEL_DOUBLE_H
#define CTO_SUPERVISOR_MODEL_DOUBLE_H

#include <stdbool.h>

#include "common/err.h"

#define MODEL_DOUBLE_PROGRAM "cto-harness-model-double"

/* Its modes, for case.json; NULL-terminated. */
extern const char *const model_double_modes[];

struct model_double;
/* What it was asked by then. */
struct model_double_asked {
    int requests, authorized, others; /* completions; those with its key; anything else */
    int max_tokens;                   /* and the model, of the last completion */
    char model[200];
};

/* `libexec` has the program, which must be of this build. */
int model_double_start(const char *libexec, const char *mode, struct model_double **ret, struct err *e);
const char *model_double_url(const struct model_double *d);
const char *model_double_key(const struct model_double *d);
/* Host and port, as they would stand in an artifact that names it. */
const char *model_double_authority(const struct model_double *d);
/* Ends it and gives it up. -1: it did not end by itself, or said nothing of what it was asked. NULL is fine; `ret` may be NULL. */
int model_double_end(struct model_double *d, struct model_double_asked *ret, struct err *e);

#endif
