/* SPDX-License-Identifier: MIT */
/* One channel as it was found: what the region says, and what /proc says of its processes. */
#ifndef SHMCHAN_STAT_CHANNEL_H
#define SHMCHAN_STAT_CHANNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nameless.h"
#include "proc.h"
#include "shmchan.h"
#include "text.h"

#define FILE_UNKNOWN UINT32_MAX

struct channel_sender {
    struct shmchan_sender_state state;
    struct proc_view view;
};

struct channel {
    char *name; /* as in struct found; not made printable */
    int error;  /* 0, or why it could not be inspected (negative errno) */

    /* One without a name here: a process that has it open, and as which descriptor. Else 0. */
    int32_t holder_pid;
    int holder_fd;
    bool linked;             /* it has a name elsewhere                              */
    struct region_id region; /* all zero: not known, or its name changed hands while it was read */

    /* If it may not be read: whose it is. */
    uint32_t file_uid;
    uint32_t file_mode; /* permission bits; FILE_UNKNOWN = neither is known */

    /* Nothing below is set if error is not 0. */
    bool forking; /* no sender holds a place, but a process that is forking holds one for its child */
    struct shmchan_snapshot snapshot;
    struct proc_view receiver_view;
    struct channel_sender *senders; /* places that are in use or once were, by number */
    size_t sender_count;
    uint64_t used; /* messages waiting in all lanes           */
    uint64_t room; /* messages that the lanes in use can hold */
};

/* Inspects `name`: a channel's name (the slash may be left out), or one of nameless.h. The caller owns what
 *is in ret_channel, whether or not its error is 0, and gives it to channel_free(). */
void channel_read(const char *name, struct channel *ret_channel);

/* One that was found (find.h). */
void channel_read_found(const struct found *found, struct channel *ret_channel);

/* The same channel once more: one without a name need not be searched for. */
void channel_read_again(const struct channel *old, struct channel *ret_channel);
void channel_free(struct channel *channel);

/* All channels of this machine, with a name and without, sorted by name. `unreadable`: also files that
   may be channels but may not be read. The caller frees each, and the array. Returns how many, or a negative
   errno. */
ssize_t channel_read_all(bool unreadable, struct channel **ret_channels);

/* Are these two looks at one channel, not at one that took the other's name? Both without error. */
bool channel_same(const struct channel *a, const struct channel *b);

/* Has it no name here? */
static inline bool channel_anonymous(const struct channel *channel)
{
    return channel->name[0] != '/';
}

/* Is it there no more: has its name been removed, or the process ended that had it open? */
static inline bool channel_gone(const struct channel *channel)
{
    return channel->error == -ENOENT || channel->error == -ESRCH;
}

/* Is somebody there now? */
static inline bool channel_held(const struct shmchan_process *process)
{
    return process->state == SHMCHAN_PLACE_HELD;
}

/* Messages that wait in the lane. */
static inline uint64_t channel_lane_used(const struct shmchan_sender_state *sender)
{
    return text_less(sender->sent, sender->received);
}

/* Does some process hold a place in it, so far as that can be told of one that cannot be inspected? */
bool channel_locked(const struct channel *channel);

/* Its name, made printable. */
static inline struct text channel_name_text(const struct channel *channel)
{
    return text_printable(channel->name, SIZE_MAX);
}

/* The sender of this place, NULL if it is not among them. */
const struct channel_sender *channel_sender_at(const struct channel *channel, uint32_t place);

/* Is it one process, in its place at both looks? */
bool channel_same_process(const struct shmchan_process *a, const struct shmchan_process *b);

/* "alive", "stopped", "traced", "elsewhere", "left", "dead" or "free". */
const char *channel_sender_word(const struct channel_sender *sender);

/* "none", "alive", "stopped", "traced", "elsewhere", "closed" or "dead". */
const char *channel_receiver_word(const struct channel *channel);

/* Blocked in its place now? If so *ret_ns is for how long, or UINT64_MAX if that makes no sense. */
bool channel_asleep(const struct channel *channel, const struct shmchan_process *process, uint64_t *ret_ns);

/* The same of a sender, and for want of room: one that was stopped asleep may have room by now. */
bool channel_lacks_room(const struct channel *channel, const struct channel_sender *sender, uint64_t *ret_ns);

/* How many senders are blocked for want of room, and the longest for how long (0 if not known). */
size_t channel_blocked(const struct channel *channel, uint64_t *ret_longest_ns);

#endif
