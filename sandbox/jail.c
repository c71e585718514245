/* jail.c - the parent's side of a jail, and the theory of the whole folder.
 *
 * A jail is a kernel object with one owner: a pid namespace whose pid 1 (init.c) is our child, known by a pidfd.
 * Killing pid 1 kills everything in it, and the kernel lets us reap pid 1 only when everything in it has been reaped;
 * so jail_wait's "ended" means that nothing lives. pid 1 dies with us by PR_SET_PDEATHSIG.
 *
 *   parent: open sources as detached trees -> status pipe, pidfd of ourselves -> clone3(all namespaces, PIDFD)
 *   pid 1:  init.c                                                            -> STARTED or FAILED through the pipe
 *   parent: poll the pidfd with a deadline -> kill -> reap -> read the last record
 *
 * The clone is a fork, not CLONE_VM: pid 1 lives on and must not share our memory. It runs no code that needs a lock.
 *
 * Traps that shaped this:
 *  - Two modes. Root: the namespaces belong to the initial user namespace, the program gets an unprivileged kernel uid.
 *    Ordinary user: the caller must be in a user namespace of its own *before* the clone, since detached trees need
 *    CAP_SYS_ADMIN over the caller's mount namespace; the jail itself is then cloned without CLONE_NEWUSER. jail_enter
 *    does that for a worker; for any other caller jail_start does it once, and it lasts: afterwards the caller is uid
 *    JAIL_INNER_UID in its own eyes, with capabilities over that namespace only. It must be single-threaded then.
 *  - Records on the pipe are smaller than PIPE_BUF, hence whole. No record after STARTED means that pid 1 was killed.
 *  - Without CLONE_PIDFD a pid could be reused between a death and a kill.
 *  - Somebody who builds jails must not be under Landlock file rules: they forbid mounting to it and all its children.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "sandbox/internal.h"
#include "sandbox/kernel.h"

#define START_DEADLINE_MS 30000
#define HOSTNAME_BYTES 64

static const struct {
    int flag;
    enum jail_mechanism m;
} spaces[] = {{CLONE_NEWNS, JAIL_M_MOUNTNS}, {CLONE_NEWPID, JAIL_M_PIDNS}, {CLONE_NEWNET, JAIL_M_NETNS},
              {CLONE_NEWIPC, JAIL_M_IPCNS},  {CLONE_NEWUTS, JAIL_M_UTSNS}, {CLONE_NEWCGROUP, JAIL_M_CGROUPNS}};
#define N_SPACES (sizeof spaces / sizeof spaces[0])

struct jail {
    int pidfd, status, scratch, notify, listener;
    pid_t pid;
    bool reaped, stoppable;
    const struct cgroup_places *places; /* of `group`; borrowed */
    struct cgroup group;
    struct jail_report report;
    struct jail_end end; /* when reaped */
    const struct jail_observer *observer;
    struct jail_denials denials;
};

static int check_spec(const struct jail_spec *s, enum jail_mode mode, uint32_t required, struct err *e) {
    if (s->profile != JAIL_ENGINE && s->profile != JAIL_VERIFIER)
        return err_set(e, ERR_USAGE, "profile %s is not for programs in a jail", jail_profile_name(s->profile));
    if (!s->argv || !s->argv[0] || !s->argv[0][0]) return err_set(e, ERR_USAGE, "no program given");
    if (!s->cwd || s->cwd[0] != '/')
        return err_set(e, ERR_USAGE, "the working directory must be an absolute path inside");
    if (mode == JAIL_MODE_ROOT && (s->uid == 0 || s->uid == (uid_t)-1))
        return err_set(e, ERR_USAGE, "unprivileged uid: started by root, so a uid that is not 0 must be given");
    if (s->listener && !s->loopback) return err_set(e, ERR_USAGE, "a listener needs the loopback");
    if (s->hostname && strlen(s->hostname) > HOSTNAME_BYTES) return err_set(e, ERR_USAGE, "host name: too long");
    if (required & JAIL_M_CGROUP && (!s->cgroups || cgroup_version(s->cgroups) == 0))
        return err_set(e, ERR_UNSUPPORTED, "cgroup limits: required, but %s",
                       s->cgroups ? s->cgroups->why : "no place for a group was given");
    return 0;
}

static pid_t clone_into_namespaces(const struct cgroup *group, int *ret_pidfd) {
    const int into = group->fd[CGROUP_UNIFIED];
    struct k_clone_args a = {.flags = K_CLONE_PIDFD | K_CLONE_CLEAR_SIGHAND | (into >= 0 ? K_CLONE_INTO_CGROUP : 0),
                             .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
                             .exit_signal = SIGCHLD,
                             .cgroup = into >= 0 ? (uint64_t)into : 0};
    for (size_t i = 0; i < N_SPACES; i++)
        if (!LEFT_OUT(spaces[i].m)) a.flags |= (uint64_t)spaces[i].flag;
    return k_clone3(&a);
}

