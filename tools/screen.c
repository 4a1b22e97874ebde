/* SPDX-License-Identifier: MIT */
/* Draws rows on the terminal: the list, and the page of one. Knows no keys but their names. */
#include "screen.h"

#include <curses.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colour.h"
#include "diagnosis.h"
#include "report.h"
#include "terminal.h"
#include "text.h"

enum { PAIR_GOOD = 1, PAIR_WARNING, PAIR_BAD, PAIR_GRAPH };

/* Title and head above the list; under it a line apart, what is the matter, the keys. */
enum { ABOVE = 2, DIAGNOSIS = 4, KEYS = 1, LOW = 14, GRAPH_HIGH = 4, GRAPH_LOW = 2 };

struct layout {
    int name, state, bar, spark, blocked, senders, receiver, type;
};

enum { USED = 4, RATE = 6, SPARK_MIN = 4, SPARK_MAX = 60 };

static bool utf8;

void screen_start(bool colour)
{
    static const short colours[] = {COLOR_GREEN, COLOR_YELLOW, COLOR_RED, COLOR_CYAN};
    utf8 = terminal_is_utf8();
    for (short i = 0; colour && has_colors() && i < 4; i++)
        init_pair((short)(PAIR_GOOD + i), colours[i], -1);
    /* For what is printed into a page. */
    colour_switch(colour && has_colors());
}

/* Trouble is told from what works without colours too. */
static attr_t look_of(enum channel_state state)
{
    switch (colour_of_state(state)) {
    case COLOUR_GOOD:
        return (attr_t)COLOR_PAIR(PAIR_GOOD);
    case COLOUR_WARNING:
        return A_BOLD | (attr_t)COLOR_PAIR(PAIR_WARNING);
    case COLOUR_BAD:
        return A_BOLD | (attr_t)COLOR_PAIR(PAIR_BAD);
    case COLOUR_NONE:
    case COLOUR_HEAD:
    case COLOUR_FAINT:
        break;
    }
    return A_NORMAL;
}

/* ---------------------------------------------------------------- text that fits */

/* As curses wants them; a width below 0 is none. */
static int bytes_within(const char *s, int width)
{
    return width > 0 ? (int)text_within(s, (size_t)width) : 0;
}

static int columns_of(const char *s)
{
    return (int)text_columns(s);
}

/* The beginning of it, in a field of `width` columns; the cursor is behind the field then, and one blank. */
static void put_field(int *x, int y, const char *s, int width, bool right)
{
    int bytes = bytes_within(s, width);
    int pad = width - columns_of(s);
    if (*x + width <= COLS)
        mvaddnstr(y, *x + (right && pad > 0 ? pad : 0), s, bytes);
    *x += width + 1;
}

/* Names differ at their end. */
static void put_name(int *x, int y, const char *s, int width)
{
    int skip = columns_of(s) - width;
    if (skip > 0 && *x + width <= COLS) {
        s += bytes_within(s, skip + 2);
        mvaddstr(y, *x, "..");
        mvaddnstr(y, *x + 2, s, bytes_within(s, width - 2));
        *x += width + 1;
        return;
    }
    put_field(x, y, s, width, false);
}

/* At the cursor, as much as the line has room for. */
__attribute__((format(printf, 1, 2))) static void put_rest(const char *format, ...)
{
    char *s;
    va_list args;
    va_start(args, format);
    if (vasprintf(&s, format, args) < 0)
        text_must(NULL);
    va_end(args);
    int room = COLS - 1 - getcurx(stdscr);
    addnstr(s, bytes_within(s, room));
    free(s);
}

/* Broken at blanks into at most `lines` lines. */
static void put_folded(int y, int x, const char *s, int lines)
{
    int width = COLS - x - 1;
    for (; lines > 0 && *s != '\0'; lines--, y++) {
        int bytes = bytes_within(s, width);
        int cut = bytes;
        while (s[bytes] != '\0' && lines > 1 && cut > 0 && s[cut] != ' ')
            cut--;
        if (cut == 0)
            cut = bytes;
        if (cut == 0)
            return; /* not one column */
        mvaddnstr(y, x, s, cut);
        if (lines == 1 && s[cut] != '\0' && width > 2)
            mvaddstr(y, x + width - 2, "..");
        s += cut;
        s += strspn(s, " ");
    }
}

static struct text rate_text(bool known, double per_second)
{
    return known ? text_rate(per_second) : text_printable("-", 1);
}

/* ---------------------------------------------------------------- title and keys */

