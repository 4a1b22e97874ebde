/* SPDX-License-Identifier: MIT */
/* The receiving half. Composed of merge, members and cond. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cond.h"
#include "copy.h"
#include "cpu.h"
#include "halves.h"
#include "merge.h"
#include "pace.h"

struct shmchan_receiver {
    struct member member; /* first: after_fork gets a member */
    struct merge merge;
    struct pace pace;
    struct backoff_habit habit;
    struct lane_reader *peeked; /* the lane whose head was handed out in place */
};

/* ------------------------------------------------------------------------------------------ making and
 * closing */

static void *map_lane(void *context, uint32_t place, int *ret_error)
{
    const struct segment *segment = &((shmchan_receiver *)context)->member.channel->segment;
    /* Backed by its sender, if the region is sound. If not, reading it must not be what kills us. */
    int r = segment_back_lane(segment, place);
    if (r < 0) {
        *ret_error = r;
        return NULL;
    }
    return segment_map_lane(segment, place, true, ret_error);
}

static void wake_sender(void *context, uint32_t place)
{
    struct shm_control *control = ((shmchan_receiver *)context)->merge.control;
    event_post(&control->places[place].room);
    /* Ours alone to write. */
    atomic_fetch_add_explicit(&control->receiver.wakeups, 1, memory_order_relaxed);
}

/* The parent's receiver is no business of the child's: member.error says so at each use. */
static void after_fork(struct member *member)
{
    ((shmchan_receiver *)member)->peeked = NULL;
}

static void begin(shmchan_receiver *rx)
{
    const struct segment *segment = &rx->member.channel->segment;
    const struct geometry *g = &segment->geometry;
    struct merge_hooks hooks = {.map = map_lane, .wake = wake_sender, .context = rx};
    rx->pace = (struct pace){.patience = PACE_SOON};
    merge_init(&rx->merge, segment->control, lane_shape_make(g->capacity, g->slot_bytes, g->message_size),
               !(g->flags & SHMCHAN_UNORDERED), hooks);
}

int receiver_make(struct channel *channel, shmchan_receiver **ret_rx)
{
    shmchan_receiver *rx = calloc(1, sizeof *rx);
    if (!rx)
        return -ENOMEM;
    rx->member.after_fork = after_fork;
    /* Allocate first: taking the place and giving it up again would tell senders that a receiver has closed.
     */
    int r = merge_alloc(&rx->merge, channel->segment.geometry.max_senders);
    if (r == 0)
        r = members_join_receiver(channel, &rx->member);
    if (r < 0) {
        merge_destroy(&rx->merge);
        free(rx);
        return r;
    }
    begin(rx);
    *ret_rx = rx;
    return 0;
}

void shmchan_receiver_close(shmchan_receiver *rx)
{
    if (!rx)
        return;
    for (uint32_t i = 0; i < rx->merge.lane_count; i++)
        segment_unmap_lane(&rx->member.channel->segment, rx->merge.lanes[i].slots);
    merge_destroy(&rx->merge);
    members_leave(&rx->member);
    free(rx);
}

int shmchan_sender_of(const shmchan_receiver *rx, shmchan_sender **ret_tx)
{
    if (!rx || !ret_tx)
        return -EINVAL;
    if (rx->member.error)
        return rx->member.error;
    return sender_make(rx->member.channel, ret_tx);
}

uint32_t shmchan_receiver_message_size(const shmchan_receiver *rx)
{
    return rx ? rx->member.channel->segment.geometry.message_size : 0;
}

/* ------------------------------------------------------------------------------------------------- waiting
 */

/* A look, after the wait that lets a stream run ahead. */
static struct lane_reader *look_for_message(shmchan_receiver *rx)
{
    for (uint32_t turn = 0; turn < rx->pace.wait; turn++)
        cpu_relax();
    uint64_t gained_before = rx->merge.gained;
    struct lane_reader *lane = merge_next(&rx->merge);
    pace_learn(&rx->pace, rx->merge.gained - gained_before);
    return lane;
}

/* The next message's lane; NULL: none is visible, or *ret_error says why it cannot be told (once). */
static struct lane_reader *next_visible(shmchan_receiver *rx, int *ret_error)
{
    /* What recv_many found after its last message comes first. */
    struct lane_reader *lane = rx->merge.error ? NULL : look_for_message(rx);
    *ret_error = 0;
    if (!lane) {
        *ret_error = rx->merge.error;
        rx->merge.error = 0;
    }
    return lane;
}

