/* mounts.c - the parent's part of the root: every source is opened once, without following a link at its end, and
 * becomes a detached mount tree (open_tree with OPEN_TREE_CLONE) that is read-only, nosuid and nodev before anybody
 * can see it. What happens to the source path afterwards does not matter: the child attaches trees instead of paths.
 *
 * Always recursive: in a user namespace the mounts below a directory are locked to it, and a clone without them is
 * EINVAL.
 *
 * No id-mapping. In root mode the caller arranges that writable binds belong to the program's kernel uid (the worker
 * creates the workspace under the slot's uid), so a file has the same owner inside and outside and works on
 * every file system; mapped mounts would need its support, and be a second place where ownership is decided.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/path.h"
#include "sandbox/internal.h"
#include "sandbox/kernel.h"

const char *const usr_links[USR_LINKS] = {"/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"};
static const char *const dev_nodes[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", NULL};
/* Directories of /etc that programs of /usr reach through links. Certificates: verifying code refuses to start
 * without. Then the files that the C library and the runtimes read: a mount costs less than a copy. */
static const char *const etc_parts[] = {"/etc/alternatives",
                                        "/etc/ssl/certs",
                                        "/etc/ld.so.cache",
                                        "/etc/services",
                                        "/etc/protocols",
                                        "/etc/ssl/openssl.cnf",
                                        NULL};

void trees_close(struct trees *t) {
    for (size_t i = 0; i < t->n; i++) close(t->v[i].fd);
    t->n = 0;
}

static struct tree *tree_slot(struct trees *t, struct err *e) {
    if (t->n == TREES_MAX) {
        err_set(e, ERR_LIMIT, "more than %d mounts", TREES_MAX);
        return NULL;
    }
    return &t->v[t->n];
}

struct source {
    const char *path, *target;
    bool writable, no_exec, device, standard;
    bool no_links;
    bool if_suitable; /* a link is followed; what is then no directory and no plain file is left out */
};

static int tree_restrict(int fd, const struct source *s, struct err *e) {
    struct k_mount_attr a = {.set = LEFT_OUT(JAIL_T_NOSUID) ? 0 : K_MOUNT_NOSUID};
    if (!s->device && !LEFT_OUT(JAIL_T_NODEV)) a.set |= K_MOUNT_NODEV;
    if (!s->writable && !LEFT_OUT(JAIL_T_READONLY)) a.set |= K_MOUNT_RDONLY;
    if ((s->no_exec || s->device) && !LEFT_OUT(JAIL_T_NOEXEC)) a.set |= K_MOUNT_NOEXEC;
    if (k_mount_setattr(fd, "", (unsigned)AT_EMPTY_PATH | K_AT_RECURSIVE, &a) < 0)
        return mechanism_err(e, JAIL_M_ROOT, "mount_setattr");
    return 0;
}

/* A socket, FIFO or device bound into a jail would be a door to whoever holds its other side. */
static int tree_check_type(int fd, const struct source *s, bool *ret_dir, struct err *e) {
    struct stat st;
    if (fstat(fd, &st) < 0) return err_sys(e, "%s", s->path);
    *ret_dir = S_ISDIR(st.st_mode);
    if (s->device ? S_ISCHR(st.st_mode) : S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) return 0;
    return err_set(e, ERR_USAGE, "%s: neither a directory nor a plain file, cannot be given to a jail", s->path);
}

static int source_open(const struct source *s) {
    const unsigned flags = K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | K_AT_RECURSIVE | K_AT_NO_AUTOMOUNT;
    if (!s->no_links)
        return k_open_tree(AT_FDCWD, s->path, flags | (s->if_suitable ? 0 : (unsigned)AT_SYMLINK_NOFOLLOW));
    AUTO_FD int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -1;
    AUTO_FD int fd = io_open_beneath_quiet(root, s->path + 1, O_PATH, 0);
    return fd < 0 ? -1 : k_open_tree(fd, "", flags | (unsigned)AT_EMPTY_PATH);
}

