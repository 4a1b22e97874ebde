/* SPDX-License-Identifier: MIT */
/* One channel as it was found: what the region says, and what /proc says of its processes. */
#ifndef SHMCHAN_STAT_CHANNEL_H
#define SHMCHAN_STAT_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc.h"
#include "shmchan.h"

struct channel_sender {
    struct shmchan_sender_state state;
    struct proc_view view;
};

struct channel {
    char *name; /* "/name", not made printable */
    int error;  /* 0, or why it could not be inspected (negative errno); then nothing below is set */
    struct shmchan_snapshot snapshot;
    struct proc_view receiver_view;
    struct channel_sender *senders; /* places that are in use or once were, by number */
    size_t sender_count;
    uint64_t used; /* messages waiting in all lanes           */
    uint64_t room; /* messages that the lanes in use can hold */
};

/* Inspects `name` (the slash may be left out). The caller owns what is in *ret_channel, whether or not
   its error is 0, and gives it to channel_free(). */
void channel_read(const char *name, struct channel *ret_channel);
void channel_free(struct channel *channel);

/* All channels of this machine, sorted by name. The caller frees each, and the array. Returns how
   many, or a negative errno. */
ssize_t channel_read_all(struct channel **ret_channels);

/* "alive", "stopped", "traced", "elsewhere", "left", "dead" or "free". */
const char *channel_sender_word(const struct channel_sender *sender);

/* "none", "alive", "stopped", "traced", "elsewhere", "closed" or "dead". */
const char *channel_receiver_word(const struct channel *channel);

/* Blocked in its place now? If so *ret_ns is for how long, or UINT64_MAX if that makes no sense. */
bool channel_asleep(const struct channel *channel, const struct shmchan_process *process, uint64_t *ret_ns);

#endif
