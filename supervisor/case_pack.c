/* case_pack.c - see case_pack.h.
 *
 * The same walk is done twice: first it only adds up, then it copies into what was allocated. Arrays come before texts, so
 * that everything is aligned. A pointer of the case that the walk forgets would point into freed memory: whoever adds a field
 * adds it here. */
#include "supervisor/case_pack.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"

struct packer {
    char *to; /* NULL: only adding up */
    size_t used;
};

static void *place(struct packer *p, const void *from, size_t n) {
    void *at = p->to ? memcpy(p->to + p->used, from, n) : NULL;
    p->used += n;
    return at;
}

static void pack_text(struct packer *p, const char **s) {
    if (!*s) return;
    const char *at = place(p, *s, strlen(*s) + 1);
    if (at) *s = at;
}

void case_lists(struct cto_case *c, struct case_list *ret[CASE_LISTS]) {
    struct case_list *const all[CASE_LISTS] = {&c->backends,        &c->success_criteria, &c->evidence_expectations,
                                               &c->allowed_writes,  &c->forbidden_paths,  &c->forbidden_actions,
                                               &c->required_events, &c->ignore,           &c->pristine,
                                               &c->read_roots};
    memcpy(ret, all, sizeof(all));
}

static void pack_arrays(struct packer *p, struct cto_case *c, struct case_list *const *lists) {
    _Static_assert(_Alignof(struct spec_command) == _Alignof(char *), "arrays follow each other without gaps");
    for (int i = 0; i < CASE_LISTS; i++) {
        void *at = place(p, lists[i]->v, (size_t)lists[i]->n * sizeof(lists[i]->v[0]));
        if (p->to) lists[i]->v = at;
    }
    void *at = place(p, c->verify, (size_t)c->n_verify * sizeof(c->verify[0]));
    if (p->to) c->verify = at;
}

static void pack_texts(struct packer *p, struct cto_case *c, struct case_list *const *lists) {
    const char **const single[] = {&c->dir,
                                   &c->file,
                                   &c->id,
                                   &c->title,
                                   &c->authority_basis,
                                   &c->rollback_expectation,
                                   &c->generate_dir,
                                   &c->dirty_start,
                                   &c->fake_config,
                                   &c->double_script,
                                   &c->task,
                                   &c->no_test_rationale,
                                   &c->expect.marker,
                                   &c->expect.failure_class}; /* kind, risk class and mutation mode are static words */
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) pack_text(p, single[i]);
    for (int i = 0; i < CASE_LISTS; i++)
        for (int k = 0; k < lists[i]->n; k++) pack_text(p, &lists[i]->v[k]);
    for (int i = 0; i < c->n_verify; i++)
        for (int k = 0; k < c->verify[i].argc; k++) pack_text(p, &c->verify[i].argv[k]);
    for (int i = 0; i < c->n_submodules; i++) {
        pack_text(p, &c->submodules[i].path);
        pack_text(p, &c->submodules[i].fixture);
    }
}

void case_pack(struct cto_case *c) {
    struct case_list *lists[CASE_LISTS];
    struct packer p = {.to = NULL};
    case_lists(c, lists);
    pack_arrays(&p, c, lists);
    pack_texts(&p, c, lists);
    size_t size = p.used;
    p = (struct packer){.to = malloc(size)};
    BUG_UNLESS(p.to != NULL);
    c->memory = p.to;
    pack_arrays(&p, c, lists);
    pack_texts(&p, c, lists);
    BUG_UNLESS(p.used == size);
}
