/* SPDX-License-Identifier: MIT */
/*
 * The yardsticks: a one-to-one ring for each sender, which the receiver empties in turn. No order between
 * senders, no sleep, no notion of who lives: what two cores can pass to one another at all, with each message
 * published by itself, with batches of 32, and with two or eight slots of a large message (a memcpy on either
 * side).
 */
#include <stdlib.h>

#include "peer.h"

struct spsc_lane {
    uint64_t tail __attribute__((aligned(BENCH_LINE)));
    uint64_t head __attribute__((aligned(BENCH_LINE)));
};

struct spsc_channel {
    size_t total;
    unsigned bytes, batch, senders;
    uint64_t capacity;
    char *slots; /* of all lanes; the same address in all processes */
    struct spsc_lane lanes[BENCH_SENDERS_MAX];
};

struct spsc_sender {
    struct spsc_lane *lane;
    char *slots;
    unsigned bytes;
    uint64_t capacity, tail, head_seen;
};

struct spsc_reader {
    uint64_t head, tail_seen;
};

struct spsc_receiver {
    struct spsc_channel *channel;
    unsigned at; /* the lane whose turn it is */
    struct spsc_reader readers[BENCH_SENDERS_MAX];
};

static uint64_t power_of_two(uint64_t n)
{
    uint64_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

static int open_with(const struct peer_shape *shape, uint64_t capacity, void **ret_channel)
{
    size_t lane = (size_t)capacity * shape->bytes;
    size_t total = sizeof(struct spsc_channel) + 64 + shape->senders * lane;
    struct spsc_channel *c = bench_shared(total);
    if (!c)
        return -ENOMEM;
    c->total = total;
    c->bytes = shape->bytes;
    c->batch = shape->batch;
    c->senders = shape->senders;
    c->capacity = capacity;
    c->slots = (char *)(((uintptr_t)(c + 1) + 63) & ~(uintptr_t)63);
    *ret_channel = c;
    return 0;
}

static int spsc_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    return open_with(shape, power_of_two(shape->capacity), ret_channel);
}

static int memcpy2_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    return open_with(shape, 2, ret_channel);
}

static int memcpy8_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    return open_with(shape, 8, ret_channel);
}

static void spsc_close(void *channel)
{
    struct spsc_channel *c = channel;
    bench_shared_free(c, c->total);
}

static int spsc_open_sender(void *channel, unsigned index, void **ret_sender)
{
    struct spsc_channel *c = channel;
    struct spsc_sender *tx = calloc(1, sizeof *tx);
    if (!tx)
        return -ENOMEM;
    tx->lane = &c->lanes[index];
    tx->slots = c->slots + (size_t)index * c->capacity * c->bytes;
    tx->bytes = c->bytes;
    tx->capacity = c->capacity;
    *ret_sender = tx;
    return 0;
}

static int spsc_open_receiver(void *channel, void **ret_receiver)
{
    struct spsc_receiver *rx = calloc(1, sizeof *rx);
    if (!rx)
        return -ENOMEM;
    rx->channel = channel;
    *ret_receiver = rx;
    return 0;
}

static int spsc_send(void *sender, const char *messages, unsigned count)
{
    struct spsc_sender *tx = sender;
    for (unsigned round = 0; tx->tail + count - tx->head_seen > tx->capacity;) {
        tx->head_seen = __atomic_load_n(&tx->lane->head, __ATOMIC_ACQUIRE);
        if (tx->tail + count - tx->head_seen > tx->capacity)
            bench_spin(&round);
    }
    for (unsigned i = 0; i < count; i++, tx->tail++)
        bench_copy(tx->slots + (tx->tail & (tx->capacity - 1)) * tx->bytes, messages + (size_t)i * tx->bytes,
                   tx->bytes);
    __atomic_store_n(&tx->lane->tail, tx->tail, __ATOMIC_RELEASE);
    return 0;
}

/* Who has something: the lane we are at until it is empty, then the next one. */
static inline struct spsc_reader *spsc_find(struct spsc_receiver *rx)
{
    struct spsc_channel *c = rx->channel;
    for (unsigned round = 0, empty = 0;;) {
        struct spsc_reader *reader = &rx->readers[rx->at];
        if (reader->head != reader->tail_seen)
            return reader;
        reader->tail_seen = __atomic_load_n(&c->lanes[rx->at].tail, __ATOMIC_ACQUIRE);
        if (reader->head != reader->tail_seen)
            return reader;
        if (++rx->at == c->senders)
            rx->at = 0;
        if (++empty % c->senders == 0)
            bench_spin(&round);
    }
}

