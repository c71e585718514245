/* store.h - our own GIT_DIR, beyond the agent's reach, and checked reading from it.
 *
 * It is a bare repository that git can read (HEAD, config, refs/cto/...), but libgit2 sees only its two object
 * backends: no configuration, no alternates, no refs, no worktree. What is missing in it is imported from the agent's
 * repository on demand when the store was opened with a workspace. `cto-state` in it says what the baseline is, for
 * the steps after the first.
 */
#ifndef CTO_WORKER_INSPECT_STORE_H
#define CTO_WORKER_INSPECT_STORE_H

#include <git2.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/inspect/import.h"

struct store {
    char *dir;
    int dir_fd;
    git_odb *odb;
    git_odb *base; /* the baseline's own pack alone: what is in it needs no proof. NULL when there is no baseline */
    git_repository *repo; /* wraps odb */
    bool baseline_empty;  /* HEAD was unborn at the start */
    git_oid baseline;     /* all zeros when baseline_empty */
    struct importer import;
    uint64_t bytes_read, cpu_from_us; /* since store_begin() */
    unsigned reads;
};

/* Directories, HEAD and config of a bare repository at `dir`, which exists and is empty. */
int store_create(const char *dir, struct err *e);
/* Writes cto-state and refs/cto/baseline. `pack` is the name in objects/pack without suffix, NULL with an empty
 * baseline. */
int store_set_baseline(const char *dir, const git_oid *baseline, const char *pack, struct err *e);
/* Opens what store_create and store_set_baseline made. ws_fd is borrowed; -1: import nothing. */
int store_open(struct store *s, const char *dir, int ws_fd, struct err *e);
void store_release(struct store *s);
/* The bounds on bytes, work and time count from here: the watch calls it for each look. */
void store_begin(struct store *s);

/* Makes the object available, importing it when needed, and checks type and size by its header before anything reads
 * it. */
int store_need(struct store *s, const git_oid *oid, git_object_t type, uint64_t max, uint64_t *ret_size, struct err *e);
/* Whole objects; libgit2 compares bytes and id. A tree's entries have been checked: names, modes, order. */
int store_commit(struct store *s, const git_oid *oid, git_commit **ret, struct err *e);
int store_tree(struct store *s, const git_oid *oid, git_tree **ret, struct err *e);
int store_blob(struct store *s, const git_oid *oid, git_odb_object **ret, struct err *e);
bool store_is_base(const struct store *s, const git_oid *oid);

/* refs/cto/NAME of our repository. Reading: 1, or 0 when it does not exist. */
int store_write_ref(const struct store *s, const char *name, const git_oid *oid, struct err *e);
int store_read_ref(const struct store *s, const char *name, git_oid *ret, struct err *e);
/* A small text file of ours, to tell a later step something. Reading: 1, or 0 when it does not exist. */
int store_write_note(const struct store *s, const char *name, const char *text, struct err *e);
int store_read_note(const struct store *s, const char *name, char *out, size_t out_size, struct err *e);

#endif
