/* The seam of sandbox/testing.h: what is left out is really gone, is not reported, and only that. A probe that relies on it
 * would otherwise prove nothing. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "sandbox/testing.h"
#include "tests/unit/sandbox_util.h"

static struct ran r;

/* What a program of a jail finds: with everything in force 'no', without the mechanism 'yes'. */
static const struct {
    uint64_t without;
    const char *script; /* exit 0: yes */
    uint64_t base;      /* also left out, both times: a second wall in front of this one */
} rows[] = {
    {JAIL_M_SECCOMP, "test \"$(awk '/^Seccomp:/ {print $2}' /proc/self/status)\" = 0", 0},
    {JAIL_M_NO_NEW_PRIVS, "test \"$(awk '/^NoNewPrivs:/ {print $2}' /proc/self/status)\" = 0", 0},
    {JAIL_M_LANDLOCK, "mknod /scratch/whiteout c 0 0", JAIL_M_SECCOMP},
    {JAIL_M_NETNS, "test \"$(wc -l </proc/net/dev)\" -gt 3 || test \"$(readlink /proc/self/ns/net)\" = \"$CTO_NETNS\"",
     0},
    {JAIL_M_UTSNS, "test \"$(hostname)\" != jail", 0},
    {JAIL_M_IPCNS, "test \"$(readlink /proc/self/ns/ipc)\" = \"$CTO_IPCNS\"", 0},
    {JAIL_M_CGROUPNS, "test \"$(readlink /proc/self/ns/cgroup)\" = \"$CTO_CGROUPNS\"", 0},
    {JAIL_M_RLIMITS, "test \"$(ulimit -n)\" = 333", 0},
    {JAIL_T_SESSION, "test \"$(awk '{print $6}' /proc/self/stat)\" != 1", 0},
    {JAIL_T_HIDEPID, "test -r /proc/1/status", 0},
    {JAIL_T_PROC_READONLY, "awk '$2 == \"/proc\" {print $4}' /proc/mounts | grep -q '^rw'", 0},
    {JAIL_T_READONLY, "awk '$2 == \"/\" {print $4}' /proc/mounts | grep -q '^rw'", 0},
    {JAIL_T_NOSUID, "awk '$2 == \"/usr\" {print $4}' /proc/mounts | grep -vq nosuid", 0},
    {JAIL_M_ROOT, "test -d /sys/kernel", 0},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static const char *ns_variable(const char *name, const char *file, char out[64]) {
    char link[32] = {0};
    NEED(readlink(file, link, sizeof link - 1) > 0);
    snprintf(out, 64, "%s=%s", name, link);
    return out;
}

/* As an ordinary user the first start makes a user namespace of its own for good, so each row has a child. */
static bool says_yes(size_t row, uint64_t without) {
    fflush(NULL);
    const pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        char net[64], ipc[64], cg[64];
        const char *const env[] = {"PATH=" JAIL_PATH, ns_variable("CTO_NETNS", "/proc/self/ns/net", net),
                                   ns_variable("CTO_IPCNS", "/proc/self/ns/ipc", ipc),
                                   ns_variable("CTO_CGROUPNS", "/proc/self/ns/cgroup", cg), NULL};
        struct jail_spec s = test_spec(NULL);
        struct rlimit files;
        s.envp = env;
        s.cwd = without & JAIL_M_ROOT ? "/" : "/scratch";
        NEED(getrlimit(RLIMIT_NOFILE, &files) == 0);
        files.rlim_cur = 333;
        NEED(setrlimit(RLIMIT_NOFILE, &files) == 0);
        jail_test_hooks.without = without | rows[row].base;
        test_sh(&s, rows[row].script, &r);
        const bool named = (r.report.in_force & (uint32_t)without) != 0;
        if (named) fprintf(stderr, "row %zu: left out, and reported as in force\n", row);
        _exit(r.rc < 0 || named ? 2 : r.end.code != 0);
    }
    int ws = 0;
    NEED(waitpid(pid, &ws, 0) == pid);
    CHECK(WIFEXITED(ws) && WEXITSTATUS(ws) < 2);
    return ws == 0;
}

static void each_in_turn(void) {
    for (size_t i = 0; i < N_ROWS; i++) {
        if (!CHECK(!says_yes(i, 0)) || !CHECK(says_yes(i, rows[i].without))) fprintf(stderr, "row %zu\n", i);
    }
}

int main(void) {
    const int rc = test_both_modes(each_in_turn);
    return rc != 0 ? rc : check_done();
}
