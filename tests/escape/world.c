/* world.c - the world outside that the probes aim at: canary trees, listeners, keys, shared memory, a pipe, a terminal.
 *
 * As root everything is put into namespaces of this program's own first (mount, UTS, IPC, network), which is where a
 * worker builds its jails too: then even an attempt that succeeds in a control changes nothing of the host, and addresses
 * that belong to others can be given to our own lo. As an ordinary user the world is the host, and the attempts aim at
 * nothing in it but what was made here.
 *
 * Owner and mode of all canaries are the jail's own: they must not be what holds a probe.
 * A helper answers UDP, and removes the whole tree when this program is gone, however it went.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <netinet/in.h>

#include "common/io.h"
#include "tests/escape/outside.h"

struct world *outside_world(struct outside *o) {
    return &o->w;
}
int outside_stdin(const struct outside *o, bool tty) { return tty ? o->tty_slave : o->stdin_fd; }

/* --- namespaces of our own, as root ------------------------------------------------------------------------------------ */
static int lo_address(int fd, const char *name, const char *address) {
    struct ifreq r;
    memset(&r, 0, sizeof r);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    if (address) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        inet_pton(AF_INET, address, &a.sin_addr);
        memcpy(&r.ifr_addr, &a, sizeof a);
        return ioctl(fd, SIOCSIFADDR, &r);
    }
    if (ioctl(fd, SIOCGIFFLAGS, &r) < 0) return -1;
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
    return ioctl(fd, SIOCSIFFLAGS, &r);
}

static int set_apart(struct outside *o, struct err *e) {
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) < 0)
        return err_sys(e, "namespaces of the test's own");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return err_sys(e, "private mounts");
    if (sethostname(MARK, strlen(MARK)) < 0) return err_sys(e, "host name");
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || lo_address(fd, "lo", NULL) < 0) return err_sys(e, "lo");
    o->w.far = lo_address(fd, "lo:e1", "169.254.169.254") == 0 && lo_address(fd, "lo:e2", "192.0.2.1") == 0 &&
               lo_address(fd, "lo:e3", "10.11.12.13") == 0;
    /* So that what the jail takes away is the jail's doing. */
    setrlimit(RLIMIT_MEMLOCK, &all);
    setrlimit(RLIMIT_CORE, &all);
    setrlimit(RLIMIT_NPROC, &all);
    setrlimit(RLIMIT_NICE, &(struct rlimit){40, 40});
    setrlimit(RLIMIT_RTPRIO, &(struct rlimit){99, 99});
    return 0;
}

/* --- files ------------------------------------------------------------------------------------------------------------- */
static int put_file(const struct outside *o, const char *path, mode_t mode) {
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, MARK "\n", sizeof MARK) != (ssize_t)sizeof MARK) return -1;
    fsetxattr(fd, "user.mark", "1", 1, 0); /* where the file system has them */
    if (o->w.root_mode && fchown(fd, o->kernel_uid, o->kernel_uid) < 0) return -1;
    return fchmod(fd, mode);
}

static int put_dir(const struct outside *o, const char *path) {
    if (mkdir(path, 0755) < 0 && errno != EEXIST) return -1;
    if (o->w.root_mode && chown(path, o->kernel_uid, o->kernel_uid) < 0) return -1;
    return chmod(path, 0755);
}

static int put_person(const struct outside *o) {
    static const char *const dirs[] = {
        "",          ".ssh", ".aws", "repo", "repo/.git", "planb", "planb/harness-runs", "planb/harness-runs/other",
        "planb/keys"};
    static const char *const files[] = {".ssh/id_ed25519",
                                        ".netrc",
                                        ".aws/credentials",
                                        ".bash_history",
                                        "repo/.git/config",
                                        "planb/cto.db",
                                        "planb/harness-runs/other/report.json",
                                        "planb/keys/signing"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(path, sizeof path, "%s/person/%s", o->w.dir, dirs[i]);
        if (put_dir(o, path) < 0) return -1;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/person/%s", o->w.dir, files[i]);
        if (put_file(o, path, 0644) < 0) return -1;
    }
    return 0;
}

static int copy_program(const struct outside *o, const char *name, mode_t mode) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", o->w.dir, name);
    AUTO_FD int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    AUTO_FD int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    char chunk[1 << 16];
    ssize_t n = from < 0 || to < 0 ? -1 : 0;
    while (n >= 0 && (n = read(from, chunk, sizeof chunk)) > 0)
        if (write(to, chunk, (size_t)n) != n) n = -1;
    return n < 0 ? -1 : fchmod(to, mode);
}

