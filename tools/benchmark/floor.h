/* floor.h - what the floor programs share: a jail by straight-line code, and the git operations of a run.
 *
 * A floor program does the same work as the product, in the same order and by the same system calls, and nothing else: no error
 * object, no report, no protocol, no second process that watches over it. Any failure ends it. It is a yardstick and must
 * never run anything that is not trusted.
 */
#ifndef BENCHMARK_FLOOR_H
#define BENCHMARK_FLOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

void floor_die(const char *what) __attribute__((noreturn));
int floor_fd(int fd, const char *what); /* fd, or the end */
#define OK(call) ((call) < 0 ? floor_die(#call) : (void)0)
#define FD(call) floor_fd((call), #call)

/* The stations of a jail's life, in order. */
/* clang-format off */
#define FLOOR_STEPS(X)                                   \
    X(START, "start")                                    \
    X(TREES, "detached mount trees")                     \
    X(CLONE, "clone3 with six namespaces")               \
    X(ROOT, "tmpfs as root")                             \
    X(SKELETON, "directories, links, files of /etc")     \
    X(ATTACH, "attach trees")                            \
    X(PROC, "/proc")                                     \
    X(SCRATCH, "scratch")                                \
    X(PIVOT, "pivot_root, detach, read-only")            \
    X(NET, "host name, lo up")                           \
    X(RULES, "landlock rules")                           \
    X(FDS, "descriptors")                                \
    X(LIMITS, "rlimits")                                 \
    X(CREDS, "capabilities, uid")                        \
    X(RESTRICT, "landlock")                              \
    X(SECCOMP, "seccomp")                                \
    X(EXEC, "vfork and exec of the program")             \
    X(PROGRAM, "the program itself")                     \
    X(END, "exit of pid 1 until it is reaped")
/* clang-format on */
enum floor_step {
#define X(name, text) FLOOR_##name,
    FLOOR_STEPS(X)
#undef X
        FLOOR_STEP_COUNT
};
/* Monotonic nanoseconds; shared with the jail; NULL: nobody asks. */
extern uint64_t *floor_marks;
void floor_mark(enum floor_step s);

struct floor_bind {
    const char *source, *target;
    bool writable;
};
struct floor_jail {
    char *const *argv;
    const char *cwd;
    const struct floor_bind *binds;
    int n_binds;
    uid_t uid;    /* as root: of the program */
    int out, err; /* -1: /dev/null */
};

bool floor_is_root(void);
/* As an ordinary user: user and mount namespace, once per process. As root: nothing. */
void floor_enter(void);
/* Runs the program to its end; returns its exit status. */
int floor_jail(const struct floor_jail *j);

/* --- git: floor_git_exec.c starts the product's inspector once per step, floor_git_direct.c calls libgit2 in this process -- */
struct floor_git {
    const char *inspector; /* floor_git_exec.c: the program */
    const char *ws, *odb, *checkout;
    const char *patch;      /* where the diff goes */
    uid_t engine, verifier; /* as root */
};
void git_baseline(const struct floor_git *g);
void git_start_check(const struct floor_git *g);
void git_engine_ended(const struct floor_git *g);
void git_result(const struct floor_git *g);   /* HEAD, cleanliness, new objects, diff */
void git_checkout(const struct floor_git *g); /* the result's tree into `checkout` */

#endif
