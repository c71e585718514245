/* confine_self.c - confinement of the calling process without new namespaces: for an inspector, which parses hostile
 * bytes.
 *
 * It inherits the worker's namespaces and root; this adds Landlock (exactly the given paths, no TCP), limits, and a
 * filter without exec, fork, sockets, executable memory and changes of metadata. Rule sets stack: a second call can
 * only narrow. Capabilities go, except CAP_DAC_OVERRIDE in root mode, without which uid 0 could not read the workspace
 * of another uid; Landlock bounds where that helps.
 */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/internal.h"

static int apply_rules(const struct jail_path_rule *rules, size_t n, struct jail_report *r, struct err *e) {
    struct landlock l;
    if (LEFT_OUT(JAIL_M_LANDLOCK)) return 0;
    if (landlock_open(&l, true, e) < 0) return -1;
    AUTO_FD int fd = l.fd;
    for (size_t i = 0; i < n; i++)
        if (landlock_allow(&l, rules[i].path, rules[i].writable ? LL_READ | LL_WRITE : LL_READ, e) < 0) return -1;
    (void)fd;
    return landlock_restrict(&l, r, e);
}

int jail_confine_self(const struct jail_path_rule *rules, size_t n, const struct jail_limits *limits, bool last,
                      struct jail_report *ret, struct err *e) {
    struct jail_report r = {.mode = jail_mode()};
    const struct jail_limits l = profile_limits(JAIL_INSPECTOR, limits);
    if (rlimits_apply(&l, e) < 0 || no_new_privs(&r, e) < 0 || apply_rules(rules, n, &r, e) < 0)
        return err_ctx(e, "confine");
    r.in_force |= JAIL_M_RLIMITS;
    if (last) {
        if (caps_keep_only(UINT64_C(1) << CAP_DAC_OVERRIDE, e) < 0) return err_ctx(e, "confine");
        if (!caps_have(CAP_DAC_OVERRIDE)) r.in_force |= JAIL_M_CAPS;
        if ((!LEFT_OUT(JAIL_T_DUMPABLE) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) ||
            seccomp_install(JAIL_INSPECTOR, &r, e) < 0)
            return err_ctx(e, "confine");
    }
    *ret = r;
    return 0;
}
