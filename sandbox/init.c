/* init.c - pid 1 of a jail: confines itself step by step, starts the program, stays as init, passes one status up.
 *
 * pid 1 is never the program: as pid 1 an abort() is no SIGABRT and a TERM from inside is ignored. It wears the same
 * filter, Landlock domain and uid as the program, so there is nothing more to win in it; it is not dumpable, which
 * (with the refused ptrace, process_vm_*, pidfd_getfd) keeps its status pipe and its memory out of reach, so that a
 * status cannot be forged.
 *
 * The order is the design. Each step says what it needs that a later one takes away:
 *   root       needs CAP_SYS_ADMIN and the old /proc
 *   lo, name   need CAP_NET_ADMIN, CAP_SYS_ADMIN
 *   rules      opens paths: before the change of uid, which may not be allowed to walk to a write root
 *   fds        from here on: 0-2, status, parent, ruleset
 *   rlimits    before the uid, so that the count of processes is the jail's
 *   ids, caps  change of credentials clears PR_SET_PDEATHSIG and sets dumpable by sysctl: those two come after
 *   life       armed, then looked whether the parent is gone already, and once more at the very end
 *   no_new_privs, Landlock, seccomp: in this order by their preconditions
 *   session    last, and just as much before the program: a session of its own is also a scheduler group of its own
 *              (sched_autogroup), in which the rest of the set-up would be slower: a twentieth of a jail's start on
 *              an idle host, where it was in the middle
 * Half-confined is not a state to recover from: any failure is one record on the status pipe and _exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/internal.h"
#include "sandbox/kernel.h"

/* Where descriptors end up; the program gets the first three, the others are close-on-exec. */
enum { FD_STATUS = 3, FD_PARENT = 4, FD_RULES = 5, FD_NOTIFY = 6, FD_FIRST_CLOSED = 7, FD_PARKED = 10 };

_Static_assert(sizeof(struct status) <= 4096, "one write of a status must be atomic on a pipe");

struct init_state {
    const struct init_args *a;
    struct landlock landlock;
    struct jail_report report;
    int status, parent, notify; /* present numbers */
};

static void report_and_exit(const struct init_state *s, const struct status *st) __attribute__((noreturn));
static void report_and_exit(const struct init_state *s, const struct status *st) {
    /* A broken pipe means that nobody is there to be told. */
    const ssize_t n = write(s->status, st, sizeof *st);
    _exit(n == (ssize_t)sizeof *st ? 0 : 1);
}

static void fail(const struct init_state *s, enum jail_end_kind kind, int code, const struct err *e)
    __attribute__((noreturn));
static void fail(const struct init_state *s, enum jail_end_kind kind, int code, const struct err *e) {
    struct status st = {.kind = STATUS_FAILED, .end = {.kind = kind, .code = code, .err = *e}};
    report_and_exit(s, &st);
}

static void reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    /* CLONE_CLEAR_SIGHAND leaves ignored signals ignored; an ignored SIGCHLD would take the status away from us. */
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction old;
        if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_DFL) signal(sig, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The pidfd of the parent cannot be held open by a third process, the pipe shows a parent that is only half through its
 * exit: together they leave no gap. */
static int parent_alive(const struct init_state *s) {
    struct pollfd p[2] = {{.fd = s->status, .events = 0}, {.fd = s->parent, .events = POLLIN}};
    return poll(p, 2, 0) == 0;
}

static int bind_life(struct init_state *s, struct err *e) {
    if (LEFT_OUT(JAIL_M_PDEATHSIG)) return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return mechanism_err(e, JAIL_M_PDEATHSIG, "prctl");
    if (!parent_alive(s)) _exit(1);
    s->report.in_force |= JAIL_M_PDEATHSIG;
    return 0;
}

/* Before anything is allocated or forked here, so that all of the jail is counted. */
static int enter_group(struct init_state *s, struct err *e) {
    if (!s->a->group) return 0;
    if (cgroup_enter_self(s->a->group) < 0) return mechanism_err(e, JAIL_M_CGROUP, "enter the group");
    s->report.in_force |= JAIL_M_CGROUP;
    return 0;
}

static int build_root(struct init_state *s, struct err *e) {
    const struct init_args *a = s->a;
    const struct root_plan p = {
        .trees = a->trees, .uid = a->mode == JAIL_MODE_ROOT ? a->spec->uid : JAIL_INNER_UID, .scratch = a->scratch};
    if (LEFT_OUT(JAIL_M_ROOT)) return 0;
    if (root_build(&p, e) < 0) return -1;
    s->report.in_force |= JAIL_M_ROOT;
    return 0;
}

static int set_up_network_and_name(struct init_state *s, struct err *e) {
    const char *name = s->a->spec->hostname ? s->a->spec->hostname : "jail";
    if (!LEFT_OUT(JAIL_M_UTSNS) && sethostname(name, strlen(name)) < 0)
        return mechanism_err(e, JAIL_M_UTSNS, "sethostname");
    if (!s->a->spec->loopback || LEFT_OUT(JAIL_M_NETNS)) return 0;
    if (loopback_up(e) < 0) return -1;
    return s->a->spec->listener ? loopback_listen(s->a->spec->listener, e) : 0;
}

static int prepare_landlock(struct init_state *s, struct err *e) {
    s->landlock.fd = -1;
    if (LEFT_OUT(JAIL_M_LANDLOCK)) return 0;
    const bool with_net = !(s->report.in_force & JAIL_M_NETNS);
    if (landlock_open(&s->landlock, with_net, e) < 0) {
        s->landlock.fd = -1;
        return s->a->required & JAIL_M_LANDLOCK || s->a->spec->landlock_min > 0 ? -1 : 0;
    }
    if (s->landlock.abi < s->a->spec->landlock_min)
        return err_set(e, ERR_UNSUPPORTED, "landlock: this kernel has ABI %d, %d is required", s->landlock.abi,
                       s->a->spec->landlock_min);
    return landlock_jail_rules(&s->landlock, s->a->trees, e);
}

/* Parked ones lie above every final number, so that no dup2 overwrites one that is still needed. */
static int park(int fd, struct err *e) {
    if (fd >= FD_PARKED) return fd;
    const int parked = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, FD_PARKED) : open("/dev/null", O_RDWR | O_CLOEXEC);
    if (parked < 0) return err_sys(e, "closed descriptors: %s", fd >= 0 ? "duplicate" : "/dev/null");
    if (parked >= FD_PARKED) return parked;
    const int higher = fcntl(parked, F_DUPFD_CLOEXEC, FD_PARKED);
    return higher < 0 ? err_sys(e, "closed descriptors: duplicate") : higher;
}

