/* SPDX-License-Identifier: MIT */
/* What a channel is doing, in a word, from two looks at it. */
#ifndef SHMCHAN_STAT_STATE_H
#define SHMCHAN_STAT_STATE_H

#include "channel.h"

/* By trouble, worst first: of those that hold, a channel's state is the first. shmchan-stat(1) defines each.
 */
enum channel_state {
    STATE_DAMAGED,
    STATE_STALLED,
    STATE_NO_RECEIVER,
    STATE_MISSING, /* of a name that was asked for */
    STATE_FULL,
    STATE_ORPHANED,
    STATE_NO_SENDERS,
    STATE_FOREIGN,
    STATE_UNREADABLE,
    STATE_FLOWING,
    STATE_IDLE
};

/* `before`: the same channel a moment earlier, or NULL. Without it nothing is known of what moves: a channel
   with messages waiting is then flowing, stalled only if its receiver is stopped, and full only if a sender
   has been blocked for long. A `before` that is another channel of the same name counts as NULL. */
enum channel_state channel_state(const struct channel *now, const struct channel *before);

/* The same, but that lanes were damaged once is left out of account. */
enum channel_state channel_state_but_damage(const struct channel *now, const struct channel *before);

/* Did messages wait at both looks, and the same receiver took none? If the looks are not far enough apart for
   that to be STATE_STALLED, a later one tells. */
bool channel_stands_still(const struct channel *now, const struct channel *before);

/* "damaged", "stalled", "no receiver", "missing", "full", "orphaned", "no senders", "foreign version",
   "unreadable", "flowing", "idle". */
const char *channel_state_word(enum channel_state state);

/* 0 fine, 1 warning, 2 critical. */
int channel_state_severity(enum channel_state state);

#endif
