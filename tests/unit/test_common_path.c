/* test_common_path.c - path rules: which are well-formed, what they match, and that a forbidden rule is not slipped past by
 * case, by letters that some hosts do not see, by trailing dots, or by depth. */
#include <string.h>

#include "check.h"
#include "common/path.h"

static void checks(enum path_rule_kind kind, const char *rule, bool good) {
    struct err e = ERR_INIT;
    int rc = path_rule_check(kind, rule, &e);
    if (!CHECK(good ? rc == 0 && e.code == ERR_NONE : rc == -1 && e.code == ERR_USAGE && e.text[0]))
        fprintf(stderr, "    rule \"%s\" (kind %d): %d %s\n", rule, (int)kind, rc, e.text);
}

static void well_formed(void) {
    static const char *const good[] = {"a",   "src/a.c", "src/", "a b",   "\xc3\xa4/", ".env",
                                       "...", "..a",     "a..",  ".git/", "a/b/c/"};
    static const char *const bad[] = {"",     "/",     "/a",   "//",      "a//b",  "a//",    ".",   "./",
                                      "..",   "../",   "a/..", "../a",    "a/./b", "a/../b", "./a", "a\\b",
                                      "a\nb", "a\x7f", "\x01", "a/b/../", "a/./",  "\t"};
    for (int k = PATH_ALLOWED; k <= PATH_FORBIDDEN; k++) {
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) checks((enum path_rule_kind)k, good[i], true);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) checks((enum path_rule_kind)k, bad[i], false);
    }
    static const char *const globs[] = {"*", "*.c", "src/*.c", "a*b/", "**", "src/*/x"};
    for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++) {
        checks(PATH_FORBIDDEN, globs[i], true);
        checks(PATH_ALLOWED, globs[i], false);
    }
    char longest[PATH_RULE_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[PATH_RULE_MAX] = '\0';
    checks(PATH_ALLOWED, longest, true);
    longest[PATH_RULE_MAX] = 'a', longest[PATH_RULE_MAX + 1] = '\0';
    checks(PATH_ALLOWED, longest, false);
}

static void match(enum path_rule_kind kind, const char *rule, const char *path, bool want) {
    size_t n = strlen(path);
    char *exact = malloc(n ? n : 1); /* an own block without a NUL: nothing may look behind the end */
    NEED(exact != NULL);
    memcpy(exact, path, n);
    if (!CHECK(path_rule_match(kind, rule, exact, n) == want))
        fprintf(stderr, "    %s rule \"%s\", path \"%s\": want %d\n", kind == PATH_ALLOWED ? "allowed" : "forbidden",
                rule, path, want);
    free(exact);
}

static void allowed(void) {
    static const struct {
        const char *rule, *path;
        bool want;
    } t[] = {
        {"a.c", "a.c", true},         {"a.c", "A.c", false},      {"a.c", "a.c/x", false},
        {"a.c", "x/a.c", false},      {"a.c", "a.cc", false},     {"src/", "src/a", true},
        {"src/", "src/a/b", true},    {"src/", "src", false},     {"src/", "src2/a", false},
        {"src/", "x/src/a", false},   {"src/", "SRC/a", false},   {"src/", "src/", false},
        {"src/a/", "src/a/b", true},  {"src/a/", "src/b", false}, {"a", "", false},
        {"src/a.c", "src/a.c", true},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) match(PATH_ALLOWED, t[i].rule, t[i].path, t[i].want);
    CHECK(!path_rule_match(PATH_ALLOWED, "a", "a\0b", 3));
}

/* What an ignore rule matches is not looked at: so it matches what it says and nothing like it. */
static void ignored(void) {
    static const struct {
        const char *rule, *path;
        bool want;
    } t[] = {
        {"build/", "build/x", true},    {"build/", "a/build", true},
        {"*.o", "a/b.o", true},         {"out/*.log", "out/a.log", true},
        {"build/", "BUILD/x", false},   {"build/", "build./x", false},
        {"build/", "build~1/x", false}, {"build/", "bu\xe2\x80\x8bild", false},
        {"build/", "a\\build", false},  {"build/", "build:x", false},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) match(PATH_IGNORED, t[i].rule, t[i].path, t[i].want);
}

