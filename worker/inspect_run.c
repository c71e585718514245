/* inspect_run.c - starting, reading and ending inspectors.
 *
 * An inspector is started with vfork: nothing of the worker is copied, and the child, which shares our memory until its
 * exec, leaves there why it could not start. It gets three descriptors, a built environment, the uid of the part of
 * the run that it looks at, and the parent-death signal (after the change of uid, which clears it). It confines
 * itself before it reads the first hostile byte.
 */
#include "worker/inspect_run.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/io.h"
#include "worker/worker.h"

#define INSPECT_PROGRAM "/libexec/cto-harness-inspect"
#define ARGS_MAX (2 * SPEC_MAX_PATHS + 2 * SPEC_MAX_SUBMODULES + 32)
#define REAP_DEADLINE_US (10 * 1000000ull)

const char *inspect_step_name(unsigned step) {
    switch (step) {
    case INSPECT_WATCH: return "watch";
    case INSPECT_COMMIT: return "commit";
    case INSPECT_CENSUS: return "census";
    case INSPECT_DIFF: return "diff";
    case INSPECT_CHECKOUT: return "checkout";
    default: return "?";
    }
}

/* --- the child -------------------------------------------------------------------------------------------------- */

struct launch {
    const char *argv[ARGS_MAX];
    size_t argc;
    char history[24], parent_text[16];
    pid_t parent;
    int64_t uid; /* -1: stay who we are */
    int in, out, reader;
    const char *volatile failed_at; /* written by the child through the shared memory */
    volatile int failed_errno;
};

/* Raw calls: the C library's versions may tell other threads and take locks, which a vfork child must not. */
static long drop_to(uid_t uid) {
    if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, uid, uid, uid) < 0) return -1;
    return syscall(SYS_setresuid, uid, uid, uid);
}

static const char *child_prepare(const struct launch *l) {
    static const struct rlimit no_core = {0, 0};
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0) return "signal mask";
    if (dup2(l->in, INSPECT_FD_WAKE) < 0 || dup2(l->out, INSPECT_FD_OUT) < 0) return "descriptors";
    close(l->reader); /* else our own copy of the read end would keep the lifeline alive */
    if (syscall(SYS_close_range, (unsigned)INSPECT_FD_COUNT, ~0u, (unsigned)CLOSE_RANGE_CLOEXEC) < 0)
        return "close_range";
    if (setrlimit(RLIMIT_CORE, &no_core) < 0) return "rlimit";
    if (l->uid >= 0 && drop_to((uid_t)l->uid) < 0) return "uid";
    if (jail_bind_life(l->parent, INSPECT_FD_OUT) < 0) return "parent";
    return "exec";
}

static void __attribute__((noreturn)) child_main(struct launch *l) {
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/", NULL};
    const char *at = child_prepare(l);
    if (strcmp(at, "exec") == 0)
        execve(INSPECT_PROGRAM, (char *const *)(uintptr_t)l->argv, (char *const *)(uintptr_t)env);
    l->failed_errno = errno;
    l->failed_at = at;
    _exit(127);
}

/* --- the parent ------------------------------------------------------------------------------------------------- */

static void arg(struct launch *l, const char *name, const char *value) {
    BUG_UNLESS(l->argc + 3 < ARGS_MAX);
    l->argv[l->argc++] = name;
    if (value != NULL) l->argv[l->argc++] = value;
}

