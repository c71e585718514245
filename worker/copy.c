/* copy.c - see copy.h. The source is the case (trusted, but checked: a mistake in a case must be named, not copied);
 * the destination may be hostile, so names are opened one at a time, beneath, and never through a link. */
#include "worker/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/path.h"

#define COPY_MAX_DEPTH 64u

static int give(const struct copier *c, int fd, const char *name, struct err *e) {
    if (c->owner < 0) return 0;
    if (fchownat(fd, name, (uid_t)c->owner, (gid_t)c->owner, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
        return err_sys(e, "give %s to uid %lld", name, (long long)c->owner);
    return 0;
}

static int write_loop(int from, int to, struct err *e) {
    static char chunk[64 << 10];
    for (;;) {
        ssize_t n = io_read_full(from, chunk, sizeof chunk, e);
        if (n <= 0) return (int)n;
        if (io_write_full(to, chunk, (size_t)n, e) < 0) return -1;
    }
}

/* EXDEV, EINVAL, ENOSYS and the like mean "not between these two"; a full disk or an I/O error is an error. */
static bool cannot(int error) {
    return error != ENOSPC && error != EDQUOT && error != EIO && error != EFBIG && error != ENOMEM;
}

static int range_loop(struct copier *c, int from, int to, uint64_t size, struct err *e) {
    for (uint64_t left = size; left > 0;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, left < (1u << 30) ? (size_t)left : (1u << 30), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && !cannot(errno)) return err_sys(e, "copy");
        if (n < 0) c->no_range = true;
        if (n <= 0) return write_loop(from, to, e); /* from where the ranges stopped: both offsets moved along */
        left -= (uint64_t)n;
    }
    return 0;
}

static int move_bytes(struct copier *c, int from, int to, uint64_t size, struct err *e) {
    if (size == 0) return 0;
    if (!c->no_reflink) {
        if (ioctl(to, FICLONE, from) == 0) return 0;
        if (!cannot(errno)) return err_sys(e, "clone");
        c->no_reflink = true;
    }
    if (c->no_range) return write_loop(from, to, e);
    return range_loop(c, from, to, size, e);
}

static int make_file(const struct copier *c, int to, const char *name, mode_t mode, struct err *e) {
    AUTO_FD int fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) return err_sys(e, "create %s", name);
    if (give(c, fd, "", e) < 0) return -1;
    return take_fd(&fd);
}

static int copy_file(struct copier *c, int src, const struct stat *st, int to, const char *name, struct err *e) {
    AUTO_FD int dst = make_file(c, to, name, st->st_mode & 0100 ? 0755 : 0644, e);
    if (dst < 0 || move_bytes(c, src, dst, (uint64_t)st->st_size, e) < 0) return -1;
    c->files++;
    c->bytes += (uint64_t)st->st_size;
    return 0;
}

static int copy_link(struct copier *c, int from, const char *from_name, int to, const char *to_name, struct err *e) {
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, from_name, target, sizeof target - 1);
    if (n < 0) return err_sys(e, "read link");
    target[n] = '\0';
    if (symlinkat(target, to, to_name) < 0) return err_sys(e, "make link");
    c->files++;
    return give(c, to, to_name, e);
}

static int make_dir(const struct copier *c, int to, const char *name, struct err *e) {
    if (mkdirat(to, name, 0755) < 0) return err_sys(e, "make directory");
    return give(c, to, name, e);
}

static int copy_dir(struct copier *c, int src, int to, const char *name, struct err *e) {
    if (c->depth >= COPY_MAX_DEPTH) return err_set(e, ERR_LIMIT, "more than %u directories deep", COPY_MAX_DEPTH);
    if (make_dir(c, to, name, e) < 0) return -1;
    AUTO_FD int dst = io_open_beneath(to, name, O_RDONLY | O_DIRECTORY, 0, e);
    if (dst < 0) return -1;
    c->depth++;
    int rc = copy_inside(c, src, dst, e);
    c->depth--;
    return rc;
}