/* Names that some file system takes for the forbidden one. */
static void lookalikes(void) {
    static const struct {
        const char *rule, *path;
        bool want;
    } t[] = {
        /* other normal forms and other cases of the same name */
        {"secrets/",
         "\xc5\xbf"
         "ecrets/key",
         true}, /* a long s */
        {"keys/",
         "\xe2\x84\xaa"
         "eys/a",
         true}, /* the sign of kelvin */
        {"fish/",
         "\xef\xac\x81"
         "sh/a",
         true}, /* fi, one letter */
        {"credentials/",
         "CREDENT\xc4\xb1"
         "ALS/a",
         true}, /* a dotless i */
        {"stra\xc3\x9f"
         "e/",
         "STRASSE/a", true},
        {"caf\xc3\xa9/", "cafe\xcc\x81/a", true},
        {"cafe\xcc\x81/", "CAF\xc3\x89/a", true},
        {"caf\xc3\xa9/", "cafe/a", false},
        {"\xd1\x82\xd0\xb5\xd1\x81\xd1\x82/", "\xd0\xa2\xd0\x95\xd0\xa1\xd0\xa2/a", true}, /* Cyrillic */
        {"\xd1\x82\xd0\xb5\xd1\x81\xd1\x82/", "\xd0\xba\xd0\xbe\xd0\xb4/a", false},
        {"\xea\xb0\x81/", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8/a", true}, /* Hangul */
        {"a\xcc\x81\xcc\xa3/", "a\xcc\xa3\xcc\x81/x", true},               /* marks in another order */
        {"\xe6\x97\xa5/", "\xe6\x9c\xac/a", false},
        {"\xe8\xb1\x88/", "\xef\xa4\x80/a", true}, /* a compatibility ideograph */
        {"secrets/",
         "se\xc2\xad"
         "crets/a",
         true}, /* a soft hyphen */
        {"secrets/", "secrets\xef\xb8\x8f/a", true},
        {"secrets/", "secret\xff/a", false},
        {"secrets/",
         "\xc1\xb3"
         "ecrets/a",
         false}, /* overlong: nobody's letter */
        /* streams, backslashes and short names of Windows */
        {".env", ".env::$DATA", true},
        {".env", "a/.env:x", true},
        {"secrets/", "secrets:x/a", true},
        {"secrets/", ":secrets/a", false},
        {".git/", "a\\.git\\config", true},
        {"src/secret.c", "src\\secret.c", true},
        {"*.key", "a\\b.key", true},
        {"secrets/", "SECRET~1/a", true},
        {"secrets/", "secre~10/a", true},
        {"secrets/", "SE4F2A~1/a", true}, /* from the fifth on */
        {"secrets/", "seekrt~1/a", false},
        {"secrets/", "secret~x/a", false},
        {"secrets/", "secrets~1/a", false}, /* seven letters: not a short name */
        {"secrets/", "secret~1.backup/a", false},
        {".git/", "GIT~1/config", true},
        {".git/", "GITIGN~1", false},
        {".github/workflows/", "GITHUB~1/WORKFL~1/ci.yml", true},
        {".env.*", "ENV~1.LOC", true},
        {"node_modules/", "NODE_M~1/x", true},
        {"vendor/", "backup~1", false},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) match(PATH_FORBIDDEN, t[i].rule, t[i].path, t[i].want);
}

static void forbidden(void) {
    static const struct {
        const char *rule, *path;
        bool want;
    } t[] = {
        /* one segment: at any depth, as file, as directory, with anything below */
        {".env", ".env", true},
        {".env", "a/b/.env", true},
        {".env", ".env/x", true},
        {".env", "x.env", false},
        {".env", ".envx", false},
        {"vendor/", "vendor/x", true},
        {"vendor/", "a/vendor/x", true},
        {"vendor/", "vendor", true}, /* a symlink or submodule of that name */
        {"vendor/", "vendors/x", false},
        /* more segments: from the root */
        {".github/workflows/", ".github/workflows/ci.yml", true},
        {".github/workflows/", "a/.github/workflows/ci.yml", false},
        {".github/workflows/", ".github/x", false},
        {".github/workflows/", ".github/workflows", true},
        {"src/secret.c", "src/secret.c", true},
        {"src/secret.c", "src/secret.c/now/a/dir", true},
        {"src/secret.c", "src/secret.cc", false},
        {"src/secret.c", "src", false},
        /* case and letters that HFS+ ignores, and trailing dots and spaces of Windows */
        {".git/", ".GIT/config", true},
        {".git/", ".gIt", true},
        {".git/", ".g\xe2\x80\x8cit/config", true},
        {".git/", "\xef\xbb\xbf.git/config", true},
        {".git/", ".gi\xe2\x81\xaft/x", true},
        {".git/", ".git\xe2\x80\xae/x", true},
        {".git/", ".g\xe2\x80\x90it/x", false}, /* U+2010 is a hyphen that everybody sees */
        {".git/", ".git./config", true},
        {".git/", ".git . /config", true},
        {".git/", "sub/.git", true},
        {".git/", ".gitignore", false},
        {"Vendor/", "vendor/x", true},
        {"vend\xe2\x80\x8bor/", "vendor/x", true},
        /* globs stay in their segment */
        {"*.key", "a.key", true},
        {"*.key", "x/y/a.KEY", true},
        {"*.key", "a.key/b", true},
        {"*.key", "a.keys", false},
        {"*.key", ".key", true},
        {".env.*", ".env.local", true},
        {".env.*", ".env", false},
        {"src/*.c", "src/a.c", true},
        {"src/*.c", "src/a/b.c", false},
        {"src/*/x", "src/a/x", true},
        {"src/*/x", "src/a/b/x", false},
        {"a*b*c", "a1b2c", true},
        {"a*b*c", "abc", true},
        {"a*b*c", "a1c", false},
        {"x.*", "X.", true}, /* the dot at the end is part of the name, or it is not: either way */
        {"x.*", "X", false},
        {"*", "anything/at/all", true},
        {"**", "x", true},
        {"a*", "b/c/ad", true},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) match(PATH_FORBIDDEN, t[i].rule, t[i].path, t[i].want);
}

/* Hostile lengths: a segment of 100 KiB, a path of 50,000 segments, a glob that would be exponential. */
static void hostile(void) {
    size_t n = 100000;
    char *p = malloc(n);
    NEED(p != NULL);
    memset(p, 'a', n);
    CHECK(path_rule_match(PATH_FORBIDDEN, "*a*a*a*a*a*a*a*a*a*a*b", p, n) == false);
    CHECK(path_rule_match(PATH_FORBIDDEN, "*", p, n));
    memcpy(p + n - 4, ".key", 4);
    CHECK(path_rule_match(PATH_FORBIDDEN, "*.key", p, n)); /* also behind what the folded copy holds */
    for (size_t i = 1; i < n; i += 2) p[i] = '/';
    CHECK(!path_rule_match(PATH_FORBIDDEN, "b", p, n) && path_rule_match(PATH_FORBIDDEN, "A", p, n));
    p[n - 2] = 'b';
    CHECK(path_rule_match(PATH_FORBIDDEN, "B", p, n));
    free(p);
}

static void any_and_plain(void) {
    const char *rules[] = {"x", "vendor/", "*.pem"};
    CHECK(path_any_match(PATH_FORBIDDEN, rules, 3, "a/b.pem", 7) &&
          !path_any_match(PATH_FORBIDDEN, rules, 2, "a/b.pem", 7));
    CHECK(!path_any_match(PATH_FORBIDDEN, rules, 0, "x", 1) && path_any_match(PATH_ALLOWED, rules, 1, "x", 1));
    static const char *const plain[] = {"a", "a/b", "...", ".a", "a b", "\xff"};
    static const char *const not_plain[] = {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a/./b", "../x"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        CHECK(path_is_plain_relative(plain[i], strlen(plain[i])));
    for (size_t i = 0; i < sizeof not_plain / sizeof not_plain[0]; i++)
        CHECK(!path_is_plain_relative(not_plain[i], strlen(not_plain[i])));
    CHECK(!path_is_plain_relative("a\0b", 3));
}

int main(void) {
    well_formed();
    allowed();
    forbidden();
    lookalikes();
    ignored();
    hostile();
    any_and_plain();
    return check_done();
}
