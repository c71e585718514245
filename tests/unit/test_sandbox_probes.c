/* Hostile system calls from inside a jail. This program puts a copy of itself into a jail and runs there as `self
 * probe`; each probe is a call that must be refused with a certain errno, or must work, or must kill. */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sched.h>

#include "tests/unit/sandbox_util.h"

#define HIGH (1L << 32)

struct probe {
    const char *name;
    long nr, a[5];
    int want; /* errno */
};

#define P(name, want, ...) \
    { #name, SYS_##name, {__VA_ARGS__ }, want }
#define N(text, number, want, ...) \
    { text, number, {__VA_ARGS__}, want }

static const char path[] = "f";
static char buffer[256];
#define PTR(x) ((long)(uintptr_t)(x))

static const struct probe probes[] = {
    /* not there, so that libraries fall back */
    N("clone3", 435, ENOSYS, 0, 0),
    N("openat2", 437, ENOSYS, 0, 0),
    N("io_uring_setup", 425, ENOSYS, 1, 0),
    N("io_uring_enter", 426, ENOSYS, 0),
    N("io_uring_register", 427, ENOSYS, 0),
    N("fchmodat2", 452, ENOSYS, 0),
    N("setxattrat", 463, ENOSYS, 0),
    N("open_tree_attr", 467, ENOSYS, 0),
    N("from the future", 1000, ENOSYS, 0),
    N("landlock_create_ruleset", 444, ENOSYS, 0, 0, 1),
    N("landlock_restrict_self", 446, ENOSYS, 0),
    /* namespaces and mounts */
    P(unshare, EPERM, CLONE_NEWUSER),
    P(unshare, EPERM, CLONE_NEWNS),
    P(unshare, EPERM, CLONE_FILES),
    P(setns, EPERM, 0, 0),
    P(clone, EPERM, CLONE_NEWUSER | SIGCHLD),
    P(clone, EPERM, CLONE_NEWNS | SIGCHLD),
    P(clone, EPERM, CLONE_NEWNET | SIGCHLD),
    P(clone, EPERM, CLONE_NEWPID | SIGCHLD),
    P(clone, EPERM, CLONE_NEWIPC | SIGCHLD),
    P(clone, EPERM, CLONE_NEWUTS | SIGCHLD),
    P(clone, EPERM, CLONE_NEWCGROUP | SIGCHLD),
    P(clone, EPERM, 0x80 | SIGCHLD),
    P(clone, EPERM, CLONE_PARENT | SIGCHLD),
    P(clone, EPERM, CLONE_UNTRACED | SIGCHLD),
    P(clone, EPERM, CLONE_PTRACE | SIGCHLD),
    P(clone, EPERM, HIGH | CLONE_NEWUSER | SIGCHLD),
    P(mount, EPERM, 0),
    P(umount2, EPERM, PTR("/proc"), 2),
    P(pivot_root, EPERM, PTR("."), PTR(".")),
    P(chroot, EPERM, PTR(".")),
    N("open_tree", 428, EPERM, -100, PTR("/"), 1),
    N("move_mount", 429, EPERM, 0),
    N("fsopen", 430, EPERM, PTR("tmpfs")),
    N("fsconfig", 431, EPERM, 0),
    N("fsmount", 432, EPERM, 0),
    N("fspick", 433, EPERM, 0),
    N("mount_setattr", 442, EPERM, 0),
    /* other processes */
    P(ptrace, EPERM, 0),
    P(process_vm_readv, EPERM, 1),
    P(process_vm_writev, EPERM, 1),
    N("pidfd_getfd", 438, EPERM, 0),
    P(kcmp, EPERM, 1, 1),
    P(prlimit64, EPERM, 1, 0, 0, PTR(buffer)),
    N("process_madvise", 440, EPERM, 0),
    P(migrate_pages, EPERM, 0),
    P(move_pages, EPERM, 0),
    /* keys, tracing, loading */
    P(keyctl, EPERM, 0),
    P(keyctl, EPERM, 1),
    P(add_key, EPERM, 0),
    P(request_key, EPERM, 0),
    P(bpf, EPERM, 0),
    P(seccomp, EPERM, 0),
    P(perf_event_open, EPERM, PTR(buffer), 0, -1, -1),
    P(userfaultfd, EPERM, 0),
    P(init_module, EPERM, 0),
    P(finit_module, EPERM, 0),
    P(delete_module, EPERM, 0),
    P(kexec_load, EPERM, 0),
    P(kexec_file_load, EPERM, 0),
    P(prctl, EPERM, PR_SET_SECCOMP, 1),
    P(prctl, EPERM, PR_SET_MM, 0),
    P(prctl, EPERM, PR_SET_PTRACER, -1),
    P(personality, EPERM, 0x0040000 /* ADDR_NO_RANDOMIZE */),
    P(personality, EPERM, 0x0400000 /* READ_IMPLIES_EXEC */),
    N("memfd_secret", 447, EPERM, 0),
    P(remap_file_pages, EPERM, 0),
    /* the machine */
    P(reboot, EPERM, 0xfee1dead, 672274793, 0),
    P(sethostname, EPERM, PTR("x"), 1),
    P(setdomainname, EPERM, PTR("x"), 1),
    P(syslog, EPERM, 3, PTR(buffer), 10),
    P(acct, EPERM, 0),
    P(swapon, EPERM, PTR("x"), 0),
    P(settimeofday, EPERM, 0),
    P(clock_settime, EPERM, 0),
    P(adjtimex, EPERM, PTR(buffer)),
    P(quotactl, EPERM, 0),
    P(fanotify_init, EPERM, 0),
    P(name_to_handle_at, EPERM, -100, PTR("/"), PTR(buffer)),
    P(open_by_handle_at, EPERM, -100),
    P(vhangup, EPERM, 0),
    P(mbind, EPERM, 0),
    P(set_mempolicy, EPERM, 0),
    P(get_mempolicy, EPERM, 0),
    P(ioprio_set, EPERM, 1, 0, 0),
    P(sched_setscheduler, EPERM, 0, 1 /* FIFO */, PTR(buffer)),
    P(sched_setattr, EPERM, 0, PTR(buffer)),
    P(setgroups, EPERM, 0, 0),
#ifdef __x86_64__
    P(iopl, EPERM, 3),
    P(ioperm, EPERM, 0, 1, 1),
    P(modify_ldt, EPERM, 0),
    P(uselib, EPERM, 0),
    P(chmod, EPERM, PTR(path), 04755),
    P(chmod, EPERM, PTR(path), HIGH | 02755),
    P(mkdir, EPERM, PTR("d"), 02755),
    P(creat, EPERM, PTR("g"), 04755),
    P(open, EPERM, PTR("g"), O_CREAT | O_RDWR, 06755),
    P(mknod, EPERM, PTR("n"), S_IFCHR | 0666, 0x103),
    P(mknod, EPERM, PTR("n"), S_IFBLK | 0666, 0x801),
    P(mknod, EPERM, PTR("n"), S_IFREG | 04755, 0),
    P(mknod, EPERM, PTR("n"), 0x10000 | S_IFCHR, 0x103),
#endif
    /* set-id bits and devices */
    P(fchmodat, EPERM, AT_FDCWD, PTR(path), 04755),
    P(fchmodat, EPERM, AT_FDCWD, PTR(path), 02755),
    P(mkdirat, EPERM, AT_FDCWD, PTR("d"), 04755),
    P(openat, EPERM, AT_FDCWD, PTR("g"), O_CREAT | O_RDWR, 04755),
    P(openat, EPERM, AT_FDCWD, PTR("."), O_TMPFILE | O_RDWR, 04755),
    P(openat, EPERM, AT_FDCWD, PTR("g"), O_CREAT, 02755),
    P(mknodat, EPERM, AT_FDCWD, PTR("n"), S_IFCHR | 0666, 0x103),
    P(fchmod, EPERM, 0, 04755),
    P(fchmod, EPERM, 0, HIGH | 02000),
    /* terminal */
    P(ioctl, EPERM, 0, TIOCSTI, PTR("x")),
    P(ioctl, EPERM, 0, TIOCSTI | HIGH, PTR("x")),
    P(ioctl, EPERM, 0, TIOCLINUX, PTR("\3")),
    P(ioctl, EPERM, 0, TIOCLINUX | HIGH, PTR("\3")),
    P(ioctl, EPERM, 0, TIOCSETD, PTR(buffer)),
    P(ioctl, EPERM, 0, (HIGH << 5) | TIOCSETD, PTR(buffer)),
    P(ioctl, EPERM, 0, TIOCSCTTY, 1),
    P(ioctl, ENOTTY, 0, TCGETS, PTR(buffer)),
    /* sockets */
    P(socket, EPERM, AF_NETLINK, SOCK_RAW, 0),
    P(socket, EPERM, AF_PACKET, SOCK_RAW, 0),
    P(socket, EPERM, 38 /* ALG */, SOCK_SEQPACKET, 0),
    P(socket, EPERM, 40 /* VSOCK */, SOCK_STREAM, 0),
    P(socket, EPERM, 15 /* KEY */, SOCK_RAW, 2),
    P(socket, EPERM, 44 /* XDP */, SOCK_RAW, 0),
    P(socket, EPERM, 30 /* TIPC */, SOCK_RDM, 0),
    P(socket, EPERM, 31 /* BLUETOOTH */, SOCK_RAW, 0),
    P(socket, EPERM, AF_INET, SOCK_RAW, 1),
    P(socket, EPERM, AF_INET6, SOCK_RAW, 58),
    P(socket, EPERM, AF_INET, SOCK_SEQPACKET, 132),
    P(socket, EPERM, AF_INET, SOCK_DGRAM, 1),
    P(socket, EPERM, HIGH | AF_NETLINK, SOCK_RAW, 0),
    P(socketpair, EPERM, 30, 1, 0, PTR(buffer)),
};
#define N_PROBES (sizeof probes / sizeof probes[0])

static int refused(void) {
    const struct probe *p = probes;
    int bad = 0;
    const int fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0) return 1;
    for (size_t i = 0; i < N_PROBES; i++) {
        errno = 0;
        const long rc = syscall(p[i].nr, p[i].a[0], p[i].a[1], p[i].a[2], p[i].a[3], p[i].a[4]);
        if (rc == 0 && (p[i].nr == SYS_clone)) _exit(0); /* the child of a clone that should not have been */
        if (rc == -1 && errno == p[i].want) continue;
        printf("row %zu %s: %ld errno %d, wanted %d\n", i, p[i].name, rc, errno, p[i].want);
        bad++;
    }
    return bad;
}

