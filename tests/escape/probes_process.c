/* probes_process.c - rows 13-16, 18, 22 and 33: other processes, signals, staying alive, priorities.
 *
 * The canary is a process outside that has the kernel uid of the jail's program and is dumpable: the worst neighbour,
 * where owner and mode of nothing help. It cannot be named from inside (pid namespace), not be signalled or traced over
 * the border of the Landlock domain, and the calls that would are refused (seccomp).
 *
 * Whether something outlives the jail, only the outside can tell: such a probe leaves a process that is called by
 * probe_tag(), and answers LATER.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/kernel.h"
#include "tests/escape/escape.h"

#define SURVIVES_S 40

static pid_t target(const struct world *w, const struct probe *p) {
    if (p->text && p->text[0] == 'c') return w->canary;
    return w->without & WALL_PIDNS ? getsid(0) : 1; /* init leads the session */
}

/* --- row 13 ----------------------------------------------------------------------------------------------------------- */
static enum verdict traces(const struct world *w, const struct probe *p) {
    const pid_t pid = target(w, p);
    if (ptrace((enum __ptrace_request)p->nr, pid, NULL, NULL) < 0) return HELD;
    if (p->nr == PTRACE_SEIZE) ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
    waitpid(pid, NULL, __WALL);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return OPEN;
}

static enum verdict traced_child(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static enum verdict reads_memory(const struct world *w, const struct probe *p) {
    char text[sizeof MARK] = "";
    const bool canary = p->text[0] == 'c';
    const struct iovec mine = {text, sizeof text},
                       theirs = {(void *)(uintptr_t)(canary ? w->canary_text : (uint64_t)(uintptr_t)w), sizeof text};
    const ssize_t n = process_vm_readv(target(w, p), &mine, 1, &theirs, 1, 0);
    return open_if(n > 0 || (n < 0 && errno == EFAULT)); /* pid 1 has nothing at that address, and said so */
}

static enum verdict writes_memory(const struct world *w, const struct probe *p) {
    char text[] = MARK; /* what is there already */
    const struct iovec mine = {text, sizeof text}, theirs = {(void *)(uintptr_t)w->canary_text, sizeof text};
    return open_if(process_vm_writev(target(w, p), &mine, 1, &theirs, 1, 0) > 0);
}

static enum verdict takes_descriptor(const struct world *w, const struct probe *p) {
    AUTO_FD int pidfd = k_pidfd_open(target(w, p));
    if (pidfd < 0) return HELD;
    AUTO_FD int fd = (int)syscall(438, pidfd, p->text[0] == 'c' ? w->leaked : 3, 0);
    return open_if(fd >= 0);
}

static enum verdict compares(const struct world *w, const struct probe *p) {
    return open_if(syscall(SYS_kcmp, getpid(), target(w, p), KCMP_VM, 0, 0) >= 0);
}

static enum verdict advises(const struct world *w, const struct probe *p) {
    AUTO_FD int pidfd = k_pidfd_open(target(w, p));
    if (pidfd < 0) return HELD;
    const struct iovec v = {(void *)(uintptr_t)(w->canary_text & ~UINT64_C(4095)), 4096};
    return open_if(syscall(440, pidfd, &v, 1, 20 /* COLD */, 0) >= 0);
}

static enum verdict looks_up(const struct world *w, const struct probe *p) {
    return open_if(getpgid(target(w, p)) >= 0);
}

/* --- row 14 ----------------------------------------------------------------------------------------------------------- */
enum { K_PID, K_GROUP, K_TGKILL, K_QUEUE, K_PIDFD, K_STOP, K_NULL, K_TKILL };
static enum verdict signals(const struct world *w, const struct probe *p) {
    const pid_t pid = target(w, p);
    siginfo_t si;
    memset(&si, 0, sizeof si);
    si.si_code = -1; /* SI_QUEUE */
    switch (p->number) {
    case K_PID: return open_if(kill(pid, SIGUSR1) == 0);
    case K_NULL: return open_if(kill(pid, 0) == 0);
    case K_GROUP: return open_if(kill(-pid, SIGUSR1) == 0); /* it leads one */
    case K_TGKILL: return open_if(syscall(SYS_tgkill, pid, pid, SIGUSR1) == 0);
    case K_TKILL: return open_if(syscall(SYS_tkill, pid, SIGUSR1) == 0);
    case K_QUEUE: return open_if(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si) == 0);
    case K_STOP: return open_if(kill(pid, SIGTSTP) == 0);
    default: break;
    }
    AUTO_FD int pidfd = k_pidfd_open(pid);
    return open_if(pidfd >= 0 && k_pidfd_send_signal(pidfd, SIGUSR1) == 0);
}

