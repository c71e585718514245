/* facts.c - how the world outside is, as one digest for each thing that an escape could change. Taken before and after
 * each jail; a difference is an escape, whatever the probe said.
 *
 * Only what belongs to this run, or (as root) to namespaces of its own, is looked at: other programs of the host may go
 * on as they like.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/escape/outside.h"

/* FNV-1a: nobody here makes collisions on purpose. */
static void mix(uint64_t *h, const void *p, size_t n) {
    const unsigned char *c = p;
    for (size_t i = 0; i < n; i++) *h = (*h ^ c[i]) * UINT64_C(1099511628211);
}
static void mix_number(uint64_t *h, uint64_t n) { mix(h, &n, sizeof n); }
static void mix_text(uint64_t *h, const char *s) { mix(h, s, strlen(s) + 1); }

static void add(struct fact *facts, int *n, const char *name, uint64_t digest) {
    if (*n < FACTS_MAX) facts[(*n)++] = (struct fact){name, digest};
}

/* --- files: content, mode, owner, links, times, attributes --------------------------------------------------------------- */
static void mix_content(uint64_t *h, int dir, const char *name) {
    char chunk[1 << 14];
    AUTO_FD int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    ssize_t n;
    if (fd < 0) {
        mix_number(h, (uint64_t)errno);
        return;
    }
    /* Of a program the beginning: size and times tell the rest. */
    for (int i = 0; i < 4 && (n = read(fd, chunk, sizeof chunk)) > 0; i++) mix(h, chunk, (size_t)n);
    n = flistxattr(fd, chunk, sizeof chunk);
    if (n > 0) mix(h, chunk, (size_t)n);
    n = fgetxattr(fd, "user.mark", chunk, sizeof chunk);
    if (n > 0) mix(h, chunk, (size_t)n);
}

static uint64_t digest_tree(int at, const char *name);

static uint64_t digest_entry(int dir, const char *name) {
    struct stat st;
    uint64_t h = UINT64_C(14695981039346656037);
    mix_text(&h, name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        mix_number(&h, (uint64_t)errno);
        return h;
    }
    mix_number(&h, st.st_ino);
    mix_number(&h, st.st_mode);
    mix_number(&h, (uint64_t)st.st_uid << 32 | st.st_gid);
    mix_number(&h, st.st_nlink);
    mix_number(&h, (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
    mix_number(&h, (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec);
    mix_number(&h, (uint64_t)st.st_size);
    mix_number(&h, (uint64_t)st.st_blocks);
    if (S_ISREG(st.st_mode)) mix_content(&h, dir, name);
    if (S_ISDIR(st.st_mode)) mix_number(&h, digest_tree(dir, name));
    return h;
}

/* The sum of the entries: the order in which a directory is read says nothing. */
static uint64_t digest_tree(int at, const char *name) {
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    uint64_t sum = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) close(fd);
        return (uint64_t)errno;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) sum += digest_entry(dirfd(d), e->d_name);
    closedir(d);
    return sum;
}

static uint64_t digest_dir(const struct outside *o, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", o->w.dir, name);
    return digest_entry(AT_FDCWD, path);
}

#define FACTS_OF_FILES 6 /* that come first in facts_take */

/* --- lines of /proc ------------------------------------------------------------------------------------------------------ */
/* Lines with `mark` in them, all of them when NULL; 0 when the file is not there. */
static uint64_t digest_lines(const char *path, const char *mark) {
    char line[2048];
    uint64_t sum = 0;
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        uint64_t h = UINT64_C(14695981039346656037);
        if (mark && !strstr(line, mark)) continue;
        mix_text(&h, line);
        sum += h;
    }
    fclose(f);
    return sum;
}

/* Without the columns that count what everybody does. */
static uint64_t digest_unix_names(const char *mark) {
    char line[512];
    uint64_t sum = 0;
    FILE *f = fopen("/proc/net/unix", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        uint64_t h = UINT64_C(14695981039346656037);
        const char *name = strstr(line, mark);
        if (!name || strstr(line, " 03 ")) continue; /* connections to our own listeners come and go */
        mix_text(&h, name);
        sum += h;
    }
    fclose(f);
    return sum;
}

/* Number, permissions, owner, kind and name; how often one is in use, the kernel's collector changes when it likes. */
static uint64_t digest_keys(const char *mark) {
    char line[512], id[24], perm[24], uid[24];
    uint64_t sum = 0;
    int at = 0;
    FILE *f = fopen("/proc/keys", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        uint64_t h = UINT64_C(14695981039346656037);
        if (!strstr(line, mark) || sscanf(line, "%23s %*s %*s %*s %23s %23s %*s %n", id, perm, uid, &at) != 3) continue;
        mix_text(&h, id);
        mix_text(&h, perm);
        mix_text(&h, uid);
        mix_text(&h, line + at);
        sum += h;
    }
    fclose(f);
    return sum;
}

