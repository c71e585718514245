/* trust.h - whom TLS believes: one store of certificates, read once, before the confinement, and shared by all connections. libcurl
 * alone would read and parse the bundle again for each connection: 7 ms and more than a MiB each, and from a file. */
#ifndef CTO_WORKER_GATEWAY_TRUST_H
#define CTO_WORKER_GATEWAY_TRUST_H

#include "common/err.h"

struct trust;
/* PEM. `path` NULL: the host's own bundle. A file without any certificate is an error. */
int trust_read(const char *path, struct trust **ret, struct err *e);
/* For the TLS context of one connection (SSL_CTX *). */
int trust_apply(const struct trust *t, void *ssl_ctx);
void trust_free(struct trust *t);

#endif