static enum verdict knows(const struct world *w, const struct probe *p) {
    if (kill(target(w, p), 0) == 0) return OPEN;
    return open_if(errno == EPERM); /* "not yours" is an answer too */
}

/* The owner of a socket is signalled by the kernel, in the name of whoever set it. */
static enum verdict signals_by_owner(const struct world *w, const struct probe *p) {
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) return skip("socketpair");
    return open_if(fcntl(sv[0], F_SETOWN, target(w, p)) == 0);
}

/* Nobody inside minds SIGUSR2; whether somebody outside has received it, the driver sees. */
static enum verdict signals_many(const struct world *w, const struct probe *p) {
    (void)w;
    const int rc = kill((pid_t)p->nr, SIGUSR2);
    say("%s", rc == 0 ? "only its own were there" : strerror(errno));
    return LATER;
}

/* --- row 16 ----------------------------------------------------------------------------------------------------------- */
static bool is_dead(pid_t pid) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return false;
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'Z';
}

static enum verdict kills_init(const struct world *w, const struct probe *p) {
    const pid_t pid = w->without & WALL_PIDNS ? (pid_t)getsid(0) : 1;
    /* One that can be killed must first have said that the program was started. */
    const struct timespec start = {w->control ? 1 : 0, 0};
    nanosleep(&start, NULL);
    kill(pid, (int)p->nr);
    for (int i = 0; i < 100; i++) {
        if ((kill(pid, 0) < 0 && errno == ESRCH) || is_dead(pid)) return OPEN;
        const struct timespec t = {0, w->control ? 20000000 : 500000};
        nanosleep(&t, NULL);
    }
    return HELD;
}

/* --- row 15, 21, 33: alive after the end ------------------------------------------------------------------------------ */
enum {
    L_FORK,
    L_DAEMON,
    L_IGNORE,
    L_STOPPED,
    L_SUBREAPER,
    L_ODD_SIGNAL,
    L_EXEC,
    L_VFORK,
    L_THREAD,
    L_LOCK,
    L_REAPED,
    L_TIMER
};

static void rest(const struct probe *p) {
    char tag[16];
    prctl(PR_SET_NAME, probe_tag(p, tag), 0, 0, 0);
    for (int i = 0; i < SURVIVES_S; i++) sleep(1);
    _exit(0);
}

static void *rest_in_thread(void *arg) {
    rest(arg);
    return NULL;
}

static void thread_outlives_main(const struct probe *p) {
    pthread_t t;
    char tag[16];
    prctl(PR_SET_NAME, probe_tag(p, tag), 0, 0, 0);
    if (pthread_create(&t, NULL, rest_in_thread, (void *)(uintptr_t)p) == 0) syscall(SYS_exit, 0);
    _exit(1);
}

static void exec_under_another_name(const struct world *w, const struct probe *p) {
    char tag[16], path[PATH_MAX];
    snprintf(path, sizeof path, "%s/plain", w->ro);
    execl(path, "[kworker/0:1]", "rest", probe_tag(p, tag), (char *)NULL);
    _exit(1);
}

static void hold_lock(const struct world *w, const struct probe *p) {
    const int fd = open(in_ro(w, p, "file"), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) flock(fd, LOCK_EX | LOCK_NB);
    rest(p);
}

static void ignore_signals(void) {
    for (int s = 1; s < NSIG; s++) signal(s, SIG_IGN);
}

