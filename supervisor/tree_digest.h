/* tree_digest.h - one digest over a directory tree: names, types, modes, contents. For "nothing outside changed" proofs. */
#ifndef CTO_SUPERVISOR_TREE_DIGEST_H
#define CTO_SUPERVISOR_TREE_DIGEST_H

#include "common/digest.h"
#include "common/err.h"

/* Sorted by name, so the same tree has the same digest anywhere. Links are not followed; their targets count. */
int tree_digest(const char *path, char hex[DIGEST_HEX_SIZE], struct err *e);

#endif
