/* engines.c - see engines.h. The order is the order in which people see them; `fake` is first because it is the default. */
#include "supervisor/engines.h"

#include <stddef.h>
#include <string.h>

#include "embedded.h"

static const struct engine table[] = {
    {.name = "fake", .summary = "deterministic steps from the case; the default validation lane", .has_adapter = true},
    {.name = "codex",
     .summary = "OpenAI codex through the model gateway",
     .gated_by_env = "CTO_HARNESS_ALLOW_CODEX",
     .has_adapter = true,
     .needs = NEED_STAGE | NEED_EXECUTABLE | NEED_MODEL,
     .variables = "CTO_HARNESS_CODEX_",
     .source = "openai-codex",
     .shape = "codex exec --json <prompt on stdin>",
     .file = "codex"},
    {.name = "pi",
     .summary = "pi coding agent through the model gateway",
     .gated_by_env = "CTO_HARNESS_ALLOW_PI",
     .has_adapter = true,
     .needs = NEED_STAGE | NEED_EXECUTABLE | NEED_MODEL,
     .variables = "CTO_HARNESS_PI_",
     .source = "pi-coding-agent",
     .shape = "pi --mode json <prompt on stdin>",
     .file = "pi"},
    {.name = "case",
     .summary = "WorkOS Case (ca) through the model gateway",
     .gated_by_env = "CTO_HARNESS_ALLOW_CASE",
     .has_adapter = true,
     .needs = NEED_STAGE | NEED_EXECUTABLE | NEED_MODEL,
     .variables = "CTO_HARNESS_CASE_",
     .source = "workos-case",
     .shape = "ca run --task <task-file> --mode unattended"},
    {.name = "exec",
     .summary = "any command line, described by an engine file",
     .gated_by_env = "CTO_HARNESS_ALLOW_EXEC",
     .has_adapter = true,
     .needs = NEED_STAGE | NEED_FILE,
     .variables = "CTO_HARNESS_EXEC_"},
};

const struct engine *engine_at(int i) {
    return i >= 0 && (size_t)i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

const struct engine *engine_find(const char *name) {
    for (int i = 0; engine_at(i); i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

const struct embedded_file *engine_shipped_at(int i) {
    return i >= 0 && (size_t)i < embedded_engines_count ? &embedded_engines[i] : NULL;
}

const struct embedded_file *engine_shipped(const char *name) {
    for (int i = 0; engine_shipped_at(i); i++)
        if (strcmp(engine_shipped_at(i)->name, name) == 0) return engine_shipped_at(i);
    return NULL;
}
