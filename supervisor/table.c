/* table.c - see table.h. Widths are found when all cells are known, so a table is held in memory and printed at the end. */
#include "supervisor/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/io.h"
#include "common/text.h"
#include "supervisor/seal.h"

#define MAX_COLUMNS 8
#define GAP 2
#define CELL_MAX (64u << 10)
#define WRAP_LEAST 8 /* columns: on what is narrower, text that wraps is cut like any other */
#define WRAP_INDENT 2
#define ELLIPSIS "\xe2\x80\xa6"

struct cell {
    char *text;
    const char *colour;
    int columns;
};

struct table {
    const struct table_column *columns;
    int n;
    struct cell *cells;
    size_t used, room;
};

int table_width(int fd) {
    struct winsize w;
    return isatty(fd) && ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 0;
}

static char *clean(const char *text) {
    AUTO_BUF struct buf b = BUF_INIT(4 * CELL_MAX);
    AUTO_FREE char *head = strndup(text, CELL_MAX - 1);
    BUG_UNLESS(head != NULL);
    report_put_text(&b, head, false);
    char *out = strdup(buf_str(&b));
    BUG_UNLESS(out != NULL);
    return out;
}

static int columns_of(const char *text) {
    int n = 0;
    for (size_t left = strlen(text), k; left > 0; text += k, left -= k) {
        k = text_glyph(text, left);
        n += k ? text_columns(text, k) : 1;
        if (k == 0) k = 1;
    }
    return n;
}

static int longest_word(const char *text) {
    int most = 0, here = 0;
    for (size_t left = strlen(text), k; left > 0; text += k, left -= k) {
        k = text_glyph(text, left);
        here = *text == ' ' ? 0 : here + (k ? text_columns(text, k) : 1);
        if (here > most) most = here;
        if (k == 0) k = 1;
    }
    return most;
}

struct table *table_new(const struct table_column *columns, int n) {
    struct table *t = calloc(1, sizeof *t);
    BUG_UNLESS(t != NULL && n > 0 && n <= MAX_COLUMNS);
    t->columns = columns;
    t->n = n;
    return t;
}

void table_free(struct table *t) {
    if (!t) return;
    for (size_t i = 0; i < t->used; i++) free(t->cells[i].text);
    free(t->cells);
    free(t);
}

void table_cell(struct table *t, const char *text, const char *colour) {
    if (t->used == t->room) {
        t->room = t->room ? 2 * t->room : 128;
        t->cells = realloc(t->cells, t->room * sizeof *t->cells);
        BUG_UNLESS(t->cells != NULL);
    }
    struct cell *c = &t->cells[t->used++];
    c->text = clean(text);
    c->colour = colour;
    c->columns = columns_of(c->text);
}

void table_cellf(struct table *t, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    table_cell(t, text, NULL);
}

/* --- widths ------------------------------------------------------------------------------------------------------- */

static int total(const int *widths, int n) {
    int sum = -GAP;
    for (int i = 0; i < n; i++)
        if (widths[i] >= 0) sum += widths[i] + GAP;
    return sum < 0 ? 0 : sum;
}

/* Drops columns in their order until the rest, cut as far as it may be, fits. A dropped column has width -1. */
static void drop_columns(const struct table *t, int width, int widths[MAX_COLUMNS]) {
    for (int next = 1; next <= MAX_COLUMNS; next++) {
        int least[MAX_COLUMNS];
        for (int i = 0; i < t->n; i++) {
            int l = t->columns[i].least;
            least[i] = widths[i] < 0 ? -1 : l > 0 && l < widths[i] ? l : widths[i];
        }
        if (total(least, t->n) <= width) return;
        for (int i = 0; i < t->n; i++)
            if (t->columns[i].drop == next) widths[i] = -1;
    }
}

/* Takes from the column that has most above what it needs, until all fit. */
static void cut_columns(const struct table *t, int width, int widths[MAX_COLUMNS]) {
    while (total(widths, t->n) > width) {
        int most = -1, above = 0;
        for (int i = 0; i < t->n; i++) {
            int l = t->columns[i].least;
            if (widths[i] < 0 || l == 0 || widths[i] - l <= above) continue;
            above = widths[i] - l;
            most = i;
        }
        if (most < 0) return; /* the line is cut then */
        widths[most]--;
    }
}

/* A last column that wraps gets lines of its own where it has too little room beside the others: less than it needs, or less than its
 * longest word (a variable, a path), which would have to be broken to be put there. */
static void move_below(const struct table *t, int width, int widths[MAX_COLUMNS]) {
    const int end = t->n - 1, room = width - WRAP_INDENT;
    int longest = 0;
    if (!t->columns[end].wrap || room < WRAP_LEAST) return;
    for (size_t i = (size_t)end; i < t->used; i += (size_t)t->n) {
        const int n = longest_word(t->cells[i].text);
        if (n > longest) longest = n;
    }
    if (total(widths, t->n) > width || (widths[end] < longest && widths[end] < room)) widths[end] = -1;
}

