/* recover.h - what dead supervisors left behind, put in order at the start of a command that writes. */
#ifndef CTO_SUPERVISOR_RECOVER_H
#define CTO_SUPERVISOR_RECOVER_H

#include "supervisor/evidence.h"
#include "supervisor/home.h"
#include "supervisor/store.h"

/* One line for the operator, without a newline; it may hold any bytes of the store. */
typedef void (*recover_warn_fn)(const char *text);

struct recover_by {
    const char *supervisor_id;
    const struct seal_input *env;
    recover_warn_fn warn;
};

/* First land_recover() (land.h): what was landing is landed, or not begun, or named by `warn`. Then every unfinished run whose supervisor's lock can be taken gets the next generation and is sealed: with the verdict its
 * directory already holds when that verifies, else as fail / supervisor_interrupted with what evidence exists. Then leftover
 * work directories and lock files go. Runs of living supervisors are not touched.
 *
 * A row is not believed where it contradicts the home: a run's directories are those of its id below harness-runs and work. A
 * run that cannot be sealed (its directory holds what is not ours or another report than the store knows, its row names nothing)
 * stays unfinished, is left as it is and named by `warn`, each time. An error is only what would befall any run: no space, no
 * descriptors, a damaged store. */
int recover_home(const struct home *h, struct store *s, const struct recover_by *by, struct err *e);

/* Removes the control groups that dead workers left beside our own; `anywhere`: in every hierarchy in sight. For the end of a
 * command too: what was dying when it began is dead then. */
void recover_groups(bool anywhere);

#endif
