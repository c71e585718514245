/* root.c - assembles the minimal root in a mount namespace of its own and makes it the root of the process.
 *
 * A small tmpfs holds the directories, links and the few files of /etc that are written here: as few as possible, each
 * costs at the start and again at the end. Everything else is a tree that mounts.c detached. Home directories, other
 * repositories, the store are not hidden: they are not there.
 *
 * Order: the new root is mounted over "/" first, since older kernels cannot attach to a tree that is itself
 * detached; absolute paths go on meaning the old root until pivot_root. /proc is mounted before the old root goes
 * away, because the kernel lets a user namespace mount one only while a complete one is in sight. Read-only is last.
 *
 * /dev has no tty, /dev/shm lies in scratch; /dev/pts is an instance of the jail's own, with no terminal of the host.
 *
 * /proc/self/mountinfo shows where a bound directory lies within its file system, and nothing here changes that: the field is
 * the path of the mount's root dentry below the superblock's, for a bind of a bind and for a detached tree too; the file is in
 * every process's own directory of /proc, so it can neither be mounted over nor left out (subset=pid keeps it); what is not
 * reachable from the root is not listed, but then it has no path either. A file system of its own for each work directory
 * would do (a loop device as root only; an overlay hides it, at the price of other semantics for the agent's files and none
 * for inotify). So work directories should lie where a name gives nothing away.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/io.h"
#include "sandbox/internal.h"
#include "sandbox/kernel.h"

#define ROOT_BYTES (UINT64_C(8) << 20)
#define ROOT_INODES 4096
/* The kernel has one count of terminals for all its instances. */
#define TERMINALS_MAX "64"

static const char *const root_dirs[] = {"etc", "etc/ssl", "dev", "dev/pts", "proc", "var", "run", NULL};
static const struct {
    const char *at, *to;
} root_links[] = {
    {"dev/fd", "/proc/self/fd"},       {"dev/stdin", "/proc/self/fd/0"}, {"dev/stdout", "/proc/self/fd/1"},
    {"dev/stderr", "/proc/self/fd/2"}, {"dev/shm", "/scratch/shm"},      {"dev/ptmx", "pts/ptmx"},
    {"etc/mtab", "/proc/mounts"},
};
static const char *const scratch_dirs[] = {"home", "tmp", "shm", NULL};

/* --- file systems ------------------------------------------------------------------------------------------------- */
static int fs_option(int fs, const char *key, const char *value, struct err *e) {
    if (k_fsconfig(fs, K_FSCONFIG_SET_STRING, key, value) < 0) {
        mechanism_err(e, JAIL_M_ROOT, key);
        return err_ctx(e, "mount option %s=%s", key, value);
    }
    return 0;
}

static int fs_mount(int fs, unsigned attrs, struct err *e) {
    if (k_fsconfig(fs, K_FSCONFIG_CMD_CREATE, NULL, NULL) < 0) return mechanism_err(e, JAIL_M_ROOT, "fsconfig");
    const int fd = k_fsmount(fs, K_FSMOUNT_CLOEXEC, attrs);
    return fd < 0 ? mechanism_err(e, JAIL_M_ROOT, "fsmount") : fd;
}

int root_new_tmpfs(uint64_t bytes, uint64_t inodes, struct err *e) {
    AUTO_FD int fs = k_fsopen("tmpfs", K_FSOPEN_CLOEXEC);
    if (fs < 0) return mechanism_err(e, JAIL_M_ROOT, "fsopen tmpfs");
    char size[24], count[24];
    snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
    snprintf(count, sizeof count, "%llu", (unsigned long long)inodes);
    if (fs_option(fs, "size", size, e) < 0 || fs_option(fs, "nr_inodes", count, e) < 0 ||
        fs_option(fs, "mode", "0755", e) < 0)
        return -1;
    return fs_mount(fs, K_MOUNT_NOSUID | K_MOUNT_NODEV, e);
}

