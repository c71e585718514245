/* digest.h - SHA-256 by libcrypto. Linked by supervisor, inspector and panel only; never by worker or sandbox. */
#ifndef CTO_COMMON_DIGEST_H
#define CTO_COMMON_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define DIGEST_HEX_SIZE 65 /* 64 hex digits + NUL */
#define DIGEST_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct digest;                   /* a running SHA-256 */
struct digest *digest_new(void); /* never NULL: aborts when libcrypto cannot give one */
void digest_update(struct digest *d, const void *p, size_t n);
void digest_final(struct digest *d, char hex[DIGEST_HEX_SIZE]); /* may be called once */
void digest_free(struct digest *d);

void digest_bytes(const void *p, size_t n, char hex[DIGEST_HEX_SIZE]);
/* Of everything from the current offset of `fd` to its end; ret_size may be NULL. */
int digest_fd(int fd, char hex[DIGEST_HEX_SIZE], uint64_t *ret_size, struct err *e);
int digest_file_at(int dirfd, const char *path, char hex[DIGEST_HEX_SIZE], uint64_t *ret_size, struct err *e);

#endif
