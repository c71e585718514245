/* Groups: made where they can be, with limits that are in force, entered, counted, removed; what a dead owner left is swept, what a
 * living one has is not. Where this host lets nobody make a group, only the refusal is tested. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/cgroup_internal.h"
#include "sandbox/kernel.h"

#define MIB (UINT64_C(1) << 20)

/* Names of groups of ours in the places that are open. */
static int groups_there(const struct cgroup_places *p) {
    int n = 0;
    for (int t = 0; t < CGROUP_TREES; t++) {
        const int fd = p->fd[t] < 0 ? -1 : openat(p->fd[t], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        for (struct dirent *de; d && (de = readdir(d));) n += strstr(de->d_name, p->owner) != NULL;
        if (d) closedir(d);
    }
    return n;
}

static void refuses_without_places(void) {
    struct cgroup_places none = CGROUP_PLACES_NONE;
    struct cgroup g = CGROUP_NONE;
    struct err e = ERR_INIT;
    snprintf(none.why, sizeof none.why, "for a test");
    CHECK(cgroup_version(&none) == 0);
    CHECK(cgroup_make(&none, &(struct cgroup_limits){.memory_bytes = MIB}, &g, &e) < 0);
    CHECK(e.code == ERR_UNSUPPORTED && strstr(e.text, "for a test"));
    struct cgroup_counts c;
    CHECK(cgroup_count(&g, &c) < 0);
    cgroup_remove(&none, &g);
}

static int wait_for(pid_t pid) {
    int ws = 0;
    while (waitpid(pid, &ws, 0) < 0 && errno == EINTR) continue;
    return ws;
}

/* A child in the group that takes more than it may; -1: it could not enter. */
static int eat(const struct cgroup *g, size_t bytes) {
    const pid_t pid = fork();
    if (pid == 0) {
        if (cgroup_enter_self(g) < 0) _exit(77);
        char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) _exit(78);
        for (size_t i = 0; i < bytes; i += 4096) p[i] = 1;
        _exit(0);
    }
    return wait_for(pid);
}

static int fork_in(const struct cgroup *g, int children) {
    const pid_t pid = fork();
    if (pid == 0) {
        int made = 0;
        if (cgroup_enter_self(g) < 0) _exit(77);
        for (int i = 0; i < children; i++) {
            const pid_t c = fork();
            if (c == 0) pause();
            if (c > 0) made++;
        }
        signal(SIGTERM, SIG_IGN);
        _exit(made); /* the children are ended by the caller */
    }
    return wait_for(pid);
}

static void end_all_in(const struct cgroup *g) {
    char path[64], line[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d/cgroup.procs", g->fd[CGROUP_PIDS]);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) kill((pid_t)strtol(line, NULL, 10), SIGKILL);
    if (f) fclose(f);
}

static void version_one(const struct cgroup_places *p) {
    struct cgroup g = CGROUP_NONE;
    struct cgroup_counts c;
    struct err e = ERR_INIT;
    NEED(cgroup_make(p, &(struct cgroup_limits){.memory_bytes = 32 * MIB, .processes = 5}, &g, &e) == 0);
    CHECK(groups_there(p) >= 2);
    CHECK(eat(&g, 8 * MIB) == 0);
    CHECK(cgroup_count(&g, &c) == 0 && c.oom_kills == 0 && c.memory_peak >= 8 * MIB && c.memory_peak <= 32 * MIB);
    const int ws = eat(&g, 64 * MIB);
    CHECK(WIFSIGNALED(ws) && WTERMSIG(ws) == SIGKILL);
    CHECK(cgroup_count(&g, &c) == 0 && c.oom_kills >= 1 && c.memory_peak <= 32 * MIB);
    CHECK(c.processes_hits == 0);
    const int made = fork_in(&g, 20);
    CHECK(WIFEXITED(made) && WEXITSTATUS(made) == 4);
    CHECK(cgroup_count(&g, &c) == 0 && c.processes_hits > 0 && c.processes == 4 && c.has_cpu && c.cpu_us > 0);
    CHECK(cgroup_sweep(p) == 0); /* its owner lives, and so do processes in it */
    end_all_in(&g);
    cgroup_remove(p, &g);
    CHECK(groups_there(p) == 0);
}

/* --- version 2 ------------------------------------------------------------------------------------------------------ */
static pid_t fork_into(const struct cgroup *g) {
    struct k_clone_args a = {
        .flags = K_CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)g->fd[CGROUP_UNIFIED]};
    const pid_t pid = k_clone3(&a);
    NEED(pid >= 0);
    return pid;
}

