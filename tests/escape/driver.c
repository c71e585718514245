/* driver.c - one group of probes in one jail, and what is to be seen of it from outside.
 *
 * Each group has a runner of its own, since an ordinary user's jail puts its builder into a user namespace for good. The
 * runner starts the canary (in that namespace, with the kernel uid of the jail's program), builds the jail as a worker
 * does, collects the answers and looks at the canary; its record comes back in shared memory, so that also a runner that
 * is killed on purpose leaves what it knew. What outlives the jail is reparented to the driver, a subreaper, and is found
 * by its name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "sandbox/internal.h"
#include "tests/escape/outside.h"

#define GROUP_MS 120000
#define FD_CANARY 20 /* the page that a canary shares with its runner */

/* --- walls ------------------------------------------------------------------------------------------------------------- */
#ifdef CTO_SANDBOX_TESTING
bool walls_take_down(uint32_t without) {
    static const struct {
        uint32_t wall;
        uint64_t bit;
    } map[] = {
        {WALL_MOUNTNS, JAIL_M_MOUNTNS},   {WALL_PIDNS, JAIL_M_PIDNS},       {WALL_NETNS, JAIL_M_NETNS},
        {WALL_IPCNS, JAIL_M_IPCNS},       {WALL_UTSNS, JAIL_M_UTSNS},       {WALL_CGROUPNS, JAIL_M_CGROUPNS},
        {WALL_ROOT, JAIL_M_ROOT},         {WALL_READONLY, JAIL_T_READONLY}, {WALL_NOSUID, JAIL_T_NOSUID},
        {WALL_NODEV, JAIL_T_NODEV},       {WALL_NOEXEC, JAIL_T_NOEXEC},     {WALL_PROCRO, JAIL_T_PROC_READONLY},
        {WALL_HIDEPID, JAIL_T_HIDEPID},   {WALL_LANDLOCK, JAIL_M_LANDLOCK}, {WALL_SECCOMP, JAIL_M_SECCOMP},
        {WALL_NNP, JAIL_M_NO_NEW_PRIVS},  {WALL_CAPS, JAIL_M_CAPS},         {WALL_SETUID, JAIL_M_SETUID},
        {WALL_RLIMITS, JAIL_M_RLIMITS},   {WALL_DEATH, JAIL_M_PDEATHSIG},   {WALL_FDS, JAIL_M_FDS},
        {WALL_DUMPABLE, JAIL_T_DUMPABLE}, {WALL_KEYRING, JAIL_T_KEYRING},   {WALL_SESSION, JAIL_T_SESSION},
    };
    jail_test_hooks.without = 0;
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (without & map[i].wall) jail_test_hooks.without |= map[i].bit;
    return true;
}
#else
bool walls_take_down(uint32_t without) { return without == 0; }
#endif

/* --- the canary -------------------------------------------------------------------------------------------------------- */
struct canary {
    volatile uint64_t text;
    volatile int ready;
};
static char canary_text[] = MARK;

int canary_main(void) {
    struct canary *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, FD_CANARY, 0);
    sigset_t all;
    sigfillset(&all); /* what arrives stays pending, to be seen in /proc */
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (page == MAP_FAILED || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return 1;
    page->text = (uint64_t)(uintptr_t)canary_text;
    page->ready = 1;
    for (;;) pause();
}

static void become_canary(const struct outside *o, int page, bool leads) __attribute__((noreturn));
static void become_canary(const struct outside *o, int page, bool leads) {
    char path[PATH_MAX];
    char *const argv[] = {(char *)(uintptr_t) "escape", (char *)(uintptr_t) "canary", NULL};
    char *const env[] = {(char *)(uintptr_t) "SECRET=" MARK, NULL};
    snprintf(path, sizeof path, "%s/bin/escape", o->w.dir);
    if (dup2(page, FD_CANARY) < 0 || (leads && setpgid(0, 0) < 0)) _exit(1);
    if (o->w.root_mode) {
        const uid_t id = o->kernel_uid;
        if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0) _exit(1);
    }
    execve(path, argv, env); /* and is dumpable, as any program is */
    _exit(1);
}

