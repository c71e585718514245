/* repo_open.c - opening the operator's repository, and its refs. See repo_git.h.
 *
 * The file formats read here are a line each: HEAD and loose refs ("<id>" or "ref: <name>"), packed-refs ("<id> <name>"). They are
 * bounded and must be exactly that; what is not is an error, not a guess.
 */
#include <errno.h>
#include <fcntl.h>
#include <git2/odb_backend.h>
#include <git2/sys/repository.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/repo_git.h"

#define PACKED_REFS_MAX (64u << 20)

int repo_git_fail(struct err *e, enum err_code code, const char *what) {
    const git_error *g = git_error_last();
    if (!g || !g->message || strchr(g->message, '/')) return err_set(e, code, "%s", what);
    return err_set(e, code, "%s: %s", what, g->message);
}

/* Search paths lead nowhere, so that not even an include in the target's configuration finds a home. Objects that a tree names
 * need not exist yet when it is made in memory; that they do in the end is held by verification, not by libgit2. Ownership is
 * checked by repo_look(), on what is really opened. */
int repo_git_start(struct err *e) {
    static bool started;
    if (started) return 0;
    static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
                                 GIT_CONFIG_LEVEL_GLOBAL};
    if (git_libgit2_init() < 0) return repo_git_fail(e, ERR_INTERNAL, "libgit2");
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "") < 0)
            return repo_git_fail(e, ERR_INTERNAL, "libgit2's search path");
    if (git_libgit2_opts(GIT_OPT_SET_TEMPLATE_PATH, "") < 0 ||
        git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0) < 0 ||
        git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1) < 0 ||
        git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1) < 0 || git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0) < 0)
        return repo_git_fail(e, ERR_INTERNAL, "libgit2's options");
    started = true;
    return 0;
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

bool repo_path_ok(const char *path) {
    size_t n = strlen(path);
    if (path[0] != '/' || n < 2 || n >= REPO_PATH_MAX - 64) return false;
    for (const char *p = path; *p; p += strcspn(p + 1, "/") + 1) {
        size_t len = strcspn(p + 1, "/");
        if (len == 0 || (len == 1 && p[1] == '.') || (len == 2 && p[1] == '.' && p[2] == '.')) return false;
    }
    return true;
}

int repo_open_exact(const char *path, int flags) {
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
                           .resolve = RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

int repo_open(struct repo *r, const char *path, struct err *e) {
    *r = REPO_INIT;
    if (!repo_path_ok(path)) return err_set(e, ERR_USAGE, "the target's path is not absolute in its shortest form");
    if (repo_git_start(e) < 0) return -1;
    snprintf(r->path, sizeof r->path, "%s", path);
    r->root_fd = repo_open_exact(path, O_RDONLY | O_DIRECTORY);
    if (r->root_fd < 0) return err_sys(e, "open the target repository");
    r->git_fd = io_open_beneath_quiet(r->root_fd, ".git", O_RDONLY | O_DIRECTORY, 0);
    if (r->git_fd < 0) {
        err_sys(e, "open the target's .git");
        repo_close(r);
        return -1;
    }
    return 0;
}

void repo_identify(const struct repo *r, struct repo_identity *ret) {
    struct stat root, git;
    *ret = (struct repo_identity){0};
    if (fstat(r->root_fd, &root) < 0 || fstat(r->git_fd, &git) < 0) return;
    *ret = (struct repo_identity){.dev = root.st_dev, .root = root.st_ino, .git = git.st_ino};
}

/* Not git_odb_open(): that follows alternates. */
int repo_open_objects(struct repo *r, struct err *e) {
    char objects[REPO_PATH_MAX + 16];
    git_odb_backend *packed = NULL, *loose = NULL;
    snprintf(objects, sizeof objects, "%s/.git/objects", r->path);
    if (git_odb_new(&r->odb) < 0 || git_odb_backend_pack(&packed, objects) < 0 ||
        git_odb_add_backend(r->odb, packed, 2) < 0 || git_odb_backend_loose(&loose, objects, -1, 1, 0, 0) < 0 ||
        git_odb_add_backend(r->odb, loose, 1) < 0 || git_repository_wrap_odb(&r->git, r->odb) < 0)
        return repo_git_fail(e, ERR_PARSE, "open the target's objects");
    return 0;
}

void repo_close(struct repo *r) {
    git_repository_free(r->git);
    git_odb_free(r->odb);
    if (r->git_fd >= 0) close(r->git_fd);
    if (r->root_fd >= 0) close(r->root_fd);
    *r = REPO_INIT;
}

/* --- refs ---------------------------------------------------------------------------------------------------------- */

/* Exactly an id, and a line end. */
static bool parse_id(const char *text, size_t n, git_oid *ret) {
    if (n > 0 && text[n - 1] == '\n') n--;
    if (n != GIT_OID_HEXSZ) return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr("0123456789abcdef", text[i])) return false;
    return git_oid_fromstrn(ret, text, n) == 0;
}

