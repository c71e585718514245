/* tracer.c - something happens to one process of a run at one exact system call: it is killed, stopped, or the call fails.
 *
 *   tracer --who ROLE[:K] --from EVENT:ROLE[:K] --at N --do WHAT [--calls a,b,..] [--out FILE] -- CMD...
 *
 * CMD (cto-harness) and all that it starts are followed by ptrace. Roles are found by what a process is, not by when it
 * comes: supervisor, worker, watch, commit, census, diff, checkout (inspectors), init (pid 1 of a jail: a fork of the worker
 * that never calls exec), agent (what an engine's init executes), verify (what a later one does). K: the K-th of its role,
 * the first when it is not given; of init the first is the engine's, the next are the verification commands'.
 *
 * Counting begins when EVENT (start or exit) of the other role is seen: "exit:worker" is where the sealing of a run begins.
 * The N-th system call of WHO from there on, in any of its threads, is the point. N 0: never, only count.
 *   kill    SIGKILL on entry, before the call is done
 *   stop    SIGSTOP, and left alone from then on
 *   exit    like kill, but after the call was done
 *   short   a write of n bytes becomes one of n/2 (only calls with more than one byte count)
 *   ENOSPC EDQUOT EIO EMFILE ENOMEM   the call is not done and fails so; "ENOSPC+": and so do all that follow
 * With --calls only these count; the errors and short have lists of their own, since a call must be one that can fail so.
 *
 * FILE gets one line: hit=0|1 n=.. call=.. total=.. state of affairs for the caller. Exit status: that of CMD, 128+n for a
 * signal. The tracer is never in the way of a death: it asks for no PTRACE_O_EXITKILL and lets go of a process that is stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum role {
    R_OTHER,
    R_SUPERVISOR,
    R_WORKER,
    R_WATCH,
    R_COMMIT,
    R_CENSUS,
    R_DIFF,
    R_CHECKOUT,
    R_INIT,
    R_AGENT,
    R_VERIFY,
    R_COUNT
};
static const char *const role_names[R_COUNT] = {"other", "supervisor", "worker", "watch", "commit", "census",
                                                "diff",  "checkout",   "init",   "agent", "verify"};
enum event { AT_START, AT_EXIT };
enum action { DO_COUNT, DO_KILL, DO_STOP, DO_EXIT, DO_SHORT, DO_FAIL };

struct which {
    enum role role;
    unsigned nth;
};

static struct {
    struct which who, from;
    enum event from_event;
    enum action action;
    unsigned long at;
    int error;
    bool stay;
    const char *calls, *out;
} opt = {.who = {R_SUPERVISOR, 1}, .from = {R_SUPERVISOR, 1}};

#define MAX_TASKS 4096
static struct task {
    pid_t tid, tgid; /* 0: free */
    enum role role;
    unsigned nth;     /* of its role */
    unsigned of_init; /* a child of the K-th init that has not called exec yet */
    bool started;     /* its first stop was seen */
    bool waits;       /* and who made it is not known yet */
    bool fail_this;   /* overwrite the result at the exit */
    bool kill_this;   /* at the exit */
} tasks[MAX_TASKS];
static unsigned seen[R_COUNT];
static bool counting, hit, watched_ended;
static unsigned long count;
static long hit_call = -1;
static pid_t root;
static int root_status = -1;

static const struct {
    const char *name;
    long nr;
} calls[] = {
#define C(n) \
    { #n, SYS_##n }
    C(read),
    C(write),
    C(writev),
    C(pwrite64),
    C(open),
    C(openat),
    C(openat2),
    C(creat),
    C(mkdir),
    C(mkdirat),
    C(rename),
    C(renameat),
    C(renameat2),
    C(unlink),
    C(unlinkat),
    C(rmdir),
    C(ftruncate),
    C(fsync),
    C(fdatasync),
    C(fallocate),
    C(copy_file_range),
    C(link),
    C(linkat),
    C(symlinkat),
    C(pipe2),
    C(socketpair),
    C(eventfd2),
    C(dup),
    C(dup2),
    C(dup3),
    C(epoll_create1),
    C(inotify_init1),
    C(inotify_add_watch),
    C(clone),
    C(clone3),
    C(fork),
    C(vfork),
    C(mmap),
    C(brk),
    C(mremap),
    C(close),
    C(lseek),
    C(fstat),
    C(newfstatat),
    C(fcntl),
    C(poll),
    C(epoll_wait),
    C(epoll_pwait),
    C(wait4),
    C(waitid),
    C(sendmsg),
    C(recvfrom),
    C(sendto),
    C(recvmsg),
    C(futex),
    C(exit_group),
    C(exit),
    C(execve),
    C(munmap),
    C(getpid),
    C(kill),
    C(epoll_ctl),
    C(nanosleep),
    C(clock_nanosleep),
    C(getdents64),
    C(pread64),
    C(sync_file_range),
    C(madvise),
    C(mprotect),
    C(rt_sigaction),
    C(rt_sigprocmask),
    C(prlimit64),
    C(ftruncate),
    C(access),
    C(stat),
    C(lstat),
    C(open_tree),
    C(move_mount),
    C(mount_setattr),
    C(mount),
    C(umount2),
    C(pivot_root),
    C(chdir),
    C(unshare),
    C(setresuid),
    C(setresgid),
    C(prctl),
    C(seccomp),
#undef C
};
static const char disk_calls[] =
    "write,writev,pwrite64,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,ftruncate,fsync,"
    "fdatasync,fallocate,copy_file_range,link,linkat,symlinkat";
static const char fd_calls[] = "open,openat,openat2,creat,pipe2,socketpair,eventfd2,dup,epoll_create1,inotify_init1";
static const char memory_calls[] = "mmap,brk,mremap,clone,clone3,fork,vfork,open,openat,openat2,mkdir,mkdirat";
static const char short_calls[] = "write,pwrite64";

static const char *call_name(long nr) {
    static char number[24];
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].nr == nr) return calls[i].name;
    snprintf(number, sizeof number, "%ld", nr);
    return number;
}