/* security.capability, revision 2: permitted and effective. */
static void give_capability(const struct outside *o, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", o->w.dir, name);
    const struct vfs_cap_data d = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                                   .data[0].permitted = 1u << CAP_NET_RAW};
    if (setxattr(path, "security.capability", &d, sizeof d, 0) < 0) unlink(path);
}

static int put_programs(const struct outside *o) {
    char path[PATH_MAX];
    if (copy_program(o, "bin/escape", 0755) < 0 || copy_program(o, "ro/plain", 0755) < 0 ||
        copy_program(o, "noexec/plain", 0755) < 0)
        return -1;
    if (!o->w.root_mode) return 0;
    if (copy_program(o, "ro/setuid", 04755) < 0 || copy_program(o, "ro/filecap", 0755) < 0) return -1;
    give_capability(o, "ro/filecap");
    snprintf(path, sizeof path, "%s/node", o->w.ro);
    if (mknod(path, S_IFCHR | 0666, makedev(1, 3)) < 0 || chmod(path, 0666) < 0) return -1;
    snprintf(path, sizeof path, "%s/of-root", o->w.ro);
    return put_file(o, path, 0600) < 0 || chown(path, 0, 0) < 0 ? -1 : 0;
}

static int put_files(struct outside *o, struct err *e) {
    static const char *const dirs[] = {"canary", "ro", "rw", "noexec", "bin", "world", "inner", "rw/inner"};
    char path[PATH_MAX];
    struct statvfs fs;
    /* Not in /tmp: a jail's own /tmp is writable, and Landlock's rules add up downwards. */
    snprintf(o->w.dir, sizeof o->w.dir, "/var/tmp/cto-escape-XXXXXX");
    if (!mkdtemp(o->w.dir) || chmod(o->w.dir, 0755) < 0) return err_sys(e, "%s", o->w.dir);
    snprintf(o->w.ro, sizeof o->w.ro, "%s/ro", o->w.dir);
    snprintf(o->w.rw, sizeof o->w.rw, "%s/rw", o->w.dir);
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", o->w.dir, dirs[i]);
        if (put_dir(o, path) < 0) return err_sys(e, "%s", path);
    }
    if (put_person(o) < 0 || put_programs(o) < 0) return err_sys(e, "%s", o->w.dir);
    o->w.nosuid_here = statvfs(o->w.dir, &fs) < 0 || (fs.f_flag & ST_NOSUID);
    snprintf(path, sizeof path, "%s/inner/file", o->w.dir);
    if (put_file(o, path, 0666) < 0) return err_sys(e, "%s", path);
    snprintf(path, sizeof path, "%s/canary/stdin", o->w.dir);
    if (put_file(o, path, 0644) < 0 || (o->stdin_fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(e, "%s", path);
    return 0;
}

/* --- sockets ----------------------------------------------------------------------------------------------------------- */
static int listens(struct outside *o, int type, const void *address, socklen_t n) {
    const int fd = socket(((const struct sockaddr *)address)->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (bind(fd, address, n) < 0 || (type == SOCK_STREAM && listen(fd, 100) < 0) || o->n_listeners == 8) {
        close(fd);
        return -1;
    }
    o->listeners[o->n_listeners++] = fd;
    return fd;
}

static uint16_t listens4(struct outside *o, int type, const char *address, uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t n = sizeof a;
    inet_pton(AF_INET, address, &a.sin_addr);
    const int fd = listens(o, type, &a, sizeof a);
    return fd < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0 ? 0 : ntohs(a.sin_port);
}

static uint16_t listens6(struct outside *o) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t n = sizeof a;
    const int fd = listens(o, SOCK_STREAM, &a, sizeof a);
    return fd < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0 ? 0 : ntohs(a.sin6_port);
}

static int listens_at_path(struct outside *o, const char *dir, const char *name) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", dir, name) >= (int)sizeof a.sun_path)
        return 0; /* then it is skipped */
    if (listens(o, SOCK_STREAM, &a, sizeof a) < 0) return -1;
    return chmod(a.sun_path, 0666);
}

