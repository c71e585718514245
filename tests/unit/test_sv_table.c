/* test_sv_table.c - no row is ever wider than the screen, whatever is in it; piped, nothing is cut, and of what wraps nothing ever. */
#include <string.h>

#include "check.h"
#include "common/text.h"
#include "supervisor/table.h"

static const struct table_column columns[] = {{.title = "STATUS"},
                                              {.title = "TOOK", .drop = 2, .right = true},
                                              {.title = "RUN", .least = 8},
                                              {.title = "WHY", .least = 6, .drop = 1}};

static char *print(const struct table *t, int width) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    NEED(f != NULL);
    table_print(t, f, width, true);
    NEED(fclose(f) == 0 && text);
    return text;
}

static int widest(const char *text) {
    int max = 0, here = 0;
    for (size_t left = strlen(text), k; left > 0; text += k, left -= k) {
        k = text_glyph(text, left);
        if (*text == '\n' || k == 0)
            here = 0, k = 1;
        else
            here += text_columns(text, k);
        if (here > max) max = here;
    }
    return max;
}

static struct table *sample(void) {
    struct table *t = table_new(columns, 4);
    table_cell(t, "fail", NULL), table_cellf(t, "%.2f s", 12.5),
        table_cell(t, "20261122T111914Z-a-rather-long-case-4711", NULL),
        table_cell(t, "verification_failed,dirty_ending_tree", NULL);
    table_cell(t, "pass", NULL), table_cell(t, "-", NULL),
        table_cell(t,
                   "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97",
                   NULL),
        table_cell(t, "a\nb\x1b[31m\xc2\x9b", NULL);
    table_cell(t, "pass", NULL), table_cell(t, "-", NULL), table_cell(t, "x", NULL), table_cell(t, "", NULL);
    return t;
}

/* Without the blanks and newlines. */
static void squeeze(const char *text, char *out, size_t size) {
    size_t n = 0;
    for (; *text && n < size - 1; text++)
        if (*text != ' ' && *text != '\n') out[n++] = *text;
    out[n] = '\0';
}

/* Of a text that wraps every letter is there, at any width that is one, and words are whole where a line can have them. */
static void wrapping(void) {
    static const struct table_column two[] = {{.title = "gate"}, {.title = "why", .least = 24, .wrap = true}};
    static const char *const texts[] = {
        "set THE_QUITE_LONG_NAME_OF_A_VARIABLE to the program that was admitted, then try again",
        "\xe6\xbc\xa2\xe5\xad\x97 \xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97", "short", ""};
    char wanted[400], seen[2000];
    struct table *t = table_new(two, 2);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        table_cell(t, "a gate", NULL), table_cell(t, texts[i], i == 0 ? "\033[1m" : NULL);
    for (int width = 12; width <= 150; width++) {
        char *text = print(t, width);
        squeeze(text, seen, sizeof seen);
        bool fine = widest(text) <= width + 4; /* the colour is no column */
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            squeeze(texts[i], wanted, sizeof wanted);
            fine = fine && strstr(seen, wanted);
        }
        fine = fine && (width < 40 || strstr(text, "THE_QUITE_LONG_NAME_OF_A_VARIABLE"));
        if (!CHECK(fine)) fprintf(stderr, "at %d:\n%s", width, text);
        free(text);
    }
    char *wide = print(t, 60);
    CHECK(strstr(wide, "gate    why\na gate  \033[1mset THE_QUITE_LONG_NAME_OF_A_VARIABLE to the\n        program that "
                       "was admitted,") == wide);
    free(wide);
    wide = print(t, 40);
    CHECK(
        strstr(wide, "gate\na gate\n  set THE_QUITE_LONG_NAME_OF_A_VARIABLE\n  to the program that was admitted,\n") ==
            wide &&
        strstr(wide, "\na gate\n  short\na gate\n"));
    free(wide);
    wide = print(t, 0);
    CHECK(strstr(wide, "then try again\033[0m\na gate  "));
    free(wide);
    table_free(t);
}

int main(void) {
    wrapping();
    struct table *t = sample();
    char *full = print(t, 0);
    CHECK(strstr(full, "STATUS     TOOK  RUN                                       WHY\n") == full);
    CHECK(
        strstr(full,
               "fail    12.50 s  20261122T111914Z-a-rather-long-case-4711  verification_failed,dirty_ending_tree\n") !=
        NULL);
    CHECK(strstr(full, "a\\x0ab\\x1b[31m\\xc2\\x9b\n") && strstr(full, "pass          -  x\n") && !strchr(full, 0x1b));
    free(full);
    for (int width = 1; width <= 200; width++) {
        char *text = print(t, width);
        int lines = 0;
        for (const char *p = text; *p; p++) lines += *p == '\n';
        if (!CHECK(widest(text) <= width && lines == 4)) fprintf(stderr, "at %d:\n%s", width, text);
        free(text);
    }
    char *narrow = print(t, 30);
    CHECK(strstr(narrow, "STATUS     TOOK  RUN\n") == narrow &&
          strstr(narrow, "fail    12.50 s  20261122T11\xe2\x80\xa6\n"));
    free(narrow);
    narrow = print(t, 20);
    CHECK(strstr(narrow, "STATUS  RUN\n") == narrow && strstr(narrow, "fail    20261122T1\xe2\x80\xa6\n"));
    free(narrow);
    char *wide = print(t, 60);
    CHECK(strstr(wide, "\xe2\x80\xa6  ") && strstr(wide, "WHY\n"));
    free(wide);
    table_free(t);
    t = table_new(columns, 4);
    narrow = print(t, 12); /* no rows */
    CHECK(widest(narrow) <= 12);
    free(narrow);
    table_free(t);
    table_free(NULL);
    return check_done();
}
