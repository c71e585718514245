/* test_in_names.c - which names a tree may have, and quoting for messages. */
#include <string.h>

#include "common/git_names.h"
#include "tests/unit/check.h"
#include "worker/inspect/out.h"

static int safe(const char *name) { return name_is_safe(name, strlen(name)); }

int main(void) {
    static const char *const good[] = {"a",     ".gitignore", ".gitmodules", "git",    "..a",   ".g",
                                       "git~2", "git~10",     ".git2",       "a\\b",   "-x",    " ",
                                       "\x01",  "\xff\xfe",   ".gitx",       "x.git",  ".gi t", "\xe2\x80\x8b",
                                       "...",   "git ~1",     "a\\x2db",     "a\\...", "\\"};
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      ".git",
                                      ".GIT",
                                      ".Git",
                                      ".git.",
                                      ".git ",
                                      ".git. . .",
                                      ".git:x",
                                      ".git::$INDEX_ALLOCATION",
                                      ".git\\x",
                                      "a\\.git\\x",
                                      "a\\GIT~1",
                                      "..\\x",
                                      "a\\..\\..\\x",
                                      "a\\..",
                                      "git~1",
                                      "GIT~1",
                                      "git~1.",
                                      "git~1 ",
                                      "git~1:a",
                                      ".g\xe2\x80\x8cit",
                                      "\xef\xbb\xbf.git",
                                      ".git\xe2\x80\x8d",
                                      ".gi\xe2\x81\xaat",
                                      "a/b",
                                      "/"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!CHECK(safe(good[i]))) fprintf(stderr, "  good: '%s'\n", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!CHECK(!safe(bad[i]))) fprintf(stderr, "  bad: '%s'\n", bad[i]);
    CHECK(!name_is_safe("a\0b", 3));
    char name[300], text[OUT_QUOTE_SIZE];
    memset(name, 'x', sizeof name);
    CHECK(name_is_safe(name, 255) && !name_is_safe(name, 256));

    CHECK(strcmp(out_quote("a\n\x1b\\\xff", 5, text), "a\\012\\033\\134\\377") == 0);
    memset(name, '\n', sizeof name);
    CHECK(strlen(out_quote(name, sizeof name, text)) < OUT_QUOTE_SIZE);
    CHECK(strcmp(text + strlen(text) - 3, "...") == 0);
    CHECK(*out_quote("", 0, text) == '\0');
    return check_done();
}
