/* disk_walk.c - see disk_walk.h. */
#include "worker/disk_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/buf.h"

#define MAX_DEPTH (1u << 20)

int disk_walk_init(struct disk_walk *d, int root) {
    struct stat st;
    memset(d, 0, sizeof *d);
    d->root = root;
    if (fstat(root, &st) < 0) return -1;
    d->dev = st.st_dev;
    return 0;
}

void disk_walk_restart(struct disk_walk *d) {
    for (size_t i = 0; i < d->depth; i++)
        if (d->levels[i].fd >= 0) close(d->levels[i].fd);
    d->depth = d->len = d->pos = 0;
    d->bytes = d->inodes = 0;
}

void disk_walk_release(struct disk_walk *d) {
    disk_walk_restart(d);
    free(d->levels);
    d->levels = NULL;
    d->cap = 0;
}

static struct walk_level *top(struct disk_walk *d) { return &d->levels[d->depth - 1]; }

/* Takes fd. False: too deep or no memory; what lies below is not counted. */
static bool push(struct disk_walk *d, int fd, ino_t ino) {
    if (d->depth == d->cap) {
        const size_t cap = d->cap ? 2 * d->cap : 64;
        struct walk_level *grown = cap <= MAX_DEPTH ? realloc(d->levels, cap * sizeof *grown) : NULL;
        if (!grown) {
            close(fd);
            return false;
        }
        d->levels = grown;
        d->cap = cap;
    }
    d->levels[d->depth++] = (struct walk_level){.fd = fd, .ino = ino};
    d->len = d->pos = 0;
    return true;
}

/* The parent's descriptor stays open in the upper levels only. */
static void go_down(struct disk_walk *d, const char *name, ino_t ino, int64_t resume) {
    struct stat st;
    struct walk_level *from = top(d);
    const int fd = openat(from->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &st) < 0 || st.st_dev != d->dev || st.st_ino != ino) {
        close(fd);
        return;
    }
    from->resume = resume;
    const size_t parent = d->depth - 1;
    if (push(d, fd, ino) && parent >= WALK_FDS) {
        close(d->levels[parent].fd);
        d->levels[parent].fd = -1;
    }
}

/* -1: the directory was moved away under us. */
static int reopen_parent(const struct disk_walk *d, int child, ino_t ino) {
    struct stat st;
    const int fd = openat(child, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == d->dev && st.st_ino == ino) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* Closes the level that was read to its end and goes on in the one above; a level that cannot be found again is given up, up to the
 * nearest that is open. */
static void go_up(struct disk_walk *d) {
    int child = top(d)->fd;
    d->depth--;
    while (d->depth > 0 && top(d)->fd < 0) {
        top(d)->fd = child < 0 ? -1 : reopen_parent(d, child, top(d)->ino);
        if (top(d)->fd >= 0) break;
        if (child >= 0) close(child);
        child = -1;
        d->depth--;
    }
    if (child >= 0) close(child);
    d->len = d->pos = 0;
    if (d->depth > 0) (void)lseek(top(d)->fd, top(d)->resume, SEEK_SET);
}

static bool begin(struct disk_walk *d) {
    struct stat st;
    d->bytes = d->inodes = 0;
    const int fd = openat(d->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    if (fstat(fd, &st) < 0) {
        close(fd);
        return false;
    }
    return push(d, fd, st.st_ino);
}

static void count(struct disk_walk *d, const struct stat *st) {
    const uint64_t links = S_ISDIR(st->st_mode) || st->st_nlink < 1 ? 1 : (uint64_t)st->st_nlink;
    d->inodes++;
    d->bytes += (uint64_t)st->st_blocks * 512 / links;
}

static void look_at(struct disk_walk *d, const struct dirent64 *de) {
    struct stat st;
    if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) return;
    if (fstatat(top(d)->fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != d->dev) return;
    count(d, &st);
    if (S_ISDIR(st.st_mode)) go_down(d, de->d_name, st.st_ino, de->d_off);
}

bool disk_walk_step(struct disk_walk *d, unsigned budget) {
    if (d->depth == 0 && !begin(d)) return false;
    while (budget-- > 0) {
        if (d->pos >= d->len) {
            const long n = syscall(SYS_getdents64, top(d)->fd, d->entries, sizeof d->entries);
            d->pos = 0;
            d->len = n > 0 ? (size_t)n : 0;
            if (n <= 0) {
                go_up(d);
                if (d->depth == 0) return true;
            }
            continue;
        }
        const struct dirent64 *de = (const struct dirent64 *)(const void *)(d->entries + d->pos);
        d->pos += de->d_reclen;
        look_at(d, de);
    }
    return false;
}
