/* ignore.c - gitignore patterns.
 *
 * libgit2's matcher insists on reading ignore files of the worktree, info/exclude and the configuration, which are
 * exactly the agent's, or nobody's business. So this is the pattern language of gitignore(5) alone: '!', '/' at the
 * ends, '*', '?', '[...]', '**', '\'. The last rule that matches decides. Patterns come from the author of a case or of
 * a repository, paths from the agent.
 */
#include "common/ignore.h"

#include <stdlib.h>
#include <string.h>

#include "common/path.h"

#define RULES_MAX 10000u

/* [...] at p (after the '['): sets *ret_end behind the ']' and says whether c is in it. An unclosed one never matches:
 * *ret_end is NULL. */
static bool in_class(const char *p, unsigned char c, const char **ret_end) {
    bool inverted = *p == '!' || *p == '^', hit = false;
    if (inverted) p++;
    for (bool first = true; *p != '\0' && (first || *p != ']'); first = false) {
        unsigned char lo = (unsigned char)*p++;
        if (lo == '\\' && *p != '\0') lo = (unsigned char)*p++;
        unsigned char hi = lo;
        if (*p == '-' && p[1] != '\0' && p[1] != ']') {
            hi = (unsigned char)p[1];
            p += 2;
            if (hi == '\\' && *p != '\0') hi = (unsigned char)*p++;
        }
        if (c >= lo && c <= hi) hit = true;
    }
    if (*p != ']') {
        *ret_end = NULL;
        return false;
    }
    *ret_end = p + 1;
    return hit != inverted && c != '/';
}

static bool glob(const char *p, const char *s, const char *end);

/* "**" at p: its meaning depends on what surrounds it. */
static bool glob_double_star(const char *p, bool at_start, const char *s, const char *end) {
    if (at_start && p[2] == '/') { /* any number of directories, also none */
        for (const char *from = s; from != NULL;) {
            if (glob(p + 3, from, end)) return true;
            from = memchr(from, '/', (size_t)(end - from));
            if (from != NULL) from++;
        }
        return false;
    }
    if (at_start && p[2] == '\0') return s < end; /* everything below */
    while (*p == '*') p++;                        /* elsewhere it is a '*' */
    for (;; s++) {
        if (glob(p, s, end)) return true;
        if (s == end || *s == '/') return false;
    }
}

static bool glob_star(const char *p, const char *s, const char *end) {
    for (;; s++) {
        if (glob(p + 1, s, end)) return true;
        if (s == end || *s == '/') return false;
    }
}

static bool glob(const char *p, const char *s, const char *end) {
    for (bool at_start = true; *p != '\0'; at_start = p[-1] == '/') {
        if (p[0] == '*' && p[1] == '*') return glob_double_star(p, at_start, s, end);
        if (*p == '*') return glob_star(p, s, end);
        if (s == end) return false;
        unsigned char c = (unsigned char)*s;
        if (*p == '[') {
            const char *after = NULL;
            if (!in_class(p + 1, c, &after) || after == NULL) return false;
            p = after;
        } else if (*p == '?') {
            if (c == '/') return false;
            p++;
        } else {
            if (*p == '\\' && p[1] != '\0') p++;
            if ((unsigned char)*p != c) return false;
            p++;
        }
        s++;
    }
    return s == end;
}

static int add_rule(struct ignore *g, const char *line, size_t n, struct err *e) {
    struct ignore_rule r = {.negated = n > 0 && line[0] == '!'};
    if (r.negated) line++, n--;
    while (n > 0 && line[n - 1] == ' ' && (n < 2 || line[n - 2] != '\\')) n--;
    if (n > 0 && line[n - 1] == '/') {
        r.directories_only = true;
        n--;
    }
    r.anchored = n > 0 && memchr(line, '/', n) != NULL;
    if (n > 0 && line[0] == '/') line++, n--;
    if (n == 0) return 0;
    if (g->n == RULES_MAX) return err_set(e, ERR_LIMIT, ".gitignore: more than %u rules", RULES_MAX);
    if (g->n == g->cap) {
        size_t cap = g->cap == 0 ? 16 : g->cap * 2;
        struct ignore_rule *v = realloc(g->rules, cap * sizeof *v);
        if (v == NULL) return err_set(e, ERR_INTERNAL, "no memory for ignore rules");
        g->rules = v;
        g->cap = cap;
    }
    r.pattern = strndup(line, n);
    if (r.pattern == NULL) return err_set(e, ERR_INTERNAL, "no memory for an ignore rule");
    g->rules[g->n++] = r;
    return 0;
}

int ignore_parse(struct ignore *g, const char *text, size_t n, struct err *e) {
    const char *end = text + n;
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
    while (text < end) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        size_t len = (size_t)((eol != NULL ? eol : end) - text);
        if (len > 0 && text[len - 1] == '\r') len--;
        if (len > 0 && text[0] != '#' && memchr(text, '\0', len) == NULL && add_rule(g, text, len, e) < 0) return -1;
        if (eol == NULL) break;
        text = eol + 1;
    }
    return 0;
}

void ignore_release(struct ignore *g) {
    for (size_t i = 0; i < g->n; i++) free(g->rules[i].pattern);
    free(g->rules);
    *g = (struct ignore){0};
}

/* A directory is ignored by a case rule when everything that could be in it is. */
static bool extra_match(const struct ignore *g, const char *path, size_t n, bool is_dir) {
    if (g->n_extra == 0) return false;
    if (!is_dir) return path_any_match(PATH_IGNORED, g->extra, g->n_extra, path, n);
    char probe[4200];
    if (n + 5 > sizeof probe) return false;
    memcpy(probe, path, n);
    memcpy(probe + n, "/\001/\001", 5);
    return path_any_match(PATH_IGNORED, g->extra, g->n_extra, probe, n + 2) &&
           path_any_match(PATH_IGNORED, g->extra, g->n_extra, probe, n + 4);
}

enum ignore_says ignore_ask(const struct ignore *g, const char *path, size_t n, bool is_dir) {
    const char *end = path + n, *name = path;
    for (const char *p = path; p < end; p++)
        if (*p == '/') name = p + 1;
    for (size_t i = g->n; i-- > 0;) {
        const struct ignore_rule *r = &g->rules[i];
        if (r->directories_only && !is_dir) continue;
        if (glob(r->pattern, r->anchored ? path : name, end)) return r->negated ? IGNORE_NO : IGNORE_YES;
    }
    return IGNORE_NOTHING;
}

bool ignore_match(const struct ignore *g, const char *path, size_t n, bool is_dir) {
    return ignore_ask(g, path, n, is_dir) == IGNORE_YES || extra_match(g, path, n, is_dir);
}
