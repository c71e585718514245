/* probes_network.c - row 24: the network. A namespace of its own with nothing in it but lo; Landlock's TCP rules are for
 * where that is missing. Somebody answers at each address that is tried with the namespace down: on loopback always, at
 * the far addresses when the driver is root and could put them on its own lo. No address of anybody else is contacted.
 *
 * Unix sockets by path are not of any network namespace: what is not given is absent, and a socket that lies in a
 * directory that was given is given (an exception, and README says so).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>

#include "common/io.h"
#include "tests/escape/escape.h"

static bool connects(int fd, const void *a, socklen_t n) {
    if (connect(fd, a, n) == 0) return true;
    if (errno != EINPROGRESS) return false;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof error;
    if (poll(&p, 1, 1000) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) return false;
    errno = error;
    return error == 0;
}

static enum verdict tcp4(const struct world *w, const struct probe *p) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p->number ? (uint16_t)p->number : w->tcp4)};
    if (p->number && w->control && !w->far) return skip(NOT_NEAR);
    inet_pton(AF_INET, p->text, &a.sin_addr);
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return open_if(fd >= 0 && connects(fd, &a, sizeof a));
}

static enum verdict tcp6(const struct world *w, const struct probe *p) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(p->text[2] == 'f' ? w->tcp4 : w->tcp6)};
    if (w->tcp6 == 0) return skip("this host has no IPv6 on loopback");
    inet_pton(AF_INET6, p->text, &a.sin6_addr);
    AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return open_if(fd >= 0 && connects(fd, &a, sizeof a));
}

static enum verdict udp4(const struct world *w, const struct probe *p) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p->number ? (uint16_t)p->number : w->udp)};
    char answer[64];
    if (p->number && w->control && !w->far) return skip(NOT_NEAR);
    inet_pton(AF_INET, p->text, &a.sin_addr);
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, "x", 1, 0, (const struct sockaddr *)&a, sizeof a) < 0) return HELD;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    if (poll(&pfd, 1, w->control ? 2000 : 60) != 1) return HELD;
    return open_if(recv(fd, answer, sizeof answer, 0) > 0);
}

static enum verdict abstract(const struct world *w, const struct probe *p) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const size_t n = strlen(w->abstract);
    memcpy(a.sun_path + 1, w->abstract, n);
    AUTO_FD int fd = socket(AF_UNIX, (int)p->nr | SOCK_CLOEXEC, 0);
    return open_if(fd >= 0 && connect(fd, (const struct sockaddr *)&a,
                                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) == 0);
}

static enum verdict by_path(const struct world *w, const struct probe *p) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", p->text[0] == 'c' ? w->dir : w->ro,
                 p->text[0] == 'c' ? "person/agent.sock" : "agent.sock") >= (int)sizeof a.sun_path)
        return skip("the path is too long for a socket");
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return open_if(fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0);
}

/* Where the driver listens nobody else can, in the same namespace. */
static enum verdict same_ports(const struct world *w, const struct probe *p) {
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons(p->nr == SOCK_DGRAM ? w->udp : w->tcp4),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    AUTO_FD int fd = socket(AF_INET, (int)p->nr | SOCK_CLOEXEC, 0);
    if (fd < 0) return HELD;
    if (bind(fd, (const struct sockaddr *)&a, sizeof a) == 0) {
        say("it listens in a namespace of its own");
        return HELD;
    }
    return open_if(errno == EADDRINUSE);
}

static enum verdict other_interfaces(const struct world *w, const struct probe *p) {
    struct ifreq r = {.ifr_ifindex = 0};
    (void)w;
    (void)p;
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return HELD;
    snprintf(r.ifr_name, sizeof r.ifr_name, "lo:e1");
    if (w->control && !w->far) return skip(NOT_NEAR);
    return open_if(ioctl(fd, SIOCGIFADDR, &r) == 0);
}

/* clang-format off */
#define BOTH(a) .holds_root = (a), .holds_user = (a)
#define TCP (WALL_NETNS | WALL_LANDLOCK)
#define NET(what, walls, tries_, fn, text_) {.row = "24", .name = what, .tries = tries_, .attempt = fn, .jails = PROGRAM | WORKER, BOTH(walls), .text = text_}
#define FAR(what, walls, tries_, fn, text_, port) \
    {.row = "24", .name = what, .tries = tries_, .attempt = fn, .jails = PROGRAM, .holds_root = (walls), .why_not = NOT_NEAR, .text = text_, .number = (port)}

static const struct probe v[] = {
    NET("tcp-loopback", TCP, "connect to a service on the host's 127.0.0.1", tcp4, "127.0.0.1"),
    NET("tcp-any", TCP, "connect to a service of the host by 0.0.0.0", tcp4, "0.0.0.0"),
    NET("tcp6-loopback", TCP, "connect to a service on the host's ::1", tcp6, "::1"),
    NET("tcp6-mapped", TCP, "connect to a service of the host by ::ffff:127.0.0.1", tcp6, "::ffff:127.0.0.1"),
    NET("udp-loopback", WALL_NETNS, "get an answer by UDP from the host's 127.0.0.1", udp4, "127.0.0.1"),
    FAR("tcp-metadata", TCP, "connect to 169.254.169.254:80", tcp4, "169.254.169.254", 80),
    FAR("tcp-public", TCP, "connect to 192.0.2.1:80", tcp4, "192.0.2.1", 80),
    FAR("tcp-private", TCP, "connect to 10.11.12.13:80", tcp4, "10.11.12.13", 80),
    FAR("dns-resolver", WALL_NETNS, "ask a resolver at 127.0.0.53:53", udp4, "127.0.0.53", 53),
    FAR("dns-public", WALL_NETNS, "ask a resolver at 192.0.2.1:53", udp4, "192.0.2.1", 53),
    {.row = "24", .name = "interfaces", .tries = "see an interface of the host", .attempt = other_interfaces, .jails = PROGRAM, .holds_root = WALL_NETNS, .why_not = NOT_NEAR},
    {.row = "24", .name = "listen-for-host", .tries = "listen on the host's loopback", .attempt = same_ports, .jails = PROGRAM, BOTH(TCP), .nr = SOCK_STREAM},
    {.row = "24", .name = "bind-udp-of-host", .tries = "bind UDP on the host's loopback", .attempt = same_ports, .jails = PROGRAM, BOTH(WALL_NETNS), .nr = SOCK_DGRAM},
    {.row = "24", .name = "abstract-stream", .tries = "connect to an abstract socket of the host", .attempt = abstract, .jails = PROGRAM,
     BOTH(WALL_NETNS | WALL_LANDLOCK), .nr = SOCK_STREAM},
    {.row = "10", .name = "socket-absent", .tries = "connect to a Unix socket that was not given, by its path", .attempt = by_path, .jails = PROGRAM,
     BOTH(WALL_ROOT), .text = "canary"},
    {.row = "10", .name = "socket-in-read-root", .tries = "connect to a Unix socket in a directory that was given", .attempt = by_path, .jails = PROGRAM,
     .flags = EXCEPTION, .why_not = "a socket in a directory that the operator gives is given: no kernel this old can refuse it", .text = "ro"},
};
/* clang-format on */
const struct probe_table probes_network = {"network", v, sizeof v / sizeof v[0]};