static int start_canary(struct outside *o, bool leads) {
    const int page = (int)syscall(SYS_memfd_create, MARK, 1u /* CLOEXEC */);
    if (page < 0 || ftruncate(page, 4096) < 0) return -1;
    struct canary *c = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    if (c == MAP_FAILED) return -1;
    o->w.canary = fork();
    if (o->w.canary == 0) become_canary(o, page, leads);
    close(page);
    for (int i = 0; o->w.canary > 0 && !c->ready && i < 3000 && waitpid(o->w.canary, NULL, WNOHANG) == 0; i++) {
        const struct timespec t = {0, 5000000};
        nanosleep(&t, NULL);
    }
    if (!c->ready) return -1;
    o->w.canary_text = c->text;
    munmap(c, 4096);
    return 0;
}

static unsigned long canary_number(pid_t pid, const char *key) {
    char path[64], line[256];
    unsigned long n = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) sscanf(line + strlen(key), ":%lx", &n);
    if (f) fclose(f);
    return n;
}

/* Unharmed: alive, running, as it was. */
static bool canary_signalled(const struct outside *o) {
    return canary_number(o->w.canary, "SigPnd") || canary_number(o->w.canary, "ShdPnd");
}

static const char *canary_harmed(const struct outside *o) {
    const pid_t pid = o->w.canary;
    cpu_set_t mine, its;
    struct rlimit l;
    int ws = 0;
    if (waitpid(pid, &ws, WNOHANG | WUNTRACED) != 0)
        return WIFSTOPPED(ws) ? "the canary was stopped" : "the canary is dead";
    if (canary_signalled(o)) return "the canary was signalled";
    if (canary_number(pid, "TracerPid") != 0) return "the canary is traced";
    if (getpriority(PRIO_PROCESS, (id_t)pid) != getpriority(PRIO_PROCESS, 0)) return "the canary's priority changed";
    if (sched_getscheduler(pid) != SCHED_OTHER) return "the canary's scheduler changed";
    if (syscall(SYS_ioprio_get, 1, pid) != syscall(SYS_ioprio_get, 1, 0)) return "the canary's I/O priority changed";
    if (sched_getaffinity(0, sizeof mine, &mine) == 0 && sched_getaffinity(pid, sizeof its, &its) == 0 &&
        !CPU_EQUAL(&mine, &its))
        return "the canary was pinned";
    if (prlimit(pid, RLIMIT_NOFILE, NULL, &l) == 0 && l.rlim_max <= 100) return "the canary's limit changed";
    return NULL;
}

/* --- the runner -------------------------------------------------------------------------------------------------------- */
struct record {
    bool started, done;
    char error[200];
    struct answer answer[PROBES_MAX];
    char harmed[DETAIL_MAX];
    bool signalled;
};

static unsigned batch_flags(const struct batch *g) {
    size_t n;
    return g->n ? probes_all(&n)[g->index[0]]->flags : 0;
}

static int write_world(struct outside *o, const struct batch *g) {
    char path[PATH_MAX];
    o->w.without = g->without;
    o->w.control = g->without != 0;
    snprintf(path, sizeof path, "%s/world/world", o->w.dir);
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd < 0 ? -1 : io_write_full(fd, &o->w, sizeof o->w, NULL);
}

static size_t binds(const struct outside *o, struct jail_bind b[6]) {
    static char noexec[PATH_MAX], bin[PATH_MAX], world[PATH_MAX], inner[PATH_MAX], nested[PATH_MAX];
    snprintf(noexec, sizeof noexec, "%s/noexec", o->w.dir);
    snprintf(bin, sizeof bin, "%s/bin", o->w.dir);
    snprintf(world, sizeof world, "%s/world", o->w.dir);
    snprintf(inner, sizeof inner, "%s/inner", o->w.dir);
    snprintf(nested, sizeof nested, "%s/inner", o->w.rw);
    b[0] = (struct jail_bind){.source = o->w.rw, .target = o->w.rw, .writable = true};
    b[1] = (struct jail_bind){.source = o->w.ro, .target = o->w.ro};
    b[2] = (struct jail_bind){.source = noexec, .target = noexec, .no_exec = true};
    b[3] = (struct jail_bind){.source = bin, .target = bin};
    b[4] = (struct jail_bind){.source = world, .target = world};
    b[5] = (struct jail_bind){.source = inner, .target = nested};
    return 6;
}