static void live_on(const struct world *w, const struct probe *p) {
    char tag[16];
    switch (p->number) {
    case L_DAEMON:
        setsid();
        if (fork() != 0) _exit(0);
        break;
    case L_IGNORE: ignore_signals(); break;
    case L_STOPPED:
        signal(SIGHUP, SIG_IGN); /* what a stopped orphan is sent */
        prctl(PR_SET_NAME, probe_tag(p, tag), 0, 0, 0);
        raise(SIGSTOP);
        break;
    case L_SUBREAPER:
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        if (fork() != 0) break;
        break;
    case L_EXEC: exec_under_another_name(w, p); break;
    case L_THREAD: thread_outlives_main(p); break;
    case L_LOCK: hold_lock(w, p); break;
    case L_VFORK:
        if (vfork() == 0) rest(p); /* the parent waits in the kernel as long */
        break;
    case L_REAPED: signal(SIGCHLD, SIG_IGN); break;
    default: break;
    }
    rest(p);
}

static enum verdict survives(const struct world *w, const struct probe *p) {
    const long exit_signal = p->number == L_ODD_SIGNAL ? 0 : SIGCHLD;
    const pid_t pid = (pid_t)syscall(SYS_clone, exit_signal, 0, 0, 0, 0);
    if (pid == 0) {
        setpgid(0, 0); /* whoever ends an attempt that hangs ends its group */
        k_close_range(0, ~0U);
        live_on(w, p);
    }
    const struct timespec t = {0, 30000000};
    nanosleep(&t, NULL);
    return pid > 0 ? LATER : skip("no process: %s", strerror(errno));
}

/* --- row 18 ----------------------------------------------------------------------------------------------------------- */
static enum verdict nices(const struct world *w, const struct probe *p) {
    return open_if(setpriority(PRIO_PROCESS, (id_t)target(w, p), 5) == 0);
}

static enum verdict pins(const struct world *w, const struct probe *p) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    return open_if(sched_setaffinity(target(w, p), sizeof set, &set) == 0);
}

static enum verdict reschedules(const struct world *w, const struct probe *p) {
    const struct sched_param sp = {0};
    return open_if(sched_setscheduler(target(w, p), SCHED_BATCH, &sp) == 0);
}

static enum verdict limits_other(const struct world *w, const struct probe *p) {
    const struct rlimit l = {100, 100};
    return open_if(syscall(SYS_prlimit64, target(w, p), RLIMIT_NOFILE, &l, NULL) == 0);
}

static enum verdict io_priority(const struct world *w, const struct probe *p) {
    return open_if(syscall(SYS_ioprio_set, 1, target(w, p), 3 << 13) == 0);
}

