/* walk.c - iterative, so that a tree of any depth costs no stack; a directory is read through one descriptor which is
 * closed before the next is opened, so that it costs no descriptors either. Directories wait on a list of paths and
 * are opened from the root again with openat2 (beneath, no symlinks): what was a directory may be a link by then, and
 * is then a problem.
 */
#include "worker/inspect/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "worker/inspect/inspect.h"

struct pending {
    char *path;
    unsigned depth;
    int tag;
};

struct walk {
    int root_fd;
    walk_fn fn;
    void *ctx;
    struct pending *stack;
    size_t n, cap;
    size_t seen;
    char path[MAX_PATH + 2]; /* a path of the longest kind, and a slash behind it */
};

static int push(struct walk *w, size_t len, unsigned depth, int tag, struct err *e) {
    if (w->n == w->cap) {
        size_t cap = w->cap == 0 ? 64 : w->cap * 2;
        struct pending *p = realloc(w->stack, cap * sizeof *p);
        if (p == NULL) return err_set(e, ERR_INTERNAL, "no memory for %zu directories", cap);
        w->stack = p;
        w->cap = cap;
    }
    char *copy = strndup(w->path, len);
    if (copy == NULL) return err_set(e, ERR_INTERNAL, "no memory for a path");
    w->stack[w->n++] = (struct pending){.path = copy, .depth = depth, .tag = tag};
    return 0;
}

static int report_problem(struct walk *w, const struct pending *d, const char *problem, struct err *e) {
    const char *slash = strrchr(d->path, '/');
    struct walk_entry entry = {.path = d->path,
                               .path_len = strlen(d->path),
                               .name = slash != NULL ? slash + 1 : d->path,
                               .dirfd = -1,
                               .st = {.st_mode = S_IFDIR},
                               .tag = d->tag,
                               .problem = problem};
    return w->fn(w->ctx, &entry, e) == -1 ? -1 : 0;
}

/* One entry of an open directory. The path buffer holds the directory's path, `base` bytes with its slash. */
static int visit(struct walk *w, const struct pending *d, int dirfd, size_t base, const char *name, struct err *e) {
    size_t n = strlen(name);
    struct walk_entry entry = {.dirfd = dirfd, .tag = d->tag, .name = name};
    if (base + n > MAX_PATH) {
        n = base < MAX_PATH ? MAX_PATH - base : 0;
        entry.problem = "its path is too long";
    }
    memcpy(w->path + base, name, n);
    w->path[base + n] = '\0';
    entry.path = w->path;
    entry.path_len = base + n;
    if (fstatat(dirfd, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) return 0; /* gone since the directory was read: as if it had never been there */
        entry.st = (struct stat){.st_mode = 0};
        entry.problem = "stat failed";
    }
    bool is_dir = S_ISDIR(entry.st.st_mode) && entry.problem == NULL;
    if (is_dir && d->depth + 1 > MAX_DEPTH) entry.problem = "too many directories above it";
    int next = w->fn(w->ctx, &entry, e);
    if (next == -1) return -1;
    if (!is_dir || entry.problem != NULL || next == WALK_SKIP) return 0;
    return push(w, base + n, d->depth + 1, next, e);
}

static int read_directory(struct walk *w, const struct pending *d, bool *ret_complete, struct err *e) {
    size_t base = strlen(d->path);
    int fd = io_open_beneath_quiet(w->root_fd, base > 0 ? d->path : ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT && base > 0) return 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) close(fd);
        return base > 0 ? report_problem(w, d, "the directory cannot be opened", e) : err_sys(e, "open the worktree");
    }
    memcpy(w->path, d->path, base);
    if (base > 0) w->path[base++] = '/';
    int r = 0;
    for (struct dirent *de; r == 0 && (de = readdir(dir)) != NULL;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        if (base == 0 && strcmp(de->d_name, ".git") == 0) continue;
        if (++w->seen > MAX_FILES) {
            *ret_complete = false;
            break;
        }
        r = visit(w, d, fd, base, de->d_name, e);
    }
    closedir(dir);
    return r;
}

int walk_tree(int root_fd, walk_fn fn, void *ctx, bool *ret_complete, struct err *e) {
    struct walk *w = calloc(1, sizeof *w);
    if (w == NULL) return err_set(e, ERR_INTERNAL, "no memory for a walk");
    w->root_fd = root_fd;
    w->fn = fn;
    w->ctx = ctx;
    *ret_complete = true;
    int r = push(w, 0, 0, 0, e);
    while (r == 0 && w->n > 0 && *ret_complete) {
        struct pending d = w->stack[--w->n];
        r = read_directory(w, &d, ret_complete, e);
        free(d.path);
    }
    for (size_t i = 0; i < w->n; i++) free(w->stack[i].path);
    free(w->stack);
    free(w);
    return r;
}