/* 1: the end. 0: not. The full look comes after the question: what the last sender sent before it left is
   seen. A sender that joins in between finds the channel empty and has lost nothing: the end is not sticky.
 */
static int ended(shmchan_receiver *rx)
{
    const struct channel *c = rx->member.channel;
    if (atomic_load_explicit(&c->segment.control->senders_joined, memory_order_seq_cst) == 0)
        return 0;
    int held = members_senders_held(c);
    if (held != 0)
        return held < 0 ? held : 0;
    return !merge_sweep(&rx->merge);
}

/*
 * One bounded sleep. 1: the end, 0: look again, -errno.
 * All lanes are let go first, so that each sender's next publish rings. Then the flag goes up, and then the
 * second look: at the ready words, for who rang in between, and at the places, for who left.
 */
static int sleep_for_message(shmchan_receiver *rx, int64_t deadline_ns)
{
    struct shm_control *control = rx->merge.control;
    if (!merge_rest(&rx->merge))
        return 0;
    event_raise(&control->not_empty);
    int r = 0;
    if (!ready_any(control)) {
        r = ended(rx);
        if (r == 0 && !rx->merge.watched_count) {
            /* What was published by one who died or was stopped before it rang shows only in a full look. */
            if (!event_sleep(&control->not_empty, deadline_ns))
                merge_sweep(&rx->merge);
        }
    }
    event_lower(&control->not_empty);
    return r;
}

/* Spin shortly, for a message that is just coming. 1: there is one, 0, -errno. */
static int spin_for_message(shmchan_receiver *rx, struct lane_reader **ret_lane)
{
    struct backoff backoff = backoff_begin(&rx->habit);
    int r = 0;
    while (!*ret_lane && r == 0 && backoff_wait(&backoff, 1))
        *ret_lane = next_visible(rx, &r);
    if (*ret_lane)
        backoff_end(&backoff, &rx->habit);
    return r < 0 ? r : *ret_lane != NULL;
}

/* 1: a message's lane, -ETIMEDOUT: none, -errno. */
static int look_again(shmchan_receiver *rx, struct lane_reader **ret_lane)
{
    int r;
    *ret_lane = next_visible(rx, &r);
    return *ret_lane ? 1 : r < 0 ? r : -ETIMEDOUT;
}

/* Slices of sleep. 1: a message's lane, 0: the end, -ETIMEDOUT, -errno. */
static int sleep_until(shmchan_receiver *rx, int64_t deadline_ns, struct lane_reader **ret_lane)
{
    int r;
    do {
        r = sleep_for_message(rx, deadline_ns);
        if (r != 0)
            return r < 0 ? r : 0;
        /* Also when the time is over: it may have been the full look that found one. */
        r = look_again(rx, ret_lane);
    } while (r == -ETIMEDOUT && clock_now_ns() < deadline_ns);
    /* The last slice may have ended by another's ring. */
    if (r == -ETIMEDOUT && merge_sweep(&rx->merge))
        r = look_again(rx, ret_lane);
    return r;
}

static int wait_for_message(shmchan_receiver *rx, int timeout_ms, struct lane_reader **ret_lane)
{
    struct shm_control *control = rx->merge.control;
    if (timeout_ms == 0) {
        int r = ended(rx);
        return r == 0 ? look_again(rx, ret_lane) : r < 0 ? r : 0;
    }
    int64_t deadline_ns = deadline_after_ms(timeout_ms);
    int r = spin_for_message(rx, ret_lane);
    if (r != 0)
        return r;
    event_asleep(&control->not_empty);
    atomic_fetch_add_explicit(&control->receiver.sleeps, 1, memory_order_relaxed);
    r = sleep_until(rx, deadline_ns, ret_lane);
    event_awake(&control->not_empty);
    return r;
}

/* The next message is not settled: look, then wait. */
static int find_lane(shmchan_receiver *rx, int timeout_ms, struct lane_reader **ret_lane)
{
    int r = look_again(rx, ret_lane);
    return r == -ETIMEDOUT ? wait_for_message(rx, timeout_ms, ret_lane) : r;
}

/* 1: *ret_lane has the next message at its head, 0: the end, -errno. */
static inline int next_lane(shmchan_receiver *rx, int timeout_ms, struct lane_reader **ret_lane)
{
    if (rx->member.error)
        return rx->member.error;
    if (rx->peeked) {
        *ret_lane = rx->peeked;
        return 1;
    }
    *ret_lane = rx->merge.error ? NULL : merge_settled(&rx->merge);
    return *ret_lane ? 1 : find_lane(rx, timeout_ms, ret_lane);
}

