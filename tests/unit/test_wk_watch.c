/* test_wk_watch.c - when a close look at a jail's memory is due: not all the time, and at once when the host loses what the jail may
 * have taken. */
#include "check.h"
#include "worker/watch_procs.h"

#define MS 1000u
#define GIB (UINT64_C(1) << 30)

int main(void) {
    struct close_pause c = {0};
    CHECK(close_pause_over(&c, 1, 8 * GIB)); /* the first time */
    /* A look of 2 s, a gibibyte below the limit: 40 s of pause, of which the first 2 are never cut short. */
    c.available = 8 * GIB;
    c.room = GIB;
    close_pause_begin(&c, 10000 * MS, 2000 * MS, 20);
    CHECK(!close_pause_over(&c, 10001 * MS, 8 * GIB) && !close_pause_over(&c, 11999 * MS, 0));
    CHECK(!close_pause_over(&c, 12000 * MS, 8 * GIB) && !close_pause_over(&c, 12000 * MS, 9 * GIB));
    CHECK(!close_pause_over(&c, 12000 * MS, 7 * GIB) && close_pause_over(&c, 12000 * MS, 7 * GIB - 1));
    CHECK(close_pause_over(&c, 12000 * MS, 0)); /* a host that does not say is looked at as often as may be */
    CHECK(!close_pause_over(&c, 49999 * MS, 8 * GIB) && close_pause_over(&c, 50000 * MS, 8 * GIB));
    const uint64_t now = host_available();
    CHECK(now > (1u << 20) && now < UINT64_C(1) << 50);
    return check_done();
}
