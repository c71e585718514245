/* Landlock by version: what is handled, what the report says, what a jail still holds, and what happens to one that requires
 * more. The kernel is made to know less through the seam.
 *
 * Each version twice. With every other wall left out, what succeeds inside is exactly what this version does not know: so the
 * rights are really handled and enforced. With the other walls in place nothing succeeds under any version. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <termios.h>

#include "sandbox/testing.h"
#include "tests/unit/sandbox_util.h"

#define OTHER_WALLS                                                                                                \
    (JAIL_M_PIDNS | JAIL_M_NETNS | JAIL_M_SECCOMP | JAIL_M_SETUID | JAIL_M_CAPS | JAIL_T_READONLY | JAIL_T_NODEV | \
     JAIL_T_HIDEPID | JAIL_T_DUMPABLE)

static struct ran r;

/* --- inside: a letter for each attempt that succeeded -------------------------------------------------------------- */
static bool connects(const struct sockaddr *a, socklen_t n) {
    const int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool yes = fd >= 0 && connect(fd, a, n) == 0;
    if (fd >= 0) close(fd);
    return yes;
}

static bool moves(void) {
    mkdir("/scratch/a", 0755);
    mkdir("/scratch/b", 0755);
    const int fd = open("/scratch/a/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd >= 0) close(fd);
    return fd >= 0 && rename("/scratch/a/f", "/scratch/b/f") == 0;
}

/* A terminal's question is answered "not a terminal" by a device that may be asked. */
static bool asks_device(void) {
    struct termios t;
    const int fd = open("/granted/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool yes = tcgetattr(fd, &t) < 0 && errno == ENOTTY;
    close(fd);
    return yes;
}

static struct sockaddr_un abstract(const char *name, socklen_t *len) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", name);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return a;
}

static int inside(char **argv) {
    const struct sockaddr_in tcp = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n;
    const struct sockaddr_un un = abstract(argv[4], &n);
    if (open("/granted/f", O_WRONLY | O_CLOEXEC) >= 0) putchar('W'); /* of the first version: never */
    if (unlink("/granted/f") == 0) putchar('U');
    if (moves()) putchar('R');
    if (truncate("/granted/f", 0) == 0) putchar('T');
    if (connects((const struct sockaddr *)&tcp, sizeof tcp)) putchar('N');
    if (asks_device()) putchar('I');
    if (connects((const struct sockaddr *)&un, n)) putchar('A');
    if (kill(atoi(argv[2]), 0) == 0) putchar('S');
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/granted/s"};
    if (connects((const struct sockaddr *)&path, sizeof path)) putchar('P');
    unlink("/scratch/own"); /* what a jail makes itself it can always reach */
    const int own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(path.sun_path, sizeof path.sun_path, "/scratch/own");
    if (bind(own, (const struct sockaddr *)&path, sizeof path) < 0 || listen(own, 1) < 0 ||
        !connects((const struct sockaddr *)&path, sizeof path))
        putchar('!');
    return 0;
}

/* --- outside ------------------------------------------------------------------------------------------------------- */
static char dir[64], self[4096], port[16], name[64], pid[16];
static int have_device;

static void make_granted(void) {
    char path[96];
    test_tempdir(dir);
    snprintf(path, sizeof path, "%s/f", dir);
    const int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    NEED(fd >= 0 && write(fd, "text", 4) == 4 && fchmod(fd, 0666) == 0);
    close(fd);
    snprintf(path, sizeof path, "%s/null", dir);
    have_device = mknod(path, S_IFCHR | 0666, makedev(1, 3)) == 0 && chmod(path, 0666) == 0;
}

static void listen_here(void) {
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof tcp, un_len;
    const int t = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), u = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name, sizeof name, "cto-test-%d", (int)getpid());
    const struct sockaddr_un un = abstract(name, &un_len);
    NEED(bind(t, (struct sockaddr *)&tcp, n) == 0 && listen(t, 64) == 0);
    NEED(getsockname(t, (struct sockaddr *)&tcp, &n) == 0);
    NEED(bind(u, (const struct sockaddr *)&un, un_len) == 0 && listen(u, 64) == 0);
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    const int p = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(path.sun_path, sizeof path.sun_path, "%s/s", dir);
    NEED(bind(p, (const struct sockaddr *)&path, sizeof path) == 0 && listen(p, 64) == 0 &&
         chmod(path.sun_path, 0666) == 0);
    snprintf(port, sizeof port, "%u", ntohs(tcp.sin_port));
    snprintf(pid, sizeof pid, "%d", (int)getpid());
}

