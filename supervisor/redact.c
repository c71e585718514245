/* redact.c - see redact.h.
 *
 * Each value becomes five patterns: plain, base64 at three alignments, hexadecimal. A pattern is a row of atoms; an atom can be spelled
 * in several ways of different length, so a match is followed with the set of places where it may have come to, which has one element
 * in practice. Nearly all bytes never get there: a bitmap of the pairs of bytes with which any spelling of any value can begin (8 KiB, in
 * the first-level cache) lets them pass at two loads each.
 *
 * The base64 patterns hold only the digits that the value alone decides: at alignment k the first digits mix in bits of whatever stands
 * before it, and the last may mix in what follows.
 */
#include "supervisor/redact.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

#define PATTERNS_MAX (5 * REDACT_VALUES_MAX)
#define PLACES_MAX 32 /* where one match may have come to; only values full of "%25" have more than two */
#define BACKSLASHES_MAX 4
#define BREAK_MAX 5u /* \r\n of JSON and the sign of a diff */
#define ATOM_MAX (BACKSLASHES_MAX + 5u)

enum kind { PLAIN, BASE64, HEX };

struct pattern {
    enum kind kind;
    int name;
    size_t n;
    char *atoms; /* owned */
};

struct redactor {
    char names[REDACT_VALUES_MAX][REDACT_NAME_MAX + 1];
    int n_names, n_patterns;
    struct pattern patterns[PATTERNS_MAX];
    size_t span;
    uint64_t first[256];      /* bit per pattern: a spelling of it begins so */
    uint8_t pairs[65536 / 8]; /* some spelling of some pattern begins with these two bytes */
};

struct redact_stream {
    const struct redactor *r;
    size_t n_held;
    uint8_t *held; /* 2 * span, when first needed */
    uint64_t found[REDACT_VALUES_MAX];
};

/* --- atoms ------------------------------------------------------------------------------------------------------------------ */

/* What is being looked at, and what was learned: where the atom may end, and whether more bytes might have made it one. */
struct look {
    const uint8_t *p;
    size_t n;
    bool more;
    int n_ends;
    size_t ends[PLACES_MAX];
};

static void ends_at(struct look *l, size_t at) {
    for (int i = 0; i < l->n_ends; i++)
        if (l->ends[i] == at) return;
    if (l->n_ends < PLACES_MAX) l->ends[l->n_ends++] = at;
}

/* Is there byte c (of either case when it is a letter of a number)? */
static bool is_at(struct look *l, size_t at, char c) {
    if (at >= l->n) {
        l->more = true;
        return false;
    }
    return l->p[at] == (uint8_t)c;
}

static bool digits_at(struct look *l, size_t at, unsigned value, int digits, unsigned bits) {
    for (int i = digits - 1; i >= 0; i--, at++) {
        const unsigned v = value >> (bits * (unsigned)i) & ((1u << bits) - 1);
        if (at >= l->n) {
            l->more = true;
            return false;
        }
        const uint8_t c = l->p[at];
        if (c != (uint8_t) "0123456789abcdef"[v] && c != (uint8_t) "0123456789ABCDEF"[v]) return false;
    }
    return true;
}

static void percent(struct look *l, size_t at, char c) {
    if (digits_at(l, at + 1, (unsigned char)c, 2, 4)) ends_at(l, at + 3);
    if (is_at(l, at + 1, '2') && is_at(l, at + 2, '5') && digits_at(l, at + 3, (unsigned char)c, 2, 4))
        ends_at(l, at + 5);
}

static void backslash(struct look *l, size_t at, char c) {
    const unsigned v = (unsigned char)c;
    for (int k = 1; k <= BACKSLASHES_MAX && is_at(l, at, '\\'); k++, at++) {
        if (is_at(l, at + 1, 'u') && digits_at(l, at + 2, v, 4, 4)) ends_at(l, at + 6);
        if (is_at(l, at + 1, 'x') && digits_at(l, at + 2, v, 2, 4)) ends_at(l, at + 4);
        if (digits_at(l, at + 1, v, 3, 3)) ends_at(l, at + 4);
        if (ispunct((unsigned char)c) && is_at(l, at + 1, c)) ends_at(l, at + 2);
    }
}

