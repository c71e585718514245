/* floor_jail.c - the floor of the benchmark: the system calls of `cto-harness-sandbox -- /bin/true`, in order, and
 * nothing else.
 *
 * No options, no structure, no error objects, no report, hard-coded lists: what is left is what the kernel costs,
 * plus the start of a static program. The launcher may take at most 1.6 times as long. Build it as the launcher is
 * built (same libc, static). When sandbox/ gains or loses a step, this follows; it is a measure, not a sandbox: do not
 * use it as one.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sandbox/kernel.h"
#include "seccomp_filters.h"

#define UID 0x70000000u
#define EMPTY ((unsigned)AT_EMPTY_PATH)
#define CLONE_ALL                                                                                                \
    (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | K_CLONE_PIDFD | \
     K_CLONE_CLEAR_SIGHAND)
#define DO(call)                                            \
    do {                                                    \
        if ((call) < 0) {                                   \
            fprintf(stderr, "floor_jail: %s: %m\n", #call); \
            _exit(1);                                       \
        }                                                   \
    } while (0)

static const char *const trees[] = {"/usr",      "/etc/alternatives", "/etc/ssl/certs", "/dev/null",
                                    "/dev/zero", "/dev/full",         "/dev/random",    "/dev/urandom"};
#define N_TREES 8
#define N_DIR_TREES 3
static const char *const dirs[] = {"usr", "etc", "etc/ssl", "dev", "proc", "var", "run", "scratch"};
static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},       {"/proc/self/fd/0", "dev/stdin"},
                                       {"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"},
                                       {"/scratch/shm", "dev/shm"},       {"/proc/mounts", "etc/mtab"}};
static const char *const copies[] = {"/etc/ld.so.cache", "/etc/services", "/etc/protocols", "/etc/ssl/openssl.cnf"};
static const char *const usr_links[] = {"/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"};
static const char *const texts[][2] = {{"etc/passwd", "jail:x:1879048192:1879048192:jail:/scratch/home:/bin/sh\n"},
                                       {"etc/group", "jail:x:1879048192:\n"},
                                       {"etc/hosts", "127.0.0.1 localhost\n"},
                                       {"etc/nsswitch.conf", "passwd: files\n"}};
static const char *const allowed[] = {
    "/",           "/etc",         "/proc", "/scratch",          "/tmp",          "/dev/null", "/dev/zero", "/dev/full",
    "/dev/random", "/dev/urandom", "/usr",  "/etc/alternatives", "/etc/ssl/certs"};
#ifdef __GLIBC__
typedef __rlimit_resource_t resource; /* an enum there, an int elsewhere */
#else
typedef int resource;
#endif
static const struct {
    resource what;
    rlim_t value;
} limits[] = {{RLIMIT_DATA, 4ull << 30}, {RLIMIT_NPROC, 512},     {RLIMIT_CPU, 3600},        {RLIMIT_NOFILE, 4096},
              {RLIMIT_FSIZE, 1 << 30},   {RLIMIT_STACK, 8 << 20}, {RLIMIT_MEMLOCK, 8 << 20}, {RLIMIT_CORE, 0},
              {RLIMIT_RTPRIO, 0},        {RLIMIT_NICE, 0}};

static int tree_fd[N_TREES], root_mode;

static int tmpfs(const char *size, const char *inodes) {
    const int fs = k_fsopen("tmpfs", K_FSOPEN_CLOEXEC);
    DO(k_fsconfig(fs, K_FSCONFIG_SET_STRING, "size", size));
    DO(k_fsconfig(fs, K_FSCONFIG_SET_STRING, "nr_inodes", inodes));
    DO(k_fsconfig(fs, K_FSCONFIG_SET_STRING, "mode", "0755"));
    DO(k_fsconfig(fs, K_FSCONFIG_CMD_CREATE, NULL, NULL));
    const int fd = k_fsmount(fs, K_FSMOUNT_CLOEXEC, K_MOUNT_NOSUID | K_MOUNT_NODEV);
    DO(fd);
    close(fs);
    return fd;
}

static int proc(void) {
    const int fs = k_fsopen("proc", K_FSOPEN_CLOEXEC);
    DO(k_fsconfig(fs, K_FSCONFIG_SET_STRING, "hidepid", "2"));
    DO(k_fsconfig(fs, K_FSCONFIG_CMD_CREATE, NULL, NULL));
    const int fd = k_fsmount(fs, K_FSMOUNT_CLOEXEC, K_MOUNT_RDONLY | K_MOUNT_NOSUID | K_MOUNT_NODEV | K_MOUNT_NOEXEC);
    DO(fd);
    close(fs);
    return fd;
}

