/* remove.c - io_remove_tree_at: deletes what a hostile program may have left.
 *
 * Depth is unbounded (a tree of a million nested directories is cheap to make), so neither the C stack nor the number of
 * open descriptors may follow it. Instead of descending, a directory found inside is first renamed up to the top of the tree
 * under a fresh name: each directory is then emptied at depth one, and the work is linear in the number of entries.
 * Nothing is followed: unlinkat and renameat act on names, and directories are opened with O_NOFOLLOW.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"

static bool is_dot(const char *n) { return n[0] == '.' && (n[1] == '\0' || (n[1] == '.' && n[2] == '\0')); }

static int open_dir(int at, const char *name) {
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != EACCES) return fd;
    /* no read permission: ours to change when we own it. Not a symlink: O_NOFOLLOW|O_DIRECTORY would have said ELOOP. */
    if (fchmodat(at, name, 0700, 0) < 0) return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Empties the directory `fd`: files are unlinked, directories are hoisted into `top` under names from *counter. */
static int hoist(int top, int fd, unsigned long *counter, struct err *e) {
    struct stat st;
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700) (void)fchmod(fd, 0700);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        if (copy >= 0) close(copy);
        return err_sys(e, "list directory");
    }
    int rc = 0;
    for (struct dirent *de; rc == 0 && (de = readdir(d));) {
        if (is_dot(de->d_name)) continue;
        if (unlinkat(fd, de->d_name, 0) == 0) continue;
        if (errno != EISDIR && errno != EPERM) {
            rc = errno == ENOENT ? 0 : err_sys(e, "unlink %s", de->d_name);
            continue;
        }
        if (unlinkat(fd, de->d_name, AT_REMOVEDIR) == 0) continue;
        char fresh[48];
        for (;;) {
            snprintf(fresh, sizeof fresh, ".hoisted-%lx", (*counter)++);
            if (renameat2(fd, de->d_name, top, fresh, RENAME_NOREPLACE) == 0) break;
            if (errno == EEXIST) continue;
            if (errno == EACCES && fchmodat(fd, de->d_name, 0700, 0) == 0 &&
                renameat2(fd, de->d_name, top, fresh, RENAME_NOREPLACE) == 0)
                break;
            rc = err_sys(e, "move %s aside", de->d_name);
            break;
        }
    }
    closedir(d);
    return rc;
}

/* One sweep over the top directory: every directory in it is emptied and removed. *ret_left: entries that remain. */
static int sweep(int top, unsigned long *counter, unsigned *ret_left, struct err *e) {
    int copy = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        if (copy >= 0) close(copy);
        return err_sys(e, "list directory");
    }
    int rc = 0;
    *ret_left = 0;
    for (struct dirent *de; rc == 0 && (de = readdir(d));) {
        if (is_dot(de->d_name) || unlinkat(top, de->d_name, 0) == 0 || unlinkat(top, de->d_name, AT_REMOVEDIR) == 0)
            continue;
        AUTO_FD int sub = open_dir(top, de->d_name);
        if (sub < 0) {
            if (errno != ENOENT) rc = err_sys(e, "open %s", de->d_name);
            continue;
        }
        rc = hoist(top, sub, counter, e);
        if (rc == 0 && unlinkat(top, de->d_name, AT_REMOVEDIR) < 0) ++*ret_left;
    }
    closedir(d);
    return rc;
}

int io_remove_tree_at(int dirfd, const char *name, struct err *e) {
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return 0;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0) return 0;
    AUTO_FD int top = open_dir(dirfd, name);
    if (top < 0) return err_sys(e, "remove %s: open", name);
    struct stat st;
    if (fstat(top, &st) == 0 && (st.st_mode & 0700) != 0700) (void)fchmod(top, 0700);
    unsigned long counter = 0;
    for (;;) {
        unsigned left = 0;
        unsigned long before = counter;
        if (sweep(top, &counter, &left, e) < 0) return err_ctx(e, "remove %s", name);
        if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0) return 0;
        if (errno != ENOTEMPTY && errno != EEXIST) return err_sys(e, "remove %s", name);
        if (left > 0 && counter == before) return err_set(e, ERR_SYS, "remove %s: %u entries stay", name, left);
    }
}