/* hidepid=2: what a process may not trace (pid 1 of the jail is one such) it does not see. */
static int new_proc(struct err *e) {
    if (LEFT_OUT(JAIL_M_PIDNS)) /* only a pid namespace of one's own may be shown anew */
        return k_open_tree(AT_FDCWD, "/proc", K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | K_AT_RECURSIVE);
    AUTO_FD int fs = k_fsopen("proc", K_FSOPEN_CLOEXEC);
    if (fs < 0) return mechanism_err(e, JAIL_M_ROOT, "fsopen proc");
    if (!LEFT_OUT(JAIL_T_HIDEPID) && fs_option(fs, "hidepid", "2", e) < 0) return -1;
    const unsigned read_only = LEFT_OUT(JAIL_T_PROC_READONLY) ? 0 : K_MOUNT_RDONLY;
    const int fd = fs_mount(fs, read_only | K_MOUNT_NOSUID | K_MOUNT_NODEV | K_MOUNT_NOEXEC, e);
    return fd < 0 ? err_ctx(e, "/proc (is the caller's own one complete?)") : fd;
}

static int attach(int tree, int dir, const char *path, struct err *e) {
    const unsigned flags = K_MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0u : K_MOVE_MOUNT_T_EMPTY_PATH);
    if (k_move_mount(tree, "", dir, path, flags) < 0) {
        mechanism_err(e, JAIL_M_ROOT, "move_mount");
        return err_ctx(e, "%s", *path ? path : "bind");
    }
    return 0;
}

/* Terminals of the jail's own. Devices must work here, so no K_MOUNT_NODEV: the kernel makes nothing but terminals in it.
 * A kernel that has no such terminals has none for the jail either. */
static int attach_terminals(int root, struct err *e) {
    AUTO_FD int fs = k_fsopen("devpts", K_FSOPEN_CLOEXEC);
    if (fs < 0) return errno == ENODEV ? 0 : mechanism_err(e, JAIL_M_ROOT, "fsopen devpts");
    if (fs_option(fs, "max", TERMINALS_MAX, e) < 0 || fs_option(fs, "mode", "0620", e) < 0 ||
        fs_option(fs, "ptmxmode", "0666", e) < 0)
        return -1;
    AUTO_FD int tree = fs_mount(fs, K_MOUNT_NOSUID | K_MOUNT_NOEXEC, e);
    return tree < 0 ? err_ctx(e, "/dev/pts") : attach(tree, root, "dev/pts", e);
}

/* --- contents ----------------------------------------------------------------------------------------------------- */
static int make_dir(int root, const char *path, struct err *e) {
    if (mkdirat(root, path, 0755) < 0 && errno != EEXIST) return err_sys(e, "minimal root: mkdir %s", path);
    return 0;
}

static int make_link(int root, const char *path, const char *to, struct err *e) {
    return symlinkat(to, root, path) < 0 ? err_sys(e, "minimal root: link %s", path) : 0;
}

static int make_file(int root, const char *path, const char *text, struct err *e) {
    AUTO_FD int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return err_sys(e, "minimal root: %s", path);
    return io_write_full(fd, text, strlen(text), e);
}

