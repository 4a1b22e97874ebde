/* SPDX-License-Identifier: MIT */
/* The pipe: a write for each message, reads of up to 64 KiB. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

#define READ_BYTES 65536u

struct pipe_receiver {
    int fd;
    unsigned bytes;
    size_t room, have, given; /* given: of what we have, handed out last */
    char buffer[READ_BYTES];
};

struct pipe_channel {
    int fds[2];
    unsigned bytes;
};

static const char *pipe_refuses(const struct peer_shape *shape)
{
    return shape->senders > 1 && shape->bytes > PIPE_BUF ? "writes beyond PIPE_BUF are not whole" : NULL;
}

static int pipe_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    struct pipe_channel *c = calloc(1, sizeof *c);
    if (!c || pipe(c->fds) != 0) {
        free(c);
        return -errno;
    }
    c->bytes = shape->bytes;
    /* The same room as the others have, if we may; 64 KiB otherwise. */
    size_t room = (size_t)shape->bytes * shape->capacity;
    if (room <= INT_MAX)
        fcntl(c->fds[1], F_SETPIPE_SZ, (int)room);
    *ret_channel = c;
    return 0;
}

static void pipe_close(void *channel)
{
    struct pipe_channel *c = channel;
    close(c->fds[0]);
    close(c->fds[1]);
    free(c);
}

static int pipe_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int pipe_open_receiver(void *channel, void **ret_receiver)
{
    const struct pipe_channel *c = channel;
    struct pipe_receiver *rx = calloc(1, sizeof *rx);
    if (!rx)
        return -ENOMEM;
    rx->fd = c->fds[0];
    rx->bytes = c->bytes;
    rx->room = READ_BYTES / c->bytes * c->bytes;
    *ret_receiver = rx;
    return 0;
}

static int pipe_send(void *sender, const char *messages, unsigned count)
{
    const struct pipe_channel *c = sender;
    (void)count;
    for (size_t done = 0; done < c->bytes;) {
        ssize_t n = write(c->fds[1], messages + done, c->bytes - done);
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

static int pipe_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct pipe_receiver *rx = receiver;
    (void)buffer;
    rx->have -= rx->given;
    memmove(rx->buffer, rx->buffer + rx->given, rx->have);
    do {
        ssize_t n = read(rx->fd, rx->buffer + rx->have, rx->room - rx->have);
        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        rx->have += (size_t)n;
    } while (rx->have < rx->bytes);
    unsigned count = (unsigned)(rx->have / rx->bytes);
    rx->given = (size_t)count * rx->bytes;
    *ret_messages = rx->buffer;
    return (int)count;
}

BENCH_LOOPS(pipe, 1, pipe_send, pipe_receive, bench_done_nothing)

const struct peer peer_pipe = {
    .id = "pipe",
    .what = "pipe(2), a write(2) for each message, reads of up to 64 KiB",
    .death = "nothing is lost or torn up to PIPE_BUF bytes; the end shows at the last close",
    .order = "one queue",
    .means = "two system calls are the cost; the reads of many messages are its best case",
    .traits = PEER_BLOCKS,
    .refuses = pipe_refuses,
    .open = pipe_open,
    .close = pipe_close,
    .open_sender = pipe_open_sender,
    .open_receiver = pipe_open_receiver,
    .close_receiver = free,
    .send_all = pipe_send_all,
    .receive_all = pipe_receive_all,
    .ping = pipe_ping,
    .pong = pipe_pong,
};
