/* patch.h - the difference of two trees as ARTIFACT frames, in the format that `git apply --binary --index` takes. */
#ifndef CTO_WORKER_INSPECT_PATCH_H
#define CTO_WORKER_INSPECT_PATCH_H

#include "worker/inspect/store.h"

/* Either tree may be NULL: the empty one. Ends with ARTIFACT_END. One file's two versions are in memory at a time. */
int patch_send(struct store *s, const git_oid *old_tree, const git_oid *new_tree, uint64_t *ret_size, struct err *e);

#endif
