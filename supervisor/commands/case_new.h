/* case_new.h - `case new`: makes the folder of a new case. */
#ifndef CTO_SUPERVISOR_COMMANDS_CASE_NEW_H
#define CTO_SUPERVISOR_COMMANDS_CASE_NEW_H

#include "common/err.h"
#include "supervisor/case.h"

/* ERR_USAGE with the rule when it cannot be an id. */
int case_id_check(const char *id, struct err *e);
/* Makes cases_dir/ID (cases_dir/failures/ID for a copy of a failure fixture) from the built-in template, or as a copy
 * of the case `from` (of cases_dir, else of the installed ones) when that is not NULL. All or nothing: the folder is made under a temporary name and renamed, and
 * an existing case is never touched. `place` gets where it is, relative to cases_dir. */
int case_new(const char *cases_dir, const char *id, const char *from, char place[CASE_ID_MAX + 16], struct err *e);

#endif
