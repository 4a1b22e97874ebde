/* SPDX-License-Identifier: MIT */
/* Ours: single messages, batches, and in place; ordered and not; always with crash safety and sleeping. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"
#include "shmchan.h"

struct our_channel {
    char name[64];
    struct shmchan_options options;
    unsigned batch;
    unsigned quiet; /* senders that the receiver holds and that send nothing */
};

struct our_sender {
    shmchan_sender *tx;
    unsigned bytes;
};

struct our_receiver {
    shmchan_receiver *rx;
    unsigned bytes, batch;
    uint64_t sum; /* of what was read in place */
};

static int open_with(const struct peer_shape *shape, const char *name, uint32_t flags, void **ret_channel)
{
    struct our_channel *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    snprintf(c->name, sizeof c->name, "/%s", name);
    c->options = SHMCHAN_OPTIONS(.message_size = shape->bytes, .capacity = shape->capacity,
                                 .max_senders = shape->senders, .flags = flags);
    c->batch = shape->batch;
    *ret_channel = c;
    return 0;
}

static int ordered_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    return open_with(shape, name, 0, ret_channel);
}

static int unordered_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    return open_with(shape, name, SHMCHAN_UNORDERED, ret_channel);
}

#define QUIET 1000u

static int places_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    int r = open_with(shape, name, 0, ret_channel);
    if (r == 0)
        ((struct our_channel *)*ret_channel)->options.max_senders += QUIET;
    return r;
}

static int quiet_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    int r = places_open(shape, name, ret_channel);
    if (r == 0)
        ((struct our_channel *)*ret_channel)->quiet = QUIET;
    return r;
}

static void our_close(void *channel)
{
    struct our_channel *c = channel;
    shmchan_unlink(c->name);
    free(c);
}

static int our_open_sender(void *channel, unsigned index, void **ret_sender)
{
    const struct our_channel *c = channel;
    (void)index;
    struct our_sender *tx = calloc(1, sizeof *tx);
    if (!tx)
        return -ENOMEM;
    tx->bytes = c->options.message_size;
    int r;
    while ((r = shmchan_sender_open(c->name, NULL, &tx->tx)) == -ENOENT)
        usleep(200); /* the receiver makes it */
    *ret_sender = tx;
    return r;
}

static int our_open_receiver(void *channel, void **ret_receiver)
{
    const struct our_channel *c = channel;
    struct our_receiver *rx = calloc(1, sizeof *rx);
    if (!rx)
        return -ENOMEM;
    rx->bytes = c->options.message_size;
    rx->batch = c->batch;
    *ret_receiver = rx;
    int r = shmchan_receiver_create(c->name, &c->options, &rx->rx);
    /* Theirs until the process ends. */
    shmchan_sender *quiet;
    for (unsigned i = 0; r == 0 && i < c->quiet; i++)
        r = shmchan_sender_of(rx->rx, &quiet);
    return r;
}

static void our_close_sender(void *sender)
{
    shmchan_sender_close(((struct our_sender *)sender)->tx);
    free(sender);
}

static void our_close_receiver(void *receiver)
{
    shmchan_receiver_close(((struct our_receiver *)receiver)->rx);
    free(receiver);
}

/* -------------------------------------------------------------------------------------- single messages */

static int single_send(void *sender, const char *messages, unsigned count)
{
    (void)count;
    return shmchan_send(((struct our_sender *)sender)->tx, messages);
}

/* The end comes after each sender's last message, so nobody should see it. */
static int received(int r)
{
    return r == 0 ? -EPIPE : r;
}

static int single_receive(void *receiver, char *buffer, const char **ret_messages)
{
    *ret_messages = buffer;
    return received(shmchan_recv(((struct our_receiver *)receiver)->rx, buffer));
}

/* ---------------------------------------------------------------------------------------------- batches */

static int batch_send(void *sender, const char *messages, unsigned count)
{
    ssize_t n = shmchan_send_many(((struct our_sender *)sender)->tx, messages, count, SHMCHAN_FOREVER);
    return n < 0 ? (int)n : n == (ssize_t)count ? 0 : -EIO;
}

static int batch_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct our_receiver *rx = receiver;
    *ret_messages = buffer;
    return received((int)shmchan_recv_many(rx->rx, buffer, rx->batch, SHMCHAN_FOREVER));
}

