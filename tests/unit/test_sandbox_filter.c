/* The installed filters against libseccomp's for the same table: every system call number, a wide choice of arguments,
 * one answer. Both run here, in an interpreter of the part of BPF that they use; nothing is installed.
 *
 * A program that loaded no argument has decided by number alone, so the arguments are varied only where one of the two
 * looked at some. What they are varied over comes from the programs: every constant in them, its neighbours, the same with
 * other high halves. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define CTO_SECCOMP_REFERENCE
#include "seccomp_filters.h"
#include "tests/unit/check.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define FOREIGN AUDIT_ARCH_I386
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define FOREIGN AUDIT_ARCH_ARM
#endif
#define NO_ANSWER 0xdeadbeefu
#define MAX_VALUES 8192
#define RANDOM_TRIES 4000

struct program {
    const struct sock_filter *f;
    size_t n;
};
#define PROGRAM(array) \
    { (array), sizeof(array) / sizeof((array)[0]) }
static const struct pair {
    const char *name;
    struct program ours, reference;
} pairs[] = {
    {"engine", PROGRAM(seccomp_engine), PROGRAM(reference_engine)},
    {"verifier", PROGRAM(seccomp_verifier), PROGRAM(reference_verifier)},
    {"inspector", PROGRAM(seccomp_inspector), PROGRAM(reference_inspector)},
    {"worker", PROGRAM(seccomp_worker), PROGRAM(reference_worker)},
    {"gateway", PROGRAM(seccomp_gateway), PROGRAM(reference_gateway)},
};
#define N_PAIRS (sizeof pairs / sizeof pairs[0])

/* --- the interpreter ---------------------------------------------------------------------------------------------- */
static uint32_t load(const struct seccomp_data *d, uint32_t offset, bool *looked) {
    uint32_t v;
    if (offset > sizeof *d - sizeof v || offset % sizeof v != 0) return NO_ANSWER;
    if (offset >= offsetof(struct seccomp_data, args)) *looked = true;
    memcpy(&v, (const char *)d + offset, sizeof v);
    return v;
}

static bool holds(unsigned how, uint32_t a, uint32_t k) {
    return how == BPF_JEQ ? a == k : how == BPF_JGT ? a > k : how == BPF_JGE ? a >= k : (a & k) != 0;
}

/* An instruction that is not known, or a jump out of the program, is no answer; that never equals a real one. */
static uint32_t run(const struct program *p, const struct seccomp_data *d, bool *looked) {
    uint32_t a = 0;
    for (size_t pc = 0; pc < p->n; pc++) {
        const struct sock_filter *i = &p->f[pc];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS: a = load(d, i->k, looked); break;
        case BPF_ALU | BPF_AND | BPF_K: a &= i->k; break;
        case BPF_RET | BPF_K: return i->k;
        case BPF_JMP | BPF_JA: pc += i->k; break;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JGT | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_K: pc += holds(BPF_OP(i->code), a, i->k) ? i->jt : i->jf; break;
        default: return NO_ANSWER;
        }
    }
    return NO_ANSWER;
}

/* --- comparison --------------------------------------------------------------------------------------------------- */
static size_t compared, differences;

static bool same(const struct pair *p, const struct seccomp_data *d) {
    bool looked = false;
    const uint32_t ours = run(&p->ours, d, &looked), reference = run(&p->reference, d, &looked);
    compared++;
    if ((ours != reference || ours == NO_ANSWER) && differences++ < 20)
        fprintf(stderr, "%s: arch %x nr %d args %llx %llx %llx: ours %x, libseccomp %x\n", p->name, d->arch, d->nr,
                (unsigned long long)d->args[0], (unsigned long long)d->args[1], (unsigned long long)d->args[2], ours,
                reference);
    return looked;
}

static uint64_t values[MAX_VALUES];
static size_t n_values;

static void add_value(uint64_t v) {
    for (size_t i = 0; i < n_values; i++)
        if (values[i] == v) return;
    NEED(n_values < MAX_VALUES);
    values[n_values++] = v;
}

static void add_constants(const struct program *p) {
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t k = p->f[i].k;
        if (BPF_CLASS(p->f[i].code) == BPF_RET || BPF_CLASS(p->f[i].code) == BPF_LD) continue;
        add_value(k);
        add_value(k - 1);
        add_value(k + 1);
        add_value(~k);
        add_value((uint64_t)k | UINT64_C(1) << 32);
        add_value((uint64_t)k | UINT64_C(0xffffffff00000000));
    }
}

