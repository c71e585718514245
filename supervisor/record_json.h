/* record_json.h - a run's record as text, so that the run can wait for a human for days and be finished by another process, and by
 * another version of this program.
 *
 * Everything that report, events and store will need, and the case as it was: the text of case.json and of the task, the engine
 * file. Unknown keys are passed over (a newer version wrote them), absent ones are zero (an older one did). Bytes that are no text
 * are kept exactly.
 */
#ifndef CTO_SUPERVISOR_RECORD_JSON_H
#define CTO_SUPERVISOR_RECORD_JSON_H

#include "supervisor/record.h"

/* malloc'd. `engine_file`: the text of the engine file that was applied, or NULL. */
char *record_to_json(const struct run_record *r, const char *case_json, const char *engine_file);

struct record_parts {
    char *case_json, *task, *engine_file, *cases; /* owned; the last three may be NULL. cases: where the run's were */
    char case_id[CASE_ID_MAX + 1];
    bool is_failure; /* the case is one of cases/failures */
};
void record_parts_release(struct record_parts *p);
/* What is needed to load the case, before there is one. */
int record_parts_from_json(const char *text, struct record_parts *ret, struct err *e);
/* Is it of a run that landed on this branch of this repository, on top of this commit? */
bool record_json_is_of(const char *text, const char *target, const char *branch, const char *old_head);
/* The tree that it was to land; "" when it says none. */
void record_json_tree(const char *text, char ret[OID_SIZE]);
/* Fills `r`, whose case and directories are set. Released with record_release(), also after an error. */
int record_from_json(const char *text, struct run_record *r, struct err *e);

#endif
