/* record.c - ownership of a run's record, and the one way to add a blocker. A blocker is added once: the first cause is
 * the one that explains the run, what follows from it adds no second entry of the same name. */
#include "supervisor/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "supervisor/flip.h"
#include "supervisor/model_use.h"
#include "supervisor/subject.h"

void record_release(struct run_record *r) {
    free(r->gates);
    r->gates = NULL;
    r->n_gates = 0;
    free(r->governed);
    r->governed = NULL;
    free(r->approval);
    r->approval = NULL;
    subject_free(r->subject);
    r->subject = NULL;
    free(r->sandbox_json);
    r->sandbox_json = NULL;
    free(r->limits);
    r->limits = NULL;
    r->n_limits = 0;
    for (int i = 0; i < r->n_changes; i++) free((char *)(uintptr_t)r->changes[i].path);
    free(r->changes);
    r->changes = NULL;
    r->n_changes = r->cap_changes = 0;
    for (int i = 0; i < r->n_dirty; i++) free(r->dirty[i]);
    free(r->dirty);
    r->dirty = NULL;
    r->n_dirty = 0;
    free(r->verify);
    r->verify = NULL;
    free(r->denied);
    r->denied = NULL;
    r->n_denied = 0;
    model_use_free(r->model_use);
    r->model_use = NULL;
    observed_free(r->observed);
    r->observed = NULL;
    secrets_free(r->secrets);
    r->secrets = NULL;
    free(r->blockers);
    r->blockers = NULL;
    r->n_blockers = 0;
    record_set_dirs(r, NULL, NULL);
}

static char *copy_of(const char *text) {
    char *copy = text ? strdup(text) : NULL;
    BUG_UNLESS(!text || copy);
    return copy;
}

void record_set_dirs(struct run_record *r, const char *run_dir, const char *work_dir) {
    char *run = copy_of(run_dir), *work = copy_of(work_dir); /* the given ones may be our own */
    free(r->run_dir);
    free(r->work_dir);
    r->run_dir = run;
    r->work_dir = work;
}

const struct verify_result *record_verify(const struct run_record *r, int i) {
    static const struct verify_result none;
    BUG_UNLESS(i >= 0 && i < r->c->n_verify);
    return r->verify ? &r->verify[i] : &none;
}

struct verify_result *record_verify_slot(struct run_record *r, int i) {
    BUG_UNLESS(i >= 0 && i < r->c->n_verify);
    if (!r->verify) r->verify = calloc((size_t)r->c->n_verify, sizeof *r->verify);
    BUG_UNLESS(r->verify != NULL);
    return &r->verify[i];
}

void record_add_dirty(struct run_record *r, char *line) {
    if (r->n_dirty >= RECORD_MAX_DIRTY) {
        free(line);
        return;
    }
    char **more = realloc(r->dirty, (size_t)(r->n_dirty + 1) * sizeof *more);
    BUG_UNLESS(more != NULL);
    r->dirty = more;
    r->dirty[r->n_dirty++] = line;
}

/* What a backend may have brought about by then counts against it: else a crash of ours, or a full disk, would be its way out. */
enum blocker_class record_class(const struct run_record *r, enum blocker b) {
    const bool may_be_its_doing =
        b == BLOCKER_worker_failed || b == BLOCKER_worker_protocol_violation || b == BLOCKER_artifact_write_failure;
    return may_be_its_doing && r->engine_started ? CLASS_VERDICT : blocker_rule(b)->class;
}

void record_block(struct run_record *r, enum blocker b, const char *fmt, ...) {
    BUG_UNLESS((unsigned)b < BLOCKER_COUNT);
    if (flipped(blocker_rule(b)->reason)) return;
    for (int i = 0; i < r->n_blockers; i++)
        if (r->blockers[i].id == b) return;
    BUG_UNLESS(r->n_blockers < BLOCKER_COUNT);
    struct blocker_entry *more = realloc(r->blockers, (size_t)(r->n_blockers + 1) * sizeof *more);
    BUG_UNLESS(more != NULL);
    r->blockers = more;
    struct blocker_entry *entry = &r->blockers[r->n_blockers++];
    entry->id = b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(entry->detail, sizeof entry->detail, fmt, ap);
    va_end(ap);
    if (entry->detail[0] == '\0') /* the detail is required: a reason without a sentence explains nothing */
        snprintf(entry->detail, sizeof entry->detail, "%s", blocker_rule(b)->meaning);
}
