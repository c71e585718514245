/* repo_create.c - a new repository of the harness's own making. Its .git is written by hand, a handful of small files, as the
 * baseline's is: an init of libgit2 or git would look for templates and configuration. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/git_names.h"
#include "common/io.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

static const char config[] =
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"
    "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";

struct making {
    struct repo repo;
    struct new_objects objects;
    struct edit *edits; /* path is owned */
    struct stat *stats; /* of the new files, for the index */
    size_t n, cap;
    uint64_t left;
    char path[REPO_PATH_MAX];
};

static int put(int fd, const char *path, const char *text, struct err *e) {
    struct err why = ERR_INIT;
    if (io_replace_file_at(fd, path, text, strlen(text), 0644, 1, &why) == 0) return 0;
    errno = why.sys;
    return err_sys(e, "write the new repository's .git");
}

static int make_layout(int root, const char *branch, struct err *e) {
    static const char *const dirs[] = {".git/objects/pack", ".git/objects/info", ".git/refs/heads", ".git/refs/tags"};
    char head[300];
    struct err why = ERR_INIT;
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (io_mkdirs_at(root, dirs[i], 0777, &why) < 0) {
            errno = why.sys;
            return err_sys(e, "make the new repository's .git");
        }
    snprintf(head, sizeof head, "ref: %s\n", branch);
    return put(root, ".git/config", config, e) < 0 || put(root, ".git/HEAD", head, e) < 0 ? -1 : 0;
}

/* --- files --------------------------------------------------------------------------------------------------------- */

static int remember(struct making *m, uint32_t mode, const git_oid *id, int to, const char *name, struct err *e) {
    if (m->n == REPO_FILES_MAX) return err_set(e, ERR_LIMIT, "more than %u files", REPO_FILES_MAX);
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->edits = realloc(m->edits, m->cap * sizeof *m->edits);
        m->stats = realloc(m->stats, m->cap * sizeof *m->stats);
        BUG_UNLESS(m->edits != NULL && m->stats != NULL);
    }
    if (fstatat(to, name, &m->stats[m->n], AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "a file of the new repository");
    m->edits[m->n] = (struct edit){.path = strdup(m->path), .mode = mode, .oid = *id};
    BUG_UNLESS(m->edits[m->n].path != NULL);
    m->n++;
    return 0;
}

static int copy_file(struct making *m, int from, int to, const char *name, const struct stat *st, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(REPO_FILE_BYTES_MAX);
    uint32_t mode = st->st_mode & S_IXUSR ? MODE_EXEC : MODE_FILE;
    git_oid id;
    if (S_ISLNK(st->st_mode)) {
        char target[REPO_PATH_MAX];
        const ssize_t n = readlinkat(from, name, target, sizeof target);
        if (n < 0) return err_sys(e, "read a symbolic link");
        buf_put(&text, target, (size_t)n);
        mode = MODE_LINK;
    } else if (file_read(from, name, REPO_FILE_BYTES_MAX, &text, NULL, e) < 0) {
        return -1;
    }
    if (text.len > m->left)
        return err_set(e, ERR_LIMIT, "the files have more than %llu MiB", REPO_EXPORT_BYTES_MAX >> 20);
    m->left -= text.len;
    if (file_write_at(to, name, mode, text.p, text.len, false, e) < 0) return -1;
    if (git_odb_write(&id, m->repo.odb, text.len ? (const void *)text.p : "", text.len, GIT_OBJECT_BLOB) < 0)
        return repo_git_fail(e, ERR_SYS, "write an object of the new repository");
    return remember(m, mode, &id, to, name, e);
}

static int copy_dir(struct making *m, int from, int to, size_t len, int depth, struct err *e);

static int copy_entry(struct making *m, int from, int to, const char *name, size_t len, int depth, struct err *e) {
    struct stat st;
    const size_t n = strlen(name);
    if (!name_is_safe(name, n) || len + n + 2 > sizeof m->path)
        return err_set(e, ERR_USAGE, "a file has a name that a new repository may not have");
    memcpy(m->path + len, name, n + 1);
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "a file");
    if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) return copy_file(m, from, to, name, &st, e);
    if (!S_ISDIR(st.st_mode)) return err_set(e, ERR_USAGE, "something is no file, directory or symbolic link");
    AUTO_FD int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || mkdirat(to, name, 0777) < 0) return err_sys(e, "a directory");
    AUTO_FD int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0) return err_sys(e, "a directory");
    memcpy(m->path + len + n, "/", 2);
    return copy_dir(m, in, out, len + n + 1, depth + 1, e);
}