static int copy_any(struct copier *c, int from, const char *from_name, int to, const char *to_name, struct err *e) {
    struct stat st;
    /* O_NONBLOCK: a FIFO in a case must be an error, not a wait. */
    AUTO_FD int src = openat(from, from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (src < 0 && errno == ELOOP) return copy_link(c, from, from_name, to, to_name, e);
    if (src < 0) return err_sys(e, "open");
    if (fstat(src, &st) < 0) return err_sys(e, "stat");
    if (S_ISDIR(st.st_mode)) return copy_dir(c, src, to, to_name, e);
    if (S_ISREG(st.st_mode)) return copy_file(c, src, &st, to, to_name, e);
    return err_set(e, ERR_PARSE, "neither file, directory nor symbolic link");
}

int copy_entry(struct copier *c, int from, const char *from_name, int to, const char *to_name, struct err *e) {
    return copy_any(c, from, from_name, to, to_name, e) < 0 ? err_ctx(e, "%s", from_name) : 0;
}

int copy_inside(struct copier *c, int from, int to, struct err *e) {
    int own = fcntl(from, F_DUPFD_CLOEXEC, 0);
    DIR *d = own >= 0 ? fdopendir(own) : NULL;
    if (d == NULL) {
        if (own >= 0) close(own);
        return err_sys(e, "list directory");
    }
    rewinddir(d); /* the duplicate shares the position of whoever has read it before */
    int rc = 0;
    while (rc == 0) {
        errno = 0;
        const struct dirent *de = readdir(d);
        if (de == NULL) {
            if (errno != 0) rc = err_sys(e, "list directory");
            break;
        }
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        rc = copy_entry(c, from, de->d_name, to, de->d_name, e);
    }
    closedir(d);
    return rc;
}

int copy_bytes(struct copier *c, int to, const char *name, const void *p, size_t n, struct err *e) {
    AUTO_FD int fd = make_file(c, to, name, 0644, e);
    if (fd < 0) return -1;
    if (io_write_full(fd, p, n, e) < 0) return err_ctx(e, "%s", name);
    c->files++;
    c->bytes += n;
    return 0;
}

/* One component of copy_open_dir. */
static int open_or_make(const struct copier *c, int at, const char *name, bool replace, struct err *e) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);
    if (fd >= 0) return fd;
    if (errno == ENOTDIR || errno == ELOOP) {
        if (!replace) return err_set(e, ERR_CONFLICT, "%s exists and is not a directory", name);
        if (unlinkat(at, name, 0) < 0) return err_sys(e, "remove %s", name);
    } else if (errno != ENOENT) {
        return err_sys(e, "open %s", name);
    }
    if (make_dir(c, at, name, e) < 0) return err_ctx(e, "%s", name);
    fd = openat(at, name, flags);
    return fd < 0 ? err_sys(e, "open %s", name) : fd;
}

int copy_open_dir(struct copier *c, int root, const char *path, bool replace, struct err *e) {
    AUTO_FD int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return err_sys(e, "descriptor");
    while (*path != '\0') {
        char name[NAME_MAX + 1];
        size_t n = strcspn(path, "/");
        if (n == 0 || n > NAME_MAX) return err_set(e, ERR_USAGE, "%s: not a path", path);
        memcpy(name, path, n);
        name[n] = '\0';
        int next = open_or_make(c, fd, name, replace, e);
        if (next < 0) return -1;
        close(fd);
        fd = next;
        path += path[n] == '/' ? n + 1 : n;
    }
    return take_fd(&fd);
}

int copy_split(const char *path, char *buf, const char **ret_dir, const char **ret_name, struct err *e) {
    size_t n = strlen(path);
    if (n > 1 && path[n - 1] == '/') n--;
    if (n == 0 || n >= PATH_MAX || !path_is_plain_relative(path, n))
        return err_set(e, ERR_USAGE, "\"%s\" is not a plain relative path", path);
    memcpy(buf, path, n);
    buf[n] = '\0';
    char *slash = strrchr(buf, '/');
    *ret_dir = slash != NULL ? buf : "";
    *ret_name = slash != NULL ? slash + 1 : buf;
    if (slash != NULL) *slash = '\0';
    return 0;
}
