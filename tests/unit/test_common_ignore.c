/* test_common_ignore.c - gitignore patterns; the integration test compares the same matcher with git itself. */
#include <string.h>

#include "common/ignore.h"
#include "tests/unit/check.h"

static struct ignore rules(const char *text) {
    struct ignore g = {0};
    struct err e = ERR_INIT;
    NEED(ignore_parse(&g, text, strlen(text), &e) == 0);
    return g;
}

static bool ignored(const char *text, const char *path, bool is_dir) {
    struct ignore g = rules(text);
    bool r = ignore_match(&g, path, strlen(path), is_dir);
    ignore_release(&g);
    return r;
}

#define YES(text, path) CHECK(ignored(text, path, false))
#define NO(text, path) CHECK(!ignored(text, path, false))

static void test_patterns(void) {
    YES("*.o", "a.o");
    YES("*.o", "d/e/a.o");
    NO("*.o", "a.oo");
    NO("*.o", "a.o/b");
    YES("/a", "a");
    NO("/a", "b/a");
    YES("d/*.c", "d/x.c");
    NO("d/*.c", "d/e/x.c");
    NO("d/*.c", "z/d/x.c");
    YES("a?c", "abc");
    NO("a?c", "a/c");
    YES("[a-c]x", "bx");
    NO("[!a-c]x", "bx");
    YES("[^a-c]x", "dx");
    YES("[]]x", "]x");
    YES("[a\\]]x", "]x");
    NO("[ab", "a");
    YES("\\#a", "#a");
    YES("\\!a", "!a");
    NO("#a", "#a");
    YES("a\\ ", "a ");
    YES("a  ", "a");
    YES("*", ".hidden");
    YES("a*b*c*d", "aXbYcZd");
    NO("a*b*c*d", "aXbYcZ");
    YES("\xef\xbb\xbf*.o", "a.o");
    YES("*.o\r\n*.p\r\n", "a.p");
    NO("", "a");
    NO("/", "a");
    NO("\n\n", "a");
}

static void test_double_stars(void) {
    YES("**/x", "x");
    YES("**/x", "a/b/x");
    NO("**/x", "a/bx");
    YES("a/**", "a/b");
    YES("a/**", "a/b/c");
    NO("a/**", "a");
    YES("a/**/z", "a/z");
    YES("a/**/z", "a/b/c/z");
    NO("a/**/z", "a/b/cz");
    YES("a**b", "aXXb");
    NO("x/a**b", "x/a/b");
    YES("**", "any/thing");
}

static void test_order_and_kinds(void) {
    CHECK(ignored("build/", "build", true));
    CHECK(!ignored("build/", "build", false));
    CHECK(ignored("build/", "a/build", true));
    CHECK(!ignored("/build/", "a/build", true));
    YES("*.o\n!keep.o\n", "x.o");
    NO("*.o\n!keep.o\n", "keep.o");
    YES("*.o\n!keep.o\nkeep.o\n", "keep.o");
}

/* Whoever has several of them must know which said nothing. */
static void test_ask(void) {
    struct ignore g = rules("*.o\n!keep.o\n");
    CHECK(ignore_ask(&g, "x.o", 3, false) == IGNORE_YES);
    CHECK(ignore_ask(&g, "keep.o", 6, false) == IGNORE_NO);
    CHECK(ignore_ask(&g, "x.c", 3, false) == IGNORE_NOTHING);
    ignore_release(&g);
}

static void test_case_rules(void) {
    static const char *const extra[] = {"node_modules/", "notes.md", "out/*.bin"};
    struct ignore g = rules("!notes.md\n");
    g.extra = extra;
    g.n_extra = 3;
    CHECK(ignore_match(&g, "notes.md", 8, false));
    CHECK(ignore_match(&g, "node_modules/x", 14, false));
    CHECK(ignore_match(&g, "node_modules", 12, true));
    CHECK(ignore_match(&g, "out/a.bin", 9, false));
    CHECK(!ignore_match(&g, "out", 3, true));
    CHECK(!ignore_match(&g, "src", 3, true));
    ignore_release(&g);
}

static void test_bounds(void) {
    static char text[200000];
    struct ignore g = {0};
    struct err e = ERR_INIT;
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "a\n", 2);
    CHECK(ignore_parse(&g, text, sizeof text, &e) < 0 && e.code == ERR_LIMIT);
    ignore_release(&g);
}

int main(void) {
    test_patterns();
    test_double_stars();
    test_order_and_kinds();
    test_ask();
    test_case_rules();
    test_bounds();
    return check_done();
}
