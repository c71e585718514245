/* filter_gen.c - build-time generator: syscalls.def -> static arrays of BPF in the header named by argv[1].
 *
 * The table becomes one decision per profile and system call, and the decisions become programs: the one that is
 * installed (filter_gen_emit.c), and libseccomp's as a second opinion, which only a test compiles in and compares with.
 * Building a filter at run time costs 0.3-0.8 ms per process and would put a library into every binary of the tree.
 *
 * There are two refusals: EPERM for calls we know and refuse, ENOSYS for those newer than the table, so that a libc built
 * for a newer kernel falls back. libseccomp has one default action; six instructions in front of its program do the rest
 * and leave foreign architectures and x32 numbers to its own check, which kills.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/fiemap.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_ether.h>
#include <linux/sched.h>
#include <linux/quota.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>
#include <netinet/in.h>

#include "sandbox/filter_gen.h"

enum profile_bit { E = 1, V = 2, P = E | V, I = 4, W = 8, G = 16 };

enum rule {
    ALLOW,
    NOSYS,       /* ENOSYS */
    CLONE_PLAIN, /* flags without namespaces, CLONE_PARENT, CLONE_UNTRACED, CLONE_PTRACE */
    OPEN_AT_1,   /* flags in argument 1, mode in 2: no set-id bits, unless nothing is created and it means nothing */
    OPEN_AT_2,   /* the same, one further */
    MODE_AT_1,   /* mode without set-id bits */
    MODE_AT_2,
    MKNOD_AT_1, /* mode: FIFO, socket or plain file, without set-id bits */
    MKNOD_AT_2,
    NO_EXEC_AT_2,  /* protection without PROT_EXEC */
    NO_HUGE_AT_1,  /* memfd_create's flags without MFD_HUGETLB */
    NO_HUGE_AT_2,  /* shmget's */
    NO_HUGE_AT_3,  /* mmap's */
    RENAME_PLAIN,  /* without RENAME_WHITEOUT */
    FCNTL_PROGRAM, /* one of a list */
    FCNTL_GATEWAY,
    OWN_PRIORITY,  /* PRIO_PROCESS, 0 */
    SELF_AT_0,     /* pid 0 */
    IOCTL_PROGRAM, /* one of a list; TIOCSCTTY without force */
    IOCTL_LAYOUT,
    IOCTL_REFLINK,
    IOCTL_LOOPBACK,
    IOCTL_LISTENER,
    IOCTL_PROJECT,
    IOCTL_NONBLOCK,
    QUOTA_PROJECT,
    PRCTL_PROGRAM, /* one of a list */
    PRCTL_SANDBOX,
    PRCTL_INSPECTOR,
    ARCH_PRCTL,
    PERSONALITY,
    SCHED_ORDINARY,
    SOCKET_PROGRAM,
    SOCKET_TCP,
    SOCKETPAIR_UNIX,
    KEYCTL_JOIN,
};

struct row {
    const char *name;
    unsigned profiles;
    enum rule rule;
};
static const struct row rows[] = {
#define ROW(name, profiles, rule, reason) {#name, (profiles), rule},
#include "sandbox/syscalls.def"
#undef ROW
};
#define N_ROWS (sizeof rows / sizeof rows[0])

#define SET_ID_BITS (S_ISUID | S_ISGID)
#define CLONE_REFUSED                                                                                             \
    (CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET | CLONE_PARENT | CLONE_UNTRACED | CLONE_PTRACE)
#define LOW32 0xffffffffu

static const char *now; /* the row being added, for messages */