static int child_status(int (*fn)(void)) {
    const pid_t pid = fork();
    if (pid == 0) _exit(fn());
    int ws = 0;
    return waitpid(pid, &ws, 0) == pid ? ws : -1;
}

#ifdef __x86_64__
static int int80(void) {
    long rc;
    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory"); /* getpid */
    return 0;
}
static int x32(void) {
    syscall(0x40000000L | SYS_getpid);
    return 0;
}
#endif

static int vforked(void) {
    const pid_t pid = vfork();
    if (pid == 0) _exit(7);
    int ws = 0;
    waitpid(pid, &ws, 0);
    return WEXITSTATUS(ws) == 7 ? 0 : 1;
}
static int sessions(void) { return setsid() < 0 ? 1 : 0; }
static int groups(void) { return setpgid(0, 0) < 0 ? 1 : 0; }
static int limits_of_self(void) { return (int)syscall(SYS_prlimit64, 0, 7, NULL, buffer) == 0 ? 0 : 1; }
static int writable_code(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 1
                                                                                                                  : 0;
}
static int memfd(void) { return syscall(SYS_memfd_create, "x", 0) < 0 ? 1 : 0; }
static int fifo(void) { return mknod("fifo", S_IFIFO | 0600, 0) < 0 ? 1 : 0; }
static int plain_modes(void) {
    return chmod(path, 0755) < 0 || mkdir("dir", 01777) < 0 || open(path, O_RDONLY, 07777) < 0 ? 1 : 0;
}
static int tcp(void) {
    return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 6) < 0 || socket(AF_INET, SOCK_DGRAM, 0) < 0
               ? 1
               : 0;
}

