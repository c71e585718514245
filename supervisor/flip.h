/* flip.h - the seam by which tests see that a validator would notice: in a program that is made for tests, and in none of the product
 * (tests/lint/seam.sh), the gates and reasons that CTO_TEST_FLIP lists, by commas, say nothing any more. */
#ifndef CTO_SUPERVISOR_FLIP_H
#define CTO_SUPERVISOR_FLIP_H

#include <stdbool.h>

#ifdef CTO_FLIP_TESTING
#include <stdlib.h>
#include <string.h>

static inline bool flipped(const char *name) {
    const char *list = getenv("CTO_TEST_FLIP");
    const size_t n = strlen(name);
    for (const char *at = list; at && (at = strstr(at, name)) != NULL; at++)
        if ((at == list || at[-1] == ',') && (at[n] == '\0' || at[n] == ',')) return true;
    return false;
}
#else
static inline bool flipped(const char *name) {
    (void)name;
    return false;
}
#endif

#endif