static void find_widths(const struct table *t, int width, bool header, int widths[MAX_COLUMNS]) {
    for (int i = 0; i < t->n; i++) widths[i] = header ? columns_of(t->columns[i].title) : 0;
    for (size_t i = 0; i < t->used; i++)
        if (t->cells[i].columns > widths[i % (size_t)t->n]) widths[i % (size_t)t->n] = t->cells[i].columns;
    if (width == 0) return;
    drop_columns(t, width, widths);
    cut_columns(t, width, widths);
    move_below(t, width, widths);
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

/* At most `room` columns of it, the last one an ellipsis when there is more; returns the columns that were printed. */
static int put_cut(FILE *out, const char *text, int room) {
    int have = columns_of(text), used = 0;
    if (room <= 0) return 0;
    for (size_t left = strlen(text), k; left > 0; text += k, left -= k) {
        k = text_glyph(text, left);
        int c = k ? text_columns(text, k) : 1;
        if (k == 0) k = 1;
        if (have > room && used + c > room - 1) break;
        fwrite(text, 1, k, out);
        used += c;
    }
    if (have > room) {
        fputs(ELLIPSIS, out);
        used++;
    }
    return used;
}

static void put_pad(FILE *out, int n) {
    for (; n > 0; n--) fputc(' ', out);
}

/* How many bytes of it fit into these columns: up to a blank where there is one, else whole characters; at least one. */
static size_t fitting(const char *text, int room) {
    size_t at = 0, blank = 0, left = strlen(text);
    for (int used = 0; left > 0;) {
        size_t k = text_glyph(text + at, left);
        const int c = k ? text_columns(text + at, k) : 1;
        if (used + c > room && at > 0) return text[at] == ' ' ? at : blank ? blank : at;
        if (text[at] == ' ') blank = at;
        if (k == 0) k = 1;
        used += c;
        at += k;
        left -= k;
    }
    return at;
}

/* In lines of at most `room` columns, all but the first after `indent` blanks; no newline at the end. */
static void put_wrapped(FILE *out, const char *text, int indent, int room) {
    while (*text) {
        const size_t n = fitting(text, room);
        fwrite(text, 1, n, out);
        text += n;
        while (*text == ' ') text++;
        if (!*text) break;
        fputc('\n', out);
        put_pad(out, indent);
    }
}

/* `left` is what the screen has, or a very large number. Nothing follows the last cell, not even spaces. */
static void put_row(const struct table *t, FILE *out, const struct cell *row, const int *widths, int left) {
    const int all = left, end = t->n - 1;
    int last = end, pad = 0;
    while (last > 0 && (widths[last] < 0 || row[last].columns == 0)) last--;
    for (int i = 0; i <= last; i++) {
        if (widths[i] < 0) continue;
        int columns = row[i].columns < widths[i] ? row[i].columns : widths[i];
        if (t->columns[i].right) pad += widths[i] - columns;
        if (pad >= left) break;
        put_pad(out, pad);
        left -= pad;
        const int room = widths[i] < left ? widths[i] : left;
        if (row[i].colour) fputs(row[i].colour, out);
        if (t->columns[i].wrap && room >= WRAP_LEAST)
            put_wrapped(out, row[i].text, all - left, room);
        else
            left -= put_cut(out, row[i].text, room);
        if (row[i].colour) fputs("\033[0m", out);
        pad = GAP + (t->columns[i].right ? 0 : widths[i] - columns);
    }
    fputc('\n', out);
    if (widths[end] >= 0 || !t->columns[end].wrap || row[end].columns == 0) return;
    put_pad(out, WRAP_INDENT);
    put_wrapped(out, row[end].text, WRAP_INDENT, all - WRAP_INDENT);
    fputc('\n', out);
}

void table_print(const struct table *t, FILE *out, int width, bool header) {
    int widths[MAX_COLUMNS], room = width > 1 ? width - 1 : width; /* the last column is where terminals differ */
    struct cell titles[MAX_COLUMNS] = {{0}};
    BUG_UNLESS(t->used % (size_t)t->n == 0);
    find_widths(t, room, header, widths);
    if (room == 0) room = 1 << 30;
    for (int i = 0; i < t->n; i++)
        titles[i] =
            (struct cell){.text = (char *)(uintptr_t)t->columns[i].title, .columns = columns_of(t->columns[i].title)};
    if (widths[t->n - 1] < 0) titles[t->n - 1].columns = 0;
    if (header) put_row(t, out, titles, widths, room);
    for (size_t i = 0; i < t->used; i += (size_t)t->n) put_row(t, out, &t->cells[i], widths, room);
}

void table_line(FILE *out, int width, const char *text) {
    AUTO_FREE char *line = clean(text);
    put_cut(out, line, width > 1 ? width - 1 : width == 1 ? 1 : 1 << 30);
    fputc('\n', out);
}