/* ------------------------------------------------------------------------------------------------- receiving
 */

static void describe(const shmchan_receiver *rx, const struct lane_reader *lane, uint32_t length,
                     struct shmchan_info *ret_info)
{
    *ret_info = (struct shmchan_info){
        .position = lane->head,
        .length = length,
        .sender_id = merge_place(&rx->merge, lane),
        .pid = atomic_load_explicit(&lane->place->owner.pid, memory_order_relaxed),
    };
}

static inline uint32_t take_message(const shmchan_receiver *rx, const struct lane_reader *lane,
                                    void *ret_message)
{
    const struct lane_shape *shape = &rx->merge.shape;
    struct shm_slot *slot = lane_slot(shape, lane->slots, lane->head);
    uint32_t length = lane_length(shape, slot);
    copy_out(ret_message, lane_payload(slot), length);
    if (length < shape->message_size)
        memset((char *)ret_message + length, 0, shape->message_size - length);
    return length;
}

static inline void advance(shmchan_receiver *rx, struct lane_reader *lane)
{
    rx->peeked = NULL;
    merge_advance(&rx->merge, lane);
}

static inline int receive(shmchan_receiver *rx, void *ret_message, struct shmchan_info *ret_info,
                          int timeout_ms)
{
    struct lane_reader *lane = NULL;
    if (!rx || !ret_message)
        return -EINVAL;
    int r = next_lane(rx, timeout_ms, &lane);
    if (r <= 0)
        return r;
    uint32_t length = take_message(rx, lane, ret_message);
    if (ret_info)
        describe(rx, lane, length, ret_info);
    advance(rx, lane);
    return 1;
}

int shmchan_recv_info(shmchan_receiver *rx, void *ret_message, struct shmchan_info *ret_info, int timeout_ms)
{
    return receive(rx, ret_message, ret_info, timeout_ms);
}

int shmchan_recv_timed(shmchan_receiver *rx, void *ret_message, int timeout_ms)
{
    return receive(rx, ret_message, NULL, timeout_ms);
}

int shmchan_recv(shmchan_receiver *rx, void *ret_message)
{
    return receive(rx, ret_message, NULL, SHMCHAN_FOREVER);
}

int shmchan_try_recv(shmchan_receiver *rx, void *ret_message)
{
    int r = receive(rx, ret_message, NULL, 0);
    return r == -ETIMEDOUT ? -EAGAIN : r;
}

ssize_t shmchan_recv_many(shmchan_receiver *rx, void *ret_messages, size_t count, int timeout_ms)
{
    struct lane_reader *lane = NULL;
    if (!rx || (!ret_messages && count))
        return -EINVAL;
    if (rx->member.error)
        return rx->member.error;
    if (count > SSIZE_MAX)
        count = SSIZE_MAX;
    if (count == 0)
        return 0;
    int r = next_lane(rx, timeout_ms, &lane);
    if (r <= 0)
        return r;
    uint32_t size = rx->merge.shape.message_size;
    size_t n = 0;
    do {
        take_message(rx, lane, (char *)ret_messages + n * size);
        advance(rx, lane);
        /* An error that shows now (merge.error) is told by the next call. */
    } while (++n < count && ((lane = merge_settled(&rx->merge)) || (lane = merge_next(&rx->merge))));
    return (ssize_t)n;
}

int shmchan_peek(shmchan_receiver *rx, const void **ret_message, struct shmchan_info *ret_info,
                 int timeout_ms)
{
    struct lane_reader *lane = NULL;
    if (!rx || !ret_message)
        return -EINVAL;
    int r = next_lane(rx, timeout_ms, &lane);
    if (r <= 0)
        return r;
    struct shm_slot *slot = lane_slot(&rx->merge.shape, lane->slots, lane->head);
    if (ret_info)
        describe(rx, lane, lane_length(&rx->merge.shape, slot), ret_info);
    rx->peeked = lane;
    *ret_message = lane_payload(slot);
    return 1;
}

int shmchan_release(shmchan_receiver *rx)
{
    if (!rx)
        return -EINVAL;
    if (rx->member.error)
        return rx->member.error;
    if (!rx->peeked)
        return -EPROTO;
    advance(rx, rx->peeked);
    return 0;
}
