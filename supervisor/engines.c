/* engines.c - see engines.h. The order is the order in which people see them; `fake` is first because it is the default. */
#include "supervisor/engines.h"

#include <stddef.h>
#include <string.h>

static const struct engine table[] = {
    {"fake", "deterministic steps from the case; the default validation lane", NULL, true, 0, NULL, NULL},
    {"codex", "OpenAI codex through the model gateway", "CTO_HARNESS_ALLOW_CODEX", false, NEED_STAGE | NEED_MODEL,
     "CTO_HARNESS_CODEX_", NULL},
    {"pi", "pi coding agent through the model gateway", "CTO_HARNESS_ALLOW_PI", false, NEED_STAGE | NEED_MODEL,
     "CTO_HARNESS_PI_", NULL},
    {"case", "WorkOS Case (ca) through the model gateway", "CTO_HARNESS_ALLOW_CASE", true,
     NEED_STAGE | NEED_EXECUTABLE | NEED_MODEL, "CTO_HARNESS_CASE_", "workos-case"},
    {"exec", "any command line, described by an engine file", "CTO_HARNESS_ALLOW_EXEC", true, NEED_STAGE | NEED_FILE,
     "CTO_HARNESS_EXEC_", NULL},
};

const struct engine *engine_at(int i) {
    return i >= 0 && (size_t)i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

const struct engine *engine_find(const char *name) {
    for (int i = 0; engine_at(i); i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}