void die(const char *what, int error) {
    fprintf(stderr, "cto-filter-gen: %s: %s: %s\n", now ? now : "-", what, strerror(error < 0 ? -error : error));
    exit(1);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */
static void settle(struct decision *d, enum decision_kind kind) {
    if (d->kind != REFUSE && d->kind != kind) die("rows that contradict each other", EINVAL);
    d->kind = kind;
}

static void allow_if(struct decision *d, const struct check *c, uint32_t n) {
    settle(d, PERMIT_IF);
    if (d->n == MAX_ALTERNATIVES) die("too many alternatives", E2BIG);
    struct alternative *a = &d->v[d->n++];
    a->n = n;
    memcpy(a->c, c, n * sizeof *c);
}

/* Allowed when the masked argument has this value. The kernel looks at 32 bits of most of these arguments, so the
 * mask never covers more: a caller must not get past a comparison with bits that nobody reads. */
static void allow_masked(struct decision *d, unsigned arg, uint32_t mask, uint32_t value) {
    const struct check c = {arg, mask, value};
    allow_if(d, &c, 1);
}

/* The first two arguments. */
static void allow_two(struct decision *d, uint32_t first, uint32_t second) {
    const struct check c[2] = {{0, LOW32, first}, {1, LOW32, second}};
    allow_if(d, c, 2);
}

static void allow_list(struct decision *d, unsigned arg, const uint32_t *values, size_t n) {
    for (size_t i = 0; i < n; i++) allow_masked(d, arg, LOW32, values[i]);
}
#define ALLOW_LIST(d, arg, list) allow_list(d, arg, list, sizeof(list) / sizeof((list)[0]))

static void allow_open(struct decision *d, unsigned flags_arg) {
    allow_masked(d, flags_arg + 1, SET_ID_BITS, 0);
    allow_masked(d, flags_arg, O_CREAT | (O_TMPFILE & ~O_DIRECTORY), 0);
}

static void allow_mknod(struct decision *d, unsigned mode_arg) {
    static const uint32_t kinds[] = {0, S_IFREG, S_IFIFO, S_IFSOCK};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        allow_masked(d, mode_arg, S_IFMT | SET_ID_BITS, kinds[i]);
}

/* A list, not "all but TIOCSTI, TIOCLINUX, TIOCSETD": device and file system ioctls are the widest surface there is.
 * No TCXONC and TIOCEXCL: they outlive the jail, and a terminal that is held or exclusive is lost to its operator.
 * TIOCGPTN and what follows is for terminals of the jail's own devpts. */
static const uint32_t ioctl_program[] = {
    TCGETS,
    TCSETS,
    TCSETSW,
    TCSETSF,
    TCSBRK,
    TCFLSH,
    TIOCGWINSZ,
    TIOCSWINSZ,
    TIOCGPGRP,
    TIOCSPGRP,
    TIOCGSID,
    TIOCOUTQ,
    TIOCGETD,
    TIOCNOTTY,
    0x802c542a /* TCGETS2 */,
    0x402c542b /* TCSETS2 */,
    0x402c542c /* TCSETSW2 */,
    0x402c542d /* TCSETSF2 */,
    TIOCGPTN,
    TIOCSPTLCK,
    0x80045439 /* TIOCGPTLCK */,
    0x5441 /* TIOCGPTPEER */,
    TIOCPKT,
    FIONREAD,
    FIONBIO,
    FIOASYNC,
    FIOCLEX,
    FIONCLEX,
    FIOQSIZE,
    FIGETBSZ,
    FICLONE,
    FICLONERANGE,
    FS_IOC_GETFLAGS,
    FS_IOC_GETVERSION,
    0x8910 /* SIOCGIFNAME */,
    0x8912 /* SIOCGIFCONF */,
    0x8913 /* SIOCGIFFLAGS */,
    0x8915 /* SIOCGIFADDR */,
    0x8919 /* SIOCGIFBRDADDR */,
    0x891b /* SIOCGIFNETMASK */,
    0x8921 /* SIOCGIFMTU */,
    0x8927 /* SIOCGIFHWADDR */,
    0x8933 /* SIOCGIFINDEX */,
    0x8905 /* SIOCATMARK */,
};
/* F_DUPFD to F_GETOWN_EX; locks of open files; and of the later ones (from 1024 on) all but F_SETLEASE and F_NOTIFY. */
static const uint32_t fcntl_program[] = {0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,
                                         12,   13,   14,   15,   16,   36,   37,   38,   1025, 1027, 1028, 1030,
                                         1031, 1032, 1033, 1034, 1035, 1036, 1037, 1038, 1039, 1040};
/* F_GETFD, F_SETFD, F_GETFL, F_SETFL; F_OFD_SETLK */
static const uint32_t fcntl_gateway[] = {1, 2, 3, 4, 37};
static const uint32_t ioctl_nonblock[] = {FIONBIO};
static const uint32_t ioctl_layout[] = {FS_IOC_FSGETXATTR, FS_IOC_FIEMAP};
static const uint32_t ioctl_reflink[] = {FICLONE, FICLONERANGE};
static const uint32_t ioctl_listener[] = {0xc0502100 /* SECCOMP_IOCTL_NOTIF_RECV */, 0xc0182101 /* ..._SEND */};
static const uint32_t ioctl_project[] = {FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR};
static const uint32_t quota_project[] = {QCMD((unsigned)Q_GETQUOTA, PRJQUOTA), QCMD((unsigned)Q_SETQUOTA, PRJQUOTA)};
static const uint32_t ioctl_loopback[] = {0x8913 /* SIOCGIFFLAGS */, 0x8914 /* SIOCSIFFLAGS */};

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
/* Not here: PR_SET_SECCOMP, PR_SET_MM, PR_SCHED_CORE, PR_SET_PTRACER, PR_SET_IO_FLUSHER, PR_SET_SECUREBITS. */
static const uint32_t prctl_program[] = {
    PR_SET_PDEATHSIG,    PR_GET_PDEATHSIG,        PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,     PR_GET_KEEPCAPS,         PR_SET_NAME,
    PR_GET_NAME,         PR_GET_SECCOMP,          PR_CAPBSET_READ,
    PR_GET_TSC,          PR_GET_SECUREBITS,       PR_SET_TIMERSLACK,
    PR_GET_TIMERSLACK,   PR_SET_CHILD_SUBREAPER,  PR_GET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,     PR_GET_TID_ADDRESS,
    PR_SET_THP_DISABLE,  PR_GET_THP_DISABLE,      PR_SVE_SET_VL,
    PR_SVE_GET_VL,       PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL,
    PR_PAC_RESET_KEYS,   PR_SET_TAGGED_ADDR_CTRL, PR_GET_TAGGED_ADDR_CTRL,
    PR_SET_VMA,
};
static const uint32_t prctl_sandbox[] = {PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_CAP_AMBIENT};
static const uint32_t prctl_inspector[] = {PR_SET_NAME,         PR_GET_NAME,    PR_SET_VMA,     PR_GET_DUMPABLE,
                                           PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_CAPBSET_READ};
/* ARCH_{SET,GET}_{GS,FS}; CPUID faulting state; AMX permissions. */
static const uint32_t arch_prctl_list[] = {0x1001, 0x1002, 0x1003, 0x1004, 0x1011,
                                           0x1021, 0x1022, 0x1023, 0x1024, 0x1025};
static const uint32_t personality_list[] = {0xffffffffu, 0};
static const uint32_t sched_ordinary[] = {0 /* OTHER */, 3 /* BATCH */, 5 /* IDLE */,
                                          0x40000000u,   0x40000003u,   0x40000005u};

/* A controlling terminal, for a leader of a session: one that is nobody's, so never the operator's, which is his
 * session's; taking that one away is argument 1. */
static void allow_ioctls(struct decision *d) {
    static const struct check controlling[2] = {{1, LOW32, TIOCSCTTY}, {2, LOW32, 0}};
    ALLOW_LIST(d, 1, ioctl_program);
    allow_if(d, controlling, 2);
}

static void allow_socket(struct decision *d, uint32_t domain, uint32_t type, uint32_t protocol) {
    const struct check c[3] = {
        {0, LOW32, domain}, {1, LOW32 & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), type}, {2, LOW32, protocol}};
    allow_if(d, c, 3);
}