static int copy_dir(struct making *m, int from, int to, size_t len, int depth, struct err *e) {
    if (depth > REPO_DEPTH_MAX) return err_set(e, ERR_LIMIT, "deeper than %d directories", REPO_DEPTH_MAX);
    struct dirent **list = NULL;
    const int n = scandirat(from, ".", &list, NULL, alphasort);
    if (n < 0) return err_sys(e, "list a directory");
    int rc = 0;
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        if (rc == 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            rc = copy_entry(m, from, to, name, len, depth, e);
        free(list[i]);
    }
    free(list);
    return rc;
}

/* --- commit -------------------------------------------------------------------------------------------------------- */

/* With true stat fields, so that the first `git status` opens no file. */
static int make_index(const struct making *m, struct err *e) {
    char path[REPO_PATH_MAX + 16];
    git_index *index = NULL;
    snprintf(path, sizeof path, "%s/.git/index", m->repo.path);
    int r = git_index_open(&index, path);
    for (size_t i = 0; r == 0 && i < m->n; i++) {
        const git_index_entry en = index_entry(m->edits[i].path, m->edits[i].mode, &m->edits[i].oid, &m->stats[i]);
        r = git_index_add(index, &en);
    }
    if (r == 0) r = git_index_write(index);
    git_index_free(index);
    return r < 0 ? repo_git_fail(e, ERR_SYS, "the new repository's index") : 0;
}

static int make_commit(struct making *m, const char *branch, struct err *e) {
    static const struct commit_words words = {.message = "baseline\n", .when_s = REPO_EPOCH};
    git_oid tree, commit;
    char line[GIT_OID_HEXSZ + 2], name[300], hex[REPO_ID_SIZE];
    if (make_index(m, e) < 0 || new_objects_open(&m->objects, &m->repo, e) < 0 ||
        tree_build(&m->objects, NULL, m->edits, m->n, &tree, e) < 0 ||
        commit_build(&m->objects, &tree, NULL, &words, &commit, e) < 0 ||
        new_objects_write(&m->objects, &m->repo, e) < 0)
        return -1;
    git_oid_tostr(hex, sizeof hex, &commit);
    snprintf(line, sizeof line, "%s\n", hex);
    snprintf(name, sizeof name, "%s", branch);
    *strrchr(name, '/') = '\0';
    struct err why = ERR_INIT;
    if (io_mkdirs_at(m->repo.git_fd, name, 0777, &why) < 0) return err_set(e, ERR_SYS, "make the branch's directory");
    return put(m->repo.git_fd, branch, line, e);
}

static int fill(struct making *m, int from, int root, const char *path, const char *branch, struct err *e) {
    if (make_layout(root, branch, e) < 0 || repo_open(&m->repo, path, e) < 0 || repo_open_objects(&m->repo, e) < 0)
        return -1;
    return copy_dir(m, from, m->repo.root_fd, 0, 0, e) < 0 ? -1 : make_commit(m, branch, e);
}

static void release(struct making *m) {
    new_objects_release(&m->objects);
    repo_close(&m->repo);
    for (size_t i = 0; i < m->n; i++) free((char *)m->edits[i].path);
    free(m->edits);
    free(m->stats);
}

int repo_create(const char *path, const char *from_dir, const char *branch, struct repo_facts *ret, struct err *e) {
    char name[256];
    snprintf(name, sizeof name, "%s%s", strncmp(branch, "refs/", 5) == 0 ? "" : "refs/heads/", branch);
    if (repo_git_start(e) < 0) return -1;
    if (!repo_branch_ok(name)) return err_set(e, ERR_USAGE, "the new repository's branch has no name that git takes");
    if (!repo_path_ok(path))
        return err_set(e, ERR_USAGE, "the new repository's path is not absolute in its shortest form");
    AUTO_FD int from = open(from_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0) return err_sys(e, "open the files of the new repository");
    if (mkdir(path, 0777) < 0) return err_sys(e, "make the new repository's directory");
    struct making m = {.repo = REPO_INIT, .left = REPO_EXPORT_BYTES_MAX};
    AUTO_FD int root = repo_open_exact(path, O_RDONLY | O_DIRECTORY);
    int rc = root < 0 ? err_sys(e, "open the new repository's directory") : fill(&m, from, root, path, name, e);
    release(&m);
    if (rc == 0) rc = repo_look(path, ret, e);
    if (rc == 0 && ret->why[0]) rc = err_set(e, ERR_INTERNAL, "the new repository: %s", ret->why);
    if (rc < 0) (void)io_remove_tree_at(AT_FDCWD, path, NULL);
    return rc;
}
