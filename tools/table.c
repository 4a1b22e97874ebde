/* SPDX-License-Identifier: MIT */
/* Aligns text in columns. Knows nothing of what it says. */
#include "table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "text.h"

/* A last column narrower than this is not worth cutting to. */
enum { NARROWEST = 4 };

/* In place of the last column's width. */
#define LEFT_OUT SIZE_MAX

void table_init(struct table *table, const struct table_column *columns, size_t column_count)
{
    *table = (struct table){.columns = columns, .column_count = column_count};
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
}

static void push(struct table *table, char *cell)
{
    if ((table->cell_count & (table->cell_count - 1)) == 0) {
        size_t size = table->cell_count == 0 ? 1 : 2 * table->cell_count;
        table->cells = text_must(realloc(table->cells, size * sizeof *table->cells));
    }
    table->cells[table->cell_count++] = cell;
}

void table_add(struct table *table, const char *format, ...)
{
    char *cell;
    va_list args;
    va_start(args, format);
    if (vasprintf(&cell, format, args) < 0)
        text_must(NULL);
    va_end(args);
    push(table, cell);
}

void table_note(struct table *table, const char *key, const char *sentence)
{
    table_add(table, "%s", key);
    table_add(table, "%s", sentence);
    for (size_t i = 2; i < table->column_count; i++)
        push(table, NULL);
}

static bool is_note(char *const *row)
{
    return row[2] == NULL;
}

static void spaces(FILE *out, size_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

/* As much of its end as fits into `width` columns (0 = all): names differ there. */
static void put_cut(FILE *out, const char *cell, size_t width)
{
    size_t columns = text_columns(cell);
    if (width > 0 && columns > width) {
        mbstate_t state = {0};
        while (columns + strlen("..") > width) {
            wchar_t c;
            size_t n = mbrtowc(&c, cell, MB_CUR_MAX, &state);
            if (n == 0 || n == (size_t)-1 || n == (size_t)-2)
                break;
            int w = wcwidth(c);
            columns -= w > 0 ? (size_t)w : 0;
            cell += n;
        }
        fputs("..", out);
    }
    fputs(cell, out);
}

/* Breaks lines at blanks, each further line indented; the cursor is at column `at`. */
static void put_folded(FILE *out, const char *sentence, size_t at, size_t indent, size_t width)
{
    while (*sentence != '\0') {
        size_t blanks = strspn(sentence, " ");
        size_t length = strcspn(sentence + blanks, " ");
        if (width > 0 && at + blanks + length > width && at > indent) {
            fputc('\n', out);
            spaces(out, indent);
            at = indent;
            blanks = 0;
            sentence += strspn(sentence, " ");
        }
        fprintf(out, "%.*s", (int)(blanks + length), sentence);
        sentence += blanks + length;
        at += blanks + length;
    }
    fputc('\n', out);
}

static void put_row(const struct table *table, FILE *out, char *const *row, const size_t *widths, size_t gap,
                    size_t last_width)
{
    size_t columns = table->column_count - (last_width == LEFT_OUT);
    for (size_t c = 0; c < columns; c++) {
        bool last = c + 1 == columns;
        size_t pad = widths[c] - text_columns(row[c]);
        if (c > 0)
            spaces(out, gap);
        if (table->columns[c].right)
            spaces(out, pad);
        put_cut(out, row[c], c + 1 == table->column_count ? last_width : 0);
        if (!table->columns[c].right && !last)
            spaces(out, pad);
    }
    fputc('\n', out);
}

void table_print(const struct table *table, FILE *out, size_t indent, size_t width)
{
    size_t columns = table->column_count;
    char **heads = text_must(calloc(columns, sizeof *heads));
    size_t *widths = text_must(calloc(columns, sizeof *widths));
    for (size_t c = 0; c < columns; c++) {
        heads[c] = (char *)table->columns[c].head;
        widths[c] = text_columns(heads[c]);
    }
    bool rows = false;
    for (size_t i = 0; i + columns <= table->cell_count; i += columns) {
        bool note = is_note(table->cells + i);
        rows |= !note;
        for (size_t c = 0; c < (note ? 1 : columns); c++) {
            size_t w = text_columns(table->cells[i + c]);
            if (w > widths[c])
                widths[c] = w;
        }
    }

    size_t gap = 2;
    size_t total = indent;
    for (size_t c = 0; c < columns; c++)
        total += widths[c];
    if (width > 0 && total + gap * (columns - 1) > width)
        gap = 1;
    total += gap * (columns - 1);
    /* Cutting the last column helps only if enough of it remains. */
    size_t last_width = 0;
    if (width > 0 && total > width) {
        size_t others = total - widths[columns - 1];
        if (others + NARROWEST <= width)
            last_width = width - others;
        else if (table->columns[columns - 1].spare)
            last_width = LEFT_OUT;
    }

    if (rows) {
        spaces(out, indent);
        put_row(table, out, heads, widths, gap, last_width);
    }
    for (size_t i = 0; i + columns <= table->cell_count; i += columns) {
        char *const *row = table->cells + i;
        spaces(out, indent);
        if (!is_note(row)) {
            put_row(table, out, row, widths, gap, last_width);
            continue;
        }
        size_t at = indent + widths[0] + gap;
        fputs(row[0], out);
        spaces(out, widths[0] - text_columns(row[0]) + gap);
        put_folded(out, row[1], at, at + 24 <= width ? at : indent + 4, width);
    }
    free(widths);
    free(heads);
}
