/* repo_linked.c - a linked worktree of the operator's repository: HEAD and index of its own, refs and objects of the main one. Looked at
 * like the main worktree, with the same eyes (repo_clean.c); nothing of its configuration is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/repo.h"
#include "supervisor/repo_git.h"

/* -1: what stands against it is in f->why. */
static int against(struct repo_facts *f, const char *why) {
    if (!f->why[0]) snprintf(f->why, sizeof f->why, "%.290s", why);
    return -1;
}

/* "gitdir: /main/.git/worktrees/name", and nothing else. */
static bool points_back(const struct repo *r, const char *name) {
    AUTO_BUF struct buf text = BUF_INIT(REPO_PATH_MAX + 600);
    char want[REPO_PATH_MAX + 600];
    if (file_read(r->root_fd, ".git", sizeof want - 1, &text, NULL, NULL) < 0) return false;
    snprintf(want, sizeof want, "gitdir: %s/.git/worktrees/%s\n", r->path, name);
    return strcmp(buf_str(&text), want) == 0;
}

/* The worktree in place of the main one, its HEAD and its index; refs and objects stay. */
static int open_linked(struct repo *r, const char *name, const char *path, struct repo_facts *f, git_oid *head) {
    struct err why = ERR_INIT;
    struct stat st;
    close(r->root_fd);
    r->root_fd = repo_open_exact(path, O_RDONLY | O_DIRECTORY);
    if (r->root_fd < 0) return against(f, "it cannot be opened");
    if (fstat(r->root_fd, &st) < 0 || st.st_uid != geteuid()) return against(f, "it is somebody else's");
    if (!points_back(r, name)) return against(f, "its .git leads elsewhere");
    char dir[300];
    if ((size_t)snprintf(dir, sizeof dir, "worktrees/%s", name) >= sizeof dir)
        return against(f, "its name is too long");
    struct repo own = {.root_fd = -1, .git_fd = io_open_beneath_quiet(r->git_fd, dir, O_RDONLY | O_DIRECTORY, 0)};
    if (own.git_fd < 0) return against(f, "what git keeps of it cannot be opened");
    int on_branch = repo_read_head(&own, f->branch, head, &why);
    close(own.git_fd);
    if (on_branch < 0 || (on_branch == 1 && repo_read_ref(r, f->branch, head, &why) != 1))
        return against(f, why.text[0] ? why.text : "its branch has no commit");
    f->detached = on_branch == 0;
    git_oid_tostr(f->head, sizeof f->head, head);
    snprintf(r->index, sizeof r->index, "%s/.git/%s/index", r->path, dir);
    return 0;
}

static int look_content(struct repo *r, const git_oid *head, struct repo_facts *f) {
    AUTO_TREE struct tree_files files = {0};
    struct err why = ERR_INIT;
    struct dirt dirt;
    git_oid tree;
    if (repo_commit_tree(r, head, &tree, &why) < 0 || tree_flatten(r->git, &tree, &files, &why) < 0 ||
        repo_clean(r, &files, &dirt, &why) < 0)
        return against(f, why.text);
    f->clean = dirt_none(&dirt);
    return f->clean ? 0 : against(f, "it is not clean");
}

int repo_look_linked(const char *main, const char *name, const char *path, struct repo_facts *ret, struct err *e) {
    AUTO_REPO struct repo r = REPO_INIT;
    git_oid head;
    memset(ret, 0, sizeof *ret);
    ret->is_repository = ret->linked_worktree = true;
    if (!repo_path_ok(path))
        return err_set(e, ERR_USAGE, "the path of a worktree is not absolute in its shortest form");
    if (repo_open(&r, main, e) < 0 || repo_open_objects(&r, e) < 0) return -1;
    if (open_linked(&r, name, path, ret, &head) == 0) (void)look_content(&r, &head, ret);
    return 0;
}
