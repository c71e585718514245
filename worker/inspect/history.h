/* history.h - generated commits before the baseline, for cases that want a repository with a past. */
#ifndef CTO_WORKER_INSPECT_HISTORY_H
#define CTO_WORKER_INSPECT_HISTORY_H

#include "worker/inspect/pack.h"

/* n > 0 commits, each of which adds a line to history/log.txt; the finished file is written into the worktree, where
 * it must not exist yet. *ret_last is the last commit. */
int history_make(struct workshop *w, int ws_fd, int n, git_oid *ret_last, struct err *e);

#endif