/* Stream and datagram over plain TCP and UDP: raw, packet, netlink, vsock, SCTP and the rest are only attack
 * surface. */
static void allow_sockets(struct decision *d) {
    static const uint32_t inet[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        allow_socket(d, inet[i], SOCK_STREAM, 0);
        allow_socket(d, inet[i], SOCK_STREAM, IPPROTO_TCP);
        allow_socket(d, inet[i], SOCK_DGRAM, 0);
        allow_socket(d, inet[i], SOCK_DGRAM, IPPROTO_UDP);
    }
    allow_socket(d, AF_UNIX, SOCK_STREAM, 0);
    allow_socket(d, AF_UNIX, SOCK_DGRAM, 0);
    allow_socket(d, AF_UNIX, SOCK_SEQPACKET, 0);
}

static void allow_tcp(struct decision *d) {
    static const uint32_t inet[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        allow_socket(d, inet[i], SOCK_STREAM, 0);
        allow_socket(d, inet[i], SOCK_STREAM, IPPROTO_TCP);
    }
}

static void apply_rule(struct decision *d, enum rule rule) {
    switch (rule) {
    case ALLOW: settle(d, PERMIT); break;
    case NOSYS: settle(d, NO_SUCH_CALL); break;
    case CLONE_PLAIN: allow_masked(d, 0, CLONE_REFUSED, 0); break;
    case OPEN_AT_1: allow_open(d, 1); break;
    case OPEN_AT_2: allow_open(d, 2); break;
    case MODE_AT_1: allow_masked(d, 1, SET_ID_BITS, 0); break;
    case MODE_AT_2: allow_masked(d, 2, SET_ID_BITS, 0); break;
    case MKNOD_AT_1: allow_mknod(d, 1); break;
    case MKNOD_AT_2: allow_mknod(d, 2); break;
    case NO_EXEC_AT_2: allow_masked(d, 2, PROT_EXEC, 0); break;
    case NO_HUGE_AT_1: allow_masked(d, 1, 4u /* MFD_HUGETLB */, 0); break;
    case NO_HUGE_AT_2: allow_masked(d, 2, 04000u /* SHM_HUGETLB */, 0); break;
    case NO_HUGE_AT_3: allow_masked(d, 3, MAP_HUGETLB, 0); break;
    case RENAME_PLAIN: allow_masked(d, 4, 4u /* RENAME_WHITEOUT */, 0); break;
    case FCNTL_PROGRAM: ALLOW_LIST(d, 1, fcntl_program); break;
    case FCNTL_GATEWAY: ALLOW_LIST(d, 1, fcntl_gateway); break;
    case OWN_PRIORITY: allow_two(d, 0, 0); break;
    case SELF_AT_0: allow_masked(d, 0, LOW32, 0); break;
    case IOCTL_PROGRAM: allow_ioctls(d); break;
    case IOCTL_LAYOUT: ALLOW_LIST(d, 1, ioctl_layout); break;
    case IOCTL_REFLINK: ALLOW_LIST(d, 1, ioctl_reflink); break;
    case IOCTL_LOOPBACK: ALLOW_LIST(d, 1, ioctl_loopback); break;
    case IOCTL_PROJECT: ALLOW_LIST(d, 1, ioctl_project); break;
    case IOCTL_NONBLOCK: ALLOW_LIST(d, 1, ioctl_nonblock); break;
    case QUOTA_PROJECT: ALLOW_LIST(d, 1, quota_project); break;
    case IOCTL_LISTENER: ALLOW_LIST(d, 1, ioctl_listener); break;
    case PRCTL_PROGRAM: ALLOW_LIST(d, 0, prctl_program); break;
    case PRCTL_SANDBOX: ALLOW_LIST(d, 0, prctl_sandbox); break;
    case PRCTL_INSPECTOR: ALLOW_LIST(d, 0, prctl_inspector); break;
    case ARCH_PRCTL: ALLOW_LIST(d, 0, arch_prctl_list); break;
    case PERSONALITY: ALLOW_LIST(d, 0, personality_list); break;
    case SCHED_ORDINARY:
        for (size_t i = 0; i < sizeof sched_ordinary / sizeof sched_ordinary[0]; i++)
            allow_two(d, 0, sched_ordinary[i]);
        break;
    case SOCKET_PROGRAM: allow_sockets(d); break;
    case SOCKET_TCP: allow_tcp(d); break;
    case SOCKETPAIR_UNIX: allow_masked(d, 0, LOW32, AF_UNIX); break;
    case KEYCTL_JOIN: allow_masked(d, 0, LOW32, 1 /* KEYCTL_JOIN_SESSION_KEYRING */); break;
    }
}