/* One of six namespaces was refused and the kernel does not say which: try them one by one. */
static int blame_namespace(int error, struct err *e) {
    for (size_t i = 0; i < N_SPACES; i++) {
        const struct k_clone_args a = {.flags = (uint64_t)spaces[i].flag, .exit_signal = SIGCHLD};
        const pid_t pid = k_clone3(&a);
        if (pid == 0) _exit(0);
        if (pid > 0) waitpid(pid, NULL, 0);
        if (pid > 0) continue;
        errno = error;
        return mechanism_err(e, spaces[i].m, "clone3");
    }
    errno = error;
    return mechanism_err(e, JAIL_M_PIDNS, "clone3");
}

static int read_status(int fd, struct status *st, struct err *e) {
    ssize_t n;
    do n = read(fd, st, sizeof *st);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof *st) return 1;
    return n == 0 ? 0 : err_sys(e, "status of pid 1");
}

static void reap(struct jail *j) {
    siginfo_t si;
    struct rusage ru;
    memset(&ru, 0, sizeof ru);
    long rc;
    do rc = syscall(SYS_waitid, K_P_PIDFD, j->pidfd, &si, WEXITED, &ru);
    while (rc < 0 && errno == EINTR);
    j->reaped = true;
    /* Of pid 1 and of all it or the kernel reaped in its namespace. */
    j->end.cpu_us = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000u +
                    (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
    j->end.max_rss_kib = (uint64_t)ru.ru_maxrss;
}

static int take_listener(struct jail *j, struct err *e) {
    if (j->notify < 0) return 0;
    if (j->report.denials_observed) j->listener = denials_take_listener(j->notify, e);
    close(j->notify);
    j->notify = -1;
    return j->report.denials_observed && j->listener < 0 ? -1 : 0;
}

/* Waits for the first record; anything but STARTED is a failure, and then nothing of the jail is left. */
static int await_start(struct jail *j, struct err *e) {
    struct status st = {.kind = STATUS_FAILED};
    const int ready = io_wait(j->status, POLLIN, START_DEADLINE_MS, e);
    if (ready < 0) return -1;
    if (ready == 0) return err_set(e, ERR_LIMIT, "the jail was not ready after %d s", START_DEADLINE_MS / 1000);
    const int got = read_status(j->status, &st, e);
    if (got < 0) return -1;
    if (got == 0) return err_set(e, ERR_SYS, "pid 1 of the jail was killed before the program started");
    if (st.kind == STATUS_STARTED) {
        j->report = st.report;
        return take_listener(j, e);
    }
    if (e) *e = st.end.err;
    if (e && st.end.kind == JAIL_END_EXEC_FAILED) e->code = ERR_MISSING;
    return -1;
}

static struct jail *jail_new(struct err *e) {
    struct jail *j = calloc(1, sizeof *j);
    if (!j) {
        err_sys(e, "jail");
        return NULL;
    }
    j->pidfd = j->status = j->scratch = j->notify = j->listener = -1;
    j->group = CGROUP_NONE;
    return j;
}

static int spawn(struct jail *j, const struct init_args *plan, struct err *e) {
    struct init_args a = *plan;
    int pipefd[2];
    if (pipe2(pipefd, O_CLOEXEC) < 0) return err_sys(e, "status pipe");
    AUTO_FD int status_r = pipefd[0], status_w = pipefd[1];
    AUTO_FD int self = k_pidfd_open(getpid());
    if (self < 0) return mechanism_err(e, JAIL_M_PDEATHSIG, "pidfd_open");
    int pair[2] = {-1, -1};
    if (j->observer && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return err_sys(e, "socket pair");
    AUTO_FD int notify = pair[1];
    j->notify = pair[0];
    a.notify = notify;
    a.status_r = status_r;
    a.status_w = status_w;
    a.parent = self;
    const pid_t pid = clone_into_namespaces(&j->group, &j->pidfd);
    if (pid == 0) init_run(&a);
    j->pid = pid;
    if (pid < 0) {
        j->pidfd = -1;
        return blame_namespace(errno, e);
    }
    j->status = take_fd(&status_r);
    return 0;
}

static int make_scratch(struct jail *j, const struct init_args *a, struct err *e) {
    const bool root_mode = a->mode == JAIL_MODE_ROOT;
    const uid_t uid = root_mode ? a->spec->uid : JAIL_INNER_UID;
    j->scratch = scratch_make(&a->limits, root_mode, uid, e);
    if (j->scratch < 0) return -1;
    return scratch_seed(j->scratch, a->spec->seeds, a->spec->n_seeds, root_mode, uid, e);
}

/* One more process than the program may have: pid 1 is counted too. */
static int make_group(struct jail *j, const struct init_args *a, struct err *e) {
    const struct cgroup_limits l = {.memory_bytes = a->limits.total_memory_bytes,
                                    .processes = a->limits.total_processes ? a->limits.total_processes + 1 : 0};
    if (!a->group) return 0;
    if (cgroup_make(a->spec->cgroups, &l, &j->group, e) < 0) return -1;
    j->places = a->spec->cgroups;
    return 0;
}

int jail_start(const struct jail_spec *spec, struct jail **ret, struct err *e) {
    const enum jail_mode mode = jail_mode();
    const uint32_t required =
        (spec->required ? spec->required : jail_required(spec->profile, mode)) & ~(uint32_t)JAIL_LEFT_OUT;
    struct trees trees;
    if (check_spec(spec, mode, required, e) < 0) return err_ctx(e, "jail");
    if (mode == JAIL_MODE_USER && !ids_entered() && ids_enter_user_namespace(0, e) < 0) return err_ctx(e, "jail");
    struct jail *j = jail_new(e);
    if (!j) return -1;
    j->observer = spec->observer;
    j->stoppable = spec->stop_signal > 0;
    struct init_args a = {.spec = spec,
                          .mode = mode,
                          .required = required,
                          .trees = &trees,
                          .limits = profile_limits(spec->profile, &spec->limits),
                          .group = spec->cgroups ? &j->group : NULL};
    int rc = trees_open(&trees, spec->binds, spec->n_binds, false, e);
    if (rc == 0) {
        rc = make_scratch(j, &a, e) < 0 || make_group(j, &a, e) < 0 ? -1 : 0;
        a.scratch = j->scratch;
        if (rc == 0) rc = spawn(j, &a, e);
        trees_close(&trees);
    }
    if (rc == 0) rc = await_start(j, e);
    if (rc < 0) {
        jail_free(j);
        return err_ctx(e, "jail");
    }
    *ret = j;
    return 0;
}

int jail_pidfd(const struct jail *j) { return j->pidfd; }
const struct jail_report *jail_report(const struct jail *j) { return &j->report; }
pid_t jail_pid(const struct jail *j) { return j->pid; }
int jail_scratch(const struct jail *j) { return j->scratch; }

int jail_counts(const struct jail *j, struct cgroup_counts *ret) {
    return j->places ? cgroup_count(&j->group, ret) : -1;
}

/* pid 1 hears of a signal only what it has a handler for: init.c passes this one on. */
int jail_stop(struct jail *j) {
    if (!j->stoppable || j->pidfd < 0 || j->reaped) return -1;
    return k_pidfd_send_signal(j->pidfd, SIGTERM);
}

void jail_kill(struct jail *j) {
    if (j->pidfd < 0 || j->reaped) return;
    k_pidfd_send_signal(j->pidfd, SIGKILL);
    cgroup_kill(&j->group); /* all at once, and not one after the other by the end of the namespace */
}

/* pid 1 is dead: the record, when there is one, was written before. Our copy of the write end is closed, so this
 * never blocks: pid 1 was the last holder. */
static void take_end(struct jail *j) {
    struct status st;
    j->end.kind = JAIL_END_KILLED;
    if (j->status < 0 || read_status(j->status, &st, NULL) != 1) return;
    if (st.kind == STATUS_ENDED) j->end = st.end;
}

const struct jail_denials *jail_denials(const struct jail *j) { return &j->denials; }
int jail_denied_fd(const struct jail *j) { return j->listener; }
void jail_denied_serve(struct jail *j) {
    if (j->listener >= 0) denials_serve(j->listener, &j->denials, j->observer);
}

/* As io_wait for the pidfd, with refused calls answered in between. */
static int await_end(struct jail *j, int timeout_ms, struct err *e) {
    const uint64_t until = timeout_ms < 0 ? 0 : clock_mono_us() + (uint64_t)timeout_ms * 1000;
    if (j->listener < 0) return io_wait(j->pidfd, POLLIN, timeout_ms, e);
    for (;;) {
        struct pollfd p[2] = {{.fd = j->pidfd, .events = POLLIN}, {.fd = j->listener, .events = POLLIN}};
        const int n = poll(p, 2, until == 0 ? -1 : clock_left_ms(until));
        if (n < 0 && errno != EINTR) return err_sys(e, "poll");
        if (n > 0 && p[0].revents) return 1;
        if (n > 0 && p[1].revents & POLLIN) jail_denied_serve(j);
        if (n > 0 && p[1].revents & (POLLHUP | POLLERR)) { /* its last process is gone: what is left is pid 1's end */
            const int left = until == 0 ? -1 : clock_left_ms(until);
            return io_wait(j->pidfd, POLLIN, left, e);
        }
        if (until != 0 && clock_left_ms(until) == 0) return 0;
    }
}

int jail_wait(struct jail *j, int timeout_ms, struct jail_end *end, struct err *e) {
    if (!j->reaped) {
        const int ready = await_end(j, timeout_ms, e);
        if (ready <= 0) return ready;
        take_end(j);
        reap(j);
    }
    if (end) *end = j->end;
    return 1;
}

void jail_free(struct jail *j) {
    if (!j) return;
    if (j->pidfd >= 0 && !j->reaped) {
        jail_kill(j);
        reap(j);
    }
    if (j->pidfd >= 0) close(j->pidfd);
    if (j->status >= 0) close(j->status);
    if (j->scratch >= 0) close(j->scratch);
    if (j->notify >= 0) close(j->notify);
    if (j->listener >= 0) close(j->listener);
    if (j->places) cgroup_remove(j->places, &j->group);
    free(j);
}
