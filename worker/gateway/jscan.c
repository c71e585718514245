/* jscan.c - a state per byte. The long runs, which are the insides of strings, are skipped by one tight loop. */
#include "worker/gateway/jscan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <string.h>

enum state {
    VALUE,       /* a value must come */
    FIRST_VALUE, /* a value or ] */
    FIRST_KEY,   /* a key or } */
    KEY,
    COLON,
    AFTER, /* , or the end of the container */
    STRING,
    ESCAPE,
    HEX,
    LITERAL,
    MINUS, /* a digit must come */
    ZERO,  /* no digit may follow */
    DIGITS,
    POINT, /* a digit must come */
    FRACTION,
    E, /* sign or digit */
    E_SIGN,
    EXPONENT,
    END
};

static const char *const literals[] = {"true", "false", "null"};

void jscan_init(struct jscan *s, jscan_fn on, void *ctx) {
    memset(s, 0, sizeof *s);
    s->on = on;
    s->ctx = ctx;
    s->state = VALUE;
}

static bool in_object(const struct jscan *s) {
    return s->depth > 0 && (s->is_object[s->depth / 8] >> (s->depth % 8) & 1) != 0;
}

static void text_clear(struct jscan_text *t) {
    t->teller = NULL;
    t->len = 0;
    t->cut = false;
}

static void text_put(struct jscan_text *t, const uint8_t *p, size_t n) {
    const size_t room = sizeof t->p - 1 - t->len;
    if (t->teller) t->teller->part(t->teller->ctx, t->teller, p, n);
    if (n > room) {
        n = room;
        t->cut = true;
    }
    memcpy(t->p + t->len, p, n);
    t->len += n;
}

static void text_byte(struct jscan_text *t, unsigned c) {
    const uint8_t b = (uint8_t)c;
    text_put(t, &b, 1);
}

