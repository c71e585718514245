/* floor.c - one jail, straight through: see floor.h. The steps and their order are those of sandbox/jail.c and init.c, and the
 * calls are the ones that have an effect; what the product does to make sure (reading back, looking twice, resetting sixty
 * signals) is left out, for that is what the ratio is to show.
 */
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "sandbox/kernel.h"
#include "seccomp_filters.h"

#define MAX_TREES 24
#define INNER_UID 1000

uint64_t *floor_marks;

void floor_die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(125);
}

int floor_fd(int fd, const char *what) { return fd < 0 ? (floor_die(what), -1) : fd; }

void floor_mark(enum floor_step s) {
    struct timespec t;
    if (!floor_marks) return;
    clock_gettime(CLOCK_MONOTONIC, &t);
    floor_marks[s] = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool floor_is_root(void) { return geteuid() == 0; }
static bool in_user_namespace;

static void write_text(const char *path, const char *text) {
    int fd = FD(open(path, O_WRONLY | O_CLOEXEC));
    OK(write(fd, text, strlen(text)));
    close(fd);
}

void floor_enter(void) {
    char line[64];
    if (floor_is_root() || in_user_namespace) return;
    const unsigned uid = geteuid(), gid = getegid();
    OK(unshare(CLONE_NEWUSER | CLONE_NEWNS));
    write_text("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "%d %u 1", INNER_UID, uid);
    write_text("/proc/self/uid_map", line);
    snprintf(line, sizeof line, "%d %u 1", INNER_UID, gid);
    write_text("/proc/self/gid_map", line);
    in_user_namespace = true;
}

/* --- mounts -------------------------------------------------------------------------------------------------------------- */
struct tree {
    int fd;
    const char *target;
    enum kind { USR, ETC, DEVICE, BIND } kind;
    bool file, writable;
};
static struct tree trees[MAX_TREES];
static int n_trees;

static void add_tree(const char *source, const char *target, enum kind kind, bool writable) {
    struct k_mount_attr a = {.set = K_MOUNT_NOSUID};
    struct stat st;
    if (kind == DEVICE || kind == ETC) a.set |= K_MOUNT_NOEXEC;
    if (kind != DEVICE) a.set |= K_MOUNT_NODEV;
    if (!writable) a.set |= K_MOUNT_RDONLY;
    const int fd = k_open_tree(AT_FDCWD, source,
                               K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | K_AT_RECURSIVE |
                                   (kind == ETC ? 0u : (unsigned)AT_SYMLINK_NOFOLLOW));
    if (fd < 0 && errno == ENOENT) return;
    OK(fd);
    OK(fstat(fd, &st));
    OK(k_mount_setattr(fd, "", (unsigned)AT_EMPTY_PATH | K_AT_RECURSIVE, &a));
    trees[n_trees++] = (struct tree){fd, target + 1, kind, !S_ISDIR(st.st_mode), writable};
}

static void open_trees(const struct floor_jail *j) {
    static const char *const etc[] = {"/etc/alternatives", "/etc/ssl/certs", "/etc/ld.so.cache",
                                      "/etc/services",     "/etc/protocols", "/etc/ssl/openssl.cnf"};
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    n_trees = 0;
    add_tree("/usr", "/usr", USR, false);
    for (size_t i = 0; i < sizeof etc / sizeof *etc; i++) add_tree(etc[i], etc[i], ETC, false);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) add_tree(devices[i], devices[i], DEVICE, false);
    for (int i = 0; i < j->n_binds; i++) {
        const struct floor_bind *b = &j->binds[i];
        add_tree(b->source, b->target, BIND, b->writable);
    }
}

static void option(int fs, const char *key, const char *value) {
    OK(k_fsconfig(fs, K_FSCONFIG_SET_STRING, key, value));
}

static int mount_fs(const char *type, const char *size, const char *inodes, unsigned attrs) {
    const int fs = FD(k_fsopen(type, K_FSOPEN_CLOEXEC));
    if (size) {
        option(fs, "size", size);
        option(fs, "nr_inodes", inodes);
        option(fs, "mode", "0755");
    } else {
        option(fs, "hidepid", "2");
    }
    OK(k_fsconfig(fs, K_FSCONFIG_CMD_CREATE, NULL, NULL));
    const int fd = FD(k_fsmount(fs, K_FSMOUNT_CLOEXEC, attrs));
    close(fs);
    return fd;
}

static void write_file(int root, const char *path, const char *text) {
    const int fd = FD(openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    OK(write(fd, text, strlen(text)));
    close(fd);
}

static void fill_skeleton(int root, unsigned uid) {
    static const char *const dirs[] = {"etc", "etc/ssl", "dev", "proc", "scratch", "var", "run"};
    static const char *const links[][2] = {{"dev/fd", "/proc/self/fd"},
                                           {"dev/stdin", "/proc/self/fd/0"},
                                           {"dev/stdout", "/proc/self/fd/1"},
                                           {"dev/stderr", "/proc/self/fd/2"},
                                           {"dev/shm", "/scratch/shm"},
                                           {"etc/mtab", "/proc/mounts"},
                                           {"bin", "usr/bin"},
                                           {"sbin", "usr/sbin"},
                                           {"lib", "usr/lib"},
                                           {"lib64", "usr/lib64"},
                                           {"tmp", "scratch/tmp"}};
    char text[256];
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) OK(mkdirat(root, dirs[i], 0755));
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) OK(symlinkat(links[i][1], root, links[i][0]));
    snprintf(text, sizeof text,
             "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\njail:x:%u:%u:jail:/scratch/home:/bin/sh\n", uid, uid);
    write_file(root, "etc/passwd", text);
    snprintf(text, sizeof text, "root:x:0:\njail:x:%u:\nnogroup:x:65534:\n", uid);
    write_file(root, "etc/group", text);
    write_file(root, "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
    write_file(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
}

/* Mount points below directories of our own, at most two deep. */
static void make_mount_point(int root, const struct tree *t) {
    char parent[256];
    const char *slash = strchr(t->target, '/');
    if (slash) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - t->target), t->target);
        mkdirat(root, parent, 0755);
        if ((slash = strchr(slash + 1, '/')) != NULL) {
            snprintf(parent, sizeof parent, "%.*s", (int)(slash - t->target), t->target);
            mkdirat(root, parent, 0755);
        }
    }
    const int rc = t->file ? mknodat(root, t->target, S_IFREG | 0644, 0) : mkdirat(root, t->target, 0755);
    if (rc < 0 && errno != EEXIST) floor_die(t->target);
}

