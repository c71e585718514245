/* listener.c - see listener.h. */
#include "worker/gateway/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/io.h"

#define FDS_MAX 8 /* that many are seen, and all closed, when there is more than one */

static int option(int fd, int which) {
    int v = -1;
    socklen_t n = sizeof v;
    return getsockopt(fd, SOL_SOCKET, which, &v, &n) == 0 ? v : -1;
}

static int check(int fd, uint16_t endpoint_port, struct err *e) {
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    if (option(fd, SO_DOMAIN) != AF_INET || option(fd, SO_TYPE) != SOCK_STREAM ||
        option(fd, SO_PROTOCOL) != IPPROTO_TCP)
        return err_set(e, ERR_PROTO, "listener: not an IPv4 TCP socket");
    if (option(fd, SO_ACCEPTCONN) != 1) return err_set(e, ERR_PROTO, "listener: the socket does not listen");
    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0 || n != sizeof a) return err_sys(e, "listener: getsockname");
    if (ntohl(a.sin_addr.s_addr) >> 24 != 127) return err_set(e, ERR_PROTO, "listener: not bound to the loopback");
    if (ntohs(a.sin_port) == endpoint_port)
        return err_set(e, ERR_PROTO,
                       "listener: its port is the endpoint's; the one could not be told from the other in any text");
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_sys(e, "listener: fcntl");
    return 0;
}

/* All descriptors of the message; returns how many. */
static size_t take(struct msghdr *m, int *fds) {
    size_t n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here && n < FDS_MAX; i++) memcpy(&fds[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
    return n;
}

int listener_receive(int socket, uint16_t endpoint_port, int *ret_fd, struct err *e) {
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    char bytes[2];
    int fds[FDS_MAX] = {-1};
    struct iovec iov = {bytes, sizeof bytes};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    const ssize_t got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got < 0) return err_sys(e, "listener");
    const size_t n = take(&m, fds);
    int rc = -1;
    if (got == 0 && n == 0)
        err_set(e, ERR_MISSING, "the worker closed and gave no listener");
    else if (got != 1 || n != 1 || (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0)
        err_set(e, ERR_PROTO, "listener: exactly one byte with exactly one descriptor must come");
    else
        rc = check(fds[0], endpoint_port, e);
    for (size_t i = 0; rc < 0 && i < n; i++) close(fds[i]);
    if (rc < 0) return -1;
    *ret_fd = fds[0];
    return 1;
}
