/* denials.h - system calls that the sandbox refused to an engine or a verification command: kept, told, shown.
 *
 * They decide nothing. A program may be refused a call and do its work another way, as most do; what was refused is shown
 * so that a person can tell an attempt from an accident, and a failed task from a sandbox in its way. */
#ifndef CTO_SUPERVISOR_DENIALS_H
#define CTO_SUPERVISOR_DENIALS_H

#include <cjson/cJSON.h>

#include "supervisor/record.h"

#define DENIALS_EVENT "sandbox.denied"

/* A DENIED frame. Adds to the record; *ret is the entry that an event is to be written of, or NULL. */
int denials_take(struct run_record *rec, struct rd *rd, const struct denied_call **ret, struct err *e);
cJSON *denials_event(const struct denied_call *d);
/* {"observed": bool|null, "total": n, "truncated": bool, "calls": [..]}; null: nothing was started. */
cJSON *denials_json(const struct run_record *rec);
/* One line of report.md. */
void denials_md(struct buf *b, const struct run_record *rec);

#endif
