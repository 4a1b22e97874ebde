/* SPDX-License-Identifier: MIT */
/* The calls that make a channel or open one: names and options in, handles out. Composed of members and the
 * two halves. */
#include <errno.h>
#include <unistd.h>

#include "halves.h"

/* Which half the caller wants. */
typedef int half_maker(struct channel *channel, void *ret_half);

static int make_sender(struct channel *channel, void *ret_half)
{
    return sender_make(channel, ret_half);
}

static int make_receiver(struct channel *channel, void *ret_half)
{
    return receiver_make(channel, ret_half);
}

/* The half is made, its place taken and its lane backed, before the name appears: who opens it finds it in
 * use. */
static int create(const char *name, const struct shmchan_options *opts, half_maker *make,
                  void (*drop)(void *half), void **ret_half)
{
    struct segment_path path;
    struct shmchan_options own;
    struct channel *channel;
    void *half;
    if (!ret_half)
        return -EINVAL;
    int r = segment_path(name, &path);
    if (r == 0)
        r = options_read(opts, &own);
    if (r == 0)
        r = channel_make(&path, &own, &channel);
    if (r < 0)
        return r;
    r = make(channel, &half);
    if (r == 0) {
        r = segment_link(&channel->segment, &path);
        if (r < 0)
            drop(half);
    }
    channel_leave(channel);
    if (r == 0)
        *ret_half = half;
    return r;
}

static int open_existing(const char *name, const struct shmchan_options *opts, half_maker *make,
                         void **ret_half)
{
    struct segment_path path;
    struct shmchan_options own = {0};
    struct channel *channel;
    if (!ret_half)
        return -EINVAL;
    int r = segment_path(name, &path);
    if (r == 0 && opts)
        r = options_read(opts, &own);
    if (r == 0)
        r = channel_open(&path, &own, &channel);
    if (r < 0)
        return r;
    r = make(channel, ret_half);
    channel_leave(channel);
    return r;
}

static void drop_sender(void *half)
{
    shmchan_sender_close(half);
}

static void drop_receiver(void *half)
{
    shmchan_receiver_close(half);
}

int shmchan_receiver_create(const char *name, const struct shmchan_options *opts, shmchan_receiver **ret_rx)
{
    return create(name, opts, make_receiver, drop_receiver, (void **)ret_rx);
}

int shmchan_receiver_open(const char *name, const struct shmchan_options *opts, shmchan_receiver **ret_rx)
{
    return open_existing(name, opts, make_receiver, (void **)ret_rx);
}

int shmchan_sender_create(const char *name, const struct shmchan_options *opts, shmchan_sender **ret_tx)
{
    return create(name, opts, make_sender, drop_sender, (void **)ret_tx);
}

int shmchan_sender_open(const char *name, const struct shmchan_options *opts, shmchan_sender **ret_tx)
{
    return open_existing(name, opts, make_sender, (void **)ret_tx);
}

int shmchan_pair(const struct shmchan_options *opts, shmchan_sender **ret_tx, shmchan_receiver **ret_rx)
{
    struct shmchan_options own;
    struct channel *channel;
    shmchan_sender *tx;
    shmchan_receiver *rx;
    if (!ret_tx || !ret_rx)
        return -EINVAL;
    int r = options_read(opts, &own);
    if (r == 0)
        r = channel_make(NULL, &own, &channel);
    if (r < 0)
        return r;
    r = receiver_make(channel, &rx);
    if (r == 0) {
        r = sender_make(channel, &tx);
        if (r < 0)
            shmchan_receiver_close(rx);
    }
    channel_leave(channel);
    if (r == 0) {
        *ret_tx = tx;
        *ret_rx = rx;
    }
    return r;
}

int shmchan_unlink(const char *name)
{
    struct segment_path path;
    struct shm_header header;
    struct stat st;
    int r = segment_path(name, &path);
    if (r == 0)
        r = segment_probe(&path, &header, &st);
    if (r == 0 && unlink(path.text) < 0)
        r = errno == EPERM ? -EACCES : -errno;
    return r;
}
