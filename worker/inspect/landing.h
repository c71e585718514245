/* landing.h - the result as it would be landed on somebody's repository: its tree's id, every path of the sum, their contents.
 *
 * Whoever lands it makes the tree himself, from his own and these: of the agent's objects only contents of files travel, as bytes
 * whose digest he can take.
 */
#ifndef CTO_WORKER_INSPECT_LANDING_H
#define CTO_WORKER_INSPECT_LANDING_H

#include "worker/inspect/store.h"

/* TREE, a LAND for each path, the contents as ARTIFACT_BLOBS. ERR_LIMIT: more than MAX_LANDING bytes, or something that is not a file
 * or a link. `budget` as for treediff(). */
int landing_send(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *budget, struct err *e);

/* Only the contents, of what is a file or a link: to be searched. ERR_LIMIT as above. */
int landing_contents(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *budget,
                     struct err *e);

#endif
