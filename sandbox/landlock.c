/* landlock.c - the second lock on files, independent of the mounts: what a mistake in a mount would open stays shut.
 *
 * Graceful by ABI, never silent: every access right that the kernel knows is handled (and so denied where no rule
 * grants it), the report says which ABI that was and what holds the rest, a caller may require a version, and no
 * environment variable has a say. Debian 12's headers know ABI 3; the newer constants are here. With a network namespace of
 * its own a jail needs no TCP rules: those know ports only, and no UDP; without one no port is granted to an inspector, and the
 * endpoint's to a gateway.
 *
 * The flags of ABI 7 are not used. By default the kernel writes denials to the audit log until the next exec and not after
 * it: those of an inspector, which executes nothing, and never those of a program in a jail, which could flood the log of
 * its host. Reading that log would need CAP_AUDIT_READ, so a denied path is not among the denials that are observed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/internal.h"
#include "sandbox/kernel.h"

#define FS_REFER (UINT64_C(1) << 13)        /* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)     /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)    /* ABI 5 */
#define FS_RESOLVE_UNIX (UINT64_C(1) << 16) /* ABI 9; no rule grants it: a jail's own sockets need none */
#define NET_BIND_TCP (UINT64_C(1) << 0)     /* ABI 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define RULE_NET_PORT 2
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* ABI 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

#define FS_ABI_1 ((UINT64_C(1) << 13) - 1)

/* What each version added to the files of the first, and what keeps a jail shut where the kernel is older. */
static const struct {
    int abi;
    uint64_t fs, net, scope;
    struct jail_landlock_gap gap;
} added[JAIL_LANDLOCK_PARTS] = {
    {2, FS_REFER, 0, 0, {"refer", "the kernel refuses every move and link between directories"}},
    {3, FS_TRUNCATE, 0, 0, {"truncate", "read-only mounts"}},
    {4, 0, NET_BIND_TCP | NET_CONNECT_TCP, 0, {"tcp", "the network namespace"}},
    {5, FS_IOCTL_DEV, 0, 0, {"ioctl_dev", "the seccomp filter"}},
    {6, 0, 0, SCOPE_ABSTRACT_UNIX, {"abstract_unix_socket", "the network namespace"}},
    {6, 0, 0, SCOPE_SIGNAL, {"signal", "the pid namespace; an inspector's seccomp filter"}},
    {9, FS_RESOLVE_UNIX, 0, 0, {"resolve_unix", "that no case may show a directory that holds a socket"}},
};
#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                                                      \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |       \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)
#define FS_OF_FILES                                                                                            \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | \
     FS_IOCTL_DEV)

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

int jail_landlock_abi(void) {
    const long abi = syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : JAIL_LANDLOCK_CAP((int)abi);
}

static struct ruleset_attr handled_by(int abi, bool with_net) {
    struct ruleset_attr a = {.fs = FS_ABI_1};
    for (size_t i = 0; i < JAIL_LANDLOCK_PARTS && added[i].abi <= abi; i++) {
        a.fs |= added[i].fs;
        a.net |= with_net ? added[i].net : 0;
        a.scoped |= added[i].scope;
    }
    return a;
}

size_t jail_landlock_gaps(int abi, struct jail_landlock_gap ret[JAIL_LANDLOCK_PARTS]) {
    size_t n = 0;
    for (size_t i = 0; i < JAIL_LANDLOCK_PARTS; i++)
        if (added[i].abi > abi) ret[n++] = added[i].gap;
    return n;
}

int landlock_open(struct landlock *l, bool with_net, struct err *e) {
    const int abi = jail_landlock_abi();
    if (abi <= 0) return mechanism_err(e, JAIL_M_LANDLOCK, "not in this kernel, or not switched on (lsm=)");
    const struct ruleset_attr a = handled_by(abi, with_net);
    /* A kernel that knows fewer fields accepts the others as long as they are zero, and they are. */
    const int fd = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &a, sizeof a, 0);
    if (fd < 0) return mechanism_err(e, JAIL_M_LANDLOCK, "create ruleset");
    *l = (struct landlock){.fd = fd, .abi = abi, .fs = a.fs, .net = a.net, .scope = a.scoped};
    return 0;
}

