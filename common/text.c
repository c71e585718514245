/* text.c - see text.h. UTF-8 is decoded here by hand: mbrtowc() depends on the locale, and a program that an operator runs
 * under LC_ALL=C must clean the same bytes. */
#include "common/text.h"

#include <string.h>

/* The code point at p, its length in *len (0: not well-formed: overlong, a surrogate, beyond U+10FFFF, cut off). */
static unsigned decode(const unsigned char *p, size_t n, size_t *len) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned c = p[0];
    size_t want = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    *len = 0;
    if (want == 0 || want > n) return 0;
    if (want > 1) c &= 0x7fu >> want;
    for (size_t i = 1; i < want; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least[want] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
    *len = want;
    return c;
}

static int acts(unsigned c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) ||        /* C0, DEL, C1 */
           c == 0x61c || c == 0xfeff ||                  /* Arabic letter mark, zero-width no-break space */
           (c >= 0x200b && c <= 0x200f) ||               /* zero width, left-to-right and right-to-left marks */
           (c >= 0x2028 && c <= 0x202e) ||               /* line and paragraph separators, embeddings, overrides */
           (c >= 0x2060 && c <= 0x206f) ||               /* isolates and other invisible ones */
           (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000; /* annotations; tags and private planes */
}

size_t text_glyph(const char *p, size_t n) {
    size_t len;
    unsigned c = decode((const unsigned char *)p, n, &len);
    return len == 0 || acts(c) ? 0 : len;
}

int text_columns(const char *glyph, size_t len) {
    unsigned c = decode((const unsigned char *)glyph, len, &len);
    if (c < 0x1100) return 1;                 /* before Hangul nothing is wide */
    return c >= 0x2000 && c < 0x2300 ? 1 : 2; /* punctuation and arrows; what is rightly 1 beyond is given room for 2 */
}

size_t text_fits(const char *s, size_t max) {
    size_t n = strnlen(s, max + 1);
    if (n <= max) return n;
    for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;) n--;
    return n;
}
