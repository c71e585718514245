/* test_common_text.c - what of hostile bytes may reach a terminal, and that an error line lets nothing else through. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/log.h"
#include "common/text.h"

static size_t glyph(const char *s) { return text_glyph(s, strlen(s)); }

static void test_glyphs(void) {
    static const char *const shown[] = {"a",
                                        "~",
                                        "\xc2\xa0",
                                        "\xc3\xa9",
                                        "\xc3\x9b",
                                        "\xe2\x80\xa6",
                                        "\xe2\x80\x94",
                                        "\xe6\xbc\xa2",
                                        "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (!CHECK(glyph(shown[i]) == strlen(shown[i]))) fprintf(stderr, "%s is not shown\n", shown[i]);
    static const char *const hidden[] = {
        "\x01",
        "\x1b[2J",
        "\x7f",
        "\n",
        "\t",
        "\x80",
        ("\x9b"
         "31m"),
        "\x9f",
        "\xc2\x80",
        "\xc2\x9b",
        "\xc2\x9f", /* C0, C1 */
        "\xe2\x80\xae",
        "\xe2\x80\x8b",
        "\xe2\x80\xa8",
        "\xe2\x81\xa6",
        "\xef\xbb\xbf",
        "\xd8\x9c", /* turned, invisible */
        "\xc0\x9b",
        "\xc1\xbf",
        "\xe0\x82\x9b",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3",
        "\xe2\x80",
        "\xc3(", /* malformed */
    };
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (!CHECK(glyph(hidden[i]) == 0)) fprintf(stderr, "hidden[%zu] is shown\n", i);
}

static void test_columns(void) {
    CHECK(text_columns("a", 1) == 1 && text_columns("\xc3\xa9", 2) == 1 && text_columns("\xe2\x80\xa6", 3) == 1);
    CHECK(text_columns("\xe6\xbc\xa2", 3) == 2 && text_columns("\xf0\x9f\x98\x80", 4) == 2);
}

static void test_fits(void) {
    CHECK(text_fits("", 0) == 0 && text_fits("abc", 3) == 3 && text_fits("abc", 4) == 3 && text_fits("abc", 2) == 2);
    CHECK(text_fits("a\xc3\xa9", 2) == 1 && text_fits("a\xc3\xa9", 3) == 3 && text_fits("\xc3\xa9", 1) == 0);
    CHECK(text_fits("\xf0\x9f\x98\x80x", 3) == 0 && text_fits("\xf0\x9f\x98\x80x", 4) == 4);
}

/* Every byte and every two-byte C1 character through log_line(): what arrives holds no control byte but the newline, and C1 in
 * no form. */
static void test_log(void) {
    char text[600], got[4096];
    size_t n = 0;
    for (int c = 1; c < 256; c++) text[n++] = (char)c;
    for (int c = 0x80; c < 0xa0; c++) text[n++] = (char)0xc2, text[n++] = (char)c;
    memcpy(text + n, "\xc3\x9bnd", 5);
    int p[2], saved = dup(2);
    NEED(pipe(p) == 0 && saved >= 0 && dup2(p[1], 2) == 2);
    log_line("%s", text);
    dup2(saved, 2);
    close(p[1]);
    ssize_t len = read(p[0], got, sizeof got - 1);
    NEED(len > 0);
    got[len] = '\0';
    CHECK(got[len - 1] == '\n' && memchr(got, '\n', (size_t)len) == got + len - 1);
    for (ssize_t i = 0; i < len - 1; i++) {
        size_t k = text_glyph(got + i, (size_t)(len - i));
        if (!CHECK(k > 0)) fprintf(stderr, "byte %zd is 0x%02x\n", i, (unsigned char)got[i]);
        if (k > 1) i += (ssize_t)k - 1;
    }
    CHECK(strstr(got, "\\x9b") && strstr(got, "\\xc2\\x9b") && strstr(got, "\xc3\x9bnd"));
    close(p[0]);
    close(saved);
}

int main(void) {
    test_glyphs();
    test_columns();
    test_fits();
    test_log();
    return check_done();
}
