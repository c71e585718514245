/* double.h - our test double of `ca` (tests/doubles/ca): validators run it where no real one is there, so that the mechanics of a
 * governed run can be shown on a fresh clone.
 *
 * It proves nothing about Case. So nobody else may run it: the program is refused as an admitted executable, whatever a record
 * says, by its digest and by the mark in it; and a run of it needs struct job's proof_double, which code sets and no option,
 * variable, file or record reaches. The report of such a run says proof_kind "double".
 */
#ifndef CTO_SUPERVISOR_DOUBLE_H
#define CTO_SUPERVISOR_DOUBLE_H

#include "supervisor/gate_facts.h"
#include "supervisor/model_double.h"

#define DOUBLE_PROGRAM "cto-harness-ca-double"
#define DOUBLE_NOWHERE "/nonexistent" /* where it is for a run without it */
#define DOUBLE_PATH_MAX (PATH_MAX + sizeof DOUBLE_PROGRAM + 1)

/* -1: this program, open at `fd` (-1: only its digest is known), is the double. */
int double_refuse(int fd, const char *sha256, struct err *e);

/* In place of what variables and the store say: everything that a run of the double at this stage needs, from records that are
 * built in. The program must be there and of this build, or its gate stays closed. */
void double_facts(struct gate_facts *f, const char *libexec, int stage);

/* After that: such a run asks this server, which is asked before it too, as any model is. */
void double_asks(struct gate_facts *f, const struct model_double *d);

/* A built-in record: the template of its kind with these fields (a JSON object) changed. FACT_BAD when its reader refuses that. What
 * `r` had is not given up. */
void double_record(struct fact_record *r, enum admission_kind k, const char *changes);

/* Does a validator show this backend on the double? Only Case has one, and only while no real `ca` is named (CTO_HARNESS_CASE_BIN). */
bool double_stands_in(const char *engine);

#endif
