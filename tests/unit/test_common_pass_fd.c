/* test_common_pass_fd.c - a descriptor arrives, close-on-exec and alive; what is none, or more than one, is refused and leaves nothing open. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "common/pass_fd.h"

static int pair[2];

static void arrives(void) {
    int p[2];
    struct err e = ERR_INIT;
    NEED(pipe2(p, O_CLOEXEC) == 0);
    CHECK(pass_fd_send(pair[0], p[1], "a pipe", &e) == 0);
    close(p[1]);
    int fd = pass_fd_take(pair[1], true, "a pipe", &e);
    char c = 0;
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && write(fd, "x", 1) == 1);
    close(fd);
    CHECK(read(p[0], &c, 1) == 1 && c == 'x' && read(p[0], &c, 1) == 0);
    close(p[0]);
}

/* n descriptors, or none, in one message. */
static void send_many(int n) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 4)];
    } control = {0};
    struct iovec iov = {.iov_base = "abc", .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
        for (int i = 0; i < n; i++) memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)i, &pair[0], sizeof(int));
    }
    NEED(sendmsg(pair[0], &m, 0) == 1);
}

static void refused(void) {
    struct err e = ERR_INIT;
    CHECK(pass_fd_take(pair[1], false, "a pipe", &e) < 0 && e.sys == EAGAIN && strstr(e.text, "a pipe"));
    int before = dup(pair[0]);
    for (int n = 0; n <= 4; n++) {
        if (n == 1) continue;
        e = ERR_INIT;
        send_many(n);
        CHECK(pass_fd_take(pair[1], true, "a pipe", &e) < 0 && e.code == ERR_PROTO);
    }
    close(before);
    int after = dup(pair[0]);
    CHECK(before == after); /* the first free number is the same: nothing stayed open */
    close(after);
}

static void nobody_there(void) {
    struct err e = ERR_INIT;
    close(pair[0]);
    CHECK(pass_fd_take(pair[1], true, "a pipe", &e) < 0 && e.code == ERR_PROTO);
    e = ERR_INIT;
    CHECK(pass_fd_send(pair[1], 0, "a pipe", &e) < 0 && e.sys == EPIPE);
    close(pair[1]);
}

int main(void) {
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    arrives();
    refused();
    nobody_there();
    return check_done();
}
