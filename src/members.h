/* SPDX-License-Identifier: MIT */
/*
 * Places: attach, detach, fork, takeover, reaping. A struct channel is this process's side of one region,
 * shared by all its handles; a struct member is a handle's place in it. Knows segment, liveness, mutex, cond,
 * ready.
 *
 * A lane's life: free -> held (lock taken, memory backed) -> left (closed or dead: lock free, messages still
 * in it) -> drained -> free. Held is the byte lock, drained is head == tail; nothing else decides.
 */
#ifndef SHMCHAN_MEMBERS_H
#define SHMCHAN_MEMBERS_H

#include <stdbool.h>

#include "segment.h"

struct member;

struct channel {
    struct segment segment;
    struct segment_path path; /* empty: anonymous */
    int lock_fd;              /* holds the locks of all places of this process */
    int bridge_fd;            /* during fork; else -1 */
    int64_t bridge_byte;
    unsigned users; /* members, and calls about to make one */
    struct member *members;
    struct channel *next;
};

struct member {
    struct channel *channel;
    struct member *next;
    struct member **link; /* what points to us; NULL: in no list */
    bool is_receiver;
    int error;      /* -errno: why this handle cannot be used (fork), else 0 */
    uint32_t place; /* a sender's */
    void *slots;    /* a sender's lane */
    /* In a forked child: the place is another one now, or `error` says why there is none. */
    void (*after_fork)(struct member *self);
};

/* path NULL: anonymous. The channel is used by the caller until channel_leave. */
int channel_make(const struct segment_path *path, const struct shmchan_options *opts,
                 struct channel **ret_channel);
int channel_open(const struct segment_path *path, const struct shmchan_options *opts,
                 struct channel **ret_channel);
void channel_leave(struct channel *channel);

/* Take a place. The member then uses the channel, whose user the caller remains too. */
int members_join_sender(struct channel *channel, struct member *member);
int members_join_receiver(struct channel *channel, struct member *member);

/* Give the place up; nothing blocks. Takes the member's use of the channel with it. */
void members_leave(struct member *member);

/* Does a living process hold the receiver's place, any sender's (forking ones included)? 1, 0, -errno. */
int members_receiver_held(const struct channel *channel);
int members_senders_held(const struct channel *channel);

/* Tell the receiver that something is to be seen at this place, and wake it. True: it was asleep. */
bool members_ring(struct channel *channel, uint32_t place);

#endif
