/* record.c - ownership of a run's record, and the one way to add a blocker. A blocker is added once: the first cause is
 * the one that explains the run, what follows from it adds no second entry of the same name. */
#include "supervisor/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/err.h"

void record_release(struct run_record *r) {
    free(r->sandbox_json);
    r->sandbox_json = NULL;
    for (int i = 0; i < r->n_changes; i++) free((char *)(uintptr_t)r->changes[i].path);
    free(r->changes);
    r->changes = NULL;
    r->n_changes = r->cap_changes = 0;
    for (int i = 0; i < r->n_dirty; i++) free(r->dirty[i]);
    r->n_dirty = 0;
}

void record_block(struct run_record *r, enum blocker b, const char *fmt, ...) {
    BUG_UNLESS((unsigned)b < BLOCKER_COUNT);
    for (int i = 0; i < r->n_blockers; i++)
        if (r->blockers[i].id == b) return;
    BUG_UNLESS(r->n_blockers < BLOCKER_COUNT);
    struct blocker_entry *entry = &r->blockers[r->n_blockers++];
    entry->id = b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(entry->detail, sizeof entry->detail, fmt, ap);
    va_end(ap);
    if (entry->detail[0] == '\0') /* the detail is required: a reason without a sentence explains nothing */
        snprintf(entry->detail, sizeof entry->detail, "%s", blocker_rule(b)->meaning);
}