static void attach(int fd, int root, const char *at) { OK(k_move_mount(fd, "", root, at, K_MOVE_MOUNT_F_EMPTY_PATH)); }

static void make_scratch(int root, uid_t owner, bool set_owner) {
    static const char *const dirs[] = {"home", "tmp", "shm"};
    const int fd = mount_fs("tmpfs", "536870912", "65536", K_MOUNT_NOSUID | K_MOUNT_NODEV);
    if (set_owner) OK(fchownat(fd, "", owner, owner, AT_EMPTY_PATH));
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        OK(mkdirat(fd, dirs[i], 0755));
        if (set_owner) OK(fchownat(fd, dirs[i], owner, owner, 0));
    }
    attach(fd, root, "scratch");
    close(fd);
}

static void build_root(const struct floor_jail *j) {
    const bool root_mode = !in_user_namespace;
    const struct k_mount_attr private = {.propagation = K_MS_PRIVATE}, read_only = {.set = K_MOUNT_RDONLY};
    OK(k_mount_setattr(AT_FDCWD, "/", K_AT_RECURSIVE, &private));
    const int root = mount_fs("tmpfs", "8388608", "4096", K_MOUNT_NOSUID | K_MOUNT_NODEV);
    attach(root, AT_FDCWD, "/");
    floor_mark(FLOOR_ROOT);
    fill_skeleton(root, root_mode ? j->uid : INNER_UID);
    floor_mark(FLOOR_SKELETON);
    for (int i = 0; i < n_trees; i++) {
        make_mount_point(root, &trees[i]);
        attach(trees[i].fd, root, trees[i].target);
    }
    floor_mark(FLOOR_ATTACH);
    const int proc = mount_fs("proc", NULL, NULL, K_MOUNT_RDONLY | K_MOUNT_NOSUID | K_MOUNT_NODEV | K_MOUNT_NOEXEC);
    attach(proc, root, "proc");
    floor_mark(FLOOR_PROC);
    make_scratch(root, j->uid, root_mode);
    floor_mark(FLOOR_SCRATCH);
    OK(fchdir(root));
    OK(syscall(SYS_pivot_root, ".", "."));
    OK(umount2(".", MNT_DETACH));
    OK(k_mount_setattr(root, "", AT_EMPTY_PATH, &read_only));
    floor_mark(FLOOR_PIVOT);
}