static int arrange_fds(struct init_state *s, struct err *e) {
    const struct jail_spec *spec = s->a->spec;
    const int want[] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd, s->status,
                        s->parent,      s->landlock.fd,  s->notify};
    int parked[FD_FIRST_CLOSED];
    const int n = s->notify >= 0 ? FD_FIRST_CLOSED : s->landlock.fd >= 0 ? FD_NOTIFY : FD_RULES;
    for (int i = 0; i < n; i++)
        if ((parked[i] = park(want[i], e)) < 0) return -1;
    for (int i = 0; i < n; i++)
        if (dup3(parked[i], i, i < FD_STATUS ? 0 : O_CLOEXEC) < 0) return err_sys(e, "closed descriptors: dup3");
    s->status = FD_STATUS;
    s->parent = FD_PARENT;
    if (s->landlock.fd >= 0) s->landlock.fd = FD_RULES;
    if (s->notify >= 0) s->notify = FD_NOTIFY;
    if (LEFT_OUT(JAIL_M_FDS)) return 0;
    if (k_close_range((unsigned)n, ~0U) < 0) return mechanism_err(e, JAIL_M_FDS, "close_range");
    s->report.in_force |= JAIL_M_FDS;
    return 0;
}

static int limit_resources(struct init_state *s, struct err *e) {
    if (LEFT_OUT(JAIL_M_RLIMITS)) return 0;
    if (rlimits_apply(&s->a->limits, e) < 0) return -1;
    s->report.in_force |= JAIL_M_RLIMITS;
    return 0;
}

static int drop_credentials(struct init_state *s, struct err *e) {
    forget_keyring();
    if (!LEFT_OUT(JAIL_M_CAPS) && caps_empty_bounding(e) < 0)
        return -1; /* needs CAP_SETPCAP, which the change of uid takes away */
    if (s->a->mode == JAIL_MODE_ROOT && !LEFT_OUT(JAIL_M_SETUID)) {
        if (ids_become(s->a->spec->uid, e) < 0) return -1;
        s->report.in_force |= JAIL_M_SETUID;
    }
    if (LEFT_OUT(JAIL_M_CAPS)) return 0;
    if (caps_drop_all(e) < 0) return -1;
    s->report.in_force |= JAIL_M_CAPS;
    return 0;
}

static int enter_cwd(struct init_state *s, struct err *e) {
    if (chdir(s->a->spec->cwd) < 0) return err_sys(e, "working directory %s", s->a->spec->cwd);
    return 0;
}

static int hide(struct err *e) {
    /* A change of uid has made it so already; a test that leaves it out takes that back too. */
    if (prctl(PR_SET_DUMPABLE, LEFT_OUT(JAIL_T_DUMPABLE) ? 1 : 0, 0, 0, 0) < 0)
        return mechanism_err(e, JAIL_M_CAPS, "dumpable");
    return 0;
}

static int apply_landlock(struct init_state *s, struct err *e) {
    if (s->landlock.fd < 0) return 0;
    if (landlock_restrict(&s->landlock, &s->report, e) < 0) return -1;
    close(FD_RULES);
    return 0;
}

static int check_required(const struct init_state *s, uint32_t required, struct err *e) {
    const uint32_t missing = required & ~s->report.in_force;
    if (missing == 0) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s: required but not available here",
                   jail_mechanism_name((unsigned)__builtin_ctz(missing)));
}

