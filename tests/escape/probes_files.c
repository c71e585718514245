/* probes_files.c - rows 1-3: changing files that were not given, or given to be read only.
 *
 * What was not given is behind two walls: it is not in the jail's root, and Landlock has no rule for it. What was given
 * to be read is behind a read-only mount, and behind Landlock as far as Landlock knows the operation: modes, owners,
 * times and attributes it does not know, there the mount stands alone. A descriptor that was opened outside belongs to a
 * mount outside, which is writable: there Landlock stands alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/kernel.h"
#include "tests/escape/escape.h"

enum {
    OP_WRITE,
    OP_APPEND,
    OP_CREATE,
    OP_UNLINK,
    OP_MKDIR,
    OP_RMDIR,
    OP_RENAME,
    OP_LINK,
    OP_SYMLINK,
    OP_FIFO,
    OP_TRUNCATE,
    OP_FALLOCATE,
    OP_CHMOD,
    OP_CHOWN,
    OP_UTIMES,
    OP_XATTR,
    OP_UNXATTR
};

static bool write_into(const char *path, int flags) {
    AUTO_FD int fd = open(path, flags | O_CLOEXEC, 0644);
    return fd >= 0 && write(fd, "owned", 5) == 5;
}

static bool allocate(const char *path) {
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && fallocate(fd, 0, 0, 65536) == 0;
}

struct place {
    char file[PATH_MAX], dir[PATH_MAX], fresh[PATH_MAX];
};

static bool change_contents(int op, const struct place *at) {
    switch (op) {
    case OP_WRITE: return write_into(at->file, O_WRONLY);
    case OP_APPEND: return write_into(at->file, O_WRONLY | O_APPEND);
    case OP_CREATE: return write_into(at->fresh, O_WRONLY | O_CREAT | O_EXCL);
    case OP_TRUNCATE: return truncate(at->file, 1) == 0;
    case OP_FALLOCATE: return allocate(at->file);
    case OP_CHMOD: return chmod(at->file, 0600) == 0;
    case OP_CHOWN: return lchown(at->file, geteuid(), getegid()) == 0;
    case OP_UTIMES: return utimensat(AT_FDCWD, at->file, (const struct timespec[2]){{1, 0}, {1, 0}}, 0) == 0;
    case OP_XATTR: return setxattr(at->file, "user.owned", "1", 1, 0) == 0;
    case OP_UNXATTR: return removexattr(at->file, "user.mark") == 0;
    default: return false;
    }
}

static bool change_names(int op, const struct place *at) {
    switch (op) {
    case OP_UNLINK: return unlink(at->file) == 0;
    case OP_MKDIR: return mkdir(at->fresh, 0755) == 0;
    case OP_RMDIR: return rmdir(at->dir) == 0;
    case OP_RENAME: return rename(at->file, at->fresh) == 0;
    case OP_LINK: return link(at->file, at->fresh) == 0;
    case OP_SYMLINK: return symlink("/", at->fresh) == 0;
    case OP_FIFO: return mkfifo(at->fresh, 0644) == 0;
    default: return change_contents(op, at);
    }
}

static enum verdict change(const struct world *w, const struct probe *p) {
    struct place at;
    const bool canary = p->text[0] == 'c';
    snprintf(at.file, sizeof at.file, "%s", canary ? in_canary(w, p, "file") : in_ro(w, p, "file"));
    snprintf(at.dir, sizeof at.dir, "%s", canary ? in_canary(w, p, "dir") : in_ro(w, p, "dir"));
    snprintf(at.fresh, sizeof at.fresh, "%s", canary ? in_canary(w, p, "fresh") : in_ro(w, p, "fresh"));
    errno = 0;
    const bool done = change_names(p->number, &at);
    if (!done && errno == EOPNOTSUPP) return skip("the file system here has no user attributes");
    return open_if(done);
}

/* --- row 2: other ways to the same file ------------------------------------------------------------------------------- */
static enum verdict by_dotdot(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    if (chdir(w->rw) < 0) return skip("no working directory");
    snprintf(path, sizeof path, "../%s", in_canary(w, p, "file") + strlen(w->dir) + 1);
    return open_if(write_into(path, O_WRONLY));
}

