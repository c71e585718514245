/* read_roots.h - the directories of the host that a case shows its engine; see read_roots.c. */
#ifndef CTO_WORKER_READ_ROOTS_H
#define CTO_WORKER_READ_ROOTS_H

#include "common/spec.h"

/* Before the worker gives the host's file system up. ERR_UNSUPPORTED names the root and what is wrong with it: the run is
 * blocked as sandbox_unavailable, nothing has been started. */
int read_roots_check(const struct run_spec *s, struct err *e);

#endif
