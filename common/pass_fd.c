/* pass_fd.c - see pass_fd.h. Exactly one descriptor per message: with room for one, the kernel drops what else a sender adds, and says
 * so, which is refused here. */
#include "common/pass_fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union one_fd {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int pass_fd_send(int socket, int fd, const char *what, struct err *e) {
    char nothing = 0;
    struct iovec iov = {.iov_base = &nothing, .iov_len = 1};
    union one_fd control;
    memset(&control, 0, sizeof control);
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(socket, &m, MSG_NOSIGNAL) == 1 ? 0 : err_sys(e, "hand %s on", what);
}

int pass_fd_take(int socket, bool wait, const char *what, struct err *e) {
    char nothing;
    struct iovec iov = {.iov_base = &nothing, .iov_len = 1};
    union one_fd control;
    /* The length of one, without the padding of its space: in that there would be room for a second. */
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t n;
    do n = recvmsg(socket, &m, (wait ? 0 : MSG_DONTWAIT) | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0) return err_sys(e, "take %s", what);
    const struct cmsghdr *c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
    int fd = -1;
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof fd))
        return err_set(e, ERR_PROTO, "%s did not come", what);
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (!(m.msg_flags & MSG_CTRUNC)) return fd;
    close(fd);
    return err_set(e, ERR_PROTO, "more than one descriptor came instead of %s", what);
}
