/* SPDX-License-Identifier: MIT */
/* Aligns text in columns. Knows nothing of what it says. */
#include "table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define DOTS ".."

/* What is drawn, and how wide: worked out anew for each print. */
struct layout {
    const struct table *table;
    size_t width; /* 0 = unlimited */
    size_t indent;
    size_t gap;
    size_t *natural; /* of each column       */
    size_t *widths;  /* likewise, as drawn   */
    bool *out;       /* likewise: left out   */
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count)
{
    *table = (struct table){.columns = columns, .column_count = column_count};
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i].text);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
}

static void push(struct table *table, char *text, enum colour colour)
{
    if ((table->cell_count & (table->cell_count - 1)) == 0) {
        size_t size = table->cell_count == 0 ? 1 : 2 * table->cell_count;
        table->cells = text_must(realloc(table->cells, size * sizeof *table->cells));
    }
    table->cells[table->cell_count++] = (struct table_cell){text, colour};
}

void table_add(struct table *table, enum colour colour, const char *format, ...)
{
    char *cell;
    va_list args;
    va_start(args, format);
    if (vasprintf(&cell, format, args) < 0)
        text_must(NULL);
    va_end(args);
    push(table, cell, colour);
}

void table_across(struct table *table, const char *sentence)
{
    push(table, text_must(strdup(sentence)), COLOUR_NONE);
    while (table->cell_count % table->column_count != 0)
        push(table, NULL, COLOUR_NONE);
}

/* ---------------------------------------------------------------- text that does not fit */

static void spaces(FILE *out, size_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

/* The most of its end that fits. */
static const char *ending(const char *text, size_t columns)
{
    size_t all = text_columns(text);
    while (all > columns && *text != '\0') {
        size_t n = text_within(text, 1);
        n = n > 0 ? n : text_within(text, 2);
        text += n > 0 ? n : 1;
        all = text_columns(text);
    }
    return text;
}

/* Without its middle (or beginning) if it is too wide: names differ at either end. Returns the columns used.
 */
static size_t put_squeezed(FILE *out, const char *text, size_t width, bool keep_end)
{
    size_t columns = text_columns(text);
    if (columns <= width) {
        fputs(text, out);
        return columns;
    }
    size_t left = width - strlen(DOTS);
    char *head = text_must(strndup(text, keep_end ? 0 : text_within(text, left / 2)));
    size_t used = text_columns(head);
    const char *end = ending(text, left - used);
    fprintf(out, "%s" DOTS "%s", head, end);
    free(head);
    return used + strlen(DOTS) + text_columns(end);
}

/* Up to the next blank; a command in backquotes is not torn. */
static size_t word_length(const char *s)
{
    size_t length = strcspn(s, " ");
    const char *end = *s == '`' ? strchr(s + 1, '`') : NULL;
    if (end != NULL && end < s + 50)
        length = (size_t)(end - s) + strcspn(end, " ");
    return length;
}

void table_fold(FILE *out, const char *sentence, size_t at, size_t indent, size_t width)
{
    while (*sentence != '\0') {
        size_t blanks = strspn(sentence, " ");
        size_t length = word_length(sentence + blanks);
        char *word = text_must(strndup(sentence + blanks, length));
        size_t columns = text_columns(word);
        if (width > 0 && at + blanks + columns > width && at > indent) {
            fputc('\n', out);
            spaces(out, indent);
            at = indent;
        } else {
            spaces(out, blanks);
            at += blanks;
        }
        fputs(word, out);
        at += columns;
        free(word);
        sentence += blanks + length;
    }
    fputc('\n', out);
}

/* ---------------------------------------------------------------- layout */

static const struct table_column *column_of(const struct layout *l, size_t c)
{
    return &l->table->columns[c];
}

static bool goes_across(const struct table *t, size_t cell)
{
    return (cell + 1) % t->column_count != 0 && cell + 1 < t->cell_count && t->cells[cell + 1].text == NULL;
}

/* A sentence across counts for no column, nor does the word before it, unless that begins the row. */
static void measure(struct layout *l)
{
    const struct table *t = l->table;
    for (size_t c = 0; c < t->column_count; c++)
        l->natural[c] = text_columns(t->columns[c].head);
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t c = i % t->column_count;
        if (t->cells[i].text == NULL || goes_across(t, i) || (c > 0 && goes_across(t, i + 1)))
            continue;
        size_t w = text_columns(t->cells[i].text);
        if (w > l->natural[c])
            l->natural[c] = w;
    }
    memcpy(l->widths, l->natural, t->column_count * sizeof *l->widths);
}

