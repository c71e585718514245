/* front_matter.c - see front_matter.h. */
#include "supervisor/front_matter.h"

#include <string.h>

bool next_line(const char *text, size_t n, size_t *at, const char **ret, size_t *ret_n) {
    if (*at >= n) return false;
    const char *p = text + *at, *end = memchr(p, '\n', n - *at);
    size_t len = end ? (size_t)(end - p) : n - *at;
    *at += len + (end ? 1 : 0);
    if (len > 0 && p[len - 1] == '\r') len--;
    *ret = p;
    *ret_n = len;
    return true;
}

static bool is_rule(const char *p, size_t n) { return n == 3 && memcmp(p, "---", 3) == 0; }

bool front_matter_find(const char *text, size_t n, struct front_matter *ret) {
    const char *line;
    size_t at = 0, len;
    *ret = (struct front_matter){.body = text, .body_len = n, .body_line = 1};
    if (!next_line(text, n, &at, &line, &len) || !is_rule(line, len)) return false;
    size_t begin = at;
    for (int number = 2; next_line(text, n, &at, &line, &len); number++) {
        if ((size_t)(line - text) - begin > FRONT_MATTER_MAX) return false;
        if (!is_rule(line, len)) continue;
        *ret = (struct front_matter){.yaml = text + begin,
                                     .yaml_len = (size_t)(line - text) - begin,
                                     .yaml_line = 2,
                                     .body = text + at,
                                     .body_len = n - at,
                                     .body_line = number + 1};
        return true;
    }
    return false;
}
