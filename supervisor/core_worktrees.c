/* core_worktrees.c - the worktrees of a core repository, from the small files that git keeps of them. Read with bounds and without
 * following links; each must say what git writes, to the byte, or it is not known what is there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/core_guard.h"
#include "supervisor/repo.h"

#define SMALL_MAX 5000

/* One line and its newline, of a file that is no link. False: anything else. */
static bool read_line(int dir, const char *path, char *out, size_t size) {
    char text[SMALL_MAX];
    struct stat st;
    AUTO_FD int fd = io_open_beneath_quiet(dir, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return false;
    ssize_t n = io_read_full(fd, text, sizeof text, NULL);
    if (n < 2 || n == (ssize_t)sizeof text || text[n - 1] != '\n' || (size_t)n > size) return false;
    text[n - 1] = '\0';
    if (memchr(text, '\0', (size_t)n - 1) || strchr(text, '\n')) return false;
    memcpy(out, text, (size_t)n);
    return true;
}

static bool exists(int dir, const char *name) {
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT; /* on doubt it is there */
}

/* "ref: refs/heads/x" gives refs/heads/x, a commit's id itself; else nothing. */
static bool read_head(int dir, char *out, size_t size) {
    char line[300];
    if (!read_line(dir, "HEAD", line, sizeof line)) return false;
    bool commit = strlen(line) == 40 && strspn(line, "0123456789abcdef") == 40;
    const char *what = strncmp(line, "ref: refs/", 10) == 0 ? line + 5 : commit ? line : NULL;
    return what && (size_t)snprintf(out, size, "%s", what) < size;
}

/* Something that git leaves only in the middle of something. */
static const char *half_done(int dir) {
    static const char *const marks[] = {"MERGE_HEAD",   "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge",
                                        "rebase-apply", "index.lock",       "HEAD.lock",   "sequencer",  NULL};
    for (int i = 0; marks[i]; i++)
        if (exists(dir, marks[i])) return marks[i];
    return NULL;
}

/* What stands against one that reads well. */
static void judge_tree(const struct core_guard *g, struct guard_worktree *t, int dir) {
    struct repo_facts f;
    struct err e = ERR_INIT;
    struct stat st;
    const char *mark = half_done(dir);
    if (exists(dir, "locked"))
        snprintf(t->why, sizeof t->why, "it is locked: somebody keeps it");
    else if (mark)
        snprintf(t->why, sizeof t->why, "something is half done in it (%s)", mark);
    else if (lstat(t->path, &st) < 0 || !S_ISDIR(st.st_mode))
        snprintf(t->why, sizeof t->why, "its directory is not there");
    else if (guard_repo_look(g->q->core, t, &f, &e) < 0)
        snprintf(t->why, sizeof t->why, "it cannot be seen");
    else if (f.why[0] || !f.clean)
        snprintf(t->why, sizeof t->why, "%.150s", f.why[0] ? f.why : "it is not known to be clean");
    else if (!g->main_commit[0] || strcmp(f.head, g->main_commit) != 0)
        snprintf(t->why, sizeof t->why, "it is on another commit than the main worktree");
}

/* One directory of .git/worktrees. */
static bool read_tree(const struct core_guard *g, int list, const char *name, struct guard_worktree *t) {
    char gitdir[4096];
    memset(t, 0, sizeof *t);
    if ((size_t)snprintf(t->name, sizeof t->name, "%s", name) >= sizeof t->name) return false;
    AUTO_FD int dir = io_open_beneath_quiet(list, name, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0 || !read_line(dir, "gitdir", gitdir, sizeof gitdir) || !read_head(dir, t->head, sizeof t->head))
        return false;
    size_t n = strlen(gitdir);
    if (gitdir[0] != '/' || n < 6 || strcmp(gitdir + n - 5, "/.git") != 0) return false;
    snprintf(t->path, sizeof t->path, "%.*s", (int)(n - 5), gitdir);
    judge_tree(g, t, dir);
    return true;
}

static void read_list(struct core_guard *g, int list) {
    int copy = fcntl(list, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        if (copy >= 0) close(copy);
        guard_doubt(g, GUARD_WORKTREE_LIST, ".git/worktrees cannot be listed");
        return;
    }
    g->trees = calloc(GUARD_WORKTREES_MAX, sizeof *g->trees);
    BUG_UNLESS(g->trees != NULL);
    errno = 0;
    for (const struct dirent *de; (de = readdir(d)); errno = 0) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        if (g->n_trees == GUARD_WORKTREES_MAX) {
            guard_doubt(g, GUARD_WORKTREE_LIST, "more than %d worktrees", GUARD_WORKTREES_MAX);
            break;
        }
        struct guard_worktree *t = &g->trees[g->n_trees++];
        if (read_tree(g, list, de->d_name, t)) continue;
        snprintf(t->why, sizeof t->why, "what git keeps of it cannot be read");
        guard_doubt(g, GUARD_WORKTREE_LIST, "one of .git/worktrees cannot be read: %.100s", de->d_name);
    }
    if (errno != 0) guard_doubt(g, GUARD_WORKTREE_LIST, ".git/worktrees cannot be listed");
    closedir(d);
}

void guard_look_at_worktrees(struct core_guard *g, int core) {
    AUTO_FD int git = io_open_beneath_quiet(core, ".git", O_RDONLY | O_DIRECTORY, 0);
    if (git < 0) {
        guard_doubt(g, GUARD_WORKTREE_LIST, "no directory .git: it is no main worktree");
        guard_doubt(g, GUARD_ACTIVE_WORKTREES, "the worktrees are not known");
        return;
    }
    if (!read_head(git, g->main_head, sizeof g->main_head))
        guard_doubt(g, GUARD_WORKTREE_LIST, "its HEAD cannot be read");
    AUTO_FD int list = io_open_beneath_quiet(git, "worktrees", O_RDONLY | O_DIRECTORY, 0);
    if (list >= 0)
        read_list(g, list);
    else if (errno != ENOENT)
        guard_doubt(g, GUARD_WORKTREE_LIST, ".git/worktrees cannot be opened");
    guard_pass(g, GUARD_WORKTREE_LIST);
    for (int i = 0; i < g->n_trees; i++)
        if (g->trees[i].why[0]) guard_doubt(g, GUARD_ACTIVE_WORKTREES, "%.100s: %s", g->trees[i].name, g->trees[i].why);
    if (g->checks[GUARD_WORKTREE_LIST].passed)
        guard_pass(g, GUARD_ACTIVE_WORKTREES);
    else
        guard_doubt(g, GUARD_ACTIVE_WORKTREES, "the worktrees are not known");
}
