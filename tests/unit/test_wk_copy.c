/* test_wk_copy.c - copies keep what they must and nothing else, and no name that an agent committed is followed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "worker/copy.h"

static char base[] = "/tmp/cto-test-copy.XXXXXX";

static int dir_fd(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(const char *name, const char *text, mode_t mode) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", base, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
    close(fd);
}

static mode_t mode_of(int dir, const char *name) {
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode;
}

static bool holds(int dir, const char *name, const char *text) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    return io_read_file_at(dir, name, b.max, &b, NULL) == 0 && strcmp(buf_str(&b), text) == 0;
}

static void make_source(void) {
    char path[256];
    CHECK(mkdirat(AT_FDCWD, base, 0700) < 0); /* mkdtemp made it */
    int b = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(mkdirat(b, "src", 0700) == 0 && mkdirat(b, "src/sub", 0700) == 0 && mkdirat(b, "dst", 0755) == 0);
    put("src/plain", "hello", 0600);
    put("src/tool", "#!/bin/sh\n", 0777);
    put("src/sub/empty", "", 0400);
    snprintf(path, sizeof path, "%s/src/link", base);
    CHECK(symlink("../../etc/passwd", path) == 0);
    close(b);
}

static void test_tree(void) {
    struct copier c = {.owner = -1};
    struct err e = ERR_INIT;
    AUTO_FD int src = dir_fd("src"), dst = dir_fd("dst");
    CHECK(copy_inside(&c, src, dst, &e) == 0);
    CHECK(mode_of(dst, "plain") == (S_IFREG | 0644) && mode_of(dst, "tool") == (S_IFREG | 0755));
    CHECK(mode_of(dst, "sub") == (S_IFDIR | 0755) && mode_of(dst, "sub/empty") == (S_IFREG | 0644));
    CHECK(S_ISLNK(mode_of(dst, "link")));
    CHECK(holds(dst, "plain", "hello") && holds(dst, "sub/empty", ""));
    CHECK(c.files == 4);
    struct stat a, b;
    CHECK(fstatat(src, "plain", &a, 0) == 0 && fstatat(dst, "plain", &b, 0) == 0 && a.st_ino != b.st_ino &&
          a.st_nlink == 1);
    /* never over something that is there */
    CHECK(copy_inside(&c, src, dst, &e) < 0);
}

static void test_fallbacks(void) {
    struct err e = ERR_INIT;
    AUTO_FD int src = dir_fd("src"), dst = dir_fd("dst");
    struct copier range = {.owner = -1, .no_reflink = true}, loop = {.owner = -1, .no_reflink = true, .no_range = true};
    CHECK(copy_entry(&range, src, "plain", dst, "by-range", &e) == 0 && holds(dst, "by-range", "hello"));
    CHECK(copy_entry(&loop, src, "plain", dst, "by-loop", &e) == 0 && holds(dst, "by-loop", "hello"));
}

static void test_refuses(void) {
    struct copier c = {.owner = -1};
    struct err e = ERR_INIT;
    AUTO_FD int src = dir_fd("src"), dst = dir_fd("dst");
    CHECK(mkfifoat(src, "fifo", 0600) == 0);
    CHECK(copy_entry(&c, src, "fifo", dst, "fifo", &e) < 0 && e.code == ERR_PARSE && strstr(e.text, "fifo") != NULL);
    CHECK(unlinkat(src, "fifo", 0) == 0);
    char buf[4096];
    const char *d, *n;
    CHECK(copy_split("a/b/c/", buf, &d, &n, &e) == 0 && strcmp(d, "a/b") == 0 && strcmp(n, "c") == 0);
    CHECK(copy_split("c", buf, &d, &n, &e) == 0 && strcmp(d, "") == 0 && strcmp(n, "c") == 0);
    CHECK(copy_split("../c", buf, &d, &n, &e) < 0 && copy_split("/c", buf, &d, &n, &e) < 0 &&
          copy_split("", buf, &d, &n, &e) < 0);
}

static void test_hostile_parents(void) {
    struct copier c = {.owner = -1};
    struct err e = ERR_INIT;
    AUTO_FD int dst = dir_fd("dst"), b = dir_fd("");
    CHECK(mkdirat(b, "outside", 0755) == 0);
    CHECK(symlinkat("../outside", dst, "tests") == 0);
    CHECK(copy_open_dir(&c, dst, "tests/deep", false, &e) < 0 && e.code == ERR_CONFLICT);
    AUTO_FD int deep = copy_open_dir(&c, dst, "tests/deep", true, &e);
    CHECK(deep >= 0 && S_ISDIR(mode_of(dst, "tests")) && mode_of(b, "outside/deep") == 0);
    AUTO_FD int file = copy_open_dir(&c, dst, "plain/x", true, &e);
    CHECK(file >= 0 && S_ISDIR(mode_of(dst, "plain")));
}

static void test_owner(void) {
    if (geteuid() != 0) return;
    struct copier c = {.owner = 61199};
    struct err e = ERR_INIT;
    AUTO_FD int b = dir_fd("");
    CHECK(copy_entry(&c, b, "src", b, "owned", &e) == 0);
    const char *const names[] = {"owned", "owned/sub", "owned/plain", "owned/link"};
    for (size_t i = 0; i < 4; i++) {
        struct stat st = {0};
        CHECK(fstatat(b, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == 61199 && st.st_gid == 61199);
    }
}

int main(void) {
    umask(022);
    CHECK(mkdtemp(base) != NULL);
    make_source();
    test_tree();
    test_fallbacks();
    test_refuses();
    test_hostile_parents();
    test_owner();
    CHECK(io_remove_tree_at(AT_FDCWD, base, NULL) == 0);
    return check_done();
}