static void put_severities(const struct rows *rows)
{
    size_t severities[3] = {0};
    for (size_t i = 0; i < rows->count; i++)
        severities[channel_state_severity(rows->rows[i].state)]++;
    put_rest("   %zu channel%s", rows->count, rows->count == 1 ? "" : "s");
    for (int severity = 2; severity > 0; severity--) {
        if (severities[severity] == 0)
            continue;
        attr_t look = look_of(severity == 2 ? STATE_DAMAGED : STATE_FULL);
        put_rest(", ");
        attron(look);
        put_rest("%zu %s", severities[severity], severity == 2 ? "critical" : "warning");
        attroff(look);
    }
}

/* The page's is the channel's name and state, which stay while it is scrolled. */
static void put_title(const struct screen_view *view)
{
    const struct row *row = view->page ? &view->rows->rows[view->selected] : NULL;
    struct text name = text_printable("shmchan-stat", SIZE_MAX);
    int x = 1;
    if (row != NULL)
        name = channel_name_text(&row->sample->now);
    int width = columns_of(name.s);
    attron(A_BOLD);
    put_name(&x, 0, name.s, width < COLS - 46 ? width : COLS > 60 ? COLS - 46 : 14);
    attroff(A_BOLD);
    move(0, x < COLS ? x - 1 : COLS - 1);
    if (row != NULL) {
        attr_t look = look_of(row->state);
        attron(look);
        put_rest("  %s", channel_state_word(row->state));
        attroff(look);
    }
    put_rest("   every %g s%s", view->interval_ms / 1000.0, view->paused ? ", PAUSED" : "");
    if (row == NULL)
        put_severities(view->rows);
    if (getcurx(stdscr) + 10 < COLS)
        mvaddstr(0, COLS - 9, text_clock().s);
}

static void put_key(const char *key, const char *what, bool active)
{
    if (getcurx(stdscr) + columns_of(key) + columns_of(what) + 2 > COLS || getcury(stdscr) != LINES - 1)
        return;
    attron(A_BOLD);
    addstr(key);
    attroff(A_BOLD);
    attron(active ? A_REVERSE : A_NORMAL);
    addstr(what);
    attroff(A_REVERSE);
    addch(' ');
}

static void put_keys(const struct screen_view *view)
{
    static const char *const orders[ROWS_ORDERS][2] = {{"t", "rouble"}, {"n", "ame"}, {"u", "sed"},
                                                       {"s", "ent"},    {"r", "ecv"}, {"b", "locked"}};
    move(LINES - 1, 1);
    put_key("q", "uit", false);
    if (view->page) {
        put_key("Esc", " list", false);
        put_key(utf8 ? "↑↓" : "Up/Down", " scroll", false);
        put_key("[ ]", " other channel", false);
    } else {
        put_key("Enter", " page", false);
        put_rest(" by ");
        for (int order = 0; order < ROWS_ORDERS; order++)
            put_key(orders[order][0], orders[order][1], order == (int)view->order);
        put_key("R", "everse", view->reverse);
    }
    put_key("Space", " pause", view->paused);
}

/* ---------------------------------------------------------------- the list */

static struct layout lay_out(const struct rows *rows)
{
    struct layout l = {.name = 4, .state = 11, .spark = 0};
    int limit = COLS < 100 ? 18 : COLS < 160 ? 30 : 44;
    for (size_t i = 0; i < rows->count; i++) {
        int columns = columns_of(channel_name_text(&rows->rows[i].sample->now).s);
        if (columns > l.name)
            l.name = columns < limit ? columns : limit;
        if (rows->rows[i].state == STATE_FOREIGN)
            l.state = 15;
    }
    int left = COLS - 1 - (1 + l.name + 1 + l.state + 1 + USED + 1 + RATE + 1 + RATE + 1);
    /* The histories first, then what else there is to know, as far as it goes. */
    const struct {
        int *width;
        int wanted;
    } extras[] = {{&l.blocked, 7}, {&l.senders, 8}, {&l.receiver, 8}, {&l.bar, 10}, {&l.type, 16}};
    int sparks = 2 * (12 + 1);
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        if (left < sparks + extras[i].wanted + 1)
            break;
        *extras[i].width = extras[i].wanted;
        left -= extras[i].wanted + 1;
        sparks = 2 * (16 + 1);
    }
    l.spark = left / 2 - 1;
    if (l.spark > SPARK_MAX)
        l.spark = SPARK_MAX;
    if (l.spark < SPARK_MIN)
        l.spark = 0;
    return l;
}

