/* probes_limits.c - rows 17, 19, 21: more than one's share. Each asks for more than the jail of this suite grants
 * (driver.c sets small limits) and gives it back at once. Where the caller's own hard limits are as low, there is
 * nothing that the jail's could add, and the control says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/escape/escape.h"

#define MIB (1ul << 20)
#define MANY_PROCESSES 160 /* the jail grants 96 */
#define MANY_FILES 600     /* 256 */

static bool outside_allows(const struct world *w, int what, rlim_t amount) {
    return w->hard[what] == RLIM_INFINITY || w->hard[what] >= amount;
}

static enum verdict forks(const struct world *w, const struct probe *p) {
    pid_t pid[MANY_PROCESSES];
    int n = 0;
    (void)p;
    if (!outside_allows(w, RLIMIT_NPROC, MANY_PROCESSES)) return skip("the caller's own limit is as low");
    while (n < MANY_PROCESSES && (pid[n] = fork()) > 0) n++;
    if (n < MANY_PROCESSES && pid[n] == 0) {
        pause();
        _exit(0);
    }
    for (int i = 0; i < n; i++) kill(pid[i], SIGKILL);
    for (int i = 0; i < n; i++) waitpid(pid[i], NULL, 0);
    say("%d processes", n);
    return open_if(n == MANY_PROCESSES);
}

static void *waits(void *arg) {
    pause();
    return arg;
}

static enum verdict threads(const struct world *w, const struct probe *p) {
    pthread_attr_t a;
    int n = 0;
    (void)p;
    if (!outside_allows(w, RLIMIT_NPROC, MANY_PROCESSES)) return skip("the caller's own limit is as low");
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    for (pthread_t t; n < MANY_PROCESSES && pthread_create(&t, &a, waits, NULL) == 0;) n++;
    say("%d threads", n);
    return open_if(n == MANY_PROCESSES);
}

static enum verdict opens_many(const struct world *w, const struct probe *p) {
    int n = 0;
    (void)p;
    if (!outside_allows(w, RLIMIT_NOFILE, MANY_FILES)) return skip("the caller's own limit is as low");
    struct rlimit l = {MANY_FILES + 10, MANY_FILES + 10};
    setrlimit(RLIMIT_NOFILE, &l);
    while (n < MANY_FILES && fcntl(2, F_DUPFD_CLOEXEC, 0) >= 0) n++;
    say("%d descriptors", n);
    return open_if(n == MANY_FILES);
}

static enum verdict maps_much(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    void *m = mmap(NULL, 1024 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return open_if(m != MAP_FAILED);
}

static enum verdict grows_heap(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(sbrk(1024 * (intptr_t)MIB) != (void *)-1);
}

static enum verdict locks_memory(const struct world *w, const struct probe *p) {
    (void)p;
    if (!outside_allows(w, RLIMIT_MEMLOCK, 16 * MIB)) return skip("the caller's own limit is as low");
    void *m = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return open_if(m != MAP_FAILED && mlock(m, 16 * MIB) == 0);
}

static enum verdict large_file(const struct world *w, const struct probe *p) {
    signal(SIGXFSZ, SIG_IGN);
    AUTO_FD int fd = open(in_rw(w, p, "file"), O_RDWR | O_CLOEXEC);
    if (fd < 0) return skip("no file");
    const bool done =
        p->number ? fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65 * (off_t)MIB) == 0 && ftruncate(fd, 65 * (off_t)MIB) == 0
                  : ftruncate(fd, 65 * (off_t)MIB) == 0;
    const int error = errno;
    if (ftruncate(fd, 0) < 0) say("cannot truncate");
    errno = error;
    return open_if(done);
}

static enum verdict sparse_file(const struct world *w, const struct probe *p) {
    signal(SIGXFSZ, SIG_IGN);
    AUTO_FD int fd = open(in_rw(w, p, "file"), O_RDWR | O_CLOEXEC);
    return open_if(fd >= 0 && pwrite(fd, "x", 1, (off_t)1 << 40) == 1);
}

static enum verdict fills_scratch(const struct world *w, const struct probe *p) {
    (void)p;
    (void)w;
    AUTO_FD int fd = open("/scratch/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return skip("no scratch: %s", strerror(errno));
    return open_if(fallocate(fd, 0, 0, 16 * (off_t)MIB) == 0);
}

static enum verdict raises(const struct world *w, const struct probe *p) {
    struct rlimit l;
    if (limit_get(p->nr, &l) < 0) return skip("getrlimit");
    const rlim_t wish = (rlim_t)p->arg[0];
    if (!outside_allows(w, (int)p->nr, wish)) return skip("the caller's own limit is as low");
    l.rlim_cur = l.rlim_max = wish;
    return open_if(limit_set(p->nr, &l) == 0);
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define MORE(row_, what, fn, tries_) \
    {.row = row_, .name = what, .tries = tries_, .attempt = fn, .jails = PROGRAM, BOTH(WALL_RLIMITS)}
#define RAISE(row_, what, jails_, limit, amount) \
    {.row = row_, .name = "raise-" what, .tries = "raise the limit " #limit, .attempt = raises, .jails = (jails_), BOTH(WALL_RLIMITS), \
     .nr = (limit), .arg = {(amount)}}

static const struct probe v[] = {
    MORE("17", "fork-bomb", forks, "start more processes than it may"),
    MORE("17", "thread-bomb", threads, "start more threads than it may"),
    MORE("21", "descriptors", opens_many, "open more files than it may"),
    MORE("21", "map-memory", maps_much, "map more private memory than it may"),
    MORE("21", "heap", grows_heap, "let the heap grow beyond what it may"),
    MORE("21", "lock-memory", locks_memory, "lock more memory than it may"),
    MORE("21", "large-file", large_file, "make a file larger than it may"),
    MORE("11", "sparse-file", sparse_file, "make a sparse file of a TiB"),
    {.row = "21", .name = "fill-scratch", .tries = "put more into scratch than it holds", .attempt = fills_scratch, .jails = PROGRAM, BOTH(WALL_SCRATCH)},
    RAISE("19", "core", PROGRAM | INSPECTOR, RLIMIT_CORE, 1l << 20),
    RAISE("21", "files", PROGRAM, RLIMIT_NOFILE, 400),
    RAISE("17", "processes", PROGRAM, RLIMIT_NPROC, MANY_PROCESSES),
    RAISE("21", "file-size", PROGRAM | INSPECTOR, RLIMIT_FSIZE, 1l << 41),
    RAISE("21", "memory", PROGRAM | INSPECTOR, RLIMIT_DATA, 1l << 40),
    {.row = "18", .name = "raise-nice", .tries = "take a higher priority than others", .attempt = raises, .jails = PROGRAM,
     .holds_root = WALL_RLIMITS, .why_not = KERNEL_HOLDS, .nr = RLIMIT_NICE, .arg = {30}},
    {.row = "18", .name = "raise-real-time", .tries = "raise the limit RLIMIT_RTPRIO", .attempt = raises, .jails = PROGRAM,
     .holds_root = WALL_RLIMITS, .why_not = KERNEL_HOLDS, .nr = RLIMIT_RTPRIO, .arg = {10}},
};
/* clang-format on */
const struct probe_table probes_limits = {"limits", v, sizeof v / sizeof v[0]};
