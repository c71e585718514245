/* trust.c - see trust.h. */
#include "worker/gateway/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"

#define BUNDLE_MAX (4u << 20)

struct trust {
    X509_STORE *store;
};

static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                      "/etc/ssl/cert.pem"};

static int read_bundle(const char *path, struct buf *out, struct err *e) {
    if (path) {
        /* The operator's own file: a link is his business. */
        if (io_read_file_at(AT_FDCWD, path, BUNDLE_MAX, out, e) < 0) return err_ctx(e, "ca_file");
        return 0;
    }
    for (size_t i = 0; i < sizeof bundles / sizeof bundles[0]; i++)
        if (io_read_file_at(AT_FDCWD, bundles[i], BUNDLE_MAX, out, NULL) == 0) return 0;
    return err_set(e, ERR_MISSING, "TLS: this host has no bundle of certificates; name one in ca_file");
}

static int fill(X509_STORE *store, const struct buf *pem, struct err *e) {
    BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->len);
    int n = 0;
    X509 *x;
    if (!bio) return err_set(e, ERR_SYS, "out of memory");
    while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        n += X509_STORE_add_cert(store, x) == 1;
        X509_free(x);
    }
    ERR_clear_error(); /* the end of the text is one */
    BIO_free(bio);
    return n > 0 ? 0 : err_set(e, ERR_USAGE, "ca_file: there is no certificate in it (PEM)");
}

int trust_read(const char *path, struct trust **ret, struct err *e) {
    AUTO_BUF struct buf pem = BUF_INIT(BUNDLE_MAX + 1);
    if (read_bundle(path, &pem, e) < 0) return -1;
    struct trust *t = calloc(1, sizeof *t);
    if (t) t->store = X509_STORE_new();
    if (!t || !t->store) {
        free(t);
        return err_set(e, ERR_SYS, "out of memory");
    }
    if (fill(t->store, &pem, e) < 0) {
        trust_free(t);
        return -1;
    }
    *ret = t;
    return 0;
}

int trust_apply(const struct trust *t, void *ssl_ctx) { return SSL_CTX_set1_cert_store(ssl_ctx, t->store), 0; }

void trust_free(struct trust *t) {
    if (!t) return;
    X509_STORE_free(t->store);
    free(t);
}
