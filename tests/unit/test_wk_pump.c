/* test_wk_pump.c - the caps on output, to the byte and to the line. */
#include <string.h>

#include "check.h"
#include "worker/pump.h"

static void test_bytes(void) {
    struct pump_cap c = {.max_bytes = 10, .max_lines = 1000};
    CHECK(pump_admit(&c, "abcdef", 6) == 6 && c.dropped == 0);
    CHECK(pump_admit(&c, "ghijkl", 6) == 4 && c.dropped == 2 && c.bytes == 10);
    CHECK(pump_admit(&c, "m", 1) == 0 && c.dropped == 3 && c.bytes == 10);
    struct pump_cap exact = {.max_bytes = 3, .max_lines = 1000};
    CHECK(pump_admit(&exact, "abc", 3) == 3 && exact.dropped == 0);
}

static void test_lines(void) {
    struct pump_cap c = {.max_bytes = 1000, .max_lines = 3};
    CHECK(pump_admit(&c, "a\nb", 3) == 3 && c.lines == 1);
    CHECK(pump_admit(&c, "b\n\nafter\n", 9) == 3 && c.lines == 3 && c.dropped == 6);
    CHECK(pump_admit(&c, "x", 1) == 0 && c.dropped == 7);
    struct pump_cap both = {.max_bytes = 3, .max_lines = 3};
    CHECK(pump_admit(&both, "a\nb\nc\n", 6) == 3 && both.lines == 1 && both.dropped == 3);
}

static void test_binary(void) {
    static char zeros[PUMP_CHUNK];
    struct pump_cap c = {.max_bytes = sizeof zeros, .max_lines = 1};
    CHECK(pump_admit(&c, zeros, sizeof zeros) == sizeof zeros && c.lines == 0);
    memset(zeros, '\n', sizeof zeros);
    struct pump_cap l = {.max_bytes = sizeof zeros, .max_lines = 5};
    CHECK(pump_admit(&l, zeros, sizeof zeros) == 5);
}

int main(void) {
    test_bytes();
    test_lines();
    test_binary();
    return check_done();
}
