/* core_procs.c - does a process stand in a core repository or in one of its worktrees?
 *
 * Every thread's working directory is followed upwards, by device and inode, so that another mount, another root or another name of
 * the same place makes no difference. A process that may not be looked into may be there: an ordinary user cannot see where other
 * people's processes stand, so where there are such, the answer is a doubt, and root is told to ask. Threads of the kernel stand
 * nowhere. We do not count ourselves.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/core_guard.h"

#define UP_MAX 512
#define PF_KTHREAD 0x00200000ul

struct place {
    dev_t dev;
    ino_t ino;
};

struct scan {
    struct core_guard *g;
    struct place places[GUARD_WORKTREES_MAX + 1];
    int n_places;
    int proc;   /* /proc */
    int unseen; /* processes that could not be looked into */
    bool self_seen;
};

enum where { ELSEWHERE, INSIDE, UNKNOWN, GONE };

static bool is_number(const char *s) { return s[0] && s[strspn(s, "0123456789")] == '\0'; }

static enum where climb(const struct scan *s, int fd) {
    struct place last = {0};
    AUTO_FD int at = fd;
    for (int up = 0; up < UP_MAX; up++) {
        struct stat st;
        if (fstat(at, &st) < 0) return UNKNOWN;
        for (int i = 0; i < s->n_places; i++)
            if (s->places[i].dev == st.st_dev && s->places[i].ino == st.st_ino) return INSIDE;
        if (up > 0 && last.dev == st.st_dev && last.ino == st.st_ino) return ELSEWHERE; /* the root is its own parent */
        last = (struct place){st.st_dev, st.st_ino};
        int next = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (next < 0) return UNKNOWN;
        close(at);
        at = next;
    }
    return UNKNOWN;
}

static enum where thread_is(const struct scan *s, int tasks, const char *tid) {
    char path[64];
    snprintf(path, sizeof path, "%.20s/cwd", tid);
    int fd = openat(tasks, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == ESRCH ? GONE : UNKNOWN;
    return climb(s, fd);
}

static bool of_the_kernel(const struct scan *s, const char *pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "%.20s/stat", pid);
    AUTO_FD int fd = openat(s->proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read_full(fd, text, sizeof text - 1, NULL);
    if (n <= 0) return false;
    text[n] = '\0';
    const char *p = strrchr(text, ')'); /* the name before it may hold anything */
    unsigned long flags = 0;
    return p && sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 && (flags & PF_KTHREAD);
}

static enum where process_is(const struct scan *s, const char *pid) {
    char path[64];
    enum where all = GONE;
    snprintf(path, sizeof path, "%.20s/task", pid);
    int fd = openat(s->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) close(fd);
        return errno == ENOENT || errno == ESRCH ? GONE : UNKNOWN;
    }
    for (const struct dirent *de; (de = readdir(d));) {
        if (!is_number(de->d_name)) continue;
        enum where w = thread_is(s, dirfd(d), de->d_name);
        if (w == INSIDE) all = INSIDE;
        if (w == UNKNOWN && all != INSIDE) all = UNKNOWN;
    }
    closedir(d);
    return all;
}

static void look_at(struct scan *s, const char *pid) {
    char name[64] = "", path[64];
    if (strtol(pid, NULL, 10) == getpid()) {
        s->self_seen = true;
        return;
    }
    enum where w = process_is(s, pid);
    if (w == UNKNOWN && !of_the_kernel(s, pid)) s->unseen++;
    if (w != INSIDE) return;
    snprintf(path, sizeof path, "%.20s/comm", pid);
    AUTO_FD int fd = openat(s->proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : io_read_full(fd, name, sizeof name - 1, NULL);
    name[n > 0 ? n - 1 : 0] = '\0';
    guard_doubt(s->g, GUARD_PROCESSES, "process %.20s (%s) is at work there", pid, name[0] ? name : "?");
}

static bool add_place(struct scan *s, const char *path) {
    struct stat st;
    if (stat(path, &st) < 0) return false;
    s->places[s->n_places++] = (struct place){st.st_dev, st.st_ino};
    return true;
}

static void scan_all(struct scan *s) {
    int copy = fcntl(s->proc, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        if (copy >= 0) close(copy);
        return; /* then we have not seen ourselves */
    }
    for (const struct dirent *de; (de = readdir(d));)
        if (is_number(de->d_name)) look_at(s, de->d_name);
    closedir(d);
}

void guard_look_at_processes(struct core_guard *g) {
    struct scan s = {.g = g};
    AUTO_FD int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s.proc = proc;
    if (!add_place(&s, g->q->core)) guard_doubt(g, GUARD_PROCESSES, "the repository cannot be seen");
    for (int i = 0; i < g->n_trees; i++) (void)add_place(&s, g->trees[i].path); /* one that is not there holds nobody */
    if (proc >= 0) scan_all(&s);
    if (!s.self_seen)
        guard_doubt(g, GUARD_PROCESSES, "/proc cannot be read");
    else if (faccessat(proc, "1", F_OK, 0) < 0)
        guard_doubt(g, GUARD_PROCESSES, "/proc hides processes; ask as root");
    else if (s.unseen > 0)
        guard_doubt(g, GUARD_PROCESSES, "where %d processes work cannot be seen; %s", s.unseen,
                    geteuid() == 0 ? "they have more rights than this root" : "ask as root");
    else
        guard_pass(g, GUARD_PROCESSES);
}
