/* pack.h - objects that are made in memory and leave as one pack. */
#ifndef CTO_WORKER_INSPECT_PACK_H
#define CTO_WORKER_INSPECT_PACK_H

#include <git2.h>
#include <stdint.h>

#include "common/err.h"

/* A repository that exists in memory only. */
struct workshop {
    git_odb *odb;
    git_repository *repo;
    git_packbuilder *pack;
};
/* `scratch` is an existing directory of ours, for libgit2's settings. */
int workshop_open(struct workshop *w, const char *scratch, struct err *e);
void workshop_release(struct workshop *w);
int workshop_blob(struct workshop *w, const void *p, size_t n, git_oid *ret, struct err *e);
/* With our identity, at INSPECT_EPOCH + seconds. parent may be NULL. */
int workshop_commit(struct workshop *w, const git_oid *tree, const git_oid *parent, int seconds, const char *message,
                    git_oid *ret, struct err *e);

#define PACK_NAME_SIZE 64 /* "pack-" + 40 or 64 digits + NUL */
/* All commits made and what they need, as pack and index, into `objects_dir`/pack. */
int workshop_pack(struct workshop *w, const char *objects_dir, char name[PACK_NAME_SIZE], uint32_t *ret_objects,
                  struct err *e);

#endif
