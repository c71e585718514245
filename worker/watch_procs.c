/* watch_procs.c - see watch_procs.h.
 *
 * Every file is read whole with one read, every number is looked for in text that the kernel wrote: the only part of it that an
 * agent chooses is a program's name, which ends in the last bracket of stat and in which status escapes line ends.
 */
#include "worker/watch_procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"

#define MAX_PIDS 65536
#define MAX_FDS_A_LOOK 2048
#define MAX_BORROWERS 16 /* a look; whoever wants to pass off memory as borrowed gets no further than that */

static ssize_t read_proc(pid_t pid, const char *file, char *out, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    const ssize_t n = io_read_full(fd, out, size - 1, NULL);
    if (n >= 0) out[n] = '\0';
    return n;
}

int procs_init(struct procs *p, pid_t init, int disk, uid_t uid) {
    struct stat st;
    char text[16];
    memset(p, 0, sizeof *p);
    p->init = init;
    p->uid = uid;
    if (fstat(disk, &st) == 0) p->disk_dev = st.st_dev;
    AUTO_FD int mem = memfd_create("", MFD_CLOEXEC);
    if (mem >= 0 && fstat(mem, &st) == 0) p->memfd_dev = st.st_dev;
    char file[40];
    snprintf(file, sizeof file, "task/%d/children", (int)init);
    return read_proc(init, file, text, sizeof text) < 0 ? -1 : 0;
}

void procs_release(struct procs *p) {
    free(p->v);
    p->v = NULL;
    p->n = p->cap = 0;
}

/* --- who is there --------------------------------------------------------------------------------------------------- */

static void found(struct procs *p, pid_t pid, pid_t parent, pid_t parent_tid) {
    if (p->n == p->cap) {
        const size_t cap = p->cap ? 2 * p->cap : 64;
        struct seen_proc *grown = cap <= MAX_PIDS ? realloc(p->v, cap * sizeof *grown) : NULL;
        if (!grown) return;
        p->v = grown;
        p->cap = cap;
    }
    p->v[p->n++] = (struct seen_proc){.pid = pid, .parent = parent, .parent_tid = parent_tid};
}

static void children_of_task(struct procs *p, pid_t pid, const char *tid) {
    char file[64], text[32768]; /* more children of one thread than that show when others are gone */
    snprintf(file, sizeof file, "task/%.20s/children", tid);
    if (read_proc(pid, file, text, sizeof text) <= 0) return;
    for (char *at = text, *end; *at; at = end) {
        const long child = strtol(at, &end, 10);
        if (end == at || child <= 0) break;
        if (*end == ' ' || *end == '\0')
            found(p, (pid_t)child, pid, (pid_t)strtol(tid, NULL, 10)); /* not one that the buffer cut */
        while (*end == ' ') end++;
    }
}

static void children(struct procs *p, pid_t pid, uint64_t threads) {
    char name[64];
    snprintf(name, sizeof name, threads > 1 ? "/proc/%d/task" : "%d", (int)pid);
    if (threads <= 1) {
        children_of_task(p, pid, name);
        return;
    }
    DIR *d = opendir(name);
    for (struct dirent *de; d && (de = readdir(d));)
        if (de->d_name[0] != '.') children_of_task(p, pid, de->d_name);
    if (d) closedir(d);
}

/* --- what it uses --------------------------------------------------------------------------------------------------- */

static uint64_t kib_field(const char *text, const char *name) {
    const char *p = strstr(text, name);
    return p ? strtoull(p + strlen(name), NULL, 10) * 1024 : 0;
}

/* A file about the memory of a process, which holds `line` when there is any. A first thread that has ended has none to show, while
 * the others live on with all of it: then any of theirs will do. */
static bool read_memory(pid_t pid, const char *file, const char *line, char *out, size_t size) {
    char path[64];
    if (read_proc(pid, file, out, size) > 0 && strstr(out, line)) return true;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    bool found_it = false;
    for (struct dirent *de; d && !found_it && (de = readdir(d));) {
        if (de->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "task/%.20s/%s", de->d_name, file);
        found_it = read_proc(pid, path, out, size) > 0 && strstr(out, line);
    }
    if (d) closedir(d);
    return found_it;
}

/* What status says about memory: alike for two processes that have the same. */
static bool memory_lines(const char *text, const char **ret, size_t *ret_n) {
    const char *from = strstr(text, "\nVmPeak:"), *to = from ? strstr(from, "\nThreads:") : NULL;
    *ret = from;
    *ret_n = to ? (size_t)(to - from) : 0;
    return to != NULL;
}

/* Is `c`, whose status this is, a child of vfork before its exec? The thread that made it waits for it and cannot be woken, and what they
 * have is one and the same. A thread waits for one such child at a time. A large program that starts a small one would otherwise
 * be twice as large for that moment, and be ended for it. */
static bool borrows_memory(const struct procs *p, const struct seen_proc *c, const char *status) {
    char text[4096], file[40];
    const char *own, *parents, *state;
    size_t n_own, n_parents;
    if (c->parent == 0 || c->parent == p->init || p->borrowers == MAX_BORROWERS) return false;
    for (const struct seen_proc *o = p->v; o < c; o++)
        if (o->borrows && o->parent_tid == c->parent_tid) return false;
    snprintf(file, sizeof file, "task/%d/stat", (int)c->parent_tid);
    if (read_proc(c->parent, file, text, sizeof text) <= 0) return false;
    state = strrchr(text, ')');
    if (!state || strncmp(state, ") D", 3) != 0) return false;
    return read_memory(c->parent, "status", "\nRssAnon:", text, sizeof text) && memory_lines(status, &own, &n_own) &&
           memory_lines(text, &parents, &n_parents) && n_own == n_parents && memcmp(own, parents, n_own) == 0;
}

