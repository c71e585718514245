/* test_common_clock.c - stamps there and back over the calendar's corners, in a foreign time zone; what is no stamp is refused;
 * deadlines. */
#include <string.h>
#include <time.h>

#include "check.h"
#include "common/clock.h"

static void there_and_back(void) {
    static const struct {
        int64_t ms;
        const char *stamp, *compact;
    } t[] = {
        {0, "1970-01-01T00:00:00.000Z", "19700101T000000Z"},
        {-1, "1969-12-31T23:59:59.999Z", "19691231T235959Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z", "20000229T000000Z"},
        {INT64_C(1709251199999), "2024-02-29T23:59:59.999Z", "20240229T235959Z"},
        {INT64_C(4102444800001), "2100-01-01T00:00:00.001Z", "21000101T000000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z", "99991231T235959Z"},
    };
    char stamp[CLOCK_STAMP_SIZE], compact[CLOCK_COMPACT_SIZE];
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        int64_t back = 7;
        clock_stamp(t[i].ms, stamp);
        clock_compact(t[i].ms, compact);
        CHECK(strcmp(stamp, t[i].stamp) == 0 && strcmp(compact, t[i].compact) == 0);
        CHECK(clock_parse_stamp(stamp, &back) == 0 && back == t[i].ms);
    }
    for (int64_t ms = -5000000000; ms < INT64_C(4000000000000); ms += INT64_C(12345678901)) {
        int64_t back = 0;
        clock_stamp(ms, stamp);
        CHECK(clock_parse_stamp(stamp, &back) == 0 && back == ms);
    }
    int64_t ms = 0;
    CHECK(clock_parse_stamp("2026-11-22T11:19:14Z", &ms) == 0 && ms % 1000 == 0); /* milliseconds are optional */
    clock_stamp(INT64_MAX, stamp); /* beyond the calendar: some text, within its bounds */
    clock_stamp(INT64_MIN, stamp);
    clock_compact(INT64_MAX, compact);
    CHECK(strlen(stamp) < CLOCK_STAMP_SIZE && strlen(compact) < CLOCK_COMPACT_SIZE);
}

static void refused(void) {
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-22",
        "2026-11-22 11:19:14Z",
        "2026-11-22T11:19:14",
        "2026-11-22T11:19:14z",
        "2026-11-22T11:19:14+00:00",
        "2026-11-22T11:19:14.1Z",
        "2026-11-22T11:19:14.12Z",
        "2026-11-22T11:19:14.1234Z",
        "2026-11-22T11:19:14.-12Z",
        "2026-11-22T11:19:14.Z",
        "2026-11-22T11:19:14.123Z ",
        " 2026-11-22T11:19:14.123Z",
        "2026-11-22T11:19:14.123Zx",
        "2026-00-22T11:19:14Z",
        "2026-13-22T11:19:14Z",
        "2026-11-00T11:19:14Z",
        "2026-11-32T11:19:14Z",
        "2026-11-22T24:19:14Z",
        "2026-11-22T11:60:14Z",
        "2026-11-22T11:19:61Z",
        "202a-11-22T11:19:14Z",
        "2026-1-22T11:19:14Z",
        "+026-11-22T11:19:14Z",
        " 026-11-22T11:19:14Z",
        "2026- 1-22T11:19:14Z",
        "2026-11-22T-1:19:14Z",
        "2026-11-22T+1:19:14Z",
        "2026-11-22T11:19:14.+12Z",
        "2026-11-22T11:19:14. 12Z",
        "2026-02-30T11:19:14Z",
        "2026-02-29T11:19:14Z",
        "2026-04-31T11:19:14Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 42;
        if (!CHECK(clock_parse_stamp(bad[i], &ms) == -1 && ms == 42)) fprintf(stderr, "    accepted: \"%s\"\n", bad[i]);
    }
}

static void deadlines(void) {
    CHECK(clock_left_ms(0) == -1);
    CHECK(clock_left_ms(1) == 0 && clock_left_ms(clock_mono_us()) == 0);
    int left = clock_left_ms(clock_mono_us() + 5000000);
    CHECK(left > 4000 && left <= 5000);
    left = clock_left_ms(clock_mono_us() + 300); /* rounded up: poll() must not spin before the deadline */
    CHECK(left == 1 || left == 0);
    CHECK(clock_left_ms(UINT64_MAX) == 1000000000);
    uint64_t a = clock_mono_us();
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    uint64_t b = clock_mono_us();
    CHECK(b - a >= 2000 && b - a < 5000000);
    int64_t now = clock_real_ms();
    CHECK(now > INT64_C(1700000000000) && now - (int64_t)time(NULL) * 1000 < 2000);
}

int main(void) {
    setenv("TZ", "America/St_Johns", 1);
    tzset();
    there_and_back();
    refused();
    deadlines();
    return check_done();
}
