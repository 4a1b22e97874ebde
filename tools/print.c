/* SPDX-License-Identifier: MIT */
/* Channels for people: the list and the page of one. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "colour.h"
#include "diagnosis.h"
#include "rates.h"
#include "state.h"
#include "table.h"
#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* From WIDE columns on there is room for longer bars; sentences of more than READABLE are hard to read. */
enum { WIDE = 110, BAR_NARROW = 6, BAR = 10, BAR_WIDE = 20, READABLE = 100 };

static struct text type_text(const struct shmchan_snapshot *snapshot)
{
    if (snapshot->type[0] == '\0')
        return text_printable("-", 1);
    return text_printable(snapshot->type, sizeof snapshot->type);
}

static struct text command_text(const struct shmchan_process *process)
{
    if (process->command[0] == '\0')
        return text_printable("-", 1);
    return text_printable(process->command, sizeof process->command);
}

static void add_rate(struct table *table, bool known, double per_second)
{
    if (known)
        table_add(table, COLOUR_NONE, "%s", text_rate(per_second).s);
    else
        table_add(table, COLOUR_FAINT, "-");
}

/* ---------------------------------------------------------------- the list */

static void list_used(struct table *table, const struct channel *channel, size_t bar)
{
    table_add(table, COLOUR_NONE, "%s/%s", text_count(channel->used).s, text_count(channel->room).s);
    table_add(table, colour_of_fill(channel->used, channel->room), "%s",
              text_bar(channel->used, channel->room, bar).s);
}

static void list_processes(struct table *table, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    const char *word = channel_receiver_word(channel);
    table_add(table, COLOUR_NONE, "%" PRIu32 "/%" PRIu32, s->senders_held, s->max_senders);
    if (channel_held(&s->receiver))
        table_add(table, colour_of_word(word), "%" PRId32, s->receiver.pid);
    else
        table_add(table, COLOUR_FAINT, "-");
}

static void list_one(struct table *table, const struct sample *sample, size_t bar)
{
    const struct channel *channel = &sample->now;
    const struct shmchan_snapshot *s = &channel->snapshot;
    enum channel_state state = channel_state(channel, &sample->before);
    table_add(table, COLOUR_NONE, "%s", channel_name_text(channel).s);
    table_add(table, colour_of_state(state), "%s", channel_state_word(state));
    if (channel->error < 0) {
        char *why = diagnosis_in_short(channel);
        table_across(table, why);
        free(why);
        return;
    }
    struct rates rates = rates_of(channel, &sample->before);
    list_used(table, channel, bar);
    list_processes(table, channel);
    table_add(table, COLOUR_NONE, "%s", text_count(s->message_size).s);
    table_add(table, COLOUR_NONE, "%s", text_count(s->capacity).s);
    table_add(table, COLOUR_NONE, "%s", type_text(s).s);
    add_rate(table, rates.known, rates.sent);
    add_rate(table, rates.known, rates.received);
    table_add(table, COLOUR_NONE, "%s", channel_held(&s->receiver) ? command_text(&s->receiver).s : "-");
}

void print_list(FILE *out, const struct sample *samples, size_t count, size_t width)
{
    const struct table_column columns[] = {
        {.head = "NAME", .much = width / 3 > 44 ? width / 3 : 44, .fair = 24, .least = 14},
        {.head = "STATE"},
        {.head = "USED", .right = true},
        {.head = "FILL"},
        {.head = "SENDERS", .right = true},
        {.head = "RECEIVER", .right = true},
        {.head = "SIZE", .right = true},
        {.head = "CAP", .right = true},
        {.head = "TYPE", .much = 24, .fair = 8, .least = 8, .keep_end = true, .need = TABLE_USEFUL},
        {.head = "SENT/S", .right = true, .need = TABLE_LUXURY},
        {.head = "RECVD/S", .right = true, .need = TABLE_LUXURY},
        {.head = "COMMAND", .need = TABLE_LUXURY},
    };
    size_t bar = width >= WIDE ? BAR_WIDE : width > 0 ? BAR_NARROW : BAR;
    struct table table;
    table_init(&table, columns, COUNT(columns));
    for (size_t i = 0; i < count; i++)
        list_one(&table, &samples[i], bar);
    table_print(&table, out, 0, width);
    table_free(&table);
}

/* ---------------------------------------------------------------- the page of one channel */

enum { LABEL = 15 };

struct page {
    FILE *out;
    size_t width;
};

static void heading(const struct page *page, const char *words)
{
    fprintf(page->out, "\n%s%s%s\n", colour_begin(COLOUR_HEAD), words, colour_end(COLOUR_HEAD));
}

