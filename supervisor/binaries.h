/* binaries.h - the other programs of this build: are they there, are they ours, what are their digests. */
#ifndef CTO_SUPERVISOR_BINARIES_H
#define CTO_SUPERVISOR_BINARIES_H

#include "common/err.h"
#include "supervisor/evidence.h"

struct binaries; /* owns names and digests */

/* Reads each program's file: an embedded "CTO-BUILD-ID:<id>" that is not ours is refused, so that a worker of another build
 * never starts. Also hashes them, once per command. */
int binaries_check(const char *libexec, struct binaries **ret, struct err *e);
/* The same look at one program that runs do not need, so that its digest is in no evidence. */
int binaries_check_file(const char *path, struct err *e);
const struct seal_binary *binaries_list(const struct binaries *b, int *ret_n);
void binaries_free(struct binaries *b);

#endif