/* From here on a refused call of ours would wait for a parent that waits for us: what follows makes none. */
static int install_filter(struct init_state *s, struct err *e) {
    const enum jail_profile p = s->a->spec->profile;
    int listener = -1;
    if (s->notify < 0) return seccomp_install(p, &s->report, e);
    if (seccomp_install_observed(p, &s->report, &listener, e) < 0) return -1;
    if (listener >= 0 && denials_send_listener(s->notify, listener, e) < 0) return -1;
    s->report.denials_observed = listener >= 0;
    if (listener >= 0) close(listener);
    close(s->notify);
    return 0;
}

static int confine(struct init_state *s, struct err *e) {
    if (build_root(s, e) < 0 || set_up_network_and_name(s, e) < 0 || prepare_landlock(s, e) < 0 ||
        arrange_fds(s, e) < 0 || limit_resources(s, e) < 0 || drop_credentials(s, e) < 0 || enter_cwd(s, e) < 0 ||
        bind_life(s, e) < 0 || /* after the last change of credentials */
        hide(e) < 0 || no_new_privs(&s->report, e) < 0 || apply_landlock(s, e) < 0 ||
        check_required(s, s->a->required & ~(uint32_t)JAIL_M_SECCOMP, e) < 0 || install_filter(s, e) < 0) /* last */
        return -1;
    return 0;
}

/* No controlling terminal, no signal from the operator's process group. */
static int leave_session(struct err *e) {
    if (!LEFT_OUT(JAIL_T_SESSION) && setsid() < 0) return err_sys(e, "setsid");
    return 0;
}

/* The child borrows our memory until its exec, so its errno comes back in a variable. */
static pid_t start_program(const struct init_state *s, volatile int *exec_errno) {
    const struct jail_spec *spec = s->a->spec;
    const pid_t pid = vfork();
    if (pid != 0) return pid;
    *exec_errno = exec_program(spec->argv, spec->envp ? spec->envp : jail_default_env());
    _exit(127);
}

/* A polite stop. The program's pid is known here alone, and a signal to it must come from inside its namespace; so the parent
 * sends SIGTERM to us, and we pass on what the program understands. The program may send us that too: then it asks itself. */
static volatile sig_atomic_t stop_pid, stop_signal;

static void pass_on(int sig) {
    const int saved = errno;
    (void)sig;
    kill((pid_t)stop_pid, (int)stop_signal);
    errno = saved;
}

static void listen_for_stop(const struct jail_spec *spec, pid_t program) {
    const struct sigaction act = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    if (spec->stop_signal <= 0) return;
    stop_pid = program;
    stop_signal = spec->stop_signal;
    sigaction(SIGTERM, &act, NULL);
}

static void reap_until_end(struct init_state *s, pid_t program) __attribute__((noreturn));
static void reap_until_end(struct init_state *s, pid_t program) {
    struct status st = {.kind = STATUS_ENDED};
    for (;;) {
        int ws = 0;
        const pid_t pid = wait4(-1, &ws, 0, NULL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) _exit(1);
        st.end.processes++;
        if (pid != program) continue;
        st.end.kind = WIFSIGNALED(ws) ? JAIL_END_SIGNALLED : JAIL_END_EXITED;
        st.end.code = WIFSIGNALED(ws) ? WTERMSIG(ws) : WEXITSTATUS(ws);
        /* What is left is killed and reaped by the kernel when we exit; the parent's wait sees its cost. */
        report_and_exit(s, &st);
    }
}

void init_run(const struct init_args *a) {
    struct init_state s = {.a = a, .status = a->status_w, .parent = a->parent, .notify = a->notify};
    struct err e = ERR_INIT;
    volatile int exec_errno = 0;
    close(a->status_r);
    reset_signals();
    umask(022);
    s.report.mode = a->mode;
    s.report.in_force = (JAIL_M_MOUNTNS | JAIL_M_PIDNS | JAIL_M_NETNS | JAIL_M_IPCNS | JAIL_M_UTSNS | JAIL_M_CGROUPNS) &
                        ~(uint32_t)JAIL_LEFT_OUT;
    if (a->mode == JAIL_MODE_USER) s.report.in_force |= JAIL_M_USERNS;
    if (bind_life(&s, &e) < 0 || enter_group(&s, &e) < 0 || confine(&s, &e) < 0 || leave_session(&e) < 0)
        fail(&s, JAIL_END_SETUP_FAILED, 0, &e);
    if (!parent_alive(&s)) _exit(1);
    const pid_t program = start_program(&s, &exec_errno);
    if (program < 0) {
        err_sys(&e, "start the program");
        fail(&s, JAIL_END_SETUP_FAILED, 0, &e);
    }
    if (exec_errno != 0) {
        errno = exec_errno;
        err_sys(&e, "%s", a->spec->argv[0]);
        fail(&s, JAIL_END_EXEC_FAILED, exec_errno, &e);
    }
    k_close_range(0, FD_STATUS - 1); /* the program's output ends when the program's processes have closed it */
    listen_for_stop(a->spec, program);
    struct status started = {.kind = STATUS_STARTED, .report = s.report};
    if (write(FD_STATUS, &started, sizeof started) != (ssize_t)sizeof started) _exit(1);
    reap_until_end(&s, program);
}
