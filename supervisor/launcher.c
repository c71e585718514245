/* launcher.c - see launcher.h. posix_spawn and one poll loop: used by commands that have no event loop. */
#include "supervisor/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build_paths.h"
#include "common/clock.h"
#include "common/io.h"

int launcher_path(char *out, size_t size, struct err *e) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return err_sys(e, "find the running program through /proc/self/exe");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash) *slash = '\0';
    const char *dirs[] = {self, CTO_LIBEXEC_DIR};
    for (size_t i = 0; i < 2; i++)
        if (snprintf(out, size, "%s/cto-harness-sandbox", dirs[i]) < (int)size && access(out, X_OK) == 0) return 0;
    return err_set(e, ERR_MISSING, "cto-harness-sandbox is neither in %s nor in %s: install the program again", self,
                   CTO_LIBEXEC_DIR);
}

/* Reads until end of file, the bound or the deadline. */
static int collect(int fd, struct buf *out, uint64_t deadline, struct err *e) {
    char chunk[4096];
    for (;;) {
        int left = clock_left_ms(deadline);
        if (left == 0) return err_set(e, ERR_LIMIT, "no answer in time");
        if (io_wait(fd, POLLIN, left, e) < 0) return -1;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return err_sys(e, "read");
        if (n == 0) return out->bad ? err_set(e, ERR_LIMIT, "answer too long") : 0;
        buf_put(out, chunk, (size_t)n);
    }
}

int launcher_ask(const char *path, const char *argument, struct buf *out, int timeout_ms, struct err *e) {
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0) return err_sys(e, "pipe");
    AUTO_FD int rd = p[0];
    AUTO_FD int wr = p[1];
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, wr, 1);
    char *argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)argument, NULL};
    char *env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t) "LANG=C.UTF-8", NULL};
    pid_t pid;
    int rc = posix_spawn(&pid, path, &fa, NULL, argv, env);
    posix_spawn_file_actions_destroy(&fa);
    if (rc != 0) {
        errno = rc;
        return err_sys(e, "start %s", path);
    }
    close(take_fd(&wr));
    rc = collect(rd, out, clock_mono_us() + (uint64_t)timeout_ms * 1000, e);
    if (rc < 0) kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (rc < 0) return err_ctx(e, "%s %s", path, argument);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
