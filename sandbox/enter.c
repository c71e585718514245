/* enter.c - namespaces and a minimal root for the calling process itself: a worker, which builds jails from there.
 *
 * It keeps the privilege to mount: in root mode a handful of capabilities, as an ordinary user those of its own user
 * namespace, with one inner id that is not 0. No Landlock file rules, since they would forbid mounting to it and to
 * every jail; its filter (jail_restrict_worker) is wider than a jail's, because a jail inherits it and filters only
 * add up.
 *
 * The trap: a jail in a user namespace may mount a /proc only while its builder's root shows a whole one. So this
 * root keeps the host's /proc, read-only. It needs no pid namespace: its children, the jails, have their own.
 * It shows the worker nothing that uid could not see before, and no program runs in it.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/internal.h"

#define BIT(cap) (UINT64_C(1) << (cap))
/* SYS_ADMIN: namespaces and mounts. NET_ADMIN: lo. SETPCAP, SETUID, SETGID: what pid 1 of a jail gives up last. CHOWN,
 * DAC_OVERRIDE, FOWNER: workspaces under the uids of slots. KILL: them. SYS_RESOURCE: limits above an inherited soft
 * one. */
#define WORKER_CAPS                                                                                                    \
    (BIT(CAP_SYS_ADMIN) | BIT(CAP_NET_ADMIN) | BIT(CAP_SETPCAP) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_CHOWN) | \
     BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_KILL) | BIT(CAP_SYS_RESOURCE))
#define MORE_NAMESPACES (CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET)

static int enter_namespaces(enum jail_mode mode, struct jail_report *r, struct err *e) {
    if (mode == JAIL_MODE_USER) {
        if (ids_entered()) return err_set(e, ERR_INTERNAL, "user namespace: already in one of its own");
        if (ids_enter_user_namespace(MORE_NAMESPACES, e) < 0) return -1;
        r->in_force |= JAIL_M_USERNS;
    } else if (unshare(CLONE_NEWNS | MORE_NAMESPACES) < 0) {
        return mechanism_err(e, JAIL_M_MOUNTNS, "unshare");
    }
    r->in_force |= JAIL_M_MOUNTNS | JAIL_M_IPCNS | JAIL_M_UTSNS | JAIL_M_NETNS;
    return 0;
}

int jail_enter(const struct jail_enter_spec *spec, struct jail_report *ret, struct err *e) {
    struct trees trees;
    struct jail_report r = {.mode = jail_mode()};
    if (enter_namespaces(r.mode, &r, e) < 0) return err_ctx(e, "enter the worker's root");
    if (trees_open(&trees, spec->binds, spec->n_binds, true, e) < 0) return err_ctx(e, "enter the worker's root");
    const struct root_plan p = {.trees = &trees, .worker = true, .uid = r.mode == JAIL_MODE_ROOT ? 0 : JAIL_INNER_UID};
    const int rc = root_build(&p, e);
    trees_close(&trees);
    if (rc < 0 || caps_keep_only(WORKER_CAPS, e) < 0) return err_ctx(e, "enter the worker's root");
    r.in_force |= JAIL_M_ROOT;
    *ret = r;
    return 0;
}

int jail_restrict_worker(struct jail_report *report, struct err *e) {
    /* Not dumpable: as an ordinary user the engine has our kernel uid. Its pid namespace hides us; this is the
     * second wall. */
    if (!LEFT_OUT(JAIL_T_DUMPABLE) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return err_sys(e, "dumpable");
    if (no_new_privs(report, e) < 0 || seccomp_install(JAIL_WORKER, report, e) < 0)
        return err_ctx(e, "restrict the worker");
    return 0;
}
