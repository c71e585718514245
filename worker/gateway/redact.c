/* redact.c - a table of needles by their first byte; at each place that could begin one, the needles are tried. Which places those are
 * is the hot path, since every byte of every answer passes here. A window is as long as the shortest needle, so one look at its last
 * four bytes says whether any of its first places may begin one; where a backslash is in it, which may be an escape and so move
 * everything, each place is looked at by its own two bytes. A needle is compared character by character with what a JSON escape at that
 * place stands for, so one needle covers all of its escaped forms. */
#include "worker/gateway/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WINDOW_MAX 32
#define BLOCK 1024 /* that far a backslash is looked for at once */
#define GRAM 4
#define GRAM_BITS 16
#define FORMS 9 /* as it is, URL-encoded, hexadecimal, base64 three times in two alphabets */
#define NEEDLES_MAX ((GW_REDACT_MAX + 4) * FORMS)

struct needle {
    char *text;
    size_t len;
    bool any_case;
    char label[80]; /* what stands there instead */
    int next;       /* with the same first byte; -1: none */
};

struct redact {
    struct needle v[NEEDLES_MAX];
    int n;
    int first[256];                      /* head of the chain; -1 */
    bool starts[256];                    /* may this byte begin a value, in any form */
    uint8_t pairs[256 * 256 / 8];        /* may these two */
    uint8_t grams[1 << (GRAM_BITS - 3)]; /* may these four stand in the window that one begins */
    size_t longest, window;
};

static unsigned lower(unsigned c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
static unsigned upper(unsigned c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

/* --- making the table --------------------------------------------------------------------------------------------- */
static void add(struct redact *r, const char *name, const char *text, size_t len, bool any_case) {
    if (len < GW_REDACT_VALUE_MIN) return;
    BUG_UNLESS(r->n < NEEDLES_MAX);
    struct needle *n = &r->v[r->n++];
    n->text = malloc(len + 1);
    BUG_UNLESS(n->text != NULL);
    memcpy(n->text, text, len);
    n->text[len] = 0;
    n->len = len;
    n->any_case = any_case;
    snprintf(n->label, sizeof n->label, "[redacted:%s]", name);
    if (len > r->longest) r->longest = len;
}

static bool plain_in_url(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("-_.~", c) != NULL);
}

static void add_url_form(struct redact *r, const char *name, const char *value) {
    struct buf b = BUF_INIT(16384);
    for (const char *p = value; *p; p++)
        if (plain_in_url((unsigned char)*p))
            buf_put(&b, p, 1);
        else
            buf_printf(&b, "%%%02X", (unsigned char)*p);
    if (strcmp(buf_str(&b), value) != 0) add(r, name, buf_str(&b), b.len, true);
    buf_release(&b);
}

static void add_hex_form(struct redact *r, const char *name, const char *value) {
    struct buf b = BUF_INIT(16384);
    for (const char *p = value; *p; p++) buf_printf(&b, "%02x", (unsigned char)*p);
    add(r, name, buf_str(&b), b.len, true);
    buf_release(&b);
}

/* The characters of base64 that depend on the value alone, when `shift` bytes of something else stand before it. */
static void add_base64_form(struct redact *r, const char *name, const char *value, size_t shift) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bool two = false;
    struct buf b = BUF_INIT(16384);
    const size_t n = strlen(value), bits = (shift + n) * 8;
    for (size_t at = 0; at + 6 <= bits; at += 6) {
        if (at < shift * 8) continue;
        unsigned d = 0;
        for (size_t i = at; i < at + 6; i++) {
            const unsigned byte = (unsigned char)value[i / 8 - shift];
            d = d << 1 | (byte >> (7 - i % 8) & 1u);
        }
        two |= d >= 62;
        buf_put(&b, &digits[d], 1);
    }
    add(r, name, buf_str(&b), b.len, false);
    for (size_t i = 0; two && i < b.len; i++) /* the alphabet of URLs */
        b.p[i] = b.p[i] == '+' ? '-' : b.p[i] == '/' ? '_' : b.p[i];
    if (two) add(r, name, buf_str(&b), b.len, false);
    buf_release(&b);
}

