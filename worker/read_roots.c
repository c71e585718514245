/* read_roots.c - may a case show these directories of the host to its engine and to its verification?
 *
 * A case is trusted no further than to ask. What it names is mounted read-only, nosuid and nodev, in the worker's root and from
 * there in the jails; so what must not be read has to be refused here, before the worker gives the host's file system up. Refused
 * is what shows, or is above what shows: the harness's own home (store, keys, evidence, other runs), the operator's home as a
 * whole and the names in it that hold credentials, the places of the system that are no data (/proc, /sys, /dev, /run ...); and
 * whatever holds a socket, FIFO or device, since a read-only mount stops nobody from connecting to a daemon. A path with a link
 * in it is refused too: what it means could change between this look and the mount.
 *
 * The look is as good as the moment it is taken in; what is mounted then is reached without following a link either. Who can
 * make a socket below such a directory later is a person of this host, whose daemon it is.
 */
#include "worker/read_roots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"

#define MAX_DEPTH 64
#define MAX_ENTRIES 1000000

/* Neither these nor anything below or above them. */
static const char *const system_places[] = {"/proc", "/sys",     "/dev",       "/run",  "/boot",    "/etc", "/root",
                                            "/task", "/scratch", "/workspace", "/case", "/libexec", "/area"};
/* Not as a whole; what is below may be shown. */
static const char *const too_much[] = {"/", "/home", "/var", "/var/lib", "/var/log", "/usr", "/tmp", "/var/tmp"};
static const char *const secret_names[] = {".ssh",
                                           ".gnupg",
                                           ".aws",
                                           ".azure",
                                           ".kube",
                                           ".docker",
                                           ".netrc",
                                           ".config",
                                           ".local",
                                           ".password-store",
                                           ".mozilla",
                                           ".gitconfig",
                                           ".git-credentials",
                                           ".npmrc",
                                           ".pypirc",
                                           ".bash_history"};

static bool at_or_below(const char *path, const char *dir) {
    const size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/' || n == 1);
}

static int refuse(const char *root, const char *why, struct err *e) {
    return err_set(e, ERR_UNSUPPORTED, "read root %s: %s", root, why);
}

/* Whoever's it is: as root, or without HOME, the operator's own does not say which other ones there are. */
static bool is_home(const char *root) { return strncmp(root, "/home/", 6) == 0 && strchr(root + 6, '/') == NULL; }

static int check_system(const char *root, struct err *e) {
    if (is_home(root)) return refuse(root, "would show a home directory", e);
    for (size_t i = 0; i < sizeof too_much / sizeof too_much[0]; i++)
        if (strcmp(root, too_much[i]) == 0) return refuse(root, "would show far more than an engine needs", e);
    for (size_t i = 0; i < sizeof system_places / sizeof system_places[0]; i++)
        if (at_or_below(root, system_places[i]) || at_or_below(system_places[i], root))
            return refuse(root, "is, holds or is part of a place of the system's or the jail's own", e);
    return 0;
}

/* The harness's directories: neither a part of them nor what they are a part of. */
static int check_hidden(const char *root, const char *hidden, struct err *e) {
    char real[PATH_MAX];
    if (realpath(hidden, real) == NULL) return 0; /* is not there */
    if (at_or_below(root, real) || at_or_below(real, root))
        return refuse(root, "would show the harness's own home: store, keys, evidence or other runs", e);
    return 0;
}

static int check_person(const char *root, const char *home, struct err *e) {
    char real[PATH_MAX], name[64];
    if (home != NULL && realpath(home, real) != NULL && at_or_below(real, root))
        return refuse(root, "would show a home directory", e);
    for (size_t i = 0; i < sizeof secret_names / sizeof secret_names[0]; i++) {
        snprintf(name, sizeof name, "/%s", secret_names[i]);
        const char *at = strstr(root, name);
        if (at != NULL && (at[strlen(name)] == '/' || at[strlen(name)] == '\0'))
            return refuse(root, "lies in a place where credentials are kept", e);
    }
    return 0;
}

/* --- sockets, FIFOs, devices ------------------------------------------------------------------------------------------ */
struct look {
    const char *root;
    unsigned entries, depth;
};

static int look_into(struct look *l, int dir, struct err *e);

static int look_at(struct look *l, int dir, const struct dirent *d, struct err *e) {
    struct stat st;
    unsigned char type = d->d_type;
    if (type == DT_UNKNOWN) {
        if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "read root %s", l->root);
        type = (unsigned char)((st.st_mode & S_IFMT) >> 12);
    }
    if (type == DT_REG || type == DT_LNK) return 0;
    if (type != DT_DIR) return refuse(l->root, "holds a socket, a FIFO or a device", e);
    if (l->depth == MAX_DEPTH) return refuse(l->root, "is too deep to be looked through", e);
    AUTO_FD int sub = openat(dir, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0) return errno == EACCES ? 0 : err_sys(e, "read root %s", l->root); /* then nobody inside can either */
    l->depth++;
    const int rc = look_into(l, sub, e);
    l->depth--;
    return rc;
}

static int look_into(struct look *l, int dir, struct err *e) {
    const int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (d == NULL) {
        if (copy >= 0) close(copy);
        return err_sys(e, "read root %s", l->root);
    }
    int rc = 0;
    for (const struct dirent *entry; rc == 0 && (entry = readdir(d)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        rc = ++l->entries > MAX_ENTRIES ? refuse(l->root, "holds more files than can be looked through", e)
                                        : look_at(l, dir, entry, e);
    }
    closedir(d);
    return rc;
}

static int check_contents(const char *root, struct err *e) {
    struct stat st;
    if (lstat(root, &st) < 0) return err_set(e, ERR_UNSUPPORTED, "read root %s: %s", root, strerror(errno));
    if (S_ISREG(st.st_mode)) return 0;
    if (!S_ISDIR(st.st_mode)) return refuse(root, "is neither a directory nor a plain file", e);
    AUTO_FD int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return err_set(e, ERR_UNSUPPORTED, "read root %s: %s", root, strerror(errno));
    struct look l = {.root = root};
    return look_into(&l, fd, e);
}

static int check(const struct run_spec *s, const char *root, struct err *e) {
    char real[PATH_MAX];
    if (check_system(root, e) < 0) return -1;
    if (realpath(root, real) == NULL) return err_set(e, ERR_UNSUPPORTED, "read root %s: %s", root, strerror(errno));
    if (strcmp(real, root) != 0) return refuse(root, "has a link, \"..\" or a double slash in it", e);
    if (check_person(root, s->person_home, e) < 0) return -1;
    for (int k = 0; k < s->n_hidden; k++)
        if (check_hidden(root, s->hidden[k], e) < 0) return -1;
    return check_contents(root, e);
}

static bool is_directory(const char *path) {
    struct stat st;
    return path != NULL && lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int read_roots_check(const struct run_spec *s, struct err *e) {
    for (int i = 0; i < s->n_read_roots; i++)
        if (check(s, s->read_roots[i], e) < 0) return -1;
    /* A program alone is one file, read by digest; the tree around one is a directory like any other. */
    return is_directory(s->program) ? check(s, s->program, e) : 0;
}
