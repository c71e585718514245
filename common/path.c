/* path.c - see path.h. Allowed rules compare bytes. Forbidden rules compare as the least careful file system would
 * (fold.h), because a file that a host or a tool would take for ".git" must not pass as something else. */
#include "common/path.h"

#include <stdint.h>
#include <string.h>

#include "common/fold.h"

#define SEGMENT_MAX 4096

bool path_is_plain_relative(const char *path, size_t n) {
    if (n == 0 || path[0] == '/' || memchr(path, 0, n)) return false;
    for (size_t start = 0; start <= n;) {
        const char *slash = memchr(path + start, '/', n - start);
        size_t end = slash ? (size_t)(slash - path) : n;
        size_t len = end - start;
        if (len == 0 || (len == 1 && path[start] == '.') || (len == 2 && path[start] == '.' && path[start + 1] == '.'))
            return false;
        start = end + 1;
    }
    return true;
}

int path_rule_check(enum path_rule_kind kind, const char *rule, struct err *e) {
    size_t n = strlen(rule);
    if (n == 0) return err_set(e, ERR_USAGE, "path rule is empty");
    if (n > PATH_RULE_MAX) return err_set(e, ERR_USAGE, "path rule of %zu bytes, at most %d", n, PATH_RULE_MAX);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)rule[i];
        if (c < 0x20 || c == 0x7f) return err_set(e, ERR_USAGE, "path rule has a control byte at %zu", i);
        if (c == '\\') return err_set(e, ERR_USAGE, "path rule \"%s\" has a backslash; use '/'", rule);
        if (c == '*' && kind == PATH_ALLOWED)
            return err_set(e, ERR_USAGE,
                           "path rule \"%s\": no wildcards here; name the file or a directory ending in '/'", rule);
    }
    size_t body = rule[n - 1] == '/' ? n - 1 : n;
    if (!path_is_plain_relative(rule, body))
        return err_set(e, ERR_USAGE, "path rule \"%s\": must be relative, without empty, \".\" or \"..\" segments",
                       rule);
    return 0;
}

/* Windows drops trailing dots and spaces of a name. */
static size_t without_tail(const char *s, size_t n) {
    while (n > 0 && (s[n - 1] == '.' || s[n - 1] == ' ')) n--;
    return n;
}

/* '*' within one segment, iterative with one backtrack point: linear enough for hostile input. */
static bool glob(const char *pat, size_t pn, const char *s, size_t sn) {
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < sn) {
        if (p < pn && pat[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pn && pat[p] == s[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pn && pat[p] == '*') p++;
    return p == pn;
}

struct segment {
    const char *p;
    size_t n;
};

/* Takes the next segment off *path; false at the end. With `windows` a backslash ends one too. */
static bool next_segment(const char **path, size_t *left, bool windows, struct segment *ret) {
    if (*left == 0) return false;
    const char *slash = memchr(*path, '/', *left);
    const char *back = windows ? memchr(*path, '\\', slash != NULL ? (size_t)(slash - *path) : *left) : NULL;
    if (back != NULL) slash = back;
    ret->p = *path;
    ret->n = slash ? (size_t)(slash - *path) : *left;
    size_t step = slash ? ret->n + 1 : ret->n;
    *path += step;
    *left -= step;
    return true;
}

/* Windows opens "name:stream" in the file "name", and drops dots and spaces at its end. */
static bool segment_match(const struct segment *rule, const struct segment *name, bool folded) {
    if (glob(rule->p, rule->n, name->p, name->n)) return true;
    if (!folded) return false;
    char r[SEGMENT_MAX], s[SEGMENT_MAX];
    size_t rn = fold_name(rule->p, rule->n, r, sizeof r), sn = fold_name(name->p, name->n, s, sizeof s);
    if (glob(r, rn, s, sn)) return true;
    const char *colon = memchr(s, ':', sn);
    if (colon != NULL && colon > s) sn = (size_t)(colon - s);
    rn = without_tail(r, rn);
    sn = without_tail(s, sn);
    return glob(r, rn, s, sn) || fold_is_short_name(s, sn, r, rn);
}

enum comparison { EXACT, FOLDED, WINDOWS /* folded, and a backslash separates */ };

static bool matches_segments(const char *rule, const char *path, size_t n, enum comparison how) {
    size_t rn = strlen(rule);
    bool dir = rn > 0 && rule[rn - 1] == '/';
    size_t body = dir ? rn - 1 : rn;
    bool any_depth = memchr(rule, '/', body) == NULL;
    bool windows = how == WINDOWS;
    struct segment r, s;
    if (any_depth) {
        r = (struct segment){.p = rule, .n = body};
        while (next_segment(&path, &n, windows, &s)) /* a directory rule also forbids a file, symlink or submodule of
                                                        that name */
            if (segment_match(&r, &s, how != EXACT)) return true;
        return false;
    }
    const char *rp = rule;
    size_t rleft = body;
    while (next_segment(&rp, &rleft, false, &r))
        if (!next_segment(&path, &n, windows, &s) || !segment_match(&r, &s, how != EXACT)) return false;
    /* an exact rule that now has something below it was replaced by a directory: still that path */
    return true;
}

static bool forbidden_match(const char *rule, const char *path, size_t n) {
    return matches_segments(rule, path, n, FOLDED) ||
           (memchr(path, '\\', n) != NULL && matches_segments(rule, path, n, WINDOWS));
}

bool path_rule_match(enum path_rule_kind kind, const char *rule, const char *path, size_t n) {
    size_t rn = strlen(rule);
    if (kind == PATH_FORBIDDEN) return forbidden_match(rule, path, n);
    if (kind == PATH_IGNORED) return matches_segments(rule, path, n, EXACT);
    if (rn > 0 && rule[rn - 1] == '/') return n > rn && memcmp(rule, path, rn) == 0;
    return n == rn && memcmp(rule, path, n) == 0;
}

bool path_any_match(enum path_rule_kind kind, const char *const *rules, size_t n_rules, const char *path, size_t n) {
    for (size_t i = 0; i < n_rules; i++)
        if (path_rule_match(kind, rules[i], path, n)) return true;
    return false;
}
