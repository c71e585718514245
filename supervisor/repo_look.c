/* repo_look.c - what a repository of the operator is like. Facts are found from the outside inwards: each step is possible only
 * when the ones before it held, and the first thing that stands against the repository is the reason. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/home.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"
#include "supervisor/tree_digest.h"

/* The first reason counts. */
__attribute__((format(printf, 2, 3))) static void against(struct repo_facts *f, const char *fmt, ...) {
    va_list ap;
    if (f->why[0]) return;
    va_start(ap, fmt);
    vsnprintf(f->why, sizeof f->why, fmt, ap);
    va_end(ap);
}

static bool exists(int fd, const char *name) { return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

static bool has_bytes(int fd, const char *name) {
    struct stat st;
    return fstatat(fd, name, &st, 0) == 0 && st.st_size > 0;
}

/* Has the directory any entry that `counts`? */
static bool any_entry(int at, const char *name, bool (*counts)(int fd, const char *name)) {
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) close(fd);
        return false;
    }
    bool found = false;
    for (struct dirent *de; !found && (de = readdir(d));)
        found = strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 && counts(fd, de->d_name);
    closedir(d);
    return found;
}

static bool is_hook(int fd, const char *name) {
    const size_t n = strlen(name);
    struct stat st;
    if (n > 7 && strcmp(name + n - 7, ".sample") == 0) return false;
    return fstatat(fd, name, &st, 0) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static bool is_anything(int fd, const char *name) {
    (void)fd;
    (void)name;
    return true;
}

/* --- the directory ------------------------------------------------------------------------------------------------- */

/* 0: there is a worktree with a directory .git, in r. */
static int open_worktree(struct repo *r, const char *path, struct repo_facts *f, struct err *e) {
    struct stat st;
    r->root_fd = repo_open_exact(path, O_RDONLY | O_DIRECTORY);
    if (r->root_fd < 0) {
        if (errno == ELOOP)
            against(f, "the path of the target holds a symbolic link; name where it leads");
        else
            against(f, "the target cannot be opened: %s", strerror(errno));
        return -1;
    }
    if (fstat(r->root_fd, &st) < 0) return err_sys(e, "the target");
    f->owner_uid = st.st_uid;
    f->local_filesystem = home_network_filesystem(path) == NULL;
    if (fstatat(r->root_fd, ".git", &st, AT_SYMLINK_NOFOLLOW) < 0) {
        f->is_repository = f->bare =
            exists(r->root_fd, "HEAD") && exists(r->root_fd, "objects") && exists(r->root_fd, "refs");
        against(f, f->bare ? "the target is a bare repository: it has no worktree" : "the target is no git repository");
        return -1;
    }
    f->is_repository = true;
    f->linked_worktree = S_ISREG(st.st_mode);
    if (f->linked_worktree) against(f, "the target is a linked worktree or a submodule: its .git is elsewhere");
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) against(f, "the target's .git is no directory");
    if (!S_ISDIR(st.st_mode)) return -1;
    r->git_fd = io_open_beneath_quiet(r->root_fd, ".git", O_RDONLY | O_DIRECTORY, 0);
    if (r->git_fd >= 0) {
        repo_identify(r, &f->identity);
        return 0;
    }
    against(f, "the target's .git cannot be opened: %s", strerror(errno));
    return -1;
}

