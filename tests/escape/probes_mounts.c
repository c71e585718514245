/* probes_mounts.c - rows 4-7 and 9: mounts, namespaces, device nodes, handles, set-id programs.
 *
 * Mounting takes CAP_SYS_ADMIN over the mount namespace: as root four walls stand in its way, each enough. An ordinary
 * user has that power only in a user namespace of his own making, so there the walls are seccomp (no such namespace) and
 * Landlock (no mounting). Everything that is mounted here, is mounted inside, over what was made for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/kernel.h"
#include "tests/escape/escape.h"

enum {
    M_TMPFS,
    M_BIND,
    M_REMOUNT,
    M_MOVE,
    M_OVERLAY,
    M_UMOUNT,
    M_PROC,
    M_PIVOT,
    M_CHROOT,
    M_OPEN_TREE,
    M_FSOPEN,
    M_SETATTR,
    M_PROPAGATE
};

static bool mount_setattr_writable(const char *path) {
    const struct k_mount_attr a = {.clear = K_MOUNT_RDONLY};
    return k_mount_setattr(AT_FDCWD, path, 0, &a) == 0;
}

static bool mounts(const struct world *w, const struct probe *p) {
    char dir[PATH_MAX], options[2 * PATH_MAX];
    snprintf(dir, sizeof dir, "%s", in_rw(w, p, "dir"));
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", w->ro, in_rw(w, p, "up"),
             in_rw(w, p, "work"));
    switch (p->number) {
    case M_TMPFS: return mount(MARK, dir, "tmpfs", 0, NULL) == 0;
    case M_BIND: return mount(w->ro, dir, NULL, MS_BIND, NULL) == 0;
    case M_REMOUNT: return mount(NULL, w->ro, NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
    case M_MOVE: return mount(MARK, dir, "tmpfs", 0, NULL) == 0 && mount(dir, w->rw, NULL, MS_MOVE, NULL) == 0;
    case M_OVERLAY: return mount(MARK, dir, "overlay", 0, options) == 0 || errno == ENODEV || errno == EINVAL;
    case M_UMOUNT: return umount2(w->ro, MNT_DETACH) == 0;
    case M_PROC: return mount(MARK, dir, "proc", 0, NULL) == 0;
    case M_PIVOT: return syscall(SYS_pivot_root, dir, dir) == 0 || errno == EINVAL || errno == EBUSY;
    case M_CHROOT: return chroot(dir) == 0;
    case M_OPEN_TREE: return k_open_tree(AT_FDCWD, dir, K_OPEN_TREE_CLONE) >= 0;
    case M_FSOPEN: return k_fsopen("tmpfs", 0) >= 0;
    case M_SETATTR: return mount_setattr_writable(w->ro);
    case M_PROPAGATE: return mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0;
    default: return false;
    }
}

static enum verdict as_is(const struct world *w, const struct probe *p) { return open_if(mounts(w, p)); }

static enum verdict in_user_namespace(const struct world *w, const struct probe *p) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) return HELD;
    return open_if(mounts(w, p));
}

static enum verdict unshares(const struct world *w, const struct probe *p) {
    (void)w;
    return open_if(unshare((int)p->nr) == 0);
}

static enum verdict clones(const struct world *w, const struct probe *p) {
    (void)w;
    const pid_t pid = (pid_t)syscall(SYS_clone, (long)SIGCHLD | p->nr, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return open_if(pid > 0);
}

static enum verdict clones3(const struct world *w, const struct probe *p) {
    (void)w;
    const struct k_clone_args a = {.flags = (uint64_t)p->nr, .exit_signal = SIGCHLD};
    const pid_t pid = k_clone3(&a);
    if (pid == 0) _exit(0);
    return open_if(pid > 0);
}

static enum verdict sets_namespace(const struct world *w, const struct probe *p) {
    (void)w;
    AUTO_FD int fd = open(p->text, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return skip("%s: %s", p->text, strerror(errno));
    return open_if(setns(fd, 0) == 0 || errno == EINVAL); /* "you are in it already" */
}

