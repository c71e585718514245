/* probes_tty.c - row 20: the operator's terminal. Standard input is a pseudo terminal that the driver made and listens to.
 * Typing into it (TIOCSTI) or making it the own controlling terminal would be a way to run commands after the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/escape/escape.h"

/* An answer from the terminal's code, whatever it is, means that nobody stood before it. */
static enum verdict asks_terminal(const struct world *w, const struct probe *p) {
    static char buffer[64]; /* line discipline 0 is what it has */
    (void)w;
    if (!isatty(0)) return skip("standard input is no terminal");
    const long rc = syscall(SYS_ioctl, 0, p->nr, buffer);
    return open_if(rc >= 0 || (errno != EPERM && errno != ENOSYS));
}

static enum verdict types(const struct world *w, const struct probe *p) {
    if (!isatty(0)) return skip("standard input is no terminal");
    setsid();
    if (w->control) ioctl(0, TIOCSCTTY, 0); /* with seccomp down */
    const long rc = syscall(SYS_ioctl, 0, p->nr, "x");
    if (rc < 0 && w->control && errno == EIO) return skip("this kernel has no TIOCSTI (dev.tty.legacy_tiocsti)");
    return open_if(rc == 0);
}

static enum verdict takes_terminal(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    if (!isatty(0)) return skip("standard input is no terminal");
    setsid();
    return open_if(ioctl(0, TIOCSCTTY, 1) == 0); /* 1: also when it is another session's */
}

/* A jail has terminals of its own in /dev/pts, and none when it starts. */
static enum verdict sees_terminal(const struct world *w, const struct probe *p) {
    struct stat st;
    (void)p;
    return open_if(stat(w->terminal, &st) == 0);
}

static enum verdict opens_dev_tty(const struct world *w, const struct probe *p) {
    (void)w;
    (void)p;
    AUTO_FD int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    return open_if(fd >= 0 || errno == ENXIO);
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define ASK(what, request, tries_) \
    {.row = "20", .name = what, .tries = tries_, .attempt = asks_terminal, .jails = PROGRAM, .flags = TTY, BOTH(WALL_SECCOMP), .nr = (long)(request)}
#define TYPE(what, request, tries_) \
    {.row = "20", .name = what, .tries = tries_, .attempt = types, .jails = PROGRAM, .flags = TTY, BOTH(WALL_SECCOMP), .nr = (long)(request)}

static const struct probe v[] = {
    TYPE("tiocsti", TIOCSTI, "type into the terminal"),
    TYPE("tiocsti-high-bits", TIOCSTI | (1l << 32), "type into the terminal, the request disguised by high bits"),
    ASK("tioclinux", TIOCLINUX, "paste into the console"),
    ASK("tiocsetd", TIOCSETD, "set a line discipline"),
    {.row = "20", .name = "tioccons", .tries = "take the console's messages", .attempt = asks_terminal, .jails = PROGRAM, .flags = TTY,
     .why_not = NOT_SAFE, .nr = (long)TIOCCONS},
    ASK("tiocgdev", 0x80045432, "ask an ioctl that is in no list"),
    {.row = "20", .name = "tiocsctty-force", .tries = "take the terminal from its session", .attempt = takes_terminal, .jails = PROGRAM, .flags = TTY, BOTH(WALL_SECCOMP)},
    {.row = "20", .name = "terminal-of-host", .tries = "see a terminal of the host in /dev/pts", .attempt = sees_terminal, .jails = PROGRAM,
     .flags = TTY, BOTH(WALL_ROOT)},
    {.row = "20", .name = "dev-tty", .tries = "open /dev/tty", .attempt = opens_dev_tty, .jails = PROGRAM, .flags = TTY, BOTH(WALL_ROOT | WALL_LANDLOCK)},
};
/* clang-format on */
const struct probe_table probes_tty = {"tty", v, sizeof v / sizeof v[0]};