/* Does this row speak for this profile? The worker's filter also has all that its children are permitted; a gateway is none. */
static bool row_applies(const struct row *r, unsigned profile) {
    if (r->profiles & profile) return true;
    return profile == W && r->profiles != G && r->rule != NOSYS;
}

/* An unconditional permission makes every other row of the call moot. */
static bool has_plain_allow(const char *name, unsigned profile) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, name) == 0 && rows[i].rule == ALLOW && row_applies(&rows[i], profile)) return true;
    return false;
}

static void apply_row(struct decision *d, const struct row *r, unsigned profile) {
    now = r->name;
    if (!row_applies(r, profile)) return;
    int nr = seccomp_syscall_resolve_name(r->name);
    if (nr == __NR_SCMP_ERROR)
        die("unknown name: a typing error in syscalls.def, or a libseccomp older than 2.5.4", EINVAL);
    if (nr < 0) return; /* another architecture's */
    if (nr > SYSCALLS_NEWEST_KNOWN) die("above SYSCALLS_NEWEST_KNOWN", EINVAL);
    if (r->rule == ALLOW || !has_plain_allow(r->name, profile)) apply_rule(&d[nr], r->rule);
}

static const struct decision *decide(unsigned profile) {
    static struct decision d[SYSCALLS_NEWEST_KNOWN + 1];
    memset(d, 0, sizeof d);
    for (size_t i = 0; i < N_ROWS; i++) apply_row(d, &rows[i], profile);
    now = NULL;
    return d;
}

