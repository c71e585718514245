/* test_common_err.c - the error object: texts, codes, context, cutting, NULL, arguments that point into the object itself; the
 * line that goes to stderr; BUG_UNLESS in a child. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/err.h"
#include "common/io.h"
#include "common/log.h"

static void texts(void) {
    struct err e = ERR_INIT;
    CHECK(e.code == ERR_NONE && e.sys == 0 && e.text[0] == '\0');
    CHECK(err_set(&e, ERR_USAGE, "%s: %d", "what", 7) == -1);
    CHECK(e.code == ERR_USAGE && e.sys == 0 && strcmp(e.text, "what: 7") == 0);
    CHECK(err_ctx(&e, "run %d", 1) == -1);
    CHECK(e.code == ERR_USAGE && strcmp(e.text, "run 1: what: 7") == 0);
    errno = ENOENT;
    CHECK(err_sys(&e, "open %s", "x") == -1);
    CHECK(e.code == ERR_SYS && e.sys == ENOENT && strcmp(e.text, "open x: No such file or directory") == 0);
    CHECK(err_ctx(&e, "home") == -1 && e.sys == ENOENT && e.code == ERR_SYS);
    CHECK(strcmp(e.text, "home: open x: No such file or directory") == 0);
    CHECK(err_set(&e, ERR_PARSE, "again: %s", e.text) == -1); /* an argument inside the object */
    CHECK(strcmp(e.text, "again: home: open x: No such file or directory") == 0 && e.sys == 0);
}

static void without_object(void) {
    errno = EACCES;
    CHECK(err_set(NULL, ERR_USAGE, "x") == -1 && err_sys(NULL, "x") == -1 && err_ctx(NULL, "x") == -1);
}

static void cut(void) {
    char longest[2 * ERR_TEXT_MAX];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct err e = ERR_INIT;
    err_set(&e, ERR_LIMIT, "%s", longest);
    CHECK(strlen(e.text) == ERR_TEXT_MAX - 1);
    errno = EIO;
    err_sys(&e, "%s", longest);
    CHECK(strlen(e.text) == ERR_TEXT_MAX - 1 && e.sys == EIO);
    for (int i = 0; i < 50; i++) err_ctx(&e, "%s", longest);
    CHECK(strlen(e.text) == ERR_TEXT_MAX - 1 && e.sys == EIO && e.code == ERR_SYS);
    err_set(&e, ERR_LIMIT, "%s", "kept");
    err_ctx(&e, "%s", longest); /* the cause stays readable behind the longest context */
    CHECK(strcmp(e.text + strlen(e.text) - 4, "kept") == 0);
}

/* Numbers cross process borders: they never change. */
static void numbers(void) {
    CHECK(ERR_SYS == 1 && ERR_USAGE == 2 && ERR_PARSE == 3 && ERR_LIMIT == 4 && ERR_PROTO == 5);
    CHECK(ERR_UNSUPPORTED == 6 && ERR_CONFLICT == 7 && ERR_MISSING == 8 && ERR_INTERNAL == 9);
}

/* What a child writes to stderr, at most max - 1 bytes; returns its wait status. */
static int child_says(void (*what)(void), char *out, size_t max) {
    int p[2], status = -1;
    NEED(pipe2(p, O_CLOEXEC) == 0);
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        dup2(p[1], 2);
        what();
        _exit(0);
    }
    close(p[1]);
    ssize_t n = io_read_full(p[0], out, max - 1, NULL);
    close(p[0]);
    out[n > 0 ? n : 0] = '\0';
    NEED(waitpid(pid, &status, 0) == pid);
    return status;
}

static void break_invariant(void) { BUG_UNLESS(1 + 1 == 3); }
static void keep_invariant(void) { BUG_UNLESS(1 + 1 == 2); }
static void say_escape(void) {
    log_open("prog");
    log_line("a%sb", "\x1b[31m\n\x7f");
}
static void say_much(void) {
    static char much[100000];
    memset(much, '\x01', sizeof much - 1);
    log_open("prog");
    log_line("%s", much);
}

static void in_children(void) {
    char text[8192];
    int status = child_says(break_invariant, text, sizeof text);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(text, "test_common_err.c") && strstr(text, "1 + 1 == 3"));
    CHECK(child_says(keep_invariant, text, sizeof text) == 0 && text[0] == '\0');
    CHECK(child_says(say_escape, text, sizeof text) == 0 && strcmp(text, "prog: a\\x1b[31m\\x0a\\x7fb\n") == 0);
    CHECK(child_says(say_much, text, sizeof text) == 0);
    CHECK(strlen(text) <= 4096 && text[strlen(text) - 1] == '\n' && strchr(text, '\n') == text + strlen(text) - 1);
}

int main(void) {
    texts();
    without_object();
    cut();
    numbers();
    in_children();
    return check_done();
}
