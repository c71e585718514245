/* Nothing of a jail outlives its end: not a daemon, not when the jail is killed, not when its parent is killed at
 * any moment.
 *
 * What still lives is seen from outside by the pipe that every process of a jail inherits as stdout: end of file
 * means that the last one is gone. */
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include "tests/unit/sandbox_util.h"

#define DAEMONS                                                                                                      \
    "for i in 1 2 3; do (setsid sh -c '(trap \"\" TERM HUP INT; while :; do sleep 1; done) & (kill -STOP $$)' &) ; " \
    "done; "                                                                                                         \
    "echo ready; "
#define ROUNDS 200

static struct ran r;

static void start_stoppable(const char *script, int stop_signal, int *ret_out, struct jail **ret) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct jail_spec s = test_spec(argv);
    struct err e = ERR_INIT;
    int p[2];
    NEED(pipe2(p, O_CLOEXEC) == 0);
    s.stdout_fd = p[1];
    s.stop_signal = stop_signal;
    if (!CHECK(jail_start(&s, ret, &e) == 0)) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    close(p[1]);
    *ret_out = p[0];
}

static void start(const char *script, int *ret_out, struct jail **ret) { start_stoppable(script, 0, ret_out, ret); }

static bool hangs_up(int fd, int ms) {
    struct pollfd p = {.fd = fd, .events = 0};
    return poll(&p, 1, ms) == 1 && (p.revents & POLLHUP);
}

static bool says_ready(int fd) {
    char c;
    return io_wait(fd, POLLIN, 10000, NULL) == 1 && read(fd, &c, 1) == 1;
}

static void end_of_the_program_ends_all(void) {
    struct jail *j;
    struct jail_end end;
    int out;
    start(DAEMONS "exit 5", &out, &j);
    CHECK(jail_wait(j, 10000, &end, NULL) == 1);
    CHECK(end.kind == JAIL_END_EXITED && end.code == 5);
    CHECK(hangs_up(out, 0)); /* at once: the wait for pid 1 is a wait for all */
    jail_free(j);
    close(out);
}

/* The signal that the program understands, from a parent who sends pid 1 another one; deaf ones, and those whom nobody may ask, go on. */
static void a_stop_is_asked_for(void) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    static const char *const names[] = {"TERM", "INT", "HUP"};
    struct jail *j;
    struct jail_end end;
    char script[200];
    int out;
    for (int i = 0; i < 3; i++) {
        snprintf(script, sizeof script, "trap 'exit 7' %s; echo ready; while :; do sleep 0.05; done", names[i]);
        start_stoppable(script, signals[i], &out, &j);
        CHECK(says_ready(out) && jail_stop(j) == 0);
        CHECK(jail_wait(j, 10000, &end, NULL) == 1 && end.kind == JAIL_END_EXITED && end.code == 7);
        CHECK(hangs_up(out, 0) && jail_stop(j) < 0);
        jail_free(j);
        close(out);
    }
    start_stoppable("echo ready; exec sleep 1000", SIGINT, &out, &j);
    CHECK(says_ready(out) && jail_stop(j) == 0);
    CHECK(jail_wait(j, 10000, &end, NULL) == 1 && end.kind == JAIL_END_SIGNALLED && end.code == SIGINT);
    jail_free(j);
    close(out);
    start_stoppable("trap '' TERM INT; echo ready; sleep 1000", SIGINT, &out, &j);
    CHECK(says_ready(out) && jail_stop(j) == 0 && jail_stop(j) == 0);
    CHECK(jail_wait(j, 300, &end, NULL) == 0);
    jail_free(j);
    close(out);
    start("echo ready; sleep 1000", &out, &j);
    CHECK(says_ready(out) && jail_stop(j) < 0);
    CHECK(jail_wait(j, 100, &end, NULL) == 0);
    jail_free(j);
    close(out);
}

static void kill_ends_all(void) {
    struct jail *j;
    struct jail_end end;
    int out;
    start(DAEMONS "wait; sleep 1000", &out, &j);
    CHECK(says_ready(out));
    CHECK(jail_wait(j, 20, &end, NULL) == 0);
    jail_kill(j);
    jail_kill(j);
    CHECK(jail_wait(j, 10000, &end, NULL) == 1);
    CHECK(end.kind == JAIL_END_KILLED);
    CHECK(hangs_up(out, 0));
    CHECK(jail_wait(j, 0, &end, NULL) == 1 && end.kind == JAIL_END_KILLED);
    jail_kill(j);
    jail_free(j);
    close(out);

    start(DAEMONS "sleep 1000", &out, &j);
    CHECK(says_ready(out));
    jail_free(j);
    CHECK(hangs_up(out, 0));
    close(out);
    jail_free(NULL);
}

static void zombies_are_reaped(void) {
    struct jail_spec s = test_spec(NULL);
    test_sh(&s,
            "for i in $(seq 50); do (sh -c 'sleep 0.05 & exit 0' &); done; sleep 0.5; grep -l zombie "
            "/proc/[0-9]*/status | wc -l; exit 0",
            &r);
    CHECK(test_exited(&r, 0) && strcmp(r.out, "0\n") == 0);
    CHECK(r.end.processes >= 50);
}

/* The child builds a jail and is killed after a time that differs from round to round, so that each phase of the
 * start is hit: before the clone, while pid 1 builds, around the exec, afterwards. */
static void parent(int ready) {
    static const char *const argv[] = {"/bin/sleep", "1000", NULL};
    struct jail_spec s = test_spec(argv);
    struct jail *j;
    struct err e = ERR_INIT;
    s.stdout_fd = ready;
    if (jail_start(&s, &j, &e) < 0) _exit(1);
    pause();
    _exit(1);
}

static void killed_parent(int round) {
    int p[2];
    NEED(pipe2(p, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        close(p[0]);
        parent(p[1]);
    }
    close(p[1]);
    const struct timespec t = {.tv_nsec = (long)(round % 100) * 60000 + (round / 100) * 5000000};
    nanosleep(&t, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    /* Every process of the jail, from the clone on, has the write end. */
    if (!CHECK(hangs_up(p[0], 5000))) fprintf(stderr, "round %d: something survived\n", round);
    close(p[0]);
}

static void parents(void) {
    for (int i = 0; i < ROUNDS; i++) killed_parent(i);
}

static void bind_life(void) {
    CHECK(jail_bind_life(getppid() + 1, -1) == -1);
    CHECK(jail_bind_life(getppid(), -1) == 0);
    int p[2];
    NEED(pipe2(p, O_CLOEXEC) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK(jail_bind_life(getppid(), p[0]) == 0);
    close(p[1]);
    CHECK(jail_bind_life(getppid(), p[0]) == -1); /* though a byte is unread */
    close(p[0]);
}

static void ignored_signals(void) {
    struct jail_spec s = test_spec(NULL);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    test_sh(&s, "grep SigIgn /proc/self/status | cut -f2; yes | head -1; exit 9", &r);
    CHECK(test_exited(&r, 9) && strcmp(r.out, "0000000000000000\ny\n") == 0);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
}

static void all(void) {
    parents(); /* first: afterwards an ordinary user is in a user namespace and its children skip that phase */
    end_of_the_program_ends_all();
    a_stop_is_asked_for();
    kill_ends_all();
    zombies_are_reaped();
    ignored_signals();
    bind_life();
}

int main(void) { return test_both_modes(all); }
