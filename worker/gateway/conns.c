/* conns.c - see conns.h. Few at a time: a list. One that is new is nobody's to look at before it had its first user. */
#include "worker/gateway/conns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct conn {
    struct conn *next;
    const void *user;
    int fd;
    bool idle;
};

bool conns_opened(struct conns *c, int fd) {
    struct conn *n = calloc(1, sizeof *n);
    if (!n) return false;
    *n = (struct conn){.next = c->first, .fd = fd};
    c->first = n;
    return true;
}

void conns_closed(struct conns *c, int fd) {
    for (struct conn **p = &c->first; *p; p = &(*p)->next) {
        struct conn *n = *p;
        if (n->fd != fd) continue;
        *p = n->next;
        free(n);
        return;
    }
}

static bool is_at(int fd, const char *ip, int port) {
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    char text[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0) return false;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
    const bool six = a.ss_family == AF_INET6;
    if (ntohs(six ? v6->sin6_port : v4->sin_port) != port) return false;
    inet_ntop(a.ss_family, six ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr, text, sizeof text);
    return strcmp(text, ip) == 0;
}

void conns_take(struct conns *c, const void *user, const char *local_ip, int local_port) {
    for (struct conn *n = c->first; n; n = n->next) {
        if (!is_at(n->fd, local_ip, local_port)) continue;
        n->user = user;
        n->idle = false;
        return;
    }
}

void conns_leave(struct conns *c, const void *user) {
    for (struct conn *n = c->first; n; n = n->next) {
        if (n->user != user) continue;
        n->user = NULL;
        n->idle = true;
    }
}

void conns_end_stale(struct conns *c) {
    for (struct conn *n = c->first; n; n = n->next) {
        char byte;
        if (!n->idle) continue;
        const ssize_t got = recv(n->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        shutdown(n->fd, SHUT_RDWR);
        n->idle = false;
    }
}

void conns_release(struct conns *c) {
    while (c->first) conns_closed(c, c->first->fd);
}
