/* tree_digest.c - see tree_digest.h. The trees are the operator's own (cases, sources), so recursion is bounded by a depth
 * that no sane tree has, not by cleverness. What a run may read of the host is anybody's choice: there what is read is bounded. */
#include "supervisor/tree_digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"

#define DEPTH_MAX 128

struct walk {
    struct digest *d;
    struct tree_limits *left; /* NULL: as large as it is */
};

static int add_tree(struct walk *w, int at, const char *name, int depth, struct err *e);

static int skip_dots(const struct dirent *de) { return strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0; }
static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int too_many(struct err *e) { return err_set(e, ERR_LIMIT, "more files than can be looked at"); }

/* Counted before they are listed: a list is as long as the directory. */
static int take_entries(struct walk *w, int fd, struct err *e) {
    if (!w->left) return 0;
    AUTO_FD int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) return err_sys(e, "list directory");
    (void)take_fd(&copy);
    while (w->left->entries >= 0 && readdir(d)) w->left->entries--;
    closedir(d);
    return w->left->entries < 0 ? too_many(e) : 0;
}

static int add_children(struct walk *w, int fd, int depth, struct err *e) {
    struct dirent **list = NULL;
    if (take_entries(w, fd, e) < 0) return -1;
    int n = scandirat(fd, ".", &list, skip_dots, by_bytes), rc = 0;
    if (n < 0) return err_sys(e, "list directory");
    for (int i = 0; i < n; i++) {
        if (rc == 0) rc = add_tree(w, fd, list[i]->d_name, depth + 1, e);
        free(list[i]);
    }
    free(list);
    return rc;
}

/* Just the size that it has by now: what grows while it is read, or says 0 and never ends, is no reason to read on. */
static int digest_first(int at, const char *name, int64_t size, char hex[DIGEST_HEX_SIZE], struct err *e) {
    unsigned char chunk[65536];
    AUTO_FD int fd = io_open_beneath(at, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, e);
    if (fd < 0) return -1;
    struct digest *d = digest_new();
    ssize_t n = 1;
    while (size > 0 && n > 0) {
        n = io_read_full(fd, chunk, size < (int64_t)sizeof chunk ? (size_t)size : sizeof chunk, e);
        if (n > 0) digest_update(d, chunk, (size_t)n);
        size -= n > 0 ? n : 0;
    }
    digest_final(d, hex);
    digest_free(d);
    return n < 0 ? -1 : 0;
}

static int digest_contents(struct walk *w, int at, const char *name, int64_t size, char hex[DIGEST_HEX_SIZE],
                           struct err *e) {
    if (!w->left) return digest_file_at(at, name, hex, NULL, e);
    if (clock_mono_us() > w->left->until_us) return err_set(e, ERR_LIMIT, "looking at it takes too long");
    w->left->bytes -= size;
    if (w->left->bytes < 0) return err_set(e, ERR_LIMIT, "more bytes than can be looked at");
    return digest_first(at, name, size, hex, e);
}

static int add_tree(struct walk *w, int at, const char *name, int depth, struct err *e) {
    struct stat st;
    char head[64], hex[DIGEST_HEX_SIZE], target[4096];
    if (depth > DEPTH_MAX) return err_set(e, ERR_LIMIT, "%s: deeper than %d directories", name, DEPTH_MAX);
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "%s", name);
    snprintf(head, sizeof head, "%o %lld", (unsigned)st.st_mode, S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size);
    digest_update(w->d, head, strlen(head) + 1);
    digest_update(w->d, name, strlen(name) + 1);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(at, name, target, sizeof target);
        if (n < 0) return err_sys(e, "%s", name);
        digest_update(w->d, target, (size_t)n);
    } else if (S_ISREG(st.st_mode)) {
        if (digest_contents(w, at, name, st.st_size, hex, e) < 0) return -1;
        digest_update(w->d, hex, sizeof hex);
    } else if (S_ISDIR(st.st_mode)) {
        AUTO_FD int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return err_sys(e, "%s", name);
        if (add_children(w, fd, depth, e) < 0) return err_ctx(e, "%s", name);
    }
    digest_update(w->d, "", 1);
    return 0;
}

static int walk_from(int fd, struct tree_limits *left, char hex[DIGEST_HEX_SIZE], struct err *e) {
    struct walk w = {.d = digest_new(), .left = left};
    int rc = add_children(&w, fd, 0, e);
    digest_final(w.d, hex);
    digest_free(w.d);
    return rc;
}

int tree_digest(const char *path, char hex[DIGEST_HEX_SIZE], struct err *e) {
    AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_sys(e, "%s", path) : walk_from(fd, NULL, hex, e);
}

int tree_digest_within(const char *path, struct tree_limits *left, char hex[DIGEST_HEX_SIZE], struct err *e) {
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (lstat(path, &st) < 0) return err_sys(e, "it cannot be looked at");
    if (S_ISDIR(st.st_mode)) {
        AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? err_sys(e, "it cannot be opened") : walk_from(fd, left, hex, e);
    }
    if (!S_ISREG(st.st_mode) || !slash || !slash[1])
        return err_set(e, ERR_USAGE, "it is neither a directory nor a plain file");
    AUTO_FREE char *dir = strndup(path, (size_t)(slash - path) + 1);
    BUG_UNLESS(dir != NULL);
    AUTO_FD int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_sys(e, "it cannot be opened");
    struct walk w = {.d = digest_new(), .left = left};
    int rc = add_tree(&w, fd, slash + 1, 0, e);
    digest_final(w.d, hex);
    digest_free(w.d);
    return rc;
}
