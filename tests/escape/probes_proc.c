/* probes_proc.c - row 8: the pseudo file systems, and rows 13-14 as far as files lead there.
 *
 * /proc is the jail's own: of its pid namespace, read-only, hiding what may not be traced. Nothing is written to where
 * writing would matter: opening for writing is what is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/escape/escape.h"

static enum verdict opens_for_writing(const struct world *w, const struct probe *p) {
    (void)w;
    AUTO_FD int fd = open(p->text, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return skip("this kernel has no %s", p->text);
    return open_if(fd >= 0);
}

static enum verdict opens_for_reading(const struct world *w, const struct probe *p) {
    (void)w;
    AUTO_FD int fd = open(p->text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && strncmp(p->text, "/proc/", 6) == 0) return skip("this kernel has no %s", p->text);
    return open_if(fd >= 0);
}

/* Raising it is allowed to anybody, and takes nothing from anybody. */
static enum verdict writes_own(const struct world *w, const struct probe *p) {
    (void)w;
    AUTO_FD int fd = open(p->text, O_WRONLY | O_CLOEXEC);
    return open_if(fd >= 0 && write(fd, "1", 1) == 1);
}

static const char *of_canary(const struct world *w, const struct probe *p, char out[64]) {
    snprintf(out, 64, "/proc/%d/%s", (int)w->canary, p->text);
    return out;
}

static enum verdict other_exists(const struct world *w, const struct probe *p) {
    char path[64];
    struct stat st;
    return open_if(stat(of_canary(w, p, path), &st) == 0);
}