static void file(int root, const char *name, const char *text) {
    const int fd = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    DO(write(fd, text, strlen(text)));
    close(fd);
}

static void fill(int root) {
    struct stat st;
    for (int i = 0; i < 8; i++) DO(mkdirat(root, dirs[i], 0755));
    for (int i = 0; i < 6; i++) DO(symlinkat(links[i][0], root, links[i][1]));
    for (int i = 0; i < 4; i++) {
        const int from = open(copies[i], O_RDONLY | O_CLOEXEC);
        if (from < 0 || fstat(from, &st) < 0) continue;
        const int to = openat(root, copies[i] + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        DO(sendfile(to, from, NULL, (size_t)st.st_size));
        close(from);
        close(to);
    }
    for (int i = 0; i < 6; i++) {
        char to[256];
        const ssize_t n = readlink(usr_links[i], to, sizeof to - 1);
        if (n < 0) continue;
        to[n] = '\0';
        DO(symlinkat(to, root, usr_links[i] + 1));
    }
    for (int i = 0; i < 4; i++) file(root, texts[i][0], texts[i][1]);
    for (int i = 0; i < N_TREES; i++) {
        if (tree_fd[i] < 0) continue;
        if (i < N_DIR_TREES)
            mkdirat(root, trees[i] + 1, 0755);
        else
            DO(mknodat(root, trees[i] + 1, S_IFREG | 0644, 0));
        DO(k_move_mount(tree_fd[i], "", root, trees[i] + 1, K_MOVE_MOUNT_F_EMPTY_PATH));
    }
}

static void make_root(void) {
    static const char *const scratch_dirs[] = {"home", "tmp", "shm"};
    const struct k_mount_attr private = {.propagation = K_MS_PRIVATE}, read_only = {.set = K_MOUNT_RDONLY};
    DO(k_mount_setattr(AT_FDCWD, "/", K_AT_RECURSIVE, &private));
    const int root = tmpfs("8388608", "4096");
    DO(k_move_mount(root, "", AT_FDCWD, "/", K_MOVE_MOUNT_F_EMPTY_PATH));
    fill(root);
    const int p = proc();
    DO(k_move_mount(p, "", root, "proc", K_MOVE_MOUNT_F_EMPTY_PATH));
    const int s = tmpfs("536870912", "65536");
    if (root_mode) DO(fchownat(s, "", UID, UID, AT_EMPTY_PATH));
    for (int i = 0; i < 3; i++) {
        DO(mkdirat(s, scratch_dirs[i], 0755));
        if (root_mode) DO(fchownat(s, scratch_dirs[i], UID, UID, AT_EMPTY_PATH));
    }
    DO(k_move_mount(s, "", root, "scratch", K_MOVE_MOUNT_F_EMPTY_PATH));
    DO(symlinkat("scratch/tmp", root, "tmp"));
    DO(fchdir(root));
    DO(syscall(SYS_pivot_root, ".", "."));
    DO(umount2(".", MNT_DETACH));
    DO(chdir("/"));
    DO(k_mount_setattr(root, "", EMPTY, &read_only));
}

static int landlock(void) {
    const uint64_t all = (1u << 16) - 1;
    const uint64_t attr[3] = {all, 0, 3};
    const int fd = (int)syscall(NR_LANDLOCK_CREATE_RULESET, attr, sizeof attr, 0);
    DO(fd);
    for (int i = 0; i < 13; i++) {
        struct stat st;
        const int at = open(allowed[i], O_PATH | O_CLOEXEC);
        if (at < 0 || fstat(at, &st) < 0) continue;
        const struct {
            uint64_t access;
            int fd;
        } __attribute__((packed)) rule = {i == 3 || i == 4 ? all & ~0x840u : i >= 5 && i < 10 ? 0xc006u : 0xdu, at};
        DO(syscall(NR_LANDLOCK_ADD_RULE, fd, 1, &rule, 0));
        close(at);
    }
    return fd;
}

static void lower(int rules) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    static const struct __user_cap_data_struct none[2];
    struct __user_cap_data_struct now[2];
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit l;
        DO(getrlimit(limits[i].what, &l));
        l.rlim_cur = l.rlim_max = l.rlim_max < limits[i].value ? l.rlim_max : limits[i].value;
        DO(setrlimit(limits[i].what, &l));
    }
    syscall(SYS_keyctl, 1, NULL, 0, 0, 0);
    DO(setsid());
    for (unsigned long c = 0; prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0; c++) {
    }
    if (root_mode) {
        DO(syscall(SYS_setgroups, 0, NULL));
        DO(syscall(SYS_setresgid, UID, UID, UID));
        DO(syscall(SYS_setresuid, UID, UID, UID));
    }
    DO(syscall(SYS_capset, &h, none));
    DO(syscall(SYS_capget, &h, now));
    DO(chdir("/scratch"));
    DO(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
    DO(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    DO(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    DO(syscall(NR_LANDLOCK_RESTRICT_SELF, rules, 0));
    const struct sock_fprog prog = {.len = sizeof seccomp_program / sizeof seccomp_program[0],
                                    .filter = (struct sock_filter *)(uintptr_t)seccomp_program};
    DO(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
}

static void pid_1(int status, int parent) {
    struct ifreq lo = {.ifr_name = "lo"};
    static char record[576];
    int ws;
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction old;
        sigaction(sig, NULL, &old);
    }
    umask(022);
    make_root();
    DO(sethostname("jail", 4));
    const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    DO(ioctl(s, SIOCGIFFLAGS, &lo));
    lo.ifr_flags = (short)(lo.ifr_flags | IFF_UP);
    DO(ioctl(s, SIOCSIFFLAGS, &lo));
    close(s);
    const int from[] = {0, 1, 2, status, parent, landlock()};
    for (int i = 0; i < 6; i++) DO(fcntl(from[i], F_DUPFD_CLOEXEC, 30 + i));
    int parked[6];
    for (int i = 0; i < 6; i++) parked[i] = 30 + i;
    for (int i = 0; i < 6; i++) DO(dup3(parked[i], i, i < 3 ? 0 : O_CLOEXEC));
    DO(k_close_range(6, ~0u));
    lower(5);
    struct pollfd p[2] = {{.fd = 3, .events = 0}, {.fd = 4, .events = POLLIN}};
    if (poll(p, 2, 0) != 0) _exit(1);
    if (vfork() == 0) {
        static char *const argv[] = {"/bin/true", NULL}, *const env[] = {"PATH=/usr/bin", NULL};
        execve(argv[0], argv, env);
        _exit(127);
    }
    DO(k_close_range(0, 2));
    DO(write(3, record, sizeof record));
    DO(wait4(-1, &ws, 0, NULL));
    record[0] = (char)(ws >> 8);
    DO(write(3, record, sizeof record));
    _exit(0);
}

static void become_inner_user(void) {
    char map[2][32];
    snprintf(map[0], sizeof map[0], "1000 %u 1", (unsigned)geteuid());
    snprintf(map[1], sizeof map[1], "1000 %u 1", (unsigned)getegid());
    const char *const files[][2] = {
        {"/proc/self/setgroups", "deny"}, {"/proc/self/uid_map", map[0]}, {"/proc/self/gid_map", map[1]}};
    DO(unshare(CLONE_NEWUSER | CLONE_NEWNS));
    for (int i = 0; i < 3; i++) {
        const int fd = open(files[i][0], O_WRONLY | O_CLOEXEC);
        DO(write(fd, files[i][1], strlen(files[i][1])));
        close(fd);
    }
}

int main(void) {
    static char record[576];
    int p[2], pidfd;
    siginfo_t si;
    struct stat st;
    struct rusage ru;
    root_mode = geteuid() == 0;
    if (!root_mode) become_inner_user();
    for (int i = 0; i < N_TREES; i++) {
        tree_fd[i] = k_open_tree(AT_FDCWD, trees[i], K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | K_AT_RECURSIVE);
        if (tree_fd[i] < 0) continue;
        DO(fstat(tree_fd[i], &st));
        const struct k_mount_attr a = {.set = K_MOUNT_RDONLY | K_MOUNT_NOSUID |
                                              (i < N_DIR_TREES ? K_MOUNT_NODEV : K_MOUNT_NOEXEC)};
        DO(k_mount_setattr(tree_fd[i], "", EMPTY | K_AT_RECURSIVE, &a));
    }
    DO(pipe2(p, O_CLOEXEC));
    const int self = k_pidfd_open(getpid());
    const struct k_clone_args c = {.flags = CLONE_ALL, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    const pid_t pid = k_clone3(&c);
    DO(pid);
    if (pid == 0) {
        close(p[0]);
        pid_1(p[1], self);
    }
    close(p[1]);
    close(self);
    for (int i = 0; i < N_TREES; i++) close(tree_fd[i]);
    struct pollfd ready[2] = {{.fd = p[0], .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    DO(poll(&ready[0], 1, 30000));
    DO(read(p[0], record, sizeof record));
    DO(poll(&ready[1], 1, -1));
    DO(read(p[0], record, sizeof record));
    DO(syscall(SYS_waitid, K_P_PIDFD, pidfd, &si, WEXITED, &ru));
    return record[0];
}
