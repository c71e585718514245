/* table.h - rows for people. Piped, a table has its full width, whatever that is; on a terminal no row is ever wider than the
 * screen, so that the terminal wraps none: columns that may be cut are cut with an ellipsis, then columns that may go are dropped,
 * then the line is cut. A last column whose text says what to do is not cut: it goes on below itself, or, where the others leave it
 * too little room, in lines of its own. Control bytes in cells are made visible. */
#ifndef CTO_SUPERVISOR_TABLE_H
#define CTO_SUPERVISOR_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct table; /* opaque */

struct table_column {
    const char *title;
    int least; /* columns of the screen that it needs at least when it is cut; 0: it is never cut */
    int drop;  /* 1 goes first, then 2, ...; 0: never */
    bool right;
    bool wrap; /* of the last one only: nothing of it is cut; `least` is what it needs beside the others */
};

/* The columns are borrowed and must outlive the table. */
struct table *table_new(const struct table_column *columns, int n);
void table_free(struct table *t); /* NULL is fine */
/* The next cell, from left to right; a row is complete after n of them. `colour` is an escape sequence or NULL. */
void table_cell(struct table *t, const char *text, const char *colour);
void table_cellf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `width` from table_width(). */
void table_print(const struct table *t, FILE *out, int width, bool header);

/* Columns of the terminal behind the descriptor; 0: no terminal, nothing is cut. */
int table_width(int fd);
/* One line of text and a newline, cleaned, cut to the width. */
void table_line(FILE *out, int width, const char *text);

#endif
