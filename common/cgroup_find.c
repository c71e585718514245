/* cgroup_find.c - where in this host's hierarchies a group may be made.
 *
 * Which group we are in stands in /proc/self/cgroup, where it is mounted in /proc/self/mountinfo. A container may show
 * only a part of a hierarchy, so the mount's root is taken off our path; what then does not exist is out of reach.
 *
 * v2 and its rule that a group with processes in it hands out no controllers: our own group usually is one, so the
 * nearest group on the way up is taken that hands out memory and pids (or does when told to) and lets us make one beside our
 * own. In a group that systemd delegated to a user that is the group around the user's scope.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cgroup_internal.h"
#include "common/io.h"

#define TABLE_BYTES (256u << 10)
#define MAX_UP 16

ssize_t cgroup_read_file(int dir, const char *name, char *out, size_t size) {
    AUTO_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    const ssize_t n = io_read_full(fd, out, size - 1, NULL);
    if (n >= 0) out[n] = '\0';
    return n;
}

/* --- the owner's name --------------------------------------------------------------------------------------------- */
/* The name of a program may hold blanks and brackets: what follows counts from the last one. */
static int start_time(pid_t pid, unsigned long long *ret) {
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (cgroup_read_file(AT_FDCWD, path, text, sizeof text) <= 0) return -1;
    const char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
    return p && sscanf(p, " %llu", ret) == 1 ? 0 : -1;
}

int cgroup_owner(pid_t pid, char *out, size_t size) {
    struct stat ns;
    unsigned long long since;
    if (stat("/proc/self/ns/pid", &ns) < 0 || start_time(pid, &since) < 0) return -1;
    const int n = snprintf(out, size, "%lx.%d.%llx", (unsigned long)ns.st_ino, (int)pid, since);
    return n > 0 && (size_t)n < size ? 0 : -1;
}

/* --- mounts ------------------------------------------------------------------------------------------------------- */
static bool has_word(const char *list, const char *word, char sep) {
    const size_t n = strlen(word);
    for (const char *p = list; p && *p; p = strchr(p, sep)) {
        if (*p == sep) p++;
        if (strncmp(p, word, n) == 0 && (p[n] == sep || p[n] == '\0' || p[n] == '\n')) return true;
        if (!*p) break;
    }
    return false;
}

/* "31 23 0:28 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory" */
static bool parse_mount(const char *line, struct cgroup_mount *m) {
    char type[32], options[256];
    const char *tail = strstr(line, " - ");
    if (!tail || sscanf(tail + 3, "%31s %*s %255s", type, options) != 2) return false;
    if (sscanf(line, "%*d %*d %*s %255s %255s", m->root, m->at) != 2) return false;
    m->unified = strcmp(type, "cgroup2") == 0;
    if (!m->unified && strcmp(type, "cgroup") != 0) return false;
    m->memory = !m->unified && has_word(options, "memory", ',');
    m->pids = !m->unified && has_word(options, "pids", ',');
    m->cpuacct = !m->unified && has_word(options, "cpuacct", ',');
    return m->unified || m->memory || m->pids || m->cpuacct;
}

int cgroup_each_mount(int (*fn)(void *ctx, const struct cgroup_mount *m), void *ctx) {
    static char table[TABLE_BYTES]; /* one caller at a time: it is asked before anything else is started */
    if (cgroup_read_file(AT_FDCWD, "/proc/self/mountinfo", table, sizeof table) <= 0) return 0;
    for (char *line = table, *next; line && *line; line = next) {
        struct cgroup_mount m;
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        if (!parse_mount(line, &m)) continue;
        const int rc = fn(ctx, &m);
        if (rc != 0) return rc;
    }
    return 0;
}

