/* engines.h - the dispatch table: every backend that can be named, how it is gated, whether an adapter exists. */
#ifndef CTO_SUPERVISOR_ENGINES_H
#define CTO_SUPERVISOR_ENGINES_H

#include <stdbool.h>

struct engine {
    const char *name, *summary;
    const char *gated_by_env; /* must be "1"; NULL: always open (the fake lane) */
    bool has_adapter;         /* false: a run ends blocked, provider_unavailable */
};

const struct engine *engine_find(const char *name); /* NULL: unknown */
const struct engine *engine_at(int i);              /* NULL past the end; 0 is the default lane */

#endif
