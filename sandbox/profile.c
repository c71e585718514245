/* profile.c - profiles as data: filter, required mechanisms, default limits; the environment of a jail; names.
 *
 * A limit is generous by default: it is there to keep a host alive, not to judge a program. Nothing here can be
 * changed by an environment variable.
 */
#include "sandbox/internal.h"

#include <errno.h>
#include <string.h>

#define CTO_SYSCALL_NAMES
#include "seccomp_filters.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define FILTER(array) .filter = (array), .filter_len = sizeof(array) / sizeof((array)[0])

#define NAMESPACES (JAIL_M_MOUNTNS | JAIL_M_PIDNS | JAIL_M_NETNS | JAIL_M_IPCNS | JAIL_M_UTSNS | JAIL_M_CGROUPNS)
#define PROGRAM                                                                                        \
    (NAMESPACES | JAIL_M_ROOT | JAIL_M_LANDLOCK | JAIL_M_SECCOMP | JAIL_M_NO_NEW_PRIVS | JAIL_M_CAPS | \
     JAIL_M_RLIMITS | JAIL_M_PDEATHSIG | JAIL_M_FDS)

/* RLIMIT_DATA, not RLIMIT_AS: a JIT reserves tens of GiB of address space that it never touches. */
/* clang-format off */
static const struct profile profiles[JAIL_PROFILE_COUNT] = {
    [JAIL_ENGINE] = {.name = "engine",
                     FILTER(seccomp_engine),
                     .required = PROGRAM,
                     .limits = {.memory_bytes = 4 * GIB, .processes = 512, .cpu_s = 3600, .open_files = 4096,
                                .file_bytes = 1 * GIB, .scratch_bytes = 512 * MIB, .scratch_inodes = 65536}},
    [JAIL_VERIFIER] = {.name = "verifier",
                       FILTER(seccomp_verifier), .withheld = seccomp_verifier_withheld,
                       .narrowed = seccomp_verifier_narrowed,
                       .required = PROGRAM,
                       .limits = {.memory_bytes = 4 * GIB, .processes = 512, .cpu_s = 1800, .open_files = 4096,
                                  .file_bytes = 1 * GIB, .scratch_bytes = 512 * MIB, .scratch_inodes = 65536}},
    [JAIL_INSPECTOR] = {.name = "inspector",
                        FILTER(seccomp_inspector),
                        .required = JAIL_M_LANDLOCK | JAIL_M_SECCOMP | JAIL_M_NO_NEW_PRIVS | JAIL_M_RLIMITS,
                        .limits = {.memory_bytes = 1 * GIB, .processes = 0, .cpu_s = 600, .open_files = 1024,
                                   .file_bytes = 2 * GIB}},
    [JAIL_WORKER] = {.name = "worker",
                     FILTER(seccomp_worker),
                     .required = JAIL_M_MOUNTNS | JAIL_M_NETNS | JAIL_M_IPCNS | JAIL_M_UTSNS | JAIL_M_ROOT |
                                 JAIL_M_SECCOMP | JAIL_M_NO_NEW_PRIVS},
    [JAIL_GATEWAY] = {.name = "gateway",
                      FILTER(seccomp_gateway),
                      .required = JAIL_M_LANDLOCK | JAIL_M_SECCOMP | JAIL_M_NO_NEW_PRIVS | JAIL_M_RLIMITS | JAIL_M_CAPS |
                                  JAIL_M_PDEATHSIG,
                      .limits = {.memory_bytes = 512 * MIB, .processes = 0, .cpu_s = 24 * 3600, .open_files = 4096,
                                 .file_bytes = 1 * GIB}},
};
/* clang-format on */

const struct profile *profile_get(enum jail_profile p) {
    BUG_UNLESS((unsigned)p < JAIL_PROFILE_COUNT);
    return &profiles[p];
}

const char *jail_profile_name(enum jail_profile p) {
    return (unsigned)p < JAIL_PROFILE_COUNT ? profiles[p].name : "invalid";
}

