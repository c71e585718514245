/* locate.h - a run or matrix as people name it: its id, or a path to its directory (also a copy). */
#ifndef CTO_SUPERVISOR_LOCATE_H
#define CTO_SUPERVISOR_LOCATE_H

#include "supervisor/home.h"
#include "supervisor/store.h"

struct located {
    char dir[4096];
    char id[RUN_ID_MAX]; /* "" when a path was given */
    bool in_store, is_matrix;
    struct store_run_row row;   /* when in_store and no matrix */
    struct store_matrix matrix; /* when is_matrix */
};
/* Opens the store of the home for reading when there is one. Unknown: ERR_USAGE. */
int locate(const struct home *h, const char *name, struct located *ret, struct err *e);
/* The store for reading, *ret NULL when there is none yet. */
int locate_store(const struct home *h, struct store **ret, struct err *e);

#endif