bool repo_branch_ok(const char *name) {
    int valid = 0;
    return strncmp(name, "refs/heads/", 11) == 0 && strlen(name) < 256 &&
           git_reference_name_is_valid(&valid, name) == 0 && valid;
}

int repo_read_head(const struct repo *r, char branch[256], git_oid *ret, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(1024);
    branch[0] = '\0';
    if (file_read(r->git_fd, "HEAD", 1024, &text, NULL, e) < 0) return err_ctx(e, "the target's HEAD");
    const char *p = buf_str(&text);
    if (strlen(p) != text.len) return err_set(e, ERR_PARSE, "the target's HEAD is damaged");
    if (strncmp(p, "ref:", 4) != 0)
        return parse_id(p, text.len, ret) ? 0 : err_set(e, ERR_PARSE, "the target's HEAD is damaged");
    p += 4 + strspn(p + 4, " \t");
    size_t n = strcspn(p, "\n");
    if (n >= 256 || (p[n] == '\n' && p[n + 1] != '\0')) return err_set(e, ERR_PARSE, "the target's HEAD is damaged");
    memcpy(branch, p, n);
    branch[n] = '\0';
    if (repo_branch_ok(branch)) return 1;
    branch[0] = '\0';
    return err_set(e, ERR_PARSE, "the target's HEAD names no branch");
}

static int read_packed(const struct repo *r, const char *name, git_oid *ret, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(PACKED_REFS_MAX);
    struct err why = ERR_INIT;
    if (file_read(r->git_fd, "packed-refs", PACKED_REFS_MAX, &text, NULL, &why) < 0) {
        if (why.sys == ENOENT) return 0;
        if (e) *e = why;
        return err_ctx(e, "the target's packed-refs");
    }
    const size_t want = strlen(name);
    for (const char *p = buf_str(&text), *end = p + text.len; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((eol ? eol : end) - p);
        if (n == GIT_OID_HEXSZ + 1 + want && p[GIT_OID_HEXSZ] == ' ' && memcmp(p + GIT_OID_HEXSZ + 1, name, want) == 0)
            return parse_id(p, GIT_OID_HEXSZ, ret) ? 1 : err_set(e, ERR_PARSE, "the target's packed-refs are damaged");
        p += n + 1;
    }
    return 0;
}

int repo_read_ref(const struct repo *r, const char *name, git_oid *ret, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(1024);
    struct err why = ERR_INIT;
    if (file_read(r->git_fd, name, 1024, &text, NULL, &why) == 0) {
        if (parse_id(buf_str(&text), text.len, ret)) return 1;
        return err_set(e, ERR_PARSE, "the target's branch is damaged, or another name for a second one");
    }
    struct stat st; /* a directory, when other branches are below the name of a packed one */
    const bool dir = fstatat(r->git_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    if (dir || why.sys == ENOENT || why.sys == ENOTDIR) return read_packed(r, name, ret, e);
    if (e) *e = why;
    return err_ctx(e, "the target's branch");
}

int repo_commit_tree(const struct repo *r, const git_oid *commit, git_oid *ret, struct err *e) {
    git_commit *c = NULL;
    if (git_commit_lookup(&c, r->git, commit) < 0) return repo_git_fail(e, ERR_PARSE, "the target's commit");
    git_oid_cpy(ret, git_commit_tree_id(c));
    git_commit_free(c);
    return 0;
}
