/* SPDX-License-Identifier: MIT */
/* Reads channels through the public interface alone, so it takes no place and no lock. Prints nothing. */
#include "channel.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/*
 * Who may write a region may also truncate it, and then reading it is SIGBUS. Whoever looks at it must not
 * die of that: the read is given up (with its descriptor and mapping, which is all that is lost).
 */
static sigjmp_buf truncated;
static volatile sig_atomic_t reading;

static void on_sigbus(int signo)
{
    if (reading)
        siglongjmp(truncated, 1);
    signal(signo, SIG_DFL); /* not ours: let it happen */
}

static ssize_t inspect(struct channel *channel, struct shmchan_sender_state *places, size_t count)
{
    struct sigaction action = {.sa_handler = on_sigbus};
    sigaction(SIGBUS, &action, NULL);
    if (sigsetjmp(truncated, 1)) {
        reading = 0;
        return -EBADMSG;
    }
    reading = 1;
    ssize_t n = shmchan_inspect_senders(channel->name, &channel->snapshot, places, count);
    reading = 0;
    return n;
}

/* Reads everything once. */
static int take(struct channel *channel)
{
    struct shmchan_sender_state *places = text_must(calloc(SHMCHAN_SENDERS_MAX, sizeof *places));
    ssize_t n = inspect(channel, places, SHMCHAN_SENDERS_MAX);
    if (n < 0) {
        free(places);
        return (int)n;
    }

    const struct shmchan_process *receiver = &channel->snapshot.receiver;
    channel->receiver_view = (struct proc_view){PROC_UNKNOWN, 0};
    if (receiver->state == SHMCHAN_PLACE_HELD)
        channel->receiver_view = proc_look(receiver->pid, receiver->start_time);

    free(channel->senders);
    channel->senders = text_must(calloc((size_t)n + 1, sizeof *channel->senders));
    channel->sender_count = 0;
    channel->room = 0;
    for (ssize_t i = 0; i < n; i++) {
        const struct shmchan_sender_state *place = &places[i];
        bool free_place = place->process.state == SHMCHAN_PLACE_FREE;
        /* From the places, not from the snapshot's sums, which may be a moment older. */
        if (!free_place || place->sent != place->received)
            channel->room += channel->snapshot.capacity;
        if (free_place && place->sent == 0 && place->process.pid == 0)
            continue;
        struct channel_sender *sender = &channel->senders[channel->sender_count++];
        sender->state = *place;
        sender->view = (struct proc_view){PROC_UNKNOWN, 0};
        if (place->process.state == SHMCHAN_PLACE_HELD)
            sender->view = proc_look(place->process.pid, place->process.start_time);
    }
    channel->used = text_less(channel->snapshot.sent, channel->snapshot.received);
    free(places);
    return 0;
}

static uint64_t mix(uint64_t sum, const struct shmchan_process *process)
{
    return (sum ^ (uint64_t)process->pid ^ process->start_time << 20 ^ process->joined_ns) * 0x100000001b3u +
           1;
}

/* Tells one set of holders that /proc does not show from another; 0 = it shows all. */
static uint64_t unseen(const struct channel *channel)
{
    uint64_t sum = 0;
    if (channel->receiver_view.sight == PROC_ELSEWHERE)
        sum = mix(sum, &channel->snapshot.receiver);
    for (size_t i = 0; i < channel->sender_count; i++) {
        if (channel->senders[i].view.sight == PROC_ELSEWHERE)
            sum = mix(sum, &channel->senders[i].state.process);
    }
    return sum;
}

void channel_read(const char *name, struct channel *ret_channel)
{
    memset(ret_channel, 0, sizeof *ret_channel);
    const char *slash = name[0] == '/' ? "" : "/";
    if (asprintf(&ret_channel->name, "%s%s", slash, name) < 0)
        text_must(NULL);

    /* A process may end between the look at its place and the look at /proc. It is elsewhere only if it
       holds its place still after /proc did not show it. */
    uint64_t before = 0;
    for (int round = 0; round < 5; round++) {
        ret_channel->error = take(ret_channel);
        if (ret_channel->error < 0)
            return;
        uint64_t now = unseen(ret_channel);
        if (now == before)
            return;
        before = now;
    }
}

void channel_free(struct channel *channel)
{
    free(channel->name);
    free(channel->senders);
    memset(channel, 0, sizeof *channel);
}

struct names {
    char **names;
    size_t count;
};

static int collect(const char *name, void *user)
{
    struct names *all = user;
    /* Doubling at each power of two needs no second counter. */
    if ((all->count & (all->count - 1)) == 0) {
        size_t size = all->count == 0 ? 1 : 2 * all->count;
        all->names = text_must(realloc(all->names, size * sizeof *all->names));
    }
    all->names[all->count++] = text_must(strdup(name));
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

ssize_t channel_read_all(struct channel **ret_channels)
{
    struct names all = {NULL, 0};
    int r = shmchan_list(collect, &all);
    struct channel *channels = NULL;
    size_t count = 0;
    if (r >= 0) {
        channels = text_must(calloc(all.count + 1, sizeof *channels));
        if (all.count > 0)
            qsort(all.names, all.count, sizeof *all.names, by_name);
        for (size_t i = 0; i < all.count; i++) {
            channel_read(all.names[i], &channels[count]);
            /* Removed since it was listed: there is no such channel. */
            if (channels[count].error == -ENOENT)
                channel_free(&channels[count]);
            else
                count++;
        }
    }
    for (size_t i = 0; i < all.count; i++)
        free(all.names[i]);
    free(all.names);
    if (r < 0)
        return r;
    *ret_channels = channels;
    return (ssize_t)count;
}

static const char *alive_word(struct proc_view view)
{
    switch (view.sight) {
    case PROC_STOPPED:
        return "stopped";
    case PROC_TRACED:
        return "traced";
    case PROC_ELSEWHERE:
        return "elsewhere";
    case PROC_UNKNOWN:
    case PROC_HERE:
        break;
    }
    return "alive";
}

const char *channel_sender_word(const struct channel_sender *sender)
{
    switch (sender->state.process.state) {
    case SHMCHAN_PLACE_FREE:
        return "free";
    case SHMCHAN_PLACE_HELD:
        return alive_word(sender->view);
    case SHMCHAN_PLACE_LEFT:
        return "left";
    case SHMCHAN_PLACE_DEAD:
        return "dead";
    default:
        return "unknown";
    }
}

const char *channel_receiver_word(const struct channel *channel)
{
    const struct shmchan_snapshot *snapshot = &channel->snapshot;
    if (snapshot->receiver.state == SHMCHAN_PLACE_HELD)
        return alive_word(channel->receiver_view);
    if (snapshot->receiver.state == SHMCHAN_PLACE_DEAD)
        return "dead";
    if (snapshot->receivers_joined == 0)
        return "none";
    return "closed";
}

bool channel_asleep(const struct channel *channel, const struct shmchan_process *process, uint64_t *ret_ns)
{
    /* Who was killed asleep has left its mark behind. */
    if (process->state != SHMCHAN_PLACE_HELD || process->asleep_since_ns == 0)
        return false;
    /* Asleep since a moment after the snapshot began is right; much later is another clock, or garbage. */
    uint64_t ahead = text_less(process->asleep_since_ns, channel->snapshot.taken_ns);
    *ret_ns =
        ahead > 1000000000u ? UINT64_MAX : text_less(channel->snapshot.taken_ns, process->asleep_since_ns);
    return true;
}
