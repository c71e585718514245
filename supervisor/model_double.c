/* model_double.c - see model_double.h. The key goes down the socket, the port comes up; at the end of our side it says what it was asked,
 * and ends. */
#include "supervisor/model_double.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/binaries.h"
#include "supervisor/orphans.h"

#define SOCKET 3 /* where it expects it */
#define START_MS 20000
#define END_MS 5000
#define WORDS_MAX 1024

const char *const model_double_modes[] = {
    "content",      "delayed",      "reasoning-only", "content-from-256", "content-from-4096",
    "unauthorized", "server-error", "garbage",        "wrong-model",      NULL};

struct model_double {
    pid_t pid;
    int fd;
    char url[96], key[48], authority[32];
};

const char *model_double_url(const struct model_double *d) { return d->url; }
const char *model_double_key(const struct model_double *d) { return d->key; }
const char *model_double_authority(const struct model_double *d) { return d->authority; }

static int start(struct model_double *d, const char *program, const char *mode, int theirs, struct err *e) {
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, theirs, SOCKET);
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)mode, NULL}, *env[] = {NULL};
    errno = posix_spawn(&d->pid, program, &fa, NULL, argv, env);
    const int rc = errno == 0 ? 0 : err_sys(e, "start %s", MODEL_DOUBLE_PROGRAM);
    if (rc < 0) d->pid = 0;
    orphans_except(d->pid); /* no run's, though a child of ours */
    posix_spawn_file_actions_destroy(&fa);
    return rc;
}

/* Up to a newline, or to the end of file. 0 bytes when it said nothing. */
static int read_line(int fd, char *out, size_t size, uint64_t deadline, struct err *e) {
    size_t n = 0;
    for (char c = 0; n + 1 < size && c != '\n';) {
        const int ready = io_wait(fd, POLLIN, clock_left_ms(deadline), e);
        if (ready < 0) return -1;
        if (ready == 0) return err_set(e, ERR_LIMIT, MODEL_DOUBLE_PROGRAM ": no word in time");
        const ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (c != '\n') out[n++] = c;
    }
    out[n] = '\0';
    return 0;
}

static int greet(struct model_double *d, struct err *e) {
    unsigned long long r[2];
    char line[96];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) return err_sys(e, "random bytes");
    snprintf(d->key, sizeof d->key, "double-key-%016llx", r[0]);
    const int n = snprintf(line, sizeof line, "%s\n", d->key);
    if (io_write_full(d->fd, line, (size_t)n, e) < 0 ||
        read_line(d->fd, line, sizeof line, clock_mono_us() + START_MS * 1000ull, e) < 0)
        return -1;
    char *rest;
    const long port = strtol(line, &rest, 10);
    if (!line[0] || *rest || port < 1 || port > 65535)
        return err_set(e, ERR_PROTO, MODEL_DOUBLE_PROGRAM ": it named no port");
    snprintf(d->authority, sizeof d->authority, "127.0.0.1:%ld", port);
    snprintf(d->url, sizeof d->url, "http://%s/made-up-%016llx/v1", d->authority, r[1]);
    return 0;
}

int model_double_start(const char *libexec, const char *mode, struct model_double **ret, struct err *e) {
    char program[PATH_MAX + sizeof MODEL_DOUBLE_PROGRAM + 1];
    int pair[2];
    snprintf(program, sizeof program, "%s/" MODEL_DOUBLE_PROGRAM, libexec);
    if (binaries_check_file(program, e) < 0) return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return err_sys(e, "socketpair");
    AUTO_FD int theirs = pair[1];
    struct model_double *d = calloc(1, sizeof *d);
    BUG_UNLESS(d != NULL);
    d->fd = pair[0];
    int rc = start(d, program, mode, theirs, e);
    close(take_fd(&theirs));
    if (rc == 0) rc = greet(d, e);
    if (rc < 0) {
        (void)model_double_end(d, NULL, NULL);
        return -1;
    }
    *ret = d;
    return 0;
}

static int number(const cJSON *o, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? v->valueint : -1;
}

static int take_words(const char *line, struct model_double_asked *ret, struct err *e) {
    cJSON *o = cJSON_Parse(line);
    const char *model = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "model"));
    const bool good = cJSON_IsObject(o) && model;
    if (good && ret) {
        *ret = (struct model_double_asked){.requests = number(o, "requests"),
                                           .authorized = number(o, "authorized"),
                                           .others = number(o, "others"),
                                           .max_tokens = number(o, "max_tokens")};
        snprintf(ret->model, sizeof ret->model, "%s", model);
    }
    cJSON_Delete(o);
    return good ? 0 : err_set(e, ERR_PROTO, MODEL_DOUBLE_PROGRAM ": it did not say what it was asked");
}

int model_double_end(struct model_double *d, struct model_double_asked *ret, struct err *e) {
    char line[WORDS_MAX] = "";
    const uint64_t deadline = clock_mono_us() + END_MS * 1000ull;
    if (!d) return 0;
    shutdown(d->fd, SHUT_WR);
    int rc = d->pid > 0 ? read_line(d->fd, line, sizeof line, deadline, e) : -1;
    if (rc == 0) rc = take_words(line, ret, e);
    close(d->fd);
    if (d->pid > 0) {
        AUTO_FD int fd = (int)syscall(SYS_pidfd_open, d->pid, 0);
        if (fd < 0 || io_wait(fd, POLLIN, clock_left_ms(deadline), NULL) != 1) {
            kill(d->pid, SIGKILL);
            if (rc == 0) rc = err_set(e, ERR_LIMIT, MODEL_DOUBLE_PROGRAM ": it did not end");
        }
        while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR) continue;
        orphans_include(d->pid);
    }
    free(d);
    return rc;
}
