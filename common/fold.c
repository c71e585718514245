/* fold.c - see fold.h. A repository is written here and may be checked out anywhere. Whoever forbids "secrets/" means
 * what a host would open as "secrets", not one sequence of bytes: "\u017fecrets" (a long s) is that on ext4 with casefold,
 * "SECRET~1" on NTFS. The tables hold what Unicode says: decomposition and full case folding in one step.
 *
 * Marks are sorted by code point, not by combining class: two names with the same marks in different order are alike
 * for us, canonically or not.
 */
#include "common/fold.h"

#include <stdint.h>
#include <string.h>

struct fold_entry {
    uint32_t from;
    char to[12]; /* UTF-8; the longest has ten bytes */
};
struct fold_range {
    uint32_t lo, hi;
};

#include "common/fold_table.inc"

/* Default ignorable code points, and variation selectors: drawn as nothing, dropped by HFS+, APFS or casefold. */
static const struct fold_range ignorable[] = {
    {0xAD, 0xAD},     {0x34F, 0x34F},   {0x61C, 0x61C},     {0x115F, 0x1160},   {0x17B4, 0x17B5},   {0x180B, 0x180F},
    {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F},   {0x3164, 0x3164},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MARKS_MAX 32 /* sorted together; a longer run is sorted in pieces */

static bool in_ranges(const struct fold_range *v, size_t n, uint32_t c) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (v[mid].hi < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && v[lo].lo <= c;
}

static const struct fold_entry *entry_of(uint32_t c) {
    size_t lo = 0, hi = COUNT(fold_entries);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (fold_entries[mid].from < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < COUNT(fold_entries) && fold_entries[lo].from == c ? &fold_entries[lo] : NULL;
}

/* Bytes of the code point at s, 0 when it is none. Overlong forms and surrogates are nobody's letters: 0. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *ret) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (len == 0 || len > n) return 0;
    uint32_t c = s[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        c = (c << 6) | (s[i] & 0x3F);
    }
    if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
    *ret = c;
    return len;
}

struct folding {
    char *out;
    size_t n, room;
    struct {
        uint32_t c;
        char utf8[4];
        size_t n;
    } marks[MARKS_MAX];
    size_t n_marks;
};

static void put(struct folding *f, const char *p, size_t n) {
    if (n > f->room - f->n) n = f->room - f->n;
    memcpy(f->out + f->n, p, n);
    f->n += n;
}

static void flush_marks(struct folding *f) {
    for (size_t i = 0; i < f->n_marks; i++) put(f, f->marks[i].utf8, f->marks[i].n);
    f->n_marks = 0;
}

static void put_mark(struct folding *f, uint32_t c, const char *p, size_t n) {
    if (f->n_marks == MARKS_MAX) flush_marks(f);
    size_t i = f->n_marks++;
    for (; i > 0 && f->marks[i - 1].c > c; i--) f->marks[i] = f->marks[i - 1];
    f->marks[i].c = c;
    f->marks[i].n = n;
    memcpy(f->marks[i].utf8, p, n);
}

/* Text that is folded and decomposed already. */
static void put_folded(struct folding *f, const char *p, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        size_t len = decode((const unsigned char *)p + i, n - i, &c);
        if (len > 0 && in_ranges(fold_marks, COUNT(fold_marks), c)) {
            put_mark(f, c, p + i, len);
        } else {
            flush_marks(f);
            if (len == 0) len = 1;
            put(f, p + i, len);
        }
        i += len;
    }
}

static void put_hangul(struct folding *f, uint32_t c) {
    uint32_t s = c - 0xAC00, parts[3] = {0x1100 + s / 588, 0x1161 + s % 588 / 28, 0x11A7 + s % 28};
    flush_marks(f);
    for (int i = 0; i < (s % 28 == 0 ? 2 : 3); i++) {
        const char utf8[3] = {(char)(0xE0 | parts[i] >> 12), (char)(0x80 | (parts[i] >> 6 & 0x3F)),
                              (char)(0x80 | (parts[i] & 0x3F))};
        put(f, utf8, 3);
    }
}

static void fold_point(struct folding *f, uint32_t c, const char *p, size_t n) {
    if (in_ranges(ignorable, COUNT(ignorable), c)) return;
    if (c == 0x131) { /* a dotless i: its capital is I */
        put_folded(f, "i", 1);
    } else if (c >= 0xAC00 && c < 0xAC00 + 11172) {
        put_hangul(f, c);
    } else {
        const struct fold_entry *x = entry_of(c);
        put_folded(f, x != NULL ? x->to : p, x != NULL ? strnlen(x->to, sizeof x->to) : n);
    }
}

size_t fold_name(const char *s, size_t n, char *out, size_t room) {
    struct folding f = {.out = out, .room = room};
    for (size_t i = 0; i < n;) {
        unsigned char b = (unsigned char)s[i];
        uint32_t c = 0;
        size_t len = b < 0x80 ? 0 : decode((const unsigned char *)s + i, n - i, &c);
        if (len > 0) {
            fold_point(&f, c, s + i, len);
        } else {
            char lower = (char)(b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
            if (f.n_marks > 0) flush_marks(&f);
            put(&f, &lower, 1);
            len = 1;
        }
        i += len;
    }
    flush_marks(&f);
    return f.n;
}

/* --- short names --------------------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

/* Length of what stands before "~1", 0 when the name has not that form. */
static size_t stem_of(const char *name, size_t n) {
    const char *tilde = memchr(name, '~', n < 8 ? n : 8);
    if (tilde == NULL || tilde == name) return 0;
    size_t stem = (size_t)(tilde - name), i = stem + 1;
    while (i < n && is_digit(name[i])) i++;
    if (i == stem + 1 || i > 8 || (i < n && name[i] != '.')) return 0;
    return n - i <= 4 ? stem : 0;
}

/* The letters of the long name that a short one begins with: leading dots, blanks and what lies behind a dot are left
 * out. *ret_open: a '*' may stand for more. */
static size_t basis_of(const char *rule, size_t n, char out[6], bool *ret_open) {
    size_t len = 0;
    *ret_open = false;
    while (n > 0 && rule[0] == '.') rule++, n--;
    for (size_t i = 0; i < n && len < 6 && rule[i] != '.'; i++) {
        if (rule[i] == '*') {
            *ret_open = true;
            break;
        }
        if (rule[i] != ' ') out[len++] = rule[i];
    }
    return len;
}

bool fold_is_short_name(const char *name, size_t n, const char *rule, size_t rule_len) {
    char basis[6];
    bool open;
    size_t stem = stem_of(name, n), len = basis_of(rule, rule_len, basis, &open), same = 0;
    if (stem == 0 || len == 0) return false;
    while (same < stem && same < len && (name[same] == basis[same] || name[same] == '_' || (basis[same] & 0x80)))
        same++;
    if (same == stem || (open && same == len)) return true;
    /* after a few of them: two letters and four digits of a hash */
    return stem == 6 && same >= (len < 2 ? len : 2) && is_hex(name[2]) && is_hex(name[3]) && is_hex(name[4]) &&
           is_hex(name[5]);
}
