/* check.h - the whole of the unit test framework. A test is a program: CHECK counts and goes on, NEED ends the program when
 * what follows would make no sense, and main() ends with `return check_done();`. Exit 1: a check failed; 77: skipped. */
#ifndef CTO_TESTS_UNIT_CHECK_H
#define CTO_TESTS_UNIT_CHECK_H

#include <stdio.h>
#include <stdlib.h>

static int check_made, check_failed;

static inline int check_that(int good, const char *file, int line, const char *what) {
    check_made++;
    if (!good) {
        check_failed++;
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    }
    return good;
}

#define CHECK(cond) check_that((cond) ? 1 : 0, __FILE__, __LINE__, #cond)
#define NEED(cond)                 \
    do {                           \
        if (!CHECK(cond)) exit(1); \
    } while (0)

static inline int check_done(void) {
    printf("%d checks, %d failed\n", check_made, check_failed);
    return check_failed || !check_made ? 1 : 0;
}

static inline int check_skip(const char *why) {
    printf("skipped: %s\n", why);
    return 77;
}

#endif
