/* floor_git_exec.c - git operations of a run by the product's own inspector, one process per step as in the product; what is
 * missing around it is everything that the worker does: no relay, no deadline, no check of what it says. Its frames are read
 * (length, type, zero, payload; little-endian) only to know when the baseline is made and when a look has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"

enum { FRAME_BASELINE = 18, FRAME_LOOK = 20, FRAME_ARTIFACT = 65, FRAME_HEADER = 8, MAX_ARGS = 12 };

static pid_t watch_pid;
static int watch_out = -1, watch_wake = -1;

static void __attribute__((noreturn)) child(char *const *argv, int in, int out, uid_t uid) {
    static char *const env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/", NULL};
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (floor_is_root() && (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, uid, uid, uid) < 0 ||
                            syscall(SYS_setresuid, uid, uid, uid) < 0))
        _exit(126);
    execve(argv[0], argv, env);
    _exit(127);
}

static pid_t __attribute__((noinline)) start(char *const *argv, int in, int out, uid_t uid) {
    const pid_t pid = vfork();
    if (pid == 0) child(argv, in, out, uid);
    return pid;
}

static pid_t start_step(const struct floor_git *g, const char *const *args, int in, uid_t uid, int *ret_out) {
    char *argv[MAX_ARGS] = {(char *)(uintptr_t)g->inspector};
    int p[2];
    for (int i = 0; args[i]; i++) argv[i + 1] = (char *)(uintptr_t)args[i];
    OK(pipe2(p, O_CLOEXEC));
    const pid_t pid = start(argv, in, p[1], uid);
    OK(pid);
    close(p[1]);
    *ret_out = p[0];
    return pid;
}

static void read_full(int fd, void *p, size_t n) {
    for (size_t got = 0; got < n;) {
        const ssize_t r = read(fd, (char *)p + got, n - got);
        if (r <= 0) floor_die("the inspector ended early");
        got += (size_t)r;
    }
}

static void await_frame(int fd, unsigned wanted) {
    static unsigned char payload[1 << 18];
    unsigned char h[FRAME_HEADER];
    unsigned type;
    do {
        read_full(fd, h, sizeof h);
        const size_t len = (size_t)h[0] | (size_t)h[1] << 8 | (size_t)h[2] << 16 | (size_t)h[3] << 24;
        type = h[4] | (unsigned)h[5] << 8;
        if (len > sizeof payload) floor_die("the inspector wrote a large frame");
        read_full(fd, payload, len);
    } while (type != wanted);
}

/* All it writes goes to `to` (-1: nowhere), until it ends. */
static void finish(pid_t pid, int out, int to) {
    static char chunk[1 << 16];
    int status = 0;
    ssize_t n;
    while ((n = read(out, chunk, sizeof chunk)) > 0)
        if (to >= 0) OK(write(to, chunk, (size_t)n));
    close(out);
    OK(waitpid(pid, &status, 0));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) floor_die("the inspector failed");
}

static void run_step(const struct floor_git *g, const char *const *args, uid_t uid, int to) {
    int out;
    const int null = FD(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const pid_t pid = start_step(g, args, null, uid, &out);
    close(null);
    finish(pid, out, to);
}

void git_baseline(const struct floor_git *g) {
    const char *const args[] = {"watch", "--ws", g->ws, "--odb", g->odb, "--run-id", "floor", NULL};
    watch_wake = FD(eventfd(0, EFD_CLOEXEC));
    watch_pid = start_step(g, args, watch_wake, g->engine, &watch_out);
    await_frame(watch_out, FRAME_BASELINE);
}

void git_start_check(const struct floor_git *g) {
    (void)g;
    OK(eventfd_write(watch_wake, 1));
    await_frame(watch_out, FRAME_LOOK);
}

void git_engine_ended(const struct floor_git *g) {
    (void)g;
    kill(watch_pid, SIGKILL);
    OK(waitpid(watch_pid, NULL, 0));
    close(watch_out);
    close(watch_wake);
}

void git_result(const struct floor_git *g) {
    const char *const census[] = {"census", "--ws", g->ws, "--odb", g->odb, "--run-id", "floor", NULL};
    const char *const diff[] = {"diff", "--odb", g->odb, "--run-id", "floor", NULL};
    const int patch = FD(open(g->patch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    run_step(g, census, g->engine, -1);
    run_step(g, diff, g->engine, patch);
    OK(fsync(patch));
    close(patch);
}

void git_checkout(const struct floor_git *g) {
    const char *const args[] = {"checkout", "--odb", g->odb, "--out", g->checkout, "--run-id", "floor", NULL};
    run_step(g, args, g->verifier, -1);
}
