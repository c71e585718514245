/* land_worktree.c - the changed files of the target's worktree.
 *
 * A new file is complete before it is seen: it lies in the staging directory and changes places with the old one in one rename.
 * What comes out is compared only then, so that a save in the same moment is found in our hands and put back, never overwritten.
 * Every step can be done again by whoever comes after a kill, from what lies where:
 *
 *   in the worktree   staged (i)           so
 *   new               nothing, old, new    done; the staged one goes
 *   new               something else       it came out and was not compared: put back, conflict
 *   old               anything             staged anew, exchanged
 *   something else    anything             somebody's: conflict
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/land_internal.h"

/* --- room ---------------------------------------------------------------------------------------------------------- */

static const struct tree_change *find_change(const struct landing *l, const char *path) {
    size_t lo = 0, hi = l->changes.n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int c = strcmp(l->changes.v[mid].path, path);
        if (c == 0) return &l->changes.v[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static bool goes(const struct landing *l, const char *path) {
    const struct tree_change *c = find_change(l, path);
    return c && c->old_mode != 0 && c->new_mode == 0;
}

static int in_the_way(struct err *e) {
    return err_set(e, ERR_CONFLICT, "something that git ignores is in the target where the result has a file");
}

/* A directory where a file will be: everything in it has to go with the landing. */
static int room_in_dir(const struct landing *l, int at, const char *name, char *path, size_t len, struct err *e) {
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) close(fd);
        return err_sys(e, "a directory of the target");
    }
    size_t entries = 0;
    int rc = 0;
    for (struct dirent *de; rc == 0 && (de = readdir(d));) {
        struct stat st;
        const size_t n = strlen(de->d_name);
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        entries++;
        if (len + n + 2 > REPO_PATH_MAX || fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            rc = in_the_way(e);
            break;
        }
        path[len] = '/';
        memcpy(path + len + 1, de->d_name, n + 1);
        if (S_ISDIR(st.st_mode))
            rc = room_in_dir(l, fd, de->d_name, path, len + 1 + n, e);
        else if (!goes(l, path))
            rc = in_the_way(e);
    }
    closedir(d);
    return rc == 0 && entries == 0 ? in_the_way(e) : rc; /* an empty directory that nobody would remove */
}

/* Where the first thing of a path is put or taken away. */
static int may_write_in(const struct landing *l, const char *dir, struct err *e) {
    if (faccessat(l->repo.root_fd, dir, W_OK | X_OK, AT_EACCESS) == 0) return 0;
    return err_set(e, ERR_CONFLICT, "a directory of the target, in which something changes, cannot be written: %s",
                   strerror(errno));
}

