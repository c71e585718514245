/* As a worker lives: into a minimal root of its own, under its filter, jails built by a forked child, an inspector
 * beside. */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/unit/sandbox_util.h"

static char dir[64];
static struct ran r;

static void the_root(void) {
    static const char *const absent[] = {"/home", "/root", "/sys", "/tmp", "/scratch", "/boot", "/etc/shadow"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) CHECK(access(absent[i], F_OK) < 0);
    char cwd[16];
    CHECK(getcwd(cwd, sizeof cwd) && strcmp(cwd, "/") == 0);
    CHECK(access("/usr/bin", R_OK) == 0 && access("/proc/self/status", R_OK) == 0 && access("/dev/null", W_OK) == 0);
    CHECK(open("/x", O_WRONLY | O_CREAT, 0600) < 0 && errno == EROFS);
    CHECK(open("/case/x", O_WRONLY | O_CREAT, 0600) < 0 && errno == EROFS);
    const int fd = open("/area/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    close(fd);
}

static void the_filter(void) {
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    CHECK(syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == ENOSYS);
    CHECK(syscall(SYS_bpf, 0, 0, 0) < 0 && errno == ENOSYS);
    CHECK(syscall(SYS_init_module, 0, 0, 0) < 0 && errno == ENOSYS);
    CHECK(syscall(425, 1, 0) < 0 && errno == ENOSYS); /* io_uring_setup */
    CHECK(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == ENOSYS);
    CHECK(unshare(CLONE_NEWUSER) < 0 && errno == ENOSYS);
}

static void a_jail(const char *script, int code) {
    static const struct jail_bind b[] = {{.source = "/area/ws", .target = "/workspace", .writable = true}};
    struct jail_spec s = test_spec(NULL);
    s.binds = b;
    s.n_binds = 1;
    s.cwd = "/workspace";
    test_sh(&s, script, &r);
    CHECK(test_exited(&r, code));
}

static void jails(void) {
    a_jail("echo made >here && test -r /proc/self/status && test ! -e /case && test ! -e /area && exit 3", 3);
    CHECK(access("/area/ws/here", F_OK) == 0);
    const uint32_t need = jail_required(JAIL_ENGINE, jail_mode());
    CHECK((r.report.in_force & need) == need);
    a_jail("git init -q . && git add -A && git commit -qm x --allow-empty && git fsck", 0);
    a_jail("python3 -c 'print(1)' && awk '/^Seccomp_filters/ {exit $2 == 2 ? 8 : 9}' /proc/self/status", 8);
    /* The narrower filter speaks, not the worker's, which permits both. */
    a_jail(
        "python3 -c 'import ctypes,os; l=ctypes.CDLL(None,use_errno=True); l.syscall(435,0,0); a=ctypes.get_errno(); "
        "l.syscall(437,0,0,0,0); print(a,ctypes.get_errno())' | grep -q '^38 38$'",
        0);
}

static void from_a_forked_child(void (*fn)(void)) {
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        check_made = check_failed = 0;
        fn();
        _exit(check_failed ? 1 : 0);
    }
    int ws = -1;
    CHECK(waitpid(pid, &ws, 0) == pid && ws == 0);
}

