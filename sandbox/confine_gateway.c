/* confine_gateway.c - confinement of the calling process for a gateway: bytes of an agent on one side, of a server on the other.
 *
 * What it works with are descriptors that it has already, so Landlock grants no path at all, and one port. The uid is another one
 * than the supervisor's and than the engine's: neither may be reached by a signal or through /proc. Who is no root keeps the uid;
 * then dumpable 0 and the filter carry that.
 */
#include <sys/prctl.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/internal.h"

static int become(const struct jail_gateway_spec *s, struct jail_report *r, struct err *e) {
    if (r->mode == JAIL_MODE_ROOT) {
        if (caps_empty_bounding(e) < 0 || ids_become(s->uid, e) < 0) return -1;
        r->in_force |= JAIL_M_SETUID;
    }
    if (LEFT_OUT(JAIL_M_CAPS)) return 0;
    if (caps_drop_all(e) < 0) return -1;
    r->in_force |= JAIL_M_CAPS;
    return 0;
}

static int apply_landlock(const struct jail_gateway_spec *s, struct jail_report *r, struct err *e) {
    struct landlock l;
    if (LEFT_OUT(JAIL_M_LANDLOCK)) return 0;
    if (landlock_open(&l, true, e) < 0) return -1;
    AUTO_FD int fd = l.fd;
    (void)fd;
    if (s->port != 0 && landlock_allow_connect(&l, s->port, e) < 0) return -1;
    return landlock_restrict(&l, r, e);
}

int jail_confine_gateway(const struct jail_gateway_spec *s, struct jail_report *ret, struct err *e) {
    struct jail_report r = {.mode = jail_mode()};
    const struct jail_limits l = profile_limits(JAIL_GATEWAY, &s->limits);
    if (rlimits_apply(&l, e) < 0 || become(s, &r, e) < 0) return err_ctx(e, "confine");
    r.in_force |= JAIL_M_RLIMITS;
    if (jail_bind_life(s->parent, s->lifeline) < 0) return err_set(e, ERR_CONFLICT, "confine: the supervisor is gone");
    r.in_force |= JAIL_M_PDEATHSIG;
    if (no_new_privs(&r, e) < 0 || apply_landlock(s, &r, e) < 0) return err_ctx(e, "confine");
    if (!LEFT_OUT(JAIL_T_DUMPABLE) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return mechanism_err(e, JAIL_M_CAPS, "not dumpable");
    if (seccomp_install(JAIL_GATEWAY, &r, e) < 0) return err_ctx(e, "confine");
    *ret = r;
    return 0;
}