static void name_and_loopback(void) {
    struct ifreq r = {.ifr_name = "lo"};
    OK(sethostname("jail", 4));
    const int fd = FD(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    OK(ioctl(fd, SIOCGIFFLAGS, &r));
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
    OK(ioctl(fd, SIOCSIFFLAGS, &r));
    close(fd);
}

/* --- landlock, ABI 7 ------------------------------------------------------------------------------------------------------ */
#define LL_ALL ((UINT64_C(1) << 16) - 1)
#define LL_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LL_NO_MAKE_NODES \
    (LL_ALL & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK) & ~(UINT64_C(1) << 15))
#define LL_DEVICE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | UINT64_C(0xc000))
#define LL_FILE (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)

static void allow_fd(int rules, int fd, uint64_t access) {
    const struct landlock_path_beneath_attr a = {.allowed_access = access, .parent_fd = fd};
    OK(syscall(NR_LANDLOCK_ADD_RULE, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0));
}

static void allow(int rules, const char *path, uint64_t access) {
    const int fd = FD(openat(AT_FDCWD, path, O_PATH | O_CLOEXEC));
    allow_fd(rules, fd, access);
    close(fd);
}

static int make_rules(void) {
    const struct { uint64_t fs, net, scoped; } a = {.fs = LL_ALL, .scoped = 3};
    const int rules = FD((int)syscall(NR_LANDLOCK_CREATE_RULESET, &a, sizeof a, 0));
    allow(rules, "/", LANDLOCK_ACCESS_FS_READ_DIR);
    allow(rules, "/etc", LL_READ);
    allow(rules, "/proc", LL_READ);
    allow(rules, "/scratch", LL_NO_MAKE_NODES);
    for (int i = 0; i < n_trees; i++) {
        const struct tree *t = &trees[i];
        if (t->kind == ETC) continue;
        allow_fd(rules, t->fd,
                 t->kind == DEVICE ? LL_DEVICE
                 : t->file         ? LL_FILE
                 : t->writable     ? LL_NO_MAKE_NODES
                                   : LL_READ | LANDLOCK_ACCESS_FS_EXECUTE);
    }
    return rules;
}

/* --- process ------------------------------------------------------------------------------------------------------------ */
enum { FD_STATUS = 3, FD_PARENT = 4, FD_RULES = 5, FD_PARKED = 10 };

static void arrange_fds(const struct floor_jail *j, int status, int parent, int rules) {
    const int want[] = {-1, j->out, j->err, status, parent, rules};
    int parked[6];
    for (int i = 0; i < 6; i++)
        parked[i] = want[i] >= FD_PARKED ? want[i]
                    : want[i] >= 0       ? FD(fcntl(want[i], F_DUPFD_CLOEXEC, FD_PARKED))
                                   : FD(fcntl(FD(open("/dev/null", O_RDWR | O_CLOEXEC)), F_DUPFD_CLOEXEC, FD_PARKED));
    for (int i = 0; i < 6; i++) OK(dup3(parked[i], i, i < FD_STATUS ? 0 : O_CLOEXEC));
    OK(k_close_range(FD_RULES + 1, ~0u));
}

static void set_limits(void) {
    static const struct {
        int what;
        rlim_t value;
    } limits[] = {{RLIMIT_DATA, UINT64_C(4) << 30},
                  {RLIMIT_NPROC, 512},
                  {RLIMIT_CPU, 3600},
                  {RLIMIT_NOFILE, 4096},
                  {RLIMIT_FSIZE, UINT64_C(1) << 30},
                  {RLIMIT_STACK, UINT64_C(8) << 20},
                  {RLIMIT_MEMLOCK, UINT64_C(8) << 20},
                  {RLIMIT_CORE, 0},
                  {RLIMIT_RTPRIO, 0},
                  {RLIMIT_NICE, 0}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now, next = {limits[i].value, limits[i].value};
        OK(getrlimit((unsigned)limits[i].what, &now));
        if (next.rlim_max > now.rlim_max) next.rlim_max = next.rlim_cur = now.rlim_max;
        OK(setrlimit((unsigned)limits[i].what, &next));
    }
}

