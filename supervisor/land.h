/* land.h - a verified result becomes one commit of a repository that the operator owns; all of it, or nothing.
 *
 * What lands is a list of paths and opaque blobs, each held against its id, laid over the tree of the commit that the target had
 * when the run began; the tree that comes out must be the verified one. No tree, pack or index of an agent is read.
 *
 *   nobody holds the target            the target's lock: flock on its .git, seen by other homes and dropped by the kernel
 *   what will be is known              journal {target, branch, old, new} in the store, durable
 *   objects                            blobs, trees, commit: written, fsynced, reachable from nothing yet
 *   git's locks                        index.lock, HEAD.lock, BRANCH.lock: each appears with its owner written in it
 *   nothing has moved                  looked at again: clean, same branch, HEAD == old, room for every path
 *   BRANCH old -> new                  THE COMMIT POINT, one rename; then the reflogs
 *   worktree, index                    only the changed paths; nothing that somebody changed meanwhile is lost
 *   verify                             clean, HEAD == new
 *   journal finished
 *
 * Killed anywhere, land_recover() finds ref == old and takes back what was prepared (loose objects stay, as git leaves them), or
 * ref == new and does what is left: both by the same code as the first time. git commands that write are kept out by git's own
 * locks from the look to the end. What cannot be settled without losing somebody's work is left as it is: state `conflict`.
 */
#ifndef CTO_SUPERVISOR_LAND_H
#define CTO_SUPERVISOR_LAND_H

#include <stdint.h>

#include "common/err.h"
#include "supervisor/repo.h"
#include "supervisor/store.h"

#define LAND_CHANGES_MAX 20000

struct land_change {
    const char *path;       /* relative to the repository, as git has it */
    uint32_t mode;          /* 0: removed; 0100644, 0100755, 0120000 */
    char oid[REPO_ID_SIZE]; /* of the blob, lower-case; ignored when it is removed */
};

struct land_order {
    const char *target;                   /* as repo_look() takes it */
    const char *branch;                   /* refs/heads/..., what HEAD names */
    const struct repo_identity *identity; /* of the repository that was looked at; NULL: whichever is there */
    const char *old_head;                 /* what the branch must be, and the new commit's only parent */
    const char *expect_tree;              /* id of the verified result's tree */
    const char *blob_dir;                 /* one file for each blob, named by its id */
    const char *message, *author_name, *author_email;
    int64_t when_s;                    /* of author and committer, seconds since 1970 */
    const struct land_change *changes; /* in any order, no path twice */
    int n_changes;
    const char *run_id; /* one landing for a run */
};

/* ERR_CONFLICT: the target is not, or no longer, what the order says, somebody works in it, or the result is not the verified one
 * (wrong blob, wrong tree, a path that may not be): nothing was written, but loose objects. Any other error before the commit point
 * is like it. After it there are two ends that are no success: the store or the disk failed (the next land_recover() goes on), or a
 * file was changed by somebody between look and write (ERR_CONFLICT; the commit stands, ret_commit is set, their file too; journal
 * `conflict`). ret_commit is "" exactly when the target's branch was not moved. */
int land(struct store *s, const struct land_order *o, char ret_commit[REPO_ID_SIZE], struct err *e);

/* One commit on top that takes back exactly the landing of this run, also when others came after it, by lines where a file was
 * changed again. What cannot be taken back so: ERR_CONFLICT, nothing changed. Said twice it returns the commit it made. `reason`:
 * one line, for the message. ERR_MISSING: this run has landed nothing. */
int land_revert(struct store *s, const char *run_id, const char *reason, char ret_commit[REPO_ID_SIZE], struct err *e);

/* Is the commit in this run's journal what the run made, this tree on top of the old head and of nothing else? ERR_CONFLICT when it
 * is another one; any other error: that cannot be seen now. Writes nothing. */
int land_is_of(struct store *s, const char *run_id, const char *tree, struct err *e);

/* And is it still on its branch, and the target on that branch? ERR_CONFLICT when it is not, ERR_MISSING when nothing was landed. */
int land_stands(struct store *s, const char *run_id, const char *tree, struct err *e);

/* Every journal entry that is not finished, unless a living process holds its target: ref == old is forgotten, ref == new finished,
 * also when the operator has committed on top since; anything else stays `conflict`, and `warn` is told each time what to do. Errors
 * are of the store only: one bad target keeps no other from being settled. */
int land_recover(struct store *s, void (*warn)(void *ctx, const char *text), void *ctx, struct err *e);

#endif