/* A NUL cannot be told; a half of a surrogate pair alone means nothing. Both make a text that equals no other. */
static void text_code_point(struct jscan_text *t, uint32_t c) {
    if (c == 0 || (c >= 0xd800 && c <= 0xdfff)) {
        t->cut = true;
        text_byte(t, '?');
    } else if (c < 0x80) {
        text_byte(t, c);
    } else if (c < 0x800) {
        text_byte(t, 0xc0 | c >> 6);
        text_byte(t, 0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        text_byte(t, 0xe0 | c >> 12);
        text_byte(t, 0x80 | (c >> 6 & 0x3f));
        text_byte(t, 0x80 | (c & 0x3f));
    } else {
        text_byte(t, 0xf0 | c >> 18);
        text_byte(t, 0x80 | (c >> 12 & 0x3f));
        text_byte(t, 0x80 | (c >> 6 & 0x3f));
        text_byte(t, 0x80 | (c & 0x3f));
    }
}

/* A high half waits for its low one; anything else after it leaves it alone. */
static void flush_high(struct jscan *s) {
    if (s->high != 0) text_code_point(&s->text, s->high);
    s->high = 0;
}

static void set_key(struct jscan *s, const char *key, bool cut) {
    if (s->depth > JSCAN_KEYS) return;
    const size_t n = strlen(key);
    if (cut || n >= JSCAN_KEY_SIZE) {
        memcpy(s->key[s->depth], n >= JSCAN_KEY_SIZE ? JSCAN_KEY_LONG : JSCAN_KEY_ODD, 2);
        return;
    }
    memcpy(s->key[s->depth], key, n + 1);
}

static void tell(struct jscan *s, enum jscan_kind kind, size_t start, size_t end) {
    s->text.p[s->text.len] = 0;
    const struct jscan_value v = {
        .kind = kind, .text = s->text.p, .len = s->text.len, .cut = s->text.cut, .start = start, .end = end};
    if (s->on) s->on(s->ctx, s, &v);
}

static void value_ended(struct jscan *s, enum jscan_kind kind, size_t end) {
    tell(s, kind, s->value_start, end);
    s->state = s->depth == 0 ? END : AFTER;
}

static int open_container(struct jscan *s, bool object) {
    if (s->depth + 1 >= JSCAN_DEPTH) return -1;
    if (s->depth <= JSCAN_KEYS) s->start[s->depth] = s->at;
    s->depth++;
    const uint8_t bit = (uint8_t)(1u << (s->depth % 8));
    s->is_object[s->depth / 8] =
        (uint8_t)(object ? s->is_object[s->depth / 8] | bit : s->is_object[s->depth / 8] & ~bit);
    set_key(s, object ? "" : "[]", false);
    s->state = object ? FIRST_KEY : FIRST_VALUE;
    return 0;
}

static void close_container(struct jscan *s) {
    const bool object = in_object(s);
    s->depth--;
    text_clear(&s->text);
    s->value_start = s->depth <= JSCAN_KEYS ? s->start[s->depth] : s->at;
    value_ended(s, object ? JSCAN_OBJECT : JSCAN_ARRAY, s->at + 1);
}

static void begin_string(struct jscan *s, bool key) {
    text_clear(&s->text);
    if (!key && s->part) s->text.teller = s;
    s->in_key = key;
    s->high = 0;
    s->value_start = s->at;
    s->state = STRING;
}

static void end_string(struct jscan *s) {
    flush_high(s);
    if (!s->in_key) {
        value_ended(s, JSCAN_STRING, s->at + 1);
        return;
    }
    s->text.p[s->text.len] = 0;
    set_key(s, s->text.p, s->text.cut);
    s->state = COLON;
}

static int begin_value(struct jscan *s, uint8_t c) {
    text_clear(&s->text);
    s->value_start = s->at;
    switch (c) {
    case '{': return open_container(s, true);
    case '[': return open_container(s, false);
    case '"': begin_string(s, false); return 0;
    case 't': s->literal = 0; break;
    case 'f': s->literal = 1; break;
    case 'n': s->literal = 2; break;
    case '-':
        text_byte(&s->text, c);
        s->state = MINUS;
        return 0;
    case '0':
        text_byte(&s->text, c);
        s->state = ZERO;
        return 0;
    default:
        if (c < '1' || c > '9') return -1;
        text_byte(&s->text, c);
        s->state = DIGITS;
        return 0;
    }
    s->literal_at = 1;
    s->state = LITERAL;
    return 0;
}

static int in_literal(struct jscan *s, uint8_t c) {
    static const enum jscan_kind kinds[] = {JSCAN_TRUE, JSCAN_FALSE, JSCAN_NULL};
    const char *word = literals[s->literal];
    if ((uint8_t)word[s->literal_at] != c) return -1;
    if (word[++s->literal_at] == 0) value_ended(s, kinds[s->literal], s->at + 1);
    return 0;
}

static int in_escape(struct jscan *s, uint8_t c) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c == 'u') {
        s->unicode = s->hex = 0;
        s->state = HEX;
        return 0;
    }
    const char *f = c ? strchr(from, c) : NULL;
    if (!f) return -1;
    flush_high(s);
    text_byte(&s->text, (uint8_t)to[f - from]);
    s->state = STRING;
    return 0;
}

static int in_hex(struct jscan *s, uint8_t c) {
    const uint8_t low = c | 0x20;
    const unsigned digit = c >= '0' && c <= '9' ? c - (unsigned)'0' : low >= 'a' && low <= 'f' ? low - 'a' + 10u : 16u;
    if (digit == 16) return -1;
    s->unicode = s->unicode << 4 | digit;
    if (++s->hex < 4) return 0;
    s->state = STRING;
    if (s->high != 0 && s->unicode >= 0xdc00 && s->unicode <= 0xdfff) {
        text_code_point(&s->text, 0x10000 + ((s->high - 0xd800) << 10) + (s->unicode - 0xdc00));
        s->high = 0;
        return 0;
    }
    flush_high(s);
    if (s->unicode >= 0xd800 && s->unicode <= 0xdbff)
        s->high = s->unicode;
    else
        text_code_point(&s->text, s->unicode);
    return 0;
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* 1: c belongs to the number; 0: the number ended before it; -1: neither. */
static int in_number(struct jscan *s, uint8_t c) {
    const bool digit = is_digit(c), e = c == 'e' || c == 'E';
    uint8_t next;
    switch (s->state) {
    case MINUS:
        if (!digit) return -1;
        next = c == '0' ? ZERO : DIGITS;
        break;
    case ZERO:
        if (digit) return -1;
        if (c != '.' && !e) return 0;
        next = e ? E : POINT;
        break;
    case DIGITS:
        if (!digit && c != '.' && !e) return 0;
        next = digit ? DIGITS : e ? E : POINT;
        break;
    case POINT:
        if (!digit) return -1;
        next = FRACTION;
        break;
    case FRACTION:
        if (!digit && !e) return 0;
        next = digit ? FRACTION : E;
        break;
    case E:
        if (!digit && c != '+' && c != '-') return -1;
        next = digit ? EXPONENT : E_SIGN;
        break;
    default: /* E_SIGN, EXPONENT */
        if (!digit) return s->state == EXPONENT ? 0 : -1;
        next = EXPONENT;
        break;
    }
    text_byte(&s->text, c);
    s->state = next;
    return 1;
}

static int between(struct jscan *s, uint8_t c) {
    switch (s->state) {
    case FIRST_VALUE:
        if (c == ']') {
            close_container(s);
            return 0;
        }
        return begin_value(s, c);
    case VALUE: return begin_value(s, c);
    case FIRST_KEY:
        if (c == '}') {
            close_container(s);
            return 0;
        }
        if (c != '"') return -1;
        begin_string(s, true);
        return 0;
    case KEY:
        if (c != '"') return -1;
        begin_string(s, true);
        return 0;
    case COLON:
        if (c != ':') return -1;
        s->state = VALUE;
        return 0;
    case AFTER:
        if (c == ',') {
            s->state = in_object(s) ? KEY : VALUE;
            return 0;
        }
        if (c != (in_object(s) ? '}' : ']')) return -1;
        close_container(s);
        return 0;
    default: return -1; /* END */
    }
}

#ifdef __SSE2__
/* Of sixteen bytes, a bit for each that is below 0x20, a quote or a backslash. */
static unsigned odd_ones(const uint8_t *p) {
    const __m128i v = _mm_loadu_si128((const void *)p), low = _mm_min_epu8(v, _mm_set1_epi8(0x1f));
    const __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(low, v), _mm_or_si128(quote, escape)));
}
#endif