static enum verdict by_link(const struct world *w, const struct probe *p) {
    char to[PATH_MAX];
    if (p->text[0] == 'r')
        snprintf(to, sizeof to, "../../%s", in_canary(w, p, "file") + strlen(w->dir) + 1);
    else
        snprintf(to, sizeof to, "%s", in_canary(w, p, "file"));
    if (symlink(to, in_rw(w, p, "trap")) < 0) return skip("symlink: %s", strerror(errno));
    return open_if(write_into(in_rw(w, p, "trap"), O_WRONLY));
}

static enum verdict by_prefix(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", p->text, in_canary(w, p, "file"));
    return open_if(write_into(path, O_WRONLY));
}

static enum verdict by_cwd_link(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    if (chdir(w->rw) < 0) return skip("no working directory");
    snprintf(path, sizeof path, "/proc/self/cwd/../%s", in_canary(w, p, "file") + strlen(w->dir) + 1);
    return open_if(write_into(path, O_WRONLY));
}

static enum verdict by_root_of_canary(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/root%s", (int)w->canary, in_canary(w, p, "file"));
    return open_if(write_into(path, O_WRONLY));
}

static enum verdict by_descriptor_of_canary(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    (void)p;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)w->canary, w->leaked);
    return open_if(write_into(path, O_WRONLY | O_NONBLOCK));
}

static enum verdict by_o_path(const struct world *w, const struct probe *p) {
    char path[64];
    AUTO_FD int fd = open(p->text[0] == 'c' ? in_canary(w, p, "file") : in_ro(w, p, "file"), O_PATH | O_CLOEXEC);
    if (fd < 0) return HELD;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open_if(write_into(path, O_WRONLY));
}

static enum verdict by_openat2(const struct world *w, const struct probe *p) {
    struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = O_WRONLY | O_CLOEXEC};
    AUTO_FD int fd = (int)syscall(437, AT_FDCWD, in_canary(w, p, "file"), &how, sizeof how);
    return open_if(fd >= 0 && write(fd, "owned", 5) == 5);
}

/* Standard input was opened for reading, by somebody outside, on a mount outside. */
static enum verdict stdin_again(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(write_into("/proc/self/fd/0", O_WRONLY | O_APPEND));
}

static enum verdict stdin_truncated(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    return open_if(truncate("/proc/self/fd/0", 0) == 0);
}

static enum verdict stdin_linked(const struct world *w, const struct probe *p) {
    if (linkat(AT_FDCWD, "/proc/self/fd/0", AT_FDCWD, in_rw(w, p, "stolen"), AT_SYMLINK_FOLLOW) < 0) return HELD;
    return open_if(write_into(in_rw(w, p, "stolen"), O_WRONLY));
}

static enum verdict leaked_descriptor(const struct world *w, const struct probe *p) {
    (void)p;
    return open_if(write(w->leaked, "owned", 5) == 5);
}

/* Whatever is open above the first three and above what this program opened itself was left there by somebody. */
static enum verdict any_descriptor(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    for (int fd = 100; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) < 0) continue;
        say("descriptor %d is open", fd);
        return OPEN;
    }
    return HELD;
}

static enum verdict empty_path_chown(const struct world *w, const struct probe *p) {
    AUTO_FD int fd = open(in_ro(w, p, "file"), O_RDONLY | O_CLOEXEC);
    return open_if(fd >= 0 && fchownat(fd, "", geteuid(), getegid(), AT_EMPTY_PATH) == 0);
}

static enum verdict descriptor_chmod(const struct world *w, const struct probe *p) {
    AUTO_FD int fd = open(in_ro(w, p, "file"), O_RDONLY | O_CLOEXEC);
    return open_if(fd >= 0 && fchmod(fd, 0600) == 0);
}

static enum verdict nameless_file(const struct world *w, const struct probe *p) {
    char path[64];
    AUTO_FD int fd =
        open(p->text[0] == 'h' ? in_ro(w, p, "dir") : in_rw(w, p, ""), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0 && p->text[0] != 'h') return skip("the file system here has no O_TMPFILE");
    if (fd < 0) return HELD;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open_if(linkat(AT_FDCWD, path, AT_FDCWD, in_ro(w, p, "fresh"), AT_SYMLINK_FOLLOW) == 0);
}

/* --- row 3: across the boundaries of what was given -------------------------------------------------------------------- */
static enum verdict move_across(const struct world *w, const struct probe *p) {
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof from, "%s", p->text[0] == 'i' ? in_rw(w, p, "file") : in_ro(w, p, "file"));
    snprintf(to, sizeof to, "%s",
             p->text[0] == 'i'   ? in_ro(w, p, "fresh")
             : p->text[0] == 'o' ? in_rw(w, p, "fresh")
                                 : in_rw(w, p, "file"));
    return open_if(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, p->text[0] == 'x' ? 2u /* EXCHANGE */ : 0u) ==
                   0);
}