static void put_head(const struct layout *l)
{
    int x = 1;
    attron(A_REVERSE);
    mvhline(1, 0, ' ', COLS);
    put_field(&x, 1, "NAME", l->name, false);
    put_field(&x, 1, "STATE", l->state, false);
    put_field(&x, 1, "USED", USED, true);
    if (l->bar > 0)
        put_field(&x, 1, "", l->bar, false);
    if (l->spark > 0)
        put_field(&x, 1, "HISTORY", l->spark, false);
    put_field(&x, 1, "SENT/s", RATE, true);
    put_field(&x, 1, "RECV/s", RATE, true);
    if (l->spark > 0)
        put_field(&x, 1, "HISTORY", l->spark, false);
    if (l->blocked > 0)
        put_field(&x, 1, "BLOCKED", l->blocked, true);
    if (l->senders > 0)
        put_field(&x, 1, "SENDERS", l->senders, true);
    if (l->receiver > 0)
        put_field(&x, 1, "RECEIVER", l->receiver, true);
    if (l->type > 0)
        put_field(&x, 1, "TYPE", l->type, false);
    attroff(A_REVERSE);
}

static void put_spark(int *x, int y, const struct history *history, double max, int width)
{
    if (width == 0)
        return;
    attron(COLOR_PAIR(PAIR_GRAPH));
    mvaddstr(y, *x, history_row(history, max, 0, 1, (size_t)width, utf8).s);
    attroff(COLOR_PAIR(PAIR_GRAPH));
    *x += width + 1;
}

static void put_more(int x, int y, const struct layout *l, const struct row *row)
{
    const struct shmchan_snapshot *s = &row->sample->now.snapshot;
    char text[32];
    if (l->blocked > 0)
        put_field(&x, y, row->blocked > 0 ? text_duration(row->blocked_ns).s : "-", l->blocked, true);
    snprintf(text, sizeof text, "%" PRIu32 "/%" PRIu32, s->senders_held, s->max_senders);
    if (l->senders > 0)
        put_field(&x, y, text, l->senders, true);
    bool alive = channel_held(&s->receiver);
    snprintf(text, sizeof text, "%" PRId32, s->receiver.pid);
    if (l->receiver > 0)
        put_field(&x, y, alive ? text : "-", l->receiver, true);
    if (l->type > 0)
        put_field(&x, y, s->type[0] != '\0' ? text_printable(s->type, sizeof s->type).s : "-", COLS - x - 1,
                  false);
}

static void put_row(int y, const struct layout *l, const struct row *row, bool selected)
{
    const struct channel *channel = &row->sample->now;
    attr_t look = look_of(row->state);
    char used[16];
    int x = 1;
    attron(selected ? A_REVERSE : A_NORMAL);
    mvaddch(y, 0, selected ? '>' : ' ');
    if (selected)
        mvhline(y, 1, ' ', l->name);
    put_name(&x, y, channel_name_text(channel).s, l->name);
    attroff(A_REVERSE);
    attron(look);
    put_field(&x, y, channel_state_word(row->state), l->state, false);
    attroff(look);
    if (channel->error < 0) {
        put_field(&x, y, shmchan_strerror(channel->error), COLS - x - 1, false);
        return;
    }
    /* Cut, not rounded: 100 is full. */
    snprintf(used, sizeof used, "%u%%", (unsigned)(100 * row->used));
    put_field(&x, y, used, USED, true);
    if (l->bar > 0)
        put_field(&x, y, text_bar(channel->used, channel->room, (size_t)l->bar).s, l->bar, false);
    put_spark(&x, y, &row->track->used, 1, l->spark);
    put_field(&x, y, rate_text(row->rates.known, row->rates.sent).s, RATE, true);
    put_field(&x, y, rate_text(row->rates.known, row->rates.received).s, RATE, true);
    put_spark(&x, y, &row->track->received, history_max(&row->track->received, (size_t)l->spark), l->spark);
    put_more(x, y, l, row);
}

size_t screen_height(void)
{
    int height = LINES - ABOVE - KEYS - (LINES >= LOW ? 1 + DIAGNOSIS : 0);
    return height > 1 ? (size_t)height : 1;
}

static void put_list(struct screen_view *view)
{
    const struct rows *rows = view->rows;
    struct layout l = lay_out(rows);
    size_t height = screen_height();
    if (view->top + height > rows->count)
        view->top = rows->count > height ? rows->count - height : 0;
    if (view->selected < view->top)
        view->top = view->selected;
    if (view->selected >= view->top + height)
        view->top = view->selected - height + 1;
    put_head(&l);
    for (size_t i = 0; i < height && view->top + i < rows->count; i++)
        put_row(ABOVE + (int)i, &l, &rows->rows[view->top + i], view->top + i == view->selected);
    if (rows->count == 0)
        mvaddstr(ABOVE, 1, "There is no channel that this user may read.");
    if (LINES < LOW || rows->count == 0)
        return;
    const struct sample *sample = rows->rows[view->selected].sample;
    char *words = diagnosis(&sample->now, &sample->before);
    mvhline(LINES - KEYS - DIAGNOSIS - 1, 0, 0, COLS);
    put_folded(LINES - KEYS - DIAGNOSIS, 1, words, DIAGNOSIS);
    free(words);
}

