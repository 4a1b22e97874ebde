/* SPDX-License-Identifier: MIT */
/* Rows of cells, aligned under a header line. */
#ifndef SHMCHAN_STAT_TABLE_H
#define SHMCHAN_STAT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "colour.h"

/* When a column is left out. */
enum table_need {
    TABLE_NEEDED = 0,
    TABLE_USEFUL, /* if it does not fit even after others were squeezed fairly */
    TABLE_LUXURY  /* if it does not fit unless others are squeezed too much    */
};

/* A column that is too wide for the rest is squeezed, and loses the middle of its text: to `much` columns
   before a luxury is left out, to `fair` before what is useful is, to `least` if it must be. 0 = not at all.
 */
struct table_column {
    const char *head;     /* NULL in all of them: no line of heads */
    bool right;           /* numbers                             */
    enum table_need need; /* of those alike, the last goes first */
    size_t much, fair, least;
    bool keep_end; /* it loses its beginning instead */
};

struct table_cell {
    char *text; /* NULL: the one before goes across */
    enum colour colour;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    struct table_cell *cells; /* row after row */
    size_t cell_count;
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count);
void table_free(struct table *table);

/* The next cell, from left to right, row by row. Printable text only. */
__attribute__((format(printf, 3, 4))) void table_add(struct table *table, enum colour colour,
                                                     const char *format, ...);

/* A sentence that ends the row, across its other columns. */
void table_across(struct table *table, const char *sentence);

/* Fits into `width` columns (0 = as wide as it likes) as well as it can: columns move together, are squeezed,
   or are left out; sentences are folded. */
void table_print(const struct table *table, FILE *out, size_t indent, size_t width);

/* What fits of it, without its middle (or its beginning) if it is too wide, with two dots instead: names
   differ at either end. The caller frees it. */
char *table_squeezed(const char *text, size_t width, bool keep_end);

/* Breaks lines at blanks (not at those between backquotes, or before a unit), so that they end before column
   `width` (0 = never); the first begins at `at`, where the cursor is, each further one at `indent`. Ends the
   line. */
void table_fold(FILE *out, const char *sentence, size_t at, size_t indent, size_t width);

#endif