static void attempt(int abi, uint64_t without, int landlock_min) {
    const char *const argv[] = {"/t", "inside", pid, port, name, NULL};
    const struct jail_bind b[] = {{.source = self, .target = "/t"}, {.source = dir, .target = "/granted"}};
    struct jail_spec s = test_spec(argv);
    s.binds = b;
    s.n_binds = 2;
    s.landlock_min = landlock_min;
    jail_test_hooks.landlock_abi_max = abi;
    jail_test_hooks.without = without;
    test_run(&s, 30000, &r);
    jail_test_hooks.without = 0;
}

static void expected(int abi, char out[16]) {
    /* The first version refuses every move between directories; the second grants them where a rule does. */
    snprintf(out, 16, "%s%s%s%s%s%s", abi >= 2 ? "R" : "", abi < 3 ? "T" : "", abi < 4 ? "N" : "",
             abi < 5 && have_device ? "I" : "", abi < 6 ? "AS" : "", abi < 9 ? "P" : "");
}

static void reports(int abi, bool with_net) {
    struct jail_landlock_gap gaps[JAIL_LANDLOCK_PARTS];
    const size_t n = jail_landlock_gaps(abi, gaps);
    CHECK(r.report.in_force & JAIL_M_LANDLOCK);
    CHECK(r.report.landlock_abi == abi && jail_landlock_abi() == abi);
    const unsigned fs_bits = abi >= 9 ? 17 : abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
    CHECK(r.report.landlock_fs == (UINT64_C(1) << fs_bits) - 1);
    CHECK(r.report.landlock_net == (with_net && abi >= 4 ? 3u : 0u));
    CHECK(r.report.landlock_scope == (abi >= 6 ? 3u : 0u));
    CHECK(n == (abi >= 9 ? 0u : abi >= 6 ? 1u : abi == 5 ? 3u : abi == 4 ? 4u : abi == 3 ? 5u : abi == 2 ? 6u : 7u));
    CHECK(n == 0 || strcmp(gaps[n - 1].name, "resolve_unix") == 0);
}

static void version(int abi) {
    char want[16];
    expected(abi, want);
    attempt(abi, OTHER_WALLS, 0);
    if (!CHECK(test_exited(&r, 0) && strcmp(r.out, want) == 0))
        fprintf(stderr, "Landlock %d alone let through '%s', not '%s'\n", abi, r.out, want);
    reports(abi, true);
    attempt(abi, 0, abi);
    if (!CHECK(test_exited(&r, 0) && strcmp(r.out, abi >= 9 ? "R" : abi >= 2 ? "RP" : "P") == 0))
        fprintf(stderr, "a whole jail with Landlock %d let through '%s'\n", abi, r.out);
    reports(abi, false);
    attempt(abi, 0, abi + 1);
    CHECK(r.rc < 0 && r.err.code == ERR_UNSUPPORTED && strstr(r.err.text, "landlock: this kernel has ABI"));
}

static void none(void) {
    struct err e = ERR_INIT;
    attempt(0, 0, 0);
    CHECK(r.rc < 0 && r.err.code == ERR_UNSUPPORTED && strstr(r.err.text, "landlock"));
    CHECK(jail_check_host(&e) < 0 && e.code == ERR_UNSUPPORTED && strstr(e.text, "landlock"));
    /* Not required: the jail starts, holds by its other walls, and does not claim Landlock. */
    const char *const argv[] = {"/t", "inside", pid, port, name, NULL};
    const struct jail_bind b[] = {{.source = self, .target = "/t"}, {.source = dir, .target = "/granted"}};
    struct jail_spec s = test_spec(argv);
    s.binds = b;
    s.n_binds = 2;
    s.required = jail_required(JAIL_ENGINE, jail_mode()) & ~(uint32_t)JAIL_M_LANDLOCK;
    test_run(&s, 30000, &r);
    CHECK(test_exited(&r, 0) && strcmp(r.out, "RP") == 0);
    CHECK(!(r.report.in_force & JAIL_M_LANDLOCK) && r.report.landlock_abi == 0 && r.report.landlock_fs == 0);
    s.landlock_min = 1;
    test_run(&s, 30000, &r);
    CHECK(r.rc < 0 && r.err.code == ERR_UNSUPPORTED);
}

static void versions(void) {
    jail_test_hooks.landlock_abi_max = -1;
    const int newest = jail_landlock_abi();
    make_granted();
    listen_here();
    for (int abi = 1; abi <= newest && abi <= 9; abi++) version(abi);
    if (newest < 9) fprintf(stderr, "this kernel has Landlock %d: newer versions were not tried\n", newest);
    none();
    test_remove(dir);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "inside") == 0) return inside(argv);
    NEED(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const int rc = test_both_modes(versions);
    return rc != 0 ? rc : check_done();
}
