/* checkout.c - the result's tree as files, for the verifier.
 *
 * Not libgit2's checkout, which knows filters, attributes and line ends: blobs are written as they are. The tree's
 * names have been checked when it was flattened (nothing is named .git in any form), paths are opened beneath the
 * target and no link is followed, and every file must be new; so a link in the tree cannot lead a later file out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/io.h"
#include "worker/inspect/flatten.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"

struct target {
    struct store store;
    struct flat tree;
    int out_fd;
    int dir_fd; /* of the directory of the last file */
    char dir[MAX_PATH + 1];
    uint64_t bytes;
};

static int check_empty(const char *path, struct err *e) {
    DIR *d = opendir(path);
    if (d == NULL) return err_sys(e, "open %s", path);
    bool empty = true;
    for (struct dirent *de; (de = readdir(d)) != NULL;)
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0) empty = false;
    closedir(d);
    return empty ? 0 : err_set(e, ERR_USAGE, "--out %s: not empty", path);
}

/* Files come in order of path, so most have their directory in common with the one before. */
static int enter_directory(struct target *t, const char *path, size_t n, struct err *e) {
    if (t->dir_fd >= 0 && strlen(t->dir) == n && memcmp(t->dir, path, n) == 0) return 0;
    if (t->dir_fd >= 0) close(t->dir_fd);
    t->dir_fd = -1;
    memcpy(t->dir, path, n);
    t->dir[n] = '\0';
    if (n > 0 && io_mkdirs_at(t->out_fd, t->dir, 0755, e) < 0) return -1;
    t->dir_fd = io_open_beneath(t->out_fd, n > 0 ? t->dir : ".", O_RDONLY | O_DIRECTORY, 0, e);
    return t->dir_fd < 0 ? -1 : 0;
}

static int write_file(struct target *t, const char *name, const void *p, size_t n, mode_t mode, struct err *e) {
    AUTO_FD int fd = openat(t->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return err_sys(e, "create");
    if (io_write_full(fd, p, n, e) < 0) return -1;
    return fchmod(fd, mode) < 0 ? err_sys(e, "chmod") : 0;
}

static int write_link(struct target *t, const char *name, const char *p, size_t n, struct err *e) {
    char text[MAX_PATH + 1];
    if (n == 0 || n > MAX_PATH || memchr(p, '\0', n) != NULL) return err_set(e, ERR_PARSE, "not the target of a link");
    memcpy(text, p, n);
    text[n] = '\0';
    return symlinkat(text, t->dir_fd, name) < 0 ? err_sys(e, "symlink") : 0;
}

static int write_entry(struct target *t, const struct flat_entry *x, struct err *e) {
    const char *path = flat_path(&t->tree, x), *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    git_odb_object *blob = NULL;
    if (enter_directory(t, path, slash != NULL ? (size_t)(slash - path) : 0, e) < 0) return -1;
    if (x->mode == GIT_FILEMODE_COMMIT) return mkdirat(t->dir_fd, name, 0755) < 0 ? err_sys(e, "mkdir") : 0;
    if (store_blob(&t->store, &x->oid, &blob, e) < 0) return -1;
    const void *p = git_odb_object_data(blob);
    size_t n = git_odb_object_size(blob);
    int r;
    if (x->mode == GIT_FILEMODE_LINK)
        r = write_link(t, name, p, n, e);
    else
        r = write_file(t, name, p, n, x->mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644, e);
    t->bytes += n;
    git_odb_object_free(blob);
    return r;
}

static int write_all(struct target *t, const struct inspect_args *a, struct err *e) {
    git_oid commit;
    char text[OUT_QUOTE_SIZE];
    int r = 1;
    if (a->head == NULL)
        r = store_read_ref(&t->store, "result", &commit, e);
    else if (git_oid_fromstr(&commit, a->head) < 0)
        return err_set(e, ERR_USAGE, "--head %s: not an object id", a->head);
    if (r == 0) return err_set(e, ERR_USAGE, "there is no result to check out");
    if (r < 0 || flatten_commit(&t->store, &commit, &t->tree, e) < 0) return -1;
    for (size_t i = 0; i < t->tree.n; i++) {
        const struct flat_entry *x = &t->tree.v[i];
        if (write_entry(t, x, e) < 0)
            return err_ctx(e, "check out %s", out_quote(flat_path(&t->tree, x), x->len, text));
    }
    return 0;
}

int step_checkout(const struct inspect_args *a, struct err *e) {
    struct target t = {.out_fd = -1, .dir_fd = -1};
    uint64_t start = clock_mono_us();
    if (store_open(&t.store, a->odb, -1, e) < 0) return -1;
    t.out_fd = open(a->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = t.out_fd < 0 ? err_sys(e, "open %s", a->out) : check_empty(a->out, e);
    if (r == 0) r = write_all(&t, a, e);
    if (r == 0)
        r = out_trace("inspect.checkout", start, true, e, "%zu files, %llu bytes", t.tree.n,
                      (unsigned long long)t.bytes);
    if (t.dir_fd >= 0) close(t.dir_fd);
    if (t.out_fd >= 0) close(t.out_fd);
    flat_release(&t.tree);
    store_release(&t.store);
    return r;
}