static inline __attribute__((always_inline)) int spsc_take(struct spsc_receiver *rx, uint64_t most,
                                                           char *buffer, const char **ret_messages)
{
    struct spsc_channel *c = rx->channel;
    struct spsc_reader *reader = spsc_find(rx);
    const char *slots = c->slots + (size_t)rx->at * c->capacity * c->bytes;
    uint64_t count = reader->tail_seen - reader->head;
    if (count > most)
        count = most;
    for (uint64_t i = 0; i < count; i++, reader->head++)
        bench_copy(buffer + i * c->bytes, slots + (reader->head & (c->capacity - 1)) * c->bytes, c->bytes);
    __atomic_store_n(&c->lanes[rx->at].head, reader->head, __ATOMIC_RELEASE);
    *ret_messages = buffer;
    return (int)count;
}

static int spsc_receive(void *receiver, char *buffer, const char **ret_messages)
{
    return spsc_take(receiver, 1, buffer, ret_messages);
}

static int spsc_receive_batch(void *receiver, char *buffer, const char **ret_messages)
{
    struct spsc_receiver *rx = receiver;
    return spsc_take(rx, rx->channel->batch, buffer, ret_messages);
}

static const char *batch_refuses(const struct peer_shape *shape)
{
    return shape->batch > shape->capacity ? "the batch is larger than the ring" : NULL;
}

static const char *memcpy_refuses(const struct peer_shape *shape)
{
    return shape->senders != 1 || shape->bytes < 4096 ? "for one sender of large messages" : NULL;
}

BENCH_LOOPS(spsc, 1, spsc_send, spsc_receive, bench_done_nothing)
BENCH_STREAM_LOOPS(batch, t->shape->batch, spsc_send, spsc_receive_batch, bench_done_nothing)

#define SPSC_DEATH "nobody learns of it"
#define SPSC_ORDER "of each sender"

const struct peer peer_spsc = {
    .id = "spsc",
    .what = "yardstick: a one-to-one ring a sender, each message published by itself",
    .death = SPSC_DEATH,
    .order = SPSC_ORDER,
    .means = "spins; no fence, no order, no sleep, no liveness: less than a channel",
    .traits = PEER_SPINS | PEER_YARDSTICK,
    .open = spsc_open,
    .close = spsc_close,
    .open_sender = spsc_open_sender,
    .open_receiver = spsc_open_receiver,
    .close_sender = free,
    .close_receiver = free,
    .send_all = spsc_send_all,
    .receive_all = spsc_receive_all,
    .ping = spsc_ping,
    .pong = spsc_pong,
};

const struct peer peer_spsc_batch = {
    .id = "spsc-batch",
    .what = "yardstick: the same rings, batches published and taken in one step",
    .death = SPSC_DEATH,
    .order = SPSC_ORDER,
    .means = "as spsc; the batch's messages are copied on both sides",
    .traits = PEER_SPINS | PEER_YARDSTICK | PEER_BATCHES,
    .refuses = batch_refuses,
    .open = spsc_open,
    .close = spsc_close,
    .open_sender = spsc_open_sender,
    .open_receiver = spsc_open_receiver,
    .close_sender = free,
    .close_receiver = free,
    .send_all = batch_send_all,
    .receive_all = batch_receive_all,
};

#define MEMCPY_PEER(slots_, id_)                                                                             \
    {                                                                                                        \
        .id = id_, .what = "yardstick: memcpy into " #slots_ " shared slots and out of them",                \
        .death = SPSC_DEATH, .order = SPSC_ORDER,                                                            \
        .means = "what a large message costs between two cores, copied on both sides",                       \
        .traits = PEER_SPINS | PEER_YARDSTICK, .refuses = memcpy_refuses, .open = memcpy##slots_##_open,     \
        .close = spsc_close, .open_sender = spsc_open_sender, .open_receiver = spsc_open_receiver,           \
        .close_sender = free, .close_receiver = free, .send_all = spsc_send_all,                             \
        .receive_all = spsc_receive_all,                                                                     \
    }
const struct peer peer_memcpy2 = MEMCPY_PEER(2, "memcpy-2");
const struct peer peer_memcpy8 = MEMCPY_PEER(8, "memcpy-8");