static void plain(struct look *l, size_t at, char c) {
    if (at >= l->n) {
        l->more = true;
        return;
    }
    if (l->p[at] == (uint8_t)c) ends_at(l, at + 1);
    if (l->p[at] == '%') percent(l, at, c);
    if (l->p[at] == '\\') backslash(l, at, c);
}

static void base64_digit(struct look *l, size_t at, char c) {
    if (isalnum((unsigned char)c)) {
        if (is_at(l, at, c)) ends_at(l, at + 1);
        return;
    }
    plain(l, at, c);
    if (is_at(l, at, c == '+' ? '-' : '_')) ends_at(l, at + 1);
}

static void hex_digit(struct look *l, size_t at, char c) {
    if (is_at(l, at, c) || is_at(l, at, (char)toupper((unsigned char)c))) ends_at(l, at + 1);
}

static void digit(struct look *l, enum kind kind, size_t at, char c) {
    if (kind == BASE64)
        base64_digit(l, at, c);
    else
        hex_digit(l, at, c);
}

/* A line may have been broken before a digit. Where it goes on, the line of a diff has its sign. */
static void after_break(struct look *l, enum kind kind, size_t at, char c) {
    digit(l, kind, at, c);
    if (at < l->n && (l->p[at] == '+' || l->p[at] == '-' || l->p[at] == ' ')) digit(l, kind, at + 1, c);
}

static void broken(struct look *l, enum kind kind, size_t at, char c) {
    if (at >= l->n) return; /* digit() has seen that */
    if (l->p[at] == '\n') after_break(l, kind, at + 1, c);
    if (l->p[at] == '\r' && is_at(l, at + 1, '\n')) after_break(l, kind, at + 2, c);
    if (l->p[at] != '\\') return;
    if (is_at(l, at + 1, 'n')) after_break(l, kind, at + 2, c);
    if (is_at(l, at + 1, 'r') && is_at(l, at + 2, '\\') && is_at(l, at + 3, 'n')) after_break(l, kind, at + 4, c);
}

/* --- patterns ---------------------------------------------------------------------------------------------------------------- */

#define WHOLE 1u /* there is one, and *ret_end is the end of the longest */
#define OPEN 2u  /* more bytes might make one, or a longer one */

/* All spellings of one atom, from each place to which those before it have come. */
static void step(const struct pattern *pt, size_t i, struct look *l) {
    size_t from[PLACES_MAX];
    const int n_from = l->n_ends;
    memcpy(from, l->ends, (size_t)n_from * sizeof from[0]);
    l->n_ends = 0;
    for (int k = 0; k < n_from; k++) {
        if (pt->kind == PLAIN) {
            plain(l, from[k], pt->atoms[i]);
        } else {
            digit(l, pt->kind, from[k], pt->atoms[i]);
            if (i > 0) broken(l, pt->kind, from[k], pt->atoms[i]);
        }
    }
}

/* Can it begin nothing but itself? */
static bool is_dull(enum kind kind, uint8_t c) {
    if (c == '%' || c == '\\' || c == '\n' || c == '\r') return false;
    return kind == PLAIN || (kind == HEX ? c > 'F' || c < 'A' : c != '-' && c != '_');
}

static unsigned match(const struct pattern *pt, const uint8_t *p, size_t n, size_t *ret_end) {
    struct look l;
    l.p = p;
    l.n = n;
    l.more = false;
    l.n_ends = 1;
    l.ends[0] = 0;
    for (size_t i = 0; i < pt->n && l.n_ends > 0; i++) {
        size_t at = l.ends[0];
        if (l.n_ends == 1) { /* as it nearly always is, and then nearly always a byte that is itself, or is not */
            for (; i < pt->n && at < n && p[at] == (uint8_t)pt->atoms[i] && p[at] != '%'; at++) i++;
            l.ends[0] = at;
            if (i == pt->n) break;
            if (at < n && is_dull(pt->kind, p[at])) return l.more ? OPEN : 0;
        }
        step(pt, i, &l);
    }
    size_t end = 0;
    for (int k = 0; k < l.n_ends; k++)
        if (l.ends[k] > end) end = l.ends[k];
    if (l.n_ends > 0) *ret_end = end;
    return (l.n_ends > 0 ? WHOLE : 0) | (l.more ? OPEN : 0);
}