/* Lines "index verdict detail", as they come; at most `max` of them. */
static void collect(int fd, struct record *r, size_t max) {
    static char buffer[1 << 16];
    size_t n = 0, seen = 0;
    const uint64_t deadline = clock_mono_us() + GROUP_MS * UINT64_C(1000) / 2;
    while (seen < max && io_wait(fd, POLLIN, clock_left_ms(deadline), NULL) > 0) {
        const ssize_t got = read(fd, buffer + n, sizeof buffer - 1 - n);
        if (got <= 0) return;
        n += (size_t)got;
        for (char *end; (end = memchr(buffer, '\n', n));) {
            size_t index = 0;
            int verdict = ANSWER_NONE, at = 0;
            *end = '\0';
            if (sscanf(buffer, "%zu %d %n", &index, &verdict, &at) == 2 && index < PROBES_MAX) {
                r->answer[index].verdict = verdict;
                snprintf(r->answer[index].detail, DETAIL_MAX, "%s", buffer + at);
                seen++;
            }
            n -= (size_t)(end + 1 - buffer);
            memmove(buffer, end + 1, n);
        }
    }
}

struct call {
    char program[PATH_MAX], world[PATH_MAX], numbers[PROBES_MAX][8];
    const char *argv[PROBES_MAX + 4], *env[32];
};

static void make_call(const struct outside *o, const struct batch *g, struct call *c) {
    size_t n = 0, e = 0;
    snprintf(c->program, sizeof c->program, "%s/bin/escape", o->w.dir);
    snprintf(c->world, sizeof c->world, "%s/world/world", o->w.dir);
    c->argv[n++] = c->program;
    c->argv[n++] = "inside";
    c->argv[n++] = c->world;
    for (size_t i = 0; i < g->n; i++) {
        snprintf(c->numbers[i], sizeof c->numbers[i], "%zu", g->index[i]);
        c->argv[n++] = c->numbers[i];
    }
    for (const char *const *d = jail_default_env(); *d && e < 30; d++) c->env[e++] = *d;
    if (g->without & WALL_ENV) c->env[e++] = "SECRET=" MARK;
}

static int run_program_jail(struct outside *o, const struct batch *g, struct record *r, struct err *e) {
    static struct call c;
    struct jail_bind b[6];
    struct jail *j = NULL;
    int p[2];
    make_call(o, g, &c);
    if (pipe2(p, O_CLOEXEC) < 0) return err_sys(e, "pipe");
    AUTO_FD int from = p[0];
    const struct jail_spec s = {.profile = g->jail == VERIFIER ? JAIL_VERIFIER : JAIL_ENGINE,
                                .argv = c.argv,
                                .envp = c.env,
                                .cwd = o->w.rw,
                                .binds = b,
                                .n_binds = binds(o, b),
                                .limits = {.memory_bytes = 512u << 20,
                                           .processes = 96,
                                           .open_files = 256,
                                           .file_bytes = 64u << 20,
                                           .scratch_bytes = g->without & WALL_SCRATCH ? 64u << 20 : 8u << 20},
                                .uid = o->kernel_uid,
                                .stdin_fd = outside_stdin(o, (batch_flags(g) & TTY) != 0),
                                .stdout_fd = p[1],
                                .stderr_fd = -1,
                                .loopback = true};
    const int rc = jail_start(&s, &j, e);
    close(p[1]);
    if (rc < 0) return -1;
    r->started = true;
    collect(from, r, g->n);
    if (batch_flags(g) & ORPHAN) raise(SIGKILL);
    struct jail_end end;
    if (jail_wait(j, 20000, &end, NULL) != 1) jail_kill(j);
    jail_free(j);
    return 0;
}

static int confine_inspector(const struct outside *o, struct err *e) {
    const struct jail_path_rule rules[] = {{o->w.ro, false}, {o->w.rw, true}};
    struct jail_report report;
    return jail_confine_self(rules, 2, NULL, true, &report, e);
}

