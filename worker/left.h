/* left.h - what a backend leaves beside the code and the evidence keeps: sent up when nothing of it lives any more.
 *
 * It is the agent's from the first byte to the last: no part of it is looked at here, nothing rests on it, and what cannot be read, or is
 * more than the limits, is missing, which the trace says. Never a failure of the run.
 */
#ifndef CTO_WORKER_LEFT_H
#define CTO_WORKER_LEFT_H

#include "worker/adapters/adapter.h"
#include "worker/worker.h"

#define LEFT_BYTES_MAX (2u << 20) /* of one stream */
#define LEFT_FILES_MAX 32         /* of one folder */

/* The plan's list, each entry as OUTPUT of its stream; `ws` is the workspace. Once the engine's exec has happened: before that no OUTPUT is
 * permitted. */
void left_send(struct worker *w, int ws, const struct engine_plan *plan);

#endif