static void touch(size_t bytes) {
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; p != MAP_FAILED && i < bytes; i += 4096) p[i] = 1;
}

static bool file_says(const struct cgroup *g, const char *file, const char *text) {
    char is[64];
    return cgroup_read_file(g->fd[CGROUP_UNIFIED], file, is, sizeof is) > 0 && strcmp(is, text) == 0;
}

/* A bystander in the group goes with the one that took too much: half a jail proves nothing. */
static void memory_is_of_the_whole(const struct cgroup *g) {
    struct cgroup_counts c;
    const pid_t small = fork_into(g);
    if (small == 0) {
        touch(8 * MIB);
        pause();
    }
    for (int i = 0; i < 2000 && (cgroup_count(g, &c) < 0 || c.memory_bytes < 8 * MIB); i++) usleep(1000);
    CHECK(c.oom_kills == 0 && !c.own_oom && c.processes == 1);
    const pid_t large = fork_into(g);
    if (large == 0) {
        touch(64 * MIB);
        _exit(0);
    }
    const int ws = wait_for(large), other = wait_for(small);
    CHECK(WIFSIGNALED(ws) && WTERMSIG(ws) == SIGKILL && WIFSIGNALED(other) && WTERMSIG(other) == SIGKILL);
    CHECK(cgroup_count(g, &c) == 0 && c.oom_kills >= 1 && c.own_oom && c.memory_peak <= 32 * MIB);
}

static void processes_are_of_the_whole(const struct cgroup *g) {
    struct cgroup_counts c;
    int ready[2];
    char made = 0;
    NEED(pipe(ready) == 0);
    const pid_t pid = fork_into(g);
    if (pid == 0) {
        for (int i = 0; i < 20; i++) {
            const pid_t child = fork();
            if (child == 0) pause();
            if (child > 0) made++;
        }
        if (write(ready[1], &made, 1) < 0) _exit(1);
        pause();
    }
    NEED(read(ready[0], &made, 1) == 1);
    CHECK(made == 4);
    CHECK(cgroup_count(g, &c) == 0 && c.processes == 5 && c.processes_hits > 0 && c.has_cpu && c.cpu_us > 0);
    cgroup_kill(g); /* all five, of which only one is ours to wait for */
    const int ws = wait_for(pid);
    CHECK(WIFSIGNALED(ws) && WTERMSIG(ws) == SIGKILL);
    close(ready[0]);
    close(ready[1]);
}

