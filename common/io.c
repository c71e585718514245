/* io.c - see io.h. openat2 does the "beneath, no symlink" walk in the kernel: there is no window between check and use. */
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

ssize_t io_read_full(int fd, void *p, size_t n, struct err *e) {
    size_t got = 0;
    while (got < n) {
        ssize_t r = read(fd, (char *)p + got, n - got);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return err_sys(e, "read");
        if (r == 0) break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

int io_write_full(int fd, const void *p, size_t n, struct err *e) {
    size_t done = 0;
    while (done < n) {
        ssize_t r = write(fd, (const char *)p + done, n - done);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return err_sys(e, "write");
        done += (size_t)r;
    }
    return 0;
}

int io_open_beneath_quiet(int dirfd, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | ((flags & O_PATH) ? 0 : O_NOCTTY)),
        .mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = -1;
    /* EAGAIN: a rename raced with the walk. A hostile program can keep that up, so the patience is bounded. */
    for (int tries = 0; fd < 0 && tries < 64; tries++) {
        fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
        if (fd < 0 && errno != EINTR && errno != EAGAIN) break;
    }
    return fd;
}

int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode, struct err *e) {
    int fd = io_open_beneath_quiet(dirfd, path, flags, mode);
    return fd >= 0 ? fd : err_sys(e, "open %s", path);
}

int io_read_file_at(int dirfd, const char *path, size_t max, struct buf *out, struct err *e) {
    AUTO_FD int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0) return err_sys(e, "open %s", path);
    if (fstat(fd, &st) < 0) return err_sys(e, "stat %s", path);
    if (!S_ISREG(st.st_mode)) return err_set(e, ERR_PARSE, "%s: not a regular file", path);
    buf_release(out);
    out->max = max;
    for (;;) {
        char chunk[16384];
        ssize_t n = io_read_full(fd, chunk, sizeof chunk, e);
        if (n < 0) return err_ctx(e, "%s", path);
        buf_put(out, chunk, (size_t)n);
        if (out->bad) return err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", path, max);
        if ((size_t)n < sizeof chunk) return 0;
    }
}

int io_replace_file_at(int dirfd, const char *path, const void *p, size_t n, mode_t mode, int sync, struct err *e) {
    char tmp[4096];
    const char *slash = strrchr(path, '/');
    int dirlen = slash ? (int)(slash - path) + 1 : 0;
    if (snprintf(tmp, sizeof tmp, "%.*s.%s.%d.tmp", dirlen, path, path + dirlen, (int)getpid()) >= (int)sizeof tmp)
        return err_set(e, ERR_LIMIT, "%s: name too long", path);
    AUTO_FD int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) return err_sys(e, "create %s", tmp);
    if (io_write_full(fd, p, n, e) < 0 || (sync && fsync(fd) < 0 && err_sys(e, "fsync") < 0)) {
        unlinkat(dirfd, tmp, 0);
        return err_ctx(e, "%s", path);
    }
    if (renameat(dirfd, tmp, dirfd, path) < 0) {
        err_sys(e, "rename %s to %s", tmp, path);
        unlinkat(dirfd, tmp, 0);
        return -1;
    }
    if (!sync) return 0;
    char dir[4096];
    snprintf(dir, sizeof dir, "%.*s", dirlen ? dirlen : 1, dirlen ? path : ".");
    AUTO_FD int d = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d < 0 || fsync(d) < 0) return err_sys(e, "fsync directory of %s", path);
    return 0;
}

int io_mkdirs_at(int dirfd, const char *path, mode_t mode, struct err *e) {
    char part[4096];
    size_t n = strlen(path);
    if (n >= sizeof part) return err_set(e, ERR_LIMIT, "%s: name too long", path);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdirat(dirfd, part, mode) == 0 || errno == EEXIST) continue;
        int saved = errno;
        struct stat st; /* EROFS and EACCES are also said of directories that exist */
        if (fstatat(dirfd, part, &st, 0) == 0 && S_ISDIR(st.st_mode)) continue;
        errno = saved;
        return err_sys(e, "mkdir %s", part);
    }
    return 0;
}

int io_sanitize_std_fds(struct err *e) {
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        if (open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            return err_sys(e, "open /dev/null as descriptor %d", fd);
    }
    return 0;
}

int io_wait(int fd, short events, int timeout_ms, struct err *e) {
    struct pollfd p = {.fd = fd, .events = events};
    int r;
    do r = poll(&p, 1, timeout_ms);
    while (r < 0 && errno == EINTR);
    return r < 0 ? err_sys(e, "poll") : r;
}