static const char *batch_refuses(const struct peer_shape *shape)
{
    return shape->batch > shape->capacity ? "the batch is larger than the lane" : NULL;
}

/* --------------------------------------------------------------------------------------------- in place */

static int place_send(void *sender, const char *messages, unsigned count)
{
    const struct our_sender *tx = sender;
    void *slot;
    (void)count;
    int r = shmchan_reserve(tx->tx, &slot, SHMCHAN_FOREVER);
    if (r < 0)
        return r;
    bench_copy(slot, messages, tx->bytes); /* the message is built there: all of it is written */
    return shmchan_commit(tx->tx, tx->bytes);
}

static int place_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct our_receiver *rx = receiver;
    const void *message;
    (void)buffer;
    int r = shmchan_peek(rx->rx, &message, NULL, SHMCHAN_FOREVER);
    if (r <= 0)
        return received(r);
    *ret_messages = (const char *)message;
    rx->sum += bench_use((const char *)message, rx->bytes);
    return 1;
}

static int place_done(void *receiver)
{
    return shmchan_release(((struct our_receiver *)receiver)->rx);
}

BENCH_LOOPS(single, 1, single_send, single_receive, bench_done_nothing)
BENCH_STREAM_LOOPS(batch, t->shape->batch, batch_send, batch_receive, bench_done_nothing)
BENCH_STREAM_LOOPS(gather, 1, single_send, batch_receive, bench_done_nothing)
BENCH_LOOPS(place, 1, place_send, place_receive, place_done)

#define ONE_QUEUE "one queue"
#define EACH      "of each sender"

#define OURS_BASICS(id_, what_, order_, means_, traits_, open_)                                              \
    .id = id_, .what = what_, .order = order_, .means = means_,                                              \
    .traits = PEER_BLOCKS | PEER_OURS | (traits_),                                                           \
    .death = "nothing is lost, torn or doubled; nobody is held up; the others learn of it", .open = open_,   \
    .close = our_close, .open_sender = our_open_sender, .open_receiver = our_open_receiver,                  \
    .close_sender = our_close_sender, .close_receiver = our_close_receiver
#define STREAM(loops) .send_all = loops##_send_all, .receive_all = loops##_receive_all
#define PING(loops)   .ping = loops##_ping, .pong = loops##_pong

const struct peer peer_shmchan = {
    OURS_BASICS("shmchan", "shmchan_send and shmchan_recv", ONE_QUEUE,
                "default options; the capacity is each sender's, so n senders have n times the room", 0,
                ordered_open),
    STREAM(single), PING(single)};
const struct peer peer_unordered = {OURS_BASICS("shmchan-unordered", "the same with SHMCHAN_UNORDERED", EACH,
                                                "without tickets", 0, unordered_open),
                                    STREAM(single), PING(single)};
const struct peer peer_gather = {
    OURS_BASICS("shmchan-gather", "shmchan_send and shmchan_recv_many", ONE_QUEUE,
                "single sends; the receiver takes what is there, as the pipe's does", PEER_BATCHES,
                ordered_open),
    STREAM(gather)};
const struct peer peer_many = {OURS_BASICS("shmchan-many", "shmchan_send_many and shmchan_recv_many",
                                           ONE_QUEUE, "a batch arrives whole", PEER_BATCHES, ordered_open),
                               STREAM(batch), .refuses = batch_refuses};
const struct peer peer_unordered_many = {OURS_BASICS("shmchan-unordered-many",
                                                     "the same with SHMCHAN_UNORDERED", EACH,
                                                     "without tickets", PEER_BATCHES, unordered_open),
                                         STREAM(batch), .refuses = batch_refuses};
const struct peer peer_place = {
    OURS_BASICS("shmchan-inplace", "shmchan_reserve, _commit; _peek, _release", ONE_QUEUE,
                "written and read where it lies: one copy less on each side", 0, ordered_open),
    STREAM(place), PING(place)};
const struct peer peer_places = {OURS_BASICS("shmchan-1001places",
                                             "the same with 1001 places, one of them in use", ONE_QUEUE,
                                             "to be compared with the next", PEER_SPECIAL, places_open),
                                 STREAM(single)};
const struct peer peer_quiet = {OURS_BASICS("shmchan-1000quiet",
                                            "the same with 1000 more senders, which send nothing", ONE_QUEUE,
                                            "what quiet senders cost a busy one", PEER_SPECIAL, quiet_open),
                                STREAM(single)};
