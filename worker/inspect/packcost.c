/* packcost.c - see packcost.h. libgit2's indexer makes each object of a pack from its chain of deltas, and a delta of
 * a few bytes may say "the base, 16 MiB at a time, a thousand times": a pack of kilobytes costs hours, in one call that
 * nothing interrupts. What it will cost stands in the pack, though: each delta begins with the size of what it makes.
 * So the pack is inflated once into a buffer that is thrown away, the sizes are added up along the chains, and a pack
 * that is too dear is never given to the indexer.
 *
 * A chain costs the sum of its objects' sizes, because the indexer's cache of bases is small and the agent decides
 * what is in it. A base that is named by id instead of by distance (git writes those on the wire only) may be any
 * object of the pack: its chain is charged with all of it.
 *
 * zlib itself, because nothing of libgit2's interface inflates one entry; libgit2 has it loaded anyway.
 */
#include "worker/inspect/packcost.h"

#include <errno.h>
#include <git2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "worker/inspect/inspect.h"

enum { PACK_OFS_DELTA = 6, PACK_REF_DELTA = 7 };
#define ENTRY_LEAST 9     /* bytes: its head, and zlib's shortest stream */
#define INFLATE_MOST 1032 /* bytes that deflate makes of one */
#define DELTA_HEAD 20     /* two numbers of at most ten bytes */

struct entry {
    uint64_t start, chain; /* offset in the pack; bytes copied to make it */
    uint32_t size;         /* of the object that it makes */
    uint16_t depth;
    bool named; /* somewhere below it a base is named by id */
};

struct reading {
    int fd;
    uint64_t at, end; /* of the next byte to fetch; where the entries end */
    uint8_t buffer[64 << 10];
    size_t used, have;
    uint8_t scratch[64 << 10];
    struct entry *v;
    size_t n, cap;
    uint64_t sum, named; /* sizes of all objects; how many entries are `named` */
    uint64_t *work;
    z_stream z;
};

static int corrupt(struct err *e, const char *what) { return err_set(e, ERR_PARSE, "a pack is corrupt: %s", what); }

static int spend(struct reading *r, uint64_t bytes, struct err *e) {
    if (bytes > PACK_MAX_WORK || (*r->work += bytes) > PACK_MAX_WORK)
        return err_set(e, ERR_LIMIT, "packs that take more than %llu bytes of work to unpack", PACK_MAX_WORK);
    return 0;
}

/* Offset of the next byte to be consumed. */
static uint64_t position(const struct reading *r) { return r->at - (r->have - r->used); }

static int fill(struct reading *r, struct err *e) {
    if (r->used < r->have) return 0;
    size_t want = r->end - r->at < sizeof r->buffer ? (size_t)(r->end - r->at) : sizeof r->buffer;
    if (want == 0) return corrupt(e, "it ends too early");
    ssize_t n;
    do {
        n = pread(r->fd, r->buffer, want, (off_t)r->at);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) return corrupt(e, n < 0 ? "it cannot be read" : "it ends too early");
    r->at += (uint64_t)n;
    r->used = 0;
    r->have = (size_t)n;
    return 0;
}

static int byte(struct reading *r, uint8_t *ret, struct err *e) {
    if (fill(r, e) < 0) return -1;
    *ret = r->buffer[r->used++];
    return 0;
}

/* Type and size: three and four bits in the first byte, seven in each more. */
static int read_head(struct reading *r, unsigned *ret_type, uint64_t *ret_size, struct err *e) {
    uint8_t c = 0;
    if (byte(r, &c, e) < 0) return -1;
    uint64_t size = c & 15;
    *ret_type = (c >> 4) & 7;
    for (unsigned shift = 4; c & 0x80; shift += 7) {
        if (byte(r, &c, e) < 0) return -1;
        if (shift > 50) return corrupt(e, "a size without end");
        size |= (uint64_t)(c & 0x7f) << shift;
    }
    if (size / INFLATE_MOST > r->end - position(r)) return corrupt(e, "an entry is not what its size says");
    if (size > MAX_BLOB) return err_set(e, ERR_LIMIT, "a pack has an entry of %llu bytes", (unsigned long long)size);
    *ret_size = size;
    return 0;
}

static int read_distance(struct reading *r, uint64_t *ret, struct err *e) {
    uint8_t c = 0;
    if (byte(r, &c, e) < 0) return -1;
    uint64_t n = c & 0x7f;
    while (c & 0x80) {
        if (byte(r, &c, e) < 0) return -1;
        if (n > UINT64_MAX >> 8) return corrupt(e, "a distance without end");
        n = ((n + 1) << 7) | (c & 0x7f);
    }
    *ret = n;
    return 0;
}

static const struct entry *entry_at(const struct reading *r, uint64_t start) {
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->v[mid].start < start)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n && r->v[lo].start == start ? &r->v[lo] : NULL;
}

/* Runs the entry's zlib stream to its end, which is the only way to find it; keeps its first bytes. */
static int inflate_entry(struct reading *r, uint64_t size, uint8_t head[DELTA_HEAD], struct err *e) {
    uint64_t made = 0;
    if (inflateReset(&r->z) != Z_OK) return err_set(e, ERR_INTERNAL, "zlib does not reset");
    for (int rc = Z_OK; rc != Z_STREAM_END;) {
        if (fill(r, e) < 0) return -1;
        r->z.next_in = r->buffer + r->used;
        r->z.avail_in = (uInt)(r->have - r->used);
        r->z.next_out = r->scratch;
        r->z.avail_out = sizeof r->scratch;
        rc = inflate(&r->z, Z_NO_FLUSH);
        r->used = r->have - r->z.avail_in;
        size_t n = sizeof r->scratch - r->z.avail_out;
        if ((rc != Z_OK && rc != Z_STREAM_END) || n > size - made)
            return corrupt(e, "an entry is not what its size says");
        /* the first bytes may come in pieces: our buffer ends where it ends */
        for (size_t i = 0; i < n && made + i < DELTA_HEAD; i++) head[made + i] = r->scratch[i];
        made += n;
        if (spend(r, 2 * n, e) < 0) return -1;
    }
    return made == size ? 0 : corrupt(e, "an entry is not what its size says");
}

