/* fuzz_wk_relay.c - bytes of a taken-over inspector: whatever they are, the relay ends them or passes permitted
 * frames. The first byte picks the step, the second how the stream is cut into reads. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "worker/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static int control = -1, bulk = -1;
    if (control < 0) {
        control = open("/dev/null", O_WRONLY | O_CLOEXEC);
        bulk = open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
    if (n < 2) return 0;
    struct err e = ERR_INIT;
    struct up up;
    struct relay relay;
    BUG_UNLESS(up_init(&up, control, bulk, getppid(), &e) == 0);
    relay_init(&relay, &up, 1u << p[0] % 5);
    size_t step = (size_t)p[1] + 1;
    int rc = 0;
    for (size_t at = 2; rc == 0 && at < n; at += step)
        rc = relay_feed(&relay, p + at, n - at < step ? n - at : step, &e);
    BUG_UNLESS(rc == 0 || e.code != ERR_NONE);
    if (rc == 0 && relay_finish(&relay, &e) == 0) BUG_UNLESS(relay.done);
    if (relay.result.seen) BUG_UNLESS(strlen(relay.result.head) < RELAY_OID_SIZE && relay.step == INSPECT_CENSUS);
    relay_release(&relay);
    up_release(&up);
    return 0;
}
