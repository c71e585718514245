/* reserve.c - see reserve.h. */
#include "supervisor/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/io.h"

static int take(int fd) { return fallocate(fd, 0, 0, RESERVE_BYTES); }

int reserve_open(struct reserve *r, const char *dir, struct err *e) {
    *r = RESERVE_NONE;
    AUTO_FD int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) return 0;
    if (fd >= 0 && take(fd) < 0 && (errno == EOPNOTSUPP || errno == EFBIG)) return 0;
    struct stat sb;
    if (fd < 0 || fstat(fd, &sb) < 0 || sb.st_size != RESERVE_BYTES)
        return err_sys(e, "%s: no room to set %u MiB aside for the evidence of runs; make room", dir,
                       RESERVE_BYTES >> 20);
    r->fd = take_fd(&fd);
    return 0;
}

void reserve_release(struct reserve *r) {
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
}

void reserve_use(struct reserve *r) {
    struct statvfs v;
    if (r->fd < 0 || fstatvfs(r->fd, &v) < 0 || (uint64_t)v.f_bavail * v.f_frsize >= RESERVE_BYTES) return;
    if (ftruncate(r->fd, 0) < 0) reserve_release(r); /* closing a file without a name gives its room back too */
}

void reserve_refill(struct reserve *r) {
    struct stat sb;
    if (r->fd < 0 || fstat(r->fd, &sb) < 0 || sb.st_size == RESERVE_BYTES) return;
    if (take(r->fd) < 0 && ftruncate(r->fd, 0) < 0) reserve_release(r);
}
