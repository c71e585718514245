/* cgroup_sweep.c - removes groups whose owner is dead: after a kill -9 nobody else does.
 *
 * A name says who made it, and only a process with that number and that start time in our own pid namespace is alive.
 * rmdir is refused for a group with anything in it, so the worst mistake possible here is to remove an empty group that
 * somebody was about to use: his clone into it fails, nothing runs without a limit.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cgroup_internal.h"
#include "common/io.h"

#define MAX_DEPTH 12
#define MAX_DIRS 20000

struct sweep {
    int removed, seen;
};

static bool is_left_over(const char *name) {
    unsigned long ns;
    int pid, used = 0;
    char live[64];
    if (strncmp(name, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) != 0) return false;
    name += strlen(CGROUP_PREFIX);
    if (sscanf(name, "%lx.%d.%n", &ns, &pid, &used) != 2 || used == 0 || pid <= 0) return false;
    char own[64];
    if (cgroup_owner(getpid(), own, sizeof own) < 0 || strtoul(own, NULL, 16) != ns) return false;
    if (cgroup_owner(pid, live, sizeof live) < 0) return true;
    const size_t n = strlen(live);
    return strncmp(name, live, n) != 0 || name[n] != '.'; /* the number was given to somebody else */
}

/* Nothing of a dead owner's jail is to live: its processes die with it, and this is for what did not. */
static bool remove_left_over(int place, const char *name) {
    if (unlinkat(place, name, AT_REMOVEDIR) == 0) return true;
    AUTO_FD int dir = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || faccessat(dir, "cgroup.kill", W_OK, 0) < 0) return false;
    cgroup_kill_in(dir);
    return cgroup_remove_dir(place, name);
}

/* Takes `fd`. Depth is bounded, and so are the descriptors that are open at once. */
static void sweep_dir(struct sweep *s, int fd, int depth) {
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return;
    }
    for (struct dirent *de; s->seen < MAX_DIRS && (de = readdir(d));) {
        if (de->d_type != DT_DIR || de->d_name[0] == '.') continue;
        s->seen++;
        if (is_left_over(de->d_name)) {
            if (remove_left_over(dirfd(d), de->d_name)) s->removed++;
            continue;
        }
        const int sub = depth > 1 ? openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (sub >= 0) sweep_dir(s, sub, depth - 1);
    }
    closedir(d);
}

int cgroup_sweep(const struct cgroup_places *p) {
    struct sweep s = {0};
    for (int t = 0; t < CGROUP_TREES; t++) {
        const int fd = p->fd[t] < 0 ? -1 : openat(p->fd[t], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) sweep_dir(&s, fd, 1);
    }
    return s.removed;
}

static int on_mount(void *ctx, const struct cgroup_mount *m) {
    const int fd = open(m->at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) sweep_dir(ctx, fd, MAX_DEPTH);
    return 0;
}

int cgroup_sweep_host(void) {
    struct sweep s = {0};
    (void)cgroup_each_mount(on_mount, &s);
    return s.removed;
}
