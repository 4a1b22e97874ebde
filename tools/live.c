/* SPDX-License-Identifier: MIT */
/* Channels drawn in place, with a history of each, until a key or a signal ends it. Time and keys. */
#include "live.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "looks.h"
#include "screen.h"
#include "terminal.h"
#include "text.h"

enum { ESCAPE = 27 };

struct live {
    struct rows rows;
    struct screen_view view;
    char *selected; /* by name: rows come, go and move */
    bool quit;
};

static void remember_selected(struct live *live)
{
    free(live->selected);
    live->selected = NULL;
    if (live->view.selected < live->rows.count)
        live->selected = text_must(strdup(live->rows.rows[live->view.selected].sample->now.name));
}

/* In order, and the selection on the channel that it was on. */
static void arrange(struct live *live)
{
    rows_sort(&live->rows, live->view.order, live->view.reverse);
    bool found = false;
    for (size_t i = 0; live->selected != NULL && i < live->rows.count; i++) {
        if (strcmp(live->rows.rows[i].sample->now.name, live->selected) != 0)
            continue;
        live->view.selected = i;
        found = true;
    }
    /* The page of a channel that is gone would become another's unasked. */
    if (!found)
        live->view.page = false;
    if (live->view.selected >= live->rows.count)
        live->view.selected = live->rows.count > 0 ? live->rows.count - 1 : 0;
}

static void move_by(struct live *live, long by)
{
    size_t *at = live->view.page ? &live->view.line : &live->view.selected;
    if (by < 0)
        *at = *at > (size_t)-by ? *at - (size_t)-by : 0;
    else
        *at += (size_t)by; /* the screen knows the last line of a page */
    if (!live->view.page && *at >= live->rows.count)
        *at = live->rows.count > 0 ? live->rows.count - 1 : 0;
}

static void other_channel(struct live *live, int by)
{
    size_t count = live->rows.count;
    if (count > 0)
        live->view.selected = (live->view.selected + count + (size_t)by) % count;
    live->view.line = 0;
}

static void set_page(struct live *live, bool page)
{
    live->view.page = page && live->rows.count > 0;
    live->view.line = 0;
}

/* True if it was a key that sorts. */
static bool sort_by(struct live *live, int key)
{
    static const char keys[] = "tnusrb"; /* as enum rows_order */
    const char *found = key > 0 && key < 128 ? strchr(keys, key) : NULL;
    if (found == NULL && key != 'R')
        return false;
    if (found != NULL)
        live->view.order = (enum rows_order)(found - keys);
    else
        live->view.reverse = !live->view.reverse;
    remember_selected(live);
    arrange(live);
    return true;
}

static void scroll_by(struct live *live, int key)
{
    long screen = (long)screen_height(&live->view);
    if (key == KEY_UP || key == 'k')
        move_by(live, -1);
    else if (key == KEY_DOWN || key == 'j')
        move_by(live, 1);
    else if (key == KEY_PPAGE)
        move_by(live, -screen);
    else if (key == KEY_NPAGE)
        move_by(live, screen);
    else if (key == KEY_HOME || key == 'g')
        move_by(live, -1000000);
    else if (key == KEY_END || key == 'G')
        move_by(live, 1000000);
}

static void obey(struct live *live, int key)
{
    if (key == 'q' || key == 'Q' || key == TERMINAL_GONE)
        live->quit = true;
    else if (key == ' ')
        live->view.paused = !live->view.paused;
    else if (key == '\r' || key == '\n' || key == KEY_ENTER || key == KEY_RIGHT || key == 'l')
        set_page(live, true);
    else if (key == ESCAPE || key == KEY_LEFT || key == KEY_BACKSPACE || key == 'h')
        set_page(live, false);
    else if (live->view.page && (key == '[' || key == ']'))
        other_channel(live, key == '[' ? -1 : 1);
    else if (live->view.page || !sort_by(live, key))
        scroll_by(live, key);
    remember_selected(live);
}

/* Until the time is over, or for as long as it is paused. */
static void obey_until(struct live *live, int64_t deadline_ns)
{
    while (!live->quit) {
        int key = terminal_key(live->view.paused ? INT64_MAX : deadline_ns);
        if (key == TERMINAL_TIME_OVER)
            return;
        obey(live, key);
        screen_draw(&live->view);
        if (!live->view.paused && clock_monotonic_ns() >= deadline_ns)
            return;
    }
}

int live_run(const struct watch_options *options)
{
    struct live live = {.view = {.interval_ms = options->interval_ms}};
    struct looks *looks = looks_new(options);
    int64_t deadline_ns = clock_monotonic_ns();
    int r = 0;
    live.view.rows = &live.rows;
    screen_start(options->colour);
    for (bool first = true; !live.quit; first = false) {
        const struct sample *samples;
        ssize_t n = looks_next(looks, &samples);
        if (n < 0) {
            r = (int)n;
            break;
        }
        rows_update(&live.rows, samples, (size_t)n);
        arrange(&live);
        /* Who named one wants to see that one. */
        if (first && options->name_count == 1)
            set_page(&live, true);
        remember_selected(&live);
        screen_draw(&live.view);
        deadline_ns = looks_deadline_ns(options, deadline_ns);
        obey_until(&live, deadline_ns);
    }
    looks_free(looks);
    rows_free(&live.rows);
    free(live.selected);
    return r;
}
