/* admission_host.c - see admission_host.h. */
#include "supervisor/admission_host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/double.h"

/* Without following any symbolic link: what is admitted is this file, not what somebody lets the name lead to tomorrow. */
static int open_exact(const char *path, int flags) {
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
                           .resolve = RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static int cannot_open(const char *what, struct err *e) {
    if (errno == ELOOP) return err_set(e, ERR_USAGE, "%s: its path holds a symbolic link; record where it leads", what);
    return err_set(e, ERR_USAGE, "%s cannot be opened: %s", what, strerror(errno));
}

/* A program has up to hundreds of MB, and a batch asks for it before each of its runs, while the loop of all of them waits. So what was
 * read once is known for as long as the file is that one: device, inode, size and both times, of which nobody sets the second at will.
 * A file that has changed within the tick of the clock in which it was read looks like the one that was read; what is that new is not
 * kept. */
#define KNOWN_MAX 8
#define SETTLED_MS 2000
static struct known {
    struct stat st;
    char digest[DIGEST_HEX_SIZE];
} known[KNOWN_MAX];
static unsigned next_known;

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/* Its digest, and that it is no double of ours. */
static int look_through(int fd, const struct stat *st, char digest[DIGEST_HEX_SIZE], struct err *e) {
    for (int i = 0; i < KNOWN_MAX; i++)
        if (known[i].digest[0] && same_file(&known[i].st, st)) {
            memcpy(digest, known[i].digest, DIGEST_HEX_SIZE);
            return 0;
        }
    const int64_t now = clock_real_ms();
    struct stat after;
    if (digest_fd(fd, digest, NULL, e) < 0 || double_refuse(fd, digest, e) < 0) return -1;
    if (fstat(fd, &after) < 0) return err_sys(e, "the executable");
    if (!same_file(st, &after) || st->st_ctim.tv_sec * INT64_C(1000) + SETTLED_MS > now) return 0;
    struct known *k = &known[next_known++ % KNOWN_MAX];
    k->st = *st;
    memcpy(k->digest, digest, DIGEST_HEX_SIZE);
    return 0;
}

static int executable_fits(const struct admission *a, struct err *e) {
    char digest[DIGEST_HEX_SIZE];
    struct stat st;
    AUTO_FD int fd = open_exact(a->subject, O_RDONLY);
    if (fd < 0) return cannot_open("the executable", e);
    if (fstat(fd, &st) < 0) return err_sys(e, "the executable");
    if (!S_ISREG(st.st_mode)) return err_set(e, ERR_USAGE, "the executable is no regular file");
    if (st.st_size > (1ll << 30)) return err_set(e, ERR_USAGE, "the executable has more than 1 GiB");
    if ((st.st_mode & 0111) == 0) return err_set(e, ERR_USAGE, "the executable may not be executed by anybody");
    if (look_through(fd, &st, digest, e) < 0) return -1;
    if (strcmp(digest, admission_text(a, "sha256")) == 0) return 0;
    return err_set(e, ERR_USAGE, "the executable's digest is %.16s..., not the record's %.16s...", digest,
                   admission_text(a, "sha256"));
}

static int target_fits(const struct admission *a, struct err *e) {
    struct stat st;
    AUTO_FD int fd = open_exact(a->subject, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return cannot_open("the target repository", e);
    if (fstat(fd, &st) < 0) return err_sys(e, "the target repository");
    if (st.st_uid != geteuid())
        return err_set(e, ERR_USAGE, "the target repository belongs to user %u, this is user %u", st.st_uid, geteuid());
    if (fstatat(fd, ".git", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, "the target is no repository with a worktree: it has no directory .git");
    return 0;
}

int admission_is_no_double(const struct admission *a, struct err *e) {
    if (a->kind != ADMIT_EXECUTABLE) return 0;
    AUTO_FD int fd = open_exact(a->subject, O_RDONLY);
    struct stat st;
    const bool readable = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    return double_refuse(readable ? fd : -1, admission_text(a, "sha256"), e);
}

int admission_fits_host(const struct admission *a, struct err *e) {
    switch (a->kind) {
    case ADMIT_EXECUTABLE: return executable_fits(a, e);
    case ADMIT_TARGET: return target_fits(a, e);
    default: return 0;
    }
}
