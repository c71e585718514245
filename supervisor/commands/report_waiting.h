/* report_waiting.h - `report show RUN` of a run that has no report yet, because a human is to say whether its landing stays: what is
 * known of it, and the words to be said. It reads; nothing is said by it. */
#ifndef CTO_SUPERVISOR_COMMANDS_REPORT_WAITING_H
#define CTO_SUPERVISOR_COMMANDS_REPORT_WAITING_H

#include "supervisor/cli.h"
#include "supervisor/store.h"

/* The exit code, or -1 with the error set: ERR_UNSUPPORTED when what the store has kept of the run is not the run's own. */
int report_waiting(const struct global_options *g, const struct home *h, const struct store_run_row *row,
                   struct err *e);

#endif