static uint64_t digest_sysctls(void) {
    static const char *const files[] = {"core_pattern",
                                        "hostname",
                                        "domainname",
                                        "modprobe",
                                        "hotplug",
                                        "randomize_va_space",
                                        "panic",
                                        "printk",
                                        "sysrq",
                                        "dmesg_restrict",
                                        "kptr_restrict",
                                        "perf_event_paranoid",
                                        "unprivileged_bpf_disabled",
                                        "core_uses_pid",
                                        "sched_rt_runtime_us",
                                        "threads-max",
                                        "../vm/overcommit_memory",
                                        "../vm/swappiness",
                                        "../vm/mmap_min_addr",
                                        "../fs/protected_symlinks",
                                        "../fs/suid_dumpable",
                                        "../net/ipv4/ip_forward",
                                        "../net/core/somaxconn",
                                        "../user/max_user_namespaces"};
    char path[PATH_MAX];
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "/proc/sys/kernel/%s", files[i]);
        sum = sum * 31 + digest_lines(path, NULL);
    }
    return sum;
}

static uint64_t digest_ipc(const struct outside *o) {
    struct shmid_ds m;
    struct msqid_ds q;
    uint64_t h = 0;
    if (shmctl(o->shm, IPC_STAT, &m) == 0) h = h * 31 + m.shm_nattch + m.shm_perm.mode;
    if (msgctl(o->queue, IPC_STAT, &q) == 0) h = h * 31 + q.msg_qnum + q.msg_perm.mode;
    return h;
}

static uint64_t digest_self(void) {
    uint64_t h = UINT64_C(14695981039346656037);
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    mix(&h, &set, sizeof set);
    mix_number(&h, (uint64_t)getpriority(PRIO_PROCESS, 0));
    mix_number(&h, (uint64_t)sched_getscheduler(0));
    mix_number(&h, (uint64_t)getsid(0));
    for (int i = 0; i < 16; i++) {
        struct rlimit l;
        if (limit_get(i, &l) == 0) mix(&h, &l, sizeof l);
    }
    return h + digest_lines("/proc/self/oom_score_adj", NULL);
}

static uint64_t waiting_bytes(int fd) {
    int n = 0;
    return ioctl(fd, FIONREAD, &n) < 0 ? 999999 : (uint64_t)n;
}

/* Somebody who keeps the time may move it a little (differs()). */
static int64_t clock_offset(void) {
    struct timespec real, mono;
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    return real.tv_sec - mono.tv_sec;
}

void facts_take(struct outside *o, struct fact f[FACTS_MAX], int *n) {
    *n = 0;
    add(f, n, "the canary tree", digest_dir(o, "canary"));
    add(f, n, "the tree of a person", digest_dir(o, "person"));
    add(f, n, "the read root", digest_dir(o, "ro"));
    add(f, n, "the programs", digest_dir(o, "bin"));
    add(f, n, "the data root", digest_dir(o, "noexec"));
    add(f, n, "the nested read root", digest_dir(o, "inner"));
    add(f, n, "mounts", o->apart ? digest_lines("/proc/self/mountinfo", NULL) : 0);
    add(f, n, "mounts on ours", digest_lines("/proc/self/mountinfo", o->w.dir));
    add(f, n, "sysctls", digest_sysctls());
    add(f, n, "Unix sockets", digest_unix_names(o->w.abstract));
    add(f, n, "TCP sockets", o->apart ? digest_lines("/proc/net/tcp", ": 00000000:0000 0A") : 0);
    add(f, n, "interfaces",
        o->apart ? digest_lines("/proc/net/if_inet6", NULL) + digest_lines("/proc/net/fib_trie", NULL) : 0);
    add(f, n, "keys", digest_keys(o->w.abstract));
    add(f, n, "cgroups", digest_lines("/proc/self/cgroup", NULL));
    add(f, n, "shared memory and queues", digest_ipc(o));
    add(f, n, "the run's pipe", waiting_bytes(o->pipe_r));
    add(f, n, "the terminal", waiting_bytes(o->tty_master));
    add(f, n, "limits and priority", digest_self());
    add(f, n, "the clock", (uint64_t)clock_offset());
}

static bool differs(const struct fact *a, const struct fact *b) {
    if (strcmp(a->name, "the clock") != 0) return a->digest != b->digest;
    const int64_t step = (int64_t)(a->digest - b->digest);
    return step > 5 || step < -5;
}

int outside_changes(struct outside *o, char changes[CHANGES_MAX][DETAIL_MAX], bool *files) {
    struct fact now[FACTS_MAX];
    int n, found = 0;
    facts_take(o, now, &n);
    *files = false;
    for (int i = 0; i < n; i++) {
        if (!differs(&o->facts[i], &now[i])) continue;
        if (i < FACTS_OF_FILES) *files = true;
        if (found < CHANGES_MAX) snprintf(changes[found++], DETAIL_MAX, "changed: %s", now[i].name);
    }
    return found;
}
