/* probes_sockets.c - row 23: families and types of sockets beyond Unix, TCP and UDP. As in probes_kernel.c: any answer but
 * EPERM means that the family's code was reached (and a module loaded for it, where there is one).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>

#include "common/io.h"
#include "tests/escape/escape.h"

static enum verdict makes_socket(const struct world *w, const struct probe *p) {
    (void)w;
    AUTO_FD int fd = (int)syscall(SYS_socket, p->nr, p->arg[0], p->arg[1]);
    return open_if(fd >= 0 || (errno != EPERM && errno != ENOSYS));
}

static enum verdict makes_pair(const struct world *w, const struct probe *p) {
    int sv[2];
    (void)w;
    return open_if(syscall(SYS_socketpair, p->nr, p->arg[0], p->arg[1], sv) == 0 ||
                   (errno != EPERM && errno != ENOSYS));
}

/* To be taken for root on a Unix socket. */
static enum verdict forges_credentials(const struct world *w, const struct probe *p) {
    int sv[2];
    char byte = 0;
    struct ucred who = {.pid = 1, .uid = 0, .gid = 0};
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr h;
        char space[CMSG_SPACE(sizeof who)];
    } c;
    (void)w;
    (void)p;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv) < 0) return skip("socketpair");
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.space, .msg_controllen = sizeof c.space};
    memset(&c, 0, sizeof c);
    c.h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof who)};
    memcpy(CMSG_DATA(&c.h), &who, sizeof who);
    return open_if(sendmsg(sv[0], &m, 0) == 1);
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define ROOT_ONLY(a) .holds_root = (a), .holds_user = 0, .why_not = KERNEL_HOLDS
#define FAMILY(what, family, type, protocol) \
    {.row = "23", .name = "socket-" what, .tries = "make a socket of " #family, .attempt = makes_socket, .jails = PROGRAM | INSPECTOR, \
     BOTH(WALL_SECCOMP), .nr = (family), .arg = {(type), (protocol)}}
#define POWERFUL(what, family, type, protocol) \
    {.row = "23", .name = "socket-" what, .tries = "make a raw socket of " #family, .attempt = makes_socket, .jails = PROGRAM | INSPECTOR, \
     ROOT_ONLY(WALL_SECCOMP | WALLS_POWER), .nr = (family), .arg = {(type), (protocol)}}
#define INSPECTED(what, family, type) \
    {.row = "24", .name = "inspector-socket-" what, .tries = "make any socket: " #family, .attempt = makes_socket, .jails = INSPECTOR, \
     BOTH(WALL_SECCOMP), .nr = (family), .arg = {(type), 0}}

static const struct probe v[] = {
    FAMILY("netlink-route", AF_NETLINK, SOCK_RAW, 0),
    FAMILY("netlink-audit", AF_NETLINK, SOCK_RAW, 9),
    FAMILY("netlink-generic", AF_NETLINK, SOCK_DGRAM, 16),
    FAMILY("netlink-netfilter", AF_NETLINK, SOCK_RAW, 12),
    POWERFUL("packet", AF_PACKET, SOCK_RAW, 0),
    POWERFUL("packet-dgram", AF_PACKET, SOCK_DGRAM, 0),
    POWERFUL("raw-icmp", AF_INET, SOCK_RAW, IPPROTO_ICMP),
    POWERFUL("raw-icmp6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6),
    FAMILY("ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
    FAMILY("mptcp", AF_INET, SOCK_STREAM, 262),
    FAMILY("sctp", AF_INET, SOCK_SEQPACKET, 132),
    FAMILY("udplite", AF_INET, SOCK_DGRAM, 136),
    FAMILY("vsock", 40, SOCK_STREAM, 0),
    FAMILY("alg", 38, SOCK_SEQPACKET, 0),
    FAMILY("bluetooth", 31, SOCK_RAW, 1),
    FAMILY("tipc", 30, SOCK_RDM, 0),
    FAMILY("rds", 21, SOCK_SEQPACKET, 0),
    FAMILY("can", 29, SOCK_RAW, 1),
    FAMILY("smc", 43, SOCK_STREAM, 0),
    FAMILY("qipcrtr", 42, SOCK_DGRAM, 0),
    FAMILY("nfc", 39, SOCK_SEQPACKET, 0),
    FAMILY("kcm", 41, SOCK_DGRAM, 0),
    FAMILY("unix-odd-protocol", AF_UNIX, SOCK_STREAM, 7),
    {.row = "23", .name = "socketpair-tipc", .tries = "make a pair of sockets of another family", .attempt = makes_pair, .jails = PROGRAM | INSPECTOR,
     BOTH(WALL_SECCOMP), .nr = 30, .arg = {SOCK_STREAM, 0}},
    {.row = "23", .name = "forge-credentials", .tries = "send the credentials of root over a Unix socket", .attempt = forges_credentials,
     .jails = PROGRAM, ROOT_ONLY(WALLS_POWER)},
    INSPECTED("unix", AF_UNIX, SOCK_STREAM),
    INSPECTED("inet", AF_INET, SOCK_STREAM),
    INSPECTED("inet6", AF_INET6, SOCK_DGRAM),
};
/* clang-format on */
const struct probe_table probes_sockets = {"sockets", v, sizeof v / sizeof v[0]};
