/* validate_stage.h - the validators of the proof ladder. */
#ifndef CTO_SUPERVISOR_COMMANDS_VALIDATE_STAGE_H
#define CTO_SUPERVISOR_COMMANDS_VALIDATE_STAGE_H

#include "supervisor/cli.h"

/* Stage 1 of this backend: it is there, closed by default, and a closed gate changes nothing. Records the proof in the store when all
 * holds; nothing of the backend is started for it, so the proof is real without one. An exit code. */
int validate_stage1(const struct global_options *g, const char *engine);

#endif
