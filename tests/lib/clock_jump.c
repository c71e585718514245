/* clock_jump.c - preloaded into a program, it moves the wall clock under it: CTO_TEST_CLOCK says by how much.
 *   +N or -N      always N seconds off
 *   swing:N       off by N seconds at every second look, so that time runs back and forth all the time
 *   jump:N:K      right for the first K looks, then N seconds off
 * CLOCK_MONOTONIC stays what it is. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long offset(void) {
    static long looks;
    const char *how = getenv("CTO_TEST_CLOCK");
    if (!how) return 0;
    looks++;
    if (strncmp(how, "swing:", 6) == 0) return looks % 2 ? 0 : strtol(how + 6, NULL, 10);
    if (strncmp(how, "jump:", 5) == 0) {
        char *rest;
        long by = strtol(how + 5, &rest, 10);
        return looks > strtol(rest + 1, NULL, 10) ? by : 0;
    }
    return strtol(how, NULL, 10);
}

int clock_gettime(clockid_t id, struct timespec *ts) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, ts);
    if (rc == 0 && id == CLOCK_REALTIME) ts->tv_sec += offset();
    return rc;
}
