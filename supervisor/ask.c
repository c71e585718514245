/* ask.c - see ask.h. posix_spawn, one poll loop for the answer, one wait on a pidfd for the end: a program that closes its output
 * and stays is ended like one that says nothing. */
#include "supervisor/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"

/* Reads until end of file, the bound or the deadline. */
static int collect(int fd, struct buf *out, uint64_t deadline, struct err *e) {
    char chunk[4096];
    for (;;) {
        int left = clock_left_ms(deadline);
        if (left == 0) return err_set(e, ERR_LIMIT, "no answer in time");
        int ready = io_wait(fd, POLLIN, left, e);
        if (ready < 0) return -1;
        if (ready == 0) continue; /* read() would wait without end */
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return err_sys(e, "read");
        if (n == 0) return 0;
        buf_put(out, chunk, (size_t)n);
        if (out->bad) return err_set(e, ERR_LIMIT, "answer too long");
    }
}

static int start(const char *const *argv, int stdin_fd, int out_fd, pid_t *ret, struct err *e) {
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    if (stdin_fd < 0)
        posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    else
        posix_spawn_file_actions_adddup2(&fa, stdin_fd, 0);
    posix_spawn_file_actions_adddup2(&fa, out_fd, 1);
    char *env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t) "LANG=C.UTF-8", NULL};
    errno = posix_spawn(ret, argv[0], &fa, NULL, (char *const *)(uintptr_t)argv, env);
    int rc = errno == 0 ? 0 : err_sys(e, "start");
    posix_spawn_file_actions_destroy(&fa);
    return rc;
}

/* Its end, by itself until the deadline, by us after it; the wait after a SIGKILL is the kernel's. */
static int finish(pid_t pid, uint64_t deadline, int rc, struct err *e) {
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (rc == 0 && (fd < 0 || io_wait(fd, POLLIN, clock_left_ms(deadline), e) != 1))
        rc = err_set(e, ERR_LIMIT, "it answered and did not end in time");
    if (rc < 0) kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (rc < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ask(const char *const *argv, int stdin_fd, struct buf *out, int timeout_ms, struct err *e) {
    int p[2];
    pid_t pid;
    if (pipe2(p, O_CLOEXEC) < 0) return err_sys(e, "pipe");
    AUTO_FD int rd = p[0];
    AUTO_FD int wr = p[1];
    uint64_t deadline = clock_mono_us() + (uint64_t)timeout_ms * 1000;
    if (start(argv, stdin_fd, wr, &pid, e) < 0) return err_ctx(e, "%s", argv[0]);
    close(take_fd(&wr));
    int rc = finish(pid, deadline, collect(rd, out, deadline, e), e);
    return rc < 0 ? err_ctx(e, "%s", argv[0]) : rc;
}