static enum verdict real_time(const struct world *w, const struct probe *p) {
    const struct sched_param sp = {.sched_priority = 1};
    if (w->control && w->hard[RLIMIT_RTPRIO] == 0) return skip("the caller's own limit is as low");
    if (sched_setscheduler(0, (int)p->nr, &sp) < 0) return HELD;
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
    return OPEN;
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define TRACE(what, request, who, walls) \
    {.row = "13", .name = what, .tries = #request " on " who, .attempt = traces, .jails = PROGRAM, BOTH(walls), .nr = request, .text = who}
#define SIGNAL(what, number_, tries_) \
    {.row = "14", .name = "signal-" what, .tries = "signal a process outside " tries_, .attempt = signals, .jails = PROGRAM | INSPECTOR, \
     BOTH(WALL_PIDNS | WALL_LANDLOCK), .number = (number_), .text = "canary"}
#define SURVIVE(what, number_, tries_) \
    {.row = "15", .name = "survive-" what, .tries = "outlive the jail: " tries_, .attempt = survives, .jails = PROGRAM, BOTH(WALL_PIDNS), .number = (number_)}
#define CANARY "canary outside"
#define INIT_ "init of the jail"

static const struct probe v[] = {
    TRACE("ptrace-attach-other", PTRACE_ATTACH, CANARY, WALL_PIDNS | WALL_LANDLOCK | WALL_SECCOMP),
    TRACE("ptrace-seize-other", PTRACE_SEIZE, CANARY, WALL_PIDNS | WALL_LANDLOCK | WALL_SECCOMP),
    TRACE("ptrace-attach-init", PTRACE_ATTACH, INIT_, WALL_DUMPABLE | WALL_SECCOMP),
    TRACE("ptrace-seize-init", PTRACE_SEIZE, INIT_, WALL_DUMPABLE | WALL_SECCOMP),
    {.row = "13", .name = "ptrace-child", .tries = "trace a child of its own", .attempt = traced_child, .jails = PROGRAM | INSPECTOR, BOTH(WALL_SECCOMP)},
    {.row = "13", .name = "read-memory-other", .tries = "process_vm_readv of a process outside", .attempt = reads_memory,
     .jails = PROGRAM | INSPECTOR, BOTH(WALL_PIDNS | WALL_LANDLOCK | WALL_SECCOMP), .text = "canary"},
    {.row = "13", .name = "write-memory-other", .tries = "process_vm_writev of a process outside", .attempt = writes_memory,
     .jails = PROGRAM | INSPECTOR, BOTH(WALL_PIDNS | WALL_LANDLOCK | WALL_SECCOMP), .text = "canary"},
    {.row = "13", .name = "read-memory-init", .tries = "process_vm_readv of pid 1", .attempt = reads_memory, .jails = PROGRAM,
     BOTH(WALL_DUMPABLE | WALL_SECCOMP), .text = "init"},
    {.row = "13", .name = "pidfd-getfd-other", .tries = "take a descriptor of a process outside", .attempt = takes_descriptor,
     .jails = PROGRAM | INSPECTOR, BOTH(WALL_PIDNS | WALL_LANDLOCK | WALL_SECCOMP), .text = "canary"},
    {.row = "22", .name = "pidfd-getfd-init", .tries = "take the status pipe of pid 1, to forge the exit status", .attempt = takes_descriptor,
     .jails = PROGRAM, BOTH(WALL_DUMPABLE | WALL_SECCOMP), .text = "init"},
    {.row = "13", .name = "kcmp-other", .tries = "compare with a process outside", .attempt = compares, .jails = PROGRAM | INSPECTOR,
     BOTH(WALL_PIDNS | WALL_LANDLOCK | WALL_SECCOMP), .text = "canary"},
    {.row = "13", .name = "kcmp-init", .tries = "compare with pid 1", .attempt = compares, .jails = PROGRAM, BOTH(WALL_DUMPABLE | WALL_SECCOMP), .text = "init"},
    {.row = "13", .name = "madvise-other", .tries = "process_madvise on a process outside", .attempt = advises, .jails = PROGRAM | INSPECTOR,
     .holds_root = WALL_PIDNS | WALL_SECCOMP | WALLS_POWER, .why_not = KERNEL_HOLDS, .text = "canary"},
    {.row = "13", .name = "getpgid-other", .tries = "learn the process group of a process outside", .attempt = looks_up, .jails = PROGRAM,
     BOTH(WALL_PIDNS), .text = "canary"},
    {.row = "13", .name = "known-other", .tries = "learn whether a process outside exists", .attempt = knows, .jails = PROGRAM, BOTH(WALL_PIDNS), .text = "canary"},

    SIGNAL("pid", K_PID, "by its pid"),
    SIGNAL("null", K_NULL, "with signal 0"),
    SIGNAL("group", K_GROUP, "by its group"),
    SIGNAL("tgkill", K_TGKILL, "by tgkill"),
    SIGNAL("tkill", K_TKILL, "by tkill"),
    SIGNAL("queue", K_QUEUE, "by rt_sigqueueinfo"),
    SIGNAL("pidfd", K_PIDFD, "by a pidfd"),
    SIGNAL("stop", K_STOP, "to stop it"),
    {.row = "14", .name = "signal-owner", .tries = "make a process outside the owner of a socket, to be signalled", .attempt = signals_by_owner,
     .jails = PROGRAM, BOTH(WALL_PIDNS), .text = "canary"},
    {.row = "14", .name = "signal-all", .tries = "kill(-1)", .attempt = signals_many, .jails = PROGRAM, .flags = ALONE | COUNTED,
     .why_not = NOT_SAFE, .nr = -1},
    {.row = "14", .name = "signal-session", .tries = "signal the process group that it was started in", .attempt = signals_many, .jails = PROGRAM,
     .flags = ALONE | COUNTED, .holds_root = WALL_SESSION | WALL_LANDLOCK, .holds_user = WALL_SESSION | WALL_LANDLOCK, .nr = 0},
    {.row = "16", .name = "kill-init", .tries = "end pid 1 of the jail by SIGKILL", .attempt = kills_init, .jails = PROGRAM, .flags = ALONE,
     BOTH(WALL_PIDNS), .nr = SIGKILL},
    {.row = "16", .name = "terminate-init", .tries = "end pid 1 of the jail by SIGTERM", .attempt = kills_init, .jails = PROGRAM, .flags = ALONE,
     BOTH(WALL_PIDNS), .nr = SIGTERM},
    {.row = "16", .name = "abort-init", .tries = "end pid 1 of the jail by SIGSEGV", .attempt = kills_init, .jails = PROGRAM, .flags = ALONE,
     BOTH(WALL_PIDNS), .nr = SIGSEGV},

    SURVIVE("orphan", L_FORK, "a child that is not waited for"),
    SURVIVE("daemon", L_DAEMON, "session of its own and double fork"),
    SURVIVE("ignoring", L_IGNORE, "every signal ignored"),
    SURVIVE("stopped", L_STOPPED, "stopped"),
    SURVIVE("subreaper", L_SUBREAPER, "under a reaper of its own"),
    SURVIVE("odd-signal", L_ODD_SIGNAL, "cloned without an exit signal"),
    SURVIVE("renamed", L_EXEC, "another program by another name"),
    SURVIVE("vfork", L_VFORK, "held in vfork"),
    SURVIVE("thread", L_THREAD, "a thread whose main thread is gone"),
    SURVIVE("reaped", L_REAPED, "children reaped by themselves"),
    {.row = "15", .name = "outlive-builder", .tries = "outlive the process that built the jail, when that is killed", .attempt = survives,
     .jails = PROGRAM, .flags = ALONE | ORPHAN, BOTH(WALL_DEATH), .number = L_DAEMON},
    SURVIVE("lock", L_LOCK, "holding a lock on a file that others use"),

    {.row = "18", .name = "nice-other", .tries = "slow a process outside down by nice", .attempt = nices, .jails = PROGRAM | INSPECTOR,
     BOTH(WALL_PIDNS | WALL_SECCOMP), .text = "canary"},
    {.row = "18", .name = "pin-other", .tries = "pin a process outside to one processor", .attempt = pins, .jails = PROGRAM, BOTH(WALL_PIDNS), .text = "canary"},
    {.row = "18", .name = "schedule-other", .tries = "change the scheduler of a process outside", .attempt = reschedules, .jails = PROGRAM,
     BOTH(WALL_PIDNS | WALL_SECCOMP), .text = "canary"},
    {.row = "18", .name = "limit-other", .tries = "lower a limit of a process outside", .attempt = limits_other, .jails = PROGRAM | INSPECTOR,
     BOTH(WALL_PIDNS | WALL_SECCOMP), .text = "canary"},
    {.row = "18", .name = "limit-init", .tries = "lower a limit of pid 1", .attempt = limits_other, .jails = PROGRAM, BOTH(WALL_SECCOMP), .text = "init"},
    {.row = "18", .name = "ioprio-other", .tries = "lower the I/O priority of a process outside", .attempt = io_priority, .jails = PROGRAM | INSPECTOR,
     BOTH(WALL_PIDNS | WALL_SECCOMP), .text = "canary"},
    {.row = "18", .name = "real-time-fifo", .tries = "become SCHED_FIFO", .attempt = real_time, .jails = PROGRAM,
     .holds_root = WALL_RLIMITS | WALL_SECCOMP, .why_not = KERNEL_HOLDS, .nr = SCHED_FIFO},
    {.row = "18", .name = "real-time-rr", .tries = "become SCHED_RR", .attempt = real_time, .jails = PROGRAM,
     .holds_root = WALL_RLIMITS | WALL_SECCOMP, .why_not = KERNEL_HOLDS, .nr = SCHED_RR},
};
/* clang-format on */
const struct probe_table probes_process = {"process", v, sizeof v / sizeof v[0]};