/* Whether this process shares a namespace with the one who started the jail. */
static enum verdict same_namespace(const struct world *w, const struct probe *p) {
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/self/ns/%s", world_ns_names[p->nr]);
    if (stat(path, &st) < 0) return skip("%s: %s", path, strerror(errno));
    return open_if((uint64_t)st.st_ino == w->ns[p->nr]);
}

/* --- devices ---------------------------------------------------------------------------------------------------------- */
static enum verdict makes_node(const struct world *w, const struct probe *p) {
    return open_if(
        mknod(in_rw(w, p, "node"), (mode_t)p->nr | 0600, makedev((unsigned)p->arg[0], (unsigned)p->arg[1])) == 0);
}

static enum verdict opens_node(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    if (!w->root_mode) return skip(NOTHING_THERE);
    snprintf(path, sizeof path, "%s/node", w->ro);
    (void)p;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return open_if(fd >= 0);
}

static enum verdict device_there(const struct world *w, const struct probe *p) {
    struct stat st;
    for (size_t i = 0; i < sizeof w->devices / sizeof w->devices[0] && w->devices[i][0]; i++)
        if (strcmp(w->devices[i], p->text) == 0) return open_if(lstat(p->text, &st) == 0);
    return skip("this host has no %s", p->text);
}

/* --- handles ---------------------------------------------------------------------------------------------------------- */
struct handle {
    struct file_handle h;
    unsigned char bytes[128];
};

static enum verdict names_handle(const struct world *w, const struct probe *p) {
    struct handle h = {.h = {.handle_bytes = sizeof h.bytes}};
    int id;
    (void)p;
    return open_if(name_to_handle_at(AT_FDCWD, w->rw, &h.h, &id, 0) == 0);
}

