/* SPDX-License-Identifier: MIT */
/* The calls that make a channel or open one: names and options in, handles out. Composed of members and the
 * two halves. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "cond.h"
#include "halves.h"
#include "liveness.h"
#include "segment.h"

#define LEAVING_PATIENCE_NS INT64_C(5000000000)

/* Which half the caller wants. */
typedef int half_maker(struct channel *channel, void **ret_half);
typedef void half_dropper(void *half);

static int make_sender(struct channel *channel, void **ret_half)
{
    shmchan_sender *tx;
    int r = sender_make(channel, &tx);
    if (r == 0)
        *ret_half = tx;
    return r;
}

static int make_receiver(struct channel *channel, void **ret_half)
{
    shmchan_receiver *rx;
    int r = receiver_make(channel, &rx);
    if (r == 0)
        *ret_half = rx;
    return r;
}

/* The half is made, its place taken and its lane backed, before the name appears: who opens it finds it in
 * use. */
static int create(const char *name, const struct shmchan_options *opts, half_maker *make, half_dropper *drop,
                  void **ret_half)
{
    struct segment_path path;
    struct shmchan_options own;
    struct channel *channel;
    void *half;
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

static void drop_sender(void *half)
{
    shmchan_sender_close(half);
}

static void drop_receiver(void *half)
{
    shmchan_receiver_close(half);
}

static int open_once(const struct segment_path *path, const struct shmchan_options *opts, half_maker *make,
                     half_dropper *drop, void **ret_half, ino_t *ret_tried)
{
    struct channel *channel;
    void *half;
    int r = channel_open(path, opts, &channel);
    if (r < 0)
        return r;
    *ret_tried = channel->segment.inode;
    r = make(channel, &half);
    /* The last one to leave, or remove_orphan, may have removed the name since we found it. */
    if (r == 0 && segment_is_at(&channel->segment, path) == 0) {
        drop(half);
        r = -ENOENT;
    }
    channel_leave(channel);
    if (r == 0)
        *ret_half = half;
    return r;
}

/* No place was free, perhaps because somebody holds them all while removing the name. */
static bool somebody_is_leaving(const struct segment_path *path, ino_t tried)
{
    struct segment segment;
    if (segment_open(path, false, &segment) < 0)
        return true;                         /* has left */
    bool leaving = segment.inode != tried || /* has left, and another channel has its name */
                   liveness_all_held(segment.fd) == 1;
    segment_close(&segment);
    return leaving;
}

static int open_existing(const char *name, const struct shmchan_options *opts, half_maker *make,
                         half_dropper *drop, void **ret_half)
{
    struct segment_path path;
    struct shmchan_options own = {0};
    int r = segment_path(name, &path);
    if (r == 0 && opts)
        r = options_read(opts, &own);
    if (r < 0)
        return r;
    ino_t tried = 0;
    int64_t patience_ns = clock_now_ns() + LEAVING_PATIENCE_NS;
    do {
        r = open_once(&path, &own, make, drop, ret_half, &tried);
        if (r != -EBUSY && r != -EUSERS)
            return r;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    } while (somebody_is_leaving(&path, tried) && clock_now_ns() < patience_ns);
    return r;
}

int shmchan_receiver_create(const char *name, const struct shmchan_options *opts, shmchan_receiver **ret_rx)
{
    void *half;
    int r = ret_rx ? create(name, opts, make_receiver, drop_receiver, &half) : -EINVAL;
    if (r == 0)
        *ret_rx = half;
    return r;
}

int shmchan_receiver_open(const char *name, const struct shmchan_options *opts, shmchan_receiver **ret_rx)
{
    void *half;
    int r = ret_rx ? open_existing(name, opts, make_receiver, drop_receiver, &half) : -EINVAL;
    if (r == 0)
        *ret_rx = half;
    return r;
}

int shmchan_sender_create(const char *name, const struct shmchan_options *opts, shmchan_sender **ret_tx)
{
    void *half;
    int r = ret_tx ? create(name, opts, make_sender, drop_sender, &half) : -EINVAL;
    if (r == 0)
        *ret_tx = half;
    return r;
}

int shmchan_sender_open(const char *name, const struct shmchan_options *opts, shmchan_sender **ret_tx)
{
    void *half;
    int r = ret_tx ? open_existing(name, opts, make_sender, drop_sender, &half) : -EINVAL;
    if (r == 0)
        *ret_tx = half;
    return r;
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

int shmchan_remove_orphan(const char *name)
{
    struct segment_path path;
    struct segment segment;
    int r = segment_path(name, &path);
    if (r == 0)
        r = segment_open_any(&path, &segment);
    if (r < 0)
        return r;
    /* With all bytes locked nobody is there, and nobody can come; who opened the file already looks, once it
       holds a place, whether the name still leads there. Nothing is mapped through this descriptor. */
    r = liveness_hold_all(segment.fd);
    if (r == -EAGAIN)
        r = -EBUSY;
    int at = r == 0 ? segment_is_at(&segment, &path) : r;
    if (at <= 0)
        r = at == 0 ? -ENOENT : at;
    else if (unlink(path.text) < 0)
        r = errno == EPERM ? -EACCES : -errno;
    liveness_drop_all(segment.fd);
    segment_close(&segment);
    return r;
}
