/* case_pack.h - between the reader of a case (case.c) and the layout of a read one (case_pack.c). */
#ifndef CTO_SUPERVISOR_CASE_PACK_H
#define CTO_SUPERVISOR_CASE_PACK_H

#include "supervisor/case.h"

#define CASE_LISTS 10
/* All lists of a case. */
void case_lists(struct cto_case *c, struct case_list *ret[CASE_LISTS]);
/* Moves everything that `c` points to into one allocation, c->memory, which owns it from here on. What it pointed to before
 * stays the caller's. */
void case_pack(struct cto_case *c);

#endif
