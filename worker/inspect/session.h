/* session.h - the things that watch, commit and census all look at: the workspace, our store, the ignore rules. */
#ifndef CTO_WORKER_INSPECT_SESSION_H
#define CTO_WORKER_INSPECT_SESSION_H

#include "common/ignore.h"
#include "worker/inspect/flatten.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/store.h"

struct session {
    const struct inspect_args *args;
    int ws_fd;
    struct store store;
    struct ignore ignore; /* the baseline's .gitignore, from its commit, and --ignore */
};

/* Opens the workspace, the store (importing from the workspace), and reads the baseline's ignore rules. */
int session_open(struct session *s, const struct inspect_args *a, struct err *e);
/* The same over a workspace that is open already; takes ws_fd. */
int session_open_at(struct session *s, const struct inspect_args *a, int ws_fd, struct err *e);
void session_release(struct session *s);
/* flatten_commit(), with the submodules marked. */
int session_flatten(struct session *s, const git_oid *commit, struct flat *f, struct err *e);
/* Marks the entries that are submodules of the baseline, which means of the case; whatever else is a link to a commit,
 * the agent made. */
int session_mark_submodules(struct session *s, struct flat *f, struct err *e);

#endif
