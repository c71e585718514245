/* probes_kernel.c - row 23: system calls that no honest build needs. What is refused is to reach the kernel's code at all,
 * so "it got what it wanted" means any answer but EPERM (refused) and ENOSYS (said not to be there): EINVAL, EFAULT and
 * EBADF come from the code that the filter keeps away. The arguments are such that nothing happens in that code. Where the
 * kernel first asks for a capability, EPERM stays the answer until there is one: power is the second wall there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/escape/escape.h"

static enum verdict reaches(const struct world *w, const struct probe *p) {
    errno = 0;
    const long rc = syscall(p->nr, p->arg[0], p->arg[1], p->arg[2], p->arg[3], p->arg[4], p->arg[5]);
    if (rc >= 0) return OPEN;
    if (errno == EPERM) return HELD;
    /* With seccomp down, ENOSYS is the kernel's own word. */
    if (errno == ENOSYS) return w->without & WALL_SECCOMP ? skip("this kernel has no such call") : HELD;
    return OPEN;
}

static enum verdict sets_clock(const struct world *w, const struct probe *p) {
    struct timex t;
    (void)w;
    (void)p;
    memset(&t, 0, sizeof t);
    t.modes = ADJ_TICK;
    t.tick = 1; /* out of range: whoever may set it is told EINVAL */
    return open_if(syscall(SYS_adjtimex, &t) >= 0 || errno == EINVAL);
}

static enum verdict bad_time(const struct world *w, const struct probe *p) {
    const struct timespec t = {0, -1};
    (void)w;
    const long rc = p->number ? syscall(SYS_clock_settime, CLOCK_REALTIME, &t) : syscall(SYS_settimeofday, &t, NULL);
    return open_if(rc >= 0 || errno == EINVAL);
}

static enum verdict io_uring(const struct world *w, const struct probe *p) {
    unsigned char params[120];
    (void)w;
    (void)p;
    memset(params, 0, sizeof params);
    const long fd = syscall(425, 1, params);
    if (fd < 0 && errno != ENOSYS && errno != EPERM) return skip("io_uring: %s", strerror(errno));
    return open_if(fd >= 0);
}

static enum verdict adds_key(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(syscall(SYS_add_key, "user", MARK "-in", "x", 1, KEY_SPEC_PROCESS_KEYRING) >= 0);
}

static enum verdict reads_key(const struct world *w, const struct probe *p) {
    char text[64] = "";
    (void)p;
    if (w->key == 0) return skip("this kernel has no keys");
    return open_if(syscall(SYS_keyctl, KEYCTL_READ, w->key, text, sizeof text) > 0 && strstr(text, MARK) != NULL);
}

static enum verdict requests_key(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(syscall(SYS_request_key, "user", MARK "-none", NULL, 0) >= 0 || errno == ENOKEY);
}

static enum verdict int80(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
#ifdef __x86_64__
    long rc = 20; /* getpid in the 32-bit table */
    __asm__ volatile("int $0x80" : "+a"(rc) : : "memory", "r8", "r9", "r10", "r11");
    return open_if(rc > 0);
#else
    return skip("not on this machine");
#endif
}

static enum verdict x32(const struct world *w, const struct probe *p) {
    (void)p;
#ifdef __x86_64__
    if (syscall(0x40000000L | SYS_getpid) > 0) return OPEN;
    return w->without & WALL_SECCOMP ? skip("this kernel has no x32") : HELD;
#else
    (void)w;
    return skip("not on this machine");
#endif
}

static enum verdict file_flags(const struct world *w, const struct probe *p) {
    long flags = 0;
    AUTO_FD int fd = open(in_rw(w, p, "file"), O_RDWR | O_CLOEXEC);
    if (fd < 0) return skip("no file");
    const int rc = (int)syscall(SYS_ioctl, fd, p->nr, &flags);
    return open_if(rc >= 0 || (errno != EPERM && errno != ENOSYS));
}