/* `colour` is that of its first word. */
__attribute__((format(printf, 4, 5))) static void line_in(const struct page *page, enum colour colour,
                                                          const char *label, const char *format, ...)
{
    char *words;
    va_list args;
    va_start(args, format);
    if (vasprintf(&words, format, args) < 0)
        text_must(NULL);
    va_end(args);
    size_t first = colour == COLOUR_NONE ? 0 : strcspn(words, " ");
    fprintf(page->out, "  %-*s%s%.*s%s", LABEL - 2, label, colour_begin(colour), (int)first, words,
            colour_end(colour));
    table_fold(page->out, words + first, LABEL + first, LABEL, page->width);
    free(words);
}

#define line(page, label, ...) line_in(page, COLOUR_NONE, label, __VA_ARGS__)

static void print_top(const struct page *page, const struct sample *sample)
{
    const struct channel *channel = &sample->now;
    enum channel_state state = channel_state(channel, &sample->before);
    enum colour colour = colour_of_state(state);
    fprintf(page->out, "%s%s%s: %s%s%s\n  ", colour_begin(COLOUR_HEAD), channel_name_text(channel).s,
            colour_end(COLOUR_HEAD), colour_begin(colour), channel_state_word(state), colour_end(colour));
    print_diagnosis(page->out, sample, 2, page->width);
}

void print_diagnosis(FILE *out, const struct sample *sample, size_t indent, size_t width)
{
    char *words = diagnosis(&sample->now, &sample->before);
    table_fold(out, words, indent, indent, width > READABLE ? READABLE : width);
    free(words);
}

static void print_rate(const struct page *page, const char *label, uint64_t count, bool known,
                       double per_second)
{
    if (known)
        line(page, label, "%" PRIu64 ", now %s a second", count, text_rate(per_second).s);
    else
        line(page, label, "%" PRIu64, count);
}

/* What one who is gone has left behind. */
static bool print_left_behind(const struct page *page, const char *label,
                              const struct shmchan_sender_state *sender)
{
    uint64_t left = channel_lane_used(sender);
    bool lost = sender->process.state == SHMCHAN_PLACE_DEAD && sender->reserved != 0;
    if (channel_held(&sender->process) || (left == 0 && !lost))
        return false;
    char messages[64] = "";
    if (left > 0)
        snprintf(messages, sizeof messages, "%" PRIu64 " message%s, still to be received%s", left,
                 left == 1 ? "" : "s", lost ? ", and " : "");
    line(page, label, "%s%s, by sender %" PRIu32 " (pid %" PRId32 ", `%s`), which %s", messages,
         lost ? "a reservation, lost" : "", sender->place, sender->process.pid,
         command_text(&sender->process).s, sender->process.state == SHMCHAN_PLACE_DEAD ? "died" : "closed");
    return true;
}

static void print_abandoned(const struct page *page, const struct channel *channel)
{
    const char *label = "abandoned";
    uint64_t lost = channel->snapshot.reservations_lost;
    for (size_t i = 0; i < channel->sender_count; i++) {
        const struct shmchan_sender_state *sender = &channel->senders[i].state;
        if (print_left_behind(page, label, sender))
            label = "";
        lost = text_less(lost, sender->process.state == SHMCHAN_PLACE_DEAD && sender->reserved != 0);
    }
    if (lost > 0)
        line(page, label, "%" PRIu64 " reservation%s, lost, by senders whose places were taken since", lost,
             lost == 1 ? "" : "s");
    else if (label[0] != '\0')
        line(page, label, "nothing");
}

static void print_messages(const struct page *page, const struct sample *sample)
{
    const struct channel *channel = &sample->now;
    const struct shmchan_snapshot *s = &channel->snapshot;
    struct rates rates = rates_of(channel, &sample->before);
    enum colour colour = colour_of_fill(channel->used, channel->room);
    heading(page, "Messages");
    if (channel->room > 0)
        fprintf(page->out, "  %-*s%s%s%s  %u %%: %" PRIu64 " of %" PRIu64 " in the lanes in use\n", LABEL - 2,
                "waiting", colour_begin(colour), text_bar(channel->used, channel->room, BAR_WIDE).s,
                colour_end(colour), (unsigned)(100.0 * (double)channel->used / (double)channel->room),
                channel->used, channel->room);
    else
        line(page, "waiting", "0, no lane is in use");
    print_rate(page, "sent", s->sent, rates.known, rates.sent);
    print_rate(page, "received", s->received, rates.known, rates.received);
    print_abandoned(page, channel);
    if (s->lanes_damaged > 0)
        line(page, "damaged", "%" PRIu64 " time%s a lane was found damaged and put right", s->lanes_damaged,
             s->lanes_damaged == 1 ? "" : "s");
    if (s->lanes_damaged_now > 0)
        line(page, s->lanes_damaged > 0 ? "" : "damaged", "%" PRIu64 " lane%s now, not counted here",
             s->lanes_damaged_now, s->lanes_damaged_now == 1 ? "" : "s");
}

