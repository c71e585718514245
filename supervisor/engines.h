/* engines.h - the dispatch table: every backend that can be named, how it is gated, whether an adapter exists. */
#ifndef CTO_SUPERVISOR_ENGINES_H
#define CTO_SUPERVISOR_ENGINES_H

#include <stdbool.h>

/* What a backend needs before it may run; each has gates of its own (gates.c). */
enum engine_need {
    NEED_STAGE = 1,      /* a stage of the proof ladder, asked for and earned */
    NEED_EXECUTABLE = 2, /* an admitted program, and the admitted source it was built from */
    NEED_MODEL = 4,      /* a decided provider and an admitted model; of an exec backend the engine file says that */
    NEED_FILE = 8        /* an engine file of the operator's, see engine_file.h */
};

struct engine {
    const char *name, *summary;
    const char *gated_by_env; /* must be "1"; NULL: always open (the fake lane) */
    bool has_adapter;         /* false: a run ends blocked, provider_unavailable */
    unsigned needs;           /* of enum engine_need */
    const char *variables;    /* prefix of its settings, "CTO_HARNESS_CASE_"; NULL: it has none */
    const char *source;       /* source_name of its source admission; NULL: none is needed */
    const char
        *shape;       /* how an admitted program of it is started, see the executable admission; NULL: none is needed */
    const char *file; /* the engine file that describes it, built in; NULL: none does */
};

const struct engine *engine_find(const char *name); /* NULL: unknown */
const struct engine *engine_at(int i);              /* NULL past the end; 0 is the default lane */

/* The engine files that are built in and installed: ours (codex, pi), and those for people to start from. By name. */
struct embedded_file;
const struct embedded_file *engine_shipped(const char *name); /* NULL: there is none of that name */
const struct embedded_file *engine_shipped_at(int i);         /* NULL past the end */

#endif