/* --- libseccomp's program ----------------------------------------------------------------------------------------- */
static void add(scmp_filter_ctx ctx, uint32_t action, int nr, const struct alternative *a) {
    struct scmp_arg_cmp cmp[MAX_CHECKS];
    for (uint32_t i = 0; i < a->n; i++)
        cmp[i] = (struct scmp_arg_cmp){
            .arg = a->c[i].arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = a->c[i].mask, .datum_b = a->c[i].value};
    const int rc = seccomp_rule_add_array(ctx, action, nr, a->n, cmp);
    if (rc < 0) die("seccomp_rule_add", rc);
}

static scmp_filter_ctx build(const struct decision *d, uint32_t refuse) {
    static const struct alternative always = {.n = 0};
    scmp_filter_ctx ctx = seccomp_init(refuse); /* libseccomp's actions are the kernel's */
    if (!ctx) die("seccomp_init", ENOMEM);
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0) rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc < 0) die("seccomp_attr_set", rc);
    for (int nr = 0; nr <= SYSCALLS_NEWEST_KNOWN; nr++) {
        if (d[nr].kind == PERMIT) add(ctx, SCMP_ACT_ALLOW, nr, &always);
        if (d[nr].kind == NO_SUCH_CALL) add(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, &always);
        for (uint32_t i = 0; i < d[nr].n; i++) add(ctx, SCMP_ACT_ALLOW, nr, &d[nr].v[i]);
    }
    return ctx;
}

static size_t export_program(scmp_filter_ctx ctx, struct sock_filter *out, size_t max) {
    FILE *f = tmpfile();
    if (!f) die("tmpfile", errno);
    int rc = seccomp_export_bpf(ctx, fileno(f));
    if (rc < 0) die("seccomp_export_bpf", rc);
    rewind(f);
    size_t n = fread(out, sizeof *out, max, f);
    if (n == max) die("program too long", E2BIG);
    fclose(f);
    return n;
}