static void print_asleep(const struct page *page, const struct channel *channel,
                         const struct shmchan_process *process)
{
    uint64_t ns;
    if (!channel_asleep(channel, process, &ns))
        line(page, "asleep", "no");
    else if (ns == UINT64_MAX)
        line(page, "asleep", "yes");
    else
        line(page, "asleep", "for %s%s", text_span(ns).s,
             channel->used == 0 ? ", until a message comes" : "");
}

static void print_receiver(const struct page *page, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    const struct shmchan_process *receiver = &s->receiver;
    const char *word = channel_receiver_word(channel);
    char letter[] = " (state ?)";
    letter[8] = channel->receiver_view.letter;
    heading(page, "Receiver");
    line_in(page, colour_of_word(word), "state", "%s%s", word,
            !channel_held(receiver) && s->receivers_joined == 0 ? " yet"
            : channel->receiver_view.letter != 0                ? letter
                                                                : "");
    if (receiver->pid != 0) {
        line(page, channel_held(receiver) ? "pid" : "last pid", "%" PRId32, receiver->pid);
        line(page, "command", "%s", command_text(receiver).s);
    }
    if (!channel_held(receiver))
        return;
    line(page, "joined", "%s ago", text_span(text_less(s->taken_ns, receiver->joined_ns)).s);
    print_asleep(page, channel, receiver);
}

static void add_lane(struct table *table, const struct shmchan_sender_state *place, uint32_t capacity,
                     size_t bar)
{
    uint64_t used = channel_lane_used(place);
    if (place->damaged)
        table_add(table, COLOUR_BAD, "damaged");
    else
        table_add(table, COLOUR_NONE, "%s/%s", text_count(used).s, text_count(capacity).s);
    table_add(table, colour_of_fill(used, capacity), "%s", text_bar(used, capacity, bar).s);
}

static void add_sender(struct table *table, const struct sample *sample, size_t index, size_t bar)
{
    const struct channel *channel = &sample->now;
    const struct channel_sender *sender = &channel->senders[index];
    const struct shmchan_sender_state *place = &sender->state;
    struct rates rates = rates_of_sender(channel, index, &sample->before);
    const char *word = channel_sender_word(sender);
    uint64_t ns;
    table_add(table, COLOUR_NONE, "%" PRIu32, place->place);
    table_add(table, colour_of_word(word), "%s", word);
    if (place->process.pid != 0)
        table_add(table, COLOUR_NONE, "%" PRId32, place->process.pid);
    else
        table_add(table, COLOUR_FAINT, "-");
    table_add(table, COLOUR_NONE, "%s", command_text(&place->process).s);
    table_add(table, COLOUR_NONE, "%s", text_count(text_less(place->sent, place->first_position)).s);
    if (channel_held(&place->process))
        add_rate(table, rates.known, rates.sent);
    else
        table_add(table, COLOUR_FAINT, "-");
    add_lane(table, place, channel->snapshot.capacity, bar);
    if (place->reserved == 0)
        table_add(table, COLOUR_FAINT, "-");
    else if (channel_held(&place->process))
        table_add(table, COLOUR_NONE, "yes");
    else
        table_add(table, COLOUR_BAD, "lost");
    if (!channel_lacks_room(channel, sender, &ns))
        table_add(table, COLOUR_FAINT, "-");
    else
        table_add(table, COLOUR_WARNING, "%s", ns == UINT64_MAX ? "yes" : text_duration(ns).s);
    table_add(table, COLOUR_NONE, "%s", text_count(place->full).s);
    table_add(table, COLOUR_NONE, "%" PRIu64, place->sent);
}

