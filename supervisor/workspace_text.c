/* workspace_text.c - what is asked of every line of a planning workspace, and the pure pieces: where links lead, what may look like a
 * secret and is none. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/claims.h"
#include "supervisor/secret_shape.h"
#include "supervisor/workspace.h"

/* --- links ------------------------------------------------------------------------------------------------------------------ */

bool ws_resolve(const char *file, const char *target, char *out, size_t size) {
    const char *slash = strrchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) : 0;
    if (n >= size || target[0] == '/') return false;
    memcpy(out, file, n);
    out[n] = '\0';
    for (const char *p = target; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            char *up = strrchr(out, '/');
            if (!out[0]) return false;
            *(up ? up : out) = '\0';
        } else if (len > 0 && !(len == 1 && p[0] == '.')) {
            size_t have = strlen(out);
            if (have + 1 + len >= size) return false;
            snprintf(out + have, size - have, "%s%.*s", have ? "/" : "", (int)len, p);
        }
        p += len;
        if (*p == '/') p++;
    }
    return true;
}

static int hex(char c) {
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* "a%20b.md#part" gives "a b.md"; without angle brackets and title. */
static void clean_target(const char *p, size_t n, char *out, size_t size) {
    size_t o = 0;
    while (n > 0 && (*p == ' ' || *p == '<')) p++, n--;
    for (size_t i = 0; i < n && o + 1 < size; i++) {
        if (strchr("#> \t\"", p[i])) break;
        bool coded = p[i] == '%' && i + 2 < n && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0;
        int c = coded ? hex(p[i + 1]) * 16 + hex(p[i + 2]) : p[i];
        if (c == 0) break;
        out[o++] = (char)c;
        if (coded) i += 2;
    }
    out[o] = '\0';
}

/* Beyond the code span that begins here, when it ends in this line. */
static size_t skip_code(const char *line, size_t n, size_t at) {
    const char *end = memchr(line + at + 1, '`', n - at - 1);
    return end ? (size_t)(end - line) : at;
}

bool ws_next_link(const char *line, size_t n, size_t *at, char *out, size_t size) {
    if (*at == 0 && n > 3 && line[0] == '[') { /* [name]: target */
        const char *end = memchr(line, ']', n);
        if (end && end + 1 < line + n && end[1] == ':') {
            *at = n;
            clean_target(end + 2, n - (size_t)(end + 2 - line), out, size);
            return true;
        }
    }
    for (size_t i = *at; i + 1 < n; i++) {
        if (line[i] == '`') i = skip_code(line, n, i);
        if (i + 1 >= n || line[i] != ']' || line[i + 1] != '(') continue;
        const char *begin = line + i + 2, *end = memchr(begin, ')', n - i - 2);
        if (!end) break;
        *at = (size_t)(end - line) + 1;
        clean_target(begin, (size_t)(end - begin), out, size);
        return true;
    }
    *at = n;
    return false;
}

/* --- secrets ------------------------------------------------------------------------------------------------------------------ */

static bool all_of(const char *p, size_t n, const char *set) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(set, p[i])) return false;
    return n > 0;
}

/* 20261122T121005Z-... */
static bool is_run_id(const char *p, size_t n) {
    return n > 17 && all_of(p, 8, "0123456789") && p[8] == 'T' && all_of(p + 9, 6, "0123456789") && p[15] == 'Z' &&
           p[16] == '-';
}

/* Words and numbers joined by '-' or '_': a name that people made. */
static bool is_slug(const char *p, size_t n) {
    for (size_t i = 0, len; i <= n; i += len + 1) {
        size_t digits = 0;
        for (len = 0; i + len < n && p[i + len] != '-' && p[i + len] != '_'; len++)
            digits += isdigit((unsigned char)p[i + len]) != 0;
        bool small = len <= 3, letters = digits == 0 && len <= 20, number = digits == len && len <= 8;
        if (!small && !letters && !number) return false;
    }
    return true;
}

/* What is long and mixed, and still no secret. */
static bool is_known_form(const char *p, size_t n) {
    return ((n == 40 || n == 64) && all_of(p, n, "0123456789abcdef")) || is_run_id(p, n) || is_slug(p, n);
}

/* A known beginning is one whatever follows; the guess by length is not asked of known forms. */
static bool word_is_secret(const char *word, size_t n) {
    char head[24];
    snprintf(head, sizeof head, "%s", word);
    return secret_shaped_value(head) || (!is_known_form(word, n) && secret_shaped_value(word));
}

bool ws_secret_in(const char *line, size_t n) {
    char *text = malloc(n + 1);
    bool found = false;
    BUG_UNLESS(text != NULL);
    for (size_t i = 0; i < n; i++) text[i] = strchr("`*|~\\&?", line[i]) ? ' ' : line[i];
    text[n] = '\0';
    for (char *p = text; *p && !found;) {
        size_t len = strcspn(p, " \t\"',;()[]{}<>=:");
        char after = p[len];
        p[len] = '\0';
        found = len > 0 && word_is_secret(p, len);
        p += len;
        if (after) p++;
    }
    free(text);
    return found;
}

/* --- every line ----------------------------------------------------------------------------------------------------------------- */

void ws_check_lines(struct workspace *w, const char *file, const char *text, size_t n) {
    const char *line, *claim;
    size_t at = 0, len;
    for (int number = 1; next_line(text, n, &at, &line, &len); number++) {
        if ((claim = claim_in(line, len)))
            ws_bad(w, file, number, "forbidden-claim", "this reads as a claim (%s); nothing here activates or promotes",
                   claim);
        if (ws_secret_in(line, len))
            ws_bad(w, file, number, "secret-shape", "this looks like a secret; write what it is for, never its value");
    }
}
