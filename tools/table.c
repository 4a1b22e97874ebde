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

char *table_squeezed(const char *text, size_t width, bool keep_end)
{
    char *squeezed, *head;
    if (text_columns(text) <= width)
        return text_must(strdup(text));
    if (width <= strlen(DOTS))
        return text_must(strndup(DOTS, width));
    size_t left = width - strlen(DOTS);
    head = text_must(strndup(text, keep_end ? 0 : text_within(text, left / 2)));
    if (asprintf(&squeezed, "%s" DOTS "%s", head, ending(text, left - text_columns(head))) < 0)
        text_must(NULL);
    free(head);
    return squeezed;
}

/* ---------------------------------------------------------------- sentences */

/* Does a unit stand there, as text_span() and others write it? */
static size_t unit_length(const char *s)
{
    static const char *const units[] = {"ms",   "s",     "min", "h",   "d",  "%",
                                        "byte", "bytes", "KiB", "MiB", "GiB"};
    size_t length = strcspn(s, " ,.;:)");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i]) == length && strncmp(s, units[i], length) == 0)
            return length;
    }
    return 0;
}

/* Up to the next blank, but for those in "4 min 05 s". */
static size_t quantity_length(const char *s)
{
    size_t length = 0;
    for (;;) {
        size_t digits = strspn(s + length, "0123456789.");
        if (digits == 0 || s[length + digits] != ' ')
            break;
        size_t unit = unit_length(s + length + digits + 1);
        if (unit == 0)
            break;
        length += digits + 1 + unit;
        if (s[length] != ' ' || strspn(s + length + 1, "0123456789") == 0)
            break;
        length++;
    }
    return length + strcspn(s + length, " ");
}

/* Up to the next blank; neither a command in backquotes is torn, nor a number from its unit. */
static size_t word_length(const char *s)
{
    const char *end = *s == '`' ? strchr(s + 1, '`') : NULL;
    if (end != NULL && end < s + 50)
        return (size_t)(end - s) + strcspn(end, " ");
    return quantity_length(s);
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

/* A sentence across counts for no column. */
static void measure(struct layout *l)
{
    const struct table *t = l->table;
    for (size_t c = 0; c < t->column_count; c++)
        l->natural[c] = t->columns[c].head == NULL ? 0 : text_columns(t->columns[c].head);
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t c = i % t->column_count;
        if (t->cells[i].text == NULL || goes_across(t, i))
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

static size_t limit_of(const struct table_column *column, enum table_need before)
{
    return before == TABLE_LUXURY ? column->much : before == TABLE_USEFUL ? column->fair : column->least;
}

/* As far as may be before a column of this need goes. The last one first: what matters most comes first. */
static void squeeze(struct layout *l, enum table_need before)
{
    memcpy(l->widths, l->natural, l->table->column_count * sizeof *l->widths);
    for (size_t c = l->table->column_count; c-- > 0;) {
        size_t limit = limit_of(column_of(l, c), before);
        while (!l->out[c] && limit > 0 && l->widths[c] > limit && !fits(l))
            l->widths[c]--;
    }
}

static void arrange(struct layout *l)
{
    measure(l);
    for (int need = TABLE_LUXURY; need >= TABLE_NEEDED && !fits(l); need--) {
        squeeze(l, (enum table_need)need);
        while (need > TABLE_NEEDED && !fits(l) && leave_out(l, (enum table_need)need))
            squeeze(l, (enum table_need)need);
        if (!fits(l))
            l->gap = 1;
    }
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

static void put_cell(const struct layout *l, FILE *out, size_t c, const char *text, enum colour colour)
{
    char *cell = table_squeezed(text, l->widths[c], column_of(l, c)->keep_end);
    size_t pad = l->widths[c] - text_columns(cell);
    if (column_of(l, c)->right)
        spaces(out, pad);
    fprintf(out, "%s%s%s", colour_begin(colour), cell, colour_end(colour));
    if (!column_of(l, c)->right && !last_shown(l, c))
        spaces(out, pad);
    free(cell);
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
        put_cell(l, out, c, row[c].text, row[c].colour);
        at += l->widths[c];
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
        put_cell(l, out, c, column_of(l, c)->head, COLOUR_HEAD);
    }
    fputc('\n', out);
}

static void draw(const struct layout *l, FILE *out)
{
    const struct table *t = l->table;
    if (t->columns[0].head != NULL)
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
