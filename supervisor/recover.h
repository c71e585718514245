/* recover.h - what dead supervisors left behind, put in order at the start of a command that writes. */
#ifndef CTO_SUPERVISOR_RECOVER_H
#define CTO_SUPERVISOR_RECOVER_H

#include "supervisor/evidence.h"
#include "supervisor/home.h"
#include "supervisor/store.h"

/* Every unfinished run whose supervisor's lock can be taken gets the next generation and is sealed: with the verdict its
 * directory already holds when that verifies, else as fail / supervisor_interrupted with what evidence exists. Then leftover
 * work directories and lock files go. Runs of living supervisors are not touched. */
int recover_home(const struct home *h, struct store *s, const char *supervisor_id, const struct seal_input *env,
                 struct err *e);

/* Removes the control groups that dead workers left beside our own; `anywhere`: in every hierarchy in sight. For the end of a
 * command too: what was dying when it began is dead then. */
void recover_groups(bool anywhere);

#endif
