/* fuzz_sv_front.c - any bytes as a Markdown file of a planning workspace: the front matter and the body are pieces of the text, one
 * after the other, with the right line; links never lead out; and no line is too odd to be asked for claims and secrets. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/claims.h"
#include "supervisor/workspace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static void look_at_links(const char *line, size_t n) {
    char target[300], path[600];
    size_t last = 0;
    for (size_t at = 0; ws_next_link(line, n, &at, target, sizeof target); last = at) {
        MUST(at > last && at <= n && strlen(target) < sizeof target);
        if (!ws_resolve("a/b/c.md", target, path, sizeof path)) continue;
        MUST(path[0] != '/' && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 && !strstr(path, "/../") &&
             !strstr(path, "//"));
    }
}

static int newlines(const char *p, size_t n) {
    int lines = 0;
    for (size_t i = 0; i < n; i++) lines += p[i] == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char none[1] = "";
    const char *text = data ? (const char *)data : none, *line;
    struct front_matter m;
    size_t at = 0, len, total = 0;
    if (front_matter_find(text, size, &m)) {
        MUST(m.yaml >= text + 4 && m.yaml + m.yaml_len < m.body && m.yaml_len <= FRONT_MATTER_MAX + 1);
        MUST(m.body + m.body_len == text + size && memcmp(m.yaml + m.yaml_len, "---", 3) == 0);
        MUST(newlines(text, (size_t)(m.body - text)) == m.body_line - 1 || m.body_len == 0);
    } else {
        MUST(m.body == text && m.body_len == size && m.body_line == 1 && !m.yaml);
    }
    while (next_line(text, size, &at, &line, &len)) {
        MUST(line >= text && line + len <= text + size && !memchr(line, '\n', len) && at > total);
        total = at;
        look_at_links(line, len);
        const char *claim = claim_in(line, len);
        MUST(!claim || claim[0]);
        (void)ws_secret_in(line, len);
    }
    MUST(total == size);
    return 0;
}
