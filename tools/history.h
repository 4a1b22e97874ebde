/* SPDX-License-Identifier: MIT */
/* The last values of something, drawn with characters. Knows nothing of channels or terminals. */
#ifndef SHMCHAN_STAT_HISTORY_H
#define SHMCHAN_STAT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

enum { HISTORY_LENGTH = 256 };

struct history {
    float values[HISTORY_LENGTH]; /* a ring; negative = not known */
    size_t count;                 /* ever added */
};

/* Room for a line of the whole history in UTF-8. */
struct history_line {
    char s[3 * HISTORY_LENGTH + 1];
};

void history_add(struct history *history, double value);

/* Of the last `width` values; 0 if none is known. */
double history_max(const struct history *history, size_t width);

/*
 * Row `row` (from the top, 0) of a graph that is `height` rows high and `width` columns wide, the newest
 * value at the right end, `max` at the top. A height of 1 is a sparkline. Always `width` columns (at most
 * HISTORY_LENGTH). What is known and 0 has a base line, what is more than 0 is more than that.
 */
struct history_line history_row(const struct history *history, double max, size_t row, size_t height,
                                size_t width, bool utf8);

#endif
