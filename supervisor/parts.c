/* parts.c - see parts.h. One loop: start what may start, wait for the first end or deadline, take it in. */
#include "supervisor/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/io.h"

#define PARTS_MAX 32
#define ARGS_MAX 32

static void __attribute__((noreturn)) child(const struct part *p, char *const *argv, pid_t parent) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || null < 0 || dup2(null, 0) < 0 ||
        dup2(p->out_fd, 1) < 0 || dup2(p->err_fd, 2) < 0)
        _exit(127);
    execv(argv[0], argv);
    _exit(127);
}

static int start(struct part *p, const char *argv0, const char *const *globals, struct err *e) {
    const char *argv[ARGS_MAX];
    int n = 0;
    argv[n++] = argv0;
    for (int i = 0; globals[i] && n < ARGS_MAX - 1; i++) argv[n++] = globals[i];
    for (int i = 0; p->args[i] && n < ARGS_MAX - 1; i++) argv[n++] = p->args[i];
    argv[n] = NULL;
    p->out_fd = memfd_create("part", MFD_CLOEXEC);
    p->err_fd = memfd_create("part", MFD_CLOEXEC);
    if (p->out_fd < 0 || p->err_fd < 0) return err_sys(e, "memfd_create");
    const pid_t self = getpid();
    p->begun_us = clock_mono_us();
    p->pid = fork();
    if (p->pid == 0) child(p, (char *const *)(uintptr_t)argv, self);
    if (p->pid < 0) return err_sys(e, "fork");
    p->started = true;
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0u);
    return p->pidfd < 0 ? err_sys(e, "pidfd_open") : 0;
}

/* What went before it in its lane has ended. */
static bool may_start(const struct part *parts, int i) {
    for (int k = 0; k < i; k++)
        if (parts[k].lane == parts[i].lane && !parts[k].ended) return false;
    return !parts[i].started;
}

static uint64_t deadline_of(const struct part *p) { return p->begun_us + (uint64_t)p->timeout_s * 1000000u; }

/* From its start, whatever the descriptor was left at. */
static void read_all(int fd, struct buf *b) {
    char chunk[16384];
    if (lseek(fd, 0, SEEK_SET) < 0) return;
    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0 && !b->bad;) buf_put(b, chunk, (size_t)n);
}

static void take_in(struct part *p) {
    int status = 0;
    AUTO_BUF struct buf out = BUF_INIT(PARTS_OUTPUT_MAX), err = BUF_INIT(1u << 20);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    p->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    p->took_ms = (int64_t)((clock_mono_us() - p->begun_us) / 1000);
    p->ended = true;
    read_all(p->out_fd, &out);
    read_all(p->err_fd, &err);
    if (!out.bad) p->document = cJSON_Parse(buf_str(&out));
    const char *line = buf_str(&err);
    snprintf(p->said, sizeof p->said, "%.*s", (int)strcspn(line, "\n"), line);
    close(take_fd(&p->pidfd));
    close(take_fd(&p->out_fd));
    close(take_fd(&p->err_fd));
}

/* Until the first end or deadline. */
static int await(struct part *parts, int n, struct err *e) {
    struct pollfd fds[PARTS_MAX];
    int who[PARTS_MAX], k = 0, wait_ms = 1000;
    for (int i = 0; i < n; i++) {
        if (!parts[i].started || parts[i].ended) continue;
        const int left = clock_left_ms(deadline_of(&parts[i]));
        if (left == 0 && !parts[i].late) {
            parts[i].late = true;
            kill(parts[i].pid, SIGKILL); /* its own children die with it, and it is waited for like any other */
        }
        if (left > 0 && left < wait_ms) wait_ms = left;
        fds[k] = (struct pollfd){.fd = parts[i].pidfd, .events = POLLIN};
        who[k++] = i;
    }
    if (poll(fds, (nfds_t)k, wait_ms) < 0 && errno != EINTR) return err_sys(e, "poll");
    for (int i = 0; i < k; i++)
        if (fds[i].revents) take_in(&parts[who[i]]);
    return 0;
}

static int count(const struct part *parts, int n, bool running) {
    int c = 0;
    for (int i = 0; i < n; i++) c += running ? parts[i].started && !parts[i].ended : parts[i].ended;
    return c;
}

int parts_run(struct part *parts, int n, int parallel, const char *argv0, const char *const *globals,
              const struct parts_watcher *w, struct err *e) {
    int rc = 0;
    BUG_UNLESS(n <= PARTS_MAX);
    bool told[PARTS_MAX] = {false};
    for (int i = 0; i < n; i++) parts[i].pidfd = parts[i].out_fd = parts[i].err_fd = -1;
    while (rc == 0 && count(parts, n, false) < n) {
        for (int i = 0; rc == 0 && i < n && count(parts, n, true) < parallel; i++)
            if (may_start(parts, i)) rc = start(&parts[i], argv0, globals, e);
        if (rc == 0) {
            w->waits(w->ctx, parts, n);
            rc = await(parts, n, e);
        }
        for (int i = 0; i < n; i++) {
            if (!parts[i].ended || told[i]) continue;
            told[i] = true;
            w->ended(w->ctx, &parts[i]);
        }
    }
    for (int i = 0; i < n; i++) { /* only after a failure of ours */
        if (!parts[i].started || parts[i].ended) continue;
        kill(parts[i].pid, SIGKILL);
        take_in(&parts[i]);
    }
    return rc;
}

void parts_release(struct part *parts, int n) {
    for (int i = 0; i < n; i++) cJSON_Delete(parts[i].document);
}
