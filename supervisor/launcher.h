/* launcher.h - the static launcher cto-harness-sandbox, from the supervisor's side: where it is, and what it says of the host.
 * The supervisor never includes sandbox/: asking its program keeps the two apart. */
#ifndef CTO_SUPERVISOR_LAUNCHER_H
#define CTO_SUPERVISOR_LAUNCHER_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

int launcher_path(char *out, size_t size, struct err *e);
/* Runs it with one argument and collects its standard output (at most out->max), within `timeout_ms`. Returns its exit code. */
int launcher_ask(const char *path, const char *argument, struct buf *out, int timeout_ms, struct err *e);

#endif
