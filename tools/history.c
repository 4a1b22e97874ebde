/* SPDX-License-Identifier: MIT */
/* The last values of something, drawn with characters. Knows nothing of channels or terminals. */
#include "history.h"

#include <string.h>

enum { EIGHTHS = 8 };

/* From nothing to a full cell. */
static const char *const blocks_utf8[EIGHTHS + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const blocks_ascii[EIGHTHS + 1] = {" ", "_", ".", ":", "-", "=", "+", "*", "#"};

void history_add(struct history *history, double value)
{
    history->values[history->count++ % HISTORY_LENGTH] = (float)value;
}

/* `age`: 0 = the newest. */
static double value_at(const struct history *history, size_t age)
{
    if (age >= history->count || age >= HISTORY_LENGTH)
        return -1;
    return (double)history->values[(history->count - 1 - age) % HISTORY_LENGTH];
}

double history_max(const struct history *history, size_t width)
{
    double max = 0;
    for (size_t age = 0; age < width && age < HISTORY_LENGTH; age++) {
        double value = value_at(history, age);
        if (value > max)
            max = value;
    }
    return max;
}

/* Eighths of a cell over a graph of `height` cells, the lowest one kept for the base line. */
static size_t eighths_of(double value, double max, size_t height)
{
    size_t room = height * EIGHTHS - 1;
    if (value < 0)
        return 0;
    if (value <= 0 || max <= 0)
        return 1;
    if (value >= max)
        return 1 + room;
    size_t above = (size_t)(value / max * (double)room + 0.5);
    return 1 + (above > 0 ? above : 1);
}

static void append(struct history_line *line, size_t *length, const char *cell)
{
    size_t n = strlen(cell);
    memcpy(line->s + *length, cell, n + 1);
    *length += n;
}

struct history_line history_row(const struct history *history, double max, size_t row, size_t height,
                                size_t width, bool utf8)
{
    const char *const *blocks = utf8 ? blocks_utf8 : blocks_ascii;
    size_t below = (height - 1 - row) * EIGHTHS;
    struct history_line line = {{0}};
    size_t length = 0;
    if (width > HISTORY_LENGTH)
        width = HISTORY_LENGTH;
    for (size_t column = 0; column < width; column++) {
        size_t eighths = eighths_of(value_at(history, width - 1 - column), max, height);
        size_t here = eighths > below ? eighths - below : 0;
        append(&line, &length, blocks[here < EIGHTHS ? here : EIGHTHS]);
    }
    return line;
}