static void add_value(struct redact *r, const char *name, const char *value, bool any_case) {
    add(r, name, value, strlen(value), any_case);
    if (strlen(value) < GW_REDACT_VALUE_MIN) return;
    add_url_form(r, name, value);
    add_hex_form(r, name, value);
    for (size_t shift = 0; shift < 3; shift++) add_base64_form(r, name, value, shift);
}

/* Host and port, and as they stand in the URL, where the port may be left out: so a server's own words name it, and the Host header that it
 * got. No needle begins another: which of them is found does not depend on where a piece ends. */
static void add_authority(struct redact *r, const struct gw_config *c, const char *url) {
    char whole[ENDPOINT_AUTHORITY_SIZE], written[ENDPOINT_MAX];
    endpoint_authority(&c->endpoint, whole);
    const char *at = strstr(url, "://");
    snprintf(written, sizeof written, "%.*s", at ? (int)strcspn(at + 3, "/") : 0, at ? at + 3 : "");
    const size_t n = strlen(written);
    const bool begins = n >= GW_REDACT_VALUE_MIN && strncasecmp(written, whole, n) == 0;
    if (!begins) add_value(r, "endpoint", whole, true);
    if (n > 0) add_value(r, "endpoint", written, true);
}

static int by_length(const void *a, const void *b) {
    const struct needle *x = a, *y = b;
    return (x->len < y->len) - (x->len > y->len);
}

static void set_pair(struct redact *r, unsigned a, unsigned b) {
    r->starts[a] = true;
    r->pairs[(a << 8 | b) / 8] |= (uint8_t)(1u << (b % 8));
}

static bool has_pair(const struct redact *r, unsigned a, unsigned b) {
    return (r->pairs[(a << 8 | b) / 8] >> (b % 8) & 1) != 0;
}

/* Each of the first two characters as it is, in another case, or escaped. */
static void set_pairs(struct redact *r, const struct needle *n) {
    const unsigned a = (unsigned char)n->text[0], b = (unsigned char)n->text[1];
    const unsigned first[] = {a, n->any_case ? lower(a) : a, n->any_case ? upper(a) : a};
    const unsigned second[] = {b, n->any_case ? lower(b) : b, n->any_case ? upper(b) : b, '\\'};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        for (size_t j = 0; j < sizeof second / sizeof second[0]; j++) set_pair(r, first[i], second[j]);
        set_pair(r, '\\', first[i]);
    }
    set_pair(r, '\\', 'u');
}

/* Four bytes as they are in any case; two sets of them may share a bit. */
static uint32_t gram_at(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return (v | 0x20202020u) * 0x9e3779b1u >> (32 - GRAM_BITS);
}

static bool has_gram(const struct redact *r, const void *p) {
    const uint32_t g = gram_at(p);
    return r->grams[g / 8] >> g % 8 & 1u;
}

/* Those that a look can meet: within the first bytes of a needle, as many as a window has. */
static void set_grams(struct redact *r, const struct needle *n) {
    for (size_t j = 0; j + GRAM <= r->window; j++) {
        const uint32_t g = gram_at(n->text + j);
        r->grams[g / 8] |= (uint8_t)(1u << g % 8);
    }
}

