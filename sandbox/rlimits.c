/* rlimits.c - the per-process limits. Set before the change of uid, so that RLIMIT_NPROC counts for the jail's own
 * uid, and never above the hard limit that the caller has: a limit somebody put on us holds inside too.
 *
 * RLIMIT_AS is not among them: it breaks every JIT. Core dumps are off: core_pattern may name a program of the host.
 */
#include <sys/resource.h>

#include "sandbox/internal.h"

#define STACK_BYTES (UINT64_C(8) << 20)
#define LOCKED_BYTES (UINT64_C(8) << 20)

#ifdef __GLIBC__
typedef __rlimit_resource_t resource; /* an enum there, an int elsewhere */
#else
typedef int resource;
#endif

static int limits(resource what, const char *name, uint64_t soft, uint64_t hard, struct err *e) {
    struct rlimit now, next = {.rlim_cur = soft, .rlim_max = hard};
    if (getrlimit(what, &now) < 0) return err_sys(e, "getrlimit %s", name);
    if (now.rlim_max != RLIM_INFINITY && next.rlim_max > now.rlim_max) next.rlim_max = now.rlim_max;
    if (next.rlim_cur > next.rlim_max) next.rlim_cur = next.rlim_max;
    if (setrlimit(what, &next) < 0) return mechanism_err(e, JAIL_M_RLIMITS, name);
    return 0;
}

static int limit(resource what, const char *name, uint64_t value, struct err *e) {
    return limits(what, name, value, value, e);
}

/* At the hard limit the kernel sends SIGKILL, which could be anybody's; SIGXCPU at the soft one says what it was. Who
 * ignores that has one second more. */
static int limit_cpu(uint64_t seconds, struct err *e) { return limits(RLIMIT_CPU, "cpu", seconds, seconds + 1, e); }

/* The shadow of a sanitizer counts as data: terabytes of it, reserved. Such a build has an identity of its own. */
#ifdef CTO_SANITIZED
#define LIMIT_DATA false
#else
#define LIMIT_DATA true
#endif

int rlimits_apply(const struct jail_limits *l, struct err *e) {
    if ((LIMIT_DATA && l->memory_bytes && limit(RLIMIT_DATA, "data", l->memory_bytes, e) < 0) ||
        (l->processes && limit(RLIMIT_NPROC, "processes", l->processes, e) < 0) ||
        (l->cpu_s && limit_cpu(l->cpu_s, e) < 0) ||
        (l->open_files && limit(RLIMIT_NOFILE, "open files", l->open_files, e) < 0) ||
        (l->file_bytes && limit(RLIMIT_FSIZE, "file size", l->file_bytes, e) < 0) ||
        limit(RLIMIT_STACK, "stack", STACK_BYTES, e) < 0 ||
        limit(RLIMIT_MEMLOCK, "locked memory", LOCKED_BYTES, e) < 0 || limit(RLIMIT_CORE, "core", 0, e) < 0 ||
        limit(RLIMIT_RTPRIO, "real-time priority", 0, e) < 0 || limit(RLIMIT_NICE, "nice", 0, e) < 0)
        return -1;
    return 0;
}