/* One of the directories that lead to a path. 1: nothing is there, so nothing below it is. */
static int room_on_way(const struct landing *l, const char *dir, dev_t dev, struct err *e) {
    struct stat st;
    if (fstatat(l->repo.root_fd, dir, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 1 : err_sys(e, "a directory of the target");
    if (!S_ISDIR(st.st_mode)) return goes(l, dir) ? 1 : in_the_way(e);
    if (st.st_dev != dev)
        return err_set(e, ERR_CONFLICT, "a directory of the target is on another file system than its .git");
    return 0;
}

static int room_for(const struct landing *l, const struct tree_change *c, dev_t dev, struct err *e) {
    char path[REPO_PATH_MAX], dir[REPO_PATH_MAX] = ".";
    struct stat st;
    snprintf(path, sizeof path, "%s", c->path);
    for (char *p = path; (p = strchr(p, '/')); p++) {
        *p = '\0';
        const int rc = room_on_way(l, path, dev, e);
        if (rc == 0) snprintf(dir, sizeof dir, "%s", path);
        *p = '/';
        if (rc != 0) return rc < 0 ? -1 : may_write_in(l, dir, e);
    }
    if (may_write_in(l, dir, e) < 0) return -1;
    if (c->old_mode != 0) return 0; /* that it is the old one, the look has seen */
    if (fstatat(l->repo.root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_sys(e, "a file of the target");
    return S_ISDIR(st.st_mode) ? room_in_dir(l, l->repo.root_fd, path, path, strlen(path), e) : in_the_way(e);
}

int land_room(const struct landing *l, struct err *e) {
    struct stat root;
    if (fstat(l->repo.root_fd, &root) < 0) return err_sys(e, "the target");
    for (size_t i = 0; i < l->changes.n; i++)
        if (room_for(l, &l->changes.v[i], root.st_dev, e) < 0) return -1;
    return 0;
}

/* --- staging ------------------------------------------------------------------------------------------------------- */

static void stage_name(char out[32], size_t i) { snprintf(out, 32, "%zu", i); }

/* A file that is changed keeps its permissions, but for the executable bit, which is git's. */
static int keep_permissions(const struct landing *l, const struct tree_change *c, struct err *e) {
    const char *leaf;
    struct stat st;
    AUTO_FD int dir = file_parent(l->repo.root_fd, c->path, &leaf);
    if (c->new_mode == MODE_LINK || dir < 0 || fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    mode_t mode = st.st_mode & 0666u;
    if (c->new_mode == MODE_EXEC) mode |= (mode & 0444u) >> 2;
    return fchmodat(l->stage_fd, "part", mode, 0) < 0 ? err_sys(e, "prepare a file") : 0;
}

/* Under its name it is complete. */
static int stage_file(const struct landing *l, size_t i, struct err *e) {
    const struct tree_change *c = &l->changes.v[i];
    char name[32];
    git_blob *blob = NULL;
    stage_name(name, i);
    if (git_blob_lookup(&blob, l->repo.git, &c->new_oid) < 0)
        return repo_git_fail(e, ERR_PARSE, "a blob of the target");
    unlinkat(l->stage_fd, "part", 0);
    int rc = file_write_at(l->stage_fd, "part", c->new_mode, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob),
                           true, e);
    git_blob_free(blob);
    if (rc == 0) rc = keep_permissions(l, c, e);
    if (rc == 0 && renameat(l->stage_fd, "part", l->stage_fd, name) < 0) rc = err_sys(e, "prepare a file");
    return rc;
}

int land_stage_files(struct landing *l, struct err *e) {
    for (size_t i = 0; i < l->changes.n; i++)
        if (l->changes.v[i].new_mode != 0 && stage_file(l, i, e) < 0) return -1;
    return 0;
}

/* --- putting ------------------------------------------------------------------------------------------------------- */

static int conflict(struct landing *l) {
    l->conflicts++;
    return 0;
}

/* Somebody's file that lies in the staging directory and has no place to go back to: beside it, where nothing is ever removed. */
static int keep(struct landing *l, const char *name) {
    char kept[RUN_ID_MAX + 64];
    for (int k = 0; k < 100; k++) {
        snprintf(kept, sizeof kept, "cto-harness-kept-%s-%s-%d", l->j.run_id, name, k);
        if (renameat2(l->stage_fd, name, l->repo.git_fd, kept, RENAME_NOREPLACE) == 0 || errno != EEXIST) break;
    }
    return conflict(l);
}

/* The staged one is somebody's: it changes places with what is there, or goes there when there is nothing. */
static int put_back(struct landing *l, int dir, const char *leaf, const char *name) {
    struct stat st;
    if (dir < 0) return keep(l, name);
    if (renameat2(l->stage_fd, name, dir, leaf, RENAME_NOREPLACE) == 0) return conflict(l);
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode)) return keep(l, name);
    return renameat2(l->stage_fd, name, dir, leaf, RENAME_EXCHANGE) == 0 ? conflict(l) : keep(l, name);
}

static bool is_old(const struct file_state *f, const struct tree_change *c) {
    return file_is(f, c->old_mode, &c->old_oid);
}
static bool is_new(const struct file_state *f, const struct tree_change *c) {
    return file_is(f, c->new_mode, &c->new_oid);
}

/* The directories above a file, those that are new with the permissions of whoever started us. -1 with errno. */
static int make_parents(int root, const char *path) {
    char part[REPO_PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdirat(root, part, 0700) < 0) {
            if (errno == EEXIST) continue;
            return -1;
        }
        if (fchmodat(root, part, 0777u & ~repo_umask, 0) < 0) return -1;
    }
    return 0;
}

/* A file that comes or changes, from the table above. */
static int place(struct landing *l, size_t i, struct err *e) {
    const struct tree_change *c = &l->changes.v[i];
    char name[32];
    const char *leaf;
    struct file_state now, staged;
    stage_name(name, i);
    struct err why = ERR_INIT;
    if (make_parents(l->repo.root_fd, c->path) < 0) {
        if (errno == ENOTDIR || errno == ELOOP) return conflict(l);
        return err_sys(e, "make a directory of the target");
    }
    AUTO_FD int dir = file_parent(l->repo.root_fd, c->path, &leaf);
    if (dir < 0) return conflict(l);
    if (file_state_at(dir, leaf, &now, &why) < 0) return why.code == ERR_CONFLICT ? conflict(l) : err_sys(e, "a file");
    if (file_state_at(l->stage_fd, name, &staged, e) < 0) return -1;
    if (is_new(&now, c)) {
        if (staged.mode != 0 && !is_old(&staged, c) && !is_new(&staged, c)) return put_back(l, dir, leaf, name);
        unlinkat(l->stage_fd, name, 0);
        return 0;
    }
    if (!is_old(&now, c)) return conflict(l);
    if (!is_new(&staged, c) && stage_file(l, i, e) < 0) return -1;
    if (renameat2(l->stage_fd, name, dir, leaf, c->old_mode ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
        return errno == ENOENT || errno == EEXIST ? conflict(l) : err_sys(e, "put a file into the target");
    if (c->old_mode == 0) return 0;
    if (file_state_at(l->stage_fd, name, &staged, &why) < 0 || !is_old(&staged, c)) return put_back(l, dir, leaf, name);
    unlinkat(l->stage_fd, name, 0);
    return 0;
}

/* Directories that are empty now: git has none. */
static void prune(const struct landing *l, const char *path) {
    char dir[REPO_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    for (char *slash; (slash = strrchr(dir, '/'));) {
        const char *name;
        *slash = '\0';
        AUTO_FD int at = file_parent(l->repo.root_fd, dir, &name);
        if (at < 0 && errno == ENOENT) continue;
        if (at < 0 || (unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)) return;
    }
}

/* A file that goes: out of the worktree first, compared then. */
static int take_away(struct landing *l, size_t i, struct err *e) {
    const struct tree_change *c = &l->changes.v[i];
    char name[32];
    const char *leaf;
    struct file_state now = {0}, staged;
    struct err why = ERR_INIT;
    stage_name(name, i);
    AUTO_FD int dir = file_parent(l->repo.root_fd, c->path, &leaf);
    if (dir >= 0 && file_state_at(dir, leaf, &now, &why) < 0)
        return why.code == ERR_CONFLICT ? conflict(l) : err_sys(e, "a file of the target");
    if (file_state_at(l->stage_fd, name, &staged, e) < 0) return -1;
    if (staged.mode != 0 && !is_old(&staged, c)) return put_back(l, dir, leaf, name);
    if (now.mode != 0 && now.mode != MODE_DIR) {
        if (!is_old(&now, c)) return conflict(l);
        if (renameat(dir, leaf, l->stage_fd, name) < 0 && errno != ENOENT)
            return err_sys(e, "remove a file of the target");
        if (file_state_at(l->stage_fd, name, &staged, &why) < 0 || (staged.mode != 0 && !is_old(&staged, c)))
            return put_back(l, dir, leaf, name);
    }
    unlinkat(l->stage_fd, name, 0);
    prune(l, c->path);
    return 0;
}

/* First what goes: it may be in the way of what comes. */
int land_put_files(struct landing *l, struct err *e) {
    for (size_t i = 0; i < l->changes.n; i++)
        if (l->changes.v[i].new_mode == 0 && take_away(l, i, e) < 0) return -1;
    for (size_t i = 0; i < l->changes.n; i++)
        if (l->changes.v[i].new_mode != 0 && place(l, i, e) < 0) return -1;
    return 0;
}

void land_keep_foreign(struct landing *l) {
    for (size_t i = 0; i < l->changes.n; i++) {
        const struct tree_change *c = &l->changes.v[i];
        struct file_state staged;
        char name[32];
        stage_name(name, i);
        if (file_state_at(l->stage_fd, name, &staged, NULL) < 0 ||
            (staged.mode != 0 && !is_old(&staged, c) && !is_new(&staged, c)))
            (void)keep(l, name);
    }
}