/* Killed for a group above it: its own limit has nothing to do with it. */
static void memory_of_others(const struct cgroup_places *p) {
    struct cgroup outer = CGROUP_NONE, inner = CGROUP_NONE;
    struct cgroup_places below = *p;
    struct cgroup_counts c;
    NEED(cgroup_make(p, &(struct cgroup_limits){.memory_bytes = 24 * MIB}, &outer, NULL) == 0);
    const int control = openat(outer.fd[CGROUP_UNIFIED], "cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
    NEED(control >= 0 && write(control, "+memory +pids", 13) == 13);
    below.fd[CGROUP_UNIFIED] = outer.fd[CGROUP_UNIFIED];
    NEED(cgroup_make(&below, &(struct cgroup_limits){.memory_bytes = 256 * MIB}, &inner, NULL) == 0);
    const pid_t pid = fork_into(&inner);
    if (pid == 0) {
        touch(64 * MIB);
        _exit(0);
    }
    const int ws = wait_for(pid);
    CHECK(WIFSIGNALED(ws) && WTERMSIG(ws) == SIGKILL);
    CHECK(cgroup_count(&inner, &c) == 0 && c.oom_kills >= 1 && !c.own_oom);
    CHECK(cgroup_count(&outer, &c) == 0 && c.own_oom);
    close(control);
    cgroup_remove(&below, &inner);
    cgroup_remove(p, &outer);
}

static void version_two(const struct cgroup_places *p) {
    struct cgroup g = CGROUP_NONE;
    NEED(cgroup_make(p, &(struct cgroup_limits){.memory_bytes = 32 * MIB, .processes = 5}, &g, NULL) == 0);
    CHECK(groups_there(p) == 1);
    CHECK(file_says(&g, "memory.max", "33554432\n") && file_says(&g, "memory.oom.group", "1\n") &&
          file_says(&g, "pids.max", "5\n"));
    if (faccessat(g.fd[CGROUP_UNIFIED], "memory.swap.max", F_OK, 0) == 0)
        CHECK(file_says(&g, "memory.swap.max", "0\n"));
    memory_is_of_the_whole(&g);
    processes_are_of_the_whole(&g);
    CHECK(cgroup_sweep(p) == 0); /* its owner lives */
    cgroup_remove(p, &g);
    CHECK(groups_there(p) == 0);
    memory_of_others(p);
    CHECK(groups_there(p) == 0);
}

/* The owner is dead and something in its group is not: the sweep ends it. */
static void sweeps_the_living(const struct cgroup_places *p) {
    int ready[2];
    pid_t left = 0;
    NEED(pipe(ready) == 0);
    const pid_t owner = fork();
    if (owner == 0) {
        struct cgroup_places mine;
        struct cgroup g;
        cgroup_places_open(&mine);
        if (cgroup_make(&mine, &(struct cgroup_limits){.processes = 9}, &g, NULL) < 0) _exit(1);
        left = fork_into(&g);
        if (left == 0) pause();
        if (write(ready[1], &left, sizeof left) < 0) _exit(1);
        pause();
    }
    NEED(read(ready[0], &left, sizeof left) == (ssize_t)sizeof left);
    CHECK(cgroup_sweep(p) == 0 && kill(left, 0) == 0);
    kill(owner, SIGKILL);
    wait_for(owner);
    CHECK(kill(left, 0) == 0);
    CHECK(cgroup_sweep(p) == 1);
    const int ws = wait_for(left); /* ours by now */
    CHECK(WIFSIGNALED(ws) && WTERMSIG(ws) == SIGKILL);
    close(ready[0]);
    close(ready[1]);
}

/* A process makes a group and is killed: nobody but the sweep removes it. */
static void sweeps(const struct cgroup_places *p, bool whole_host) {
    int ready[2];
    NEED(pipe(ready) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        struct cgroup_places mine;
        struct cgroup g;
        cgroup_places_open(&mine);
        const bool ok = cgroup_make(&mine, &(struct cgroup_limits){.processes = 9}, &g, NULL) == 0;
        if (!ok) mine.owner[0] = '\0';
        if (write(ready[1], mine.owner, sizeof mine.owner) < 0 || !ok) _exit(1);
        pause();
    }
    struct cgroup_places dead = *p; /* the same places, under the child's name */
    NEED(read(ready[0], dead.owner, sizeof dead.owner) == (ssize_t)sizeof dead.owner && dead.owner[0]);
    CHECK(groups_there(&dead) > 0);
    CHECK(cgroup_sweep(p) == 0 && groups_there(&dead) > 0);
    kill(pid, SIGKILL);
    wait_for(pid);
    CHECK((whole_host ? cgroup_sweep_host() : cgroup_sweep(p)) > 0);
    CHECK(groups_there(&dead) == 0);
    close(ready[0]);
    close(ready[1]);
}

int main(void) {
    struct cgroup_places p;
    refuses_without_places();
    cgroup_places_open(&p);
    printf("groups of version %d can be made here; %s\n", cgroup_version(&p), p.why);
    CHECK(cgroup_version(&p) == 2 || p.why[0] != '\0'); /* not the best: then it says why */
    if (cgroup_version(&p) == 1) version_one(&p);
    if (cgroup_version(&p) == 2) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        version_two(&p);
        sweeps_the_living(&p);
    }
    if (cgroup_version(&p) != 0) {
        sweeps(&p, false);
        sweeps(&p, true);
    }
    cgroup_places_close(&p);
    return check_done();
}
