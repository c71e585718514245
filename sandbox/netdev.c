/* netdev.c - the loopback of a fresh network namespace: brought up with two ioctls (netlink would have to be allowed to somebody),
 * and a listener on it for somebody outside. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/io.h"
#include "common/pass_fd.h"
#include "sandbox/internal.h"

int loopback_up(struct err *e) {
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return err_sys(e, "loopback: socket");
    struct ifreq r = {.ifr_name = "lo"};
    if (ioctl(fd, SIOCGIFFLAGS, &r) < 0) return err_sys(e, "loopback: read flags");
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
    if (ioctl(fd, SIOCSIFFLAGS, &r) < 0) return err_sys(e, "loopback: up");
    return 0;
}

#define BACKLOG 128 /* an agent may ask many things at once */

int loopback_listen(const struct jail_listener *l, struct err *e) {
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(l->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 || listen(fd, BACKLOG) < 0)
        return err_sys(e, "loopback: listen on port %u", l->port);
    return pass_fd_send(l->socket, fd, "the jail's listener", e);
}
