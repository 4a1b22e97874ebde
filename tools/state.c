/* SPDX-License-Identifier: MIT */
/* The definitions of the states, and nothing else. shmchan-stat(1) has them in words. */
#include "state.h"

#include <errno.h>

/* A receiver that stands still so long is stalled. One that sleeps looks by itself each 100 ms; this is long
   enough for it to get a CPU too. */
#define STALLED_NS 400000000u
/* Waiting for room so long is long: more than a busy machine takes to give a process its turn. */
#define LONG_NS 250000000u

static uint64_t elapsed_ns(const struct channel *now, const struct channel *before)
{
    uint64_t a = before->snapshot.taken_ns, b = now->snapshot.taken_ns;
    return b > a ? b - a : 0;
}

bool channel_stands_still(const struct channel *now, const struct channel *before)
{
    return now->error == 0 && before->error == 0 && channel_same(now, before) && before->used > 0 &&
           now->used > 0 && now->snapshot.received == before->snapshot.received &&
           channel_same_process(&now->snapshot.receiver, &before->snapshot.receiver);
}

static bool stalled(const struct channel *now, const struct channel *before)
{
    if (!channel_held(&now->snapshot.receiver))
        return false;
    if (before == NULL)
        return proc_halted(now->receiver_view);
    /* Under a tracer a process is stopped often, and goes on at once. */
    if (proc_halted(now->receiver_view) && proc_halted(before->receiver_view) &&
        now->snapshot.received == before->snapshot.received)
        return true;
    return channel_stands_still(now, before) && elapsed_ns(now, before) >= STALLED_NS;
}

/* Is it blocked for want of room, or can it just have been? It is woken when half its lane is free. */
static bool pressed(const struct channel *channel, const struct channel_sender *sender)
{
    uint64_t ns;
    return channel_lacks_room(channel, sender, &ns) ||
           2 * channel_lane_used(&sender->state) >= channel->snapshot.capacity;
}

/* Did it lack room: is it blocked, did it find its lane full between the looks, or was that full at both? */
static bool lacked_room(const struct channel *now, const struct channel_sender *sender,
                        const struct channel_sender *old)
{
    uint64_t ns, capacity = now->snapshot.capacity;
    return channel_lacks_room(now, sender, &ns) || sender->state.full > old->state.full ||
           (channel_lane_used(&sender->state) >= capacity && channel_lane_used(&old->state) >= capacity);
}

/* Does the receiver take longer than LONG_NS for what the lane holds, at the rate between the looks? */
static bool drained_slowly(const struct channel *now, const struct channel_sender *sender,
                           const struct channel *before, const struct channel_sender *old)
{
    double taken = (double)text_less(sender->state.received, old->state.received);
    return taken * LONG_NS < (double)now->snapshot.capacity * (double)elapsed_ns(now, before);
}

/* Every sender that is faster than its receiver fills its lane, and waits a moment for room; that is how the
   two go at one pace. Only who waits for long has a receiver that is too slow. Whom a look finds in the
   moment between two long waits is told by how fast its lane is drained. */
static bool waits_long(const struct channel *now, const struct channel_sender *sender,
                       const struct channel *before)
{
    uint64_t ns;
    if (channel_lacks_room(now, sender, &ns) && ns != UINT64_MAX && ns >= LONG_NS)
        return true;
    const struct channel_sender *old = before == NULL ? NULL : channel_sender_at(before, sender->state.place);
    return old != NULL && channel_same_process(&old->state.process, &sender->state.process) &&
           pressed(now, sender) && pressed(before, old) && lacked_room(now, sender, old) &&
           drained_slowly(now, sender, before, old);
}

static bool any_waits_long(const struct channel *now, const struct channel *before)
{
    for (size_t i = 0; i < now->sender_count; i++) {
        if (waits_long(now, &now->senders[i], before))
            return true;
    }
    return false;
}

static enum channel_state state_of_error(int error)
{
    switch (-error) {
    case EBADMSG:
        return STATE_DAMAGED;
    case ENOENT:
    case ESRCH:
        return STATE_MISSING;
    case EPROTONOSUPPORT:
        return STATE_FOREIGN;
    default:
        return STATE_UNREADABLE;
    }
}

static bool moved(const struct channel *now, const struct channel *before)
{
    return before != NULL && (now->snapshot.sent != before->snapshot.sent ||
                              now->snapshot.received != before->snapshot.received);
}

enum channel_state channel_state_but_damage(const struct channel *now, const struct channel *before)
{
    if (now->error < 0)
        return state_of_error(now->error);
    if (before != NULL && (before->error < 0 || !channel_same(now, before)))
        before = NULL;
    bool receiver = channel_held(&now->snapshot.receiver);
    bool senders = now->snapshot.senders_held > 0 || now->forking;
    if (stalled(now, before))
        return STATE_STALLED;
    if (!receiver && senders)
        return STATE_NO_RECEIVER;
    if (!receiver)
        return STATE_ORPHANED;
    if (any_waits_long(now, before))
        return STATE_FULL;
    if (!senders)
        return STATE_NO_SENDERS;
    return now->used > 0 || moved(now, before) ? STATE_FLOWING : STATE_IDLE;
}

enum channel_state channel_state(const struct channel *now, const struct channel *before)
{
    if (now->error == 0 && (now->snapshot.lanes_damaged > 0 || now->snapshot.lanes_damaged_now > 0))
        return STATE_DAMAGED;
    return channel_state_but_damage(now, before);
}

const char *channel_state_word(enum channel_state state)
{
    static const char *const words[] = {
        [STATE_DAMAGED] = "damaged",
        [STATE_STALLED] = "stalled",
        [STATE_NO_RECEIVER] = "no receiver",
        [STATE_MISSING] = "missing",
        [STATE_FULL] = "full",
        [STATE_ORPHANED] = "orphaned",
        [STATE_NO_SENDERS] = "no senders",
        [STATE_FOREIGN] = "foreign version",
        [STATE_UNREADABLE] = "unreadable",
        [STATE_FLOWING] = "flowing",
        [STATE_IDLE] = "idle",
    };
    return words[state];
}

int channel_state_severity(enum channel_state state)
{
    switch (state) {
    case STATE_DAMAGED:
    case STATE_STALLED:
    case STATE_NO_RECEIVER:
    case STATE_MISSING:
        return 2;
    case STATE_FULL:
    case STATE_ORPHANED:
    case STATE_NO_SENDERS:
    case STATE_FOREIGN:
    case STATE_UNREADABLE:
        return 1;
    case STATE_FLOWING:
    case STATE_IDLE:
        break;
    }
    return 0;
}
