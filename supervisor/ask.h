/* ask.h - one question to another program of ours, answered on its standard output: for commands that have no event loop, and for the
 * pool's threads. What one of those starts is a child of that thread: orphans.h, which looks at the loop's, never sees it. */
#ifndef CTO_SUPERVISOR_ASK_H
#define CTO_SUPERVISOR_ASK_H

#include "common/buf.h"
#include "common/err.h"

/* Runs argv[0] with nothing of our environment, standard input from `stdin_fd` (-1: /dev/null), and collects at most out->max bytes
 * of standard output. It has `timeout_ms` for answer and end together; then it is killed. Returns its exit code, 128 + N when signal
 * N ended it, -1 when there is no answer. */
int ask(const char *const *argv, int stdin_fd, struct buf *out, int timeout_ms, struct err *e);

#endif
