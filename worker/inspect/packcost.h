/* packcost.h - what a pack would cost to take over, found without resolving a delta. */
#ifndef CTO_WORKER_INSPECT_PACKCOST_H
#define CTO_WORKER_INSPECT_PACKCOST_H

#include <stdint.h>

#include "common/err.h"

/* Over all packs of a step or a look, in bytes: what deltas copy, twice what is inflated, because the indexer inflates
 * it once more, and three times what is hashed, which is slow. 700 MiB of plain objects fit. */
#define PACK_MAX_WORK (4ull << 30)
#define PACK_MAX_CHAIN (512ull << 20) /* bytes copied to make one object from its chain of deltas */
#define PACK_MAX_DEPTH 4095u          /* deltas on deltas: git's own limit when it writes */

/* Reads the pack of `size` bytes at the start of `fd` (the file's position stays where it is) and adds its cost to
 * *work. ERR_PARSE: no sound pack; ERR_LIMIT: above a limit, and the text says which; *work counts also then. */
int pack_cost(int fd, uint64_t size, uint64_t *work, struct err *e);

#endif
