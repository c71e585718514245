/* reserve.c - see reserve.h. */
#include "supervisor/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/io.h"

static uint64_t free_bytes(int fd) {
    struct statvfs v;
    return fstatvfs(fd, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

void reserve_open(struct reserve *r, const char *dir) {
    *r = RESERVE_NONE;
    AUTO_FD int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return;
    const uint64_t share = free_bytes(fd) / RESERVE_SHARE;
    r->bytes = (off_t)(share < RESERVE_BYTES ? share : RESERVE_BYTES);
    if (r->bytes > 0 && fallocate(fd, 0, 0, r->bytes) == 0) r->fd = take_fd(&fd);
}

void reserve_release(struct reserve *r) {
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
}

void reserve_use(struct reserve *r) {
    if (r->fd < 0 || free_bytes(r->fd) >= (uint64_t)r->bytes) return;
    if (ftruncate(r->fd, 0) < 0) reserve_release(r); /* closing a file without a name gives its room back too */
}

void reserve_refill(struct reserve *r) {
    struct stat sb;
    if (r->fd < 0 || fstat(r->fd, &sb) < 0 || sb.st_size == r->bytes) return;
    if (fallocate(r->fd, 0, 0, r->bytes) < 0 && ftruncate(r->fd, 0) < 0) reserve_release(r);
}
