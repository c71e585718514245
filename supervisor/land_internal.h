/* land_internal.h - shared by land*.c: one landing (or the commit that takes one back) on its way, under the target's lock. */
#ifndef CTO_SUPERVISOR_LAND_INTERNAL_H
#define CTO_SUPERVISOR_LAND_INTERNAL_H

#include "supervisor/land.h"
#include "supervisor/repo_git.h"

/* Below .git; holds new files until they change places with old ones, and what our locks are links of. There only while a landing
 * is unfinished. */
#define LAND_STAGE "cto-harness-landing"

struct landing {
    struct store *store;
    struct store_landing j; /* the journal's row */
    struct repo repo;       /* its git_fd has the flock */
    int stage_fd;
    git_oid old_head, new_head;
    struct tree_changes changes; /* from the old to the new tree */
    size_t conflicts;            /* paths that are somebody's */
    bool moved;                  /* the branch: the commit point was passed */
    bool beside;                 /* a revert: dirt beside its own paths is the operator's and no obstacle */
};

/* --- land_locks.c --- */
/* Opens the target and takes its flock. ERR_CONFLICT when somebody has it. */
int land_hold(struct landing *l, const char *target, struct err *e);
void land_release(struct landing *l);
#define AUTO_LANDING __attribute__((cleanup(land_release)))
/* A new, empty staging directory (`again`: or the one that is there), on a file system that can do what is needed. */
int land_stage_open(struct landing *l, bool again, struct err *e);
/* git's lock files, each complete from its first moment and recognisable as ours. `branch`: its too, with the new id in it. */
int land_lock_git(struct landing *l, bool branch, struct err *e);
/* Removes what is ours of them, and the staging directory. Also what an earlier process left. */
void land_unlock_git(struct landing *l);
/* The lock files alone. */
void land_drop_locks(const struct landing *l);
/* The commit point: old -> new, under the locks. Sets l->moved. */
int land_move_branch(struct landing *l, struct err *e);
/* Nothing depends on them: as far as it can be done. */
void land_reflogs(const struct landing *l);

/* --- land_worktree.c --- */
/* Before the commit point: is there room for every path, and may it be written there? ERR_CONFLICT. */
int land_room(const struct landing *l, struct err *e);
/* The new files, complete and fsynced, in the staging directory. */
int land_stage_files(struct landing *l, struct err *e);
/* After it, as often as it takes: every changed path becomes the new one, if it is still the old one. Counts l->conflicts. */
int land_put_files(struct landing *l, struct err *e);

/* Is something in the staging directory that is neither the old nor the new file? Then it goes where nothing is ever removed. */
void land_keep_foreign(struct landing *l);

/* --- land_index.c --- */
/* The changed paths' entries, in one rename of a whole new index. Counts l->conflicts. */
int land_put_index(struct landing *l, struct err *e);

/* --- land_finish.c --- */
/* Journal to commit point: objects (`blob_dir` NULL: those in memory are all), locks, a last look, the branch. On error nothing has
 * happened, and the journal has forgotten it. */
int land_begin(struct landing *l, struct new_objects *o, const char *blob_dir, struct err *e);
/* From the commit point to the journal's end. `strict`: what is not clean then is a conflict, whosever it is. */
int land_finish(struct landing *l, bool strict, struct err *e);
/* Can it be used, is it clean (`beside`: or not), on this branch? ret_head may be NULL. ERR_CONFLICT. */
int land_look(const char *target, const char *branch, bool beside, char ret_head[REPO_ID_SIZE], struct err *e);

/* --- land_recover.c --- */
/* What a journal entry that is not finished can become now, as land_recover() says. *ret_text: what a person has to do, "" when
 * there is nothing. */
int land_settle(struct store *s, const struct store_landing *j, char ret_text[600], struct err *e);

#endif
