/* test_common_digest.c - SHA-256 against published values, in pieces, of files; links, directories and FIFOs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "common/digest.h"
#include "common/io.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void known(void) {
    char hex[DIGEST_HEX_SIZE];
    digest_bytes("", 0, hex);
    CHECK(strcmp(hex, DIGEST_EMPTY) == 0);
    digest_bytes("abc", 3, hex);
    CHECK(strcmp(hex, ABC) == 0);
    static char a[1000000];
    memset(a, 'a', sizeof a);
    for (size_t step = 1; step < sizeof a * 2; step = step * 7 + 1) {
        struct digest *d = digest_new();
        for (size_t at = 0; at < sizeof a; at += step)
            digest_update(d, a + at, sizeof a - at < step ? sizeof a - at : step);
        digest_final(d, hex);
        digest_free(d);
        CHECK(strcmp(hex, MILLION_A) == 0);
    }
    digest_free(NULL);
}

static void files(void) {
    char dir[] = "/tmp/cto-unit-XXXXXX", hex[DIGEST_HEX_SIZE] = "";
    uint64_t size = 7;
    struct err e = ERR_INIT;
    NEED(mkdtemp(dir) != NULL);
    AUTO_FD int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(at >= 0 && mkdirat(at, "sub", 0700) == 0);
    static char a[1000000];
    memset(a, 'a', sizeof a);
    CHECK(io_replace_file_at(at, "sub/million", a, sizeof a, 0600, 0, &e) == 0);
    CHECK(io_replace_file_at(at, "empty", "", 0, 0600, 0, &e) == 0);
    CHECK(digest_file_at(at, "sub/million", hex, &size, &e) == 0 && strcmp(hex, MILLION_A) == 0 && size == 1000000);
    CHECK(digest_file_at(at, "empty", hex, NULL, &e) == 0 && strcmp(hex, DIGEST_EMPTY) == 0);
    AUTO_FD int fd = openat(at, "sub/million", O_RDONLY | O_CLOEXEC);
    CHECK(lseek(fd, 999997, SEEK_SET) == 999997 && digest_fd(fd, hex, &size, &e) == 0 &&
          size == 3); /* from where it stands */
    CHECK(e.code == ERR_NONE);
    NEED(symlinkat("empty", at, "link") == 0 && symlinkat("sub", at, "dirlink") == 0);
    CHECK(digest_file_at(at, "link", hex, &size, &e) == -1 && e.sys == ELOOP && strstr(e.text, "link"));
    CHECK(digest_file_at(at, "dirlink/million", hex, &size, &e) == -1 && e.sys == ELOOP);
    CHECK(digest_file_at(at, "../etc/passwd", hex, &size, &e) == -1);
    CHECK(digest_file_at(at, "none", hex, &size, &e) == -1 && e.sys == ENOENT);
    CHECK(digest_file_at(at, "sub", hex, &size, &e) == -1 && e.sys == EISDIR);
    CHECK(io_remove_tree_at(AT_FDCWD, dir, &e) == 0);
}

int main(void) {
    known();
    files();
    return check_done();
}