/* A number of a delta's head; *p moves on. */
static bool delta_number(const uint8_t **p, const uint8_t *end, uint64_t *ret) {
    *ret = 0;
    for (unsigned shift = 0; *p < end && shift < 63; shift += 7) {
        uint8_t c = *(*p)++;
        *ret |= (uint64_t)(c & 0x7f) << shift;
        if ((c & 0x80) == 0) return true;
    }
    return false;
}

/* Fills x, a delta, from its head and its base (NULL: named by id). */
static int weigh_delta(struct entry *x, const struct entry *base, const uint8_t head[DELTA_HEAD], uint64_t size,
                       struct err *e) {
    const uint8_t *p = head, *end = head + (size < DELTA_HEAD ? size : DELTA_HEAD);
    uint64_t from, to;
    if (!delta_number(&p, end, &from) || !delta_number(&p, end, &to)) return corrupt(e, "a delta without a head");
    if (to > MAX_BLOB || from > MAX_BLOB)
        return err_set(e, ERR_LIMIT, "a pack has a delta of an object of more than %u bytes", MAX_BLOB);
    if (base != NULL && base->size != from) return corrupt(e, "a delta of another base");
    x->size = (uint32_t)to;
    x->chain = to + (base != NULL ? base->chain : from);
    x->depth = (uint16_t)(base != NULL ? base->depth + 1 : 1);
    x->named = base == NULL || base->named;
    if (x->depth > PACK_MAX_DEPTH)
        return err_set(e, ERR_LIMIT, "a pack has more than %u deltas on each other", PACK_MAX_DEPTH);
    if (x->chain > PACK_MAX_CHAIN)
        return err_set(e, ERR_LIMIT, "a pack has an object that takes more than %llu bytes of work", PACK_MAX_CHAIN);
    return 0;
}

static int read_entry(struct reading *r, struct entry *x, struct err *e) {
    unsigned type = 0;
    uint64_t size = 0, distance = 0;
    uint8_t head[DELTA_HEAD] = {0}, ignored;
    const struct entry *base = NULL;
    *x = (struct entry){.start = position(r)};
    if (read_head(r, &type, &size, e) < 0) return -1;
    if (type == 0 || type == 5) return corrupt(e, "an entry of no known type");
    if (type == PACK_OFS_DELTA) {
        if (read_distance(r, &distance, e) < 0) return -1;
        base = distance < x->start ? entry_at(r, x->start - distance) : NULL;
        if (base == NULL) return corrupt(e, "a delta without a base");
    }
    for (int i = 0; type == PACK_REF_DELTA && i < GIT_OID_RAWSZ; i++)
        if (byte(r, &ignored, e) < 0) return -1;
    if (inflate_entry(r, size, head, e) < 0) return -1;
    if (type == PACK_OFS_DELTA || type == PACK_REF_DELTA) return weigh_delta(x, base, head, size, e);
    x->size = (uint32_t)size;
    x->chain = size;
    return 0;
}

static int add(struct reading *r, const struct entry *x, struct err *e) {
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? 256 : r->cap * 2;
        struct entry *v = realloc(r->v, cap * sizeof *v);
        if (v == NULL) return err_set(e, ERR_INTERNAL, "no memory for the entries of a pack");
        r->v = v;
        r->cap = cap;
    }
    r->v[r->n++] = *x;
    r->sum += x->size;
    r->named += x->named;
    return spend(r, x->chain + 3ull * x->size, e);
}

static int read_all(struct reading *r, struct err *e) {
    uint8_t header[12];
    for (size_t i = 0; i < sizeof header; i++)
        if (byte(r, &header[i], e) < 0) return -1;
    if (memcmp(header, "PACK\0\0\0", 7) != 0 || (header[7] != 2 && header[7] != 3)) return corrupt(e, "no header");
    uint32_t n =
        (uint32_t)header[8] << 24 | (uint32_t)header[9] << 16 | (uint32_t)header[10] << 8 | (uint32_t)header[11];
    if (n > r->end / ENTRY_LEAST) return corrupt(e, "it claims more objects than it can have");
    if (n > MAX_OBJECTS) return err_set(e, ERR_LIMIT, "a pack of more than %u objects", MAX_OBJECTS);
    struct entry x;
    for (uint32_t i = 0; i < n; i++)
        if (read_entry(r, &x, e) < 0 || add(r, &x, e) < 0) return -1;
    if (r->named > 0 && r->sum > PACK_MAX_WORK / r->named) return spend(r, PACK_MAX_WORK + 1, e);
    return spend(r, r->named * r->sum, e);
}

int pack_cost(int fd, uint64_t size, uint64_t *work, struct err *e) {
    if (size < 12 + GIT_OID_RAWSZ) return corrupt(e, "too short");
    struct reading *r = calloc(1, sizeof *r);
    if (r == NULL) return err_set(e, ERR_INTERNAL, "no memory to read a pack");
    r->fd = fd;
    r->end = size - GIT_OID_RAWSZ;
    r->work = work;
    int rc = inflateInit(&r->z) == Z_OK ? read_all(r, e) : err_set(e, ERR_INTERNAL, "zlib does not start");
    inflateEnd(&r->z);
    free(r->v);
    free(r);
    return rc;
}
