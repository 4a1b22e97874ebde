/* SPDX-License-Identifier: MIT */
/* Rows of cells, aligned under a header line. */
#ifndef SHMCHAN_STAT_TABLE_H
#define SHMCHAN_STAT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
    const char *head;
    bool right; /* numbers                                                */
    bool spare; /* the last one only: left out if there is no room for it */
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells; /* row after row; in a row that is a note, all but the first two are NULL */
    size_t cell_count;
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count);
void table_free(struct table *table);

/* The next cell, from left to right, row by row. Printable text only. */
__attribute__((format(printf, 2, 3))) void table_add(struct table *table, const char *format, ...);

/* A row that is a key and a sentence across the other columns. */
void table_note(struct table *table, const char *key, const char *sentence);

/* Fits into `width` columns (0 = as wide as it likes) as well as it can: columns move together, the last
   one loses the beginning of its cells, notes are folded. */
void table_print(const struct table *table, FILE *out, size_t indent, size_t width);

#endif
