/* worker_double.c - a test double: a worker that goes wrong on command, in the place of the real one (same build id).
 *
 *   worker_double --supervisor-pid N    as a worker; the task text of its RUN_SPEC says what it does:
 *     silence     exits 0 without a word            half        a frame, half of the next one, exit 0
 *     crash       dies of SIGSEGV                   garbage     bytes that are no frame, and then it stays
 *     sandbox     FAILED: a mechanism is missing    forger      a result before there was any work
 *     orphan      leaves a child that cannot be reaped, and is killed: the child waits for a tracer first
 *   worker_double --trace DIR           the tracer: attaches to DIR/RUN/orphan, says so in DIR/RUN/traced, and holds the
 *                                       dead body until end of file on stdin. Nobody else can wait for it until then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "build_id.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/spec.h"

static _Noreturn void give_up(const char *what) {
    fprintf(stderr, "worker_double: %s: %s\n", what, strerror(errno));
    exit(99);
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); }

/* --- the worker ------------------------------------------------------------------------------------------------- */

static int on_spec(void *ctx, const struct frame *f, struct err *e) {
    return spec_parse(ctx, f->payload, f->len, e) < 0 ? -1 : 0;
}

static void read_spec(struct run_spec *s) {
    static uint8_t chunk[4096];
    struct frame_reader r;
    struct err e = ERR_INIT;
    frame_reader_init(&r, MSG_TO_WORKER, MSG_CONTROL);
    while (s->run_id == NULL) {
        ssize_t n = read(WORKER_FD_CONTROL, chunk, sizeof chunk);
        if (n <= 0 || frame_feed(&r, chunk, (size_t)n, on_spec, s, &e) < 0) give_up("RUN_SPEC");
    }
    frame_reader_release(&r);
}

static void say(enum msg_type type, const struct buf *b) {
    struct err e = ERR_INIT;
    if (frame_write_buf(WORKER_FD_CONTROL, type, b, &e) < 0) give_up("frame");
}

static void hello(void) {
    AUTO_BUF struct buf b = BUF_INIT(128);
    buf_put_str(&b, CTO_BUILD_ID);
    buf_put_u32(&b, (uint32_t)getpid());
    say(MSG_HELLO, &b);
}

static void failed(enum failed_class class, const char *text) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u8(&b, (uint8_t) class), buf_put_u32(&b, ERR_UNSUPPORTED), buf_put_u32(&b, 0), buf_put_str(&b, text);
    say(MSG_FAILED, &b);
}

static void forge(void) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u8(&b, RESULT_COMMITTED), buf_put_str(&b, "0123456789abcdef0123456789abcdef01234567");
    buf_put_u8(&b, 1), buf_put_u32(&b, 0), buf_put_u32(&b, 1), buf_put_u8(&b, 0), buf_put_str(&b, "");
    say(MSG_RESULT, &b);
    say(MSG_DONE, NULL);
}

static void stay(void) {
    for (;;) nap(); /* until somebody ends us */
}

static _Noreturn void leave_orphan(const char *work_dir) {
    char path[4200], text[16];
    struct err e = ERR_INIT;
    struct stat st;
    pid_t child = fork();
    if (child < 0) give_up("fork");
    if (child == 0) {
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
        close_range(0, ~0u, 0);
        setsid();
        stay();
    }
    int n = snprintf(text, sizeof text, "%d", (int)child);
    snprintf(path, sizeof path, "%s/orphan", work_dir);
    if (io_replace_file_at(AT_FDCWD, path, text, (size_t)n, 0600, 0, &e) < 0) give_up(path);
    snprintf(path, sizeof path, "%s/traced", work_dir);
    while (stat(path, &st) < 0) nap();
    raise(SIGKILL);
    stay();
    exit(99);
}

static int work(void) {
    struct run_spec s = {0};
    AUTO_BUF struct buf b = BUF_INIT(64);
    read_spec(&s);
    const char *mode = s.task;
    hello();
    if (strstr(mode, "orphan")) leave_orphan(s.work_dir);
    if (strstr(mode, "crash")) raise(SIGSEGV);
    if (strstr(mode, "sandbox")) failed(FAILED_SANDBOX, "landlock: this kernel has none");
    if (strstr(mode, "forger")) forge();
    if (strstr(mode, "garbage") && write(WORKER_FD_CONTROL, "{\"status\":\"pass\"}\n", 18) == 18) stay();
    if (strstr(mode, "half")) {
        buf_put(&b, "\x40\0\0\0\x1c\0\0\0half", 12);
        if (write(WORKER_FD_CONTROL, b.p, b.len) < 0) give_up("write");
    }
    return strstr(mode, "sandbox") ? 1 : 0;
}

/* --- the tracer ------------------------------------------------------------------------------------------------- */

static pid_t find_orphan(int dir, char *where, size_t size) {
    AUTO_BUF struct buf b = BUF_INIT(64);
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    pid_t pid = 0;
    if (d == NULL) give_up("directory");
    for (struct dirent *de; pid == 0 && (de = readdir(d));) {
        char path[300];
        snprintf(path, sizeof path, "%s/orphan", de->d_name);
        if (io_read_file_at(dir, path, 64, &b, NULL) < 0) continue;
        pid = (pid_t)strtol(buf_str(&b), NULL, 10);
        snprintf(where, size, "%s/traced", de->d_name);
    }
    closedir(d);
    return pid;
}

static int trace(const char *name) {
    char where[300], scrap[16];
    struct err e = ERR_INIT;
    pid_t pid = 0;
    AUTO_FD int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) give_up(name);
    for (int tries = 0; tries < 6000 && (pid = find_orphan(dir, where, sizeof where)) == 0; tries++) nap();
    if (pid <= 1) give_up("no orphan in 30 s");
    if (ptrace(PTRACE_SEIZE, pid, 0L, 0L) < 0) give_up("this host lets nobody trace");
    if (io_replace_file_at(dir, where, "", 0, 0600, 0, &e) < 0) give_up(where);
    while (read(STDIN_FILENO, scrap, sizeof scrap) > 0) continue;
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--trace") == 0) return trace(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--supervisor-pid") == 0) return work();
    return 2;
}
