/* cgroup.c - one group: made, entered, counted, removed. See cgroup.h.
 *
 * A group is removed by rmdir, which the kernel refuses while anything lives in it: so a mistake of ours can never take
 * a limit away from a living jail. After the last process was reaped the kernel may still be busy with it for a moment,
 * hence a few tries.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cgroup_internal.h"
#include "common/io.h"

#define REMOVE_TRIES 50
#define REMOVE_PAUSE_NS 1000000 /* 1 ms */

static int put(int dir, const char *file, const char *text) {
    AUTO_FD int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int put_number(int dir, const char *file, uint64_t n) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    return put(dir, file, text);
}

static int set_memory(const struct cgroup *g, uint64_t bytes, struct err *e) {
    const int v2 = g->fd[CGROUP_UNIFIED], v1 = g->fd[CGROUP_MEMORY];
    if (bytes == 0) return 0;
    if (v2 >= 0) {
        /* The whole jail goes when memory is out: half of one proves nothing. Swap would only put the end off. */
        if (put_number(v2, "memory.max", bytes) < 0) return err_sys(e, "memory.max");
        (void)put(v2, "memory.swap.max", "0");
        (void)put(v2, "memory.oom.group", "1");
        return 0;
    }
    if (put_number(v1, "memory.limit_in_bytes", bytes) < 0) return err_sys(e, "memory.limit_in_bytes");
    (void)put_number(v1, "memory.memsw.limit_in_bytes", bytes); /* not there without swap accounting */
    return 0;
}

static int set_processes(const struct cgroup *g, uint64_t n, struct err *e) {
    const int dir = g->fd[CGROUP_UNIFIED] >= 0 ? g->fd[CGROUP_UNIFIED] : g->fd[CGROUP_PIDS];
    if (n != 0 && put_number(dir, "pids.max", n) < 0) return err_sys(e, "pids.max");
    return 0;
}

static int make_one(const struct cgroup_places *p, enum cgroup_tree t, struct cgroup *g, struct err *e) {
    if (p->fd[t] < 0) return 0;
    if (mkdirat(p->fd[t], g->name, 0755) < 0) return err_sys(e, "make the group %s", g->name);
    g->fd[t] = openat(p->fd[t], g->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return g->fd[t] < 0 ? err_sys(e, "open the group %s", g->name) : 0;
}

int cgroup_make(const struct cgroup_places *p, const struct cgroup_limits *l, struct cgroup *ret, struct err *e) {
    static unsigned count;
    struct cgroup g = CGROUP_NONE;
    if (cgroup_version(p) == 0) return err_set(e, ERR_UNSUPPORTED, "cgroup limits: %s", p->why);
    snprintf(g.name, sizeof g.name, CGROUP_PREFIX "%s.%u", p->owner, count++);
    int rc = 0;
    for (int t = 0; t < CGROUP_TREES && rc == 0; t++) rc = make_one(p, (enum cgroup_tree)t, &g, e);
    if (rc == 0) rc = set_memory(&g, l->memory_bytes, e);
    if (rc == 0) rc = set_processes(&g, l->processes, e);
    if (rc < 0) {
        cgroup_remove(p, &g);
        return err_ctx(e, "cgroup limits");
    }
    *ret = g;
    return 0;
}

/* "0" is who writes. The files are opened here, so that it is our own right that is asked for. */
int cgroup_enter_self(const struct cgroup *g) {
    for (int t = CGROUP_MEMORY; t < CGROUP_TREES; t++) {
        if (g->fd[t] < 0) continue;
        const int fd = openat(g->fd[t], "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (fd < 0) return -1;
        const ssize_t n = write(fd, "0", 1);
        close(fd);
        if (n != 1) return -1;
    }
    return 0;
}

bool cgroup_remove_dir(int place, const char *name) {
    for (int i = 0; i < REMOVE_TRIES; i++) {
        if (unlinkat(place, name, AT_REMOVEDIR) == 0) return true;
        if (errno != EBUSY) return false;
        nanosleep(&(struct timespec){.tv_nsec = REMOVE_PAUSE_NS}, NULL);
    }
    return false;
}

void cgroup_kill_in(int dir) { (void)put(dir, "cgroup.kill", "1"); }

void cgroup_kill(const struct cgroup *g) {
    if (g->fd[CGROUP_UNIFIED] >= 0) cgroup_kill_in(g->fd[CGROUP_UNIFIED]);
}

void cgroup_remove(const struct cgroup_places *p, struct cgroup *g) {
    for (int t = 0; t < CGROUP_TREES; t++) {
        if (g->name[0] && p->fd[t] >= 0) (void)cgroup_remove_dir(p->fd[t], g->name);
        if (g->fd[t] >= 0) close(g->fd[t]);
    }
    *g = CGROUP_NONE;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */
static uint64_t number_in(int dir, const char *file) {
    char text[64];
    return cgroup_read_file(dir, file, text, sizeof text) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* The number after a word at the start of a line. */
static uint64_t field_in(int dir, const char *file, const char *word) {
    char text[4096];
    const size_t n = strlen(word);
    if (cgroup_read_file(dir, file, text, sizeof text) <= 0) return 0;
    for (const char *p = text; p; p = strchr(p, '\n')) {
        if (*p == '\n') p++;
        if (strncmp(p, word, n) == 0 && p[n] == ' ') return strtoull(p + n, NULL, 10);
    }
    return 0;
}

int cgroup_count(const struct cgroup *g, struct cgroup_counts *ret) {
    const int v2 = g->fd[CGROUP_UNIFIED], mem = g->fd[CGROUP_MEMORY], cpu = g->fd[CGROUP_CPUACCT];
    const int pids = v2 >= 0 ? v2 : g->fd[CGROUP_PIDS];
    *ret = (struct cgroup_counts){.has_cpu = v2 >= 0 || cpu >= 0};
    if (v2 < 0 && mem < 0) return -1;
    if (v2 >= 0) {
        ret->memory_bytes = number_in(v2, "memory.current");
        ret->memory_peak = number_in(v2, "memory.peak");
        ret->oom_kills = field_in(v2, "memory.events", "oom_kill");
        ret->own_oom = field_in(v2, "memory.events", "oom") > 0;
        ret->cpu_us = field_in(v2, "cpu.stat", "usage_usec");
    } else {
        ret->memory_bytes = number_in(mem, "memory.usage_in_bytes");
        ret->memory_peak = number_in(mem, "memory.max_usage_in_bytes");
        ret->oom_kills = field_in(mem, "memory.oom_control", "oom_kill");
        ret->own_oom = ret->oom_kills > 0;
        if (cpu >= 0) ret->cpu_us = number_in(cpu, "cpuacct.usage") / 1000;
    }
    ret->processes = number_in(pids, "pids.current");
    ret->processes_hits = field_in(pids, "pids.events", "max");
    return 0;
}