static int put_sockets(struct outside *o, struct err *e) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char person[sizeof o->w.dir + 8];
    struct world *w = &o->w;
    snprintf(w->abstract, sizeof w->abstract, MARK "-%d", (int)getpid());
    memcpy(a.sun_path + 1, w->abstract, strlen(w->abstract));
    snprintf(person, sizeof person, "%s/person", w->dir);
    w->tcp4 = listens4(o, SOCK_STREAM, "127.0.0.1", 0);
    w->udp = listens4(o, SOCK_DGRAM, "127.0.0.1", 0);
    w->tcp6 = listens6(o);
    if (w->tcp4 == 0 || w->udp == 0 ||
        listens(o, SOCK_STREAM, &a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(w->abstract))) <
            0 ||
        listens_at_path(o, person, "agent.sock") < 0 || listens_at_path(o, w->ro, "agent.sock") < 0)
        return err_sys(e, "a socket that answers");
    if (w->far) w->far = listens4(o, SOCK_STREAM, "0.0.0.0", 80) != 0 && listens4(o, SOCK_DGRAM, "0.0.0.0", 53) != 0;
    return 0;
}

/* Nothing waits for these: a connection is made by the kernel. */
static void drop_connections(const struct outside *o) {
    for (int i = 0; i < o->n_listeners; i++) {
        int fd;
        while ((fd = accept4(o->listeners[i], NULL, NULL, SOCK_CLOEXEC)) >= 0) close(fd);
    }
}

/* --- everything else --------------------------------------------------------------------------------------------------- */
static int put_ipc(struct outside *o) {
    o->w.shm_key = 0x43000000 + (int)getpid();
    o->shm = shmget(o->w.shm_key, 4096, IPC_CREAT | 0666);
    o->sem = semget(o->w.shm_key, 1, IPC_CREAT | 0666);
    o->queue = msgget(o->w.shm_key, IPC_CREAT | 0666);
    return o->shm < 0 || o->sem < 0 || o->queue < 0 ? -1 : 0;
}

static void put_key(struct outside *o) {
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
    const long key = syscall(SYS_add_key, "user", o->w.abstract, MARK, strlen(MARK), KEY_SPEC_SESSION_KEYRING);
    o->w.key = key < 0 ? 0 : (int32_t)key;
}

static int put_terminal(struct outside *o) {
    o->tty_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (o->tty_master < 0 || grantpt(o->tty_master) < 0 || unlockpt(o->tty_master) < 0) return -1;
    const char *name = ptsname(o->tty_master);
    o->tty_slave = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    if (name) snprintf(o->w.terminal, sizeof o->w.terminal, "%s", name);
    return o->tty_slave < 0 ? -1 : 0;
}

/* At a high number, and meant to be forgotten: not close-on-exec. */
static int put_pipe(struct outside *o) {
    int p[2];
    if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0) return -1;
    o->pipe_r = p[0];
    if (o->w.root_mode && fchown(p[1], o->kernel_uid, o->kernel_uid) < 0) return -1;
    o->w.leaked = fcntl(p[1], F_DUPFD, 333);
    close(p[1]);
    return o->w.leaked;
}

static void look_at_host(struct world *w) {
    static const char *const devices[] = {"/dev/vda",          "/dev/mem",  "/dev/kmsg",      "/dev/fuse",
                                          "/dev/loop-control", "/dev/kvm",  "/dev/vhost-net", "/dev/dri",
                                          "/dev/net/tun",      "/dev/ptmx", "/dev/console",   "/dev/tty",
                                          "/dev/userfaultfd"};
    char path[64];
    struct stat st;
    size_t n = 0;
    for (size_t i = 0; i < sizeof devices / sizeof devices[0] && n < DEVICES_MAX; i++)
        if (lstat(devices[i], &st) == 0) snprintf(w->devices[n++], sizeof w->devices[0], "%s", devices[i]);
    for (int i = 0; i < NS_COUNT; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", world_ns_names[i]);
        if (stat(path, &st) == 0) w->ns[i] = (uint64_t)st.st_ino;
    }
    for (int i = 0; i < 16; i++) {
        struct rlimit l;
        if (limit_get(i, &l) == 0) w->hard[i] = l.rlim_max;
    }
    gethostname(w->host_name, sizeof w->host_name - 1);
    w->driver = getpid();
}

/* --- the helper -------------------------------------------------------------------------------------------------------- */
static void answer_udp(const struct outside *o) {
    for (int i = 0; i < o->n_listeners; i++) {
        struct sockaddr_storage from;
        socklen_t n = sizeof from;
        char c;
        if (recvfrom(o->listeners[i], &c, 1, MSG_DONTWAIT, (struct sockaddr *)&from, &n) == 1 &&
            n >= sizeof(struct sockaddr_in))
            sendto(o->listeners[i], MARK, sizeof MARK, MSG_DONTWAIT, (const struct sockaddr *)&from, n);
    }
}

