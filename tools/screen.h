/* SPDX-License-Identifier: MIT */
/* Draws rows on the terminal: the list, and the page of one. Knows no keys but their names. */
#ifndef SHMCHAN_STAT_SCREEN_H
#define SHMCHAN_STAT_SCREEN_H

#include "rows.h"

struct screen_view {
    const struct rows *rows;
    size_t selected;          /* a row                                   */
    size_t top;               /* the first one shown; kept by the screen */
    size_t line;              /* of the page; likewise                   */
    size_t first, shown, all; /* rows or lines that were drawn; likewise */
    bool page;                /* of the selected row, else the list      */
    bool paused;
    bool reverse;
    enum rows_order order;
    unsigned interval_ms;
};

/* After the terminal was taken. */
void screen_start(bool colour);

void screen_draw(struct screen_view *view);

/* Rows or lines that one screen shows. */
size_t screen_height(const struct screen_view *view);

#endif
