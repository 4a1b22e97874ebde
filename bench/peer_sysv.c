/* SPDX-License-Identifier: MIT */
/* The System V message queue: msgsnd(2), msgrcv(2). */
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "peer.h"

#define SYSV_BYTES_MAX 8192u

struct sysv_message {
    long type;
    char bytes[SYSV_BYTES_MAX];
};

struct sysv_channel {
    int queue;
    unsigned bytes;
    struct sysv_message message; /* each process has its own after fork */
};

static const char *sysv_refuses(const struct peer_shape *shape)
{
    return shape->bytes > SYSV_BYTES_MAX ? "beyond the default kernel.msgmax" : NULL;
}

static int sysv_open(const struct peer_shape *shape, const char *name, void **ret_channel)
{
    (void)name;
    struct sysv_channel *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->bytes = shape->bytes;
    c->message.type = 1;
    c->queue = msgget(IPC_PRIVATE, 0600);
    if (c->queue < 0) {
        int r = -errno;
        free(c);
        return r;
    }
    struct msqid_ds state;
    if (msgctl(c->queue, IPC_STAT, &state) == 0) {
        state.msg_qbytes = (msglen_t)shape->capacity * shape->bytes;
        msgctl(c->queue, IPC_SET, &state); /* else kernel.msgmnb */
    }
    *ret_channel = c;
    return 0;
}

static void sysv_close(void *channel)
{
    struct sysv_channel *c = channel;
    msgctl(c->queue, IPC_RMID, NULL);
    free(c);
}

static int sysv_open_sender(void *channel, unsigned index, void **ret_sender)
{
    (void)index;
    *ret_sender = channel;
    return 0;
}

static int sysv_open_receiver(void *channel, void **ret_receiver)
{
    *ret_receiver = channel;
    return 0;
}

static int sysv_send(void *sender, const char *messages, unsigned count)
{
    struct sysv_channel *c = sender;
    (void)count;
    bench_copy(c->message.bytes, messages, c->bytes);
    return msgsnd(c->queue, &c->message, c->bytes, 0) == 0 ? 0 : -errno;
}

static int sysv_receive(void *receiver, char *buffer, const char **ret_messages)
{
    struct sysv_channel *c = receiver;
    (void)buffer;
    *ret_messages = c->message.bytes;
    int r = msgrcv(c->queue, &c->message, c->bytes, 0, 0) < 0 ? -errno : 1;
    c->message.type = 1;
    return r;
}

BENCH_LOOPS(sysv, 1, sysv_send, sysv_receive, bench_done_nothing)

const struct peer peer_sysv = {
    .id = "sysv",
    .what = "System V message queue, msgsnd(2) and msgrcv(2)",
    .death = "nothing is lost or torn; nobody learns of a death, and the queue outlives all",
    .order = "one queue",
    .means = "two system calls a message",
    .traits = PEER_BLOCKS,
    .refuses = sysv_refuses,
    .open = sysv_open,
    .close = sysv_close,
    .open_sender = sysv_open_sender,
    .open_receiver = sysv_open_receiver,
    .send_all = sysv_send_all,
    .receive_all = sysv_receive_all,
    .ping = sysv_ping,
    .pong = sysv_pong,
};