static void help(const struct outside *o, int lifeline) __attribute__((noreturn));
static void help(const struct outside *o, int lifeline) {
    struct pollfd p[9] = {{.fd = lifeline, .events = 0}};
    int n = 1;
    setsid();
    for (int s = 1; s < NSIG; s++) signal(s, SIG_IGN);
    close(o->w.leaked);
    for (int i = 0; i < o->n_listeners; i++) {
        int type = 0;
        socklen_t len = sizeof type;
        if (getsockopt(o->listeners[i], SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM)
            p[n++] = (struct pollfd){.fd = o->listeners[i], .events = POLLIN};
    }
    while (poll(p, (nfds_t)n, -1) >= 0 && !(p[0].revents & (POLLHUP | POLLERR))) answer_udp(o);
    shmctl(o->shm, IPC_RMID, NULL);
    semctl(o->sem, 0, IPC_RMID);
    msgctl(o->queue, IPC_RMID, NULL);
    io_remove_tree_at(AT_FDCWD, o->w.dir, NULL);
    _exit(0);
}

static int start_helper(struct outside *o, struct err *e) {
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0) return err_sys(e, "pipe");
    o->helper = fork();
    if (o->helper == 0) {
        close(p[1]);
        help(o, p[0]);
    }
    close(p[0]);
    if (o->helper < 0) {
        close(p[1]);
        return err_sys(e, "fork");
    }
    o->lifeline = p[1];
    return 0;
}

/* --- victims ----------------------------------------------------------------------------------------------------------- */
static int put_victims(const struct outside *o, const char *tree, const struct probe *p) {
    char path[PATH_MAX];
    static const char *const names[] = {"", "/dir", "/up", "/work"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s/%s%s", o->w.dir, tree, p->name, names[i]);
        if (put_dir(o, path) < 0) return -1;
    }
    snprintf(path, sizeof path, "%s/%s/%s/file", o->w.dir, tree, p->name);
    return put_file(o, path, 0666);
}

static int remake_victims(const struct outside *o, const char *tree, const struct batch *g, struct err *e) {
    size_t n;
    const struct probe *const *all = probes_all(&n);
    char path[PATH_MAX];
    for (size_t i = 0; i < g->n; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", o->w.dir, tree, all[g->index[i]]->name);
        if (io_remove_tree_at(AT_FDCWD, path, e) < 0) return -1;
        if (put_victims(o, tree, all[g->index[i]]) < 0) return err_sys(e, "%s", path);
    }
    return 0;
}

int outside_note(struct outside *o, const struct batch *g, struct err *e) {
    char path[PATH_MAX], drain[256];
    snprintf(path, sizeof path, "%s/canary/stdin", o->w.dir);
    if (remake_victims(o, "canary", g, e) < 0 || remake_victims(o, "ro", g, e) < 0 || remake_victims(o, "rw", g, e) < 0)
        return -1;
    if (put_file(o, path, 0644) < 0) return err_sys(e, "%s", path);
    drop_connections(o);
    while (read(o->pipe_r, drain, sizeof drain) > 0) {
    }
    facts_take(o, o->facts, &o->n_facts);
    return 0;
}

/* --- the whole --------------------------------------------------------------------------------------------------------- */
int outside_make(struct outside **ret, bool apart, struct err *e) {
    struct outside *o = calloc(1, sizeof *o);
    if (!o) return err_sys(e, "memory");
    o->pipe_r = o->tty_master = o->tty_slave = o->stdin_fd = o->lifeline = -1;
    o->w.root_mode = jail_mode() == JAIL_MODE_ROOT;
    o->kernel_uid = o->w.root_mode ? 0x62000000u + (uid_t)getpid() : geteuid();
    umask(022);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* what outlives its jail comes to us */
    o->apart = apart && o->w.root_mode;
    if ((o->apart && set_apart(o, e) < 0) || put_files(o, e) < 0 || put_sockets(o, e) < 0 || put_pipe(o) < 0 ||
        put_ipc(o) < 0 || put_terminal(o) < 0) {
        if (e->code == ERR_NONE) err_sys(e, "the world outside");
        if (o->w.dir[0]) io_remove_tree_at(AT_FDCWD, o->w.dir, NULL);
        free(o);
        return -1;
    }
    put_key(o);
    look_at_host(&o->w);
    if (start_helper(o, e) < 0) {
        io_remove_tree_at(AT_FDCWD, o->w.dir, NULL);
        free(o);
        return -1;
    }
    *ret = o;
    return 0;
}

void outside_free(struct outside *o) {
    if (!o) return;
    close(o->lifeline);
    while (waitpid(o->helper, NULL, 0) < 0 && errno == EINTR) {
    }
    free(o);
}
