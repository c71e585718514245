/* Projects of a quota: nothing is claimed and nothing stays where there is none; where there is one, and we are root, what a project
 * holds is counted, also when it is deleted and open, and what is more than its limit is refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "common/quota.h"

#define ID 1879056391u /* the last of the slots' range */
#define MIB (UINT64_C(1) << 20)

static int entries(const char *dir) {
    char cmd[256];
    int n = -1;
    snprintf(cmd, sizeof cmd, "ls -A '%s' | wc -l", dir);
    FILE *f = popen(cmd, "re");
    if (f && fscanf(f, "%d", &n) != 1) n = -1;
    if (f) pclose(f);
    return n;
}

/* Bytes that went into a new file before the first refusal; *ret_errno says why. */
static uint64_t fill(int fd, uint64_t bytes, int *ret_errno) {
    static char block[65536];
    uint64_t done = 0;
    *ret_errno = 0;
    while (done < bytes) {
        const ssize_t n = write(fd, block, sizeof block);
        if (n < 0) *ret_errno = errno;
        if (n <= 0) break;
        done += (uint64_t)n;
    }
    return done;
}

static void without(const char *path) {
    AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct quota_use use = {7, 7};
    struct err e = ERR_INIT;
    NEED(dir >= 0);
    CHECK(!quota_usable(dir, ID));
    CHECK(entries(path) == 0);
    CHECK(quota_limit(dir, ID, (struct quota_use){MIB, 1}, &e) < 0);
    CHECK(quota_use(dir, ID, &use, &e) < 0 && use.bytes == 7);
}

static void counts_and_refuses(int root) {
    struct quota_use before, use;
    int error;
    NEED(mkdirat(root, "p", 0755) == 0);
    AUTO_FD int dir = openat(root, "p", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(quota_project(dir) == 0);
    NEED(quota_join(dir, ID, NULL) == 0 && quota_use(dir, ID, &before, NULL) == 0);
    CHECK(quota_project(dir) == ID && quota_project(root) == 0);
    NEED(mkdirat(dir, "sub", 0755) == 0);
    AUTO_FD int sub = openat(dir, "sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(quota_project(sub) == ID);
    AUTO_FD int file = openat(dir, "sub/file", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fill(file, 2 * MIB, &error) == 2 * MIB);
    CHECK(quota_use(dir, ID, &use, NULL) == 0 && use.inodes == before.inodes + 2 &&
          use.bytes >= before.bytes + 2 * MIB);
    CHECK(unlinkat(dir, "sub/file", 0) == 0);
    CHECK(quota_use(dir, ID, &use, NULL) == 0 && use.bytes >= before.bytes + 2 * MIB); /* held open */
    NEED(quota_limit(dir, ID, (struct quota_use){before.bytes + 4 * MIB, before.inodes + 3}, NULL) == 0);
}

/* Privilege passes a quota by: whoever is limited has none. */
static void refuses(int root) {
    AUTO_FD int dir = openat(root, "p", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = 0;
    NEED(fchmod(dir, 0777) == 0 && setegid(ID) == 0 && seteuid(ID) == 0);
    AUTO_FD int file = openat(dir, "big", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    const uint64_t got = fill(file, 16 * MIB, &error);
    CHECK(got < 4 * MIB && error == EDQUOT);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        if (mkdirat(dir, name, 0755) < 0) error = -errno;
    }
    CHECK(error == -EDQUOT);
    CHECK(quota_limit(dir, ID, (struct quota_use){0, 0}, NULL) < 0); /* not theirs to take back */
    NEED(seteuid(0) == 0 && setegid(0) == 0);
    CHECK(quota_limit(dir, ID, (struct quota_use){0, 0}, NULL) == 0);
    CHECK(fill(file, 8 * MIB, &error) == 8 * MIB);
}

int main(void) {
    char path[] = "/dev/shm/cto-quota.XXXXXX", here[256];
    struct err e = ERR_INIT;
    NEED(mkdtemp(path) != NULL);
    without(path); /* a tmpfs has no projects */
    CHECK(rmdir(path) == 0);
    snprintf(here, sizeof here, "%s/cto-quota.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    NEED(mkdtemp(here) != NULL);
    AUTO_FD int root = open(here, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool usable = quota_usable(root, ID);
    printf("project quota in %s: %s\n", here, usable ? "yes" : "no");
    CHECK(entries(here) == 0);
    if (usable) {
        counts_and_refuses(root);
        refuses(root);
        CHECK(io_remove_tree_at(root, "p", &e) == 0);
    }
    CHECK(rmdir(here) == 0);
    return check_done();
}
