/* repo.h - repositories that the operator owns: what they are like, their content as plain files, a new one. Never an agent's.
 *
 * libgit2 reads objects, the index and the configuration's keys here, and obeys none of them: objects come through a repository
 * that only wraps an object database, so no hook, filter, attribute, line end, external ignore file, credential helper, alternate
 * or setting of the target or of the user has any effect. Content is the blobs' raw bytes. Nothing is started.
 *
 * Whatever is found is a fact, not an error: an error (-1) says that the question could not be answered (a path that is not in
 * its shortest form, a disk that does not read). Texts, in `why` and in errors, name neither the repository's path nor one in it:
 * they go into reports that others read.
 */
#ifndef CTO_SUPERVISOR_REPO_H
#define CTO_SUPERVISOR_REPO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/digest.h"
#include "common/err.h"

#define REPO_ID_SIZE 41 /* 40 hex digits + NUL */
#define REPO_COMMITS_MAX 10000
#define REPO_FILES_MAX 200000u
#define REPO_FILE_BYTES_MAX (256u << 20)     /* of one file */
#define REPO_EXPORT_BYTES_MAX (512ull << 20) /* of all that repo_export() writes */

/* The umask of whoever started us: what is put into a repository of his has his permissions, not our own 077. */
extern mode_t repo_umask;

/* Which one it is, whatever its path: a copy has the same commits, and is another one. */
struct repo_identity {
    uint64_t dev, root, git; /* device, inodes of worktree and .git; 0: not known */
};

struct repo_facts {
    struct repo_identity identity;
    bool is_repository;
    bool bare;
    bool linked_worktree; /* .git is no directory: `git worktree add`, a submodule, --separate-git-dir */
    bool detached;
    bool unborn;
    bool shallow;
    bool submodules;
    bool busy; /* a merge, rebase, cherry-pick, revert, bisect is not finished */
    /* HEAD, index and worktree agree to the byte, whatever the index's flags say, and nothing is untracked but what the .gitignore
     * files of HEAD ignore. */
    bool clean;
    bool only_dirty; /* it is not clean, and that is all that stands against it */
    bool remotes;    /* facts, no reason by themselves: */
    bool hooks;      /* one that git would run, or core.hooksPath */
    bool alternates;
    bool local_filesystem;
    uint32_t owner_uid;
    char head[REPO_ID_SIZE], tree[REPO_ID_SIZE]; /* "" when there is none */
    char branch[256];                            /* "refs/heads/main"; "" when detached */
    uint64_t commits;                            /* that HEAD reaches, counted up to REPO_COMMITS_MAX */
    /* "": it can be used. Else the first thing that stands against it, one sentence; that it is not clean comes last. */
    char why[300];
};

/* `path`: absolute, in its shortest form; with a symbolic link in it, it is no repository. Writes nothing, not even git's own
 * caches. Reads every file of the worktree. */
int repo_look(const char *path, struct repo_facts *ret, struct err *e);

/* A linked worktree of the repository `main`, which repo_look() found good: `name` is its directory in .git/worktrees, `path` where it
 * is. Only is_repository, detached, head, branch, clean and why are found. Its .git and git's record of it must name each other. */
int repo_look_linked(const char *main, const char *name, const char *path, struct repo_facts *ret, struct err *e);

/* The tree of the commit `head` as files in the new directory `to`: raw blobs, 0644 or 0755 (less the umask), symbolic links. A
 * submodule in it: ERR_USAGE; more than the bounds: ERR_LIMIT. On error nothing is left. */
int repo_export(const char *path, const char *head, const char *to, struct err *e);

/* Is this commit HEAD, or in its history? For a repository that repo_look() found to be one. */
int repo_contains(const char *path, const char *commit, bool *ret, struct err *e);

/* The first of these names (files or directories, without a slash at the end) that the tree of the commit `head` does not have; `n`: it
 * has all. For a repository that repo_look() found to be one. */
int repo_lacks(const char *path, const char *head, const char *const *names, int n, int *ret, struct err *e);

/* Of all there is, worktree and .git: every file's path, mode and bytes. Equal before and after: nobody wrote. */
int repo_content_digest(const char *path, char ret[DIGEST_HEX_SIZE], struct err *e);

/* A new repository in the new directory `path`: one commit with the files of `from_dir` (none of them named .git), on `branch`
 * ("main" or "refs/heads/main"), no remotes, no hooks. Identity and dates are fixed: the same files give the same commit. On
 * error nothing is left. */
int repo_create(const char *path, const char *from_dir, const char *branch, struct repo_facts *ret, struct err *e);

/* One commit more on its branch, with HEAD's tree as it is: for a repository of repo_create()'s that is to have a history. Nobody
 * else may be at work in it. */
int repo_add_empty_commit(const char *path, const char *message, struct err *e);

#endif