static bool listed(const char *list, long nr) {
    const char *name = call_name(nr);
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) return true;
    return false;
}

static void die(const char *what) {
    fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
    exit(99);
}

static void usage(const char *what) {
    fprintf(stderr, "tracer: %s\n", what);
    exit(2);
}

/* --- who is who --------------------------------------------------------------------------------------------------- */

static struct task *find(pid_t tid) {
    for (int i = 0; i < MAX_TASKS; i++)
        if (tasks[i].tid == tid) return &tasks[i];
    return NULL;
}

static struct task *add(pid_t tid, pid_t tgid, enum role role, unsigned nth) {
    struct task *t = find(tid);
    if (!t) t = find(0);
    if (!t) usage("more processes than it can follow");
    *t = (struct task){.tid = tid, .tgid = tgid, .role = role, .nth = nth};
    return t;
}

static void event_seen(enum event e, enum role role, unsigned nth) {
    if (opt.from_event == e && opt.from.role == role && opt.from.nth == nth) counting = true;
    if (e == AT_EXIT && opt.who.role == role && opt.who.nth == nth) watched_ended = true;
}

static void become(struct task *t, enum role role) {
    t->role = role;
    t->nth = ++seen[role];
    event_seen(AT_START, role, t->nth);
}

static size_t read_proc(pid_t pid, const char *name, char *out, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0) close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* After an exec. What an init executed is an agent when it is the first init, else a verification command. */
static void recognise(struct task *t) {
    char comm[64], cmdline[512];
    read_proc(t->tgid, "comm", comm, sizeof comm);
    size_t n = read_proc(t->tgid, "cmdline", cmdline, sizeof cmdline);
    if (strncmp(comm, "cto-harness-wor", 15) == 0) {
        become(t, R_WORKER);
    } else if (strncmp(comm, "cto-harness-ins", 15) == 0) {
        const char *step = cmdline + strlen(cmdline) + 1;
        for (int r = R_WATCH; r <= R_CHECKOUT && step < cmdline + n; r++)
            if (strcmp(step, role_names[r]) == 0) become(t, (enum role)r);
    } else if (strncmp(comm, "cto-harness\n", 12) == 0 && t->tgid == root) {
        become(t, R_SUPERVISOR);
    } else if (t->of_init) {
        become(t, t->of_init == 1 ? R_AGENT : R_VERIFY);
        t->of_init = 0;
    }
}

static bool watched(const struct task *t) { return t->role == opt.who.role && t->nth == opt.who.nth; }

static void resume(struct task *t, int signal) {
    bool calls_too = watched(t) && counting && (!hit || opt.stay || t->fail_this || t->kill_this);
    ptrace(calls_too ? PTRACE_SYSCALL : PTRACE_CONT, t->tid, NULL, (long)signal);
}

static void child_of(struct task *parent, int event, pid_t child) {
    bool thread = event == PTRACE_EVENT_CLONE;
    bool init = event == PTRACE_EVENT_FORK && parent->role == R_WORKER;
    struct task *t = find(child);
    bool waits = t && t->waits;
    if (t && !waits && t->role != R_OTHER) return;
    t = add(child, thread ? parent->tgid : child, parent->role, parent->nth);
    t->started = waits;
    if (parent->role == R_WORKER && event == PTRACE_EVENT_VFORK)
        t->role = R_OTHER; /* until its exec says which inspector */
    if (parent->role == R_SUPERVISOR && !thread) t->role = R_OTHER;
    if (parent->role == R_INIT) {
        t->role = R_OTHER;
        t->of_init = parent->nth;
    }
    if (init) become(t, R_INIT);
    if (waits) resume(t, 0);
}