static size_t reference_program(const struct decision *d, uint32_t refuse, struct sock_filter *out, size_t max) {
    const unsigned above = SYSCALLS_NEWEST_KNOWN;
    const struct sock_filter front[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_AUDIT_ARCH, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, above, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    const size_t n = sizeof front / sizeof front[0];
    memcpy(out, front, sizeof front);
    scmp_filter_ctx ctx = build(d, refuse);
    const size_t body = export_program(ctx, out + n, max - n);
    seccomp_release(ctx);
    return n + body;
}

/* --- the header --------------------------------------------------------------------------------------------------- */
/* Of the answers of all filters of a process the strictest counts, and an error is stricter than a question to a listener. So
 * an error of the worker's filter, which its jails inherit, would keep from their observer (denials.c) what both refuse. The
 * worker's answers TRACE instead: nobody traces it, the call is not made either, and it is ENOSYS. */
static const struct {
    const char *name;
    unsigned profile;
    uint32_t refuse;
} programs[] = {{"engine", E, SECCOMP_RET_ERRNO | EPERM},
                {"verifier", V, SECCOMP_RET_ERRNO | EPERM},
                {"inspector", I, SECCOMP_RET_ERRNO | EPERM},
                {"worker", W, SECCOMP_RET_TRACE},
                {"gateway", G, SECCOMP_RET_ERRNO | EPERM}};

static void print(FILE *out, const char *prefix, const char *name, const struct sock_filter *f, size_t n) {
    fprintf(out, "static const struct sock_filter %s_%s[] = {\n", prefix, name);
    for (size_t i = 0; i < n; i++) fprintf(out, "    {0x%04x, %u, %u, 0x%08x},\n", f[i].code, f[i].jt, f[i].jf, f[i].k);
    fprintf(out, "};\n");
}

static void print_all(FILE *out, const char *prefix,
                      size_t (*make)(const struct decision *, uint32_t, struct sock_filter *, size_t)) {
    static struct sock_filter f[BPF_MAXINSNS];
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        print(out, prefix, programs[i].name, f, make(decide(programs[i].profile), programs[i].refuse, f, BPF_MAXINSNS));
}

static void print_name(FILE *out, int nr) {
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
    fprintf(out, "    \"%s\\0\"\n", name ? name : "");
    free(name);
}

/* For the reports of denials. */
static void print_names(FILE *out) {
    fprintf(out, "#define SECCOMP_NAMES_LAST %d\nstatic const char seccomp_names[] =\n", SYSCALLS_NEWEST_KNOWN);
    for (int nr = 0; nr <= SYSCALLS_NEWEST_KNOWN; nr++) print_name(out, nr);
    fprintf(out, "    ;\n");
}

/* For the report of a jail: which calls the verifier's table has less than the engine's, and of which it permits less. */
static void print_less(FILE *out, const char *what, bool whole) {
    static struct decision engine[SYSCALLS_NEWEST_KNOWN + 1];
    memcpy(engine, decide(E), sizeof engine);
    const struct decision *verifier = decide(V);
    fprintf(out, "static const char seccomp_verifier_%s[] =\n", what);
    for (int nr = 0; nr <= SYSCALLS_NEWEST_KNOWN; nr++)
        if (memcmp(&engine[nr], &verifier[nr], sizeof *verifier) != 0 && (verifier[nr].kind == REFUSE) == whole)
            print_name(out, nr);
    fprintf(out, "    \"\";\n");
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: cto-filter-gen OUTPUT.h\n");
        return 2;
    }
    FILE *out = fopen(argv[1], "we");
    if (!out) die(argv[1], errno);
    fprintf(out, "/* Made by cto-filter-gen from sandbox/syscalls.def. */\n#include <linux/filter.h>\n\n");
#if defined(__x86_64__)
    fprintf(out, "#ifndef __x86_64__\n#error \"generated for x86_64\"\n#endif\n");
#else
    fprintf(out, "#ifndef __aarch64__\n#error \"generated for aarch64\"\n#endif\n");
#endif
    print_all(out, "seccomp", compile_program);
    fprintf(out, "#ifdef CTO_SECCOMP_REFERENCE\n");
    print_all(out, "reference", reference_program);
    fprintf(out, "#endif\n");
    fprintf(out, "#ifdef CTO_SYSCALL_NAMES\n");
    print_names(out);
    print_less(out, "withheld", true);
    print_less(out, "narrowed", false);
    fprintf(out, "#endif\n");
    if (fclose(out) != 0) die(argv[1], errno);
    return 0;
}