static void make_args(struct launch *l, const struct worker *w, unsigned step) {
    const struct run_spec *s = &w->spec;
    l->argv[l->argc++] = INSPECT_PROGRAM;
    arg(l, inspect_step_name(step), NULL);
    if (step & (INSPECT_WATCH | INSPECT_COMMIT | INSPECT_CENSUS)) arg(l, "--ws", "/area/ws");
    arg(l, "--odb", "/area/odb");
    if (step == INSPECT_CHECKOUT) arg(l, "--out", "/area/check/ws");
    if (w->baseline[0] != '\0') arg(l, "--baseline", w->baseline);
    if (w->result.head[0] != '\0' && step & (INSPECT_DIFF | INSPECT_CHECKOUT)) arg(l, "--head", w->result.head);
    /* with a dirty start two looks are made before the engine; the first may begin in the middle of its steps */
    if (step == INSPECT_WATCH && s->dirty_start != NULL) {
        arg(l, "--start-looks", "2");
    }
    if (step == INSPECT_WATCH && s->history_commits > 0) {
        snprintf(l->history, sizeof l->history, "%lld", (long long)s->history_commits);
        arg(l, "--history", l->history);
    }
    if (step == INSPECT_WATCH && s->baseline_empty) arg(l, "--empty", NULL);
    for (int i = 0; step == INSPECT_WATCH && i < s->n_submodules; i++) arg(l, "--submodule", s->submodules[i].path);
    for (int i = 0; i < s->n_ignore; i++) arg(l, "--ignore", s->ignore[i]);
    if (step == INSPECT_DIFF && s->landing) arg(l, "--landing", NULL);
    if (step == INSPECT_DIFF && s->contents) arg(l, "--contents", NULL);
    arg(l, "--run-id", s->run_id);
    if (step == INSPECT_CENSUS && s->commit == COMMIT_HARNESS && w->engine.exited) arg(l, "--made-by-harness", NULL);
    snprintf(l->parent_text, sizeof l->parent_text, "%d", (int)getpid());
    arg(l, "--parent", l->parent_text);
}

/* A function of its own, so that no local of the caller lives across the vfork. */
static pid_t __attribute__((noinline)) launch_child(struct launch *l) {
    pid_t pid = vfork();
    if (pid == 0) child_main(l);
    return pid;
}

static int launch(struct launch *l, struct inspector *ret, struct err *e) {
    pid_t pid = launch_child(l);
    if (pid < 0) return err_sys(e, "vfork");
    if (l->failed_at != NULL) {
        waitpid(pid, NULL, 0);
        errno = l->failed_errno;
        return err_sys(e, "start of %s: %s", INSPECT_PROGRAM, l->failed_at);
    }
    ret->pid = pid;
    ret->pidfd = (int)syscall(SYS_pidfd_open, pid, 0u); /* CLOEXEC by birth; the pid is ours until we reap it */
    if (ret->pidfd >= 0) return 0;
    err_sys(e, "pidfd_open");
    inspect_kill(ret);
    return -1;
}

int inspect_start(struct worker *w, unsigned step, struct inspector *ret, struct err *e) {
    int64_t uid = step == INSPECT_CHECKOUT ? worker_verifier_uid(w) : worker_engine_uid(w);
    struct launch l = {.parent = getpid(), .uid = uid};
    make_args(&l, w, step);
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0) return err_sys(e, "pipe");
    AUTO_FD int reader = p[0], writer = p[1];
    /* O_RDWR: in a worker's root /dev/null is the real one, and the inspector only reads it. */
    AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return err_sys(e, "open /dev/null");
    if (fcntl(reader, F_SETFL, O_NONBLOCK) < 0) return err_sys(e, "pipe");
    l.in = step == INSPECT_WATCH ? WORKER_FD_WAKE : null;
    l.out = writer;
    l.reader = reader;
    struct inspector in = INSPECTOR_INIT;
    if (launch(&l, &in, e) < 0) return -1;
    in.out = take_fd(&reader);
    relay_init(&in.relay, &w->up, step);
    *ret = in;
    return 0;
}

static int reap(struct inspector *in, int *ret_status) {
    pid_t r;
    do {
        r = waitpid(in->pid, ret_status, 0);
    } while (r < 0 && errno == EINTR);
    in->pid = 0;
    return r < 0 ? -1 : 0;
}

static void forget(struct inspector *in) {
    if (in->pidfd >= 0) close(in->pidfd);
    if (in->out >= 0) close(in->out);
    relay_release(&in->relay);
    *in = INSPECTOR_INIT;
}

void inspect_kill(struct inspector *in) {
    int status;
    if (in->pid > 0) {
        kill(in->pid, SIGKILL);
        reap(in, &status);
    }
    forget(in);
}

