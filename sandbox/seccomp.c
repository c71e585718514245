/* seccomp.c - installs a filter that was compiled at build time. Always the last step of a confinement: everything
 * before it needs calls that the filter refuses. no_new_privs is the precondition, and holds for execs anyway:
 * set-id bits and file capabilities mean nothing from here on.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/internal.h"

int no_new_privs(struct jail_report *r, struct err *e) {
    if (LEFT_OUT(JAIL_M_NO_NEW_PRIVS)) return 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return mechanism_err(e, JAIL_M_NO_NEW_PRIVS, "prctl");
    r->in_force |= JAIL_M_NO_NEW_PRIVS;
    return 0;
}

int seccomp_install(enum jail_profile p, struct jail_report *r, struct err *e) {
    const struct profile *profile = profile_get(p);
    if (LEFT_OUT(JAIL_M_SECCOMP)) return 0;
    /* The kernel only reads it; its struct is not const. */
    const struct sock_fprog prog = {.len = profile->filter_len,
                                    .filter = (struct sock_filter *)(uintptr_t)profile->filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0) return mechanism_err(e, JAIL_M_SECCOMP, "seccomp");
    r->in_force |= JAIL_M_SECCOMP;
    r->seccomp_instructions = profile->filter_len;
    return 0;
}

#define OBSERVED_MAX 1024
#define NEW_LISTENER (1UL << 3) /* SECCOMP_FILTER_FLAG_NEW_LISTENER */

int seccomp_install_observed(enum jail_profile p, struct jail_report *r, int *ret_listener, struct err *e) {
    const struct profile *profile = profile_get(p);
    struct sock_filter observed[OBSERVED_MAX];
    *ret_listener = -1;
    if (LEFT_OUT(JAIL_M_SECCOMP) || profile->filter_len > OBSERVED_MAX) return seccomp_install(p, r, e);
    for (size_t i = 0; i < profile->filter_len; i++) {
        observed[i] = profile->filter[i];
        if (observed[i].code == (BPF_RET | BPF_K) && observed[i].k == (SECCOMP_RET_ERRNO | EPERM))
            observed[i].k = SECCOMP_RET_USER_NOTIF;
    }
    const struct sock_fprog prog = {.len = profile->filter_len, .filter = observed};
    const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, NEW_LISTENER, &prog);
    if (fd < 0) return seccomp_install(p, r, e); /* EBUSY: a filter above has one; EINVAL: an older kernel */
    *ret_listener = (int)fd;
    r->in_force |= JAIL_M_SECCOMP;
    r->seccomp_instructions = profile->filter_len;
    return 0;
}

/* A session keyring of its own, so that keys of the caller's session cannot even be named. The filter refuses keyctl
 * in any case, so a kernel without keys, a container's filter or a spent key quota is no reason to refuse the jail. */
void forget_keyring(void) {
    if (!LEFT_OUT(JAIL_T_KEYRING)) syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
}
