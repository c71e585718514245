/* gates.h - preconditions, decided before anything is copied, initialised, spawned or inspected. Pure: facts in (gate_facts.h),
 * results and the eligibility decision out. All gates are evaluated and reported, the first that is closed blocks. What is missing
 * blocks, it never warns.
 */
#ifndef CTO_SUPERVISOR_GATES_H
#define CTO_SUPERVISOR_GATES_H

#include <cjson/cJSON.h>

#include "supervisor/gate_facts.h"
#include "supervisor/record.h"

/* Fills rec->gates in order, and rec->governed for a gated backend. True: all passed. */
bool gates_evaluate(struct run_record *rec, const struct gate_facts *f);
/* Every gate that could be asked has passed, and others wait for gate_facts_look(): evaluate once more after it. */
bool gates_wait_for_a_look(const struct run_record *rec);
/* The same for the model, which is asked last: model_probe.h, then evaluate once more. */
bool gates_wait_for_a_probe(const struct run_record *rec);
/* The static name of that gate; "unknown" when there is none. */
const char *gates_name(const char *name);
/* Closes a gate that had passed: what it was about changed before the run could take it. */
void gates_close(struct run_record *rec, const char *name, enum blocker b, const char *why);
/* The eligibility decision of this run as data (design: governance); the caller owns it. */
cJSON *gates_decision(const struct run_record *rec);

#endif
