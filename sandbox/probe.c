/* probe.c - what can this host do? Every mechanism is really tried, each in a child of its own, since most cannot be
 * undone.
 *
 * jail_check_host is the gate before a run: the same attempts in one child, cheap enough for every command. It does
 * not start a program; jail_probe_host (doctor) builds a whole jail as its last row.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/internal.h"
#include "sandbox/kernel.h"

#define PROBE_UID 0x70000000u /* any unprivileged uid */
#define PROBE_DEADLINE_MS 20000

typedef int (*probe_fn)(struct err *e);

/* Everything that follows needs the power that an ordinary user has only in a user namespace. */
static int gain_power(struct err *e) {
    if (jail_mode() == JAIL_MODE_ROOT || ids_entered()) return 0;
    return ids_enter_user_namespace(0, e);
}

static int try_namespace(int flag, enum jail_mechanism m, struct err *e) {
    if (gain_power(e) < 0) return -1;
    return unshare(flag) < 0 ? mechanism_err(e, m, "unshare") : 0;
}

static int probe_user(struct err *e) {
    if (jail_mode() == JAIL_MODE_ROOT) return 0;
    return gain_power(e);
}
static int probe_mount(struct err *e) { return try_namespace(CLONE_NEWNS, JAIL_M_MOUNTNS, e); }
static int probe_pid(struct err *e) { return try_namespace(CLONE_NEWPID, JAIL_M_PIDNS, e); }
static int probe_net(struct err *e) { return try_namespace(CLONE_NEWNET, JAIL_M_NETNS, e) < 0 ? -1 : loopback_up(e); }
static int probe_ipc(struct err *e) { return try_namespace(CLONE_NEWIPC, JAIL_M_IPCNS, e); }
static int probe_uts(struct err *e) { return try_namespace(CLONE_NEWUTS, JAIL_M_UTSNS, e); }
static int probe_cgroup_ns(struct err *e) { return try_namespace(CLONE_NEWCGROUP, JAIL_M_CGROUPNS, e); }

static int probe_mount_api(struct err *e) {
    if (gain_power(e) < 0) return -1;
    AUTO_FD int fs = k_fsopen("tmpfs", K_FSOPEN_CLOEXEC);
    if (fs < 0) return mechanism_err(e, JAIL_M_ROOT, "fsopen");
    const struct k_mount_attr a = {.set = 0};
    if (k_mount_setattr(-1, "", AT_EMPTY_PATH, &a) < 0 && errno != EBADF)
        return mechanism_err(e, JAIL_M_ROOT, "mount_setattr");
    AUTO_FD int tree = k_open_tree(AT_FDCWD, "/usr", K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | K_AT_RECURSIVE);
    return tree < 0 ? mechanism_err(e, JAIL_M_ROOT, "open_tree") : 0;
}

static int probe_clone3(struct err *e) {
    /* A size of 0 is invalid, so an implemented clone3 says EINVAL. */
    if (syscall(NR_CLONE3, NULL, 0) < 0 && errno == EINVAL) return 0;
    return mechanism_err(e, JAIL_M_PIDNS, "clone3");
}

static int probe_pidfd(struct err *e) {
    AUTO_FD int fd = k_pidfd_open(getpid());
    return fd < 0 ? mechanism_err(e, JAIL_M_PDEATHSIG, "pidfd_open") : 0;
}

static int probe_landlock(struct err *e) {
    struct landlock l;
    if (landlock_open(&l, true, e) < 0) return -1;
    close(l.fd);
    return 0;
}

static int probe_seccomp(struct err *e) {
    const uint32_t kill = SECCOMP_RET_KILL_PROCESS;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill) < 0)
        return mechanism_err(e, JAIL_M_SECCOMP, "seccomp");
    return 0;
}

/* Whether refused calls can be observed (denials.c): one listener for a process and all that it starts. */
static int probe_listener(struct err *e) {
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog prog = {.len = 1, .filter = allow};
    struct jail_report r = {.in_force = 0};
    if (no_new_privs(&r, e) < 0) return -1;
    const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
    if (fd < 0 && errno == EBUSY)
        return err_set(e, ERR_UNSUPPORTED, "a filter above this process has a listener already (a container's?)");
    if (fd < 0) return mechanism_err(e, JAIL_M_SECCOMP, "listener");
    close((int)fd);
    return 0;
}

static int probe_no_new_privs(struct err *e) {
    struct jail_report r = {.in_force = 0};
    return no_new_privs(&r, e);
}

static int probe_uid(struct err *e) {
    if (jail_mode() == JAIL_MODE_USER) return 0;
    return ids_become(PROBE_UID, e);
}

static int probe_close_range(struct err *e) {
    return k_close_range(1000000, ~0U) < 0 ? mechanism_err(e, JAIL_M_FDS, "close_range") : 0;
}

/* A group is really made, with limits, and removed. What comes back in the pipe of in_child() is the error only, so that the
 * good news is told by cgroup_detail(). */
static int probe_cgroup(struct err *e) {
    struct cgroup_places p;
    struct cgroup g;
    cgroup_places_open(&p);
    const struct cgroup_limits l = {.memory_bytes = UINT64_C(64) << 20, .processes = 16};
    const int rc = cgroup_make(&p, &l, &g, e);
    if (rc == 0) cgroup_remove(&p, &g);
    cgroup_places_close(&p);
    return rc;
}

static void cgroup_detail(char *out, size_t size) {
    struct cgroup_places p;
    cgroup_places_open(&p);
    if (cgroup_version(&p) == 2)
        snprintf(out, size, "version 2: every jail has a group of its own");
    else
        snprintf(out, size, "version 1: for runs that set memory_bytes or processes; %.80s", p.why);
    cgroup_places_close(&p);
}

