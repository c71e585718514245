/* sandbox_util.h - for the tests of the sandbox: run a command in a jail and keep what it said; run a test in both
 * modes.
 *
 * jail_start as an ordinary user puts the caller into a user namespace for good, so every mode runs in a child of
 * its own.
 */
#ifndef CTO_TESTS_UNIT_SANDBOX_UTIL_H
#define CTO_TESTS_UNIT_SANDBOX_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/jail.h"
#include "tests/unit/check.h"

/* Ids that belong to nobody: an ordinary user, and what a jail's program runs as when we are root. Each test program has
 * its own, since RLIMIT_NPROC counts per uid and tests run beside each other. Set before main(), so that children have
 * their parent's. */
static uid_t test_uid, test_jail_uid;
__attribute__((constructor)) static void test_choose_uids(void) {
    test_uid = 0x60000000u + (uid_t)getpid(); /* a pid is below 2^22 */
    test_jail_uid = 0x61000000u + (uid_t)getpid();
}
#define TEST_UID test_uid
#define TEST_JAIL_UID test_jail_uid
#define TEST_OUT_MAX 65536

struct ran {
    int rc; /* of jail_start */
    struct err err;
    struct jail_end end;
    struct jail_report report;
    char out[TEST_OUT_MAX]; /* stdout and stderr */
};

static inline struct jail_spec test_spec(const char *const *argv) {
    return (struct jail_spec){.profile = JAIL_ENGINE,
                              .argv = argv,
                              .cwd = "/scratch",
                              .uid = TEST_JAIL_UID,
                              .stdin_fd = -1,
                              .stdout_fd = -1,
                              .stderr_fd = -1,
                              .loopback = true};
}

static inline void test_drain(int fd, struct ran *r) {
    size_t n = 0;
    for (;;) {
        const ssize_t got = read(fd, r->out + n, sizeof r->out - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    r->out[n] = '\0';
}

/* Runs to the end of all that holds stdout, at most `ms` for the jail itself. */
static inline void test_run(struct jail_spec *s, int ms, struct ran *r) {
    struct jail *j = NULL;
    int p[2];
    memset(r, 0, sizeof *r);
    NEED(pipe2(p, O_CLOEXEC) == 0);
    s->stdout_fd = s->stderr_fd = p[1];
    r->rc = jail_start(s, &j, &r->err);
    close(p[1]);
    if (r->rc == 0) {
        r->report = *jail_report(j);
        test_drain(p[0], r);
        if (jail_wait(j, ms, &r->end, NULL) != 1) r->end.kind = JAIL_END_KILLED;
        jail_free(j);
    }
    close(p[0]);
}

static inline void test_sh(struct jail_spec *s, const char *script, struct ran *r) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    s->argv = argv;
    test_run(s, 30000, r);
    if (r->rc < 0) fprintf(stderr, "jail_start: %s\n", r->err.text);
}

static inline bool test_exited(const struct ran *r, int code) {
    if (r->rc == 0 && r->end.kind == JAIL_END_EXITED && r->end.code == code) return true;
    fprintf(stderr, "ended otherwise: rc %d kind %d code %d, said: %s\n", r->rc, (int)r->end.kind, r->end.code, r->out);
    return false;
}

/* A directory that an ordinary user may enter, whatever our umask is. Caller removes it. */
static inline void test_tempdir(char out[64]) {
    snprintf(out, 64, "/tmp/cto-test-XXXXXX");
    NEED(mkdtemp(out) != NULL);
    NEED(chmod(out, 0755) == 0);
}

static inline void test_remove(const char *path) {
    struct err e = ERR_INIT;
    CHECK(io_remove_tree_at(AT_FDCWD, path, &e) == 0);
}

/* Gives `path` to the one whom the program in a jail will be: in root mode the slot's uid, else ourselves. */
static inline void test_own(const char *path) {
    if (jail_mode() == JAIL_MODE_ROOT) NEED(chown(path, TEST_JAIL_UID, TEST_JAIL_UID) == 0);
}

static inline int test_in_child(void (*fn)(void), bool as_user, const char *mode) {
    fflush(NULL);
    const pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        check_made = check_failed = 0;
        if (as_user) {
            NEED(setgroups(0, NULL) == 0 && setresgid(TEST_UID, TEST_UID, TEST_UID) == 0);
            NEED(setresuid(TEST_UID, TEST_UID, TEST_UID) == 0);
            NEED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0); /* as any program that was started by a user is */
        }
        fn();
        const int rc = check_done();
        fflush(NULL);
        _exit(rc);
    }
    int ws = 0;
    NEED(waitpid(pid, &ws, 0) == pid);
    if (ws != 0) fprintf(stderr, "failed %s\n", mode);
    return ws == 0 ? 0 : 1;
}

/* As whoever we are; and when that is root, once more as an ordinary user. */
static inline int test_both_modes(void (*fn)(void)) {
    struct err e = ERR_INIT;
    if (jail_check_host(&e) < 0) return check_skip(e.text);
    int bad = test_in_child(fn, false, geteuid() == 0 ? "as root" : "as the present user");
    if (geteuid() == 0) bad |= test_in_child(fn, true, "as an ordinary user");
    return bad;
}

#endif
