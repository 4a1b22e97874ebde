/* SPDX-License-Identifier: MIT */
/* Channels for programs: the document that shmchan-stat(1) describes. Its field names are a promise. */
#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnosis.h"
#include "rates.h"
#include "state.h"
#include "text.h"

/* Takes value over; a NULL one (no memory) fails, and *failed keeps that, so that callers check once. */
static void set(json_t *object, const char *key, json_t *value, int *failed)
{
    if (json_object_set_new(object, key, value) < 0)
        *failed = 1;
}

/* JSON knows no limit, jansson has signed 64 bits. No counter of a real channel gets that far. */
static json_t *integer(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* How many bytes at s are one well-formed UTF-8 character; 0 = none. Strict, as jansson is. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    unsigned char lowest = 0x80, highest = 0xbf;
    size_t length;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        length = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        length = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        length = 4;
    else
        return 0;
    /* The second byte excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
    if (s[0] == 0xe0)
        lowest = 0xa0;
    if (s[0] == 0xed)
        highest = 0x9f;
    if (s[0] == 0xf0)
        lowest = 0x90;
    if (s[0] == 0xf4)
        highest = 0x8f;
    if (length > left || s[1] < lowest || s[1] > highest)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    }
    return length;
}

/* At most `max` bytes, ending at a NUL before. What is no UTF-8 becomes U+FFFD, as does DEL, the one control
   character that jansson would print as it is. */
static json_t *string(const char *bytes, size_t max)
{
    size_t left = strnlen(bytes, max);
    char *clean = malloc(3 * left + 1);
    if (clean == NULL)
        return NULL;
    size_t used = 0;
    while (left > 0) {
        size_t n = utf8_length((const unsigned char *)bytes, left);
        if (n == 0 || bytes[0] == 0x7f) {
            memcpy(clean + used, "\xef\xbf\xbd", 3);
            used += 3;
            n = 1;
        } else {
            memcpy(clean + used, bytes, n);
            used += n;
        }
        bytes += n;
        left -= n;
    }
    json_t *value = json_stringn(clean, used);
    free(clean);
    return value;
}

static json_t *string_or_null(const char *bytes, size_t max)
{
    return bytes[0] == '\0' ? json_null() : string(bytes, max);
}

static json_t *pid_or_null(int32_t pid)
{
    return pid == 0 ? json_null() : json_integer(pid);
}

static json_t *flags_array(uint32_t flags, int *failed)
{
    static const struct {
        uint32_t bit;
        const char *word;
    } known[] = {
        {SHMCHAN_WAIT_FOR_RECEIVER, "wait-for-receiver"},
        {SHMCHAN_UNORDERED, "unordered"},
        {SHMCHAN_UNLINK_ON_CLOSE, "unlink-on-close"},
    };
    json_t *array = json_array();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if ((flags & known[i].bit) && json_array_append_new(array, json_string(known[i].word)) < 0)
            *failed = 1;
        flags &= ~known[i].bit;
    }
    if (flags != 0 && json_array_append_new(array, json_sprintf("0x%x", (unsigned)flags)) < 0)
        *failed = 1;
    return array;
}

/* The members that a sender and the receiver have in common. */
static void set_process(json_t *object, const struct channel *channel, const struct shmchan_process *process,
                        struct proc_view view, int *failed)
{
    static const char *const sights[] = {[PROC_UNKNOWN] = NULL,
                                         [PROC_HERE] = "here",
                                         [PROC_STOPPED] = "stopped",
                                         [PROC_TRACED] = "traced",
                                         [PROC_ELSEWHERE] = "elsewhere"};
    uint64_t ns = 0;
    bool asleep = channel_asleep(channel, process, &ns);
    set(object, "process", sights[view.sight] == NULL ? json_null() : json_string(sights[view.sight]),
        failed);
    set(object, "process_state_letter", view.letter == 0 ? json_null() : string(&view.letter, 1), failed);
    set(object, "pid", pid_or_null(process->pid), failed);
    set(object, "command", string_or_null(process->command, sizeof process->command), failed);
    set(object, "start_time_ticks", integer(process->start_time), failed);
    set(object, "joined_monotonic_ns", integer(process->joined_ns), failed);
    set(object, "asleep", json_boolean(asleep), failed);
    set(object, "asleep_ns", asleep && ns != UINT64_MAX ? integer(ns) : json_null(), failed);
    set(object, "sleeps", integer(process->sleeps), failed);
    set(object, "wakeups", integer(process->wakeups), failed);
}

