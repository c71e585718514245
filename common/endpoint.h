/* endpoint.h - the URL of a model's server, taken apart once and strictly. Supervisor (which resolves the host) and gateway (which
 * connects) read it with the same code, so that no two parsers can disagree about where it leads.
 *
 * http or https; a name, an IPv4 address or an IPv6 address in brackets; a port from 1 to 65535, or the scheme's own; a path. What
 * could carry a secret or a surprise is refused: credentials, a query, a fragment, "." and ".." in the path, percent signs, and
 * everything that is not printable ASCII. Error texts never repeat any part of the value.
 */
#ifndef CTO_COMMON_ENDPOINT_H
#define CTO_COMMON_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define ENDPOINT_MAX 512 /* bytes of the URL */

struct endpoint {
    bool tls;
    bool ipv6;      /* host is an IPv6 address, without its brackets */
    bool numeric;   /* host is an address */
    char host[254]; /* lower case */
    uint16_t port;
    char path[ENDPOINT_MAX]; /* "" or "/v1": without a slash at its end */
};

int endpoint_parse(const char *url, struct endpoint *ret, struct err *e);
/* "host:port" as a client writes it into Host and into messages: brackets around IPv6. */
#define ENDPOINT_AUTHORITY_SIZE 264
void endpoint_authority(const struct endpoint *ep, char out[ENDPOINT_AUTHORITY_SIZE]);

#endif
