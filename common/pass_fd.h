/* pass_fd.h - one descriptor over a Unix socket, with one byte of no meaning beside it. System calls only: may be used between clone and
 * exec. */
#ifndef CTO_COMMON_PASS_FD_H
#define CTO_COMMON_PASS_FD_H

#include <stdbool.h>

#include "common/err.h"

/* A copy goes; `fd` stays the caller's. `what` is for the error. */
int pass_fd_send(int socket, int fd, const char *what, struct err *e);
/* The descriptor, close-on-exec, the caller's from now on; -1: error, ERR_PROTO when something else came. `wait` false: it must
 * be there already. */
int pass_fd_take(int socket, bool wait, const char *what, struct err *e);

#endif