/* A handle that stands for nothing: whoever may use handles is told ESTALE. */
static enum verdict opens_handle(const struct world *w, const struct probe *p) {
    struct handle h = {.h = {.handle_bytes = 8, .handle_type = 1}};
    (void)p;
    AUTO_FD int dir = open(w->rw, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD int fd = open_by_handle_at(dir, &h.h, O_RDONLY | O_CLOEXEC);
    return open_if(fd >= 0 || (errno != EPERM && errno != ENOSYS));
}

/* --- row 9 ------------------------------------------------------------------------------------------------------------ */
/* The program in ro/ reports what it has got, by its exit status: 90 an effective uid of 0, 91 a capability. */
static enum verdict runs_privileged(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    if (!w->root_mode) return skip(NOTHING_THERE);
    if (w->nosuid_here) return skip("the file system of %s ignores set-id bits", w->dir);
    snprintf(path, sizeof path, "%s/%s", w->ro, p->text);
    if (access(path, F_OK) < 0) return skip("no such program could be made here");
    const pid_t pid = fork();
    if (pid == 0) {
        execl(path, path, "privileges", (char *)NULL);
        _exit(1);
    }
    int ws = 0;
    if (pid < 0 || waitpid(pid, &ws, 0) != pid) return skip("no process");
    say("exit status %d", WEXITSTATUS(ws));
    return open_if(WIFEXITED(ws) && WEXITSTATUS(ws) == (int)p->nr);
}

static enum verdict executes(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    (void)p;
    snprintf(path, sizeof path, "%s/noexec/plain", w->dir);
    const pid_t pid = fork();
    if (pid == 0) {
        execl(path, path, "privileges", (char *)NULL);
        _exit(127);
    }
    int ws = 0;
    if (pid < 0 || waitpid(pid, &ws, 0) != pid) return skip("no process");
    return open_if(WIFEXITED(ws) && WEXITSTATUS(ws) == 0);
}

enum { S_CHMOD, S_MKDIR, S_OPEN, S_MKNOD, S_FCHMODAT2, S_FCHMOD };
static enum verdict sets_id(const struct world *w, const struct probe *p) {
    const char *file = in_rw(w, p, "file");
    struct stat st;
    AUTO_FD int fd = open(file, O_RDWR | O_CLOEXEC);
    switch (p->number) {
    case S_CHMOD: return open_if(chmod(file, 04755) == 0);
    case S_FCHMOD: return open_if(fchmod(fd, 04755) == 0);
    case S_MKDIR: return open_if(mkdir(in_rw(w, p, "fresh"), 02755) == 0);
    case S_OPEN: return open_if(open(in_rw(w, p, "fresh"), O_CREAT | O_RDWR | O_CLOEXEC, 04755) >= 0);
    case S_MKNOD: return open_if(mknod(in_rw(w, p, "fresh"), S_IFREG | 04755, 0) == 0);
    default: break;
    }
    if (syscall(452, AT_FDCWD, file, 04755, 0) < 0) return HELD;
    return open_if(stat(file, &st) == 0 && (st.st_mode & S_ISUID));
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define POWER (WALL_SECCOMP | WALL_LANDLOCK | WALLS_POWER)
#define ROOT_ONLY(a) .holds_root = (a), .holds_user = 0, .why_not = KERNEL_HOLDS
#define MOUNT(what, flags_, number_, tries_) \
    {.row = "4", .name = what, .tries = tries_, .attempt = as_is, .jails = PROGRAM | INSPECTOR, .flags = (flags_), \
     ROOT_ONLY(POWER), .number = (number_)}
#define NESTED(what, number_, tries_) \
    {.row = "5", .name = what "-in-userns", .tries = tries_ ", in a new user namespace", .attempt = in_user_namespace, .jails = PROGRAM, \
     BOTH(WALL_SECCOMP | WALL_LANDLOCK), .number = (number_)}
#define UNSHARE(what, flag, walls) \
    {.row = "5", .name = "unshare-" what, .tries = "unshare a new " what " namespace", .attempt = unshares, .jails = PROGRAM | INSPECTOR, walls, .nr = (flag)}
#define CLONE(what, flag, walls) \
    {.row = "23", .name = "clone-" what, .tries = "clone with " #flag, .attempt = clones, .jails = PROGRAM, walls, .nr = (flag)}
#define SAME(what, index, holds, also_) \
    {.row = "5", .name = "same-" what "-namespace", .tries = "be in the " what " namespace of the caller", .attempt = same_namespace, \
     .jails = PROGRAM, .flags = NEEDS_PROC, BOTH(holds), .also = (also_), .nr = (index)}
#define SETNS(what, path, walls) \
    {.row = "23", .name = "setns-" what, .tries = "enter " path " anew", .attempt = sets_namespace, .jails = PROGRAM, \
     walls, .text = path}
#define DEVICE(what, path) \
    {.row = "6", .name = "device-" what, .tries = "see " path, .attempt = device_there, .jails = PROGRAM | WORKER, BOTH(WALL_ROOT), .text = path}
#define SETID(what, number_, tries_) \
    {.row = "9", .name = what, .tries = tries_, .attempt = sets_id, .jails = PROGRAM, BOTH(WALL_SECCOMP), .number = (number_)}

static const struct probe v[] = {
    MOUNT("mount-tmpfs", 0, M_TMPFS, "mount a tmpfs"),
    MOUNT("mount-bind", 0, M_BIND, "bind a directory elsewhere"),
    MOUNT("mount-remount", ALONE, M_REMOUNT, "remount a read root writable"),
    MOUNT("mount-move", ALONE, M_MOVE, "move a mount"),
    MOUNT("mount-overlay", 0, M_OVERLAY, "mount an overlay"),
    MOUNT("mount-proc", 0, M_PROC, "mount a /proc of its own"),
    MOUNT("mount-umount", ALONE, M_UMOUNT, "take a mount away"),
    MOUNT("mount-pivot", 0, M_PIVOT, "change the root by pivot_root"),
    {.row = "4", .name = "mount-chroot", .tries = "change the root by chroot", .attempt = as_is, .jails = PROGRAM | INSPECTOR,
     ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), .number = M_CHROOT},
    {.row = "4", .name = "mount-open-tree", .tries = "clone a mount by open_tree", .attempt = as_is, .jails = PROGRAM | INSPECTOR,
     ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), .number = M_OPEN_TREE},
    {.row = "4", .name = "mount-fsopen", .tries = "make a file system by fsopen", .attempt = as_is, .jails = PROGRAM | INSPECTOR,
     ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), .number = M_FSOPEN},
    {.row = "4", .name = "mount-setattr", .tries = "make a read root writable by mount_setattr", .attempt = as_is,
     .jails = PROGRAM | INSPECTOR, .flags = ALONE, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), .number = M_SETATTR},
    MOUNT("mount-propagate", 0, M_PROPAGATE, "make its mounts propagate"),
    NESTED("mount-tmpfs", M_TMPFS, "mount a tmpfs"),
    NESTED("mount-bind", M_BIND, "bind a directory elsewhere"),
    NESTED("mount-pivot", M_PIVOT, "pivot_root"),
    {.row = "5", .name = "mount-fsopen-in-userns", .tries = "make a file system by fsopen, in a new user namespace",
     .attempt = in_user_namespace, .jails = PROGRAM, BOTH(WALL_SECCOMP), .number = M_FSOPEN},
    {.row = "5", .name = "mount-chroot-in-userns", .tries = "chroot, in a new user namespace", .attempt = in_user_namespace,
     .jails = PROGRAM, BOTH(WALL_SECCOMP), .number = M_CHROOT},

    UNSHARE("user", CLONE_NEWUSER, BOTH(WALL_SECCOMP)),
    UNSHARE("user-and-mount", CLONE_NEWUSER | CLONE_NEWNS, BOTH(WALL_SECCOMP)),
    UNSHARE("user-and-network", CLONE_NEWUSER | CLONE_NEWNET, BOTH(WALL_SECCOMP)),
    UNSHARE("user-and-pid", CLONE_NEWUSER | CLONE_NEWPID, BOTH(WALL_SECCOMP)),
    UNSHARE("mount", CLONE_NEWNS, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    UNSHARE("network", CLONE_NEWNET, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    UNSHARE("ipc", CLONE_NEWIPC, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    UNSHARE("uts", CLONE_NEWUTS, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    UNSHARE("pid", CLONE_NEWPID, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    UNSHARE("cgroup", CLONE_NEWCGROUP, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    UNSHARE("time", 0x80, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    CLONE("user", CLONE_NEWUSER, BOTH(WALL_SECCOMP)),
    CLONE("user-and-all", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC, BOTH(WALL_SECCOMP)),
    CLONE("mount", CLONE_NEWNS, ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    CLONE("untraced", CLONE_UNTRACED, BOTH(WALL_SECCOMP)),
    CLONE("parent", CLONE_PARENT, BOTH(WALL_SECCOMP)),
    {.row = "23", .name = "clone3-user", .tries = "clone3 with CLONE_NEWUSER", .attempt = clones3, .jails = PROGRAM, BOTH(WALL_SECCOMP),
     .nr = CLONE_NEWUSER},
    {.row = "23", .name = "clone3-plain", .tries = "clone3, whose flags no filter can see", .attempt = clones3, .jails = PROGRAM,
     BOTH(WALL_SECCOMP), .nr = 0},
    SETNS("user", "/proc/self/ns/user", BOTH(WALL_SECCOMP)),
    SETNS("network", "/proc/self/ns/net", ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    SETNS("uts", "/proc/self/ns/uts", ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)),
    SAME("mount", NS_MNT, WALL_MOUNTNS, WALL_ROOT),
    SAME("pid", NS_PID, WALL_PIDNS, 0),
    SAME("network", NS_NET, WALL_NETNS, 0),
    SAME("ipc", NS_IPC, WALL_IPCNS, 0),
    SAME("uts", NS_UTS, WALL_UTSNS, 0),
    SAME("cgroup", NS_CGROUP, WALL_CGROUPNS, 0),

    {.row = "6", .name = "mknod-char", .tries = "make the node of a character device", .attempt = makes_node, .jails = PROGRAM | INSPECTOR,
     ROOT_ONLY(WALL_SECCOMP | WALL_LANDLOCK | WALLS_POWER), .nr = S_IFCHR, .arg = {1, 3}},
    {.row = "6", .name = "mknod-block", .tries = "make the node of a block device", .attempt = makes_node, .jails = PROGRAM | INSPECTOR,
     ROOT_ONLY(WALL_SECCOMP | WALL_LANDLOCK | WALLS_POWER), .nr = S_IFBLK, .arg = {7, 0}},
    {.row = "6", .name = "open-node", .tries = "open a device node that lies in a read root", .attempt = opens_node, .jails = PROGRAM,
     .holds_root = WALL_NODEV, .why_not = NOTHING_THERE},
    DEVICE("disk", "/dev/vda"),
    DEVICE("mem", "/dev/mem"),
    DEVICE("kmsg", "/dev/kmsg"),
    DEVICE("fuse", "/dev/fuse"),
    DEVICE("loop", "/dev/loop-control"),
    DEVICE("kvm", "/dev/kvm"),
    DEVICE("vhost", "/dev/vhost-net"),
    DEVICE("gpu", "/dev/dri"),
    DEVICE("tun", "/dev/net/tun"),
    DEVICE("console", "/dev/console"),
    DEVICE("terminal", "/dev/tty"),
    DEVICE("uffd", "/dev/userfaultfd"),

    {.row = "7", .name = "name-to-handle", .tries = "get a handle of a file", .attempt = names_handle, .jails = PROGRAM | INSPECTOR, BOTH(WALL_SECCOMP)},
    {.row = "7", .name = "open-by-handle", .tries = "open a file by its handle", .attempt = opens_handle, .jails = PROGRAM | INSPECTOR,
     ROOT_ONLY(WALL_SECCOMP | WALLS_POWER)},

    {.row = "9", .name = "run-setuid-root", .tries = "run a set-uid program of root", .attempt = runs_privileged, .jails = PROGRAM,
     .holds_root = WALL_NNP | WALL_NOSUID, .also = WALL_SECCOMP | WALL_LANDLOCK, .why_not = NOTHING_THERE, .nr = 90, .text = "setuid"},
    {.row = "9", .name = "run-file-capability", .tries = "run a program with file capabilities", .attempt = runs_privileged, .jails = PROGRAM,
     .holds_root = WALL_NNP | WALL_NOSUID | WALL_CAPS, .also = WALL_SECCOMP | WALL_LANDLOCK, .why_not = NOTHING_THERE, .nr = 91, .text = "filecap"},
    {.row = "9", .name = "run-noexec", .tries = "run a program where only data was given", .attempt = executes, .jails = PROGRAM,
     BOTH(WALL_NOEXEC | WALL_LANDLOCK)},
    SETID("setid-chmod", S_CHMOD, "give an own file the set-uid bit"),
    SETID("setid-fchmod", S_FCHMOD, "give an own file the set-uid bit by descriptor"),
    SETID("setid-mkdir", S_MKDIR, "make a directory with the set-gid bit"),
    SETID("setid-open", S_OPEN, "create a file with the set-uid bit"),
    SETID("setid-mknod", S_MKNOD, "create a file with the set-uid bit by mknod"),
    SETID("setid-fchmodat2", S_FCHMODAT2, "give an own file the set-uid bit by fchmodat2"),
};
/* clang-format on */
const struct probe_table probes_mounts = {"mounts", v, sizeof v / sizeof v[0]};
