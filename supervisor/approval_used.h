/* approval_used.h - has a run had this approval already? The store knows, as long as it is the store of today: with a copy from before
 * put back, an approval that is used up is a grant again. The directories of the runs since the grant know better: their events say
 * which approval a backend was started with. */
#ifndef CTO_SUPERVISOR_APPROVAL_USED_H
#define CTO_SUPERVISOR_APPROVAL_USED_H

#include <stdbool.h>

#include "supervisor/record.h"

/* Looks at the runs of this case below `runs` that began after the approval was granted, but for `self`. True: ret_run had it, or the
 * directory cannot be read, and then nobody knows (ret_run ""). */
bool approval_was_used(const char *runs, const struct approval_seen *a, const char *case_id, const char *self,
                       char ret_run[RUN_ID_MAX]);

#endif
