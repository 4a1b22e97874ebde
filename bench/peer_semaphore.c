/* SPDX-License-Identifier: MIT */
/* A word and a semaphore: what waking another process costs, and nothing more. For ping-pong alone. */
#include <semaphore.h>

#include "peer.h"

struct semaphore_channel {
    sem_t there;
    char message[64] __attribute__((aligned(64)));
};

static const char *semaphore_refuses(const struct peer_shape *shape)
{
    return shape->bytes != 64 ? "built for messages of 64 bytes" : NULL;
}

static int semaphore_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)shape;
    (void)name;
    struct semaphore_channel *c = bench_shared(sizeof *c);
    if (!c)
        return -ENOMEM;
    sem_init(&c->there, 1, 0);
    *ret_channel = c;
    return 0;
}

static void semaphore_close(void *channel)
{
    bench_shared_free(channel, sizeof(struct semaphore_channel));
}

static int semaphore_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int semaphore_open_receiver(void *channel, void **ret_receiver)
{
    *ret_receiver = channel;
    return 0;
}

static int semaphore_send(void *sender, const char *messages, unsigned count)
{
    struct semaphore_channel *c = sender;
    (void)count;
    memcpy(c->message, messages, sizeof c->message);
    return sem_post(&c->there) == 0 ? 0 : -errno;
}

static int semaphore_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct semaphore_channel *c = receiver;
    while (sem_wait(&c->there) != 0)
        if (errno != EINTR)
            return -errno;
    memcpy(buffer, c->message, sizeof c->message);
    *ret_messages = buffer;
    return 1;
}

BENCH_PING_LOOPS(semaphore, semaphore_send, semaphore_receive, bench_done_nothing)

const struct peer peer_semaphore = {
    .id = "semaphore",
    .what = "one slot and a process-shared sem_t",
    .death = "nobody learns of it",
    .order = "one sender, one message",
    .means = "the price of waking a process; carries one message at a time",
    .traits = PEER_BLOCKS | PEER_YARDSTICK,
    .refuses = semaphore_refuses,
    .open = semaphore_open,
    .close = semaphore_close,
    .open_sender = semaphore_open_sender,
    .open_receiver = semaphore_open_receiver,
    .ping = semaphore_ping,
    .pong = semaphore_pong,
};