static void collect_values(const struct pair *p) {
    n_values = 0;
    add_constants(&p->ours);
    add_constants(&p->reference);
    for (unsigned bit = 0; bit < 64; bit++) add_value(UINT64_C(1) << bit);
    add_value(0);
    add_value(UINT64_MAX);
}

static uint64_t next_random(void) { /* the same every time */
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* Each argument alone over all values, with the others all zero and all ones; then all of them at random. */
static void vary_arguments(const struct pair *p, struct seccomp_data d) {
    for (unsigned others = 0; others < 2; others++)
        for (unsigned a = 0; a < 6; a++) {
            memset(d.args, others ? 0xff : 0, sizeof d.args);
            for (size_t i = 0; i < n_values; i++) {
                d.args[a] = values[i];
                same(p, &d);
            }
        }
    for (unsigned i = 0; i < RANDOM_TRIES; i++) {
        for (unsigned a = 0; a < 6; a++) d.args[a] = values[next_random() % n_values];
        same(p, &d);
    }
}

/* Three arguments together decide about these. */
static void vary_sockets(const struct pair *p, int nr) {
    static const uint32_t flags[] = {0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK, 0x10, 0x40000000};
    struct seccomp_data d = {.nr = nr, .arch = NATIVE};
    for (unsigned domain = 0; domain < 48; domain++)
        for (unsigned type = 0; type < 12; type++)
            for (unsigned protocol = 0; protocol < 64; protocol++)
                for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
                    d.args[0] = domain;
                    d.args[1] = type | flags[i];
                    d.args[2] = protocol;
                    same(p, &d);
                }
}

static void one_number(const struct pair *p, uint32_t arch, uint32_t nr) {
    struct seccomp_data d = {.nr = (int)nr, .arch = arch, .instruction_pointer = 0x1234};
    bool looked = same(p, &d);
    memset(d.args, 0xff, sizeof d.args);
    looked |= same(p, &d);
    if (looked) vary_arguments(p, d);
}

static void equal(const struct pair *p) {
    static const uint32_t far[] = {0x3fffffff, 0x40000000, 0x40000001, 0x40000200, 0x7fffffff,
                                   0x80000000, 0xfffffffe, 0xffffffff, 100000,     0x10000};
    static const uint32_t arches[] = {NATIVE, FOREIGN, 0, 0xffffffff, NATIVE ^ 1u};
    collect_values(p);
    for (size_t a = 0; a < sizeof arches / sizeof arches[0]; a++) {
        for (uint32_t nr = 0; nr < 1200; nr++) one_number(p, arches[a], nr);
        for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) one_number(p, arches[a], far[i]);
    }
    vary_sockets(p, SYS_socket);
    vary_sockets(p, SYS_socketpair);
}

/* --- a few answers that are known without either program ---------------------------------------------------------- */
static uint32_t answer(const struct program *p, uint32_t arch, int64_t nr, uint64_t a0, uint64_t a1, uint64_t a2) {
    const struct seccomp_data d = {.nr = (int)nr, .arch = arch, .args = {a0, a1, a2}};
    bool looked = false;
    return run(p, &d, &looked);
}