static uint64_t access_bits(unsigned access) {
    uint64_t bits = 0;
    if (access & LL_READ) bits |= FS_READ;
    if (access & LL_LIST) bits |= LANDLOCK_ACCESS_FS_READ_DIR;
    if (access & LL_EXEC) bits |= LANDLOCK_ACCESS_FS_EXECUTE;
    if (access & LL_WRITE) bits |= FS_WRITE;
    /* O_TRUNC on a device is a truncation too. ioctl: isatty() must be able to say no. */
    if (access & LL_DEVICE)
        bits |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
    return bits;
}

/* `path` is for messages only. */
static int allow_fd(const struct landlock *l, int fd, bool is_dir, unsigned access, const char *path, struct err *e) {
    struct landlock_path_beneath_attr rule = {.allowed_access = access_bits(access) & l->fs, .parent_fd = fd};
    if (!is_dir) rule.allowed_access &= FS_OF_FILES;
    if (rule.allowed_access == 0) return 0;
    if (syscall(NR_LANDLOCK_ADD_RULE, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) {
        mechanism_err(e, JAIL_M_LANDLOCK, "add rule");
        return err_ctx(e, "%s", path);
    }
    return 0;
}

int landlock_allow(const struct landlock *l, const char *path, unsigned access, struct err *e) {
    AUTO_FD int fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) return err_sys(e, "landlock: %s", path);
    return allow_fd(l, fd, S_ISDIR(st.st_mode), access, path, e);
}

/* Ports of TCP only, whatever address: which that may be is the caller's to check. */
int landlock_allow_connect(const struct landlock *l, uint16_t port, struct err *e) {
    const struct { uint64_t allowed_access, port; } rule = {NET_CONNECT_TCP, port};
    if ((l->net & NET_CONNECT_TCP) == 0) return 0; /* older than ABI 4: not handled, so not denied */
    if (syscall(NR_LANDLOCK_ADD_RULE, l->fd, RULE_NET_PORT, &rule, 0) < 0)
        return mechanism_err(e, JAIL_M_LANDLOCK, "add port rule");
    return 0;
}

/* A rule belongs to an inode, so a tree's descriptor names the bound thing more surely than the path it was put at. What
 * lies in /etc has the rule of /etc; /tmp that of /scratch, unless it is a mount: a walk up from there ends in "/". */
int landlock_jail_rules(const struct landlock *l, const struct trees *t, struct err *e) {
    static const struct {
        const char *path;
        unsigned access;
    } own[] = {
        {"/", LL_LIST},
        {"/etc", LL_READ},
        {"/proc", LL_READ},
        {"/dev/pts", LL_LIST | LL_DEVICE},
        {"/scratch", LL_READ | LL_WRITE | LL_EXEC},
        {"/tmp", LL_READ | LL_WRITE | LL_EXEC},
    };
    const size_t n = sizeof own / sizeof own[0] - (trees_use_tmp(t) ? 0 : 1);
    for (size_t i = 0; i < n; i++) {
        if (LEFT_OUT(JAIL_M_ROOT) && access(own[i].path, F_OK) < 0) continue;
        if (landlock_allow(l, own[i].path, own[i].access, e) < 0) return -1;
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct tree *tree = &t->v[i];
        if (tree->standard && tree->no_exec && !tree->device) continue; /* in /etc */
        const unsigned access = tree->device
                                    ? (unsigned)LL_DEVICE
                                    : LL_READ | (tree->no_exec ? 0u : LL_EXEC) | (tree->writable ? LL_WRITE : 0u);
        if (allow_fd(l, tree->fd, tree->is_dir, access, tree->target, e) < 0) return -1;
    }
    return 0;
}

int landlock_restrict(const struct landlock *l, struct jail_report *r, struct err *e) {
    if (syscall(NR_LANDLOCK_RESTRICT_SELF, l->fd, 0) < 0) return mechanism_err(e, JAIL_M_LANDLOCK, "restrict");
    r->in_force |= JAIL_M_LANDLOCK;
    r->landlock_abi = l->abi;
    r->landlock_fs = l->fs;
    r->landlock_net = l->net;
    r->landlock_scope = l->scope;
    return 0;
}
