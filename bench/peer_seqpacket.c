/* SPDX-License-Identifier: MIT */
/* A pair of unix sockets of type SEQPACKET, its sending end shared by all senders. */
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

struct seqpacket_channel {
    int fds[2];
    unsigned bytes;
};

static int seqpacket_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    struct seqpacket_channel *c = calloc(1, sizeof *c);
    if (!c || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c->fds) != 0) {
        free(c);
        return -errno;
    }
    c->bytes = shape->bytes;
    /* Room for the capacity, as far as the system gives it; a packet costs the kernel about 1 KiB more. */
    size_t room = (size_t)shape->capacity * (shape->bytes + 1024);
    int size = room < INT_MAX ? (int)room : INT_MAX;
    if (setsockopt(c->fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        setsockopt(c->fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    *ret_channel = c;
    return 0;
}

static void seqpacket_close(void *channel)
{
    struct seqpacket_channel *c = channel;
    close(c->fds[0]);
    close(c->fds[1]);
    free(c);
}

static int seqpacket_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int seqpacket_open_receiver(void *channel, void **ret_receiver)
{
    *ret_receiver = channel;
    return 0;
}

static int seqpacket_send(void *sender, const char *messages, unsigned count)
{
    const struct seqpacket_channel *c = sender;
    (void)count;
    return send(c->fds[1], messages, c->bytes, 0) < 0 ? -errno : 0;
}

static int seqpacket_receive(void *receiver, char *buffer, const char **ret_messages)
{
    const struct seqpacket_channel *c = receiver;
    *ret_messages = buffer;
    return recv(c->fds[0], buffer, c->bytes, 0) < 0 ? -errno : 1;
}

BENCH_LOOPS(seqpacket, 1, seqpacket_send, seqpacket_receive, bench_done_nothing)

const struct peer peer_seqpacket = {
    .id = "seqpacket",
    .what = "unix socket pair, SOCK_SEQPACKET, one sending end for all",
    .death = "nothing is lost or torn; the end shows at the last close",
    .order = "one queue",
    .means = "two system calls and a packet of the kernel's a message",
    .traits = PEER_BLOCKS,
    .open = seqpacket_open,
    .close = seqpacket_close,
    .open_sender = seqpacket_open_sender,
    .open_receiver = seqpacket_open_receiver,
    .send_all = seqpacket_send_all,
    .receive_all = seqpacket_receive_all,
    .ping = seqpacket_ping,
    .pong = seqpacket_pong,
};