static int probe_whole_jail(struct err *e) {
    static const char *const argv[] = {"/usr/bin/true", NULL};
    const struct jail_spec s = {.profile = JAIL_VERIFIER,
                                .argv = argv,
                                .cwd = "/scratch",
                                .uid = PROBE_UID,
                                .stdin_fd = -1,
                                .stdout_fd = -1,
                                .stderr_fd = -1,
                                .loopback = true};
    struct jail *j;
    struct jail_end end;
    if (jail_start(&s, &j, e) < 0) return -1;
    const int rc = jail_wait(j, PROBE_DEADLINE_MS / 2, &end, e);
    jail_free(j);
    if (rc < 0) return -1;
    if (rc == 1 && end.kind == JAIL_END_EXITED && end.code == 0) return 0;
    return err_set(e, ERR_UNSUPPORTED, "/usr/bin/true in a jail did not end well (kind %d, code %d)", (int)end.kind,
                   end.code);
}

static const struct {
    const char *name;
    probe_fn fn;
    bool required;
} probes[] = {
    {"user namespace", probe_user, true},
    {"mount namespace", probe_mount, true},
    {"pid namespace", probe_pid, true},
    {"network namespace", probe_net, true},
    {"IPC namespace", probe_ipc, true},
    {"UTS namespace", probe_uts, true},
    {"cgroup namespace", probe_cgroup_ns, true},
    {"mount interface", probe_mount_api, true},
    {"clone3", probe_clone3, true},
    {"pidfd", probe_pidfd, true},
    {"close_range", probe_close_range, true},
    {"landlock", probe_landlock, true},
    {"seccomp", probe_seccomp, true},
    {"observed refusals", probe_listener, false},
    {"no_new_privs", probe_no_new_privs, true},
    {"unprivileged uid", probe_uid, true},
    {"cgroup limits", probe_cgroup, false},
    {"a whole jail", probe_whole_jail, true},
};
#define N_PROBES (sizeof probes / sizeof probes[0])
_Static_assert(N_PROBES < JAIL_PROBES_MAX, "one row more says which host this is");

static int exit_code_of(pid_t pid) {
    int ws = 0;
    while (waitpid(pid, &ws, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(ws) ? WEXITSTATUS(ws) : -1;
}

/* Runs one attempt in a child; its error object comes back through a pipe. */
static int in_child(probe_fn fn, struct err *e) {
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0) return err_sys(e, "pipe");
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) err_sys(e, "fork");
    if (pid == 0) {
        struct err mine = ERR_INIT;
        close(p[0]);
        if (jail_bind_life(parent, -1) < 0) _exit(2);
        if (fn(&mine) == 0) _exit(0);
        const ssize_t n = write(p[1], &mine, sizeof mine);
        _exit(n == (ssize_t)sizeof mine ? 1 : 2);
    }
    close(p[1]);
    AUTO_FD int from = p[0];
    if (pid < 0) return -1;
    struct err theirs = ERR_INIT;
    if (io_wait(from, POLLIN, PROBE_DEADLINE_MS, NULL) <= 0) kill(pid, SIGKILL);
    const ssize_t n = io_read_full(from, &theirs, sizeof theirs, NULL);
    if (exit_code_of(pid) == 0) return 0;
    if (n != (ssize_t)sizeof theirs) return err_set(e, ERR_UNSUPPORTED, "the attempt was killed");
    if (e) *e = theirs;
    return -1;
}

static void host_row(struct jail_probe *row) {
    struct utsname u;
    if (uname(&u) < 0) memset(&u, 0, sizeof u);
    *row = (struct jail_probe){.name = "host", .ok = true};
    snprintf(row->detail, sizeof row->detail, "%.32s %.48s, %s", u.machine, u.release,
             jail_mode() == JAIL_MODE_ROOT ? "as root: programs run under an unprivileged uid" : "as an ordinary user");
}

/* An error names its mechanism; beside the row's own name that is said twice. */
static const char *without_name(const char *text, const char *name) {
    const size_t n = strlen(name);
    return strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

int jail_probe_host(struct jail_probe rows[JAIL_PROBES_MAX]) {
    host_row(&rows[0]);
    for (size_t i = 0; i < N_PROBES; i++) {
        struct jail_probe *row = &rows[i + 1];
        struct err e = ERR_INIT;
        *row = (struct jail_probe){.name = probes[i].name, .required = probes[i].required};
        row->ok = in_child(probes[i].fn, &e) == 0;
        if (!row->ok)
            snprintf(row->detail, sizeof row->detail, "%.159s", without_name(e.text, row->name));
        else if (probes[i].fn == probe_cgroup)
            cgroup_detail(row->detail, sizeof row->detail);
        else if (probes[i].fn == probe_landlock)
            snprintf(row->detail, sizeof row->detail, "ABI %d", jail_landlock_abi());
    }
    return (int)N_PROBES + 1;
}

/* In one child, in an order in which nothing takes away what a later one needs. */
static int all_at_once(struct err *e) {
    if (probe_clone3(e) < 0 || probe_pidfd(e) < 0 || probe_close_range(e) < 0 || gain_power(e) < 0) return -1;
    if (probe_mount(e) < 0 || probe_pid(e) < 0 || probe_net(e) < 0 || probe_ipc(e) < 0 || probe_uts(e) < 0 ||
        probe_cgroup_ns(e) < 0 || probe_mount_api(e) < 0)
        return -1;
    return probe_landlock(e) < 0 || probe_seccomp(e) < 0 || probe_no_new_privs(e) < 0 || probe_uid(e) < 0 ? -1 : 0;
}

int jail_check_host(struct err *e) { return in_child(all_at_once, e); }