/* After end of stream: a clean exit, within a deadline of its own. */
static int check_exit(struct inspector *in, struct err *e) {
    int status = 0;
    int rc = io_wait(in->pidfd, POLLIN, (int)(REAP_DEADLINE_US / 1000), e);
    if (rc < 0) return -1;
    if (rc == 0) return err_set(e, ERR_LIMIT, "inspector closed its output and did not exit");
    if (reap(in, &status) < 0) return err_sys(e, "wait for the inspector");
    if (WIFSIGNALED(status)) return err_set(e, ERR_PROTO, "inspector died of signal %d", WTERMSIG(status));
    if (relay_finish(&in->relay, e) < 0) return -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(e, ERR_PROTO, "inspector exited with %d", WEXITSTATUS(status));
    return 0;
}

/* Whose fault it is when an inspector goes wrong: before the engine ran, a failing host; afterwards, the engine's
 * bytes. */
static int blame(struct worker *w, unsigned step, struct err *e) {
    if (w->engine_ran) w->blame = FAILED_INSPECT;
    return err_ctx(e, "inspector (%s)", inspect_step_name(step));
}

static int read_some(struct inspector *in, struct err *e) {
    static char chunk[64 << 10];
    ssize_t n = read(in->out, chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
    if (n < 0) return err_sys(e, "read");
    if (n == 0) return check_exit(in, e);
    return relay_feed(&in->relay, chunk, (size_t)n, e) < 0 ? -1 : 1;
}

int inspect_read(struct worker *w, struct inspector *in, struct err *e) {
    unsigned step = in->relay.step;
    int rc = read_some(in, e);
    return rc < 0 ? blame(w, step, e) : rc;
}

/* Waits for the inspector's next bytes; a hang-up of the supervisor ends the process. */
static int wait_output(struct worker *w, struct inspector *in, uint64_t deadline_us, struct err *e) {
    struct pollfd p[2] = {{.fd = in->out, .events = POLLIN}, {.fd = w->up.control}};
    int n = poll(p, 2, clock_left_ms(deadline_us));
    if (n < 0 && errno != EINTR) return err_sys(e, "poll");
    if (n > 0 && p[1].revents != 0) up_lost();
    if (n == 0) {
        err_set(e, ERR_LIMIT, "no result within its deadline");
        return blame(w, in->relay.step, e);
    }
    return 0;
}

static uint64_t deadline_of(const struct worker *w) {
    int64_t ms = w->spec.inspect_ms;
    return clock_mono_us() + (ms > 0 ? (uint64_t)ms * 1000 : INSPECT_DEADLINE_US);
}

int inspect_await(struct worker *w, struct inspector *in, uint64_t looks, struct err *e) {
    uint64_t deadline = deadline_of(w);
    while (!in->relay.has_baseline || in->relay.looks < looks) {
        if (wait_output(w, in, deadline, e) < 0) return -1;
        int rc = inspect_read(w, in, e);
        if (rc < 0) return -1;
        if (rc == 0) {
            err_set(e, ERR_PROTO, "ended before its work was done");
            return blame(w, INSPECT_WATCH, e);
        }
    }
    return 0;
}

static int run_to_end(struct worker *w, struct inspector *in, struct err *e) {
    uint64_t deadline = deadline_of(w);
    for (;;) {
        if (wait_output(w, in, deadline, e) < 0) return -1;
        int rc = inspect_read(w, in, e);
        if (rc <= 0) return rc;
    }
}

int inspect_run(struct worker *w, unsigned step, struct relay_result *ret_result, struct err *e) {
    struct span s = span_start("%s", inspect_step_name(step));
    struct inspector in = INSPECTOR_INIT;
    if (inspect_start(w, step, &in, e) < 0) {
        err_ctx(e, "inspector (%s)", inspect_step_name(step));
        return span_close(&w->up, &s, -1, e);
    }
    int rc = run_to_end(w, &in, e);
    if (rc == 0 && step == INSPECT_CENSUS && !in.relay.result.seen) {
        err_set(e, ERR_PROTO, "no RESULT");
        rc = blame(w, step, e);
    }
    if (rc == 0 && ret_result != NULL) *ret_result = in.relay.result;
    inspect_kill(&in);
    return span_close(&w->up, &s, rc, e);
}
