/* SPDX-License-Identifier: MIT */
/*
 * Channels as an OpenMetrics text. What the Prometheus text format does not know (the types info and
 * stateset, time stamps) is not used, as a node exporter's textfile collector reads that one.
 */
#include "openmetrics.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct family {
    const char *name;
    const char *type;
    const char *unit; /* "" = none; else the name ends in it, and seconds are given in nanoseconds */
    const char *help;
};

struct channel_family {
    struct family family;
    uint64_t (*value)(const struct channel *channel);
};

struct sender_family {
    struct family family;
    uint64_t (*value)(const struct channel *channel, const struct channel_sender *sender);
};

/* ---------------------------------------------------------------- syntax */

static void put_family(FILE *out, const struct family *family)
{
    fprintf(out, "# TYPE %s %s\n", family->name, family->type);
    if (family->unit[0] != '\0')
        fprintf(out, "# UNIT %s %s\n", family->name, family->unit);
    fprintf(out, "# HELP %s %s\n", family->name, family->help);
}

/* Escaped twice: as everything that is printed, so that names that differ stay different, and as a label. */
static void put_label(FILE *out, const char *label, const char *bytes, size_t max)
{
    struct text value = text_printable(bytes, max);
    fprintf(out, "%s=\"", label);
    for (const char *s = value.s; *s != '\0'; s++) {
        if (*s == '\\' || *s == '"')
            fputc('\\', out);
        fputc(*s, out);
    }
    fputc('"', out);
}

static void put_name(FILE *out, const struct family *family, const struct channel *channel)
{
    fprintf(out, "%s%s{", family->name, strcmp(family->type, "counter") == 0 ? "_total" : "");
    put_label(out, "channel", channel->name, SIZE_MAX);
}

static void put_value(FILE *out, const struct family *family, uint64_t value)
{
    if (strcmp(family->unit, "seconds") == 0)
        fprintf(out, "} %" PRIu64 ".%09" PRIu64 "\n", value / 1000000000u, value % 1000000000u);
    else
        fprintf(out, "} %" PRIu64 "\n", value);
}

/* ---------------------------------------------------------------- of a channel */

/* What most families are: a number of the snapshot. */
#define FIELD(name)                                                                                          \
    static uint64_t name(const struct channel *channel)                                                      \
    {                                                                                                        \
        return channel->snapshot.name;                                                                       \
    }

FIELD(message_size)
FIELD(capacity)
FIELD(created_ns)
FIELD(region_bytes)
FIELD(backed_bytes)
FIELD(sent)
FIELD(received)
FIELD(lanes_damaged)
FIELD(lanes_damaged_now)
FIELD(max_senders)
FIELD(senders_held)
FIELD(senders_left)
FIELD(senders_joined)
FIELD(senders_died)
FIELD(reservations_lost)
FIELD(receivers_joined)

static uint64_t used(const struct channel *channel)
{
    return channel->used;
}

static uint64_t room(const struct channel *channel)
{
    return channel->room;
}

static uint64_t senders_blocked(const struct channel *channel)
{
    uint64_t longest_ns;
    return channel_blocked(channel, &longest_ns);
}

static uint64_t blocked_ns(const struct channel *channel)
{
    uint64_t longest_ns = 0;
    channel_blocked(channel, &longest_ns);
    return longest_ns;
}

static uint64_t receivers(const struct channel *channel)
{
    return channel_held(&channel->snapshot.receiver);
}