static enum verdict link_across(const struct world *w, const struct probe *p) {
    char from[PATH_MAX];
    snprintf(from, sizeof from, "%s", p->text[0] == 'c' ? in_canary(w, p, "file") : in_ro(w, p, "file"));
    if (link(from, in_rw(w, p, "stolen")) < 0) return HELD;
    return open_if(write_into(in_rw(w, p, "stolen"), O_WRONLY));
}

/* Landlock's rules add up downwards: below a write root the mount stands alone. */
static enum verdict nested(const struct world *w, const struct probe *p) {
    char path[PATH_MAX];
    (void)p;
    snprintf(path, sizeof path, "%s/inner/file", w->rw);
    return open_if(write_into(path, O_WRONLY));
}

static enum verdict move_to_canary(const struct world *w, const struct probe *p) {
    char from[PATH_MAX];
    snprintf(from, sizeof from, "%s", in_rw(w, p, "file"));
    return open_if(rename(from, in_canary(w, p, "fresh")) == 0);
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define ABSENT(op_name, op, what, walls) \
    {.row = "1", .name = op_name "-absent", .tries = what " what was not given, by its path outside", .attempt = change, \
     .jails = PROGRAM | INSPECTOR, .flags = EFFECT, BOTH(walls), .number = (op), .text = "canary"}
#define READ_ONLY(op_name, op, what, walls) \
    {.row = "1", .name = op_name "-read-only", .tries = what " what was given to be read", .attempt = change, \
     .jails = PROGRAM, .flags = EFFECT, BOTH(walls), .number = (op), .text = "ro"}
#define EACH(op_name, op, what, landlock) \
    ABSENT(op_name, op, what, WALL_ROOT | (landlock)), READ_ONLY(op_name, op, what, WALL_READONLY | (landlock))

static const struct probe v[] = {
    EACH("write", OP_WRITE, "write into", WALL_LANDLOCK),
    EACH("append", OP_APPEND, "append to", WALL_LANDLOCK),
    EACH("create", OP_CREATE, "create a file in", WALL_LANDLOCK),
    EACH("unlink", OP_UNLINK, "unlink a file of", WALL_LANDLOCK),
    EACH("mkdir", OP_MKDIR, "make a directory in", WALL_LANDLOCK),
    EACH("rmdir", OP_RMDIR, "remove a directory of", WALL_LANDLOCK),
    EACH("rename", OP_RENAME, "rename a file of", WALL_LANDLOCK),
    EACH("link", OP_LINK, "make a hard link in", WALL_LANDLOCK),
    EACH("symlink", OP_SYMLINK, "make a symbolic link in", WALL_LANDLOCK),
    EACH("mkfifo", OP_FIFO, "make a FIFO in", WALL_LANDLOCK),
    EACH("truncate", OP_TRUNCATE, "truncate", WALL_LANDLOCK),
    EACH("fallocate", OP_FALLOCATE, "allocate blocks of", WALL_LANDLOCK),
    EACH("chmod", OP_CHMOD, "change the mode of", 0),
    EACH("chown", OP_CHOWN, "change the owner of", 0),
    EACH("utimes", OP_UTIMES, "change the times of", 0),
    EACH("setxattr", OP_XATTR, "set an attribute of", 0),
    EACH("removexattr", OP_UNXATTR, "remove an attribute of", 0),

    {.row = "2", .name = "dotdot", .tries = "reach a file outside by ../../ from the working directory", .attempt = by_dotdot,
     .jails = PROGRAM | INSPECTOR, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK)},
    {.row = "2", .name = "symlink-absolute", .tries = "write through an absolute symbolic link that leads outside",
     .attempt = by_link, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "absolute"},
    {.row = "2", .name = "symlink-relative", .tries = "write through a relative symbolic link that leads outside",
     .attempt = by_link, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "relative"},
    {.row = "2", .name = "proc-self-root", .tries = "reach a file outside by /proc/self/root", .attempt = by_prefix,
     .jails = PROGRAM | INSPECTOR, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "/proc/self/root"},
    {.row = "2", .name = "proc-thread-root", .tries = "reach a file outside by /proc/thread-self/root", .attempt = by_prefix,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "/proc/thread-self/root"},
    {.row = "2", .name = "proc-init-root", .tries = "reach a file outside by /proc/1/root", .attempt = by_prefix,
     .jails = PROGRAM, .flags = EFFECT, .why_not = "pid 1 of the jail has the jail's root; that of the host is root's", .text = "/proc/1/root"},
    {.row = "2", .name = "proc-self-cwd", .tries = "reach a file outside by /proc/self/cwd/../..", .attempt = by_cwd_link,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK)},
    {.row = "2", .name = "proc-other-root", .tries = "reach a file outside by /proc/N/root of a process outside",
     .attempt = by_root_of_canary, .jails = PROGRAM | INSPECTOR, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK)},
    {.row = "2", .name = "proc-other-fd", .tries = "open a descriptor of a process outside by /proc/N/fd",
     .attempt = by_descriptor_of_canary, .jails = PROGRAM | INSPECTOR, BOTH(WALL_ROOT | WALL_LANDLOCK)},
    {.row = "2", .name = "o-path-absent", .tries = "open what was not given with O_PATH, then again for writing", .attempt = by_o_path,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "canary"},
    {.row = "2", .name = "o-path-read-only", .tries = "open what may be read with O_PATH, then again for writing",
     .attempt = by_o_path, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_READONLY | WALL_LANDLOCK), .text = "ro"},
    {.row = "2", .name = "openat2-outside", .tries = "reach a file outside by openat2 without resolve flags", .attempt = by_openat2,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK | WALL_SECCOMP)},
    {.row = "2", .name = "stdin-reopen", .tries = "open standard input again, for writing", .attempt = stdin_again,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_LANDLOCK)},
    {.row = "2", .name = "stdin-truncate", .tries = "truncate standard input by /proc/self/fd/0", .attempt = stdin_truncated,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_LANDLOCK)},
    {.row = "2", .name = "stdin-link", .tries = "link standard input into a directory that may be written", .attempt = stdin_linked,
     .jails = PROGRAM, .flags = EFFECT, .why_not = "a descriptor from outside belongs to a mount outside, and links do not cross mounts"},
    {.row = "2", .name = "leaked-descriptor", .tries = "write to a descriptor that somebody left open", .attempt = leaked_descriptor,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_FDS)},
    {.row = "34", .name = "guess-descriptor", .tries = "find any open descriptor by guessing its number", .attempt = any_descriptor,
     .jails = PROGRAM, BOTH(WALL_FDS)},
    {.row = "2", .name = "empty-path-chown", .tries = "change the owner by descriptor with AT_EMPTY_PATH", .attempt = empty_path_chown,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_READONLY)},
    {.row = "2", .name = "descriptor-chmod", .tries = "change the mode by a descriptor opened for reading", .attempt = descriptor_chmod,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_READONLY)},
    {.row = "2", .name = "tmpfile-here", .tries = "make a nameless file where only reading was given", .attempt = nameless_file,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_READONLY | WALL_LANDLOCK), .text = "here"},
    {.row = "2", .name = "tmpfile-linkat", .tries = "make a nameless file where writing was given and link it elsewhere",
     .attempt = nameless_file, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "elsewhere"},

    {.row = "3", .name = "rename-into-read-only", .tries = "rename from a write root into a read root", .attempt = move_across,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "in"},
    {.row = "3", .name = "rename-out-of-read-only", .tries = "rename from a read root into a write root", .attempt = move_across,
     .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "out"},
    {.row = "3", .name = "exchange-with-read-only", .tries = "exchange a file of a read root with one of a write root",
     .attempt = move_across, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "x"},
    {.row = "3", .name = "link-out-of-read-only", .tries = "link a file of a read root into a write root, and write to it",
     .attempt = link_across, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "ro"},
    {.row = "3", .name = "link-into-write-root", .tries = "link what was not given into a write root, and write to it",
     .attempt = link_across, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK), .text = "canary"},
    {.row = "3", .name = "write-nested", .tries = "write into a read root that lies in a write root", .attempt = nested, .jails = PROGRAM,
     .flags = EFFECT, BOTH(WALL_READONLY)},
    {.row = "3", .name = "rename-to-absent", .tries = "rename from a write root to a place that was not given",
     .attempt = move_to_canary, .jails = PROGRAM, .flags = EFFECT, BOTH(WALL_ROOT | WALL_LANDLOCK)},
};
/* clang-format on */
const struct probe_table probes_files = {"files", v, sizeof v / sizeof v[0]};
