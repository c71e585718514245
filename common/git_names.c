/* git_names.c - names of tree entries.
 *
 * git with its default configuration refuses all of these names itself, so an honest agent never has one. A tree with
 * one was built by hand, in the hope that a checkout writes into somebody's .git. Windows takes a backslash for a
 * separator: what stands between two of them is looked at like a name.
 */
#include "common/git_names.h"

#include <string.h>

/* Bytes of the HFS-ignorable code point at p, 0 when there is none: U+200C..200F, 202A..202E, 206A..206F, FEFF. */
static size_t ignorable(const unsigned char *p, size_t n) {
    if (n < 3) return 0;
    if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x8c && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae))) return 3;
    if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xaa && p[2] <= 0xaf) return 3;
    if (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) return 3;
    return 0;
}

bool name_is_dotgit(const char *name, size_t n) {
    const unsigned char *p = (const unsigned char *)name;
    char folded[8];
    size_t len = 0;
    bool tail = false; /* only dots and spaces since the folded part */
    for (size_t i = 0; i < n;) {
        size_t skip = ignorable(p + i, n - i);
        if (skip > 0) {
            i += skip;
            continue;
        }
        unsigned char c = p[i++];
        if (c == ':' || c == '\\') break;
        bool full = len == 4 && memcmp(folded, ".git", 4) == 0;
        full = full || (len == 5 && memcmp(folded, "git~1", 5) == 0);
        if (full && (c == ' ' || c == '.')) {
            tail = true;
            continue;
        }
        if (tail || len == 5) return false;
        folded[len++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return (len == 4 && memcmp(folded, ".git", 4) == 0) || (len == 5 && memcmp(folded, "git~1", 5) == 0);
}

bool name_is_safe(const char *name, size_t n) {
    if (n == 0 || n > 255) return false;
    if (memchr(name, '/', n) != NULL || memchr(name, '\0', n) != NULL) return false;
    if (n == 1 && name[0] == '.') return false;
    for (size_t start = 0; start <= n;) {
        const char *back = memchr(name + start, '\\', n - start);
        size_t end = back != NULL ? (size_t)(back - name) : n;
        if (end - start == 2 && memcmp(name + start, "..", 2) == 0) return false;
        if (name_is_dotgit(name + start, end - start)) return false;
        start = end + 1;
    }
    return true;
}
