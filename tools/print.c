/* SPDX-License-Identifier: MIT */
/* Channels for people: the list and the page of one. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#include "table.h"
#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

/* ---------------------------------------------------------------- the list */

void print_list(FILE *out, const struct channel *channels, size_t count, size_t width)
{
    /* The type comes last because it is what a narrow terminal can do without. */
    static const struct table_column columns[] = {
        {.head = "NAME"},
        {.head = "SIZE", .right = true},
        {.head = "CAP", .right = true},
        {.head = "USED", .right = true},
        {.head = "SENDERS", .right = true},
        {.head = "RECEIVER", .right = true},
        {.head = "SENT", .right = true},
        {.head = "RECVD", .right = true},
        {.head = "TYPE", .spare = true},
    };
    struct table table;
    table_init(&table, columns, COUNT(columns));
    for (size_t i = 0; i < count; i++) {
        const struct channel *channel = &channels[i];
        const struct shmchan_snapshot *s = &channel->snapshot;
        struct text name = text_printable(channel->name, SIZE_MAX);
        if (channel->error < 0) {
            table_note(&table, name.s, shmchan_strerror(channel->error));
            continue;
        }
        table_add(&table, "%s", name.s);
        table_add(&table, "%s", text_count(s->message_size).s);
        table_add(&table, "%s", text_count(s->capacity).s);
        table_add(&table, "%s/%s", text_count(channel->used).s, text_count(channel->room).s);
        table_add(&table, "%" PRIu32 "/%" PRIu32, s->senders_held, s->max_senders);
        if (s->receiver.state == SHMCHAN_PLACE_HELD)
            table_add(&table, "%" PRId32, s->receiver.pid);
        else
            table_add(&table, "-");
        table_add(&table, "%s", text_count(s->sent).s);
        table_add(&table, "%s", text_count(s->received).s);
        table_add(&table, "%s", type_text(s).s);
    }
    table_print(&table, out, 0, width);
    table_free(&table);
}

/* ---------------------------------------------------------------- the page of one channel */

__attribute__((format(printf, 3, 4))) static void line(FILE *out, const char *label, const char *format, ...)
{
    fprintf(out, "  %-12s ", label);
    va_list args;
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fputc('\n', out);
}

static void print_created(FILE *out, const struct shmchan_snapshot *s)
{
    char when[64] = "at an unknown time";
    time_t seconds = (time_t)(s->created_ns / 1000000000u);
    struct tm tm;
    if (s->created_ns != 0 && localtime_r(&seconds, &tm) != NULL)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S %z", &tm);
    line(out, "created", "%s, by pid %" PRId32, when, s->creator_pid);
}

static void print_geometry(FILE *out, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    if (s->type[0] == '\0')
        line(out, "type", "unchecked");
    else
        line(out, "type", "%s", type_text(s).s);
    line(out, "message", "%" PRIu32 " byte%s", s->message_size, s->message_size == 1 ? "" : "s");
    line(out, "capacity", "%" PRIu32 " message%s a lane", s->capacity, s->capacity == 1 ? "" : "s");
    line(out, "flags", "%s", text_flags(s->flags).s);
    line(out, "region", "%s", text_bytes(s->region_bytes).s);
    line(out, "backed", "%s", text_bytes(s->backed_bytes).s);
    line(out, "owner", "uid %" PRIu32 ", mode %04" PRIo32, s->owner_uid, s->mode);
    print_created(out, s);
    line(out, "format", "version %" PRIu32, s->format_version);
    if (s->mutex_owner_pid != 0)
        line(out, "mutex", "held by pid %" PRId32 ", which is attaching or cleaning up", s->mutex_owner_pid);
    else
        line(out, "mutex", "free");
}

static void print_messages(FILE *out, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    fputs("\nMessages\n", out);
    line(out, "sent", "%" PRIu64 " (tail)", s->sent);
    line(out, "received", "%" PRIu64 " (head)", s->received);
    if (channel->room > 0)
        line(out, "used", "%" PRIu64 " of %" PRIu64 " in the lanes in use (%u %%)", channel->used,
             channel->room, (unsigned)(100.0 * (double)channel->used / (double)channel->room));
    else
        line(out, "used", "0, no lane is in use");
    if (s->flags & SHMCHAN_UNORDERED)
        line(out, "tickets", "none, the channel is unordered");
    else
        line(out, "tickets", "%" PRIu64, s->tickets);
    line(out, "damaged", "%" PRIu64 " lane%s%s", s->lanes_damaged, s->lanes_damaged == 1 ? "" : "s",
         s->lanes_damaged > 0 ? ", given up to where they stood" : "");
}