static void print_senders(const struct page *page, const struct sample *sample)
{
    static const struct table_column columns[] = {
        {.head = "PLACE", .right = true},    {.head = "STATE"},
        {.head = "PID", .right = true},      {.head = "COMMAND", .much = 12, .fair = 7, .least = 7},
        {.head = "SENT", .right = true},     {.head = "SENT/S", .right = true},
        {.head = "LANE", .right = true},     {.head = "FILL", .need = TABLE_USEFUL},
        {.head = "RESERVED", .right = true}, {.head = "BLOCKED", .right = true},
        {.head = "FULL", .right = true},     {.head = "TOTAL", .right = true, .need = TABLE_LUXURY},
    };
    const struct channel *channel = &sample->now;
    const struct shmchan_snapshot *s = &channel->snapshot;
    heading(page, "Senders");
    line(page, "alive", "%" PRIu32 " of %" PRIu32 " places", s->senders_held, s->max_senders);
    line(page, "joined", "%" PRIu64 " so far, of whom %" PRIu64 " died without closing", s->senders_joined,
         s->senders_died);
    if (channel->sender_count == 0)
        return;
    fputc('\n', page->out);
    size_t bar = page->width >= WIDE ? BAR_WIDE : page->width > 0 ? BAR_NARROW : BAR;
    struct table table;
    table_init(&table, columns, COUNT(columns));
    for (size_t i = 0; i < channel->sender_count; i++)
        add_sender(&table, sample, i, bar);
    table_print(&table, page->out, 2, page->width);
    table_free(&table);
}

/* Of these processes: each began to count when it joined. */
static void print_counters(const struct page *page, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    uint64_t sleeps = 0, wakeups = 0, full = 0;
    for (size_t i = 0; i < channel->sender_count; i++) {
        sleeps += channel->senders[i].state.process.sleeps;
        wakeups += channel->senders[i].state.process.wakeups;
        full += channel->senders[i].state.full;
    }
    heading(page, "Counters");
    line(page, "takeovers", "%" PRIu64 ", of %" PRIu64 " receiver%s so far",
         text_less(s->receivers_joined, 1), s->receivers_joined, s->receivers_joined == 1 ? "" : "s");
    line(page, "wake-ups", "%" PRIu64 " of the receiver, %" PRIu64 " of senders", wakeups,
         s->receiver.wakeups);
    line(page, "waits", "%" PRIu64 " for a message, %" PRIu64 " for room", s->receiver.sleeps, sleeps);
    line(page, "found full", "%" PRIu64 " time%s", full, full == 1 ? "" : "s");
    if (s->flags & SHMCHAN_UNORDERED)
        line(page, "tickets", "none, the channel is unordered");
    else
        line(page, "tickets", "%" PRIu64 " taken, one a send or batch", s->tickets);
}

static void print_region(const struct page *page, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    heading(page, "Region");
    line(page, "type", "%s", s->type[0] == '\0' ? "unchecked" : type_text(s).s);
    line(page, "message", "%s", text_bytes(s->message_size).s);
    line(page, "capacity", "%" PRIu32 " message%s a lane", s->capacity, s->capacity == 1 ? "" : "s");
    line(page, "flags", "%s", text_flags(s->flags).s);
    line(page, "region", "%s", text_bytes(s->region_bytes).s);
    line(page, "backed", "%s", text_bytes(s->backed_bytes).s);
    /* Nobody opens one without a name by its mode. */
    if (channel_anonymous(channel)) {
        line(page, "owner", "uid %" PRIu32, s->owner_uid);
        line(page, "name", "%s; pid %" PRId32 " has it open as descriptor %d",
             channel->linked ? "in another /dev/shm" : "none", channel->holder_pid, channel->holder_fd);
    } else {
        line(page, "owner", "uid %" PRIu32 ", mode %04" PRIo32, s->owner_uid, s->mode);
    }
    line(page, "created", "%s, by pid %" PRId32, text_moment(s->created_ns).s, s->creator_pid);
    line(page, "format", "version %" PRIu32, s->format_version);
    if (s->mutex_owner_pid < 0)
        line(page, "mutex", "held by pid %" PRId32 ", which is none", s->mutex_owner_pid);
    else if (s->mutex_owner_pid != 0)
        line(page, "mutex", "held by pid %" PRId32 ", which is joining or taking over", s->mutex_owner_pid);
    else
        line(page, "mutex", "free");
}

void print_details(FILE *out, const struct sample *sample, size_t width)
{
    const struct page page = {out, width};
    if (sample->now.error < 0)
        return;
    print_messages(&page, sample);
    print_receiver(&page, &sample->now);
    print_senders(&page, sample);
    print_counters(&page, &sample->now);
    print_region(&page, &sample->now);
}

void print_channel(FILE *out, const struct sample *sample, size_t width)
{
    const struct page page = {out, width};
    print_top(&page, sample);
    print_details(out, sample, width);
}