struct jail_filter jail_filter(enum jail_profile p) {
    const struct profile *v = profile_get(p);
    return (struct jail_filter){.table = v->name,
                                .instructions = v->filter_len,
                                .withheld = v->withheld ? v->withheld : "",
                                .narrowed = v->narrowed ? v->narrowed : ""};
}

int jail_profile_by_name(const char *name) {
    for (int i = 0; i < JAIL_PROFILE_COUNT; i++)
        if (strcmp(profiles[i].name, name) == 0) return i;
    return -1;
}

uint32_t jail_required(enum jail_profile p, enum jail_mode m) {
    uint32_t r = profile_get(p)->required;
    if (p == JAIL_INSPECTOR) return r;
    if (p == JAIL_GATEWAY) return m == JAIL_MODE_ROOT ? r | JAIL_M_SETUID : r;
    if (m == JAIL_MODE_USER) return r | JAIL_M_USERNS;
    return p == JAIL_WORKER ? r : r | JAIL_M_SETUID;
}

struct jail_limits profile_limits(enum jail_profile p, const struct jail_limits *wish) {
    struct jail_limits l = profile_get(p)->limits;
    if (!wish) return l;
#define TAKE(field) \
    if (wish->field) l.field = wish->field
    TAKE(memory_bytes);
    TAKE(processes);
    TAKE(cpu_s);
    TAKE(open_files);
    TAKE(file_bytes);
    TAKE(scratch_bytes);
    TAKE(scratch_inodes);
    TAKE(total_memory_bytes);
    TAKE(total_processes);
#undef TAKE
    return l;
}

struct jail_limits jail_default_limits(enum jail_profile p) {
    return profile_limits(p, NULL);
}

static const char *const mechanism_names[JAIL_M_COUNT] = {
    "user namespace",        "mount namespace",    "pid namespace",   "network namespace", "IPC namespace",
    "UTS namespace",         "cgroup namespace",   "minimal root",    "landlock",          "seccomp",
    "no_new_privs",          "no capabilities",    "resource limits", "unprivileged uid",  "cgroup limits",
    "death with the parent", "closed descriptors",
};

const char *jail_mechanism_name(unsigned bit_index) {
    return bit_index < JAIL_M_COUNT ? mechanism_names[bit_index] : "invalid";
}

/* One text with all names, each ended by NUL, in the order of the numbers: an array of pointers would be relocated at
 * every start. */
_Static_assert(SECCOMP_NAMES_LAST + 2 <= JAIL_DENIALS_MAX, "every name and \"unknown\" have room");
const char *syscall_name(int nr) {
    const char *p = seccomp_names;
    if (nr < 0 || nr > SECCOMP_NAMES_LAST) return "unknown";
    while (nr-- > 0) p += strlen(p) + 1;
    return *p ? p : "unknown";
}

static bool only_short_of_resources(int error) {
    return error == ENOMEM || error == EMFILE || error == ENFILE || error == EAGAIN || error == EINTR;
}

int mechanism_err(struct err *e, enum jail_mechanism m, const char *what) {
    int saved = errno;
    const char *name = jail_mechanism_name((unsigned)__builtin_ctz((unsigned)m));
    err_set(e, only_short_of_resources(saved) ? ERR_SYS : ERR_UNSUPPORTED, "%s: %s: %s", name, what, strerror(saved));
    if (e) e->sys = saved;
    return -1;
}

const char *const *jail_default_env(void) {
    static const char *const env[] = {
        "PATH=" JAIL_PATH,
        "HOME=/scratch/home",
        "TMPDIR=/scratch/tmp",
        "LANG=C.UTF-8",
        "USER=jail",
        "LOGNAME=jail",
        "SHELL=/bin/sh",
        "GIT_AUTHOR_NAME=agent",
        "GIT_AUTHOR_EMAIL=agent@jail.invalid",
        "GIT_COMMITTER_NAME=agent",
        "GIT_COMMITTER_EMAIL=agent@jail.invalid",
        "GIT_CONFIG_NOSYSTEM=1",
        "PYTHONDONTWRITEBYTECODE=1",
        NULL,
    };
    return env;
}
