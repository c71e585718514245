/* repo_file.c - one path of a worktree: what is there, as git would name it, and putting something there. Content is hashed as it
 * is; neither line ends nor filters exist. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

mode_t repo_umask = 022;

static int hash(const void *p, size_t n, git_oid *ret, struct err *e) {
    return git_odb_hash(ret, n ? p : "", n, GIT_OBJECT_BLOB) < 0 ? repo_git_fail(e, ERR_INTERNAL, "hash a file") : 0;
}

static bool same_moment(const struct stat *a, const struct stat *b) {
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_all(int fd, size_t max, struct buf *out, struct err *e) {
    char chunk[64 << 10];
    buf_release(out);
    out->max = max;
    for (;;) {
        const ssize_t n = io_read_full(fd, chunk, sizeof chunk, e);
        if (n < 0) return -1;
        buf_put(out, chunk, (size_t)n);
        if (out->bad) return err_set(e, ERR_LIMIT, "a file of the target has more than %zu MiB", max >> 20);
        if ((size_t)n < sizeof chunk) return 0;
    }
}

int file_read(int dirfd, const char *path, size_t max, struct buf *out, struct stat *ret_st, struct err *e) {
    struct stat before, after;
    AUTO_FD int fd = io_open_beneath_quiet(dirfd, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 || fstat(fd, &before) < 0) return err_sys(e, "open a file of the target");
    if (!S_ISREG(before.st_mode)) return err_set(e, ERR_PARSE, "something in the target is no regular file");
    if (read_all(fd, max, out, e) < 0) return -1;
    if (fstat(fd, &after) < 0 || !same_moment(&before, &after))
        return err_set(e, ERR_CONFLICT, "a file of the target changed while it was read");
    if (ret_st) *ret_st = before;
    return 0;
}

static int hash_regular(int dirfd, const char *name, struct file_state *ret, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(REPO_FILE_BYTES_MAX);
    if (file_read(dirfd, name, REPO_FILE_BYTES_MAX, &text, &ret->st, e) < 0) return -1;
    ret->mode = ret->st.st_mode & S_IXUSR ? MODE_EXEC : MODE_FILE;
    return hash(text.p, text.len, &ret->oid, e);
}

int file_state_at(int dirfd, const char *name, struct file_state *ret, struct err *e) {
    *ret = (struct file_state){0};
    if (fstatat(dirfd, name, &ret->st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_sys(e, "a file of the worktree");
    ret->mode = ret->st.st_mode & S_IFMT;
    if (S_ISLNK(ret->st.st_mode)) {
        char target[REPO_PATH_MAX + 1];
        ssize_t n = readlinkat(dirfd, name, target, sizeof target);
        return n < 0 ? err_sys(e, "read a symbolic link of the worktree") : hash(target, (size_t)n, &ret->oid, e);
    }
    if (!S_ISREG(ret->st.st_mode)) return 0;
    return hash_regular(dirfd, name, ret, e);
}

int file_parent(int root, const char *path, const char **ret_name) {
    char dir[REPO_PATH_MAX];
    const char *slash = strrchr(path, '/');
    *ret_name = slash ? slash + 1 : path;
    if (!slash) return io_open_beneath_quiet(root, ".", O_RDONLY | O_DIRECTORY, 0);
    if ((size_t)(slash - path) >= sizeof dir) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = '\0';
    return io_open_beneath_quiet(root, dir, O_RDONLY | O_DIRECTORY, 0);
}

int file_state(int root, const char *path, struct file_state *ret, struct err *e) {
    const char *name;
    AUTO_FD int dir = file_parent(root, path, &name);
    if (dir >= 0) return file_state_at(dir, name, ret, e);
    *ret = (struct file_state){0};
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : err_sys(e, "a directory of the worktree");
}

static int write_link(int dirfd, const char *name, const char *p, size_t n, struct err *e) {
    char target[REPO_PATH_MAX];
    if (n == 0 || n >= sizeof target || memchr(p, '\0', n))
        return err_set(e, ERR_CONFLICT, "a symbolic link without a target that can be");
    memcpy(target, p, n);
    target[n] = '\0';
    return symlinkat(target, dirfd, name) < 0 ? err_sys(e, "make a symbolic link") : 0;
}

int file_write_at(int dirfd, const char *name, uint32_t mode, const void *p, size_t n, bool sync, struct err *e) {
    if (mode == MODE_LINK) return write_link(dirfd, name, p, n, e);
    AUTO_FD int fd =
        openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode == MODE_EXEC ? 0777 : 0666);
    if (fd < 0 || fchmod(fd, (mode == MODE_EXEC ? 0777u : 0666u) & ~repo_umask) < 0) return err_sys(e, "create a file");
    if (io_write_full(fd, p, n, e) < 0) return -1;
    return sync && fsync(fd) < 0 ? err_sys(e, "fsync a file") : 0;
}

git_index_entry index_entry(const char *path, uint32_t mode, const git_oid *id, const struct stat *st) {
    git_index_entry en = {.mode = mode, .id = *id, .path = path};
    if (!st) return en;
    en.ctime.seconds = (int32_t)st->st_ctim.tv_sec;
    en.ctime.nanoseconds = (uint32_t)st->st_ctim.tv_nsec;
    en.mtime.seconds = (int32_t)st->st_mtim.tv_sec;
    en.mtime.nanoseconds = (uint32_t)st->st_mtim.tv_nsec;
    en.dev = (uint32_t)st->st_dev;
    en.ino = (uint32_t)st->st_ino;
    en.uid = st->st_uid;
    en.gid = st->st_gid;
    en.file_size = (uint32_t)st->st_size;
    return en;
}
