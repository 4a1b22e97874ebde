/* SPDX-License-Identifier: MIT */
/* Channels that are watched, with what they did so far, in an order. Draws nothing. */
#ifndef SHMCHAN_STAT_ROWS_H
#define SHMCHAN_STAT_ROWS_H

#include "history.h"
#include "rates.h"
#include "sample.h"
#include "state.h"

enum rows_order {
    ROWS_BY_TROUBLE,
    ROWS_BY_NAME,
    ROWS_BY_USED,
    ROWS_BY_SENT,
    ROWS_BY_RECEIVED,
    ROWS_BY_BLOCKED,
    ROWS_ORDERS
};

struct track {
    char *name;
    struct history used;     /* 0 ... 1 */
    struct history received; /* a second */
};

struct row {
    const struct sample *sample;
    const struct track *track;
    enum channel_state state;
    struct rates rates;
    double used; /* 0 ... 1, negative = not known */
    size_t blocked;
    uint64_t blocked_ns; /* the longest */
};

struct rows {
    struct row *rows; /* in order */
    size_t count;
    struct track *tracks; /* of each sample, as these were given */
};

/* After each look, with the channels in the same order as before (some may be new, some gone). Keeps
   `samples`. */
void rows_update(struct rows *rows, const struct sample *samples, size_t count);
void rows_sort(struct rows *rows, enum rows_order order, bool reverse);
void rows_free(struct rows *rows);

#endif
