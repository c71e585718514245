/* commit_agent.c - an agent that commits once, says when, and then waits to be ended.
 *
 * A commit is made when the branch's file is renamed into place. That moment is taken from inside the jail by an inotify watch
 * on .git/refs/heads, in the clock that the supervisor writes into its trace too (CLOCK_MONOTONIC: a jail has no time
 * namespace). One line goes to standard output:  "committed REF_US GIT_ENDED_US".
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 60000

static void __attribute__((noreturn)) die(const char *what) {
    perror(what);
    exit(1);
}

static unsigned long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000u + (unsigned long long)t.tv_nsec / 1000;
}

static pid_t start(char *const *argv) {
    const pid_t pid = fork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (pid < 0) die("fork");
    return pid;
}

static void finish(pid_t pid) {
    int status = 0;
    if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) die("git failed");
}

/* Is there, among the events of one read, a rename to a name that is no lock? */
static int renamed(const char *events, ssize_t n) {
    for (const char *p = events; p < events + n;) {
        struct inotify_event e;
        memcpy(&e, p, sizeof e);
        const char *name = p + sizeof e;
        if (e.len > 0 && !strstr(name, ".lock")) return 1;
        p += sizeof e + e.len;
    }
    return 0;
}

static unsigned long long await_rename(int watch) {
    char events[4096];
    for (;;) {
        struct pollfd p = {.fd = watch, .events = POLLIN};
        if (poll(&p, 1, LIMIT_MS) <= 0) die("no commit was seen");
        const unsigned long long now = now_us();
        const ssize_t n = read(watch, events, sizeof events);
        if (n <= 0) die("inotify");
        if (renamed(events, n)) return now;
    }
}

int main(void) {
    static char *const add[] = {"/usr/bin/git", "add", "greeting.txt", NULL};
    static char *const commit[] = {"/usr/bin/git", "commit", "-q", "-m", "Greet", NULL};
    FILE *f = fopen("greeting.txt", "a");
    if (!f || fputs("hello\n", f) < 0 || fclose(f) != 0) die("greeting.txt");
    finish(start(add));
    const int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, ".git/refs/heads", IN_MOVED_TO) < 0) die("inotify");
    const pid_t pid = start(commit);
    const unsigned long long ref = await_rename(watch);
    finish(pid);
    printf("committed %llu %llu\n", ref, now_us());
    fflush(stdout);
    for (;;) pause();
}