/* In the inspector nothing can be forked: each attempt confines itself. */
static void one_confined(struct outside *o, const struct batch *g, size_t index, struct answer *a) {
    int p[2], ws = 0;
    struct err e = ERR_INIT;
    *a = (struct answer){.verdict = ANSWER_NONE};
    if (pipe2(p, O_CLOEXEC) < 0) return;
    const pid_t pid = fork();
    if (pid == 0) {
        struct answer mine = {.verdict = ANSWER_NONE};
        close(p[0]);
        close(o->w.leaked);
        if (!g->without && confine_inspector(o, &e) < 0)
            snprintf(mine.detail, sizeof mine.detail, "%.110s", e.text);
        else
            inside_call(&o->w, index, &mine);
        _exit(write(p[1], &mine, sizeof mine) == (ssize_t)sizeof mine ? 1 : 2);
    }
    close(p[1]);
    AUTO_FD int from = p[0];
    const bool ready = pid > 0 && io_wait(from, POLLIN, 30000, NULL) > 0;
    const bool answered = ready && io_read_full(from, a, sizeof *a, NULL) == (ssize_t)sizeof *a;
    if (pid > 0 && !ready) kill(pid, SIGKILL);
    if (pid > 0) waitpid(pid, &ws, 0);
    if (answered) return;
    a->verdict = WIFSIGNALED(ws) && WTERMSIG(ws) == SIGSYS ? HELD
                 : WIFEXITED(ws) && WEXITSTATUS(ws) == 0   ? OPEN
                                                           : ANSWER_NONE;
    snprintf(a->detail, sizeof a->detail, "wait status %d", ws);
}

static int run_self_jail(struct outside *o, const struct batch *g, struct record *r, struct err *e) {
    struct jail_bind b[6];
    struct jail_report report;
    struct jail_enter_spec s = {.binds = b, .n_binds = binds(o, b)};
    if (!g->without && jail_enter(&s, &report, e) < 0) return -1;
    if (!g->without && g->jail == WORKER && jail_restrict_worker(&report, e) < 0) return -1;
    if (chdir(o->w.rw) < 0) return err_sys(e, "%s", o->w.rw);
    r->started = true;
    for (size_t i = 0; i < g->n; i++) {
        if (g->jail == WORKER)
            inside_one(&o->w, g->index[i], &r->answer[g->index[i]]);
        else
            one_confined(o, g, g->index[i], &r->answer[g->index[i]]);
    }
    return 0;
}

int driver_publish(struct outside *o, const struct batch *g, struct err *e) {
    if (start_canary(o, true) < 0) return err_set(e, ERR_INTERNAL, "the canary did not start");
    return write_world(o, g) < 0 ? err_sys(e, "world file") : 0;
}

static int run_here(struct outside *o, const struct batch *g, struct record *r, struct err *e) {
    struct stat st;
    setpgid(0, 0); /* a signal to the group reaches the canary and us, nobody else */
    signal(SIGUSR2, SIG_IGN);
    if (!walls_take_down(g->without & ~(uint32_t)(WALL_ENV | WALL_SCRATCH)))
        return err_set(e, ERR_UNSUPPORTED, "no controls in this build");
    const bool self = g->jail == INSPECTOR || g->jail == WORKER;
    /* jail_enter makes the user namespace itself; else we enter first, so that the canary is in the jail's. */
    if (!self && !o->w.root_mode && ids_enter_user_namespace(0, e) < 0) return -1;
    if (!self && stat("/proc/self/ns/mnt", &st) == 0) o->w.ns[NS_MNT] = (uint64_t)st.st_ino; /* the builder's */
    if (start_canary(o, !(batch_flags(g) & COUNTED)) < 0) return err_set(e, ERR_INTERNAL, "the canary did not start");
    if (write_world(o, g) < 0) return err_sys(e, "world file");
    const int rc = self ? run_self_jail(o, g, r, e) : run_program_jail(o, g, r, e);
    if (rc < 0) return -1;
    r->signalled = canary_signalled(o);
    const char *harmed = self ? NULL : canary_harmed(o);
    if (harmed) snprintf(r->harmed, sizeof r->harmed, "%s", harmed);
    r->done = true;
    return 0;
}

/* --- outside ----------------------------------------------------------------------------------------------------------- */
/* Is `pid` a child of ours? Then its name. */
static bool child_name(pid_t pid, char name[32]) {
    char path[64], text[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got <= 0) return false;
    text[got] = '\0';
    char *from = strchr(text, '('), *to = strrchr(text, ')');
    if (!from || !to || sscanf(to + 2, "%*c %d", &parent) != 1 || parent != (int)getpid()) return false;
    *to = '\0';
    snprintf(name, 32, "%.31s", from + 1);
    return true;
}

