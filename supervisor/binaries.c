/* binaries.c - see binaries.h. The files are read, never executed: a build id in the bytes is enough, and costs no start. */
#include "supervisor/binaries.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "build_id.h"
#include "common/io.h"

#define MARK "CTO-BUILD-ID:"

static const char *const names[] = {"cto-harness",         "cto-harness-worker",  "cto-harness-inspect",
                                    "cto-harness-gateway", "cto-harness-observe", "cto-harness-fake-agent"};
#define N_NAMES (sizeof names / sizeof names[0])

struct binaries {
    struct seal_binary list[N_NAMES];
    char sha[N_NAMES][DIGEST_HEX_SIZE];
};

static int check_bytes(const char *path, const char *p, size_t n, char sha[DIGEST_HEX_SIZE], struct err *e) {
    const char *found = NULL;
    for (const char *at = p, *end = p + n; (at = memmem(at, (size_t)(end - at), MARK, strlen(MARK))); at++) {
        if ((size_t)(end - at) < strlen(MARK) + 64) break;
        if (strspn(at + strlen(MARK), "0123456789abcdef") < 64) continue; /* this very literal in the supervisor */
        found = at + strlen(MARK);
        if (memcmp(found, CTO_BUILD_ID, 64) == 0) {
            digest_bytes(p, n, sha);
            return 0;
        }
    }
    if (!found) return err_set(e, ERR_USAGE, "%s is not a program of this project: install again", path);
    return err_set(e, ERR_USAGE, "%s is of build %.12s, this program of build %.12s: install both from one build", path,
                   found, CTO_BUILD_ID);
}

static int check_one(const char *path, char sha[DIGEST_HEX_SIZE], struct err *e) {
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_sys(e, "%s", path);
        if (e) e->code = ERR_MISSING;
        return -1;
    }
    if (!S_ISREG(st.st_mode) || st.st_size == 0) return err_set(e, ERR_USAGE, "%s: not a program", path);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return err_sys(e, "map %s", path);
    int rc = check_bytes(path, p, (size_t)st.st_size, sha, e);
    munmap(p, (size_t)st.st_size);
    return rc;
}

int binaries_check_file(const char *path, struct err *e) {
    char sha[DIGEST_HEX_SIZE];
    return check_one(path, sha, e);
}

int binaries_check(const char *libexec, struct binaries **ret, struct err *e) {
    struct binaries *b = calloc(1, sizeof *b);
    BUG_UNLESS(b != NULL);
    for (size_t i = 0; i < N_NAMES; i++) {
        char path[4096 + 64];
        if (i == 0)
            snprintf(path, sizeof path, "/proc/self/exe");
        else
            snprintf(path, sizeof path, "%s/%s", libexec, names[i]);
        if (check_one(path, b->sha[i], e) < 0) {
            free(b);
            return -1;
        }
        b->list[i] = (struct seal_binary){names[i], b->sha[i]};
    }
    *ret = b;
    return 0;
}

const struct seal_binary *binaries_list(const struct binaries *b, int *ret_n) {
    *ret_n = (int)N_NAMES;
    return b->list;
}

void binaries_free(struct binaries *b) { free(b); }