/* Returns the number of threads; 0: it is gone. */
static uint64_t count_one(struct procs *p, struct seen_proc *one, struct procs_look *look) {
    char text[4096];
    const pid_t pid = one->pid;
    unsigned long long t[4] = {0}, threads = 0;
    if (read_proc(pid, "stat", text, sizeof text) <= 0) return 0;
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %llu", &t[0],
                      &t[1], &t[2], &t[3], &threads) != 5)
        return 0;
    look->cpu_us += (t[0] + t[1] + t[2] + t[3]) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    look->tasks += threads;
    if (!read_memory(pid, "status", "\nRssAnon:", text, sizeof text)) return threads;
    one->borrows = borrows_memory(p, one, text);
    p->borrowers += one->borrows;
    if (!one->borrows) {
        look->anon += kib_field(text, "\nRssAnon:");
        look->shmem += kib_field(text, "\nRssShmem:");
    }
    return threads;
}

/* --- files that only a descriptor holds ------------------------------------------------------------------------------ */

static bool is_new(struct procs *p, uint64_t ino) {
    for (size_t i = 0; i < p->n_seen; i++)
        if (p->seen[i] == ino) return false;
    if (p->n_seen < sizeof p->seen / sizeof p->seen[0]) p->seen[p->n_seen++] = ino;
    return true; /* with more of them than that, one may be counted twice */
}

/* Of the file system only, and back: what else the worker is stays. Leaving 0 takes the capabilities that pass over modes out of the
 * effective set, coming back to it brings them back. Neither call can fail for a worker; were they refused, less would be seen. */
static void look_as(uid_t uid) {
    if (uid == 0) return;
    setfsgid(uid);
    setfsuid(uid);
}
static void look_as_self(uid_t uid) {
    if (uid == 0) return;
    setfsuid(geteuid());
    setfsgid(getegid());
}

static unsigned count_fds(struct procs *p, pid_t pid) {
    char path[40];
    struct stat st;
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    for (struct dirent *de; d && (de = readdir(d)); n++) {
        if (de->d_name[0] == '.' || fstatat(dirfd(d), de->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode)) continue;
        const bool memfd = st.st_dev == p->memfd_dev;
        const bool unlinked = st.st_dev == p->disk_dev && st.st_nlink == 0;
        if ((!memfd && !unlinked) || !is_new(p, (uint64_t)st.st_ino)) continue;
        *(memfd ? &p->memfd_part : &p->unlinked_part) += (uint64_t)st.st_blocks * 512;
    }
    if (d) closedir(d);
    return n;
}

/* Some processes in each look; the sums are those of the last sweep that was ended, or of this one when it has more already. */
static void sweep_fds(struct procs *p, uint64_t until_us) {
    look_as(p->uid);
    for (unsigned done = 0; p->next < p->n && done < MAX_FDS_A_LOOK && clock_mono_us() < until_us; p->next++)
        done += count_fds(p, p->v[p->next].pid) + 1;
    look_as_self(p->uid);
    if (p->next >= p->n || p->memfd_part > p->memfd) p->memfd = p->memfd_part;
    if (p->next >= p->n || p->unlinked_part > p->unlinked) p->unlinked = p->unlinked_part;
    if (p->next < p->n) return;
    p->next = p->n_seen = 0;
    p->memfd_part = p->unlinked_part = 0;
}

void procs_look(struct procs *p, uint64_t until_us, struct procs_look *ret) {
    *ret = (struct procs_look){0};
    p->n = 0;
    found(p, p->init, 0, 0);
    p->borrowers = 0;
    for (size_t i = 0; i < p->n; i++) {
        ret->cut = clock_mono_us() >= until_us;
        if (ret->cut) break;
        const uint64_t threads = count_one(p, &p->v[i], ret);
        if (threads > 0) children(p, p->v[i].pid, threads);
    }
    if (ret->tasks > 0) ret->tasks--; /* pid 1 */
    sweep_fds(p, until_us);
    ret->memfd = p->memfd;
    ret->unlinked = p->unlinked;
}

bool close_pause_over(const struct close_pause *c, uint64_t now_us, uint64_t available) {
    if (now_us < c->not_until_us) return false;
    return now_us >= c->until_us || available == 0 || available + c->room < c->available;
}

void close_pause_begin(struct close_pause *c, uint64_t now_us, uint64_t cost_us, unsigned share) {
    c->until_us = now_us + cost_us * share;
    c->not_until_us = now_us + cost_us;
}

uint64_t host_available(void) {
    char text[4096];
    AUTO_FD int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : io_read_full(fd, text, sizeof text - 1, NULL);
    if (n > 0) text[n] = '\0';
    return n > 0 ? kib_field(text, "\nMemAvailable:") : 0;
}

void procs_look_closely(struct procs *p, uint64_t enough, struct procs_look *io) {
    char text[4096];
    uint64_t anon = 0, shmem = 0;
    look_as(p->uid);
    /* Without pid 1, which is ours, small, and not readable. */
    for (size_t i = 1; i < p->n && anon + shmem <= enough; i++) {
        if (p->v[i].borrows) continue;
        if (read_memory(p->v[i].pid, "smaps_rollup", "\nPss_Anon:", text, sizeof text)) {
            anon += kib_field(text, "\nPss_Anon:");
            shmem += kib_field(text, "\nPss_Shmem:");
        } else if (read_memory(p->v[i].pid, "status", "\nRssAnon:", text, sizeof text)) {
            anon += kib_field(text, "\nRssAnon:");
            shmem += kib_field(text, "\nRssShmem:");
        }
    }
    look_as_self(p->uid);
    io->anon = anon;
    io->shmem = shmem;
}
