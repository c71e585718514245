/* testing.h - the one seam for tests: a mechanism can be left out of a jail, or the kernel made to know less Landlock.
 *
 * A probe that fails while its mechanism is in force proves something only when it succeeds without it. So the sources of
 * sandbox/ are built twice: as they are, and with CTO_SANDBOX_TESTING as cto_sandbox_testing, which only programs under
 * tests/ link (those that include this header; tests/CMakeLists.txt). In the product the two macros are constants, no
 * variable exists, and tests/lint/seam.sh looks into the programs for the name: no environment, option or file can reach it.
 *
 * What is left out is not reported as in force and not required. Order of dependence: without MOUNTNS there is no root
 * either; without NO_NEW_PRIVS no Landlock and no seccomp; without PIDNS /proc is the caller's and the death of "pid 1" ends
 * nobody else. USERNS cannot be left out: as an ordinary user it is the power to make the others.
 */
#ifndef CTO_SANDBOX_TESTING_H
#define CTO_SANDBOX_TESTING_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/jail.h"

/* Beside JAIL_M_* (the low half): parts of a mechanism. */
#define JAIL_T_HIDEPID (UINT64_C(1) << 32)       /* /proc shows other users' processes */
#define JAIL_T_PROC_READONLY (UINT64_C(1) << 33) /* /proc is writable */
#define JAIL_T_DUMPABLE (UINT64_C(1) << 34)      /* pid 1, workers, inspectors stay dumpable */
#define JAIL_T_READONLY (UINT64_C(1) << 35)      /* binds and the root are writable mounts */
#define JAIL_T_NOSUID (UINT64_C(1) << 36)
#define JAIL_T_NODEV (UINT64_C(1) << 37)
#define JAIL_T_NOEXEC (UINT64_C(1) << 38)
#define JAIL_T_SESSION (UINT64_C(1) << 39) /* no session of its own */
#define JAIL_T_KEYRING (UINT64_C(1) << 40) /* the caller's session keyring */

#ifdef CTO_SANDBOX_TESTING
struct jail_test_hooks {
    uint64_t without;     /* JAIL_M_* and JAIL_T_* */
    int landlock_abi_max; /* what the kernel is believed to know; below 0: what it says */
};
/* tests/lib/jail_hooks.c, which also fills it from the environment before main(). */
extern struct jail_test_hooks jail_test_hooks;
static inline uint64_t jail_left_out(void) {
    const uint64_t w = jail_test_hooks.without;
    const uint64_t more = w & JAIL_M_NO_NEW_PRIVS ? JAIL_M_LANDLOCK | JAIL_M_SECCOMP : 0u;
    return w | more | (w & JAIL_M_MOUNTNS ? JAIL_M_ROOT : 0u);
}
#define JAIL_LEFT_OUT jail_left_out()
#define JAIL_LANDLOCK_CAP(abi)                                                         \
    (jail_test_hooks.landlock_abi_max >= 0 && (abi) > jail_test_hooks.landlock_abi_max \
         ? jail_test_hooks.landlock_abi_max                                            \
         : (abi))
#else
#define JAIL_LEFT_OUT UINT64_C(0)
#define JAIL_LANDLOCK_CAP(abi) (abi)
#endif

/* Is any of these bits left out? */
#ifdef CTO_SANDBOX_TESTING
#define LEFT_OUT(bits) ((JAIL_LEFT_OUT & (bits)) != 0)
#else
#define LEFT_OUT(bits) false
#endif

#endif