static int works(void) {
    static const struct {
        const char *name;
        int (*fn)(void);
    } list[] = {{"vfork", vforked},
                {"setsid", sessions},
                {"setpgid", groups},
                {"prlimit of self", limits_of_self},
                {"memory both writable and executable", writable_code},
                {"memfd", memfd},
                {"fifo", fifo},
                {"modes without set-id bits", plain_modes},
                {"tcp and udp sockets", tcp}};
    int bad = 0;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (child_status(list[i].fn) == 0) continue;
        printf("does not work: %s\n", list[i].name);
        bad++;
    }
    return bad;
}

/* pid 1 has our uid: only that it is not dumpable, and the filter, keep its status pipe from us. */
static int init_is_out_of_reach(void) {
    static const char *const files[] = {"/proc/1/mem",  "/proc/1/environ", "/proc/1/fd", "/proc/1/fd/3",
                                        "/proc/1/maps", "/proc/1/root",    "/proc/1/cwd"};
    int bad = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (open(files[i], O_RDONLY) < 0) continue;
        printf("opened %s\n", files[i]);
        bad++;
    }
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    kill(1, SIGTERM);
    return bad;
}

static int killed(void) {
    int bad = 0;
#ifdef __x86_64__
    int ws = child_status(int80);
    if (!WIFSIGNALED(ws) || WTERMSIG(ws) != SIGSYS) bad += printf("int 0x80: status %d\n", ws) > 0;
    ws = child_status(x32);
    if (!WIFSIGNALED(ws) || WTERMSIG(ws) != SIGSYS) bad += printf("x32: status %d\n", ws) > 0;
#endif
    return bad;
}