/* --- our own group ------------------------------------------------------------------------------------------------ */
/* Path of our group in the hierarchy with this controller ("" the unified one), as /proc/self/cgroup has it. */
static int own_path(const char *controller, char *out, size_t size) {
    char table[8192];
    if (cgroup_read_file(AT_FDCWD, "/proc/self/cgroup", table, sizeof table) <= 0) return -1;
    for (char *line = table, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        char *names = strchr(line, ':');
        char *path = names ? strchr(names + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        names++;
        if (*controller ? !has_word(names, controller, ',') : *names != '\0') continue;
        const int n = snprintf(out, size, "%s", path);
        return n > 0 && (size_t)n < size ? 0 : -1;
    }
    return -1;
}

static int open_group(const struct cgroup_mount *m, const char *group) {
    char path[PATH_MAX];
    const size_t root = strlen(m->root);
    if (strcmp(m->root, "/") != 0) {
        if (strncmp(group, m->root, root) != 0 || (group[root] != '/' && group[root] != '\0')) return -1;
        group += root;
    }
    const int n = snprintf(path, sizeof path, "%s%s", m->at, group);
    if (n < 0 || (size_t)n >= sizeof path) return -1;
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool may_make(int dir, const char *procs) {
    return faccessat(dir, ".", W_OK | X_OK, 0) == 0 && faccessat(dir, procs, W_OK, 0) == 0;
}

static bool hands_out(int dir) {
    char text[512];
    if (cgroup_read_file(dir, "cgroup.subtree_control", text, sizeof text) < 0) return false;
    return has_word(text, "memory", ' ') && has_word(text, "pids", ' ');
}

static bool make_it_hand_out(int dir) {
    char text[512];
    static const char wish[] = "+memory +pids", *const shares[] = {"+cpu", "+io"};
    if (cgroup_read_file(dir, "cgroup.controllers", text, sizeof text) < 0) return false;
    if (!has_word(text, "memory", ' ') || !has_word(text, "pids", ' ')) return false;
    AUTO_FD int fd = openat(dir, "cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, wish, sizeof wish - 1) != (ssize_t)sizeof wish - 1) return false;
    /* Where they are handed to us too: then processor and disk are shared by run, not by how many processes a run has. */
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        if (has_word(text, shares[i] + 1, ' ')) (void)!write(fd, shares[i], strlen(shares[i]));
    return true;
}

struct search {
    struct cgroup_places *ret;
    bool unified_seen, v1_seen;
};

static void note(struct search *s, const char *text) {
    if (!s->ret->why[0]) snprintf(s->ret->why, sizeof s->ret->why, "%s", text);
}

static void try_unified(struct search *s, const struct cgroup_mount *m) {
    char group[256];
    char have[512];
    if (own_path("", group, sizeof group) < 0) return;
    AUTO_FD int dir = open_group(m, group);
    if (dir < 0) return;
    for (int up = 0; up < MAX_UP; up++) {
        if (may_make(dir, "cgroup.procs") && (hands_out(dir) || make_it_hand_out(dir))) {
            s->ret->fd[CGROUP_UNIFIED] = take_fd(&dir);
            return;
        }
        char *slash = strrchr(group, '/');
        if (!slash || slash[1] == '\0') break;
        slash[slash == group ? 1 : 0] = '\0';
        close(dir);
        dir = open_group(m, group);
        if (dir < 0) return;
    }
    const bool memory =
        cgroup_read_file(dir, "cgroup.controllers", have, sizeof have) > 0 && has_word(have, "memory", ' ');
    note(s, memory ? "the unified hierarchy is not delegated to us" : "the unified hierarchy has no memory controller");
}

static void try_v1(struct search *s, const struct cgroup_mount *m, enum cgroup_tree t, const char *name) {
    char group[256];
    s->v1_seen = true;
    if (s->ret->fd[t] >= 0 || own_path(name, group, sizeof group) < 0) return;
    AUTO_FD int dir = open_group(m, group);
    if (dir >= 0 && may_make(dir, "cgroup.procs")) s->ret->fd[t] = take_fd(&dir);
}

static int on_mount(void *ctx, const struct cgroup_mount *m) {
    struct search *s = ctx;
    if (m->unified && !s->unified_seen) {
        s->unified_seen = true;
        try_unified(s, m);
    }
    if (m->memory) try_v1(s, m, CGROUP_MEMORY, "memory");
    if (m->pids) try_v1(s, m, CGROUP_PIDS, "pids");
    if (m->cpuacct) try_v1(s, m, CGROUP_CPUACCT, "cpuacct");
    return 0;
}

int cgroup_version(const struct cgroup_places *p) {
    if (p->fd[CGROUP_UNIFIED] >= 0) return 2;
    return p->fd[CGROUP_MEMORY] >= 0 && p->fd[CGROUP_PIDS] >= 0 ? 1 : 0;
}

void cgroup_places_close(struct cgroup_places *p) {
    for (int t = 0; t < CGROUP_TREES; t++)
        if (p->fd[t] >= 0) close(take_fd(&p->fd[t]));
}

void cgroup_places_open(struct cgroup_places *ret) {
    struct search s = {.ret = ret};
    *ret = CGROUP_PLACES_NONE;
    if (cgroup_owner(getpid(), ret->owner, sizeof ret->owner) < 0) {
        note(&s, "/proc does not show this process");
        return;
    }
    (void)cgroup_each_mount(on_mount, &s);
    if (ret->fd[CGROUP_UNIFIED] >= 0)
        for (int t = CGROUP_MEMORY; t < CGROUP_TREES; t++)
            if (ret->fd[t] >= 0) close(take_fd(&ret->fd[t]));
    if (cgroup_version(ret) == 2) return;
    if (!s.unified_seen && !s.v1_seen) note(&s, "no control groups are mounted here");
    if (!s.unified_seen) note(&s, "no unified hierarchy is mounted here");
    if (cgroup_version(ret) == 0) {
        const size_t n = strlen(ret->why);
        if (s.v1_seen) snprintf(ret->why + n, sizeof ret->why - n, "; those of version 1 are not writable for us");
        cgroup_places_close(ret);
    }
}
