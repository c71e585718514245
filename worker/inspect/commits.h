/* commits.h - the commit graph between the baseline and a head. */
#ifndef CTO_WORKER_INSPECT_COMMITS_H
#define CTO_WORKER_INSPECT_COMMITS_H

#include <stddef.h>

#include "worker/inspect/store.h"

enum relation {
    RELATION_SAME,     /* the head is the baseline */
    RELATION_DESCENDS, /* the baseline is an ancestor of the head; with an empty baseline: any commit */
    RELATION_OTHER     /* anything else */
};

struct commit_list {
    git_oid *v; /* parents before children */
    size_t n;
};
void commit_list_release(struct commit_list *l);

/* Reads every commit that `head` has and the baseline has not, however they hang together. `list` may be NULL.
 * ERR_PARSE, ERR_MISSING: a commit cannot be read; ERR_LIMIT: there are too many. The zero id as head is
 * RELATION_OTHER. */
int commits_since_baseline(struct store *s, const git_oid *head, enum relation *ret, struct commit_list *list,
                           struct err *e);

#endif