/* The two tables in force: what the engine's permits beyond the verifier's, done where it does no harm. */
static int apart(bool engine) {
    const int p[2] = {-1, -1};
    const struct {
        const char *name;
        bool refused;
    } list[] = {{"syncfs", syscall(SYS_syncfs, -1) < 0 && errno == EPERM},
                {"tee", syscall(SYS_tee, p[0], p[1], 1, 0) < 0 && errno == EPERM},
                {"mlockall", syscall(SYS_mlockall, 0) < 0 && errno == EPERM},
                {"capset", syscall(SYS_capset, NULL, NULL) < 0 && errno == EPERM},
                {"PR_SET_KEEPCAPS", prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 && errno == EPERM}};
    int bad = 0;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i].refused != engine) continue;
        printf("%s %s the %s\n", list[i].name, engine ? "is refused to" : "reaches the kernel from",
               engine ? "engine" : "verifier");
        bad++;
    }
    return bad;
}

static int inside(bool engine) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    return refused() + works() + killed() + init_is_out_of_reach() + apart(engine) == 0 ? 33 : 1;
}

static char self_dir[64];

static void in_both_profiles(void) {
    static struct ran r;
    static const char *const env[] = {"PATH=/usr/bin", "ASAN_OPTIONS=detect_leaks=0", NULL};
    const struct jail_bind b = {.source = self_dir, .target = "/probe"};
    for (int profile = JAIL_ENGINE; profile <= JAIL_VERIFIER; profile++) {
        const char *const argv[] = {"/probe/self", "probe", jail_profile_name((enum jail_profile)profile), NULL};
        struct jail_spec s = test_spec(argv);
        s.profile = (enum jail_profile)profile;
        s.envp = env;
        s.binds = &b;
        s.n_binds = 1;
        test_run(&s, 30000, &r);
        if (r.rc < 0) fprintf(stderr, "%s\n", r.err.text);
        CHECK(test_exited(&r, 33));
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "probe") == 0) return inside(strcmp(argv[2], "engine") == 0);
    char name[96];
    test_tempdir(self_dir);
    snprintf(name, sizeof name, "%s/self", self_dir);
    AUTO_FD int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    NEED(from >= 0 && to >= 0);
    while (copy_file_range(from, NULL, to, NULL, 1 << 30, 0) > 0) {
    }
    NEED(fchmod(to, 0755) == 0);
    close(to);
    const int rc = test_both_modes(in_both_profiles);
    test_remove(self_dir);
    return rc;
}