/* 1: opened, 0: missing. */
static int tree_open(struct trees *t, const struct source *s, struct err *e) {
    struct tree *slot = tree_slot(t, e);
    if (!slot) return -1;
    AUTO_FD int fd = source_open(s);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return 0;
        if (s->if_suitable && (errno == EACCES || errno == ELOOP)) return 0;
        if (errno == ENOSYS || errno == EPERM) return mechanism_err(e, JAIL_M_ROOT, "open_tree");
        return err_sys(e, "%s", s->path);
    }
    bool is_dir = false;
    if (tree_check_type(fd, s, &is_dir, s->if_suitable ? NULL : e) < 0) return s->if_suitable ? 0 : -1;
    if (tree_restrict(fd, s, e) < 0) return -1;
    *slot = (struct tree){.fd = take_fd(&fd),
                          .target = s->target,
                          .is_dir = is_dir,
                          .writable = s->writable,
                          .no_exec = s->no_exec,
                          .device = s->device,
                          .standard = s->standard};
    t->n++;
    return 1;
}

/* Where /usr is merged these are links, which root.c makes again; elsewhere directories. */
static int usr_trees(struct trees *t, struct source s, struct err *e) {
    for (size_t i = 0; i < USR_LINKS; i++) {
        char *to = t->usr_links[i];
        const ssize_t n = readlink(usr_links[i], to, sizeof t->usr_links[i]);
        if (n == sizeof t->usr_links[i]) return err_set(e, ERR_LIMIT, "%s: leads to too long a path", usr_links[i]);
        to[n < 0 ? 0 : n] = '\0';
        if (n >= 0 || errno != EINVAL) continue; /* a link or nothing */
        s.path = s.target = usr_links[i];
        if (tree_open(t, &s, e) < 0) return -1;
    }
    return 0;
}

static int standard_trees(struct trees *t, bool worker, struct err *e) {
    struct source s = {.path = "/usr", .target = "/usr", .standard = true};
    int rc = tree_open(t, &s, e);
    if (rc <= 0) return rc < 0 ? -1 : err_set(e, ERR_MISSING, "/usr: not there");
    if (usr_trees(t, s, e) < 0) return -1;
    s.no_exec = s.if_suitable = true;
    for (const char *const *p = etc_parts; *p; p++) {
        s.path = s.target = *p;
        if (tree_open(t, &s, e) < 0) return -1;
    }
    s.if_suitable = false;
    s.device = true;
    for (const char *const *p = dev_nodes; *p; p++) {
        s.path = s.target = *p;
        if ((rc = tree_open(t, &s, e)) <= 0) return rc < 0 ? -1 : err_set(e, ERR_MISSING, "%s: not there", *p);
    }
    if (!worker) return 0;
    /* A user namespace may mount a /proc of its own only where a whole one can be seen already: the worker keeps the
     * host's, with all that is mounted over it, for its jails to be allowed one. */
    s = (struct source){.path = "/proc", .target = "/proc", .standard = true, .no_exec = true};
    rc = tree_open(t, &s, e);
    return rc > 0 ? 0 : rc < 0 ? -1 : err_set(e, ERR_MISSING, "/proc: not there");
}

static bool at_or_below(const char *path, const char *dir) {
    const size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

bool trees_use_tmp(const struct trees *t) {
    for (size_t i = 0; i < t->n; i++)
        if (at_or_below(t->v[i].target, "/tmp")) return true;
    return false;
}

static int check_target(const struct jail_bind *b, struct err *e) {
    const char *t = b->target;
    if (b->source[0] != '/' || t[0] != '/' || !path_is_plain_relative(t + 1, strlen(t + 1)))
        return err_set(e, ERR_USAGE, "bind %s to %s: both must be absolute paths without \"..\" or empty parts",
                       b->source, t);
    if (at_or_below(t, "/proc") || at_or_below(t, "/dev") || strcmp(t, "/scratch") == 0 ||
        (b->writable && (strcmp(t, "/usr") == 0 || strcmp(t, "/etc") == 0)))
        return err_set(e, ERR_USAGE, "bind %s to %s: this place is the jail's own", b->source, t);
    return 0;
}

/* Parents before children: a longer target can only lie below a shorter one. The order of equals stays the caller's. */
static void order_binds(const struct jail_bind *b, size_t n, unsigned char *order) {
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        while (at > 0 && strlen(b[order[at - 1]].target) > strlen(b[i].target)) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (unsigned char)i;
    }
}

