/* SPDX-License-Identifier: MIT */
/* Concurrency Kit's ring, many producers, one consumer, entries by value. */
#include <stdlib.h>

#include <ck_ring.h>

#include "peer.h"

struct entry {
    char bytes[64];
};
CK_RING_PROTOTYPE(entry, entry)

struct ck_channel {
    struct ck_ring ring;
    size_t total;
    struct entry entries[] __attribute__((aligned(64)));
};

static const char *ck_refuses(const struct peer_shape *shape)
{
    return shape->bytes != sizeof(struct entry) ? "built for messages of 64 bytes" : NULL;
}

static int ck_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    unsigned capacity = 4;
    while (capacity < shape->capacity)
        capacity *= 2;
    size_t total = sizeof(struct ck_channel) + capacity * sizeof(struct entry);
    struct ck_channel *c = bench_shared(total);
    if (!c)
        return -ENOMEM;
    c->total = total;
    ck_ring_init(&c->ring, capacity);
    *ret_channel = c;
    return 0;
}

static void ck_close(void *channel)
{
    struct ck_channel *c = channel;
    bench_shared_free(c, c->total);
}

static int ck_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int ck_open_receiver(void *channel, void **ret_receiver)
{
    *ret_receiver = channel;
    return 0;
}

static int ck_send(void *sender, const char *messages, unsigned count)
{
    struct ck_channel *c = sender;
    (void)count;
    for (unsigned round = 0;
         !ck_ring_enqueue_mpsc_entry(&c->ring, c->entries, (struct entry *)(uintptr_t)messages);)
        bench_spin(&round);
    return 0;
}

static int ck_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct ck_channel *c = receiver;
    for (unsigned round = 0; !ck_ring_dequeue_mpsc_entry(&c->ring, c->entries, (struct entry *)buffer);)
        bench_spin(&round);
    *ret_messages = buffer;
    return 1;
}

BENCH_LOOPS(ck, 1, ck_send, ck_receive, bench_done_nothing)

const struct peer peer_ck_ring = {
    .id = "ck_ring",
    .what = "Concurrency Kit ck_ring, MPSC, entries by value",
    .death = "a process killed between claim and commit stops all others for ever",
    .order = "one queue",
    .means = "spins; a producer preempted in a send holds up all, which is what more senders than cores show",
    .traits = PEER_SPINS,
    .refuses = ck_refuses,
    .open = ck_open,
    .close = ck_close,
    .open_sender = ck_open_sender,
    .open_receiver = ck_open_receiver,
    .send_all = ck_send_all,
    .receive_all = ck_receive_all,
    .ping = ck_ping,
    .pong = ck_pong,
};