static const struct channel_family channel_families[] = {
    {{"shmchan_channel_created_timestamp_seconds", "gauge", "seconds", "When it was made, since 1970."},
     created_ns},
    {{"shmchan_channel_message_size_bytes", "gauge", "bytes", "Size of a message."}, message_size},
    {{"shmchan_channel_capacity_messages", "gauge", "messages", "Messages that fit into one lane."},
     capacity},
    {{"shmchan_channel_region_bytes", "gauge", "bytes", "Address space that it takes."}, region_bytes},
    {{"shmchan_channel_backed_bytes", "gauge", "bytes", "Memory that is in use for it."}, backed_bytes},
    {{"shmchan_channel_sent_messages", "counter", "messages", "Messages sent, all lanes."}, sent},
    {{"shmchan_channel_received_messages", "counter", "messages", "Messages received, all lanes."}, received},
    {{"shmchan_channel_used_messages", "gauge", "messages", "Messages that wait to be received."}, used},
    {{"shmchan_channel_room_messages", "gauge", "messages", "Messages that the lanes in use can hold."},
     room},
    {{"shmchan_channel_lanes_damaged", "counter", "", "Times a lane was found damaged and put right."},
     lanes_damaged},
    {{"shmchan_channel_lanes_damaged_now", "gauge", "", "Lanes that are damaged and not put right yet."},
     lanes_damaged_now},
    {{"shmchan_channel_sender_places", "gauge", "", "Places for senders."}, max_senders},
    {{"shmchan_channel_senders", "gauge", "", "Living senders."}, senders_held},
    {{"shmchan_channel_senders_blocked", "gauge", "", "Senders that are blocked for want of room."},
     senders_blocked},
    {{"shmchan_channel_blocked_seconds", "gauge", "seconds",
      "For how long the sender has been blocked that has been so for longest."},
     blocked_ns},
    {{"shmchan_channel_senders_gone_with_messages", "gauge", "", "Senders gone whose messages wait."},
     senders_left},
    {{"shmchan_channel_senders_joined", "counter", "", "Senders that took a place."}, senders_joined},
    {{"shmchan_channel_senders_died", "counter", "", "Senders that ended without closing."}, senders_died},
    {{"shmchan_channel_reservations_lost", "counter", "", "Slots reserved by senders that then died."},
     reservations_lost},
    {{"shmchan_channel_receivers", "gauge", "", "Living receivers: 0 or 1."}, receivers},
    {{"shmchan_channel_receivers_joined", "counter", "", "Receivers that took the place."}, receivers_joined},
};

/* ---------------------------------------------------------------- of a sender's place */

/* Likewise of the place's state. */
#define PLACE_FIELD(name)                                                                                    \
    static uint64_t place_##name(const struct channel *channel, const struct channel_sender *sender)         \
    {                                                                                                        \
        (void)channel;                                                                                       \
        return sender->state.name;                                                                           \
    }

PLACE_FIELD(sent)
PLACE_FIELD(received)
PLACE_FIELD(reserved)
PLACE_FIELD(full)

static uint64_t place_up(const struct channel *channel, const struct channel_sender *sender)
{
    (void)channel;
    return channel_held(&sender->state.process);
}

static uint64_t place_used(const struct channel *channel, const struct channel_sender *sender)
{
    (void)channel;
    return channel_lane_used(&sender->state);
}

static uint64_t place_blocked_ns(const struct channel *channel, const struct channel_sender *sender)
{
    uint64_t ns;
    if (!channel_lacks_room(channel, sender, &ns) || ns == UINT64_MAX)
        return 0;
    return ns;
}

static const struct sender_family sender_families[] = {
    {{"shmchan_sender_up", "gauge", "", "Whether a living process holds the place."}, place_up},
    {{"shmchan_sender_sent_messages", "counter", "messages", "Messages sent in the place, by whomever."},
     place_sent},
    {{"shmchan_sender_received_messages", "counter", "messages", "Of these, received."}, place_received},
    {{"shmchan_sender_used_messages", "gauge", "messages", "Messages that wait in the lane."}, place_used},
    {{"shmchan_sender_reserved_messages", "gauge", "messages", "Slots reserved and not committed: 0 or 1."},
     place_reserved},
    {{"shmchan_sender_blocked_seconds", "gauge", "seconds",
      "For how long it has been blocked; 0 = it is not."},
     place_blocked_ns},
    {{"shmchan_sender_lane_full", "counter", "", "Times the sender found its lane full, since it joined."},
     place_full},
};

/* ---------------------------------------------------------------- the document */

static void put_version(FILE *out)
{
    static const struct family family = {"shmchan_build_info", "gauge", "",
                                         "The version of shmchan, always 1."};
    put_family(out, &family);
    fprintf(out, "%s{", family.name);
    put_label(out, "version", shmchan_version(), SIZE_MAX);
    put_value(out, &family, 1);
}

/* All states of all channels, so that a state that ends is seen to end. */
static void put_states(FILE *out, const struct sample *const *samples, size_t count)
{
    static const struct family family = {"shmchan_channel_state", "gauge", "",
                                         "1 for the state that the channel is in, 0 for the others."};
    put_family(out, &family);
    for (size_t i = 0; i < count; i++) {
        enum channel_state present = channel_state(&samples[i]->now, &samples[i]->before);
        for (int state = 0; state <= STATE_IDLE; state++) {
            if (state == STATE_MISSING)
                continue; /* what is not there has no series */
            put_name(out, &family, &samples[i]->now);
            fputc(',', out);
            put_label(out, "state", channel_state_word((enum channel_state)state), SIZE_MAX);
            put_value(out, &family, state == (int)present);
        }
    }
}

