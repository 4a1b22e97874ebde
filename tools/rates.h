/* SPDX-License-Identifier: MIT */
/* What moved between two looks at a channel, per second. */
#ifndef SHMCHAN_STAT_RATES_H
#define SHMCHAN_STAT_RATES_H

#include "channel.h"

struct rates {
    bool known;     /* false: there is no look before, or it was at another channel of this name */
    double seconds; /* between the looks                                                         */
    double sent;    /* messages a second, all lanes                                              */
    double received;
};

struct rates rates_of(const struct channel *now, const struct channel *before);

/* Of now->senders[index] and its lane. Not known also if another process holds the place now. */
struct rates rates_of_sender(const struct channel *now, size_t index, const struct channel *before);

#endif
