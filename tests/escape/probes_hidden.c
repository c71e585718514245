/* probes_hidden.c - row 12 (and 36): secrets, homes, other runs, the store. They are absent, not forbidden: even their
 * existence is not to be seen, so the attempt is stat() and the minimal root stands alone. Reading what is there has the
 * second wall, Landlock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/escape/escape.h"

extern char **environ;

static enum verdict exists(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/person/%s", w->dir, p->text);
    return open_if(lstat(path, &st) == 0);
}

static enum verdict can_read(const struct world *w, const struct probe *p) {
    char path[PATH_MAX], text[64] = "";
    snprintf(path, sizeof path, "%s/person/%s", w->dir, p->text);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return open_if(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strstr(text, MARK) != NULL);
}

static enum verdict can_list(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/person/%s", w->dir, p->text);
    DIR *d = opendir(path);
    if (!d) return HELD;
    closedir(d);
    return OPEN;
}

static enum verdict can_enter(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/person/%s", w->dir, p->text);
    return open_if(chdir(path) == 0);
}

/* Of the host itself, not made by us: looked at, never opened. */
static enum verdict host_has(const struct world *w, const struct probe *p) {
    struct stat st;
    (void)w;
    return open_if(lstat(p->text, &st) == 0);
}

static enum verdict in_environment(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    for (char **e = environ; e && *e; e++)
        if (strstr(*e, MARK)) return OPEN;
    return HELD;
}

static bool file_contains(const char *path, const char *what) {
    static char text[1 << 16];
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    while (fd >= 0 && n < sizeof text) {
        const ssize_t got = read(fd, text + n, sizeof text - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    return memmem(text, n, what, strlen(what)) != NULL;
}

static enum verdict environment_of(const struct world *w, const struct probe *p) {
    char path[64];
    (void)p;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)w->canary);
    return open_if(file_contains(path, MARK));
}

static enum verdict passwd_of_host(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(file_contains("/etc/passwd", "daemon:"));
}

static enum verdict mounts_of_host(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(file_contains("/proc/self/mountinfo", " /sys "));
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define HIDDEN(what, path, is, row_) \
    {.row = row_, .name = "hidden-" what, .tries = "see that " is " exists", .attempt = exists, .jails = PROGRAM | INSPECTOR | WORKER, \
     BOTH(WALL_ROOT), .text = path}
#define HOST(what, path) \
    {.row = "12", .name = "host-" what, .tries = "see " path " of the host", .attempt = host_has, .jails = PROGRAM | WORKER, \
     BOTH(WALL_ROOT), .text = path}

static const struct probe v[] = {
    HIDDEN("home", "", "a home directory", "12"),
    HIDDEN("ssh-key", ".ssh/id_ed25519", "an SSH key", "12"),
    HIDDEN("netrc", ".netrc", "a .netrc", "12"),
    HIDDEN("cloud", ".aws/credentials", "a cloud credential", "12"),
    HIDDEN("history", ".bash_history", "a shell history", "12"),
    HIDDEN("repository", "repo/.git/config", "another repository", "12"),
    HIDDEN("store", "planb/cto.db", "the store", "36"),
    HIDDEN("run", "planb/harness-runs/other/report.json", "another run's report", "36"),
    HIDDEN("key", "planb/keys/signing", "a signing key", "36"),
    HIDDEN("socket", "agent.sock", "the socket of an agent", "10"),
    {.row = "12", .name = "read-ssh-key", .tries = "read an SSH key by its path", .attempt = can_read, .jails = PROGRAM | INSPECTOR | WORKER,
     BOTH(WALL_ROOT | WALL_LANDLOCK), .text = ".ssh/id_ed25519"},
    {.row = "36", .name = "read-store", .tries = "read the store", .attempt = can_read, .jails = PROGRAM | INSPECTOR | WORKER,
     BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "planb/cto.db"},
    {.row = "36", .name = "list-runs", .tries = "list the run directories", .attempt = can_list, .jails = PROGRAM | INSPECTOR | WORKER,
     BOTH(WALL_ROOT), .text = "planb/harness-runs"},
    {.row = "12", .name = "enter-home", .tries = "make a home the working directory", .attempt = can_enter, .jails = PROGRAM | INSPECTOR | WORKER,
     BOTH(WALL_ROOT), .text = ""},
    HOST("root-home", "/root"),
    HOST("homes", "/home"),
    HOST("shadow", "/etc/shadow"),
    HOST("logs", "/var/log"),
    HOST("boot", "/boot"),
    HOST("sys", "/sys/kernel"),
    HOST("cgroups", "/sys/fs/cgroup"),
    HOST("srv", "/srv"),
    {.row = "12", .name = "passwd-of-host", .tries = "read the people of the host in /etc/passwd", .attempt = passwd_of_host, .jails = PROGRAM | WORKER,
     BOTH(WALL_ROOT)},
    {.row = "12", .name = "environment", .tries = "find a secret of the caller's environment in its own", .attempt = in_environment,
     .jails = PROGRAM, BOTH(WALL_ENV)},
    {.row = "12", .name = "environment-of-other", .tries = "read /proc/N/environ of a process outside", .attempt = environment_of,
     .jails = PROGRAM | INSPECTOR, BOTH(WALL_ROOT | WALL_LANDLOCK)},
    {.row = "12", .name = "mounts-of-host", .tries = "see the mounts of the host in /proc/self/mountinfo", .attempt = mounts_of_host,
     .jails = PROGRAM | WORKER, BOTH(WALL_ROOT)},
};
/* clang-format on */
const struct probe_table probes_hidden = {"hidden", v, sizeof v / sizeof v[0]};
