/* SPDX-License-Identifier: MIT */
/* The POSIX message queue: mq_send(3), mq_receive(3). */
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

struct mq_channel {
    mqd_t queue;
    unsigned bytes;
};

#define MQ_BYTES_MAX 8192u

static const char *mq_refuses(const struct peer_shape *shape)
{
    return shape->bytes > MQ_BYTES_MAX ? "beyond the default fs.mqueue.msgsize_max" : NULL;
}

/* The system's limits may be lower than what is asked for: then what it gives. */
static mqd_t make_queue(const char *path, const struct peer_shape *shape)
{
    mqd_t queue = (mqd_t)-1;
    for (long capacity = shape->capacity; capacity > 0 && queue == (mqd_t)-1; capacity -= 1 + capacity / 16) {
        struct mq_attr attributes = {.mq_maxmsg = capacity, .mq_msgsize = (long)shape->bytes};
        queue = mq_open(path, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    }
    return queue;
}

static int mq_open_channel(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    char path[64];
    snprintf(path, sizeof path, "/%s", name);
    struct mq_channel *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->bytes = shape->bytes;
    c->queue = make_queue(path, shape);
    if (c->queue == (mqd_t)-1) {
        int r = -errno;
        free(c);
        return r;
    }
    mq_unlink(path);
    *ret_channel = c;
    return 0;
}

static void mq_close_channel(void *channel)
{
    struct mq_channel *c = channel;
    mq_close(c->queue);
    free(c);
}

static int mq_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int mq_open_receiver(void *channel, void **ret_receiver)
{
    *ret_receiver = channel;
    return 0;
}

static int mq_send_one(void *sender, const char *messages, unsigned count)
{
    const struct mq_channel *c = sender;
    (void)count;
    return mq_send(c->queue, messages, c->bytes, 0) == 0 ? 0 : -errno;
}

static int mq_receive_one(void *receiver, char *buffer, const char **ret_messages)
{
    const struct mq_channel *c = receiver;
    *ret_messages = buffer;
    return mq_receive(c->queue, buffer, c->bytes, NULL) < 0 ? -errno : 1;
}

BENCH_LOOPS(mq, 1, mq_send_one, mq_receive_one, bench_done_nothing)

const struct peer peer_mq = {
    .id = "mq",
    .what = "POSIX message queue, mq_send(3) and mq_receive(3)",
    .death = "nothing is lost or torn; nobody learns of a death",
    .order = "one queue",
    .means = "two system calls a message; without privilege it holds 10 messages at most (fs.mqueue.msg_max)",
    .traits = PEER_BLOCKS,
    .refuses = mq_refuses,
    .open = mq_open_channel,
    .close = mq_close_channel,
    .open_sender = mq_open_sender,
    .open_receiver = mq_open_receiver,
    .send_all = mq_send_all,
    .receive_all = mq_receive_all,
    .ping = mq_ping,
    .pong = mq_pong,
};