static void put_infos(FILE *out, const struct sample *const *samples, size_t count)
{
    static const struct family family = {"shmchan_channel_info", "gauge", "", "What it is, always 1."};
    put_family(out, &family);
    for (size_t i = 0; i < count; i++) {
        const struct shmchan_snapshot *s = &samples[i]->now.snapshot;
        if (samples[i]->now.error < 0)
            continue;
        put_name(out, &family, &samples[i]->now);
        fputc(',', out);
        put_label(out, "type", s->type, sizeof s->type);
        fprintf(out, ",owner_uid=\"%" PRIu32 "\",mode=\"%04" PRIo32 "\"", s->owner_uid, s->mode);
        put_value(out, &family, 1);
    }
}

static void put_channels(FILE *out, const struct channel_family *metric, const struct sample *const *samples,
                         size_t count)
{
    put_family(out, &metric->family);
    for (size_t i = 0; i < count; i++) {
        const struct channel *channel = &samples[i]->now;
        if (channel->error < 0)
            continue;
        put_name(out, &metric->family, channel);
        put_value(out, &metric->family, metric->value(channel));
    }
}

static void put_sender_name(FILE *out, const struct family *family, const struct channel *channel,
                            const struct channel_sender *sender)
{
    put_name(out, family, channel);
    fprintf(out, ",place=\"%" PRIu32 "\"", sender->state.place);
}

static void put_senders(FILE *out, const struct sender_family *metric, const struct sample *const *samples,
                        size_t count)
{
    put_family(out, &metric->family);
    for (size_t i = 0; i < count; i++) {
        const struct channel *channel = &samples[i]->now;
        for (size_t k = 0; channel->error == 0 && k < channel->sender_count; k++) {
            put_sender_name(out, &metric->family, channel, &channel->senders[k]);
            put_value(out, &metric->family, metric->value(channel, &channel->senders[k]));
        }
    }
}

static void put_sender_infos(FILE *out, const struct sample *const *samples, size_t count)
{
    static const struct family family = {"shmchan_sender_info", "gauge", "",
                                         "Who holds the place, or held it last, always 1."};
    put_family(out, &family);
    for (size_t i = 0; i < count; i++) {
        const struct channel *channel = &samples[i]->now;
        for (size_t k = 0; channel->error == 0 && k < channel->sender_count; k++) {
            const struct shmchan_process *process = &channel->senders[k].state.process;
            put_sender_name(out, &family, channel, &channel->senders[k]);
            fprintf(out, ",pid=\"%" PRId32 "\",", process->pid);
            put_label(out, "command", process->command, sizeof process->command);
            put_value(out, &family, 1);
        }
    }
}

/* Each channel once, however often it was named; one that is not there not at all. */
static size_t choose(const struct sample *samples, size_t count, const struct sample **ret_chosen)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = channel_gone(&samples[i].now);
        for (size_t k = 0; k < chosen && !known; k++)
            known = strcmp(ret_chosen[k]->now.name, samples[i].now.name) == 0;
        if (!known)
            ret_chosen[chosen++] = &samples[i];
    }
    return chosen;
}

void openmetrics_print(FILE *out, const struct sample *samples, size_t count)
{
    const struct sample **chosen = text_must(calloc(count + 1, sizeof(struct sample *)));
    count = choose(samples, count, chosen);
    /* The text is UTF-8 whatever the user's locale, and a label must not change with it. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = uselocale(utf8);
    put_version(out);
    put_states(out, chosen, count);
    put_infos(out, chosen, count);
    for (size_t i = 0; i < COUNT(channel_families); i++)
        put_channels(out, &channel_families[i], chosen, count);
    put_sender_infos(out, chosen, count);
    for (size_t i = 0; i < COUNT(sender_families); i++)
        put_senders(out, &sender_families[i], chosen, count);
    fputs("# EOF\n", out);
    uselocale(before);
    if (utf8 != (locale_t)0)
        freelocale(utf8);
    free(chosen);
}
