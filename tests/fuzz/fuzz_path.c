/* fuzz_path.c - path rules on hostile rules and hostile paths. Beside memory safety: a forbidden rule still matches when the
 * path changes case, gets a letter that HFS+ ignores, or has something below it; one without '/' matches deeper down too.
 * First byte: length of the rule; then the rule, then the path. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static bool forbids(const char *rule, const char *a, size_t an, const char *b, size_t bn, const char *c, size_t cn) {
    char *path = malloc(an + bn + cn + 1);
    MUST(path != NULL);
    memcpy(path, a, an);
    memcpy(path + an, b, bn);
    memcpy(path + an + bn, c, cn);
    bool r = path_rule_match(PATH_FORBIDDEN, rule, path, an + bn + cn);
    free(path);
    return r;
}

static void forbidden(const char *rule, char *path, size_t n) {
    size_t rule_len = strlen(rule), body = rule[rule_len - 1] == '/' ? rule_len - 1 : rule_len;
    if (n > 4000 || !json_is_utf8(rule, rule_len) || !path_is_plain_relative(path, n) ||
        !path_rule_match(PATH_FORBIDDEN, rule, path, n))
        return;
    MUST(forbids(rule, path, n, "/below", 6, "", 0));
    MUST(forbids(rule, path, n, "\xe2\x80\x8d", 3, "", 0));
    MUST(forbids(rule, "\xef\xbb\xbf", 3, path, n, "", 0));
    if (!memchr(rule, '/', body)) MUST(forbids(rule, "deep/er/", 8, path, n, "", 0));
    for (size_t i = 0; i < n; i++)
        if (path[i] >= 'a' && path[i] <= 'z') path[i] = (char)(path[i] - 'a' + 'A');
    MUST(path_rule_match(PATH_FORBIDDEN, rule, path, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || (size_t)data[0] + 1 > size) return 0;
    size_t rule_len = data[0], n = size - 1 - rule_len;
    char *rule = malloc(rule_len + 1), *path = malloc(n + 1);
    MUST(rule && path);
    memcpy(rule, data + 1, rule_len);
    rule[rule_len] = '\0';
    memcpy(path, data + 1 + rule_len, n);
    for (int kind = PATH_ALLOWED; kind <= PATH_FORBIDDEN; kind++) {
        struct err e = ERR_INIT;
        if (path_rule_check((enum path_rule_kind)kind, rule, &e) < 0) {
            MUST(e.code == ERR_USAGE && e.text[0]);
            continue;
        }
        MUST(rule[0] && rule[0] != '/' && (kind == PATH_FORBIDDEN || !strchr(rule, '*')));
        const char *rules[] = {"no-such", rule};
        bool match = path_rule_match((enum path_rule_kind)kind, rule, path, n);
        MUST(path_any_match((enum path_rule_kind)kind, rules, 2, path, n) || !match);
        /* what is allowed by this rule would also be forbidden by it: the forbidden comparison is the wider one */
        if (kind == PATH_ALLOWED && match) MUST(path_rule_match(PATH_FORBIDDEN, rule, path, n));
        if (kind == PATH_FORBIDDEN) forbidden(rule, path, n);
    }
    free(rule);
    free(path);
    return 0;
}
