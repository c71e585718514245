/* admission_host.h - does what a record says fit this host? Looked at when the record is recorded, and again by the gates: a
 * record is about one program, one directory, as they were. */
#ifndef CTO_SUPERVISOR_ADMISSION_HOST_H
#define CTO_SUPERVISOR_ADMISSION_HOST_H

#include "supervisor/admission.h"

/* An executable: a regular file that may be executed, at a path without symbolic links, of the recorded digest; never started. A
 * target: a directory of this user's, at such a path, with a .git directory in it. Other kinds: nothing to look at. The texts name
 * no path. */
int admission_fits_host(const struct admission *a, struct err *e);
/* Whatever else holds of it: a record of an executable that is our own test double of ca (double.h) is refused. */
int admission_is_no_double(const struct admission *a, struct err *e);

#endif