/* --- an inspector: confined in two steps, the second narrower ----------------------------------------------------- */
static void inspector(void) {
    const struct jail_path_rule both[] = {{"/area", true}, {"/case", false}};
    const struct jail_path_rule one[] = {{"/area/ws", true}};
    struct jail_report rep;
    struct err e = ERR_INIT;
    if (!CHECK(jail_confine_self(both, 2, NULL, false, &rep, &e) == 0)) {
        fprintf(stderr, "%s\n", e.text);
        return;
    }
    CHECK(rep.in_force & JAIL_M_LANDLOCK && !(rep.in_force & JAIL_M_SECCOMP));
    CHECK(access("/area/x", F_OK) == 0 && open("/usr/bin/env", O_RDONLY) < 0 && errno == EACCES);
    int fd = open("/area/x", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    close(fd);
    NEED(jail_confine_self(one, 1, NULL, true, &rep, &e) == 0);
    CHECK(rep.in_force & JAIL_M_SECCOMP && rep.landlock_abi >= 1);
    CHECK(open("/area/x", O_RDWR) < 0 && errno == EACCES);
    CHECK(mkdir("/area/ws/dir", 0755) == 0 && rename("/area/ws/dir", "/area/ws/dir2") == 0);
    fd = open("/area/ws/dir2/new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0);
    CHECK(fchmod(fd, 04755) < 0 && errno == EPERM);
    CHECK(io_open_beneath_quiet(AT_FDCWD, "usr", O_RDONLY, 0) < 0);
    CHECK(fork() < 0 && errno == EPERM);
    CHECK(execl("/usr/bin/true", "true", (char *)NULL) < 0 && (errno == EPERM || errno == EACCES));
    CHECK(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
    CHECK(chmod("/area/ws/dir2/new", 0700) < 0 && errno == EPERM);
    CHECK(chown("/area/ws/dir2/new", getuid(), getgid()) < 0 && errno == EPERM);
    CHECK(kill(getppid(), 0) < 0 && errno == EPERM);
}

static void as_inspector(void) {
    if (jail_mode() == JAIL_MODE_ROOT) {
        NEED(setgroups(0, NULL) == 0 && setresgid(TEST_JAIL_UID, TEST_JAIL_UID, TEST_JAIL_UID) == 0);
        NEED(setresuid(TEST_JAIL_UID, TEST_JAIL_UID, TEST_JAIL_UID) == 0);
    }
    inspector();
}

static void worker(void) {
    char ws[96], work[80], host_case[80];
    test_tempdir(dir);
    snprintf(work, sizeof work, "%s/work", dir);
    snprintf(ws, sizeof ws, "%s/ws", work);
    snprintf(host_case, sizeof host_case, "%s/case", dir);
    NEED(mkdir(work, 0755) == 0 && mkdir(ws, 0755) == 0 && mkdir(host_case, 0755) == 0);
    test_own(ws);
    /* The parent stays outside and cleans up. */
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        const struct jail_bind b[] = {{.source = work, .target = "/area", .writable = true},
                                      {.source = host_case, .target = "/case"}};
        const struct jail_enter_spec spec = {.binds = b, .n_binds = 2};
        struct jail_report rep;
        struct err e = ERR_INIT;
        check_made = check_failed = 0;
        if (!CHECK(jail_enter(&spec, &rep, &e) == 0) || !CHECK(jail_restrict_worker(&rep, &e) == 0)) {
            fprintf(stderr, "%s\n", e.text);
            _exit(1);
        }
        const uint32_t need = jail_required(JAIL_WORKER, rep.mode);
        CHECK((rep.in_force & need) == need);
        the_root();
        if (jail_mode() == JAIL_MODE_ROOT) NEED(chown("/area/x", TEST_JAIL_UID, TEST_JAIL_UID) == 0);
        the_filter();
        jails();
        from_a_forked_child(jails);
        from_a_forked_child(as_inspector);
        jails(); /* still possible */
        _exit(check_failed ? 1 : 0);
    }
    int ws_status = -1;
    CHECK(waitpid(pid, &ws_status, 0) == pid && ws_status == 0);
    test_remove(dir);
}

static void host(void) {
    struct jail_probe rows[JAIL_PROBES_MAX];
    struct err e = ERR_INIT;
    const int n = jail_probe_host(rows);
    CHECK(n > 10);
    for (int i = 0; i < n; i++)
        if (!rows[i].ok && rows[i].required) {
            CHECK(rows[i].ok);
            fprintf(stderr, "%s: %s\n", rows[i].name, rows[i].detail);
        }
    CHECK(jail_check_host(&e) == 0);
}

static void all(void) {
    host();
    worker();
}

int main(void) { return test_both_modes(all); }
