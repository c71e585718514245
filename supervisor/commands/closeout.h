/* closeout.h - `report governed RUN`: the one document that binds what was asked, who allowed it, what ran, what was landed and
 * what the operator made of it (design: governance, "Closeout"). It reads; it allows nothing. */
#ifndef CTO_SUPERVISOR_COMMANDS_CLOSEOUT_H
#define CTO_SUPERVISOR_COMMANDS_CLOSEOUT_H

#include "supervisor/cli.h"

/* "what             value\n", cleaned for a terminal; "-" for none. */
struct buf;
void closeout_line(struct buf *b, const char *what, const char *value);

int closeout_run(const struct global_options *g, const char *run);

#endif
