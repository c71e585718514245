/* test_sv_table.c - no row is ever wider than the screen, whatever is in it; piped, nothing is cut. */
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

int main(void) {
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
