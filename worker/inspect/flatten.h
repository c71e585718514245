/* flatten.h - a commit's tree as one sorted list of paths. */
#ifndef CTO_WORKER_INSPECT_FLATTEN_H
#define CTO_WORKER_INSPECT_FLATTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/inspect/store.h"

/* What stat said when the content was hashed; a file with the same key is taken to be unchanged, for the stop hint
 * only. */
struct stat_key {
    uint64_t ino, size;
    int64_t mtime_ns, ctime_ns;
    uint32_t mode;
};

struct flat_entry {
    size_t path; /* offset into flat.paths, NUL-terminated there */
    uint32_t len;
    uint32_t mode; /* git's: 100644, 100755, 120000, 160000 octal */
    git_oid oid;
    bool seen;      /* by the walk in progress */
    bool hashed;    /* key and hash are valid */
    bool submodule; /* one that the case declared: what lies below it is not ours to judge (session.h) */
    struct stat_key key;
    git_oid hash; /* of the file in the worktree that `key` describes */
};

struct flat {
    struct flat_entry *v; /* in strictly ascending byte order of path: git's index order */
    size_t n, cap;
    char *paths;
    size_t paths_len, paths_cap;
};

void flat_release(struct flat *f);
/* Appends; whoever builds a list by hand keeps the order. */
int flat_add(struct flat *f, const char *path, size_t n, uint32_t mode, const git_oid *oid, struct err *e);
/* The list of a tree; `f` is replaced. Bounded in files, depth, path length and bytes: ERR_LIMIT. */
int flatten(struct store *s, const git_oid *tree, struct flat *f, struct err *e);
/* The tree of a commit; the zero id gives an empty list. */
int flatten_commit(struct store *s, const git_oid *commit, struct flat *f, struct err *e);

static inline const char *flat_path(const struct flat *f, const struct flat_entry *x) { return f->paths + x->path; }
/* Brings a list that was built in another order into the right one. */
void flat_sort(struct flat *f);
struct flat_entry *flat_find(const struct flat *f, const char *path, size_t n);
/* Is there an entry below this directory? */
bool flat_has_below(const struct flat *f, const char *dir, size_t n);
/* Takes over what the older list knew about the same paths. */
void flat_inherit(struct flat *f, const struct flat *older);

#endif