/* What is not known is null. */
static json_t *rate(bool known, double per_second)
{
    return known ? json_real(per_second) : json_null();
}

static json_t *receiver_object(const struct channel *channel, int *failed)
{
    const struct shmchan_process *receiver = &channel->snapshot.receiver;
    json_t *object = json_object();
    const char *state = channel_held(receiver) ? "alive" : channel_receiver_word(channel);
    set(object, "state", json_string(state), failed);
    set_process(object, channel, receiver, channel->receiver_view, failed);
    return object;
}

static json_t *sender_object(const struct sample *sample, size_t index, int *failed)
{
    const struct channel *channel = &sample->now;
    const struct channel_sender *sender = &channel->senders[index];
    const struct shmchan_sender_state *place = &sender->state;
    struct rates rates = rates_of_sender(channel, index, &sample->before);
    json_t *object = json_object();
    bool held = channel_held(&place->process);
    set(object, "place", integer(place->place), failed);
    set(object, "state", json_string(held ? "alive" : channel_sender_word(sender)), failed);
    set_process(object, channel, &place->process, sender->view, failed);
    set(object, "sent_messages", integer(text_less(place->sent, place->first_position)), failed);
    set(object, "lane_sent_messages", integer(place->sent), failed);
    set(object, "lane_received_messages", integer(place->received), failed);
    set(object, "lane_damaged", json_boolean(place->damaged != 0), failed);
    set(object, "lane_used_messages", integer(channel_lane_used(place)), failed);
    set(object, "sent_messages_per_second", rate(held && rates.known, rates.sent), failed);
    set(object, "lane_received_messages_per_second", rate(rates.known, rates.received), failed);
    set(object, "reserved_messages", integer(place->reserved), failed);
    set(object, "times_full", integer(place->full), failed);
    return object;
}

/* Numbers of errors differ between machines, names do not. Those that shmchan_inspect() returns. */
static const char *error_name(int error)
{
    switch (-error) {
    case ENOENT:
        return "ENOENT";
    case ESRCH:
        return "ESRCH";
    case EACCES:
        return "EACCES";
    case EINVAL:
        return "EINVAL";
    case ENAMETOOLONG:
        return "ENAMETOOLONG";
    case EPROTONOSUPPORT:
        return "EPROTONOSUPPORT";
    case EBADMSG:
        return "EBADMSG";
    case EMFILE:
        return "EMFILE";
    case ENFILE:
        return "ENFILE";
    case ENOMEM:
        return "ENOMEM";
    default:
        return NULL;
    }
}

static void set_error(json_t *object, const struct channel *channel, int *failed)
{
    const char *name = error_name(channel->error);
    set(object, "error", name != NULL ? json_string(name) : json_sprintf("%d", -channel->error), failed);
    set(object, "error_text", json_string(shmchan_strerror(channel->error)), failed);
    if (channel->file_mode == FILE_UNKNOWN)
        return;
    set(object, "mode", json_sprintf("%04o", (unsigned)channel->file_mode), failed);
    set(object, "owner_uid", integer(channel->file_uid), failed);
}

static void set_geometry(json_t *object, const struct shmchan_snapshot *s, int *failed)
{
    set(object, "format_version", integer(s->format_version), failed);
    set(object, "type", string_or_null(s->type, sizeof s->type), failed);
    set(object, "message_size_bytes", integer(s->message_size), failed);
    set(object, "capacity_messages", integer(s->capacity), failed);
    set(object, "sender_places", integer(s->max_senders), failed);
    set(object, "flags", flags_array(s->flags, failed), failed);
    set(object, "mode", json_sprintf("%04o", (unsigned)s->mode), failed);
    set(object, "owner_uid", integer(s->owner_uid), failed);
    set(object, "creator_pid", pid_or_null(s->creator_pid), failed);
    set(object, "created_realtime_ns", integer(s->created_ns), failed);
    set(object, "region_bytes", integer(s->region_bytes), failed);
    set(object, "backed_bytes", integer(s->backed_bytes), failed);
}