static size_t total(const struct layout *l)
{
    size_t sum = l->indent, shown = 0;
    for (size_t c = 0; c < l->table->column_count; c++) {
        if (l->out[c])
            continue;
        sum += l->widths[c];
        shown++;
    }
    return sum + l->gap * (shown > 0 ? shown - 1 : 0);
}

static bool fits(const struct layout *l)
{
    return l->width == 0 || total(l) <= l->width;
}

/* False: there is none of this kind left. */
static bool leave_out(struct layout *l, enum table_need need)
{
    for (size_t c = l->table->column_count; c-- > 0;) {
        if (!l->out[c] && column_of(l, c)->need == need) {
            l->out[c] = true;
            return true;
        }
    }
    return false;
}

/* The last one first, each as far as it may be: what matters most comes first. */
static void squeeze(struct layout *l)
{
    memcpy(l->widths, l->natural, l->table->column_count * sizeof *l->widths);
    for (size_t c = l->table->column_count; c-- > 0;) {
        size_t least = column_of(l, c)->least;
        while (!l->out[c] && least > 0 && l->widths[c] > least && !fits(l))
            l->widths[c]--;
    }
}

static void arrange(struct layout *l)
{
    measure(l);
    while (!fits(l) && leave_out(l, TABLE_LUXURY))
        ;
    if (!fits(l))
        l->gap = 1;
    squeeze(l);
    while (!fits(l) && leave_out(l, TABLE_USEFUL))
        squeeze(l);
}

/* ---------------------------------------------------------------- drawing */

static bool last_shown(const struct layout *l, size_t c)
{
    for (c++; c < l->table->column_count; c++) {
        if (!l->out[c])
            return false;
    }
    return true;
}

/* A word before a sentence may be wider than its column. */
static size_t put_cell(const struct layout *l, FILE *out, size_t c, const char *text, enum colour colour,
                       bool overflow)
{
    size_t columns = text_columns(text);
    size_t width = overflow && columns > l->widths[c] ? columns : l->widths[c];
    size_t pad = columns < width ? width - columns : 0;
    if (column_of(l, c)->right)
        spaces(out, pad);
    fputs(colour_begin(colour), out);
    columns = put_squeezed(out, text, width, column_of(l, c)->keep_end);
    fputs(colour_end(colour), out);
    if (!column_of(l, c)->right && !last_shown(l, c))
        spaces(out, columns < width ? width - columns : 0);
    return width;
}

/* Until its sentence across, if it has one; then the cursor is where that begins, and this is its cell. */
static size_t put_row(const struct layout *l, FILE *out, const struct table_cell *row, size_t *ret_at)
{
    size_t at = l->indent;
    spaces(out, l->indent);
    for (size_t c = 0; c < l->table->column_count; c++) {
        bool across = c + 1 < l->table->column_count && row[c + 1].text == NULL;
        if (l->out[c] && !across)
            continue;
        if (at > l->indent) {
            spaces(out, l->gap);
            at += l->gap;
        }
        if (across) {
            *ret_at = at;
            return c;
        }
        bool before = c > 0 && c + 2 < l->table->column_count && row[c + 2].text == NULL;
        at += put_cell(l, out, c, row[c].text, row[c].colour, before);
    }
    return SIZE_MAX;
}

static void put_head(const struct layout *l, FILE *out)
{
    spaces(out, l->indent);
    bool first = true;
    for (size_t c = 0; c < l->table->column_count; c++) {
        if (l->out[c])
            continue;
        if (!first)
            spaces(out, l->gap);
        first = false;
        put_cell(l, out, c, column_of(l, c)->head, COLOUR_HEAD, false);
    }
    fputc('\n', out);
}

static void draw(const struct layout *l, FILE *out)
{
    const struct table *t = l->table;
    put_head(l, out);
    for (size_t i = 0; i + t->column_count <= t->cell_count; i += t->column_count) {
        size_t at = 0;
        size_t across = put_row(l, out, t->cells + i, &at);
        if (across == SIZE_MAX) {
            fputc('\n', out);
            continue;
        }
        size_t further = l->width == 0 || at + 24 <= l->width ? at : l->indent + 4;
        table_fold(out, t->cells[i + across].text, at, further, l->width);
    }
}

void table_print(const struct table *table, FILE *out, size_t indent, size_t width)
{
    size_t count = table->column_count;
    struct layout l = {
        .table = table,
        .width = width,
        .indent = indent,
        .gap = 2,
        .natural = text_must(calloc(count, sizeof(size_t))),
        .widths = text_must(calloc(count, sizeof(size_t))),
        .out = text_must(calloc(count, sizeof(bool))),
    };
    arrange(&l);
    draw(&l, out);
    free(l.natural);
    free(l.widths);
    free(l.out);
}