static void print_asleep(FILE *out, const struct channel *channel, const struct shmchan_process *process)
{
    uint64_t ns;
    if (!channel_asleep(channel, process, &ns))
        line(out, "asleep", "no");
    else if (ns == UINT64_MAX)
        line(out, "asleep", "yes");
    else
        line(out, "asleep", "for %s", text_duration(ns).s);
}

static void print_receiver(FILE *out, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    const struct shmchan_process *receiver = &s->receiver;
    bool held = receiver->state == SHMCHAN_PLACE_HELD;
    const char *word = channel_receiver_word(channel);
    fputs("\nReceiver\n", out);
    line(out, "state", "%s%s", word, s->receivers_joined == 0 && !held ? " yet" : "");
    if (receiver->pid != 0) {
        line(out, held ? "pid" : "last pid", "%" PRId32, receiver->pid);
        line(out, "command", "%s", command_text(receiver).s);
    }
    if (held)
        print_asleep(out, channel, receiver);
    if (s->receivers_joined > 0) {
        line(out, "sleeps", "%" PRIu64, receiver->sleeps);
        line(out, "wakeups", "%" PRIu64 " of senders", receiver->wakeups);
    }
    line(out, "joined", "%" PRIu64 " receiver%s so far", s->receivers_joined,
         s->receivers_joined == 1 ? "" : "s");
}

static void print_senders(FILE *out, const struct channel *channel, size_t width)
{
    static const struct table_column columns[] = {
        {.head = "PLACE", .right = true},    {.head = "STATE"},
        {.head = "PID", .right = true},      {.head = "SENT", .right = true},
        {.head = "TOTAL", .right = true},    {.head = "LANE", .right = true},
        {.head = "RESERVED", .right = true}, {.head = "ASLEEP", .right = true},
        {.head = "FULL", .right = true},     {.head = "COMMAND"},
    };
    const struct shmchan_snapshot *s = &channel->snapshot;
    uint64_t sleeps = 0, wakeups = 0;
    struct table table;
    table_init(&table, columns, COUNT(columns));
    for (size_t i = 0; i < channel->sender_count; i++) {
        const struct channel_sender *sender = &channel->senders[i];
        const struct shmchan_sender_state *place = &sender->state;
        sleeps += place->process.sleeps;
        wakeups += place->process.wakeups;
        table_add(&table, "%" PRIu32, place->place);
        table_add(&table, "%s", channel_sender_word(sender));
        if (place->process.pid != 0)
            table_add(&table, "%" PRId32, place->process.pid);
        else
            table_add(&table, "-");
        table_add(&table, "%" PRIu64, text_less(place->sent, place->first_position));
        table_add(&table, "%" PRIu64, place->sent);
        table_add(&table, "%" PRIu64 "/%" PRIu32, text_less(place->sent, place->received), s->capacity);
        if (place->reserved == 0)
            table_add(&table, "-");
        else
            table_add(&table, "%s", place->process.state == SHMCHAN_PLACE_HELD ? "yes" : "lost");
        uint64_t ns;
        if (!channel_asleep(channel, &place->process, &ns))
            table_add(&table, "-");
        else
            table_add(&table, "%s", ns == UINT64_MAX ? "yes" : text_duration(ns).s);
        table_add(&table, "%" PRIu64, place->full);
        table_add(&table, "%s", command_text(&place->process).s);
    }
    fputs("\nSenders\n", out);
    line(out, "alive", "%" PRIu32 " of %" PRIu32 " places", s->senders_held, s->max_senders);
    line(out, "gone", "%" PRIu32 " with messages left to receive", s->senders_left);
    line(out, "joined", "%" PRIu64 " so far", s->senders_joined);
    line(out, "died", "%" PRIu64 " without closing", s->senders_died);
    line(out, "lost", "%" PRIu64 " reservation%s of dead senders", s->reservations_lost,
         s->reservations_lost == 1 ? "" : "s");
    line(out, "sleeps", "%" PRIu64, sleeps);
    line(out, "wakeups", "%" PRIu64 " of the receiver", wakeups);
    if (channel->sender_count > 0) {
        fputc('\n', out);
        table_print(&table, out, 2, width);
    }
    table_free(&table);
}

void print_channel(FILE *out, const struct channel *channel, size_t width)
{
    fprintf(out, "%s\n", text_printable(channel->name, SIZE_MAX).s);
    print_geometry(out, channel);
    print_messages(out, channel);
    print_receiver(out, channel);
    print_senders(out, channel, width);
}