static void blame_survivor(const struct batch *g, struct record *r, pid_t pid, const char *name) {
    size_t n;
    char tag[16];
    const struct probe *const *all = probes_all(&n);
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(name, probe_tag(all[g->index[i]], tag)) != 0 && !(all[g->index[i]]->flags & ORPHAN)) continue;
        struct answer *a = &r->answer[g->index[i]];
        a->verdict = OPEN;
        snprintf(a->detail, DETAIL_MAX, "process %d outlived the jail", (int)pid);
    }
}

/* Where the kernel lists children. */
static bool only_helper_left(const struct outside *o) {
    char text[256], helper[24];
    AUTO_FD int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0) return false;
    text[n] = '\0';
    snprintf(helper, sizeof helper, "%d ", (int)o->helper);
    return strcmp(text, helper) == 0;
}

/* Children of ours that are not the helper are what outlived its jail, or a canary that is about to go with its runner.
 * Returns how many live; with `end`, they are ended and blamed. */
static int survivors(const struct outside *o, const struct batch *g, struct record *r, bool end) {
    char name[32];
    int found = 0;
    /* All but the helper are ours to wait for; a look at all processes is taken only when there is one. */
    siginfo_t si = {.si_pid = 0};
    while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid != 0 && si.si_pid != o->helper) {
        waitpid(si.si_pid, NULL, 0);
        si.si_pid = 0;
    }
    if (only_helper_left(o)) return 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        const pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid <= 0 || pid == o->helper || !child_name(pid, name) || waitpid(pid, NULL, WNOHANG) != 0) continue;
        found++;
        if (!end) continue;
        blame_survivor(g, r, pid, name);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (d) closedir(d);
    return found;
}

/* The canary, and a jail whose builder was killed, die by a signal that is on its way. */
static void let_die(const struct outside *o, const struct batch *g, struct record *r) {
    const int rounds = g->without ? 100 : 1000;
    for (int i = 0; i < rounds && survivors(o, g, r, false) > 0; i++) {
        const struct timespec t = {0, i < 10 ? 1000000 : 10000000};
        nanosleep(&t, NULL);
        if (i > 12 && !(batch_flags(g) & ORPHAN)) break;
    }
    for (int i = 0; i < 50 && survivors(o, g, r, true) > 0; i++) {
    }
}

static void wait_runner(pid_t runner) {
    const int pidfd = (int)syscall(434, runner, 0);
    if (pidfd < 0 || io_wait(pidfd, POLLIN, GROUP_MS, NULL) <= 0) kill(runner, SIGKILL);
    if (pidfd >= 0) close(pidfd);
    waitpid(runner, NULL, 0);
}

static void settle(const struct batch *g, struct record *r, struct outcome *ret) {
    size_t n;
    const struct probe *const *all = probes_all(&n);
    for (size_t i = 0; i < g->n; i++) {
        struct answer *a = &r->answer[g->index[i]];
        if (a->verdict == LATER && all[g->index[i]]->flags & COUNTED && r->signalled) {
            a->verdict = OPEN;
            snprintf(a->detail, sizeof a->detail, "the canary was signalled");
        }
        if (a->verdict == LATER) a->verdict = HELD;
        ret->answer[g->index[i]] = *a;
    }
}

void driver_run(struct outside *o, const struct batch *g, struct outcome *ret) {
    struct record *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct err e = ERR_INIT;
    memset(ret, 0, sizeof *ret);
    if (r == MAP_FAILED || outside_note(o, g, &e) < 0) {
        snprintf(ret->error, sizeof ret->error, "%.190s", e.text);
        return;
    }
    for (size_t i = 0; i < PROBES_MAX; i++) r->answer[i].verdict = ANSWER_NONE;
    fflush(NULL);
    const pid_t runner = fork();
    if (runner == 0) {
        if (run_here(o, g, r, &e) < 0) snprintf(r->error, sizeof r->error, "%.190s", e.text);
        _exit(0);
    }
    if (runner > 0) wait_runner(runner);
    let_die(o, g, r);
    settle(g, r, ret);
    ret->started = r->started;
    memcpy(ret->error, r->error, sizeof ret->error);
    ret->n_changes = outside_changes(o, ret->changes, &ret->files_changed);
    if (r->harmed[0] && ret->n_changes < CHANGES_MAX)
        memcpy(ret->changes[ret->n_changes++], r->harmed, sizeof r->harmed);
    munmap(r, sizeof *r);
}
