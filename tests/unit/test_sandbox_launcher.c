/* cto-harness-sandbox from outside: exit statuses, options, its own death. Needs the built program
 * ($CTO_BUILD_DIR/bin). */
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "tests/unit/sandbox_util.h"

#define MAX_ARGS 24

static char dir[64], program[96];
static char out[TEST_OUT_MAX];

static void launch(const char *const *args, int fd) {
    const char *argv[MAX_ARGS] = {program};
    for (int i = 0; args[i] && i < MAX_ARGS - 2; i++) argv[i + 1] = args[i];
    dup2(fd, 1);
    dup2(fd, 2);
    dup2(fd, 9); /* for --json-status */
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(99);
}

static int status_of(const char *const *args) {
    int p[2], ws = 0;
    size_t n = 0;
    NEED(pipe2(p, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    if (pid == 0) launch(args, p[1]);
    close(p[1]);
    for (ssize_t got; (got = read(p[0], out + n, sizeof out - 1 - n)) > 0;) n += (size_t)got;
    out[n] = '\0';
    close(p[0]);
    NEED(waitpid(pid, &ws, 0) == pid);
    return WIFEXITED(ws) ? WEXITSTATUS(ws) : -WTERMSIG(ws);
}
#define RUN(...) status_of((const char *const[]){__VA_ARGS__, NULL})
#define SH(...) RUN("--", "/bin/sh", "-c", __VA_ARGS__)

/* Is said of a socket in a directory that is given, when the kernel cannot keep the command from it, and of nothing else. */
static void sockets_are_said(void) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char given[96];
    snprintf(given, sizeof given, "%s/given-%d", dir, (int)geteuid()); /* once for each mode */
    NEED(mkdir(given, 0755) == 0);
    CHECK(RUN("--read", given, "--", "true") == 0 && !strstr(out, "socket"));
    snprintf(a.sun_path, sizeof a.sun_path, "%s/s", given);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NEED(bind(fd, (const struct sockaddr *)&a, sizeof a) == 0);
    CHECK(RUN("--read", given, "--", "true") == 0);
    const bool said = strstr(out, "holds a socket, s:") != NULL && strstr(out, given) != NULL;
    CHECK(said == (jail_landlock_abi() < 9));
    close(fd);
}

static int lines(void) {
    int n = 0;
    for (const char *p = out; *p; p++) n += *p == '\n';
    return n;
}

static void statuses(void) {
    CHECK(SH("exit 0") == 0);
    CHECK(SH("exit 42") == 42);
    CHECK(SH("kill -ABRT $$") == 134);
    CHECK(SH("kill -KILL $$") == 137);
    CHECK(RUN("--", "there-is-no-such-program") == 127 && lines() == 1);
    CHECK(RUN("--", "/usr/there/is/none") == 127);
    CHECK(RUN("--", "/etc/passwd") == 126);
    CHECK(RUN("--timeout", "0.1", "--", "sleep", "100") == 124);
    CHECK(RUN("true") == 0);
    CHECK(RUN("--chdir", "/not/there", "--", "true") == 4 && strstr(out, "/not/there"));
}

static void bad_usage(void) {
    CHECK(RUN("--") == 2 && lines() == 1);
    CHECK(RUN("--", "\x1b]0;x\x07\xc2\x9b"
                    "31m\n\x9b") == 127 &&
          lines() == 1 && strstr(out, "\\x1b]0;x\\x07\\xc2\\x9b31m\\x0a\\x9b"));
    CHECK(RUN("--x\x1b[2J\xc2\x9b", "--", "true") == 2 && lines() == 1 && !strchr(out, 0x1b) &&
          !strstr(out, "\xc2\x9b"));
    CHECK(RUN("--nonsense", "--", "true") == 2 && lines() == 1 && strstr(out, "--nonsense"));
    CHECK(RUN("--profile", "worker", "--", "true") == 2);
    CHECK(RUN("--write") == 2 && lines() == 1);
    CHECK(RUN("--write", "/not/there", "--", "true") == 2 && strstr(out, "/not/there"));
    CHECK(RUN("--write", "/", "--", "true") == 2);
    CHECK(RUN("--read", "/proc", "--", "true") == 2);
    CHECK(RUN("--limit", "memory", "--", "true") == 2);
    CHECK(RUN("--limit", "memory=-1", "--", "true") == 2);
    CHECK(RUN("--limit", "memory=1KK", "--", "true") == 2);
    CHECK(RUN("--timeout", "soon", "--", "true") == 2);
    CHECK(RUN("--json-status", "87", "--", "true") == 2);
    CHECK(RUN("--env", "NOVALUE", "--", "true") == 2);
    CHECK(RUN("--uid", "0", "--", "true") == 2);
    CHECK(RUN("--help") == 0 && strstr(out, "--list-profiles"));
    CHECK(RUN("--version") == 0 && lines() == 1);
    CHECK(RUN("--list-profiles") == 0 && strstr(out, "engine:") && strstr(out, "verifier:"));
}

/* No process alone takes more than the limit; together they do. Where no group can be made the limit is refused. */
static void whole_memory(void) {
    static const char many[] =
        "for i in 1 2 3 4 5 6; do head -c 30m /dev/zero | tail -c 30m >/dev/null & done; wait; exit 0";
    struct cgroup_places p;
    cgroup_places_open(&p);
    if (cgroup_version(&p) == 0) {
        CHECK(RUN("--limit", "memory-total=64M", "--", "/bin/true") == 4 && strstr(out, "cgroup limits"));
    } else {
        CHECK(RUN("--limit", "memory-total=64M", "--", "/bin/sh", "-c", "exit 3") == 3);
        CHECK(RUN("--json-status", "9", "--limit", "memory-total=64M", "--", "/bin/sh", "-c", many) == 137);
        CHECK(strstr(out, "out of memory") && strstr(out, "\"out_of_memory\""));
        CHECK(cgroup_sweep(&p) == 0); /* it left none */
    }
    CHECK(RUN("--", "/bin/sh", "-c", many) == 0);
    cgroup_places_close(&p);
}

static void options(void) {
    char ws[96], file[128], pair[160];
    snprintf(ws, sizeof ws, "%s/ws-%u", dir, (unsigned)geteuid());
    snprintf(file, sizeof file, "%s/f", ws);
    snprintf(pair, sizeof pair, "%s:/data/x", dir);
    NEED(mkdir(ws, 0777) == 0 && chmod(ws, 0777) == 0);
    CHECK(RUN("--write", ws, "--", "sh", "-c", "pwd; echo a >f") == 0 && strncmp(out, ws, strlen(ws)) == 0);
    CHECK(access(file, F_OK) == 0);
    CHECK(RUN("--read", ws, "--chdir", ws, "--", "sh", "-c", "cat f; echo b >f") != 0 && strncmp(out, "a\n", 2) == 0);
    CHECK(RUN("--bind", pair, "--", "test", "-x", "/data/x/self") == 0);
    CHECK(RUN("--", "test", "-e", ws) == 1);
    CHECK(RUN("--env", "A=1", "--env", "A=2", "--env", "HOME=/x", "--", "sh", "-c", "echo $A$HOME") == 0 &&
          strcmp(out, "2/x\n") == 0);
    CHECK(RUN("--limit", "files=40", "--", "sh", "-c", "ulimit -n") == 0 && strcmp(out, "40\n") == 0);
    CHECK(RUN("--limit", "scratch=1M", "--", "sh", "-c", "head -c 3000000 /dev/zero >f") != 0);
    CHECK(RUN("--json-status", "9", "--", "sh", "-c", "exit 5") == 5 &&
          strstr(out, "{\"kind\":\"exited\",\"code\":5,"));
    CHECK(RUN("--json-status", "9", "--", "none") == 127 && strstr(out, "\"exec_failed\""));
    if (geteuid() == 0) CHECK(RUN("--uid", "60778", "--", "id", "-u") == 0 && strcmp(out, "60778\n") == 0);
    if (geteuid() == 0) CHECK(RUN("--", "id", "-u") == 0 && strcmp(out, "1879048192\n") == 0);
    unlink(file);
}

/* Standard input reaches the command; the launcher's death by a signal ends the jail. */
static void dies_with_the_launcher(void) {
    int p[2];
    NEED(pipe2(p, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    if (pid == 0)
        launch((const char *const[]){"--", "/bin/sh", "-c", "(setsid sleep 1000 &) ; echo r; sleep 1000", NULL}, p[1]);
    close(p[1]);
    char c = 0;
    CHECK(io_wait(p[0], POLLIN, 10000, NULL) == 1 && read(p[0], &c, 1) == 1 && c == 'r');
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    struct pollfd hup = {.fd = p[0], .events = 0};
    CHECK(poll(&hup, 1, 5000) == 1 && (hup.revents & POLLHUP));
    close(p[0]);
}

static void all(void) {
    statuses();
    whole_memory();
    bad_usage();
    sockets_are_said();
    options();
    dies_with_the_launcher();
}

static bool copy_launcher(void) {
    char from_name[512];
    const char *build = getenv("CTO_BUILD_DIR");
    snprintf(from_name, sizeof from_name, "%s/bin/cto-harness-sandbox", build ? build : ".");
    AUTO_FD int from = open(from_name, O_RDONLY | O_CLOEXEC);
    if (from < 0) return false;
    AUTO_FD int to = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    NEED(to >= 0);
    while (copy_file_range(from, NULL, to, NULL, 1 << 30, 0) > 0) {
    }
    return fchmod(to, 0755) == 0;
}

int main(void) {
    test_tempdir(dir);
    NEED(chmod(dir, 0777) == 0);
    snprintf(program, sizeof program, "%s/self", dir);
    const int rc = copy_launcher() ? test_both_modes(all) : check_skip("cto-harness-sandbox is not built");
    test_remove(dir);
    return rc;
}
