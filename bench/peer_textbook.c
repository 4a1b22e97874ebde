/* SPDX-License-Identifier: MIT */
/* What a textbook shows: a ring in shared memory under a process-shared mutex and two condition variables. */
#include <pthread.h>
#include <stdlib.h>

#include "peer.h"

struct textbook_channel {
    pthread_mutex_t mutex;
    pthread_cond_t not_full, not_empty;
    size_t total; /* bytes of the mapping */
    unsigned bytes, capacity, head, used;
    char slots[] __attribute__((aligned(64)));
};

static int textbook_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    size_t total = sizeof(struct textbook_channel) + (size_t)shape->bytes * shape->capacity;
    struct textbook_channel *c = bench_shared(total);
    if (!c)
        return -ENOMEM;
    pthread_mutexattr_t of_mutex;
    pthread_condattr_t of_cond;
    pthread_mutexattr_init(&of_mutex);
    pthread_condattr_init(&of_cond);
    pthread_mutexattr_setpshared(&of_mutex, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&of_cond, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&c->mutex, &of_mutex);
    pthread_cond_init(&c->not_full, &of_cond);
    pthread_cond_init(&c->not_empty, &of_cond);
    c->total = total;
    c->bytes = shape->bytes;
    c->capacity = shape->capacity;
    *ret_channel = c;
    return 0;
}

static void textbook_close(void *channel)
{
    struct textbook_channel *c = channel;
    bench_shared_free(c, c->total);
}

static int textbook_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int textbook_open_receiver(void *channel, void **ret_receiver)
{
    *ret_receiver = channel;
    return 0;
}

static int textbook_send(void *sender, const char *messages, unsigned count)
{
    struct textbook_channel *c = sender;
    (void)count;
    pthread_mutex_lock(&c->mutex);
    while (c->used == c->capacity)
        pthread_cond_wait(&c->not_full, &c->mutex);
    unsigned at = (c->head + c->used++) % c->capacity;
    bench_copy(c->slots + (size_t)at * c->bytes, messages, c->bytes);
    pthread_cond_signal(&c->not_empty);
    pthread_mutex_unlock(&c->mutex);
    return 0;
}

static int textbook_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct textbook_channel *c = receiver;
    pthread_mutex_lock(&c->mutex);
    while (c->used == 0)
        pthread_cond_wait(&c->not_empty, &c->mutex);
    bench_copy(buffer, c->slots + (size_t)c->head * c->bytes, c->bytes);
    c->head = (c->head + 1) % c->capacity;
    c->used--;
    pthread_cond_signal(&c->not_full);
    pthread_mutex_unlock(&c->mutex);
    *ret_messages = buffer;
    return 1;
}

BENCH_LOOPS(textbook, 1, textbook_send, textbook_receive, bench_done_nothing)

const struct peer peer_textbook = {
    .id = "textbook",
    .what = "a ring under a process-shared mutex and two condition variables",
    .death = "a process killed while it holds the mutex, or waits, can stop all others for ever",
    .order = "one queue",
    .means = "what one writes oneself in an afternoon",
    .traits = PEER_BLOCKS,
    .open = textbook_open,
    .close = textbook_close,
    .open_sender = textbook_open_sender,
    .open_receiver = textbook_open_receiver,
    .send_all = textbook_send_all,
    .receive_all = textbook_receive_all,
    .ping = textbook_ping,
    .pong = textbook_pong,
};