static int write_identity(int root, uid_t uid, struct err *e) {
    char passwd[256], group[128];
    snprintf(passwd, sizeof passwd,
             "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\njail:x:%u:%u:jail:/scratch/home:/bin/sh\n"
             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
             (unsigned)uid, (unsigned)uid);
    snprintf(group, sizeof group, "root:x:0:\njail:x:%u:\nnogroup:x:65534:\n", (unsigned)uid);
    if (make_file(root, "etc/passwd", passwd, e) < 0 || make_file(root, "etc/group", group, e) < 0 ||
        make_file(root, "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", e) < 0 ||
        make_file(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n", e) < 0)
        return -1;
    return 0;
}

static int copy_usr_links(int root, const struct trees *t, struct err *e) {
    for (size_t i = 0; i < USR_LINKS; i++)
        if (t->usr_links[i][0] && make_link(root, usr_links[i] + 1, t->usr_links[i], e) < 0) return -1;
    return 0;
}

static int fill_skeleton(int root, const struct root_plan *p, struct err *e) {
    for (const char *const *d = root_dirs; *d; d++)
        if (make_dir(root, *d, e) < 0) return -1;
    for (size_t i = 0; i < sizeof root_links / sizeof root_links[0]; i++)
        if (make_link(root, root_links[i].at, root_links[i].to, e) < 0) return -1;
    if (copy_usr_links(root, p->trees, e) < 0) return -1;
    return write_identity(root, p->uid, e);
}

static int attach_standard(int root, const struct trees *t, struct err *e) {
    for (size_t i = 0; i < t->n && t->v[i].standard; i++) {
        const char *path = t->v[i].target + 1;
        if (t->v[i].is_dir) {
            if (make_dir(root, path, e) < 0) return -1;
        } else if (mknodat(root, path, S_IFREG | 0644, 0) < 0) {
            return err_sys(e, "minimal root: %s", path);
        }
        if (attach(t->v[i].fd, root, path, e) < 0) return -1;
    }
    return 0;
}

/* --- binds: their targets may pass through earlier binds, so the walk follows no link ----------------------------- */
static int make_mount_point(int dir, const char *name, bool as_dir, struct err *e) {
    const int made = as_dir ? mkdirat(dir, name, 0755) : mknodat(dir, name, S_IFREG | 0644, 0);
    return made < 0 && errno != EEXIST ? err_sys(e, "create mount point %s", name) : 0;
}

/* Inside another bind nothing is created: that directory is the host's, and a mount point would stay there. */
static bool inside_other_bind(const struct trees *t, size_t i) {
    for (size_t j = 0; j < i; j++) {
        const size_t n = strlen(t->v[j].target);
        if (!t->v[j].standard && strncmp(t->v[j].target, t->v[i].target, n) == 0 && t->v[i].target[n] == '/')
            return true;
    }
    return false;
}

static int walk_step(int dir, const char *name, bool as_dir, bool create, struct err *e) {
    if (create && make_mount_point(dir, name, as_dir, e) < 0) return -1;
    const int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (as_dir ? O_DIRECTORY : 0));
    return fd < 0 ? err_sys(e, "mount point %s (a link?)", name) : fd;
}

static int attach_bind(int root, const struct tree *t, bool create, struct err *e) {
    AUTO_FD int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
    if (at < 0) return err_sys(e, "bind");
    char name[NAME_MAX + 1];
    for (const char *p = t->target + 1; *p;) {
        const size_t n = strcspn(p, "/");
        if (n > NAME_MAX) return err_set(e, ERR_USAGE, "bind at %s: a name is too long", t->target);
        memcpy(name, p, n);
        name[n] = '\0';
        p += n + (p[n] == '/');
        const int next = walk_step(at, name, *p != '\0' || t->is_dir, create, e);
        if (next < 0) return err_ctx(e, "bind at %s", t->target);
        close(at);
        at = next;
    }
    return attach(t->fd, at, "", e) < 0 ? err_ctx(e, "bind at %s", t->target) : 0;
}

static int attach_binds(int root, const struct trees *t, struct err *e) {
    for (size_t i = 0; i < t->n; i++)
        if (!t->v[i].standard && attach_bind(root, &t->v[i], !inside_other_bind(t, i), e) < 0) return -1;
    return 0;
}

/* --- scratch ------------------------------------------------------------------------------------------------------ */
static int own(int dir, const char *name, uid_t uid, struct err *e) {
    if (fchownat(dir, name, uid, (gid_t)uid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, "scratch: owner");
    return 0;
}

/* /tmp is a link into scratch, unless something is bound below it: then the same directory is mounted there, so that
 * the bind's path is what its user calls it. */
static int place_tmp(int root, const struct trees *t, struct err *e) {
    if (!trees_use_tmp(t)) return make_link(root, "tmp", "scratch/tmp", e);
    AUTO_FD int tree = k_open_tree(root, "scratch/tmp", K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC);
    if (tree < 0) return mechanism_err(e, JAIL_M_ROOT, "open_tree scratch/tmp");
    if (make_dir(root, "tmp", e) < 0) return -1;
    return attach(tree, root, "tmp", e);
}

int scratch_make(const struct jail_limits *l, bool set_owner, uid_t uid, struct err *e) {
    AUTO_FD int fd = root_new_tmpfs(l->scratch_bytes, l->scratch_inodes, e);
    if (fd < 0) return err_ctx(e, "scratch");
    const mode_t mask = umask(022);
    int rc = set_owner ? own(fd, "", uid, e) : 0;
    for (const char *const *d = scratch_dirs; *d && rc == 0; d++)
        if ((rc = make_dir(fd, *d, e)) == 0 && set_owner) rc = own(fd, *d, uid, e);
    umask(mask);
    return rc < 0 ? -1 : take_fd(&fd);
}

/* One name of a path after the other, so that each directory on the way becomes the program's too. */
static int seed_one(int scratch, const struct jail_seed *s, bool set_owner, uid_t uid, struct err *e) {
    char name[NAME_MAX + 1];
    AUTO_FD int at = fcntl(scratch, F_DUPFD_CLOEXEC, 3);
    if (at < 0) return err_sys(e, "scratch");
    for (const char *p = s->path;; p++) {
        const size_t n = strcspn(p, "/");
        const bool dots = n <= 2 && strncmp(p, "..", n) == 0;
        if (n == 0 || n > NAME_MAX || dots) return err_set(e, ERR_USAGE, "scratch: %s names no file", s->path);
        memcpy(name, p, n);
        name[n] = '\0';
        p += n;
        if (*p == '\0') break;
        if (mkdirat(at, name, 0755) < 0 && errno != EEXIST) return err_sys(e, "scratch: %s", s->path);
        if (set_owner && own(at, name, uid, e) < 0) return -1;
        const int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) return err_sys(e, "scratch: %s", s->path);
        close(at);
        at = next;
    }
    if (s->text == NULL) {
        if (mkdirat(at, name, 0755) < 0 && errno != EEXIST) return err_sys(e, "scratch: %s", s->path);
        return set_owner ? own(at, name, uid, e) : 0;
    }
    AUTO_FD int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return err_sys(e, "scratch: %s", s->path);
    if (io_write_full(fd, s->text, strlen(s->text), e) < 0) return err_ctx(e, "scratch: %s", s->path);
    return set_owner ? own(fd, "", uid, e) : 0;
}

int scratch_seed(int scratch, const struct jail_seed *seeds, size_t n, bool set_owner, uid_t uid, struct err *e) {
    for (size_t i = 0; i < n; i++)
        if (seed_one(scratch, &seeds[i], set_owner, uid, e) < 0) return -1;
    return 0;
}

static int attach_scratch(int root, const struct root_plan *p, struct err *e) {
    if (make_dir(root, "scratch", e) < 0 || attach(p->scratch, root, "scratch", e) < 0) return -1;
    return place_tmp(root, p->trees, e);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */
static int become_root(int root, struct err *e) {
    if (fchdir(root) < 0) return err_sys(e, "minimal root: fchdir");
    /* Both arguments the same: the old root lands on top of the new one and is taken off at once. */
    if (syscall(SYS_pivot_root, ".", ".") < 0) return mechanism_err(e, JAIL_M_ROOT, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0) return mechanism_err(e, JAIL_M_ROOT, "detach the old root");
    if (chdir("/") < 0) return err_sys(e, "minimal root: chdir");
    struct k_mount_attr a = {.set = LEFT_OUT(JAIL_T_READONLY) ? 0 : K_MOUNT_RDONLY};
    if (k_mount_setattr(root, "", AT_EMPTY_PATH, &a) < 0) return mechanism_err(e, JAIL_M_ROOT, "read-only");
    return 0;
}

static int make_private(struct err *e) {
    struct k_mount_attr a = {.propagation = K_MS_PRIVATE};
    if (k_mount_setattr(AT_FDCWD, "/", K_AT_RECURSIVE, &a) < 0) return mechanism_err(e, JAIL_M_ROOT, "private mounts");
    return 0;
}

static int fill_root(int root, const struct root_plan *p, struct err *e) {
    if (fill_skeleton(root, p, e) < 0 || attach_standard(root, p->trees, e) < 0) return -1;
    if (!p->worker) {
        AUTO_FD int proc = new_proc(e);
        if (proc < 0 || attach(proc, root, "proc", e) < 0 || attach_terminals(root, e) < 0 ||
            attach_scratch(root, p, e) < 0)
            return -1;
    }
    return attach_binds(root, p->trees, e);
}

int root_build(const struct root_plan *p, struct err *e) {
    const mode_t mask = umask(022);
    AUTO_FD int root = -1;
    int rc = -1;
    if (make_private(e) == 0 && (root = root_new_tmpfs(ROOT_BYTES, ROOT_INODES, e)) >= 0 &&
        attach(root, AT_FDCWD, "/", e) == 0 && fill_root(root, p, e) == 0 && become_root(root, e) == 0)
        rc = 0;
    umask(mask);
    return rc;
}
