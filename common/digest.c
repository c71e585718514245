/* digest.c - see digest.h. */
#include "common/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"

struct digest {
    EVP_MD_CTX *md;
};

struct digest *digest_new(void) {
    struct digest *d = malloc(sizeof *d);
    BUG_UNLESS(d != NULL);
    d->md = EVP_MD_CTX_new();
    BUG_UNLESS(d->md != NULL && EVP_DigestInit_ex(d->md, EVP_sha256(), NULL) == 1);
    return d;
}

void digest_update(struct digest *d, const void *p, size_t n) { BUG_UNLESS(EVP_DigestUpdate(d->md, p, n) == 1); }

static void to_hex(const unsigned char *raw, char hex[DIGEST_HEX_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    hex[64] = '\0';
}

void digest_final(struct digest *d, char hex[DIGEST_HEX_SIZE]) {
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    BUG_UNLESS(EVP_DigestFinal_ex(d->md, raw, &n) == 1 && n == 32);
    to_hex(raw, hex);
}

void digest_free(struct digest *d) {
    if (!d) return;
    EVP_MD_CTX_free(d->md);
    free(d);
}

void digest_bytes(const void *p, size_t n, char hex[DIGEST_HEX_SIZE]) {
    struct digest *d = digest_new();
    digest_update(d, p, n);
    digest_final(d, hex);
    digest_free(d);
}

int digest_fd(int fd, char hex[DIGEST_HEX_SIZE], uint64_t *ret_size, struct err *e) {
    unsigned char chunk[65536];
    uint64_t total = 0;
    struct digest *d = digest_new();
    for (;;) {
        ssize_t n = io_read_full(fd, chunk, sizeof chunk, e);
        if (n < 0) {
            digest_free(d);
            return -1;
        }
        digest_update(d, chunk, (size_t)n);
        total += (uint64_t)n;
        if ((size_t)n < sizeof chunk) break;
    }
    digest_final(d, hex);
    digest_free(d);
    if (ret_size) *ret_size = total;
    return 0;
}

int digest_file_at(int dirfd, const char *path, char hex[DIGEST_HEX_SIZE], uint64_t *ret_size, struct err *e) {
    AUTO_FD int fd = io_open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK, 0, e);
    if (fd < 0) return -1;
    return digest_fd(fd, hex, ret_size, e) < 0 ? err_ctx(e, "%s", path) : 0;
}
