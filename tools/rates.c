/* SPDX-License-Identifier: MIT */
/* Differences of counters over time, where they mean anything. */
#include "rates.h"

#include <string.h>

static const struct rates unknown = {false, 0, 0, 0};

static struct rates between(const struct channel *now, const struct channel *before)
{
    struct rates rates = unknown;
    if (before == NULL || now->error < 0 || before->error < 0 || !channel_same(now, before) ||
        now->snapshot.taken_ns <= before->snapshot.taken_ns)
        return rates;
    rates.known = true;
    rates.seconds = (double)(now->snapshot.taken_ns - before->snapshot.taken_ns) / 1e9;
    return rates;
}

/* A counter that went back is not one: the region is damaged, or was replaced. */
static bool per_second(uint64_t now, uint64_t before, double seconds, double *ret)
{
    *ret = (double)(now - before) / seconds;
    return now >= before;
}

static struct rates of_counters(struct rates rates, const uint64_t now[2], const uint64_t before[2])
{
    if (!rates.known || !per_second(now[0], before[0], rates.seconds, &rates.sent) ||
        !per_second(now[1], before[1], rates.seconds, &rates.received))
        return unknown;
    return rates;
}

struct rates rates_of(const struct channel *now, const struct channel *before)
{
    struct rates rates = between(now, before);
    if (!rates.known)
        return rates;
    return of_counters(rates, (uint64_t[]){now->snapshot.sent, now->snapshot.received},
                       (uint64_t[]){before->snapshot.sent, before->snapshot.received});
}

/* The same holder of the same place. */
static bool same(const struct shmchan_sender_state *a, const struct shmchan_sender_state *b)
{
    return a->place == b->place && a->first_position == b->first_position &&
           a->process.pid == b->process.pid && a->process.start_time == b->process.start_time &&
           a->process.joined_ns == b->process.joined_ns;
}

struct rates rates_of_sender(const struct channel *now, size_t index, const struct channel *before)
{
    struct rates rates = between(now, before);
    if (!rates.known)
        return rates;
    const struct shmchan_sender_state *sender = &now->senders[index].state;
    const struct channel_sender *old = channel_sender_at(before, sender->place);
    if (old == NULL || !same(sender, &old->state))
        return unknown;
    return of_counters(rates, (uint64_t[]){sender->sent, sender->received},
                       (uint64_t[]){old->state.sent, old->state.received});
}