static void set_counters(json_t *object, const struct shmchan_snapshot *s, int *failed)
{
    set(object, "sent_messages", integer(s->sent), failed);
    set(object, "received_messages", integer(s->received), failed);
    set(object, "tickets", s->flags & SHMCHAN_UNORDERED ? json_null() : integer(s->tickets), failed);
    set(object, "lanes_damaged", integer(s->lanes_damaged), failed);
    set(object, "lanes_damaged_now", integer(s->lanes_damaged_now), failed);
    set(object, "senders_alive", integer(s->senders_held), failed);
    set(object, "senders_gone_with_messages", integer(s->senders_left), failed);
    set(object, "senders_joined", integer(s->senders_joined), failed);
    set(object, "senders_died", integer(s->senders_died), failed);
    set(object, "reservations_lost", integer(s->reservations_lost), failed);
    set(object, "receivers_joined", integer(s->receivers_joined), failed);
    set(object, "takeovers", integer(text_less(s->receivers_joined, 1)), failed);
    set(object, "mutex_owner_pid", pid_or_null(s->mutex_owner_pid), failed);
}

static void set_now(json_t *object, const struct sample *sample, int *failed)
{
    const struct channel *channel = &sample->now;
    struct rates rates = rates_of(channel, &sample->before);
    uint64_t longest_ns;
    size_t blocked = channel_blocked(channel, &longest_ns);
    set(object, "taken_monotonic_ns", integer(channel->snapshot.taken_ns), failed);
    set(object, "interval_seconds", rate(rates.known, rates.seconds), failed);
    set(object, "sent_messages_per_second", rate(rates.known, rates.sent), failed);
    set(object, "received_messages_per_second", rate(rates.known, rates.received), failed);
    set(object, "used_messages", integer(channel->used), failed);
    set(object, "room_messages", integer(channel->room), failed);
    set(object, "sender_forking", json_boolean(channel->forking), failed);
    set(object, "senders_blocked", integer(blocked), failed);
    set(object, "longest_blocked_ns", longest_ns > 0 ? integer(longest_ns) : json_null(), failed);
}

static json_t *senders_array(const struct sample *sample, int *failed)
{
    json_t *senders = json_array();
    for (size_t i = 0; i < sample->now.sender_count; i++) {
        if (json_array_append_new(senders, sender_object(sample, i, failed)) < 0)
            *failed = 1;
    }
    return senders;
}

static json_t *channel_object(const struct sample *sample, int *failed)
{
    const struct channel *channel = &sample->now;
    enum channel_state state = channel_state(channel, &sample->before);
    json_t *object = json_object();
    char *words = diagnosis(channel, &sample->before);
    set(object, "name", string(channel->name, SIZE_MAX), failed);
    set(object, "state", json_string(channel_state_word(state)), failed);
    set(object, "severity", integer((uint64_t)channel_state_severity(state)), failed);
    set(object, "diagnosis", string(words, SIZE_MAX), failed);
    free(words);
    if (channel->error < 0) {
        set_error(object, channel, failed);
        return object;
    }
    set(object, "holder_pid", pid_or_null(channel->holder_pid), failed);
    set_geometry(object, &channel->snapshot, failed);
    set_now(object, sample, failed);
    set_counters(object, &channel->snapshot, failed);
    set(object, "receiver", receiver_object(channel, failed), failed);
    set(object, "senders", senders_array(sample, failed), failed);
    return object;
}

int json_print(FILE *out, const struct sample *samples, size_t count, bool one_line)
{
    int failed = 0;
    json_t *document = json_object();
    json_t *array = json_array();
    set(document, "version", json_string(shmchan_version()), &failed);
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, channel_object(&samples[i], &failed)) < 0)
            failed = 1;
    }
    set(document, "channels", array, &failed);
    /* ASCII only: JSON on a terminal must not carry a region's control characters there either. */
    size_t how = (one_line ? JSON_COMPACT : JSON_INDENT(2)) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6);
    char *words = failed ? NULL : json_dumps(document, how);
    json_decref(document);
    if (words == NULL)
        return -ENOMEM;
    fprintf(out, "%s\n", words);
    free(words);
    return 0;
}
