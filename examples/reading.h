/* SPDX-License-Identifier: MIT */
/* The message on which named_sender and named_collector agree, and where they meet. */
#ifndef READING_H
#define READING_H

#include "shmchan.h"

#define READINGS_NAME "/shmchan-example"

struct reading {
    uint64_t number; /* counts from 1 in each sender */
    double celsius;
};
SHMCHAN_TYPED(reading, struct reading)

/* Both sides pass the same, since either may be the one that makes the channel. Senders then wait for a
   collector, also when an earlier one was killed and left its channel behind. Who leaves last removes it. */
static inline struct shmchan_options reading_channel(void)
{
    struct shmchan_options options = reading_options();
    options.capacity = 64;
    options.flags = SHMCHAN_WAIT_FOR_RECEIVER | SHMCHAN_UNLINK_ON_CLOSE;
    return options;
}

#endif