static void known_answers(void) {
    const struct program *p = &pairs[0].ours, *inspector = &pairs[2].ours, *worker = &pairs[3].ours;
    const uint32_t refused = SECCOMP_RET_ERRNO | EPERM, missing = SECCOMP_RET_ERRNO | ENOSYS;
    CHECK(answer(p, NATIVE, SYS_read, 0, 0, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_ptrace, 0, 0, 0) == refused);
    CHECK(answer(p, NATIVE, SYS_mount, 0, 0, 0) == refused);
    CHECK(answer(p, NATIVE, SYS_clone3, 0, 0, 0) == missing);
    CHECK(answer(p, NATIVE, 452, 0, 0, 0) == missing && answer(p, NATIVE, 5000, 0, 0, 0) == missing);
    CHECK(answer(p, FOREIGN, 20, 0, 0, 0) == SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
    CHECK(answer(p, NATIVE, 0x40000000 | SYS_getpid, 0, 0, 0) == SECCOMP_RET_KILL_PROCESS);
#endif
    CHECK(answer(p, NATIVE, SYS_ioctl, 0, 0x5412 /* TIOCSTI */, 0) == refused);
    CHECK(answer(p, NATIVE, SYS_ioctl, 0, UINT64_C(0x100005412), 0) == refused);
    CHECK(answer(p, NATIVE, SYS_ioctl, 0, 0x5401 /* TCGETS */, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_ioctl, 0, 0x540e /* TIOCSCTTY */, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_ioctl, 0, 0x540e, 1) == refused);
    CHECK(answer(p, NATIVE, SYS_ioctl, 0, 0x540e, UINT64_C(0x100000001)) == refused);
    CHECK(answer(p, NATIVE, SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 6) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_socket, AF_NETLINK, SOCK_RAW, 0) == refused);
    CHECK(answer(p, NATIVE, SYS_fchmod, 0, 04755, 0) == refused &&
          answer(p, NATIVE, SYS_fchmod, 0, 0755, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(inspector, NATIVE, SYS_execve, 0, 0, 0) == refused);
    CHECK(answer(inspector, NATIVE, SYS_mmap, 0, 0, 4 /* PROT_EXEC */) == refused);
    CHECK(answer(worker, NATIVE, SYS_clone3, 0, 0, 0) == SECCOMP_RET_ALLOW);
    /* A workspace's project: for the worker, never for what runs in the workspace; and of quotas no more than that. */
    CHECK(answer(worker, NATIVE, SYS_ioctl, 0, 0x401c5820 /* FS_IOC_FSSETXATTR */, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_ioctl, 0, 0x401c5820, 0) != SECCOMP_RET_ALLOW);
    CHECK(answer(worker, NATIVE, 443 /* quotactl_fd */, 0, 0x80000802 /* set, project */, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(worker, NATIVE, 443, 0, 0x80000800 /* set, user */, 0) != SECCOMP_RET_ALLOW);
    CHECK(answer(worker, NATIVE, 443, 0, 0x80000302 /* off, project */, 0) != SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, 443, 0, 0x80000802, 0) != SECCOMP_RET_ALLOW);
    CHECK(answer(worker, NATIVE, SYS_bpf, 0, 0, 0) == SECCOMP_RET_TRACE); /* an error would blind the observer */
    CHECK(answer(inspector, NATIVE, SYS_tgkill, 1, 1, 6) == refused);
    CHECK(answer(p, NATIVE, SYS_fcntl, 3, F_SETLEASE, F_WRLCK) == refused &&
          answer(p, NATIVE, SYS_fcntl, 3, F_NOTIFY, 0) == refused &&
          answer(p, NATIVE, SYS_fcntl, 3, F_DUPFD_CLOEXEC, 0) == SECCOMP_RET_ALLOW &&
          answer(p, NATIVE, SYS_fcntl, 3, F_OFD_SETLK, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_memfd_create, 0, MFD_HUGETLB, 0) == refused &&
          answer(p, NATIVE, SYS_memfd_create, 0, MFD_CLOEXEC, 0) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_shmget, 0, 0, 04000) == refused);
    CHECK(answer(p, NATIVE, SYS_setpriority, PRIO_PROCESS, 1, 19) == refused &&
          answer(p, NATIVE, SYS_setpriority, PRIO_USER, 0, 19) == refused &&
          answer(p, NATIVE, SYS_setpriority, PRIO_PROCESS, 0, 19) == SECCOMP_RET_ALLOW);
    CHECK(answer(p, NATIVE, SYS_sched_setscheduler, 1, 5, 0) == refused &&
          answer(p, NATIVE, SYS_sched_setscheduler, 0, 1, 0) == refused &&
          answer(p, NATIVE, SYS_sched_setscheduler, 0, 5, 0) == SECCOMP_RET_ALLOW);
}

/* Refused whatever the arguments, by the jail's filter and by the inspector's; and what is newer than the table. */
static void never_permitted(void) {
    const struct program *p = &pairs[0].ours, *verifier = &pairs[1].ours, *inspector = &pairs[2].ours;
    const uint32_t refused = SECCOMP_RET_ERRNO | EPERM, missing = SECCOMP_RET_ERRNO | ENOSYS;
    static const int never[] = {SYS_ptrace,
                                SYS_process_vm_readv,
                                SYS_process_vm_writev,
                                SYS_kcmp,
                                SYS_unshare,
                                SYS_setns,
                                SYS_mount,
                                SYS_umount2,
                                SYS_chroot,
                                SYS_pivot_root,
                                SYS_bpf,
                                SYS_perf_event_open,
                                SYS_userfaultfd,
                                SYS_keyctl,
                                SYS_add_key,
                                SYS_request_key,
                                SYS_seccomp,
                                SYS_name_to_handle_at,
                                SYS_open_by_handle_at,
                                SYS_fanotify_init,
                                SYS_quotactl,
                                SYS_swapon,
                                SYS_acct,
                                SYS_reboot,
                                SYS_kexec_load,
                                SYS_init_module,
                                SYS_finit_module,
                                SYS_syslog,
                                SYS_settimeofday,
                                SYS_clock_settime,
                                SYS_adjtimex,
                                SYS_sethostname,
                                SYS_ioprio_set,
                                SYS_sched_setattr,
                                SYS_mbind,
                                SYS_set_mempolicy,
                                SYS_move_pages,
                                SYS_migrate_pages,
                                SYS_vhangup,
                                425 + 3 /* open_tree */,
                                429,
                                430,
                                431,
                                432,
                                433,
                                438 /* pidfd_getfd */,
                                440 /* process_madvise */,
                                442 /* mount_setattr */,
                                443,
                                447 /* memfd_secret */,
                                448 /* process_mrelease */,
                                450};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        const uint32_t everywhere = answer(p, NATIVE, never[i], 0, 0, 0) | answer(p, NATIVE, never[i], 1, 1, 1);
        if (!CHECK(everywhere == refused && answer(verifier, NATIVE, never[i], 0, 0, 0) == refused &&
                   answer(inspector, NATIVE, never[i], 0, 0, 0) == refused))
            fprintf(stderr, "call %d\n", never[i]);
    }
    for (int nr = 452; nr < 520; nr++) CHECK(answer(p, NATIVE, nr, 0, 0, 0) == missing);
}

