/* core_guard.h - may a route to the core be opened, or is somebody at work there? Read-only looks at a core repository, each of which
 * must be passed without a doubt: what is missing, odd or cannot be read has not been passed (design: governance, `guard core-route`).
 *
 *   worktree_list                  .git is a directory, and .git/worktrees reads to its end
 *   main_status                    the main worktree is clean, nothing is half done (repo.h)
 *   active_worktree_status         no linked worktree is at work: each is there, not locked, nothing half done, on main's commit, clean
 *   sequence_route_file            the route file is there and reads as JSON
 *   running_validation_processes   no process stands in the repository or one of its worktrees, and all processes could be seen
 *   idle_route                     the route file says {"route_status": "idle"} and names no "active_route"
 *   no_conflicting_worktree        no worktree, branch, directory or active route has one of the names that always conflict
 *
 * Nothing is written there, nothing locked, nothing started.
 */
#ifndef CTO_SUPERVISOR_CORE_GUARD_H
#define CTO_SUPERVISOR_CORE_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

#define GUARD_CHECKS 7
#define GUARD_WORKTREES_MAX 256
#define GUARD_CONFLICTS_MAX 64
#define GUARD_ROUTE_FILE "sequence-route.json" /* in the repository, unless another is named */

enum guard_check_id {
    GUARD_WORKTREE_LIST,
    GUARD_MAIN_STATUS,
    GUARD_ACTIVE_WORKTREES,
    GUARD_ROUTE,
    GUARD_PROCESSES,
    GUARD_IDLE,
    GUARD_CONFLICTS
};

struct guard_worktree {
    char name[256];  /* of its directory in .git/worktrees */
    char path[4096]; /* as git wrote it */
    char head[256];  /* "refs/heads/x", or a commit's id */
    char why[160];   /* "": it is idle. Else why it is not, or may not be */
};

struct guard_question {
    const char *core; /* absolute, in its shortest form */
    const char *route_file;
    const char *conflicts[GUARD_CONFLICTS_MAX];
    int n_conflicts;
};

struct core_guard {
    const struct guard_question *q; /* borrowed */
    struct guard_worktree *trees;   /* owned */
    int n_trees;
    char main_head[256], main_commit[64];
    char active_route[256]; /* as the route file has it; "" when it names none */
    struct {
        bool asked, passed;
        char why[320]; /* "" when it passed */
    } checks[GUARD_CHECKS];
};

const char *guard_check_name(int i);
/* All checks, always: one that fails does not hide another. Never fails itself: what cannot be answered is a check not passed. */
void core_guard_look(struct core_guard *g, const struct guard_question *q);
bool core_guard_clear(const struct core_guard *g);
void core_guard_release(struct core_guard *g);

/* --- shared by core_*.c ------------------------------------------------------------------------------------------------------- */
void guard_pass(struct core_guard *g, enum guard_check_id id);
/* The first reason of a check stays. */
void guard_doubt(struct core_guard *g, enum guard_check_id id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void guard_look_at_worktrees(struct core_guard *g, int core);
void guard_look_at_processes(struct core_guard *g);
struct repo_facts;
/* The main worktree, or a linked one. */
int guard_repo_look(const char *core, const struct guard_worktree *t, struct repo_facts *f, struct err *e);

#endif