static void drop_credentials(uid_t uid) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
    for (int c = 0; prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0; c++) continue;
    if (!in_user_namespace) {
        OK(syscall(SYS_setgroups, 0, NULL));
        OK(syscall(SYS_setresgid, uid, uid, uid));
        OK(syscall(SYS_setresuid, uid, uid, uid));
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    OK(syscall(SYS_capset, &h, none));
}

static void bind_life(int status, int parent) {
    struct pollfd p[2] = {{.fd = status}, {.fd = parent, .events = POLLIN}};
    OK(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
    if (poll(p, 2, 0) != 0) _exit(1);
}

static void confine(const struct floor_jail *j, int status, int parent) {
    const struct sock_fprog prog = {sizeof seccomp_engine / sizeof *seccomp_engine,
                                    (struct sock_filter *)(uintptr_t)seccomp_engine};
    build_root(j);
    name_and_loopback();
    floor_mark(FLOOR_NET);
    const int rules = make_rules();
    floor_mark(FLOOR_RULES);
    arrange_fds(j, status, parent, rules);
    floor_mark(FLOOR_FDS);
    set_limits();
    floor_mark(FLOOR_LIMITS);
    drop_credentials(j->uid);
    OK(chdir(j->cwd));
    bind_life(FD_STATUS, FD_PARENT);
    OK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    floor_mark(FLOOR_CREDS);
    OK(syscall(NR_LANDLOCK_RESTRICT_SELF, FD_RULES, 0));
    close(FD_RULES);
    floor_mark(FLOOR_RESTRICT);
    OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
    floor_mark(FLOOR_SECCOMP);
}

static void __attribute__((noreturn)) init(const struct floor_jail *j, const int status[2], int parent) {
    static char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
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
                                NULL};
    int ws = 0;
    floor_mark(FLOOR_CLONE);
    close(status[0]);
    bind_life(status[1], parent);
    confine(j, status[1], parent);
    OK(setsid());
    const pid_t pid = vfork();
    if (pid == 0) {
        execve(j->argv[0], j->argv, env);
        _exit(127);
    }
    OK(pid);
    floor_mark(FLOOR_EXEC);
    k_close_range(0, FD_STATUS - 1);
    OK(write(FD_STATUS, "s", 1));
    while (wait4(-1, &ws, 0, NULL) != pid) continue;
    floor_mark(FLOOR_PROGRAM);
    OK(write(FD_STATUS, &ws, sizeof ws));
    _exit(0);
}

int floor_jail(const struct floor_jail *j) {
    int status[2], pidfd = -1, ws = -1;
    char byte;
    floor_mark(FLOOR_START);
    floor_enter();
    open_trees(j);
    floor_mark(FLOOR_TREES);
    OK(pipe2(status, O_CLOEXEC));
    const int self = FD(k_pidfd_open(getpid()));
    const struct k_clone_args a = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                                            CLONE_NEWCGROUP | K_CLONE_PIDFD | K_CLONE_CLEAR_SIGHAND,
                                   .pidfd = (uint64_t)(uintptr_t)&pidfd,
                                   .exit_signal = SIGCHLD};
    const pid_t pid = k_clone3(&a);
    if (pid == 0) init(j, status, self);
    OK(pid);
    close(self);
    close(status[1]);
    for (int i = 0; i < n_trees; i++) close(trees[i].fd);
    if (read(status[0], &byte, 1) != 1) floor_die("the jail did not start");
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    OK(poll(&p, 1, -1));
    OK(waitpid(pid, NULL, 0));
    floor_mark(FLOOR_END);
    if (read(status[0], &ws, sizeof ws) != sizeof ws) floor_die("no status came out of the jail");
    close(status[0]);
    close(pidfd);
    return WIFEXITED(ws) ? WEXITSTATUS(ws) : 128 + WTERMSIG(ws);
}
