/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_ring by its headers alone, in plain shared memory: many producers (MP), and the variant for
 * preempted producers (RTS: relaxed tail sync). No environment layer, so the ring is filled in here as
 * rte_ring_init does.
 */
#include <stdlib.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "peer.h"

struct rte_channel {
    size_t total;
    unsigned bytes;
    struct rte_ring ring; /* its elements follow it */
};

static int open_ring(const struct peer_shape *shape, enum rte_ring_sync_type producers, void **ret_channel)
{
    unsigned size = 2;
    while (size < shape->capacity)
        size *= 2;
    size_t total = sizeof(struct rte_channel) + (size_t)size * shape->bytes;
    struct rte_channel *c = bench_shared(total);
    if (!c)
        return -ENOMEM;
    c->total = total;
    c->bytes = shape->bytes;
    c->ring.size = size;
    c->ring.mask = size - 1;
    c->ring.capacity = size - 1;
    c->ring.prod.sync_type = producers;
    c->ring.cons.sync_type = RTE_RING_SYNC_ST;
    if (producers == RTE_RING_SYNC_MT_RTS)
        c->ring.rts_prod.htd_max =
            c->ring.capacity / 8 ? c->ring.capacity / 8 : 1; /* rte_ring_init's default */
    *ret_channel = c;
    return 0;
}

static int mp_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    return open_ring(shape, RTE_RING_SYNC_MT, ret_channel);
}

static int rts_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    return open_ring(shape, RTE_RING_SYNC_MT_RTS, ret_channel);
}

static void rte_close(void *channel)
{
    struct rte_channel *c = channel;
    bench_shared_free(c, c->total);
}

static int rte_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int rte_open_receiver(void *channel, void **ret_receiver)
{
    *ret_receiver = channel;
    return 0;
}

static int mp_send(void *sender, const char *messages, unsigned count)
{
    struct rte_channel *c = sender;
    (void)count;
    for (unsigned round = 0;
         rte_ring_mp_enqueue_bulk_elem(&c->ring, messages, c->bytes == 64 ? 64 : c->bytes, 1, NULL) == 0;)
        bench_spin(&round);
    return 0;
}

static int rts_send(void *sender, const char *messages, unsigned count)
{
    struct rte_channel *c = sender;
    (void)count;
    for (unsigned round = 0;
         rte_ring_mp_rts_enqueue_bulk_elem(&c->ring, messages, c->bytes == 64 ? 64 : c->bytes, 1, NULL) == 0;)
        bench_spin(&round);
    return 0;
}

static int rte_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct rte_channel *c = receiver;
    for (unsigned round = 0; rte_ring_sc_dequeue_bulk_elem(&c->ring, buffer, c->bytes, 1, NULL) == 0;)
        bench_spin(&round);
    *ret_messages = buffer;
    return 1;
}

BENCH_LOOPS(mp, 1, mp_send, rte_receive, bench_done_nothing)
BENCH_LOOPS(rts, 1, rts_send, rte_receive, bench_done_nothing)

const struct peer peer_rte_mp = {
    .id = "rte_ring-mp",
    .what = "DPDK rte_ring, many producers, elements by value",
    .death = "a process killed between claim and commit stops all others for ever",
    .order = "one queue",
    .means = "spins; a producer preempted in a send holds up all",
    .traits = PEER_SPINS,
    .open = mp_open,
    .close = rte_close,
    .open_sender = rte_open_sender,
    .open_receiver = rte_open_receiver,
    .send_all = mp_send_all,
    .receive_all = mp_receive_all,
    .ping = mp_ping,
    .pong = mp_pong,
};

const struct peer peer_rte_rts = {
    .id = "rte_ring-rts",
    .what = "DPDK rte_ring, relaxed tail sync, elements by value",
    .death = "a process killed between claim and commit stops all others for ever",
    .order = "one queue",
    .means =
        "spins; producers do not wait for one another, but the receiver sees nothing behind a preempted one",
    .traits = PEER_SPINS,
    .open = rts_open,
    .close = rte_close,
    .open_sender = rte_open_sender,
    .open_receiver = rte_open_receiver,
    .send_all = rts_send_all,
    .receive_all = rts_receive_all,
    .ping = rts_ping,
    .pong = rts_pong,
};