struct redact *redact_new(const struct gw_config *c) {
    char url[ENDPOINT_MAX];
    struct redact *r = calloc(1, sizeof *r);
    BUG_UNLESS(r != NULL);
    if (c->endpoint_url) {
        snprintf(url, sizeof url, "%s", c->endpoint_url);
        for (size_t n = strlen(url); n > 0 && url[n - 1] == '/'; n--) url[n - 1] = 0;
        add_value(r, "endpoint", url, true);
        add_authority(r, c, url);
    }
    if (*c->key) add_value(r, "key", c->key, false);
    for (int i = 0; i < c->n_redact; i++) add_value(r, c->redact[i].name, c->redact[i].value, false);
    qsort(r->v, (size_t)r->n, sizeof r->v[0], by_length); /* the longest is tried first */
    for (int i = 0; i < 256; i++) r->first[i] = -1;
    r->window = WINDOW_MAX;
    for (int i = 0; i < r->n; i++)
        if (r->v[i].len < r->window) r->window = r->v[i].len;
    for (int i = r->n; i-- > 0;) {
        const unsigned char c0 = (unsigned char)r->v[i].text[0];
        r->v[i].next = r->first[c0];
        r->first[c0] = i;
        set_pairs(r, &r->v[i]);
        set_grams(r, &r->v[i]);
    }
    return r;
}

