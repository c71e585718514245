/* test_common_remove.c - trees that a hostile program may leave: deep, wide, unreadable by mode, full of links, with names in
 * the way of the hoisting. Run by root it does all of it again under an ordinary uid, for whom modes count. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "common/io.h"

/* In memory where there is some: a hundred thousand metadata operations wear a disk and prove nothing more. */
static char base[32];

static bool gone(const char *path) {
    struct stat st;
    return lstat(path, &st) < 0 && errno == ENOENT;
}

static void removes(const char *name) {
    struct err e = ERR_INIT;
    if (!CHECK(io_remove_tree_at(AT_FDCWD, name, &e) == 0 && gone(name))) fprintf(stderr, "    %s: %s\n", name, e.text);
}

static void put(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    NEED(fd >= 0);
    close(fd);
}

/* A chain of `depth` directories below `name`, each of `mode` (0: as made) with a file in it. */
static void chain(const char *name, int depth, mode_t mode) {
    NEED(mkdir(name, 0700) == 0);
    int at = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(at >= 0);
    for (int i = 0; i < depth; i++) {
        NEED(mkdirat(at, "d", 0700) == 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int file = openat(at, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
        NEED(next >= 0 && file >= 0);
        close(file);
        if (mode) NEED(fchmod(at, mode == 01 ? 0 : mode) == 0);
        close(at);
        at = next;
    }
    close(at);
}

static void deep(void) {
    chain("deep", 5000, 0);
    removes("deep");
    struct rlimit rl = {64, 64}, old; /* neither stack nor descriptors follow the depth */
    NEED(getrlimit(RLIMIT_NOFILE, &old) == 0);
    rl.rlim_max = old.rlim_max;
    chain("deep", 5000, 0);
    NEED(setrlimit(RLIMIT_NOFILE, &rl) == 0);
    removes("deep");
    NEED(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

static void modes(void) {
    static const mode_t all[] = {01 /* 0000 */, 0100, 0200, 0300, 0400, 0500, 0600};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        chain("locked", 3, all[i]);
        removes("locked");
    }
    chain("locked", 200, 01);
    removes("locked");
}

static void links(void) {
    NEED(mkdir("outside", 0700) == 0 && mkdir("t", 0700) == 0 && mkdir("t/sub", 0700) == 0);
    put("outside/keep");
    NEED(symlink("../outside", "t/dirlink") == 0 && symlink("../../outside", "t/sub/dirlink") == 0 &&
         symlink("none", "t/dangling") == 0);
    NEED(symlink("loop", "t/loop") == 0 && mkfifo("t/fifo", 0) == 0 && link("outside/keep", "t/sub/hard") == 0);
    NEED(symlink("outside", "toplink") == 0);
    removes("t");
    removes("toplink"); /* the link itself */
    CHECK(!gone("outside/keep"));
    struct stat st;
    CHECK(stat("outside", &st) == 0 && (st.st_mode & 0777) == 0700);
    removes("outside");
}

static void wide(void) {
    char path[64];
    NEED(mkdir("wide", 0700) == 0);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "wide/%d", i);
        NEED(mkdir(path, 0700) == 0);
        for (int k = 0; k < 10; k++) {
            snprintf(path, sizeof path, "wide/%d/.hoisted-%x", i, (unsigned)(i + k)); /* names that collide with ours */
            NEED(mkdir(path, 0700) == 0);
            snprintf(path, sizeof path, "wide/%d/.hoisted-%x/f", i, (unsigned)(i + k));
            put(path);
        }
        snprintf(path, sizeof path, "wide/.hoisted-%x", (unsigned)i);
        NEED(mkdir(path, 0700) == 0);
        snprintf(path, sizeof path, "wide/.hoisted-%x/d", (unsigned)i); /* not empty: a rename onto it fails */
        NEED(mkdir(path, 0700) == 0);
        snprintf(path, sizeof path, "wide/.hoisted-%x/d/f", (unsigned)i);
        put(path);
        snprintf(path, sizeof path, "wide/%d/name\n\xff *", i);
        put(path);
    }
    removes("wide");
}

static void simple(void) {
    struct err e = ERR_INIT;
    CHECK(io_remove_tree_at(AT_FDCWD, "missing", &e) == 0 && io_remove_tree_at(AT_FDCWD, "no/such/place", &e) == 0);
    put("file");
    removes("file");
    NEED(mkdir("empty", 0) == 0);
    removes("empty");
    CHECK(io_remove_tree_at(AT_FDCWD, "/proc/self/task", &e) == -1 && e.code == ERR_SYS); /* says so, does not hang */
}

/* What cannot be removed is said, the rest goes, and it ends. */
static void stuck(void) {
    struct err e = ERR_INIT;
    if (geteuid() == 0) return;
    NEED(mkdir("hold", 0700) == 0 && mkdir("hold/inner", 0700) == 0);
    put("hold/inner/f");
    NEED(chmod("hold", 0500) == 0);
    CHECK(io_remove_tree_at(AT_FDCWD, "hold/inner", &e) == -1 && e.sys == EACCES);
    NEED(chmod("hold", 0700) == 0);
    removes("hold");
}

static int all(void) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    deep();
    modes();
    links();
    wide();
    simple();
    stuck();
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("uid %d: %ld ms\n", (int)geteuid(), (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
    fflush(stdout);
    return check_failed;
}

int main(void) {
    snprintf(base, sizeof base, "%s/cto-unit-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    NEED(mkdtemp(base) != NULL && chdir(base) == 0);
    all();
    if (geteuid() == 0) {
        int status = -1;
        NEED(mkdir("user", 0700) == 0 && chown("user", 60778, 60778) == 0 && chmod(base, 0711) == 0);
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid == 0) {
            NEED(chdir("user") == 0 && setgroups(0, NULL) == 0 && setresgid(60778, 60778, 60778) == 0 &&
                 setresuid(60778, 60778, 60778) == 0);
            check_failed = 0;
            exit(all() ? 1 : 0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    CHECK(chdir("/") == 0 && io_remove_tree_at(AT_FDCWD, base, NULL) == 0);
    return check_done();
}
