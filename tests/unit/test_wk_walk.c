/* test_wk_walk.c - the walk that measures a workspace: exact on a tree that nobody touches, whatever is in it; and on one that
 * somebody turns upside down meanwhile it ends, and never leaves it. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "worker/disk_walk.h"

static char base[] = "/tmp/cto-test-walk.XXXXXX";

static int make(const char *name) {
    CHECK(mkdirat(AT_FDCWD, base, 0700) < 0);
    AUTO_FD int b = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(mkdirat(b, name, 0700) == 0);
    return openat(b, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(int dir, const char *name, size_t n) {
    static char bytes[1 << 16];
    AUTO_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    memset(bytes, 'x', sizeof bytes);
    for (; n > 0; n -= n < sizeof bytes ? n : sizeof bytes)
        NEED(write(fd, bytes, n < sizeof bytes ? n : sizeof bytes) > 0);
    NEED(fsync(fd) == 0); /* blocks are counted when they are given */
}

static uint64_t blocks(int dir, const char *name) {
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

/* A whole sweep in steps of `budget`. */
static unsigned sweep(struct disk_walk *d, unsigned budget) {
    unsigned steps = 1;
    while (!disk_walk_step(d, budget) && steps < 10000000) steps++;
    return steps;
}

static void exact(void) {
    struct disk_walk d;
    AUTO_FD int t = make("exact");
    NEED(disk_walk_init(&d, t) == 0);
    sweep(&d, 10);
    CHECK(d.bytes == 0 && d.inodes == 0);
    put(t, "a", 300000);
    NEED(mkdirat(t, "sub", 0700) == 0 && mkdirat(t, "sub/x", 0700) == 0);
    put(t, "sub/x/b", 70000);
    NEED(linkat(t, "a", t, "sub/again", 0) == 0);
    NEED(mkfifoat(t, "fifo", 0600) == 0 && symlinkat("..", t, "up") == 0 && symlinkat("/etc", t, "sub/out") == 0 &&
         symlinkat("loop", t, "loop") == 0);
    AUTO_FD int sparse = openat(t, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    NEED(ftruncate(sparse, (off_t)1 << 40) == 0);
    static const char *const names[] = {"a", "sub", "sub/x", "sub/x/b", "fifo", "up", "sub/out", "loop", "sparse"};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) sum += blocks(t, names[i]);
    for (unsigned budget = 1; budget < 40; budget += 3) {
        const unsigned steps = sweep(&d, budget);
        CHECK(d.inodes == 10 && d.bytes == sum);
        CHECK(budget > 1 || steps > 10);
    }
    disk_walk_release(&d);
}

/* Deeper than anybody has descriptors, than a path may be long, and with something at the bottom. */
static void deep(void) {
    struct disk_walk d;
    const unsigned levels = 5000;
    AUTO_FD int t = make("deep");
    AUTO_FD int at = fcntl(t, F_DUPFD_CLOEXEC, 0);
    for (unsigned i = 0; i < levels; i++) {
        NEED(mkdirat(at, "d", 0700) == 0);
        const int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        NEED(next >= 0);
        if (i % 1000 == 0) put(at, "z-after-the-directory", 4096);
        close(at);
        at = next;
    }
    put(at, "bottom", 100000);
    NEED(disk_walk_init(&d, t) == 0);
    sweep(&d, 1000);
    CHECK(d.inodes == levels + 5 + 1 && d.bytes >= 100000);
    CHECK(d.depth == 0);
    disk_walk_release(&d);
}

static void wide(void) {
    struct disk_walk d;
    AUTO_FD int t = make("wide");
    char name[24];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "%s%d", i % 10 ? "f" : "d", i);
        NEED((i % 10 ? mknodat(t, name, S_IFREG | 0600, 0) : mkdirat(t, name, 0700)) == 0);
    }
    NEED(disk_walk_init(&d, t) == 0);
    for (int i = 0; i < 3; i++) {
        const unsigned steps = sweep(&d, 100);
        CHECK(d.inodes == 3000 && steps >= 30);
    }
    (void)disk_walk_step(&d, 500);
    disk_walk_restart(&d);
    sweep(&d, 100);
    CHECK(d.inodes == 3000);
    disk_walk_release(&d);
}

static atomic_bool stop;

/* Two deep towers change places again and again, so that "..", where the walk needs it, leads elsewhere. */
static void *juggle(void *arg) {
    const int t = *(int *)arg;
    while (!stop) {
        (void)renameat(t, "one/d/d/d", t, "aside");
        (void)renameat(t, "aside", t, "two/d/d/e");
        (void)renameat(t, "two/d/d/e", t, "one/d/d/d");
        (void)renameat2(t, "one", t, "two", RENAME_EXCHANGE);
    }
    return NULL;
}

static void moved_about(void) {
    struct disk_walk d;
    pthread_t other;
    AUTO_FD int t = make("moved");
    NEED(mkdirat(t, "one", 0700) == 0 && mkdirat(t, "two", 0700) == 0);
    for (int tower = 0; tower < 2; tower++) {
        AUTO_FD int at = openat(t, tower ? "two" : "one", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < 200; i++) {
            NEED(mkdirat(at, "d", 0700) == 0);
            const int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            close(at);
            at = next;
        }
    }
    NEED(disk_walk_init(&d, t) == 0);
    int there = t;
    NEED(pthread_create(&other, NULL, juggle, &there) == 0);
    for (int i = 0; i < 300; i++) {
        sweep(&d, 7);
        CHECK(d.depth == 0 && d.inodes <= 4 * 402);
    }
    stop = true;
    pthread_join(other, NULL);
    (void)renameat(t, "aside", t, "one/d/d/d");
    sweep(&d, 7);
    CHECK(d.inodes == 402);
    disk_walk_release(&d);
}

int main(void) {
    NEED(mkdtemp(base) != NULL);
    exact();
    deep();
    wide();
    moved_about();
    CHECK(io_remove_tree_at(AT_FDCWD, base, NULL) == 0);
    return check_done();
}
