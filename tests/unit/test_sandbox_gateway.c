/* A process confined as a gateway: what it has open it may use, to one port it may connect, and nothing else. As root and as an
 * ordinary user; the confinement is for ever, so each part runs in a child. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/unit/sandbox_util.h"

static int listener(uint16_t *ret_port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NEED(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, 8) == 0);
    NEED(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static int connects(uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    const int r = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? 0 : errno;
    close(fd);
    return r;
}

static struct jail_gateway_spec spec(uint16_t port) {
    return (struct jail_gateway_spec){.uid = TEST_JAIL_UID, .port = port, .parent = getppid(), .lifeline = -1};
}

#define REFUSED(call) CHECK((call) < 0 && (errno == EPERM || errno == EACCES))

static void no_files(int passwd) {
    char byte;
    REFUSED(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    REFUSED(open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
    REFUSED(open("/tmp/x", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REFUSED(access("/", F_OK));
    REFUSED(unlink("/tmp/x"));
    REFUSED(chdir("/"));
    CHECK(pread(passwd, &byte, 1, 0) == 1); /* it was open */
}

static void no_processes(pid_t parent) {
    char *const argv[] = {(char *)(uintptr_t) "/bin/true", NULL};
    REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    REFUSED(execve("/bin/true", argv, argv + 1));
    REFUSED(kill(parent, 0));
    REFUSED(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
    REFUSED(syscall(SYS_ptrace, 0, 0, 0, 0));
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EPERM);
    REFUSED(setresuid(0, 0, 0));
}

static void no_other_sockets(void) {
    int pair[2];
    REFUSED(socket(AF_INET, SOCK_DGRAM, 0));
    REFUSED(socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP));
    REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
    REFUSED(socket(AF_INET, SOCK_STREAM, 132 /* SCTP */));
    REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
    REFUSED(socket(AF_NETLINK, SOCK_RAW, 0));
    REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0);
    REFUSED(bind(fd, (struct sockaddr *)&a, sizeof a));
    REFUSED(listen(fd, 1));
    close(fd);
}

static void locks(int fd) {
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    CHECK(fcntl(fd, F_OFD_SETLK, &l) == 0);
    REFUSED(fcntl(fd, F_OFD_SETLKW, &l)); /* would wait */
    REFUSED(fcntl(fd, F_SETLEASE, F_RDLCK));
    REFUSED(fcntl(fd, F_DUPFD, 100));
}

static void confined(void) {
    uint16_t port, other;
    struct jail_report r;
    struct err e = ERR_INIT;
    const pid_t parent = getppid();
    const int one = listener(&port), two = listener(&other), passwd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    struct jail_gateway_spec s = spec(port);
    if (!CHECK(jail_confine_gateway(&s, &r, &e) == 0)) {
        fprintf(stderr, "%s\n", e.text);
        return;
    }
    const uint32_t need = jail_required(JAIL_GATEWAY, r.mode);
    CHECK((r.in_force & need) == need && r.landlock_abi > 0 && r.seccomp_instructions > 0);
    CHECK(r.mode != JAIL_MODE_ROOT ||
          (getuid() == TEST_JAIL_UID && getgid() == TEST_JAIL_UID && (r.in_force & JAIL_M_SETUID)));
    CHECK(connects(port) == 0);
    CHECK(r.landlock_abi < 4 || connects(other) == EACCES);
    no_files(passwd);
    no_processes(parent);
    no_other_sockets();
    locks(passwd);
    close(one);
    close(two);
}

static void without_a_port(void) {
    uint16_t port;
    struct jail_report r;
    const int fd = listener(&port);
    struct jail_gateway_spec s = spec(0);
    NEED(jail_confine_gateway(&s, &r, NULL) == 0);
    CHECK(r.landlock_abi < 4 || connects(port) == EACCES);
    close(fd);
}

static void orphaned(void) {
    struct jail_report r;
    struct err e = ERR_INIT;
    struct jail_gateway_spec s = spec(0);
    s.parent = 1 + getppid();
    CHECK(jail_confine_gateway(&s, &r, &e) < 0 && e.code == ERR_CONFLICT);
}

static void its_line_is_cut(void) {
    struct jail_report r;
    struct err e = ERR_INIT;
    struct jail_gateway_spec s = spec(0);
    int pair[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    NEED(write(pair[1], "x", 1) == 1); /* unread data does not hide it */
    close(pair[1]);
    s.lifeline = pair[0];
    CHECK(jail_confine_gateway(&s, &r, &e) < 0 && e.code == ERR_CONFLICT);
}

static void stays_root(void) {
    struct jail_report r;
    struct jail_gateway_spec s = spec(0);
    if (jail_mode() != JAIL_MODE_ROOT) return;
    s.uid = 0;
    CHECK(jail_confine_gateway(&s, &r, NULL) < 0);
}

static void all(void) {
    static void (*const parts[])(void) = {confined, without_a_port, orphaned, its_line_is_cut, stays_root};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        fflush(NULL);
        const pid_t pid = fork();
        int ws = -1;
        if (pid == 0) {
            check_made = check_failed = 0;
            parts[i]();
            fflush(NULL);
            _exit(check_failed ? 1 : 0);
        }
        CHECK(waitpid(pid, &ws, 0) == pid && ws == 0);
    }
}

int main(void) { return test_both_modes(all); }
