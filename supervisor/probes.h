/* probes.h - attempts to get out of the jails, on this host: runs the program cto-harness-probe of this build and reads what it
 * says. The supervisor never includes sandbox/; as with the launcher, asking a program keeps the two apart. */
#ifndef CTO_SUPERVISOR_PROBES_H
#define CTO_SUPERVISOR_PROBES_H

#include <stdbool.h>

#include "common/err.h"
#include "common/json.h"

/* Takes some seconds. *ret is the program's report (caller deletes it): probes, held, not_held, open_by_design, skipped,
 * unclear, changes, results. -1: it could not be asked, or said nothing that can be believed. */
int probes_run(const char *libexec, cJSON **ret, struct err *e);
/* Every attempt was held or could not be made, and nothing changed outside. */
bool probes_held(const cJSON *report);
/* For people, on standard output: the counts, what was not held, why what was skipped. */
void probes_print(const cJSON *report);

#endif
