/* conns.c - see conns.h. Few at a time: a list. One that is new is nobody's to look at before it had its first user. */
#include "worker/gateway/conns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOOKS 32 /* at once */

struct conn {
    struct conn *next;
    const void *user;
    int fd, port; /* its end here; 0: not known yet */
    char ip[INET6_ADDRSTRLEN];
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

/* Once it is connected that never changes. */
static void learn_end(struct conn *c) {
    union {
        struct sockaddr_in6 v6;
        struct sockaddr_in v4;
        struct sockaddr any;
    } a = {.v6 = {0}};
    socklen_t n = sizeof a;
    if (getsockname(c->fd, &a.any, &n) < 0) return;
    const bool six = a.any.sa_family == AF_INET6;
    if (!inet_ntop(a.any.sa_family, six ? (void *)&a.v6.sin6_addr : (void *)&a.v4.sin_addr, c->ip, sizeof c->ip))
        return;
    c->port = ntohs(six ? a.v6.sin6_port : a.v4.sin_port);
}

static bool is_at(struct conn *c, const char *ip, int port) {
    if (c->port == 0) learn_end(c);
    return c->port == port && strcmp(c->ip, ip) == 0;
}

void conns_take(struct conns *c, const void *user, const char *local_ip, int local_port) {
    for (struct conn *n = c->first; n; n = n->next) {
        if (!is_at(n, local_ip, local_port)) continue;
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

static void end_those(struct conn *const *at, struct pollfd *fds, nfds_t n) {
    if (n == 0 || poll(fds, n, 0) == 0) return; /* a failure counts against all of them */
    for (nfds_t i = 0; i < n; i++) {
        if (fds[i].revents == 0) continue;
        shutdown(fds[i].fd, SHUT_RDWR);
        at[i]->idle = false;
    }
}

void conns_end_stale(struct conns *c) {
    struct conn *at[LOOKS];
    struct pollfd fds[LOOKS];
    nfds_t n = 0;
    for (struct conn *x = c->first; x; x = x->next) {
        if (!x->idle) continue;
        at[n] = x;
        fds[n++] = (struct pollfd){.fd = x->fd, .events = POLLIN | POLLRDHUP, .revents = POLLERR};
        if (n < LOOKS) continue;
        end_those(at, fds, n);
        n = 0;
    }
    end_those(at, fds, n);
}

void conns_release(struct conns *c) {
    while (c->first) conns_closed(c, c->first->fd);
}