/* What counts a workspace's disk for root: an owner may put a file into another project, if nobody stops the call. */
static enum verdict leave_project(const struct world *w, const struct probe *p) {
    struct fsxattr x;
    AUTO_FD int fd = open(in_rw(w, p, "file"), O_RDWR | O_CLOEXEC);
    if (fd < 0) return skip("no file");
    if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0) return skip("this file system has no projects");
    const int rc = (int)syscall(SYS_ioctl, fd, p->nr, &x);
    return open_if(rc >= 0 || (errno != EPERM && errno != ENOSYS));
}

static enum verdict writable_code(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                   MAP_FAILED);
}

static enum verdict executes_memory(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static enum verdict starts_process(const struct world *w, const struct probe *p) {
    const pid_t pid = fork();
    (void)w;
    (void)p;
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, 0);
    return open_if(pid > 0);
}

static enum verdict starts_program(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    execl("/usr/bin/true", "true", (char *)NULL);
    return open_if(errno != EPERM && errno != EACCES); /* and when it works, the caller sees exit status 0 */
}

/* Dropping is all that may be done with capabilities; what is left in the bounding set could come back by a file. */
static enum verdict bounding_set(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    for (int c = 0; c < 41; c++)
        if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1) return OPEN;
    return HELD;
}

static enum verdict becomes(const struct world *w, const struct probe *p) {
    (void)w;
    return open_if(p->nr == SYS_setuid ? setuid((uid_t)p->arg[0]) == 0 : setgid((gid_t)p->arg[0]) == 0);
}

static enum verdict no_new_privs_off(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0) return OPEN;
    return open_if(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
}

