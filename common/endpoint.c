/* endpoint.c - one pass from left to right; what is not named is refused. No part of the value goes into an error: it may be the
 * one thing that nobody may see. */
#include "common/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int refuse(struct err *e, const char *why) { return err_set(e, ERR_USAGE, "endpoint: %s", why); }

static bool printable(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f) return false;
    return true;
}

static bool is_name(const char *host) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    return host[0] != '.' && host[0] != '-' && host[strspn(host, allowed)] == 0 && strstr(host, "..") == NULL;
}

/* Only digits and dots, and no address: "127.1", "2130706433". Some resolvers take such a thing for an address, others not. */
static bool is_odd_number(const char *host) { return host[strspn(host, "0123456789.")] == 0; }

static int take_host(struct endpoint *ep, const char *p, size_t n, struct err *e) {
    unsigned char address[16];
    if (n == 0) return refuse(e, "no host");
    if (n >= sizeof ep->host) return refuse(e, "the host is too long");
    for (size_t i = 0; i < n; i++) ep->host[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] - 'A' + 'a') : p[i];
    ep->host[n] = 0;
    if (ep->ipv6) {
        ep->numeric = inet_pton(AF_INET6, ep->host, address) == 1;
        return ep->numeric ? 0 : refuse(e, "what stands in brackets is no IPv6 address");
    }
    ep->numeric = inet_pton(AF_INET, ep->host, address) == 1;
    if (ep->numeric) return 0;
    if (is_odd_number(ep->host) || !is_name(ep->host)) return refuse(e, "the host is neither a name nor an address");
    return 0;
}

static int take_port(struct endpoint *ep, const char *p, size_t n, struct err *e) {
    unsigned long port = 0;
    if (n == 0 || n > 5) return refuse(e, "the port is not a number from 1 to 65535");
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return refuse(e, "the port is not a number from 1 to 65535");
        port = port * 10 + (unsigned long)(p[i] - '0');
    }
    if (port == 0 || port > 65535) return refuse(e, "the port is not a number from 1 to 65535");
    ep->port = (uint16_t)port;
    return 0;
}

static int take_authority(struct endpoint *ep, const char *p, size_t n, struct err *e) {
    if (memchr(p, '@', n) != NULL)
        return refuse(e, "credentials do not belong into it: give the key by its own setting");
    if (n > 0 && *p == '[') {
        const char *end = memchr(p, ']', n);
        if (!end) return refuse(e, "a bracket is not closed");
        ep->ipv6 = true;
        if (take_host(ep, p + 1, (size_t)(end - p) - 1, e) < 0) return -1;
        n -= (size_t)(end + 1 - p);
        p = end + 1;
        if (n > 0 && *p != ':') return refuse(e, "only a port may follow the bracket");
        return n > 0 ? take_port(ep, p + 1, n - 1, e) : 0;
    }
    const char *colon = memchr(p, ':', n);
    if (take_host(ep, p, colon ? (size_t)(colon - p) : n, e) < 0) return -1;
    return colon ? take_port(ep, colon + 1, n - (size_t)(colon + 1 - p), e) : 0;
}

static int take_path(struct endpoint *ep, const char *path, struct err *e) {
    if (strpbrk(path, "?#") != NULL) return refuse(e, "a query or a fragment does not belong into it");
    if (strpbrk(path, "%\\;\"<>^`{|}") != NULL) return refuse(e, "the path has a character that is not allowed there");
    for (const char *p = path; *p; p += strcspn(p, "/")) {
        p++; /* the slash; a path begins with one */
        const size_t n = strcspn(p, "/");
        if ((n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return refuse(e, "the path has \".\" or \"..\" in it");
        if (n == 0 && *p) return refuse(e, "the path has an empty part");
    }
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/') n--;
    memcpy(ep->path, path, n);
    ep->path[n] = 0;
    return 0;
}

int endpoint_parse(const char *url, struct endpoint *ret, struct err *e) {
    struct endpoint ep = {.port = 0};
    if (strlen(url) >= ENDPOINT_MAX) return refuse(e, "longer than 511 bytes");
    if (!printable(url)) return refuse(e, "a character in it is not printable ASCII");
    if (strncasecmp(url, "https://", 8) == 0) {
        ep.tls = true;
        url += 8;
    } else if (strncasecmp(url, "http://", 7) == 0) {
        url += 7;
    } else {
        return refuse(e, "it must begin with http:// or https://");
    }
    ep.port = ep.tls ? 443 : 80;
    const size_t n = strcspn(url, "/?#\\");
    if (take_authority(&ep, url, n, e) < 0 || take_path(&ep, url + n, e) < 0) return -1;
    *ret = ep;
    return 0;
}

void endpoint_authority(const struct endpoint *ep, char out[ENDPOINT_AUTHORITY_SIZE]) {
    snprintf(out, ENDPOINT_AUTHORITY_SIZE, ep->ipv6 ? "[%s]:%u" : "%s:%u", ep->host, (unsigned)ep->port);
}
