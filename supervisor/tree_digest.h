/* tree_digest.h - one digest over a directory tree: names, types, modes, contents. For "nothing outside changed" proofs. */
#ifndef CTO_SUPERVISOR_TREE_DIGEST_H
#define CTO_SUPERVISOR_TREE_DIGEST_H

#include "common/digest.h"
#include "common/err.h"

/* Sorted by name, so the same tree has the same digest anywhere. Links are not followed; their targets count. */
int tree_digest(const char *path, char hex[DIGEST_HEX_SIZE], struct err *e);

/* What looking may cost; each look lowers it by what it used. */
struct tree_limits {
    int64_t entries, bytes;
    uint64_t until_us; /* clock_mono_us(), looked at from file to file */
};
/* The same of a directory or of a plain file, no link, within limits: ERR_LIMIT. Of a file just the bytes are read that it had when it
 * was looked at. The error names no more of the path than what lies below it. */
int tree_digest_within(const char *path, struct tree_limits *left, char hex[DIGEST_HEX_SIZE], struct err *e);

#endif
