/* adapters.c - the table of backends that this worker can start. */
#include "worker/adapters/adapter.h"

#include <string.h>

#include "common/io.h"

static const struct adapter *const table[] = {&adapter_fake, &adapter_exec, &adapter_codex, &adapter_pi, &adapter_case};

const struct adapter *adapter_by_name(const char *name) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i]->name, name) == 0) return table[i];
    return NULL;
}

int adapter_write(const struct engine_plan *plan, const char *name, const char *text, struct err *e) {
    return io_replace_file_at(plan->state_fd, name, text, strlen(text), 0644, 0, e);
}
