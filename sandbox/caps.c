/* caps.c - capability sets by the raw calls (libcap would be a library for four functions).
 *
 * The bounding set goes first: dropping from it needs CAP_SETPCAP, which capset takes away. A set is only believed
 * when it has been read back.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/internal.h"

struct cap_sets {
    uint64_t effective, permitted, inheritable;
};

static int caps_get(struct cap_sets *ret) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct d[2];
    memset(d, 0, sizeof d);
    if (syscall(SYS_capget, &h, d) < 0) return -1;
    ret->effective = d[0].effective | (uint64_t)d[1].effective << 32;
    ret->permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
    ret->inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
    return 0;
}

static int caps_set(uint64_t mask) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const uint32_t low = (uint32_t)mask, high = (uint32_t)(mask >> 32);
    const struct __user_cap_data_struct d[2] = {{.effective = low, .permitted = low},
                                                {.effective = high, .permitted = high}};
    return (int)syscall(SYS_capset, &h, d);
}

bool caps_have(unsigned cap) {
    struct cap_sets s;
    return caps_get(&s) == 0 && (s.effective >> cap & 1) != 0;
}

static int bound(uint64_t keep, struct err *e) {
    for (unsigned c = 0; c < 64; c++) {
        if (keep >> c & 1) continue;
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break; /* above the kernel's last one */
        return mechanism_err(e, JAIL_M_CAPS, "bounding set");
    }
    return 0;
}

int caps_empty_bounding(struct err *e) { return bound(0, e); }

int caps_keep_only(uint64_t mask, struct err *e) {
    struct cap_sets s;
    if (caps_get(&s) < 0) return mechanism_err(e, JAIL_M_CAPS, "capget");
    mask &= s.permitted;
    /* Without CAP_SETPCAP it stays; under no_new_privs nothing can come out of it. */
    if (caps_have(CAP_SETPCAP) && bound(mask, e) < 0) return -1;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (caps_set(mask) < 0) return mechanism_err(e, JAIL_M_CAPS, "capset");
    if (caps_get(&s) < 0 || s.effective != mask || s.permitted != mask || s.inheritable != 0)
        return err_set(e, ERR_UNSUPPORTED, "no capabilities: capset did not do what it said");
    return 0;
}

int caps_drop_all(struct err *e) { return caps_keep_only(0, e); }