/* --- the point ---------------------------------------------------------------------------------------------------- */

/* Only a file can be full: an eventfd or a pipe never says ENOSPC, and libraries rightly abort when it does. */
static bool on_disk(const struct task *t, long nr, unsigned long long fd) {
    char path[64], to[8];
    if (nr != SYS_write && nr != SYS_writev && nr != SYS_pwrite64 && nr != SYS_ftruncate && nr != SYS_fsync)
        return true;
    snprintf(path, sizeof path, "/proc/%d/fd/%llu", (int)t->tgid, fd);
    return readlink(path, to, sizeof to) > 0 && to[0] == '/';
}

static bool counts(const struct task *t, const struct user_regs_struct *r) {
    long nr = (long)r->orig_rax;
    if (opt.calls && !listed(opt.calls, nr)) return false;
    if (opt.action == DO_SHORT && r->rdx < 2) return false;
    return (opt.action != DO_SHORT && opt.action != DO_FAIL) || on_disk(t, nr, r->rdi);
}

static void at_entry(struct task *t) {
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, t->tid, NULL, &r) < 0 || !counts(t, &r)) return;
    count++;
    if (!(count == opt.at || (opt.stay && opt.at && count > opt.at))) return;
    if (!hit) hit_call = (long)r.orig_rax;
    hit = true;
    if (opt.action == DO_KILL) kill(t->tgid, SIGKILL);
    if (opt.action == DO_EXIT) t->kill_this = true;
    if (opt.action == DO_SHORT) r.rdx /= 2;
    if (opt.action == DO_FAIL) {
        t->fail_this = true;
        r.orig_rax = SYS_getpid; /* a call that every filter lets through */
    }
    if (opt.action == DO_SHORT || opt.action == DO_FAIL) ptrace(PTRACE_SETREGS, t->tid, NULL, &r);
}

static void at_return(struct task *t) {
    struct user_regs_struct r;
    if (t->kill_this) kill(t->tgid, SIGKILL);
    if (!t->fail_this || ptrace(PTRACE_GETREGS, t->tid, NULL, &r) < 0) return;
    t->fail_this = false;
    r.rax = (unsigned long long)-(long long)opt.error;
    ptrace(PTRACE_SETREGS, t->tid, NULL, &r);
}

/* Left alone with the signal: it stops as if a stranger had sent it. */
static void stop_it(struct task *t) {
    pid_t tgid = t->tgid;
    kill(tgid, SIGSTOP);
    ptrace(PTRACE_DETACH, t->tid, NULL, 0);
    t->tid = 0;
}

/* Threads that wait in a call are not asked for their next stop while they sleep: they are when they come out. So counting that
 * begins late reaches a sleeping process with its next call. */
static void rouse(void) {
    static bool done;
    if (done || !counting) return;
    done = true;
    for (int i = 0; i < MAX_TASKS; i++)
        if (tasks[i].tid && watched(&tasks[i])) ptrace(PTRACE_INTERRUPT, tasks[i].tid, NULL, 0L);
}

/* --- stops -------------------------------------------------------------------------------------------------------- */

static void on_ptrace_event(struct task *t, int event) {
    unsigned long message = 0;
    ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &message);
    switch (event) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE: child_of(t, event, (pid_t)message); break;
    case PTRACE_EVENT_EXEC: recognise(t); break;
    case PTRACE_EVENT_EXIT:
        if (t->tid == t->tgid && t->role != R_OTHER) event_seen(AT_EXIT, t->role, t->nth);
        break;
    default: break;
    }
}

static void on_stop(struct task *t, int status) {
    int sig = WSTOPSIG(status), event = status >> 16;
    if (event == PTRACE_EVENT_STOP) {
        if (t->started && (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)) {
            ptrace(PTRACE_LISTEN, t->tid, NULL, 0L);
            return;
        }
        t->started = true;
        if (!t->waits) resume(t, 0);
        return;
    }
    if (event) {
        on_ptrace_event(t, event);
        resume(t, 0);
        return;
    }
    if (sig != (SIGTRAP | 0x80)) { /* a signal on its way */
        resume(t, sig);
        return;
    }
    struct __ptrace_syscall_info info = {0};
    bool before = hit;
    ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, &info);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY && counting && watched(t) && !(hit && !opt.stay))
        at_entry(t);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        at_return(t);
    if (opt.action == DO_STOP && hit && !before) {
        stop_it(t);
        return;
    }
    resume(t, 0);
}