/* The longest other bind at or above it says what is to be hidden; through its source we see of what kind it is. */
static int kind_below(const struct jail_bind *binds, size_t n, const char *target, bool *ret_dir, struct err *e) {
    const struct jail_bind *best = NULL;
    char path[PATH_MAX];
    struct stat st;
    for (size_t i = 0; i < n; i++)
        if (!binds[i].hide && at_or_below(target, binds[i].target) && strcmp(target, binds[i].target) != 0 &&
            (!best || strlen(binds[i].target) > strlen(best->target)))
            best = &binds[i];
    if (!best) return err_set(e, ERR_USAGE, "hide %s: it is not below anything that the jail is given", target);
    if (snprintf(path, sizeof path, "%s%s", best->source, target + strlen(best->target)) >= (int)sizeof path)
        return err_set(e, ERR_LIMIT, "hide %s: too long a path", target);
    if (lstat(path, &st) < 0) return err_sys(e, "hide %s", target);
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, "hide %s: a link or a special file; hide what it leads to", target);
    *ret_dir = S_ISDIR(st.st_mode);
    return 0;
}

static int hidden_tree(struct trees *t, const struct jail_bind *binds, size_t n, const struct jail_bind *b,
                       struct err *e) {
    struct tree *slot = tree_slot(t, e);
    bool is_dir = true;
    if (!slot) return -1;
    if (b->target[0] != '/' || !path_is_plain_relative(b->target + 1, strlen(b->target + 1)))
        return err_set(e, ERR_USAGE, "hide %s: give a path inside the jail", b->target);
    if (kind_below(binds, n, b->target, &is_dir, e) < 0) return -1;
    /* A device on a mount without devices cannot be opened. (Not an empty file of the tmpfs: older kernels clone nothing of a
     * tree that is itself detached.) */
    AUTO_FD int empty =
        is_dir ? root_new_tmpfs(4096, 8, e)
               : k_open_tree(AT_FDCWD, "/dev/null", K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | K_AT_RECURSIVE);
    if (empty < 0) return is_dir ? -1 : mechanism_err(e, JAIL_M_ROOT, "open_tree");
    const struct source s = {.path = b->target, .no_exec = true};
    if (tree_restrict(empty, &s, e) < 0) return -1;
    *slot = (struct tree){.fd = take_fd(&empty), .target = b->target, .is_dir = is_dir, .no_exec = true};
    t->n++;
    return 0;
}

static int bind_trees(struct trees *t, const struct jail_bind *binds, size_t n, struct err *e) {
    unsigned char order[TREES_MAX];
    _Static_assert(TREES_MAX <= UCHAR_MAX + 1, "indices fit");
    if (n > TREES_MAX) return err_set(e, ERR_LIMIT, "more than %d binds", TREES_MAX);
    order_binds(binds, n, order);
    for (size_t i = 0; i < n; i++) {
        const struct jail_bind *b = &binds[order[i]];
        if (b->hide) {
            if (hidden_tree(t, binds, n, b, e) < 0) return -1;
            continue;
        }
        const struct source s = {.path = b->source,
                                 .target = b->target,
                                 .writable = b->writable,
                                 .no_exec = b->no_exec,
                                 .no_links = b->no_links};
        if (check_target(b, e) < 0) return -1;
        const int rc = tree_open(t, &s, e);
        if (rc < 0) return -1;
        if (rc == 0 && !b->optional) return err_set(e, ERR_MISSING, "bind %s: not there", b->source);
    }
    return 0;
}

int trees_open(struct trees *t, const struct jail_bind *binds, size_t n, bool worker, struct err *e) {
    t->n = 0;
    if (standard_trees(t, worker, e) == 0 && bind_trees(t, binds, n, e) == 0) return 0;
    trees_close(t);
    return -1;
}