static size_t span_of(const struct pattern *pt) {
    size_t span = 0;
    for (size_t i = 0; i < pt->n; i++) {
        const bool short_one = pt->kind == HEX || (pt->kind == BASE64 && isalnum((unsigned char)pt->atoms[i]));
        span += (short_one ? 1u : ATOM_MAX) + (pt->kind == PLAIN ? 0u : BREAK_MAX);
    }
    return span;
}

static void add_pattern(struct redactor *r, enum kind kind, int name, const char *atoms, size_t n) {
    BUG_UNLESS(r->n_patterns < PATTERNS_MAX && n > 2);
    struct pattern *pt = &r->patterns[r->n_patterns++];
    *pt = (struct pattern){.kind = kind, .name = name, .n = n, .atoms = strndup(atoms, n)};
    BUG_UNLESS(pt->atoms != NULL);
    const size_t span = span_of(pt);
    if (span > r->span) r->span = span;
}

/* The digits that begin `skip` bits into the value; those of which all six bits are the value's. */
static void add_base64(struct redactor *r, int name, const char *value, size_t n, size_t skip) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char digits[REDACT_VALUE_MAX * 4 / 3 + 4];
    size_t n_digits = 0;
    for (size_t bit = skip; bit + 6 <= 8 * n; bit += 6) {
        unsigned v = 0;
        for (size_t b = bit; b < bit + 6; b++) v = v << 1 | ((unsigned)(unsigned char)value[b / 8] >> (7 - b % 8) & 1u);
        digits[n_digits++] = alphabet[v];
    }
    add_pattern(r, BASE64, name, digits, n_digits);
}

static void add_value(struct redactor *r, int name, const char *value) {
    const size_t n = strlen(value);
    char hex[2 * REDACT_VALUE_MAX + 1];
    for (int k = 0; k < r->n_patterns; k++) /* the same value again */
        if (r->patterns[k].kind == PLAIN && r->patterns[k].n == n && memcmp(r->patterns[k].atoms, value, n) == 0)
            return;
    add_pattern(r, PLAIN, name, value, n);
    add_base64(r, name, value, n, 0);
    add_base64(r, name, value, n, 4); /* after one byte of something else: 8 + 4 bits are two digits */
    add_base64(r, name, value, n, 2); /* after two */
    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", (unsigned char)value[i]);
    add_pattern(r, HEX, name, hex, 2 * n);
}

static int name_index(struct redactor *r, const char *name) {
    for (int i = 0; i < r->n_names; i++)
        if (strcmp(r->names[i], name) == 0) return i;
    snprintf(r->names[r->n_names], sizeof r->names[0], "%s", name);
    return r->n_names++;
}

/* By asking the patterns themselves, so that filter and match cannot disagree. */
static void build_filter(struct redactor *r) {
    size_t end;
    for (unsigned b = 0; b < 65536; b++) {
        const uint8_t pair[2] = {(uint8_t)(b >> 8), (uint8_t)b};
        if (pair[1] == 0)
            for (int k = 0; k < r->n_patterns; k++)
                if (match(&r->patterns[k], pair, 1, &end) & OPEN) r->first[pair[0]] |= UINT64_C(1) << k;
        if (r->first[pair[0]] == 0) continue;
        for (int k = 0; k < r->n_patterns; k++)
            if (r->first[pair[0]] >> k & 1u && match(&r->patterns[k], pair, 2, &end) & OPEN) {
                r->pairs[b >> 3] |= (uint8_t)(1u << (b & 7));
                break;
            }
    }
}

