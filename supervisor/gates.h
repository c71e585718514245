/* gates.h - preconditions, decided before anything is copied, initialised, spawned or inspected. Pure: environment, case and
 * engine table in, gate results and the eligibility decision out. A gate that is missing blocks, never warns. */
#ifndef CTO_SUPERVISOR_GATES_H
#define CTO_SUPERVISOR_GATES_H

#include <cjson/cJSON.h>

#include "supervisor/record.h"

/* Fills rec->gates in order. True: all passed. All gates of phase 1 are evaluated and reported, also after a failure. */
bool gates_evaluate(struct run_record *rec);
/* The eligibility decision of this run as data (design: governance); the caller owns it. */
cJSON *gates_decision(const struct run_record *rec);

#endif