static enum verdict root_file(const struct world *w, const struct probe *p) {
    char path[PATH_MAX], text[64] = "";
    (void)p;
    if (!w->root_mode) return skip("without root there is no file of another owner here");
    snprintf(path, sizeof path, "%s/of-root", w->ro);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return open_if(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
}

static enum verdict shared_memory(const struct world *w, const struct probe *p) {
    (void)p;
    const long id = syscall(SYS_shmget, w->shm_key, 0, 0);
    return open_if(id >= 0);
}

static enum verdict semaphores(const struct world *w, const struct probe *p) {
    return open_if(syscall(p->nr, w->shm_key, 0, 0) >= 0);
}

static enum verdict host_name(const struct world *w, const struct probe *p) {
    char name[65] = "";
    (void)p;
    if (gethostname(name, sizeof name - 1) < 0) return skip("gethostname");
    if (strcmp(w->host_name, "jail") == 0) return skip("this host is called as a jail is");
    return open_if(strcmp(name, w->host_name) == 0);
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define ROOT_ONLY(a) .holds_root = (a), .holds_user = 0, .why_not = KERNEL_HOLDS
#define CALL(what, jails_, walls, number_, ...) \
    {.row = "23", .name = what, .tries = "reach " #number_, .attempt = reaches, .jails = (jails_), walls, .nr = number_, .arg = {__VA_ARGS__}}
#define FREE(what, number_, ...) CALL(what, PROGRAM | INSPECTOR | WORKER, BOTH(WALL_SECCOMP), number_, __VA_ARGS__)
#define POWER(what, number_, ...) CALL(what, PROGRAM | INSPECTOR | WORKER, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), number_, __VA_ARGS__)
/* The worker is permitted these: it builds jails with them. */
#define JAILS_FREE(what, number_, ...) CALL(what, PROGRAM | INSPECTOR, BOTH(WALL_SECCOMP), number_, __VA_ARGS__)
#define JAILS_POWER(what, number_, ...) CALL(what, PROGRAM | INSPECTOR, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), number_, __VA_ARGS__)
#define VERIFIERS(what, number_, ...) CALL(what, VERIFIER, BOTH(WALL_SECCOMP), number_, __VA_ARGS__)
#define OWN(row_, what, fn, tries_, walls) \
    {.row = row_, .name = what, .tries = tries_, .attempt = fn, .jails = PROGRAM | INSPECTOR, walls}
enum { NR_FSCONFIG_ = 431, NR_FSPICK_ = 433, NR_PIDFD_GETFD_ = 438, NR_PROCESS_MADVISE_ = 440, NR_QUOTACTL_FD_ = 443, NR_LANDLOCK_ = 444,
       NR_MEMFD_SECRET_ = 447, NR_PROCESS_MRELEASE_ = 448, NR_CACHESTAT_ = 451, NR_MAP_SHADOW_STACK_ = 453, NR_STATMOUNT_ = 457,
       NR_LISTMOUNT_ = 458, NR_LSM_GET_ = 459, NR_LSM_SET_ = 460, NR_SETXATTRAT_ = 463, NR_OPEN_TREE_ATTR_ = 467, NR_FILE_GETATTR_ = 468 };

static const struct probe v[] = {
    FREE("bpf", SYS_bpf, 9999, 0, 0),
    FREE("perf", SYS_perf_event_open, 0, 0, -1, -1, 0),
    FREE("userfaultfd", SYS_userfaultfd, 1),
    OWN("23", "io-uring", io_uring, "set an io_uring up", BOTH(WALL_SECCOMP)),
    FREE("io-uring-enter", 426, -1, 0, 0, 0, 0, 0),
    FREE("io-uring-register", 427, -1, 0, 0, 0),
    FREE("keyctl", SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1),
    OWN("23", "add-key", adds_key, "add a key", BOTH(WALL_SECCOMP)),
    OWN("23", "request-key", requests_key, "request a key", BOTH(WALL_SECCOMP)),
    {.row = "23", .name = "read-key", .tries = "read a key of the caller's session", .attempt = reads_key, .jails = PROGRAM,
     BOTH(WALL_SECCOMP | WALL_KEYRING)},
    POWER("kexec", SYS_kexec_load, 0, 0, 0, 0x7fff),
    POWER("kexec-file", SYS_kexec_file_load, -1, -1, 0, 0, 0x7fff),
    POWER("init-module", SYS_init_module, 0, 0, 0),
    POWER("finit-module", SYS_finit_module, -1, 0, 0),
    POWER("delete-module", SYS_delete_module, (long)(uintptr_t)"cto-no-such-module", 0),
    FREE("fanotify", SYS_fanotify_init, 0x200, 0),
    FREE("quotactl", SYS_quotactl, 0x80000099u, 0, 0, 0),
    FREE("quotactl-fd", NR_QUOTACTL_FD_, -1, 0x80000099u, 0, 0),
    POWER("swapon", SYS_swapon, (long)(uintptr_t)"/nonexistent/cto", 0),
    POWER("swapoff", SYS_swapoff, (long)(uintptr_t)"/nonexistent/cto"),
    POWER("reboot", SYS_reboot, 0, 0, 0, 0),
    OWN("23", "settimeofday", bad_time, "set the time of day", BOTH(WALL_SECCOMP)),
    {.row = "23", .name = "clock-settime", .tries = "set a clock", .attempt = bad_time, .jails = PROGRAM | INSPECTOR, BOTH(WALL_SECCOMP), .number = 1},
    OWN("23", "adjtimex", sets_clock, "adjust the clock", ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    JAILS_POWER("sethostname", SYS_sethostname, 0, -1),
    POWER("setdomainname", SYS_setdomainname, 0, -1),
    POWER("syslog", SYS_syslog, 99, 0, 0),
    POWER("acct", SYS_acct, (long)(uintptr_t)"/nonexistent/cto"),
    FREE("personality-no-randomize", SYS_personality, 0x0040000),
    FREE("personality-exec", SYS_personality, 0x0400000),
#ifdef __x86_64__
    FREE("modify-ldt", SYS_modify_ldt, 0, 0, 0),
    FREE("iopl", SYS_iopl, 99),
    FREE("ioperm", SYS_ioperm, -1, 1, 1),
    FREE("uselib", SYS_uselib, 0),
    FREE("arch-prctl", SYS_arch_prctl, 0x7fff, 0),
#endif
    FREE("lookup-dcookie", SYS_lookup_dcookie, 0, 0, 0),
    FREE("move-pages", SYS_move_pages, 0, 0, 0, 0, 0, 0),
    FREE("migrate-pages", SYS_migrate_pages, -1, 0, 0, 0),
    FREE("mbind", SYS_mbind, 0, 0, 0, 0, 0, 0),
    FREE("set-mempolicy", SYS_set_mempolicy, 0, 0, 0),
    FREE("get-mempolicy", SYS_get_mempolicy, 0, 0, 0, 0, 0),
    FREE("setns-bad", SYS_setns, -1, 0),
    JAILS_FREE("seccomp", SYS_seccomp, 2, 0, 0),
    JAILS_FREE("prctl-mm", SYS_prctl, PR_SET_MM, 15, 0, 0, 0),
    JAILS_FREE("prctl-ptracer", SYS_prctl, PR_SET_PTRACER, -1, 0, 0, 0),
    JAILS_FREE("prctl-sched-core", SYS_prctl, 62, 99, 0, 0, 0),
    JAILS_FREE("prctl-machine-check", SYS_prctl, 33, 99, 0, 0, 0),
    JAILS_POWER("prctl-securebits", SYS_prctl, PR_SET_SECUREBITS, 0, 0, 0, 0),
    FREE("ptrace-none", SYS_ptrace, 0x4200, -1, 0, 0),
    FREE("process-vm-none", SYS_process_vm_readv, -1, 0, 0, 0, 0, 0),
    FREE("kcmp-self", SYS_kcmp, -1, -1, 0, 0, 0),
    FREE("process-madvise", NR_PROCESS_MADVISE_, -1, 0, 0, 0, 0),
    FREE("process-mrelease", NR_PROCESS_MRELEASE_, -1, 0),
    FREE("pidfd-getfd", NR_PIDFD_GETFD_, -1, 0, 0),
    FREE("memfd-secret", NR_MEMFD_SECRET_, 0),
    FREE("remap-file-pages", SYS_remap_file_pages, 0, 0, 0, 0, 0),
    FREE("nfsservctl", SYS_nfsservctl, 0, 0, 0),
    JAILS_FREE("fsconfig", NR_FSCONFIG_, -1, 0, 0, 0, 0),
    FREE("statmount", NR_STATMOUNT_, 0, 0, 0, 0),
    FREE("listmount", NR_LISTMOUNT_, 0, 0, 0, 0),
    FREE("lsm-get", NR_LSM_GET_, 0, 0, 0, 0),
    FREE("lsm-set", NR_LSM_SET_, 0, 0, 0, 0),
    FREE("setxattrat", NR_SETXATTRAT_, -1, 0, 0, 0, 0, 0),
    FREE("open-tree-attr", NR_OPEN_TREE_ATTR_, -1, 0, 0, 0, 0),
    FREE("file-getattr", NR_FILE_GETATTR_, -1, 0, 0, 0, 0),
    FREE("map-shadow-stack", NR_MAP_SHADOW_STACK_, 0, 0, 99),
    {.row = "23", .name = "landlock", .tries = "ask for a Landlock rule set, to confuse", .attempt = reaches, .jails = PROGRAM, BOTH(WALL_SECCOMP),
     .nr = NR_LANDLOCK_, .arg = {0, 0, 1}},
    {.row = "23", .name = "cachestat", .tries = "ask what of a file is cached", .attempt = reaches, .jails = PROGRAM | INSPECTOR, BOTH(WALL_SECCOMP),
     .nr = NR_CACHESTAT_, .arg = {-1}},
    OWN("23", "int-80", int80, "make a 32-bit system call", BOTH(WALL_SECCOMP)),
    OWN("23", "x32", x32, "make an x32 system call", BOTH(WALL_SECCOMP)),
    {.row = "23", .name = "ioctl-flags", .tries = "set the flags of a file by ioctl", .attempt = file_flags, .jails = PROGRAM, BOTH(WALL_SECCOMP), .nr = 0x40086602},
    {.row = "23", .name = "ioctl-project", .tries = "set the project of a file by ioctl", .attempt = leave_project, .jails = PROGRAM, BOTH(WALL_SECCOMP), .nr = 0x401c5820},
    {.row = "23", .name = "ioctl-fibmap", .tries = "look up disk blocks by ioctl", .attempt = file_flags, .jails = PROGRAM,
     ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), .nr = 1},
    {.row = "23", .name = "ioctl-odd", .tries = "an ioctl that nobody knows", .attempt = file_flags, .jails = PROGRAM, BOTH(WALL_SECCOMP), .nr = 0x4321},

    {.row = "23", .name = "bounding-set", .tries = "find a capability in the bounding set", .attempt = bounding_set, .jails = PROGRAM, BOTH(WALL_CAPS)},
    {.row = "9", .name = "become-root", .tries = "setuid(0)", .attempt = becomes, .jails = PROGRAM | INSPECTOR, ROOT_ONLY(WALL_SETUID),
     .nr = SYS_setuid, .arg = {0}},
    {.row = "9", .name = "become-root-group", .tries = "setgid(0)", .attempt = becomes, .jails = PROGRAM | INSPECTOR, ROOT_ONLY(WALL_SETUID),
     .nr = SYS_setgid, .arg = {0}},
    {.row = "23", .name = "no-new-privs-off", .tries = "take no_new_privs back", .attempt = no_new_privs_off, .jails = PROGRAM | INSPECTOR,
     BOTH(WALL_NNP), .also = WALL_SECCOMP | WALL_LANDLOCK},
    {.row = "12", .name = "file-of-root", .tries = "read a file of root's, mode 0600, that a read root holds", .attempt = root_file, .jails = PROGRAM,
     .holds_root = WALL_SETUID, .why_not = NOTHING_THERE},
    {.row = "21", .name = "shared-memory", .tries = "attach to shared memory outside", .attempt = shared_memory, .jails = PROGRAM, BOTH(WALL_IPCNS)},
    {.row = "21", .name = "semaphores", .tries = "find semaphores outside", .attempt = semaphores, .jails = PROGRAM, BOTH(WALL_IPCNS), .nr = SYS_semget},
    {.row = "21", .name = "message-queue", .tries = "find a message queue outside", .attempt = semaphores, .jails = PROGRAM, BOTH(WALL_IPCNS), .nr = SYS_msgget},
    {.row = "23", .name = "host-name", .tries = "learn the name of the host", .attempt = host_name, .jails = PROGRAM, BOTH(WALL_UTSNS)},

    /* What the engine may and the verifier may not. */
    VERIFIERS("verifier-vmsplice", SYS_vmsplice, -1, 0, 0, 0),
    VERIFIERS("verifier-tee", SYS_tee, -1, -1, 0, 0),
    VERIFIERS("verifier-syncfs", SYS_syncfs, -1),
    VERIFIERS("verifier-mlockall", SYS_mlockall, 0),
    VERIFIERS("verifier-munlockall", SYS_munlockall, 0),
    VERIFIERS("verifier-capset", SYS_capset, 0, 0),
    VERIFIERS("verifier-keepcaps", SYS_prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0),
    VERIFIERS("verifier-ambient", SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0),
    VERIFIERS("verifier-layout", SYS_ioctl, -1, 0xc020660b /* FS_IOC_FIEMAP */, 0),

    {.row = "23", .name = "inspector-fork", .tries = "start a process", .attempt = starts_process, .jails = INSPECTOR, BOTH(WALL_SECCOMP)},
    {.row = "23", .name = "inspector-exec", .tries = "start a program", .attempt = starts_program, .jails = INSPECTOR, BOTH(WALL_SECCOMP | WALL_LANDLOCK)},
    {.row = "23", .name = "inspector-code", .tries = "map executable memory", .attempt = executes_memory, .jails = INSPECTOR, BOTH(WALL_SECCOMP)},
    {.row = "23", .name = "writable-code", .tries = "map memory that is writable and executable", .attempt = writable_code, .jails = PROGRAM,
     .flags = EXCEPTION, .why_not = "open by design in engine and verifier: every JIT needs it"},
    {.row = "21", .name = "memfd", .tries = "make a file in memory", .attempt = reaches, .jails = PROGRAM, .flags = EXCEPTION,
     .why_not = "open by design: JITs need it", .nr = SYS_memfd_create, .arg = {(long)(uintptr_t)MARK, 0}},
};
/* clang-format on */
const struct probe_table probes_kernel = {"kernel", v, sizeof v / sizeof v[0]};
