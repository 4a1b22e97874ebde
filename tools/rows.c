/* SPDX-License-Identifier: MIT */
/* Channels that are watched, with what they did so far, in an order. Draws nothing. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

static void free_tracks(struct track *tracks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(tracks[i].name);
    free(tracks);
}

void rows_free(struct rows *rows)
{
    free_tracks(rows->tracks, rows->count);
    free(rows->rows);
    memset(rows, 0, sizeof *rows);
}

/* What is known of channels that are still there goes on. Both are in one order, so each is met once. */
static struct track *follow(const struct rows *old, const struct sample *samples, size_t count)
{
    struct track *tracks = text_must(calloc(count + 1, sizeof *tracks));
    size_t k = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = samples[i].now.name;
        while (k < old->count && strcmp(old->tracks[k].name, name) < 0)
            k++;
        if (k < old->count && strcmp(old->tracks[k].name, name) == 0)
            tracks[i] = old->tracks[k++];
        else
            memset(&tracks[i], 0, sizeof tracks[i]);
        tracks[i].name = text_must(strdup(name));
    }
    return tracks;
}

static struct row row_of(const struct sample *sample)
{
    const struct channel *channel = &sample->now;
    struct row row = {.sample = sample, .used = -1};
    row.state = channel_state(channel, &sample->before);
    row.rates = rates_of(channel, &sample->before);
    if (channel->error < 0)
        return row;
    row.used = channel->room > 0 ? (double)channel->used / (double)channel->room : 0;
    row.blocked = channel_blocked(channel, &row.blocked_ns);
    return row;
}

void rows_update(struct rows *rows, const struct sample *samples, size_t count)
{
    struct track *tracks = follow(rows, samples, count);
    rows_free(rows);
    *rows = (struct rows){
        .rows = text_must(calloc(count + 1, sizeof *rows->rows)), .count = count, .tracks = tracks};
    for (size_t i = 0; i < count; i++) {
        struct row *row = &rows->rows[i];
        *row = row_of(&samples[i]);
        row->track = &tracks[i];
        history_add(&tracks[i].used, row->used);
        history_add(&tracks[i].received, row->rates.known ? row->rates.received : -1);
    }
}

/* ---------------------------------------------------------------- order */

/* qsort() passes no more than two rows. */
static enum rows_order present_order;

static int descending(double a, double b)
{
    return (a < b) - (a > b);
}

static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int r = 0;
    switch (present_order) {
    case ROWS_BY_TROUBLE:
        r = (int)x->state - (int)y->state;
        break;
    case ROWS_BY_USED:
        r = descending(x->used, y->used);
        break;
    case ROWS_BY_SENT:
        r = descending(x->rates.sent, y->rates.sent);
        break;
    case ROWS_BY_RECEIVED:
        r = descending(x->rates.received, y->rates.received);
        break;
    case ROWS_BY_BLOCKED:
        r = descending((double)x->blocked_ns, (double)y->blocked_ns);
        break;
    case ROWS_BY_NAME:
    case ROWS_ORDERS:
        break;
    }
    return r != 0 ? r : strcmp(x->sample->now.name, y->sample->now.name);
}

void rows_sort(struct rows *rows, enum rows_order order, bool reverse)
{
    present_order = order;
    qsort(rows->rows, rows->count, sizeof *rows->rows, compare);
    for (size_t i = 0; reverse && i < rows->count / 2; i++) {
        struct row other = rows->rows[i];
        rows->rows[i] = rows->rows[rows->count - 1 - i];
        rows->rows[rows->count - 1 - i] = other;
    }
}
