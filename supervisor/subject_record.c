/* subject_record.c - the part of a run's subject that is plain data: what it is, and the list of what would be landed. Pure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/path.h"
#include "supervisor/stages.h"
#include "supervisor/subject.h"

const char *subject_kind_name(enum subject_kind k) {
    static const char *const names[] = {"copied-fixture", "copied-repository", "disposable-repository", "target"};
    return names[k];
}

enum subject_kind subject_kind_of(const struct cto_case *c, int stage) {
    if (strcmp(c->mutation_mode, stage_rules(4)->mutation_mode) == 0) return SUBJECT_DISPOSABLE;
    if (strcmp(c->mutation_mode, stage_rules(5)->mutation_mode) == 0) return SUBJECT_TARGET;
    return stage == 3 ? SUBJECT_SOURCE : SUBJECT_FIXTURE;
}

void subject_free(struct run_subject *s) {
    if (!s) return;
    for (int i = 0; i < s->n_changes; i++) free((char *)(uintptr_t)s->changes[i].path);
    free(s->changes);
    free(s->sizes);
    if (s->blobs_fd >= 0) close(s->blobs_fd);
    free(s);
}

int subject_add_change(struct run_subject *s, const struct land_change *c, uint64_t size, const char *path, size_t n,
                       struct err *e) {
    if (s->n_changes == SUBJECT_MAX_CHANGES)
        return err_set(e, ERR_LIMIT, "more than %d paths to be landed", SUBJECT_MAX_CHANGES);
    if (s->n_changes == s->cap_changes) {
        int cap = s->cap_changes ? 2 * s->cap_changes : 16;
        struct land_change *changes = realloc(s->changes, (size_t)cap * sizeof *changes);
        if (changes) s->changes = changes;
        uint64_t *sizes = changes ? realloc(s->sizes, (size_t)cap * sizeof *sizes) : NULL;
        if (!sizes) return err_set(e, ERR_SYS, "out of memory for %d paths", cap);
        s->sizes = sizes;
        s->cap_changes = cap;
    }
    char *copy = strndup(path, n);
    if (!copy) return err_set(e, ERR_SYS, "out of memory for a path");
    s->changes[s->n_changes] = *c;
    s->changes[s->n_changes].path = copy;
    s->sizes[s->n_changes++] = size;
    return 0;
}

static bool allowed(const struct cto_case *c, const char *path) {
    size_t n = strlen(path);
    return path_any_match(PATH_ALLOWED, c->allowed_writes.v, (size_t)c->allowed_writes.n, path, n) &&
           !path_any_match(PATH_FORBIDDEN, c->forbidden_paths.v, (size_t)c->forbidden_paths.n, path, n);
}

static int by_path(const void *a, const void *b) {
    return strcmp((*(const struct change *const *)a)->path, (*(const struct change *const *)b)->path);
}

/* What would be landed is what the report shows: the same paths, with the same modes. */
static bool agrees(const struct run_record *r) {
    const struct run_subject *s = r->subject;
    const struct change **net = calloc((size_t)r->n_changes + 1, sizeof *net);
    BUG_UNLESS(net != NULL);
    int n = 0;
    for (int i = 0; i < r->n_changes; i++)
        if (r->changes[i].scope == 0) net[n++] = &r->changes[i];
    qsort(net, (size_t)n, sizeof *net, by_path);
    bool same = n == s->n_changes && !r->changes_truncated;
    for (int i = 0; same && i < s->n_changes; i++) {
        const struct change key = {.path = s->changes[i].path}, *wanted = &key;
        const struct change **found = bsearch(&wanted, net, (size_t)n, sizeof *net, by_path);
        same = found && (*found)->new_mode == s->changes[i].mode;
    }
    free(net);
    return same;
}

/* LAND frames are judged by themselves: that they agree with CHANGE frames is only the inspector's word. */
bool subject_landing_fits(const struct run_record *r, char *why, size_t size) {
    const struct run_subject *s = r->subject;
    uint64_t total = 0;
    why[0] = '\0';
    for (int i = 0; i < s->n_changes; i++) {
        total += s->sizes[i];
        if (allowed(r->c, s->changes[i].path)) continue;
        snprintf(why, size, "a path that is to be landed is not an allowed one");
        return false;
    }
    if (!agrees(r)) {
        snprintf(why, size, "what would be landed is not what was compared with the baseline");
        return false;
    }
    if (!s->tree[0] || s->n_changes == 0)
        snprintf(why, size, "there is nothing to land");
    else if (!s->blobs_whole || s->blobs_seen != total || s->blobs_written != total)
        snprintf(why, size, "the contents to be landed are not whole");
    return why[0] == '\0';
}

cJSON *subject_branch_policy(const struct run_subject *s) {
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    const char *name = strncmp(s->branch, "refs/heads/", 11) == 0 ? s->branch + 11 : s->branch;
    json_put_str(o, "branch", name);
    json_put_str(o, "base", s->head);
    json_put(o, "remotes", cJSON_CreateArray());
    json_put_bool(o, "push_allowed", false);
    json_put_bool(o, "merge_allowed", false);
    return o;
}
