/* fuzz_spec.c - the run spec reader on hostile bytes. What it accepts it can write again, and what it then reads is the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_list(const char *const *a, int n_a, const char *const *b, int n_b) {
    if (n_a != n_b) abort();
    for (int i = 0; i < n_a; i++)
        if (strcmp(a[i], b[i]) != 0) abort();
}

static void same(const struct run_spec *a, const struct run_spec *b) {
    same_list(a->ignore, a->n_ignore, b->ignore, b->n_ignore);
    same_list(a->pristine, a->n_pristine, b->pristine, b->n_pristine);
    same_list(a->read_roots, a->n_read_roots, b->read_roots, b->n_read_roots);
    if (a->n_verify != b->n_verify) abort();
    for (int i = 0; i < a->n_verify; i++)
        same_list(a->verify[i].argv, a->verify[i].argc, b->verify[i].argv, b->verify[i].argc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run_spec s, again;
    struct err e = ERR_INIT;
    if (spec_parse(&s, data, size, &e) < 0) {
        if (e.code == ERR_NONE || e.text[0] == '\0') abort(); /* refused without saying why */
        return 0;
    }
    char *text = spec_emit(&s);
    if (spec_parse(&again, text, strlen(text), &e) < 0) abort();
    same(&s, &again);
    char *second = spec_emit(&again);
    if (strcmp(text, second) != 0) abort();
    free(second);
    free(text);
    spec_release(&again);
    spec_release(&s);
    return 0;
}