static size_t plain_run(const uint8_t *p, size_t n) {
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= n; i += 16) {
        const unsigned odd = odd_ones(p + i);
        if (odd != 0) return i + (size_t)__builtin_ctz(odd);
    }
#endif
    while (i < n && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') i++;
    return i;
}

/* An escape of two bytes that is there whole; 0: it is another one. */
static size_t short_escape(struct jscan *s, const uint8_t *p, size_t n) {
    static const char to[256] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    if (n < 2 || !to[p[1]]) return 0;
    flush_high(s);
    text_byte(&s->text, (uint8_t)to[p[1]]);
    return 2;
}

/* Returns how many bytes were taken; 0: malformed. */
static size_t in_string(struct jscan *s, const uint8_t *p, size_t n) {
    size_t used = 0;
    while (used < n) {
        const size_t run = plain_run(p + used, n - used);
        if (run > 0) {
            flush_high(s);
            text_put(&s->text, p + used, run);
            used += run;
        }
        const size_t escape = used < n && p[used] == '\\' ? short_escape(s, p + used, n - used) : 0;
        if (escape == 0) break;
        used += escape;
    }
    if (used > 0) {
        s->at += used - 1; /* the caller adds one */
        return used;
    }
    if (*p < 0x20) return 0;
    if (*p == '"')
        end_string(s);
    else
        s->state = ESCAPE;
    return 1;
}

static int one(struct jscan *s, uint8_t c) {
    if (s->state >= MINUS && s->state <= EXPONENT) {
        const int r = in_number(s, c);
        if (r != 0) return r < 0 ? -1 : 0;
        value_ended(s, JSCAN_NUMBER, s->at);
    }
    switch (s->state) {
    case ESCAPE: return in_escape(s, c);
    case HEX: return in_hex(s, c);
    case LITERAL: return in_literal(s, c);
    default: break;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return 0;
    return between(s, c);
}

int jscan_feed(struct jscan *s, const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    while (n > 0 && !s->bad) {
        size_t used = 1;
        if (s->state == STRING)
            used = in_string(s, p, n);
        else if (one(s, *p) < 0)
            used = 0;
        if (used == 0) {
            s->bad = true;
            break;
        }
        s->at++;
        p += used;
        n -= used;
    }
    return s->bad ? -1 : 0;
}

bool jscan_end(struct jscan *s) {
    if (s->depth == 0 && (s->state == ZERO || s->state == DIGITS || s->state == FRACTION || s->state == EXPONENT))
        value_ended(s, JSCAN_NUMBER, s->at);
    return !s->bad && s->state == END;
}

bool jscan_is(const struct jscan *s, const char *const *keys, unsigned n) {
    if (s->depth != n || n > JSCAN_KEYS) return false;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(s->key[i + 1], keys[i]) != 0) return false;
    return true;
}