/* --- two tables --------------------------------------------------------------------------------------------------- */
/* What the engine may and the verifier may not. */
static void apart(void) {
    const struct program *engine = &pairs[0].ours, *verifier = &pairs[1].ours;
    static const struct {
        int nr;
        uint32_t args[2];
    } less[] = {{SYS_vmsplice, {0, 0}},
                {SYS_tee, {0, 0}},
                {SYS_syncfs, {0, 0}},
                {SYS_mlockall, {1, 0}},
                {SYS_munlockall, {0, 0}},
                {SYS_capset, {0, 0}},
                {SYS_prctl, {8 /* PR_SET_KEEPCAPS */, 0}},
                {SYS_prctl, {24 /* PR_CAPBSET_DROP */, 0}},
                {SYS_prctl, {47 /* PR_CAP_AMBIENT */, 0}},
                {SYS_ioctl, {3, 0xc020660b /* FS_IOC_FIEMAP */}},
                {SYS_ioctl, {3, 0x801c581f /* FS_IOC_FSGETXATTR */}}};
    for (size_t i = 0; i < sizeof less / sizeof less[0]; i++) {
        const uint32_t may = answer(engine, NATIVE, less[i].nr, less[i].args[0], less[i].args[1], 0),
                       may_not = answer(verifier, NATIVE, less[i].nr, less[i].args[0], less[i].args[1], 0);
        if (!CHECK(may == SECCOMP_RET_ALLOW && may_not == (SECCOMP_RET_ERRNO | EPERM)))
            fprintf(stderr, "call %d: engine %x, verifier %x\n", less[i].nr, may, may_not);
    }
}

static size_t wider;
static bool not_wider(const struct seccomp_data *d) {
    bool looked = false;
    const uint32_t engine = run(&pairs[0].ours, d, &looked), verifier = run(&pairs[1].ours, d, &looked);
    if (verifier != engine && verifier != (SECCOMP_RET_ERRNO | EPERM) && wider++ < 20)
        fprintf(stderr, "nr %d args %llx %llx %llx: engine %x, verifier %x\n", d->nr, (unsigned long long)d->args[0],
                (unsigned long long)d->args[1], (unsigned long long)d->args[2], engine, verifier);
    return looked;
}

/* The verifier's answer is the engine's, or no. */
static void never_wider(void) {
    collect_values(&pairs[0]);
    for (int nr = 0; nr < 520; nr++) {
        struct seccomp_data d = {.nr = nr, .arch = NATIVE};
        bool looked = not_wider(&d);
        memset(d.args, 0xff, sizeof d.args);
        looked |= not_wider(&d);
        for (unsigned i = 0; looked && i < RANDOM_TRIES; i++) {
            for (unsigned a = 0; a < 6; a++) d.args[a] = next_random() % 2 ? values[next_random() % n_values] : 0;
            not_wider(&d);
        }
    }
    CHECK(wider == 0);
}

int main(void) {
    apart();
    never_wider();
    known_answers();
    never_permitted();
    for (size_t i = 0; i < N_PAIRS; i++) {
        const size_t before = differences;
        compared = 0;
        equal(&pairs[i]);
        CHECK(differences == before);
        CHECK(compared > 100000);
        /* Installing costs by length: this is what the program is compiled for. */
        CHECK(pairs[i].ours.n * 2 < pairs[i].reference.n || pairs[i].ours.n < 160);
        printf("%s: %zu instructions, libseccomp %zu; %zu comparisons\n", pairs[i].name, pairs[i].ours.n,
               pairs[i].reference.n, compared);
    }
    return check_done();
}
