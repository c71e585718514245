/* verdict.h - from what was observed to pass, fail or blocked. Pure: a record in, blockers and a verdict out.
 *
 * The order in which questions are asked is the order in which blockers are listed; the first is the reason that people see.
 * One `fail` makes the run a fail, whatever else holds: so an agent cannot turn a bad result into "blocked" by hitting a
 * limit on purpose. Without any blocker, and only with a positive result for every question, it is a pass.
 */
#ifndef CTO_SUPERVISOR_VERDICT_H
#define CTO_SUPERVISOR_VERDICT_H

#include "supervisor/record.h"

/* Fills rec->blockers for everything but events; call once, when the run has ended. */
void verdict_judge(struct run_record *rec);
/* Required events of the case against the types that were emitted, in order. NULL: all there; else the missing one. */
const char *verdict_missing_event(const struct run_record *rec, const char *const *types, size_t n);
/* Sets rec->verdict from rec->blockers. */
void verdict_conclude(struct run_record *rec);

/* Facts that judge, events and report share. */
bool verdict_has_result(const struct run_record *rec); /* a commit that descends from the baseline with a net change */
/* Was the result compared with the baseline? When not, an empty list of changes means nothing. */
bool verdict_changes_known(const struct run_record *rec);
bool verdict_writes_allowed(const struct run_record *rec);
/* 1 all passed, 0 some did not, -1 nothing was tested. */
int verdict_tests(const struct run_record *rec);

#endif