/* ---------------------------------------------------------------- the page of one */

static void put_graph(int y, int x, int width, int height, const struct history *history, double max,
                      const char *label)
{
    mvaddnstr(y, x, label, bytes_within(label, width));
    attron(COLOR_PAIR(PAIR_GRAPH));
    for (int row = 0; row < height; row++) {
        struct history_line line =
            history_row(history, max, (size_t)row, (size_t)height, (size_t)width, utf8);
        mvaddstr(y + 1 + row, x, line.s);
    }
    attroff(COLOR_PAIR(PAIR_GRAPH));
}

/* Two graphs side by side, or one under the other. Returns the line under them. */
static int put_graphs(int y, const struct row *row)
{
    char label[4 * sizeof(struct text)];
    const struct channel *channel = &row->sample->now;
    bool wide = COLS >= 100;
    int width = wide ? COLS / 2 - 2 : COLS - 2;
    int height = LINES >= 36 || (wide && LINES >= 20) ? GRAPH_HIGH : GRAPH_LOW;
    if (width > HISTORY_LENGTH)
        width = HISTORY_LENGTH;
    if (LINES < LOW)
        return y;
    snprintf(label, sizeof label, "used %s of %s (%u %%)", text_count(channel->used).s,
             text_count(channel->room).s, (unsigned)(100 * row->used));
    put_graph(y, 1, width, height, &row->track->used, 1, label);
    double max = history_max(&row->track->received, (size_t)width);
    snprintf(label, sizeof label, "received %s/s (at most %s/s), sent %s/s",
             rate_text(row->rates.known, row->rates.received).s, text_rate(max).s,
             rate_text(row->rates.known, row->rates.sent).s);
    int y2 = wide ? y : y + height + 1;
    put_graph(y2, wide ? width + 3 : 1, width, height, &row->track->received, max, label);
    return y2 + height + 1;
}

/* What colour.h put into a page, for curses. */
static attr_t look_of_code(long code)
{
    switch (code) {
    case 1:
        return A_BOLD;
    case 2:
        return A_DIM;
    case 31:
        return (attr_t)COLOR_PAIR(PAIR_BAD);
    case 32:
        return (attr_t)COLOR_PAIR(PAIR_GOOD);
    case 33:
        return (attr_t)COLOR_PAIR(PAIR_WARNING);
    default:
        return A_NORMAL;
    }
}

/* A line of a page. What came from a region is printable, so each escape is one of ours. */
static void put_coloured(int y, int x, const char *line)
{
    move(y, x);
    while (*line != '\0' && x < COLS) {
        size_t length = strcspn(line, "\033");
        char *piece = text_must(strndup(line, length));
        addnstr(piece, bytes_within(piece, COLS - x));
        x += columns_of(piece);
        free(piece);
        line += length;
        if (*line == '\0')
            break;
        attrset(look_of_code(strtol(line + strlen("\033["), NULL, 10)));
        line += strcspn(line, "m");
        line += *line == 'm';
    }
    attrset(A_NORMAL);
}

/* As much of the text as fits, from view->line on. */
static void put_text(struct screen_view *view, int y, char *text)
{
    size_t height = LINES - KEYS > y ? (size_t)(LINES - KEYS - y) : 1;
    size_t lines = 0;
    for (const char *s = text; *s != '\0'; s++)
        lines += *s == '\n';
    if (view->line + height > lines)
        view->line = lines > height ? lines - height : 0;
    char *rest = text, *line;
    for (size_t i = 0; i < view->line + height && (line = strsep(&rest, "\n")) != NULL; i++) {
        if (i >= view->line)
            put_coloured(y + (int)(i - view->line), 1, line);
    }
}

static void put_page(struct screen_view *view)
{
    const struct row *row = &view->rows->rows[view->selected];
    int y = 2;
    if (row->sample->now.error < 0) {
        put_folded(y, 1, shmchan_strerror(row->sample->now.error), LINES - y - KEYS);
        return;
    }
    y = put_graphs(y, row);
    char *page = NULL;
    size_t size = 0;
    FILE *out = text_must(open_memstream(&page, &size));
    print_channel(out, row->sample, (size_t)COLS - 1);
    fclose(out);
    put_text(view, y, text_must(page));
    free(page);
}

void screen_draw(struct screen_view *view)
{
    erase();
    if (view->selected >= view->rows->count)
        view->selected = view->rows->count > 0 ? view->rows->count - 1 : 0;
    if (view->rows->count == 0)
        view->page = false;
    put_title(view);
    if (view->page)
        put_page(view);
    else
        put_list(view);
    put_keys(view);
    refresh();
}
