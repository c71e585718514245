/* recording.h - files of what a model said, as an operator names them: looked at before a run, so that a slip of the hand costs none.
 * What is in a recording is read by the gateway alone, which is confined; here only its first line is looked at. */
#ifndef CTO_SUPERVISOR_RECORDING_H
#define CTO_SUPERVISOR_RECORDING_H

#include "common/err.h"

/* May `file` be made? ERR_USAGE: it is there, or its directory is not, or cannot be written. */
int recording_may_make(const char *file, struct err *e);
/* Is `file` a recording that can be read, and of this model? "" asks for none. ERR_USAGE. */
int recording_is_one(const char *file, const char *model, struct err *e);

#endif
