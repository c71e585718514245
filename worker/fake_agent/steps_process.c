/* steps_process.c - output, time, children, ends and the network: what an agent does as a process, the misbehaviours
 * too. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "worker/fake_agent/agent.h"

#define MAX_MS (INT64_C(24) * 3600 * 1000)

static void sleep_ms(int64_t ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR) continue;
}

static int do_sleep(struct json_obj *o, struct err *e) {
    int64_t ms = json_int(o, "ms", JSON_INT_REQUIRED, 0, MAX_MS);
    STEP_KEYS_END(o, e);
    sleep_ms(ms);
    return 0;
}

/* Whole blocks of repetitions, so that a flood is as fast as a pipe is. */
static int put_many(int fd, const struct buf *unit, int64_t repeat, struct err *e) {
    AUTO_BUF struct buf block = BUF_INIT(AGENT_MAX_TEXT + (64u << 10));
    int64_t per_block = 0;
    if (unit->len == 0) return 0;
    do {
        buf_put(&block, unit->p, unit->len);
        per_block++;
    } while (per_block < repeat && block.len + unit->len <= 64u << 10);
    for (int64_t left = repeat; left > 0; left -= per_block) {
        size_t n = left >= per_block ? block.len : (size_t)left * unit->len;
        if (io_write_full(fd, block.p, n, e) < 0) return -1;
    }
    return 0;
}

static int do_output(struct json_obj *o, struct err *e) {
    static const char *const streams[] = {"stdout", "stderr", NULL};
    AUTO_BUF struct buf text = BUF_INIT(AGENT_MAX_TEXT);
    int stream = json_enum(o, "stream", streams, 0);
    step_content(o, &text);
    int64_t repeat = json_int(o, "repeat", 1, 0, INT64_C(1) << 40);
    STEP_KEYS_END(o, e);
    fflush(NULL);
    return put_many(stream == 0 ? STDOUT_FILENO : STDERR_FILENO, &text, repeat, e);
}

/* --- spawn ------------------------------------------------------------------------------------------------------ */

struct child {
    int64_t ms;
    bool setsid, ignore_signals, double_fork, hold_stdout;
    const char *text;
    const cJSON *then;
    int n_then;
};

static void ignore_all(void) {
    for (int s = 1; s < NSIG; s++) signal(s, SIG_IGN);
}

static void let_go_of_output(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return;
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
}

static void __attribute__((noreturn)) child_main(const struct child *c, struct json_obj *o) {
    struct err e = ERR_INIT;
    if (c->setsid) setsid();
    if (c->double_fork && fork() != 0) _exit(0);
    if (!c->hold_stdout) let_go_of_output();
    sleep_ms(c->ms);
    if (c->text != NULL) (void)io_write_full(STDOUT_FILENO, c->text, strlen(c->text), NULL);
    int rc = c->n_then > 0 ? steps_nested(o, "then", c->then, c->n_then, &e) : 0;
    fflush(NULL);
    _exit(rc < 0 ? AGENT_EXIT_STEP : 0);
}

static int do_spawn(struct json_obj *o, struct err *e) {
    struct child c = {
        .ms = json_int(o, "ms", JSON_INT_REQUIRED, 0, MAX_MS),
        .setsid = json_bool(o, "setsid", false),
        .ignore_signals = json_bool(o, "ignore_signals", false),
        .double_fork = json_bool(o, "double_fork", false),
        .hold_stdout = json_bool(o, "hold_stdout", false),
        .text = json_str(o, "text", JSON_OPTIONAL, AGENT_MAX_TEXT),
    };
    c.n_then = json_array(o, "then", JSON_OPTIONAL, AGENT_MAX_STEPS, &c.then);
    int go = step_read(o, e);
    if (go < 0) return -1;
    if (go == 0) return steps_nested(o, "then", c.then, c.n_then, e);
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) return err_sys(e, "fork");
    if (pid == 0) {
        if (c.ignore_signals) ignore_all();
        child_main(&c, o);
    }
    return 0; /* not waited for: it is meant to outlive */
}

/* --- ends ------------------------------------------------------------------------------------------------------- */

static int do_exit(struct json_obj *o, struct err *e) {
    int64_t code = json_int(o, "code", JSON_INT_REQUIRED, 0, 255);
    STEP_KEYS_END(o, e);
    fflush(NULL);
    _exit((int)code);
}

static int do_signal(struct json_obj *o, struct err *e) {
    static const char *const names[] = {"KILL", "TERM", "INT",  "HUP",  "QUIT", "SEGV", "ABRT", "BUS",
                                        "FPE",  "ILL",  "PIPE", "USR1", "STOP", "XCPU", "XFSZ", NULL};
    static const int numbers[] = {SIGKILL, SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGSEGV, SIGABRT, SIGBUS,
                                  SIGFPE,  SIGILL,  SIGPIPE, SIGUSR1, SIGSTOP, SIGXCPU, SIGXFSZ};
    int which = json_enum(o, "signal", names, -1);
    STEP_KEYS_END(o, e);
    fflush(NULL);
    if (numbers[which] != SIGKILL && numbers[which] != SIGSTOP) signal(numbers[which], SIG_DFL);
    return kill(getpid(), numbers[which]) < 0 ? err_sys(e, "kill") : 0;
}

static int do_say_done(struct json_obj *o, struct err *e) {
    STEP_KEYS_END(o, e);
    fflush(NULL);
    static const char text[] = "All done. I have implemented the task, all tests pass, and the work is committed.\n";
    return io_write_full(STDOUT_FILENO, text, sizeof text - 1, e);
}

static int do_hang(struct json_obj *o, struct err *e) {
    STEP_KEYS_END(o, e);
    fflush(NULL);
    ignore_all();
    for (;;) pause();
}

/* --- network ---------------------------------------------------------------------------------------------------- */

/* 0 connected, else the error. */
static int try_connect(const struct sockaddr_in *to) {
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, 1000) <= 0) return ETIMEDOUT;
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

static int do_connect(struct json_obj *o, struct err *e) {
    static const char *const words[] = {"failed", "refused", "connected", NULL};
    const char *host = json_str(o, "host", JSON_REQUIRED, 64);
    struct sockaddr_in to = {.sin_family = AF_INET};
    to.sin_port = htons((uint16_t)json_int(o, "port", JSON_INT_REQUIRED, 1, 65535));
    int expect = json_enum(o, "expect", words, 0);
    if (host != NULL && inet_pton(AF_INET, host, &to.sin_addr) != 1)
        json_fail(o, "host", "an IPv4 address is expected");
    STEP_KEYS_END(o, e);
    int error = try_connect(&to);
    bool good = expect == 0 ? error != 0 : expect == 1 ? error == ECONNREFUSED : error == 0;
    if (good) return 0;
    return err_set(e, ERR_CONFLICT, "%s: expected %s, was: %s", host, words[expect],
                   error == 0 ? "connected" : strerror(error));
}

const struct step_type steps_process[] = {
    {"output", do_output}, {"sleep", do_sleep},       {"spawn", do_spawn},     {"exit", do_exit}, {"signal", do_signal},
    {"hang", do_hang},     {"say_done", do_say_done}, {"connect", do_connect}, {NULL, NULL},
};
