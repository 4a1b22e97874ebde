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
#include "table.h"
#include "terminal.h"
#include "text.h"

enum { PAIR_GOOD = 1, PAIR_WARNING, PAIR_BAD, PAIR_GRAPH };

/* Title and head above the list; under it a line apart, what is the matter, the keys. */
enum { ABOVE = 2, DIAGNOSIS = 4, KEYS = 1, LOW = 14, GRAPH_HIGH = 4, GRAPH_LOW = 2 };

struct layout {
    int name, state, bar, spark, blocked, senders, receiver, type;
};

enum { USED = 4, RATE = 7, SPARK_MIN = 4, SPARK_MAX = 60 };

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

/* In a field of `width` columns, without its middle or beginning if it is too wide; the cursor is behind the
   field then, and one blank. */
static void put_squeezed(int *x, int y, const char *s, int width, bool keep_end)
{
    char *squeezed = table_squeezed(s, width > 0 ? (size_t)width : 0, keep_end);
    if (*x + width <= COLS)
        mvaddstr(y, *x, squeezed);
    free(squeezed);
    *x += width + 1;
}

/* Likewise of what has its width: the beginning of it. */
static void put_field(int *x, int y, const char *s, int width, bool right)
{
    int bytes = bytes_within(s, width);
    int pad = width - columns_of(s);
    if (*x + width <= COLS)
        mvaddnstr(y, *x + (right && pad > 0 ? pad : 0), s, bytes);
    *x += width + 1;
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

/* As lines of at most `width` columns. The caller frees it. */
static char *folded(const char *sentences, int width)
{
    char *lines = NULL;
    size_t size;
    FILE *out = text_must(open_memstream(&lines, &size));
    table_fold(out, sentences, 0, 0, width > 0 ? (size_t)width : 1);
    fclose(out);
    return text_must(lines);
}

/* A line that goes on: after the last word that leaves room for them, two dots. */
static void put_cut(int y, int x, char *line, int width)
{
    char *blank;
    while (columns_of(line) > width - 3 && (blank = strrchr(line, ' ')) != NULL)
        *blank = '\0';
    mvaddnstr(y, x, line, bytes_within(line, width - 3));
    addstr(" ..");
}

/* As much as goes into `lines` lines. */
static void put_folded(int y, int x, const char *sentences, int lines)
{
    int width = COLS - x - 1;
    char *text = folded(sentences, width), *rest = text, *line;
    for (int i = 0; i < lines && (line = strsep(&rest, "\n")) != NULL; i++) {
        bool whole = i + 1 < lines || rest == NULL || *rest == '\0';
        if (whole || width < 4)
            mvaddnstr(y + i, x, line, bytes_within(line, width));
        else
            put_cut(y + i, x, line, width);
    }
    free(text);
}

static struct text rate_text(bool known, double per_second)
{
    return known ? text_rate(per_second) : text_printable("-", 1);
}

/* ---------------------------------------------------------------- title and keys */

static void put_many(size_t count, const char *what, enum channel_state like)
{
    if (count == 0)
        return;
    attr_t look = look_of(like);
    put_rest(", ");
    attron(look);
    put_rest("%zu %s", count, what);
    attroff(look);
}

/* What cannot be read, or is not there, is no channel that is in a bad way. */
static void put_counts(const struct rows *rows)
{
    size_t severities[3] = {0}, missing = 0, unreadable = 0;
    for (size_t i = 0; i < rows->count; i++) {
        enum channel_state state = rows->rows[i].state;
        missing += state == STATE_MISSING;
        unreadable += state == STATE_UNREADABLE;
        severities[channel_state_severity(state)] += state != STATE_MISSING && state != STATE_UNREADABLE;
    }
    size_t channels = rows->count - missing - unreadable;
    put_rest("%zu channel%s", channels, channels == 1 ? "" : "s");
    put_many(severities[2], "critical", STATE_DAMAGED);
    put_many(severities[1], "warning", STATE_FULL);
    put_many(missing, "missing", STATE_MISSING);
    put_many(unreadable, "unreadable", STATE_IDLE);
}

/* Which part of all is on the screen, if that is not all. */
static void put_part(size_t first, size_t shown, size_t all, const char *what)
{
    if (shown < all)
        put_rest("%s %zu-%zu of %zu   ", what, first + 1, first + shown, all);
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
    put_squeezed(&x, 0, name.s, width < COLS - 46 ? width : COLS > 60 ? COLS - 46 : 14, false);
    attroff(A_BOLD);
    move(0, x < COLS ? x - 1 : COLS - 1);
    if (row != NULL) {
        attr_t look = look_of(row->state);
        attron(look);
        put_rest("  %s", channel_state_word(row->state));
        attroff(look);
    }
    put_rest("   every %g s%s   ", view->interval_ms / 1000.0, view->paused ? ", PAUSED" : "");
    put_part(view->first, view->shown, view->all, row == NULL ? "rows" : "lines");
    if (row == NULL)
        put_counts(view->rows);
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
    put_field(&x, 1, "SENT/S", RATE, true);
    put_field(&x, 1, "RECVD/S", RATE, true);
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
        put_squeezed(&x, y, s->type[0] != '\0' ? text_printable(s->type, sizeof s->type).s : "-",
                     COLS - x - 1, true);
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
    put_squeezed(&x, y, channel_name_text(channel).s, l->name, false);
    attroff(A_REVERSE);
    attron(look);
    put_field(&x, y, channel_state_word(row->state), l->state, false);
    attroff(look);
    if (channel->error < 0) {
        char *why = diagnosis_in_short(channel);
        put_folded(y, x, why, 1);
        free(why);
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

/* Lines under the list for what is the matter: those that the list leaves free; 0 = none. */
static int diagnosis_height(const struct rows *rows)
{
    size_t lines = (size_t)(LINES - ABOVE - KEYS - 1);
    if (LINES < LOW || rows->count == 0)
        return 0;
    return rows->count + DIAGNOSIS < lines ? (int)(lines - rows->count) : DIAGNOSIS;
}

size_t screen_height(const struct screen_view *view)
{
    int below = diagnosis_height(view->rows);
    int height = LINES - ABOVE - KEYS - (below > 0 && !view->page ? 1 + below : 0);
    return height > 1 ? (size_t)height : 1;
}

static void put_diagnosis(const struct row *row, int height)
{
    char *words = diagnosis(&row->sample->now, &row->sample->before);
    mvhline(LINES - KEYS - height - 1, 0, 0, COLS);
    put_folded(LINES - KEYS - height, 1, words, height);
    free(words);
}

static void put_list(struct screen_view *view)
{
    const struct rows *rows = view->rows;
    struct layout l = lay_out(rows);
    size_t height = screen_height(view);
    if (view->top + height > rows->count)
        view->top = rows->count > height ? rows->count - height : 0;
    if (view->selected < view->top)
        view->top = view->selected;
    if (view->selected >= view->top + height)
        view->top = view->selected - height + 1;
    put_head(&l);
    size_t shown = 0;
    for (; shown < height && view->top + shown < rows->count; shown++)
        put_row(ABOVE + (int)shown, &l, &rows->rows[view->top + shown], view->top + shown == view->selected);
    view->first = view->top;
    view->shown = shown;
    view->all = rows->count;
    if (rows->count == 0)
        mvaddstr(ABOVE, 1, "There is no channel that this user may read.");
    int below = diagnosis_height(rows);
    if (below > 0)
        put_diagnosis(&rows->rows[view->selected], below);
}

/* ---------------------------------------------------------------- the page of one */

/* From so many columns on there is room for both; what tells a graph's colour in a text, as colour.h does. */
enum { SIDE_BY_SIDE = 100, GRAPH_CODE = 36 };

/* One line of a graph, or its label, in `width` columns. */
struct graph {
    const struct history *history;
    double max;
    int width, height;
    char label[4 * sizeof(struct text)];
};

static void write_graph_line(FILE *out, const struct graph *graph, int line)
{
    if (line == 0) {
        int bytes = bytes_within(graph->label, graph->width);
        int columns = columns_of(graph->label);
        fprintf(out, "%.*s%*s", bytes, graph->label, columns < graph->width ? graph->width - columns : 0, "");
        return;
    }
    struct history_line row = history_row(graph->history, graph->max, (size_t)line - 1, (size_t)graph->height,
                                          (size_t)graph->width, utf8);
    fprintf(out, "\033[%dm%s\033[0m", GRAPH_CODE, row.s);
}

/* `max` below 0: of what is shown. */
static struct graph graph_of(const struct history *history, double max)
{
    bool wide = COLS >= SIDE_BY_SIDE;
    struct graph graph = {.history = history,
                          .max = max,
                          .width = wide ? COLS / 2 - 2 : COLS - 2,
                          .height = LINES >= 36 || (wide && LINES >= 20) ? GRAPH_HIGH : GRAPH_LOW};
    if (graph.width > HISTORY_LENGTH)
        graph.width = HISTORY_LENGTH;
    if (max < 0)
        graph.max = history_max(history, (size_t)(graph.width > 0 ? graph.width : 0));
    return graph;
}

static void write_graph(FILE *out, const struct graph *graph)
{
    for (int line = 0; line <= graph->height; line++) {
        write_graph_line(out, graph, line);
        fputc('\n', out);
    }
}

static void write_beside(FILE *out, const struct graph *left, const struct graph *right)
{
    for (int line = 0; line <= left->height; line++) {
        write_graph_line(out, left, line);
        fputs("  ", out);
        write_graph_line(out, right, line);
        fputc('\n', out);
    }
}

/* Two graphs side by side, or one under the other. */
static void write_graphs(FILE *out, const struct row *row)
{
    const struct channel *channel = &row->sample->now;
    struct graph used = graph_of(&row->track->used, 1), received = graph_of(&row->track->received, -1);
    snprintf(used.label, sizeof used.label, "used %s of %s (%u %%)", text_count(channel->used).s,
             text_count(channel->room).s, (unsigned)(100 * row->used));
    snprintf(received.label, sizeof received.label, "received %s/s (at most %s/s), sent %s/s",
             rate_text(row->rates.known, row->rates.received).s, text_rate(received.max).s,
             rate_text(row->rates.known, row->rates.sent).s);
    fputc('\n', out);
    if (COLS >= SIDE_BY_SIDE) {
        write_beside(out, &used, &received);
    } else {
        write_graph(out, &used);
        write_graph(out, &received);
    }
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
    case GRAPH_CODE:
        return (attr_t)COLOR_PAIR(PAIR_GRAPH);
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
    view->first = view->line;
    view->shown = lines < height ? lines : height;
    view->all = lines;
    char *rest = text, *line;
    for (size_t i = 0; i < view->line + height && (line = strsep(&rest, "\n")) != NULL; i++) {
        if (i >= view->line)
            put_coloured(y + (int)(i - view->line), 1, line);
    }
}

/* What is the matter comes first, as everywhere; then how it came to that. */
static void put_page(struct screen_view *view)
{
    const struct row *row = &view->rows->rows[view->selected];
    char *page = NULL;
    size_t size = 0;
    FILE *out = text_must(open_memstream(&page, &size));
    print_diagnosis(out, row->sample, 0, (size_t)COLS - 1);
    if (row->sample->now.error == 0 && LINES >= LOW)
        write_graphs(out, row);
    print_details(out, row->sample, (size_t)COLS - 1);
    fclose(out);
    put_text(view, ABOVE, text_must(page));
    free(page);
}

void screen_draw(struct screen_view *view)
{
    erase();
    if (view->selected >= view->rows->count)
        view->selected = view->rows->count > 0 ? view->rows->count - 1 : 0;
    if (view->rows->count == 0)
        view->page = false;
    if (view->page)
        put_page(view);
    else
        put_list(view);
    put_title(view);
    put_keys(view);
    refresh();
}
