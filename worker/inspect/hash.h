/* hash.h - git's object ids of raw bytes, and a set of ids. No attributes, no filters, no line-end conversion. */
#ifndef CTO_WORKER_INSPECT_HASH_H
#define CTO_WORKER_INSPECT_HASH_H

#include <git2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* The id of a blob of these bytes. Aborts when libcrypto has no SHA-1. */
void hash_blob(const void *p, size_t n, git_oid *ret);
/* The same of the `size` bytes of `fd`: 1 when it has more or fewer (it changes while we read), -1 with errno. */
int hash_blob_fd(int fd, uint64_t size, git_oid *ret);
/* The id of an object that comes out of a stream in pieces: 1 when it is not exactly `size` long, -1 on failure. */
int hash_object_stream(git_odb_stream *stream, git_object_t type, uint64_t size, git_oid *ret);

/* Open addressing, seeded: the ids in it are the agent's choice. Zeroed memory is an empty set. */
struct oidset {
    git_oid *v;
    uint8_t *used;
    size_t n, cap;
    uint64_t seed;
};
void oidset_release(struct oidset *s);
bool oidset_has(const struct oidset *s, const git_oid *oid);
/* 1: added, 0: was there, -1: no memory. */
int oidset_add(struct oidset *s, const git_oid *oid, struct err *e);

/* A mixing hash for fingerprints; not for anything that somebody could want to forge. */
uint64_t hash_mix(uint64_t h, const void *p, size_t n);

#endif
