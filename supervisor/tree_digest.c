/* tree_digest.c - see tree_digest.h. The trees are the operator's own (cases, sources), so recursion is bounded by a depth
 * that no sane tree has, not by cleverness. */
#include "supervisor/tree_digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"

#define DEPTH_MAX 128

static int add_tree(struct digest *d, int at, const char *name, int depth, struct err *e);

static int skip_dots(const struct dirent *de) { return strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0; }
static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int add_children(struct digest *d, int fd, int depth, struct err *e) {
    struct dirent **list = NULL;
    int n = scandirat(fd, ".", &list, skip_dots, by_bytes), rc = 0;
    if (n < 0) return err_sys(e, "list directory");
    for (int i = 0; i < n; i++) {
        if (rc == 0) rc = add_tree(d, fd, list[i]->d_name, depth + 1, e);
        free(list[i]);
    }
    free(list);
    return rc;
}

static int add_tree(struct digest *d, int at, const char *name, int depth, struct err *e) {
    struct stat st;
    char head[64], hex[DIGEST_HEX_SIZE], target[4096];
    if (depth > DEPTH_MAX) return err_set(e, ERR_LIMIT, "%s: deeper than %d directories", name, DEPTH_MAX);
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "%s", name);
    snprintf(head, sizeof head, "%o %lld", (unsigned)st.st_mode, S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size);
    digest_update(d, head, strlen(head) + 1);
    digest_update(d, name, strlen(name) + 1);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(at, name, target, sizeof target);
        if (n < 0) return err_sys(e, "%s", name);
        digest_update(d, target, (size_t)n);
    } else if (S_ISREG(st.st_mode)) {
        if (digest_file_at(at, name, hex, NULL, e) < 0) return -1;
        digest_update(d, hex, sizeof hex);
    } else if (S_ISDIR(st.st_mode)) {
        AUTO_FD int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return err_sys(e, "%s", name);
        if (add_children(d, fd, depth, e) < 0) return err_ctx(e, "%s", name);
    }
    digest_update(d, "", 1);
    return 0;
}

int tree_digest(const char *path, char hex[DIGEST_HEX_SIZE], struct err *e) {
    AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_sys(e, "%s", path);
    struct digest *d = digest_new();
    int rc = add_children(d, fd, 0, e);
    digest_final(d, hex);
    digest_free(d);
    return rc;
}
