/* SPDX-License-Identifier: MIT */
/* ZeroMQ, PUSH to PULL over ipc. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "peer.h"

struct zeromq_channel {
    char endpoint[80];
    int high_water;
    unsigned bytes;
    uint32_t bound; /* shared: who connects before would only try again 100 ms later */
};

struct zeromq_half {
    void *context, *socket;
    unsigned bytes;
};

static int zeromq_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    struct zeromq_channel *c = bench_shared(sizeof *c);
    if (!c)
        return -ENOMEM;
    /* An abstract socket: leaves no file. */
    snprintf(c->endpoint, sizeof c->endpoint, "ipc://@%s", name);
    c->high_water = (int)shape->capacity;
    c->bytes = shape->bytes;
    *ret_channel = c;
    return 0;
}

static void zeromq_close(void *channel)
{
    bench_shared_free(channel, sizeof(struct zeromq_channel));
}

static void zeromq_close_half(void *half)
{
    struct zeromq_half *h = half;
    zmq_close(h->socket);
    zmq_ctx_term(h->context); /* waits until all is sent */
    free(h);
}

static int open_half(struct zeromq_channel *c, bool receives, struct zeromq_half **ret_half)
{
    struct zeromq_half *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->bytes = c->bytes;
    h->context = zmq_ctx_new();
    h->socket = zmq_socket(h->context, receives ? ZMQ_PULL : ZMQ_PUSH);
    zmq_setsockopt(h->socket, receives ? ZMQ_RCVHWM : ZMQ_SNDHWM, &c->high_water, sizeof c->high_water);
    int r = receives ? zmq_bind(h->socket, c->endpoint) : zmq_connect(h->socket, c->endpoint);
    if (r != 0) {
        r = -zmq_errno();
        zeromq_close_half(h);
        return r;
    }
    *ret_half = h;
    return 0;
}

static int zeromq_open_sender(void *channel, unsigned index, void **ret_sender)
{
    struct zeromq_channel *c = channel;
    (void)index;
    while (__atomic_load_n(&c->bound, __ATOMIC_ACQUIRE) == 0)
        usleep(200);
    int r = open_half(c, false, (struct zeromq_half **)ret_sender);
    usleep(3000); /* its threads connect meanwhile */
    return r;
}

static int zeromq_open_receiver(void *channel, void **ret_receiver)
{
    struct zeromq_channel *c = channel;
    int r = open_half(c, true, (struct zeromq_half **)ret_receiver);
    __atomic_store_n(&c->bound, 1, __ATOMIC_RELEASE);
    return r;
}

static int zeromq_send(void *sender, const char *messages, unsigned count)
{
    const struct zeromq_half *h = sender;
    (void)count;
    return zmq_send(h->socket, messages, h->bytes, 0) < 0 ? -zmq_errno() : 0;
}

static int zeromq_receive(void *receiver, char *buffer, const char **ret_messages)
{
    const struct zeromq_half *h = receiver;
    *ret_messages = buffer;
    return zmq_recv(h->socket, buffer, h->bytes, 0) < 0 ? -zmq_errno() : 1;
}

BENCH_LOOPS(zeromq, 1, zeromq_send, zeromq_receive, bench_done_nothing)

const struct peer peer_zeromq = {
    .id = "zeromq",
    .what = "ZeroMQ, PUSH to PULL, ipc transport",
    .death = "what is in a dead process's buffers is lost: a send that returned has not yet left it",
    .order = "of each sender",
    .means = "an I/O thread in each process gathers messages into larger writes, and takes core time too",
    .traits = PEER_BLOCKS,
    .open = zeromq_open,
    .close = zeromq_close,
    .open_sender = zeromq_open_sender,
    .open_receiver = zeromq_open_receiver,
    .close_sender = zeromq_close_half,
    .close_receiver = zeromq_close_half,
    .send_all = zeromq_send_all,
    .receive_all = zeromq_receive_all,
    .ping = zeromq_ping,
    .pong = zeromq_pong,
};