void redact_free(struct redact *r) {
    if (!r) return;
    for (int i = 0; i < r->n; i++) free(r->v[i].text);
    free(r);
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */
enum { NO = 0, MORE = -1 }; /* MORE: it is the beginning of one as far as it goes */

/* The character that stands at p, and how many bytes it takes; 0: the text ends inside of it. */
static size_t character(const uint8_t *p, size_t n, unsigned *ret) {
    *ret = p[0];
    if (p[0] != '\\') return 1;
    if (n < 2) return 0;
    if (p[1] != 'u') {
        *ret = p[1]; /* \/ \" \\; of \n and the like no value has what they stand for */
        return 2;
    }
    unsigned v = 0;
    for (size_t i = 2; i < 6; i++) {
        if (i >= n) return 0;
        const unsigned l = lower(p[i]);
        const bool digit = l >= '0' && l <= '9';
        if (!digit && (l < 'a' || l > 'f')) return 1; /* no escape after all */
        v = v << 4 | (digit ? l - '0' : l - 'a' + 10);
    }
    *ret = v;
    return 6;
}

/* Bytes that the needle takes at p, NO or MORE. With `escapes` a backslash begins an escape. */
static long match(const struct needle *k, const uint8_t *p, size_t n, bool escapes) {
    size_t at = 0;
    for (size_t i = 0; i < k->len; i++) {
        unsigned c, want = (unsigned char)k->text[i];
        if (at == n) return MORE;
        size_t used = 1;
        c = p[at];
        if (escapes) used = character(p + at, n - at, &c);
        if (used == 0) return MORE;
        if (c != want && !(k->any_case && lower(c) == lower(want))) return NO;
        at += used;
    }
    return (long)at;
}

static long try_chain(const struct redact *r, int i, const uint8_t *p, size_t n, const char **ret_label) {
    bool more = false;
    for (; i >= 0; i = r->v[i].next) {
        for (int escapes = 0; escapes < 2; escapes++) {
            const long m = match(&r->v[i], p, n, escapes != 0);
            if (m > 0) {
                *ret_label = r->v[i].label;
                return m;
            }
            more |= m == MORE;
        }
    }
    return more ? MORE : NO;
}

/* What begins at p: bytes of a value, NO or MORE. */
static long at_place(const struct redact *r, const uint8_t *p, size_t n, const char **ret_label) {
    unsigned c = p[0];
    bool more = false;
    if (c == '\\' && character(p, n, &c) == 0) return MORE;
    const unsigned as[] = {p[0], c, lower(c), upper(c)};
    for (size_t i = 0; i < 4; i++) {
        bool seen = as[i] > 255;
        for (size_t j = 0; j < i; j++) seen |= as[j] == as[i];
        if (seen) continue;
        const long m = try_chain(r, r->first[as[i]], p, n, ret_label);
        if (m > 0) return m;
        more |= m == MORE;
    }
    return more ? MORE : NO;
}

static bool may_begin(const struct redact *r, const uint8_t *p, size_t n) {
    return r->starts[p[0]] && (n == 1 || has_pair(r, p[0], p[1]));
}

/* The first place in [i, end) that may begin a value, looked at one by one. */
static size_t careful(const struct redact *r, const uint8_t *p, size_t i, size_t end, size_t n) {
    while (i < end && !may_begin(r, p + i, n - i)) i++;
    return i;
}

/* The first place from p[i] on that may begin a value; n: there is none. Whatever begins at one of the `step` places of a window has the
 * window's last four bytes among its first ones. The looks do not wait for each other, as those of a table of shifts would. */
static size_t next_place(const struct redact *r, const uint8_t *p, size_t i, size_t n) {
    const size_t w = r->window, step = w - GRAM + 1;
    while (n - i >= w) {
        const size_t limit = n - i < BLOCK ? n : i + BLOCK;
        const uint8_t *backslash = memchr(p + i, '\\', limit - i);
        const size_t clear = backslash ? (size_t)(backslash - p) : limit;
        for (; i + w <= clear; i += step) {
            if (!has_gram(r, p + i + step - 1)) continue;
            const size_t at = careful(r, p, i, i + step, n);
            if (at < i + step) return at;
        }
        if (!backslash) continue;
        i = careful(r, p, i, clear + 1, n);
        if (i <= clear) return i;
    }
    return careful(r, p, i, n, n);
}

/* Appends what is decided and returns how many bytes of p that was. */
static size_t decide(const struct redact *r, const uint8_t *p, size_t n, bool whole, struct buf *out, uint64_t *found) {
    size_t done = 0, i = 0;
    while ((i = next_place(r, p, i, n)) < n) {
        const char *label = NULL;
        const long m = at_place(r, p + i, n - i, &label);
        if (m == NO || (m == MORE && whole)) {
            i++;
            continue;
        }
        buf_put(out, p + done, i - done);
        done = i;
        if (m == MORE) return done;
        buf_puts(out, label);
        done = i = i + (size_t)m;
        (*found)++;
    }
    buf_put(out, p + done, n - done);
    return n;
}

size_t redact_find(const struct redact *r, const void *p, size_t n, size_t from, size_t *ret_n) {
    const uint8_t *bytes = p;
    size_t i = from;
    *ret_n = 0;
    while (i < n && (i = next_place(r, bytes, i, n)) < n) {
        const char *label = NULL;
        const long m = at_place(r, bytes + i, n - i, &label);
        if (m == NO) {
            i++;
            continue;
        }
        if (m > 0) *ret_n = (size_t)m;
        return i;
    }
    return n;
}

size_t redact_longest(const struct redact *r) { return r->longest; }

void redact_begin(struct redact_stream *s, const struct redact *r) {
    *s = (struct redact_stream){.r = r, .carry = BUF_INIT(6 * r->longest + (64u << 10))};
}

void redact_release(struct redact_stream *s) { buf_release(&s->carry); }

void redact_feed(struct redact_stream *s, const void *p, size_t n, struct buf *out) {
    const uint8_t *bytes = p;
    /* With a carry, small pieces at a time: the carry never grows above its bound. */
    while (s->carry.len > 0 && n > 0) {
        const size_t step = n < (32u << 10) ? n : 32u << 10;
        buf_put(&s->carry, bytes, step);
        bytes += step;
        n -= step;
        buf_consume(&s->carry, decide(s->r, s->carry.p, s->carry.len, false, out, &s->found));
    }
    const size_t done = decide(s->r, bytes, n, false, out, &s->found);
    if (done < n) buf_put(&s->carry, bytes + done, n - done);
    if (s->carry.bad) out->bad = true;
}

void redact_end(struct redact_stream *s, struct buf *out) {
    if (s->carry.len > 0) decide(s->r, s->carry.p, s->carry.len, true, out, &s->found);
    buf_release(&s->carry);
}

uint64_t redact_whole(const struct redact *r, const void *p, size_t n, struct buf *out) {
    const uint8_t *bytes = p;
    const char *label;
    uint64_t found = 0;
    size_t i = 0;
    while ((i = next_place(r, bytes, i, n)) < n && at_place(r, bytes + i, n - i, &label) <= 0) i++;
    if (i >= n) return 0;
    buf_reset(out);
    decide(r, bytes, n, true, out, &found);
    return found;
}