/* Of the worktree and of what decides in .git: somebody else's part would be somebody else's say. */
static void look_owner(const struct repo *r, struct repo_facts *f) {
    static const char *const parts[] = {".",          ".git",         ".git/HEAD", ".git/config",
                                        ".git/index", ".git/objects", ".git/refs"};
    const uint32_t me = geteuid();
    struct stat root, st;
    if (fstat(r->root_fd, &root) < 0) return;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (fstatat(r->root_fd, parts[i], &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
        if (st.st_uid != me) against(f, "the target belongs to user %u, this is user %u", st.st_uid, me);
        if (st.st_dev != root.st_dev) against(f, "the target's .git is on another file system than its worktree");
    }
    if (!f->local_filesystem) against(f, "the target is on a network file system");
}

static void look_state(const struct repo *r, struct repo_facts *f) {
    static const char *const marks[] = {"MERGE_HEAD",  "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD",
                                        "REVERT_HEAD", "BISECT_LOG",   "sequencer"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) f->busy = f->busy || exists(r->git_fd, marks[i]);
    f->shallow = has_bytes(r->git_fd, "shallow");
    f->alternates =
        has_bytes(r->git_fd, "objects/info/alternates") || has_bytes(r->git_fd, "objects/info/http-alternates");
    f->hooks = any_entry(r->git_fd, "hooks", is_hook);
    f->remotes = any_entry(r->git_fd, "remotes", is_anything) || any_entry(r->git_fd, "branches", is_anything);
    if (exists(r->git_fd, "commondir")) against(f, "the target shares its .git with another repository");
    if (f->busy) against(f, "a merge, rebase, cherry-pick, revert or bisect is not finished in the target");
    if (f->shallow) against(f, "the target is a shallow clone");
    if (f->alternates) against(f, "the target borrows objects of another repository (alternates)");
    if (has_bytes(r->git_fd, "info/grafts") || any_entry(r->git_fd, "refs/replace", is_anything))
        against(f, "the target replaces or grafts objects");
}

/* --- configuration: read, never obeyed ----------------------------------------------------------------------------- */

static bool is_true(const char *value) {
    int v = 0;
    return !value || (git_config_parse_bool(&v, value) == 0 && v);
}

static int on_key(const git_config_entry *en, void *ctx) {
    struct repo_facts *f = ctx;
    const char *k = en->name;
    if (strncmp(k, "remote.", 7) == 0) f->remotes = true;
    if (strcmp(k, "core.hookspath") == 0) f->hooks = true;
    if (strcmp(k, "core.bare") == 0) f->bare = is_true(en->value);
    if (strcmp(k, "core.worktree") == 0) against(f, "the target's worktree is set to be elsewhere (core.worktree)");
    if (strcmp(k, "core.sparsecheckout") == 0 && is_true(en->value))
        against(f, "the target is checked out in part only");
    if (strncmp(k, "extensions.", 11) != 0 || strcmp(k, "extensions.noop") == 0) return 0;
    if (strcmp(k, "extensions.objectformat") == 0 && en->value && strcmp(en->value, "sha1") == 0) return 0;
    against(f, "the target uses an extension of git's format (%.60s)", k);
    return 0;
}

static void look_config(const struct repo *r, struct repo_facts *f) {
    char path[REPO_PATH_MAX + 16];
    git_config *c = NULL;
    struct stat st;
    if (fstatat(r->git_fd, "config", &st, AT_SYMLINK_NOFOLLOW) < 0) return;
    if (!S_ISREG(st.st_mode)) {
        against(f, "the target's configuration is no regular file");
        return;
    }
    /* An include may name anything, a FIFO too, and libgit2 would follow it. */
    AUTO_BUF struct buf text = BUF_INIT(1u << 20);
    if (file_read(r->git_fd, "config", 1u << 20, &text, NULL, NULL) < 0) {
        against(f, "the target's configuration cannot be read");
        return;
    }
    if (strcasestr(buf_str(&text), "[include")) {
        against(f, "the target's configuration includes other files");
        return;
    }
    snprintf(path, sizeof path, "%s/.git/config", r->path);
    if (git_config_open_ondisk(&c, path) < 0 || git_config_foreach(c, on_key, f) < 0)
        against(f, "the target's configuration cannot be read");
    git_config_free(c);
    if (f->bare) against(f, "the target is set to be bare (core.bare)");
}

/* --- HEAD and below ------------------------------------------------------------------------------------------------ */

/* Whoever moves a branch changes what every worktree that is on it looks like against it; git refuses that too. */
static bool is_elsewhere(const struct repo *r, const char *branch) {
    char ref[300], head[300];
    AUTO_FD int at = io_open_beneath_quiet(r->git_fd, "worktrees", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = at < 0 ? NULL : fdopendir(at);
    bool found = false;
    if (!d) return false;
    (void)take_fd(&at);
    snprintf(ref, sizeof ref, "ref: %s\n", branch);
    for (struct dirent *de; !found && (de = readdir(d));) {
        AUTO_BUF struct buf text = BUF_INIT(sizeof ref);
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        snprintf(head, sizeof head, "worktrees/%s/HEAD", de->d_name);
        found = file_read(r->git_fd, head, sizeof ref, &text, NULL, NULL) == 0 && strcmp(buf_str(&text), ref) == 0;
    }
    closedir(d);
    return found;
}

static int look_head(const struct repo *r, struct repo_facts *f, git_oid *head) {
    struct err why = ERR_INIT;
    int on_branch = repo_read_head(r, f->branch, head, &why), rc = on_branch;
    f->detached = on_branch == 0;
    if (on_branch == 1) rc = repo_read_ref(r, f->branch, head, &why);
    f->unborn = on_branch == 1 && rc == 0;
    if (rc < 0) against(f, "%s", why.text);
    if (f->detached) against(f, "the target's HEAD is on no branch");
    if (f->unborn) against(f, "the target has no commit yet");
    if (on_branch == 1 && is_elsewhere(r, f->branch))
        against(f, "the target's branch is checked out in another worktree of it too (git worktree list)");
    if (rc >= 0 && !f->unborn) git_oid_tostr(f->head, sizeof f->head, head);
    return f->head[0] ? 0 : -1;
}

static int count_commits(const struct repo *r, const git_oid *head, struct repo_facts *f) {
    git_revwalk *w = NULL;
    git_oid id;
    int rc = git_revwalk_new(&w, r->git);
    if (rc == 0) rc = git_revwalk_push(w, head);
    while (rc == 0 && f->commits < REPO_COMMITS_MAX && (rc = git_revwalk_next(&id, w)) == 0) f->commits++;
    git_revwalk_free(w);
    if (rc == 0 || rc == GIT_ITEROVER) return 0;
    against(f, "the target's history cannot be read");
    return -1;
}

static void say_dirt(struct repo_facts *f, const struct dirt *d) {
    f->clean = dirt_none(d);
    f->only_dirty = !f->clean && !f->why[0];
    if (d->index_unreadable) against(f, "the target's index cannot be read, or is of a kind that is not supported");
    if (d->flagged)
        against(f,
                "git is told not to look at %zu files of the target (assume-unchanged, skip-worktree, intent-to-add)",
                d->flagged);
    if (!f->clean)
        against(f, "of the target's files %zu changed, %zu staged, %zu untracked: commit them or put them away",
                d->changed, d->staged, d->untracked);
}

static int look_content(const struct repo *r, const git_oid *head, struct repo_facts *f, struct err *e) {
    AUTO_TREE struct tree_files files = {0};
    struct err why = ERR_INIT;
    struct dirt dirt;
    git_oid tree;
    if (repo_commit_tree(r, head, &tree, &why) < 0 || tree_flatten(r->git, &tree, &files, &why) < 0) {
        against(f, "%s", why.text);
        return 0;
    }
    git_oid_tostr(f->tree, sizeof f->tree, &tree);
    f->submodules = tree_find(&files, ".gitmodules", 11) != NULL;
    for (size_t i = 0; i < files.n; i++) f->submodules = f->submodules || files.v[i].mode == MODE_MODULE;
    if (f->submodules) against(f, "the target has submodules");
    if (!f->shallow && count_commits(r, head, f) < 0) return 0;
    if (repo_clean(r, &files, &dirt, &why) < 0) {
        if (why.code == ERR_SYS) {
            if (e) *e = why;
            return -1;
        }
        against(f, "%s", why.text);
        return 0;
    }
    say_dirt(f, &dirt);
    return 0;
}

static int look(struct repo *r, const char *path, struct repo_facts *f, struct err *e) {
    git_oid head;
    if (open_worktree(r, path, f, e) < 0) return f->why[0] ? 0 : -1;
    look_owner(r, f);
    if (f->why[0]) return 0; /* nothing of somebody else's is parsed */
    look_state(r, f);
    look_config(r, f);
    if (look_head(r, f, &head) < 0) return 0;
    if (f->alternates) return 0; /* objects may be missing here */
    if (repo_open_objects(r, e) < 0) return -1;
    return look_content(r, &head, f, e);
}

int repo_look(const char *path, struct repo_facts *ret, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    struct repo_facts f = {0};
    if (!repo_path_ok(path)) return err_set(e, ERR_USAGE, "the target's path is not absolute in its shortest form");
    if (repo_git_start(e) < 0) return -1;
    snprintf(r.path, sizeof r.path, "%s", path);
    if (look(&r, path, &f, e) < 0) return -1;
    *ret = f;
    return 0;
}

int repo_content_digest(const char *path, char ret[DIGEST_HEX_SIZE], struct err *e) {
    struct err why = ERR_INIT;
    if (tree_digest(path, ret, &why) == 0) return 0;
    if (!e) return -1;
    err_set(e, why.code, "the target's content cannot be read%s%s", why.sys ? ": " : "",
            why.sys ? strerror(why.sys) : "");
    e->sys = why.sys;
    return -1;
}
