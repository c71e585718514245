/* netdev.c - brings lo up in a fresh network namespace, with two ioctls: netlink would have to be allowed to
 * somebody. */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/io.h"
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