static void on_end(struct task *t, pid_t tid, int status) {
    if (tid == root) root_status = status;
    if (!t) return;
    if (t->tid == t->tgid && t->role != R_OTHER) event_seen(AT_EXIT, t->role, t->nth); /* a death without a last stop */
    t->tid = 0;
    for (int i = 0; i < MAX_TASKS; i++) { /* it may have been the one that would have said who they are */
        if (!tasks[i].tid || !tasks[i].waits) continue;
        tasks[i].waits = false;
        resume(&tasks[i], 0);
    }
}

static void follow(void) {
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR) continue;
        if (tid < 0) return; /* nothing is left to follow */
        struct task *t = find(tid);
        if (!WIFSTOPPED(status)) {
            on_end(t, tid, status);
            continue;
        }
        if (!t) { /* its parent's event, which says who this is, has not been seen yet */
            t = add(tid, tid, R_OTHER, 0);
            t->waits = true;
        }
        on_stop(t, status);
        rouse();
    }
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static struct which parse_which(const char *text) {
    struct which w = {R_COUNT, 1};
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    for (int r = R_SUPERVISOR; r < R_COUNT; r++)
        if (strlen(role_names[r]) == n && strncmp(text, role_names[r], n) == 0) w.role = (enum role)r;
    if (colon) w.nth = (unsigned)strtoul(colon + 1, NULL, 10);
    if (w.role == R_COUNT || w.nth == 0) usage("no such role");
    return w;
}

static void parse_from(const char *text) {
    bool start = strncmp(text, "start:", 6) == 0;
    if (!start && strncmp(text, "exit:", 5) != 0) usage("--from start:ROLE or exit:ROLE");
    opt.from_event = start ? AT_START : AT_EXIT;
    opt.from = parse_which(text + (start ? 6 : 5));
}

static void parse_action(const char *text) {
    static const struct {
        const char *name;
        enum action action;
        int error;
        const char *calls;
    } words[] = {{"count", DO_COUNT, 0, NULL},
                 {"kill", DO_KILL, 0, NULL},
                 {"stop", DO_STOP, 0, NULL},
                 {"exit", DO_EXIT, 0, NULL},
                 {"short", DO_SHORT, 0, short_calls},
                 {"ENOSPC", DO_FAIL, ENOSPC, disk_calls},
                 {"EDQUOT", DO_FAIL, EDQUOT, disk_calls},
                 {"EIO", DO_FAIL, EIO, disk_calls},
                 {"EMFILE", DO_FAIL, EMFILE, fd_calls},
                 {"ENOMEM", DO_FAIL, ENOMEM, memory_calls}};
    size_t n = strlen(text);
    opt.stay = n > 0 && text[n - 1] == '+';
    if (opt.stay) n--;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].name) != n || strncmp(words[i].name, text, n) != 0) continue;
        opt.action = words[i].action;
        opt.error = words[i].error;
        if (!opt.calls) opt.calls = words[i].calls;
        return;
    }
    usage("--do: no such thing");
}

static char **parse(char **argv) {
    for (argv++; *argv && strcmp(*argv, "--") != 0; argv += 2) {
        const char *value = argv[1];
        if (!value) usage("an option lacks its value");
        if (strcmp(*argv, "--who") == 0)
            opt.who = parse_which(value);
        else if (strcmp(*argv, "--from") == 0)
            parse_from(value);
        else if (strcmp(*argv, "--at") == 0)
            opt.at = strtoul(value, NULL, 10);
        else if (strcmp(*argv, "--do") == 0)
            parse_action(value);
        else if (strcmp(*argv, "--calls") == 0)
            opt.calls = value;
        else if (strcmp(*argv, "--out") == 0)
            opt.out = value;
        else
            usage("unknown option");
    }
    if (!*argv || !argv[1]) usage("no command given");
    return argv + 1;
}

static void start(char **command) {
    root = fork();
    if (root < 0) die("fork");
    if (root == 0) {
        raise(SIGSTOP);
        execvp(command[0], command);
        fprintf(stderr, "tracer: %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    int status;
    if (waitpid(root, &status, WUNTRACED) != root || !WIFSTOPPED(status)) die("start");
    const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                         PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD;
    if (ptrace(PTRACE_SEIZE, root, NULL, options) < 0) die("ptrace");
    add(root, root, R_OTHER, 0);
    kill(root, SIGCONT);
}

static void report(void) {
    if (!opt.out) return;
    FILE *f = fopen(opt.out, "we");
    if (!f) die(opt.out);
    fprintf(f, "hit=%d n=%lu call=%s total=%lu counting=%d ended=%d\n", hit, opt.at,
            hit_call < 0 ? "-" : call_name(hit_call), count, counting, watched_ended);
    fclose(f);
}

int main(int argc, char **argv) {
    (void)argc;
    char **command = parse(argv);
    signal(SIGINT, SIG_IGN);
    start(command);
    follow();
    report();
    return WIFSIGNALED(root_status) ? 128 + WTERMSIG(root_status) : WEXITSTATUS(root_status);
}