static bool is_name(const char *name) {
    const size_t n = strlen(name);
    return n > 0 && n <= REDACT_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

int redactor_add_name(struct redactor *r, const char *name) {
    return r->n_names < REDACT_VALUES_MAX && is_name(name) ? name_index(r, name) : -1;
}

/* A value may not be shown, and what is wrong with it must be: most often it is the end of the line that it was read from. */
static const char *called(char c) {
    switch (c) {
    case '\n': return "a line feed";
    case '\r': return "a carriage return";
    case '\t': return "a tab";
    case ' ': return "a space";
    case '"': return "a quotation mark";
    case '\\': return "a backslash";
    default: return (unsigned char)c < 0x80 ? "a control character" : "no ASCII";
    }
}

int redact_value_check(const char *name, const char *value, struct err *e) {
    const size_t n = strlen(value);
    if (!is_name(name)) return err_set(e, ERR_USAGE, "\"%.40s\" is no name for a known value", name);
    if (strcmp(value, "EMPTY") == 0)
        return err_set(e, ERR_USAGE, "%s is the placeholder EMPTY, which no output can be searched for: leave it unset",
                       name);
    if (n < REDACT_VALUE_MIN)
        return err_set(e, ERR_USAGE, "%s has %zu bytes, too few to be told from other text: at least %d are needed",
                       name, n, REDACT_VALUE_MIN);
    if (n > REDACT_VALUE_MAX)
        return err_set(e, ERR_USAGE, "%s has %zu bytes, more than %d cannot be searched for", name, n,
                       REDACT_VALUE_MAX);
    /* Reports are made of such words: one of them as a value would be cut out of what they say. */
    if (strspn(value, "abcdefghijklmnopqrstuvwxyz-_") == n)
        return err_set(e, ERR_USAGE, "%s is made of small letters alone, so it cannot be told from a word", name);
    for (size_t i = 0; i < n; i++)
        if (value[i] <= 0x20 || value[i] >= 0x7f || value[i] == '\\' || value[i] == '"')
            return err_set(e, ERR_USAGE, "%s: byte %zu of %zu is %s, which no address and no key has", name, i + 1, n,
                           called(value[i]));
    return 0;
}

int redactor_new(const struct redact_value *v, size_t n, struct redactor **ret, struct err *e) {
    if (n > REDACT_VALUES_MAX) return err_set(e, ERR_LIMIT, "more than %d known values", REDACT_VALUES_MAX);
    for (size_t i = 0; i < n; i++)
        if (redact_value_check(v[i].name, v[i].value, e) < 0) return -1;
    struct redactor *r = calloc(1, sizeof *r);
    BUG_UNLESS(r != NULL);
    for (size_t i = 0; i < n; i++) add_value(r, name_index(r, v[i].name), v[i].value);
    build_filter(r);
    *ret = r;
    return 0;
}

void redactor_free(struct redactor *r) {
    if (!r) return;
    for (int k = 0; k < r->n_patterns; k++) {
        explicit_bzero(r->patterns[k].atoms, r->patterns[k].n);
        free(r->patterns[k].atoms);
    }
    free(r);
}

int redactor_names(const struct redactor *r) { return r ? r->n_names : 0; }
const char *redactor_name(const struct redactor *r, int i) { return r->names[i]; }
size_t redactor_span(const struct redactor *r) { return r->span; }

/* --- streams ------------------------------------------------------------------------------------------------------------------ */

static size_t next_candidate(const struct redactor *r, const uint8_t *p, size_t at, size_t n) {
    for (; at + 1 < n; at++) {
        const unsigned b = (unsigned)p[at] << 8 | p[at + 1];
        if (r->pairs[b >> 3] >> (b & 7) & 1u) return at;
    }
    return at < n && r->first[p[at]] ? at : n;
}

/* Of all patterns at this place the longest match. */
static unsigned decide(const struct redactor *r, const uint8_t *p, size_t n, size_t *ret_end, int *ret_name) {
    unsigned all = 0;
    *ret_end = 0;
    for (uint64_t left = r->first[p[0]]; left; left &= left - 1) {
        const struct pattern *pt = &r->patterns[__builtin_ctzll(left)];
        size_t end = 0;
        const unsigned one = match(pt, p, n, &end);
        all |= one;
        if (one & WHOLE && end > *ret_end) {
            *ret_end = end;
            *ret_name = pt->name;
        }
    }
    return all;
}

static int put(redact_emit_fn emit, void *ctx, const uint8_t *p, size_t n, struct err *e) {
    return n == 0 ? 0 : emit(ctx, p, n, e);
}

/* Goes through p; *ret_used says how much of it is decided, all when these are the last bytes. */
static int go_through(struct redact_stream *s, const uint8_t *p, size_t n, bool last, redact_emit_fn emit, void *ctx,
                      size_t *ret_used, struct err *e) {
    size_t start = 0, at = 0, end;
    int name = 0;
    while ((at = next_candidate(s->r, p, at, n)) < n) {
        const unsigned d = decide(s->r, p + at, n - at, &end, &name);
        if (d & OPEN && !last) break;
        if (!(d & WHOLE)) {
            at++;
            continue;
        }
        char mark[REDACT_NAME_MAX + 16];
        const int len = snprintf(mark, sizeof mark, "[redacted:%s]", s->r->names[name]);
        if (put(emit, ctx, p + start, at - start, e) < 0 || put(emit, ctx, (uint8_t *)mark, (size_t)len, e) < 0)
            return -1;
        s->found[name]++;
        start = at += end;
    }
    *ret_used = at;
    return put(emit, ctx, p + start, at - start, e);
}

struct redact_stream *redact_stream_new(const struct redactor *r) {
    struct redact_stream *s = calloc(1, sizeof *s);
    BUG_UNLESS(s != NULL);
    s->r = r;
    return s;
}

void redact_stream_free(struct redact_stream *s) {
    if (!s) return;
    if (s->held) explicit_bzero(s->held, 2 * s->r->span);
    free(s->held);
    free(s);
}

static void hold(struct redact_stream *s, const uint8_t *p, size_t n) {
    if (n == 0) return;
    if (!s->held) s->held = malloc(2 * s->r->span);
    BUG_UNLESS(s->held != NULL && s->n_held + n <= 2 * s->r->span);
    memcpy(s->held + s->n_held, p, n);
    s->n_held += n;
}

int redact_feed(struct redact_stream *s, const void *bytes, size_t n, redact_emit_fn emit, void *ctx, struct err *e) {
    const uint8_t *p = bytes;
    size_t used = 0, from = 0;
    if (s->n_held > 0) { /* as many bytes as any match that began before may have */
        const size_t before = s->n_held, more = n < s->r->span ? n : s->r->span;
        hold(s, p, more);
        if (go_through(s, s->held, s->n_held, false, emit, ctx, &used, e) < 0) return -1;
        if (used < before) {
            BUG_UNLESS(more == n);
            memmove(s->held, s->held + used, s->n_held - used);
            s->n_held -= used;
            return 0;
        }
        from = used - before;
        s->n_held = 0;
    }
    if (go_through(s, p + from, n - from, false, emit, ctx, &used, e) < 0) return -1;
    BUG_UNLESS(n - from - used <= s->r->span);
    hold(s, p + from + used, n - from - used);
    return 0;
}

int redact_flush(struct redact_stream *s, redact_emit_fn emit, void *ctx, struct err *e) {
    size_t used;
    const size_t n = s->n_held;
    s->n_held = 0;
    return n == 0 ? 0 : go_through(s, s->held, n, true, emit, ctx, &used, e);
}

uint64_t redact_found(const struct redact_stream *s, int name) { return s->found[name]; }

void redact_take_found(struct redact_stream *s, uint64_t *found) {
    for (int i = 0; i < s->r->n_names; i++) {
        found[i] += s->found[i];
        s->found[i] = 0;
    }
}

uint64_t redact_found_any(const struct redact_stream *s) {
    uint64_t all = 0;
    for (int i = 0; i < s->r->n_names; i++) all += s->found[i];
    return all;
}

static int collect(void *ctx, const void *p, size_t n, struct err *e) {
    (void)e;
    buf_put(ctx, p, n);
    return 0;
}

char *redact_text(const struct redactor *r, const void *p, size_t n, size_t *ret_n, uint64_t *found) {
    if (!r || r->n_patterns == 0) return NULL;
    struct redact_stream s = {.r = r};
    size_t used;
    struct buf out = BUF_INIT(SIZE_MAX / 2);
    /* Nearly every text has nothing in it: no copy is made of that. */
    size_t at = 0, end;
    int name;
    while ((at = next_candidate(r, p, at, n)) < n && !(decide(r, (const uint8_t *)p + at, n - at, &end, &name) & WHOLE))
        at++;
    if (at == n) return NULL;
    BUG_UNLESS(go_through(&s, p, n, true, collect, &out, &used, NULL) == 0);
    for (int i = 0; found && i < r->n_names; i++) found[i] += s.found[i];
    if (ret_n) *ret_n = out.len;
    char *text = buf_detach(&out);
    BUG_UNLESS(text != NULL);
    return text;
}
