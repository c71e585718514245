/* head.c - see head.h. Order: what the request is (a proxy's, another protocol's), how it is framed, where it goes. */
#include "worker/gateway/head.h"

#include <string.h>
#include <strings.h>

#define TARGET_MAX 2048

static struct head_answer refuse(enum gw_outcome outcome, unsigned status, const char *why) {
    return (struct head_answer){.path = GW_PATH_OTHER, .outcome = outcome, .status = status, .why = why};
}
#define BAD(why) refuse(GW_REFUSED_REQUEST, 400, why)
#define FINE ((struct head_answer){.outcome = GW_OK})

static bool is_token(const char *p, size_t n) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    if (n == 0) return false;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)p[i];
        const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == 0 || !strchr(others, c))) return false;
    }
    return true;
}

static bool is_value(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f) return false;
    return true;
}

static bool named(const struct head_field *f, const char *name) {
    return f->name_len == strlen(name) && strncasecmp(f->name, name, f->name_len) == 0;
}

static bool says(const struct head_field *f, const char *value) {
    return f->value_len == strlen(value) && strncasecmp(f->value, value, f->value_len) == 0;
}

static bool mentions(const struct head_field *f, const char *word) {
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= f->value_len; i++)
        if (strncasecmp(f->value + i, word, n) == 0) return true;
    return false;
}

static size_t count(const struct head *h, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) n += named(&h->fields[i], name);
    return n;
}

static const struct head_field *find(const struct head *h, const char *name) {
    for (size_t i = 0; i < h->n; i++)
        if (named(&h->fields[i], name)) return &h->fields[i];
    return NULL;
}

static struct head_answer check_line(const struct head *h) {
    const char *t = h->target;
    if (strcmp(h->method, "CONNECT") == 0) return refuse(GW_REFUSED_REQUEST, 405, "CONNECT: this is no proxy");
    if (strcmp(h->version, "HTTP/1.1") != 0) return refuse(GW_REFUSED_REQUEST, 505, "only HTTP/1.1 is spoken here");
    if (!is_token(h->method, strlen(h->method))) return BAD("the method is not a token");
    for (const char *p = t; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return BAD("the target has a character that may not be there");
    if (strlen(t) > TARGET_MAX) return refuse(GW_REFUSED_REQUEST, 414, "the target is too long");
    if (strstr(t, "://") != NULL && t[0] != '/') return BAD("a target in absolute form: this is no proxy");
    if (t[0] != '/') return BAD("the target does not begin with a slash");
    return FINE;
}

static struct head_answer check_fields(const struct head *h) {
    size_t bytes = strlen(h->method) + strlen(h->target) + 12;
    if (h->n > HEAD_FIELDS_MAX) return refuse(GW_REFUSED_REQUEST, 431, "too many headers");
    for (size_t i = 0; i < h->n; i++) {
        const struct head_field *f = &h->fields[i];
        if (!is_token(f->name, f->name_len)) return BAD("the name of a header is not a token");
        if (!is_value(f->value, f->value_len)) return BAD("a header has a control character in it");
        bytes += f->name_len + f->value_len + 4;
    }
    if (bytes > h->bytes_max) return refuse(GW_REFUSED_REQUEST, 431, "the headers are too large");
    if (count(h, "host") != 1) return BAD("there must be exactly one Host header");
    return FINE;
}

static struct head_answer check_protocol(const struct head *h) {
    static const char *const others[] = {"http2-settings", "sec-websocket-key", "sec-websocket-version",
                                         "proxy-authorization", "proxy-connection"};
    if (find(h, "upgrade")) return BAD("Upgrade: no other protocol is spoken here");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (find(h, others[i])) return BAD("a header of another protocol, or of a proxy");
    for (size_t i = 0; i < h->n; i++)
        if (named(&h->fields[i], "connection") && mentions(&h->fields[i], "upgrade"))
            return BAD("Connection: no other protocol is spoken here");
    const struct head_field *expect = find(h, "expect"), *encoding = find(h, "content-encoding");
    if (expect && !says(expect, "100-continue"))
        return refuse(GW_REFUSED_REQUEST, 417, "an expectation that is not known");
    if (encoding && !says(encoding, "identity"))
        return refuse(GW_REFUSED_REQUEST, 415, "a body may not be compressed: its model must be seen");
    return FINE;
}

/* How long is the body? Exactly one answer may be there. */
static struct head_answer check_framing(const struct head *h) {
    const struct head_field *length = find(h, "content-length"), *te = find(h, "transfer-encoding");
    struct head_answer a = FINE;
    if (count(h, "content-length") > 1) return BAD("two Content-Length headers");
    if (count(h, "transfer-encoding") > 1) return BAD("two Transfer-Encoding headers");
    if (length && te) return BAD("Content-Length together with Transfer-Encoding");
    if (te && !says(te, "chunked")) return refuse(GW_REFUSED_REQUEST, 501, "a Transfer-Encoding that is not chunked");
    if (!length) return a;
    if (length->value_len == 0 || length->value_len > 18) return BAD("Content-Length is not a number");
    for (size_t i = 0; i < length->value_len; i++) {
        const char c = length->value[i];
        if (c < '0' || c > '9') return BAD("Content-Length is not a number");
        a.length = a.length * 10 + (uint64_t)(c - '0');
    }
    if (a.length > h->body_max) return refuse(GW_REFUSED_REQUEST, 413, "the body is too large");
    return a;
}

enum gw_path head_path(const char *target) {
    const size_t n = strcspn(target, "?");
    for (unsigned k = GW_PATH_MODELS; k < GW_PATH_OTHER; k++)
        if (strlen(gw_path_name(k)) == n && memcmp(gw_path_name(k), target, n) == 0) return (enum gw_path)k;
    return GW_PATH_OTHER;
}

struct head_answer head_check(const struct head *h) {
    struct head_answer (*const checks[])(const struct head *) = {check_line, check_fields, check_protocol,
                                                                 check_framing};
    struct head_answer a = FINE;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        a = checks[i](h);
        if (a.outcome != GW_OK) return a;
    }
    const uint64_t length = a.length;
    const enum gw_path path = head_path(h->target);
    const char *method = path == GW_PATH_MODELS ? "GET" : "POST";
    if (path == GW_PATH_OTHER)
        return refuse(GW_REFUSED_PATH, 404,
                      "only GET /v1/models, POST /v1/chat/completions and POST /v1/responses are here");
    if (strcmp(h->method, method) != 0) {
        a = refuse(GW_REFUSED_PATH, 405, "this path has another method: GET /v1/models, POST for the two others");
        a.path = path;
        return a;
    }
    if (path == GW_PATH_MODELS && (length > 0 || find(h, "transfer-encoding"))) return BAD("a GET with a body");
    a.path = path;
    a.length = length;
    return a;
}