static enum verdict other_opens(const struct world *w, const struct probe *p) {
    char path[64];
    AUTO_FD int fd = open(of_canary(w, p, path), (p->number ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    char c;
    return open_if(fd >= 0 && (p->number || read(fd, &c, 1) >= 0 || errno == EISDIR));
}

static enum verdict other_memory(const struct world *w, const struct probe *p) {
    char path[64], text[sizeof MARK] = "";
    AUTO_FD int fd = open(of_canary(w, p, path), O_RDWR | O_CLOEXEC);
    return open_if(fd >= 0 && pread(fd, text, sizeof MARK, (off_t)w->canary_text) > 0 && strcmp(text, MARK) == 0);
}

static enum verdict init_opens(const struct world *w, const struct probe *p) {
    char path[64], target[16];
    (void)w;
    snprintf(path, sizeof path, "/proc/%d/%s", w->without & WALL_PIDNS ? (int)getppid() : 1, p->text);
    if (p->number) return open_if(readlink(path, target, sizeof target) > 0);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return open_if(fd >= 0);
}

static enum verdict init_seen(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(access("/proc/1/stat", F_OK) == 0);
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define ROOT_ONLY(a) .holds_root = (a), .holds_user = 0, .why_not = KERNEL_HOLDS
#define SYSCTL(what, path) \
    {.row = "8", .name = "sysctl-" what, .tries = "open " path " for writing", .attempt = opens_for_writing, .jails = PROGRAM | INSPECTOR, \
     .flags = NEEDS_PROC, ROOT_ONLY(WALL_PROCRO | WALL_LANDLOCK | WALL_SETUID), .text = path}
#define OWN(what, path) \
    {.row = "8", .name = "proc-own-" what, .tries = "write to " path, .attempt = writes_own, .jails = PROGRAM, .flags = NEEDS_PROC, \
     BOTH(WALL_PROCRO | WALL_LANDLOCK), .text = path}
#define READ(what, path, walls) \
    {.row = "8", .name = "read-" what, .tries = "open " path, .attempt = opens_for_reading, .jails = PROGRAM | INSPECTOR, \
     .flags = NEEDS_PROC, walls, .text = path}
#define OTHER(what, file, how, walls, write_) \
    {.row = "13", .name = "other-" what, .tries = "open /proc/N/" file " of a process outside", .attempt = how, .jails = PROGRAM | INSPECTOR, \
     .flags = NEEDS_PROC, BOTH(walls), .text = file, .number = (write_)}
#define INIT(what, file, link) \
    {.row = "13", .name = "init-" what, .tries = "reach /proc/1/" file, .attempt = init_opens, .jails = PROGRAM, .flags = NEEDS_PROC, \
     BOTH(WALL_DUMPABLE), .text = file, .number = (link)}

static const struct probe v[] = {
    SYSCTL("core-pattern", "/proc/sys/kernel/core_pattern"),
    SYSCTL("hostname", "/proc/sys/kernel/hostname"),
    SYSCTL("modprobe", "/proc/sys/kernel/modprobe"),
    SYSCTL("randomize", "/proc/sys/kernel/randomize_va_space"),
    SYSCTL("overcommit", "/proc/sys/vm/overcommit_memory"),
    SYSCTL("suid-dumpable", "/proc/sys/fs/suid_dumpable"),
    SYSCTL("binfmt", "/proc/sys/fs/binfmt_misc/register"),
    SYSCTL("sysrq", "/proc/sysrq-trigger"),
    SYSCTL("irq", "/proc/irq/default_smp_affinity"),
    OWN("oom-score", "/proc/self/oom_score_adj"),
    OWN("name", "/proc/self/comm"),
    OWN("core-filter", "/proc/self/coredump_filter"),
    {.row = "8", .name = "proc-own-memory", .tries = "open /proc/self/mem for writing", .attempt = opens_for_writing, .jails = PROGRAM,
     .flags = NEEDS_PROC, BOTH(WALL_PROCRO | WALL_LANDLOCK), .text = "/proc/self/mem"},
    {.row = "8", .name = "proc-own-uid-map", .tries = "open /proc/self/uid_map for writing", .attempt = opens_for_writing, .jails = PROGRAM,
     .flags = NEEDS_PROC, BOTH(WALL_PROCRO | WALL_LANDLOCK), .text = "/proc/self/uid_map"},
    READ("kcore", "/proc/kcore", ROOT_ONLY(WALLS_POWER)),
    READ("kmsg", "/proc/kmsg", ROOT_ONLY(WALLS_POWER)),
    READ("kpagecount", "/proc/kpagecount", ROOT_ONLY(WALL_SETUID)),
    READ("debugfs", "/sys/kernel/debug", ROOT_ONLY(WALL_ROOT)),
    READ("tracefs", "/sys/kernel/tracing", ROOT_ONLY(WALL_ROOT)),
    READ("securityfs", "/sys/kernel/security", BOTH(WALL_ROOT)),
    READ("sysfs", "/sys/kernel/uevent_seqnum", BOTH(WALL_ROOT | WALL_LANDLOCK)),
    READ("cgroupfs", "/sys/fs/cgroup", BOTH(WALL_ROOT)),
    {.row = "13", .name = "other-seen", .tries = "see /proc/N of a process outside", .attempt = other_exists, .jails = PROGRAM,
     .flags = NEEDS_PROC, BOTH(WALL_ROOT), .text = "stat"},
    OTHER("environ", "environ", other_opens, WALL_ROOT | WALL_LANDLOCK, 0),
    OTHER("maps", "maps", other_opens, WALL_ROOT | WALL_LANDLOCK, 0),
    OTHER("descriptors", "fd", other_opens, WALL_ROOT, 0),
    OTHER("root", "root", other_opens, WALL_ROOT | WALL_LANDLOCK, 0),
    OTHER("memory", "mem", other_memory, WALL_ROOT | WALL_LANDLOCK, 1),
    {.row = "13", .name = "init-seen", .tries = "see pid 1 in /proc", .attempt = init_seen, .jails = PROGRAM, .flags = NEEDS_PROC, BOTH(WALL_HIDEPID)},
    {.row = "22", .name = "init-status-pipe", .tries = "open the status pipe of pid 1, to forge the exit status", .attempt = init_opens,
     .jails = PROGRAM, .flags = NEEDS_PROC, .holds_root = WALL_DUMPABLE | WALL_SETUID, .holds_user = WALL_DUMPABLE, .text = "fd/3"},
    INIT("memory", "mem", 0),
    INIT("environ", "environ", 0),
    INIT("maps", "maps", 0),
    INIT("cwd", "cwd", 1),
};
/* clang-format on */
const struct probe_table probes_proc = {"proc", v, sizeof v / sizeof v[0]};
