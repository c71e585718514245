/* test_wk_left.c - what a backend leaves beside the code goes up as it is, in the order of names, and no hostile name costs more than its
 * limit: links, pipes, folders of thousands, files without an end. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "worker/left.h"

static char dir[] = "/tmp/cto-left.XXXXXX";
static int ws = -1;

/* What came of one list: the bytes of each stream, and the trace's word on each entry. */
struct seen {
    char *text[8];
    size_t len[8];
    int n_spans, n_bad;
};

static void take_frame(int fd, const uint8_t h[8], struct seen *s) {
    static uint8_t payload[64u << 10];
    struct rd rd = rd_over(h, 8);
    const uint32_t len = rd_u32(&rd);
    const unsigned type = rd_u16(&rd);
    NEED(len <= sizeof payload && io_read_full(fd, payload, len, NULL) == (ssize_t)len);
    if (type == MSG_OUTPUT) {
        const unsigned as = payload[0];
        NEED(len > 1 && as < 8);
        s->text[as] = realloc(s->text[as], s->len[as] + len);
        NEED(s->text[as] != NULL);
        memcpy(s->text[as] + s->len[as], payload + 1, len - 1);
        s->len[as] += len - 1;
        s->text[as][s->len[as]] = '\0';
    } else if (type == MSG_TRACE) {
        char step[64];
        struct rd t = rd_over(payload, len);
        rd_str(&t, step, sizeof step);
        rd_u64(&t);
        rd_u64(&t);
        s->n_spans++;
        s->n_bad += rd_u8(&t) == 0;
        CHECK(strcmp(step, "engine_left") == 0);
    }
}

static void drain(int fd, struct seen *s) {
    uint8_t h[8];
    while (io_read_full(fd, h, 8, NULL) == 8) take_frame(fd, h, s);
}

/* In a child, since the pipe fills; its ends of file are the end. */
static struct seen send_list(const struct engine_plan *plan) {
    struct seen s = {0};
    int control[2], bulk[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) == 0 && pipe2(bulk, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        struct err e = ERR_INIT;
        struct worker w = {0};
        close(control[0]);
        close(bulk[0]);
        if (up_init(&w.up, control[1], bulk[1], getppid(), &e) < 0) _exit(9);
        left_send(&w, ws, plan);
        _exit(0);
    }
    close(control[1]);
    close(bulk[1]);
    drain(bulk[0], &s);
    drain(control[0], &s);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(control[0]);
    close(bulk[0]);
    return s;
}

static void release(struct seen *s) {
    for (int i = 0; i < 8; i++) free(s->text[i]);
}

static void put(const char *path, const char *text) {
    AUTO_FD int fd = openat(ws, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    NEED(fd >= 0 && io_write_full(fd, text, strlen(text), NULL) == 0);
}

static struct engine_plan plan_of(const char *path) {
    struct engine_plan p = {.n_left = 1};
    p.left[0] = (struct plan_left){path, OUT_CASE_EVENTS};
    return p;
}

static void check_plain(void) {
    NEED(mkdirat(ws, "a", 0755) == 0 && mkdirat(ws, "a/events", 0755) == 0);
    put("a/events/run-2.jsonl", "two\n");
    put("a/events/run-1.jsonl", "one\n");
    put("a/events/.hidden", "not this\n");
    put("a/task.json", "{}\n");
    struct engine_plan p = {.n_left = 3};
    p.left[0] = (struct plan_left){"a/events/", OUT_CASE_EVENTS};
    p.left[1] = (struct plan_left){"a/task.json", OUT_CASE_TASK};
    p.left[2] = (struct plan_left){"a/absent.md", OUT_CASE_NOTES};
    struct seen s = send_list(&p);
    CHECK(s.len[OUT_CASE_EVENTS] == 8 && strcmp(s.text[OUT_CASE_EVENTS], "one\ntwo\n") == 0);
    CHECK(s.len[OUT_CASE_TASK] == 3 && strcmp(s.text[OUT_CASE_TASK], "{}\n") == 0);
    CHECK(s.len[OUT_CASE_NOTES] == 0 && s.n_spans == 3 && s.n_bad == 0); /* what is not there is no offence */
    release(&s);
}

/* Nothing of it is sent, and the trace says that something is missing. */
static void check_refused(const char *path) {
    const struct engine_plan p = plan_of(path);
    struct seen s = send_list(&p);
    if (!CHECK(s.len[OUT_CASE_EVENTS] == 0 && s.n_spans == 1 && s.n_bad == 1)) fprintf(stderr, "    %s\n", path);
    release(&s);
}

static void check_hostile(void) {
    NEED(mkdirat(ws, "h", 0755) == 0 && mkdirat(ws, "h/d", 0755) == 0 && mkdirat(ws, "h/d/sub", 0755) == 0);
    NEED(symlinkat("/etc/passwd", ws, "h/link") == 0 && symlinkat("../a", ws, "h/way") == 0);
    NEED(symlinkat("/etc", ws, "h/etc") == 0 && mkfifoat(ws, "h/pipe", 0644) == 0);
    check_refused("h/link");
    check_refused("h/way/task.json");
    check_refused("h/etc/");
    check_refused("h/pipe"); /* nobody will ever write to it */
    check_refused("h/d");
    check_refused("h/d/"); /* a folder in it */
    NEED(unlinkat(ws, "h/d/sub", AT_REMOVEDIR) == 0 && symlinkat("/etc/passwd", ws, "h/d/run-1.jsonl") == 0);
    check_refused("h/d/");
    put("a/file", "x");
    check_refused("a/file/"); /* no folder */
    check_refused("../etc/passwd");
}

static void check_limits(void) {
    NEED(mkdirat(ws, "l", 0755) == 0 && mkdirat(ws, "l/many", 0755) == 0);
    put("l/large", "begin");
    AUTO_FD int fd = openat(ws, "l/large", O_WRONLY | O_CLOEXEC);
    NEED(fd >= 0 && ftruncate(fd, (off_t)3 * LEFT_BYTES_MAX) == 0);
    struct engine_plan p = plan_of("l/large");
    struct seen s = send_list(&p);
    CHECK(s.len[OUT_CASE_EVENTS] == LEFT_BYTES_MAX && s.n_bad == 1);
    CHECK(s.text[OUT_CASE_EVENTS] && memcmp(s.text[OUT_CASE_EVENTS], "begin", 5) == 0);
    release(&s);
    for (int i = 0; i < LEFT_FILES_MAX + 8; i++) {
        char name[64];
        snprintf(name, sizeof name, "l/many/run-%02d.jsonl", i);
        put(name, "x\n");
    }
    p = plan_of("l/many/");
    s = send_list(&p);
    CHECK(s.len[OUT_CASE_EVENTS] == 2 * LEFT_FILES_MAX && s.n_bad == 1);
    release(&s);
}

int main(void) {
    struct err e = ERR_INIT;
    NEED(mkdtemp(dir) != NULL);
    ws = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(ws >= 0);
    check_plain();
    check_hostile();
    check_limits();
    close(ws);
    CHECK(io_remove_tree_at(AT_FDCWD, dir, &e) == 0);
    return check_done();
}
