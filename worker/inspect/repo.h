/* repo.h - the repository that the agent gets, and our own beside it. */
#ifndef CTO_WORKER_INSPECT_REPO_H
#define CTO_WORKER_INSPECT_REPO_H

#include "worker/inspect/flatten.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/pack.h"

struct baseline {
    git_oid commit; /* all zeros when the repository starts empty */
    char pack[PACK_NAME_SIZE];
    uint32_t files, commits, objects;
    uint64_t bytes;
    struct flat tree; /* with the stat keys of what was read, for the first look */
};

/* Turns the workspace of the watch step into a repository with one baseline commit (and what the arguments ask for),
 * and makes our own repository in a->odb. The workspace must have no .git yet. Nobody else may be writing in it. */
int baseline_make(const struct inspect_args *a, int ws_fd, struct baseline *ret, struct err *e);
void baseline_release(struct baseline *b);

/* What the agent gets, counted in what lies there rather than in what was meant: */
struct repo_census {
    uint32_t refs, remotes, alternates, reflogs, hooks;
};
int repo_count(int ws_fd, struct repo_census *ret, struct err *e);

#endif
