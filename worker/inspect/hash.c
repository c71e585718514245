/* hash.c - raw hashing of what lies in the worktree.
 *
 * The verdict "this file is what the commit says" must not pass through attributes, filters or line-end conversion,
 * which are the agent's to write: so the bytes are hashed as they are. SHA-1 comes from libcrypto, initialised without
 * its configuration file, which a confined process cannot read.
 */
#include "worker/inspect/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static EVP_MD_CTX *start(const char *type, uint64_t size) {
    static EVP_MD *sha1;
    static EVP_MD_CTX *ctx;
    if (ctx == NULL) {
        BUG_UNLESS(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1);
        sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
        ctx = EVP_MD_CTX_new();
        BUG_UNLESS(sha1 != NULL && ctx != NULL);
    }
    char header[40];
    int n = snprintf(header, sizeof header, "%s %llu", type, (unsigned long long)size);
    BUG_UNLESS(EVP_DigestInit_ex2(ctx, sha1, NULL) == 1 && EVP_DigestUpdate(ctx, header, (size_t)n + 1) == 1);
    return ctx;
}

static void finish(EVP_MD_CTX *ctx, git_oid *ret) {
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    BUG_UNLESS(EVP_DigestFinal_ex(ctx, md, &n) == 1 && n == GIT_OID_RAWSZ);
    git_oid_fromraw(ret, md);
}

void hash_blob(const void *p, size_t n, git_oid *ret) {
    EVP_MD_CTX *ctx = start("blob", n);
    BUG_UNLESS(n == 0 || EVP_DigestUpdate(ctx, p, n) == 1);
    finish(ctx, ret);
}

int hash_object_stream(git_odb_stream *stream, git_object_t type, uint64_t size, git_oid *ret) {
    static char chunk[64 << 10];
    EVP_MD_CTX *ctx = start(git_object_type2string(type), size);
    for (uint64_t left = size;;) {
        int n = git_odb_stream_read(stream, chunk, sizeof chunk);
        if (n < 0) return -1;
        if (n == 0) {
            if (left != 0) return 1;
            finish(ctx, ret);
            return 0;
        }
        if ((uint64_t)n > left) return 1;
        BUG_UNLESS(EVP_DigestUpdate(ctx, chunk, (size_t)n) == 1);
        left -= (uint64_t)n;
    }
}

int hash_blob_fd(int fd, uint64_t size, git_oid *ret) {
    static unsigned char chunk[64 << 10];
    EVP_MD_CTX *ctx = start("blob", size);
    uint64_t left = size;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        if ((uint64_t)n > left) return 1;
        BUG_UNLESS(EVP_DigestUpdate(ctx, chunk, (size_t)n) == 1);
        left -= (uint64_t)n;
    }
    if (left != 0) return 1;
    finish(ctx, ret);
    return 0;
}

uint64_t hash_mix(uint64_t h, const void *p, size_t n) {
    const unsigned char *b = p;
    while (n >= 8) {
        uint64_t w;
        memcpy(&w, b, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
        b += 8;
        n -= 8;
    }
    uint64_t tail = n;
    for (size_t i = 0; i < n; i++) tail = (tail << 8) | b[i];
    h = (h ^ tail) * 0xbf58476d1ce4e5b9u;
    return h ^ (h >> 32);
}

static size_t slot(const struct oidset *s, const git_oid *oid) {
    size_t i = (size_t)hash_mix(s->seed, oid->id, GIT_OID_RAWSZ) & (s->cap - 1);
    while (s->used[i] && git_oid_cmp(&s->v[i], oid) != 0) i = (i + 1) & (s->cap - 1);
    return i;
}

static int grow(struct oidset *s, struct err *e) {
    struct oidset bigger = {.cap = s->cap == 0 ? 256 : s->cap * 2, .n = s->n, .seed = s->seed};
    if (bigger.seed == 0 && getrandom(&bigger.seed, sizeof bigger.seed, 0) < 0) return err_sys(e, "getrandom");
    bigger.v = malloc(bigger.cap * sizeof *bigger.v);
    bigger.used = calloc(bigger.cap, 1);
    if (bigger.v == NULL || bigger.used == NULL) {
        oidset_release(&bigger);
        return err_set(e, ERR_INTERNAL, "no memory for %zu object ids", s->n);
    }
    for (size_t i = 0; i < s->cap; i++) {
        if (!s->used[i]) continue;
        size_t at = slot(&bigger, &s->v[i]);
        bigger.v[at] = s->v[i];
        bigger.used[at] = 1;
    }
    size_t n = s->n;
    oidset_release(s);
    *s = bigger;
    s->n = n;
    return 0;
}

void oidset_release(struct oidset *s) {
    free(s->v);
    free(s->used);
    *s = (struct oidset){0};
}

bool oidset_has(const struct oidset *s, const git_oid *oid) { return s->cap > 0 && s->used[slot(s, oid)]; }

int oidset_add(struct oidset *s, const git_oid *oid, struct err *e) {
    if (s->n * 2 >= s->cap && grow(s, e) < 0) return -1;
    size_t i = slot(s, oid);
    if (s->used[i]) return 0;
    s->v[i] = *oid;
    s->used[i] = 1;
    s->n++;
    return 1;
}
