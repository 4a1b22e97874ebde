/* SPDX-License-Identifier: MIT */
/* The sending half. Composed of lane, members and cond. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cond.h"
#include "copy.h"
#include "halves.h"
#include "lane.h"

#define LOOK_EVERY 16u /* sends between two looks at the clock */
#define PLENTY     64u /* slots to wait for shortly, once a lane was full */

struct shmchan_sender {
    struct member member; /* first: after_fork gets a member */
    struct lane_writer lane;
    struct shm_control *control;
    bool waits_for_receiver;
    bool ordered;
    bool reserved;
    struct backoff_habit habit;
    unsigned until_look;
    int64_t last_look_ns;
};

static void bind_lane(shmchan_sender *tx)
{
    const struct channel *c = tx->member.channel;
    const struct geometry *g = &c->segment.geometry;
    tx->control = c->segment.control;
    tx->waits_for_receiver = g->flags & SHMCHAN_WAIT_FOR_RECEIVER;
    tx->ordered = !(g->flags & SHMCHAN_UNORDERED);
    tx->reserved = false;
    tx->until_look = 1; /* the first send looks */
    tx->last_look_ns = 0;
    if (tx->member.error == 0)
        lane_writer_init(&tx->lane, &tx->control->places[tx->member.place], tx->member.slots,
                         lane_shape_make(g->capacity, g->slot_bytes, g->message_size));
}

static void after_fork(struct member *member)
{
    bind_lane((shmchan_sender *)member);
}

int sender_make(struct channel *channel, shmchan_sender **ret_tx)
{
    shmchan_sender *tx = calloc(1, sizeof *tx);
    if (!tx)
        return -ENOMEM;
    tx->member.after_fork = after_fork;
    int r = members_join_sender(channel, &tx->member);
    if (r < 0) {
        free(tx);
        return r;
    }
    bind_lane(tx);
    *ret_tx = tx;
    return 0;
}

int shmchan_sender_clone(const shmchan_sender *tx, shmchan_sender **ret_tx)
{
    if (!tx || !ret_tx)
        return -EINVAL;
    if (tx->member.error)
        return tx->member.error;
    return sender_make(tx->member.channel, ret_tx);
}

void shmchan_sender_close(shmchan_sender *tx)
{
    if (!tx)
        return;
    if (tx->reserved)
        shmchan_abort(tx);
    members_leave(&tx->member);
    free(tx);
}

int shmchan_sender_id(const shmchan_sender *tx)
{
    if (!tx)
        return -EINVAL;
    return tx->member.error ? tx->member.error : (int)tx->member.place;
}

uint32_t shmchan_sender_message_size(const shmchan_sender *tx)
{
    return tx ? tx->member.channel->segment.geometry.message_size : 0;
}

/* ----------------------------------------------------------------------------------- is the receiver there?
 */

/* 0: there, or to be waited for. Else -EPIPE. A system call, if the receiver did not say that it left. */
static int question_receiver(shmchan_sender *tx)
{
    if (tx->waits_for_receiver)
        return 0;
    /* SC, as all that a blocked sender looks at between raising its flag and sleeping: close stores this,
     * then loads the flag. */
    if (atomic_load_explicit(&tx->control->receiver_closed, memory_order_seq_cst))
        return -EPIPE;
    if (atomic_load_explicit(&tx->control->receivers_joined, memory_order_seq_cst) == 0)
        return 0;
    int held = members_receiver_held(tx->member.channel);
    tx->last_look_ns = clock_coarse_ns();
    return held == 0 ? -EPIPE : held < 0 ? held : 0;
}

static int ask_for_receiver(shmchan_sender *tx)
{
    int r = question_receiver(tx);
    if (r < 0) {
        /* The next send asks again: -EPIPE stays, unless a receiver comes. */
        tx->until_look = 1;
        tx->last_look_ns = INT64_MIN / 2;
    }
    return r;
}

static int look_now_and_then(shmchan_sender *tx)
{
    tx->until_look = LOOK_EVERY;
    if (!atomic_load_explicit(&tx->control->receiver_closed, memory_order_relaxed) &&
        clock_coarse_ns() - tx->last_look_ns < EVENT_SLICE_NS)
        return 0;
    return ask_for_receiver(tx);
}

/*
 * Before each send. Costs two loads of lines that hardly ever change: a receiver that closed says so; one
 * that was killed asleep leaves our idle flag up; one that was killed awake shows within LOOK_EVERY sends.
 * Relaxed: a close that we miss by an instant is one that came after this send.
 */
static inline int check_receiver(shmchan_sender *tx)
{
    if (--tx->until_look != 0 && !atomic_load_explicit(&tx->control->receiver_closed, memory_order_relaxed) &&
        !atomic_load_explicit(&tx->lane.place->idle, memory_order_relaxed))
        return 0;
    return look_now_and_then(tx);
}

/* ------------------------------------------------------------------------------------------- waiting for
 * room */

static void count(_Atomic uint64_t *counter)
{
    /* Ours alone to write: no read-modify-write needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void ring(shmchan_sender *tx)
{
    if (members_ring(tx->member.channel, tx->member.place))
        count(&tx->lane.place->owner.wakeups);
}

static inline void publish(shmchan_sender *tx, uint64_t n)
{
    lane_prepare(&tx->lane);
    if (lane_publish(&tx->lane, n))
        ring(tx);
}

/* Is there room for `need`? 1, 0, -EBADMSG. */
static int look_for_room(shmchan_sender *tx, uint64_t need)
{
    if (!lane_look_for_room(&tx->lane)) {
        publish(tx, 0); /* the receiver may have followed a forged tail: tell it the true one */
        return -EBADMSG;
    }
    return lane_room(&tx->lane) >= need;
}

/* One bounded sleep. 1: there is room, 0: look again, <0: the receiver is gone, or damage. */
static int sleep_for_room(shmchan_sender *tx, uint64_t need, int64_t deadline_ns)
{
    struct shm_place *place = tx->lane.place;
    event_raise(&place->room);
    int r = look_for_room(tx, need);
    if (r == 0)
        r = ask_for_receiver(tx);
    if (r == 0) {
        event_sleep(&place->room, deadline_ns);
        r = look_for_room(tx, need);
    }
    event_lower(&place->room);
    return r;
}

/* Slices of sleep. 1: there is room, 0: the time is over, <0: the receiver is gone, or damage. */
static int sleep_until(shmchan_sender *tx, uint64_t need, int64_t deadline_ns)
{
    struct shm_place *place = tx->lane.place;
    int r;
    event_asleep(&place->room);
    count(&place->owner.sleeps);
    do
        r = sleep_for_room(tx, need, deadline_ns);
    while (r == 0 && clock_now_ns() < deadline_ns);
    event_awake(&place->room);
    return r;
}

/* Each look takes the line of head from the receiver, which stores it at every message: so look seldom, and
   go on when there is room for many. 1: there is room, 0: none, -EBADMSG. */
static int spin_for_room(shmchan_sender *tx, uint64_t need)
{
    uint64_t quarter = (tx->lane.shape.mask + 1) / 4, plenty = quarter < PLENTY ? quarter : PLENTY;
    unsigned turns_a_look = 1 + (unsigned)plenty / 4; /* the receiver may need a turn for every four */
    struct backoff backoff = backoff_begin(&tx->habit);
    int r = 0;
    while (backoff_wait(&backoff, turns_a_look)) {
        r = look_for_room(tx, need);
        if (r < 0 || (r > 0 && lane_room(&tx->lane) >= plenty))
            break;
    }
    if (r > 0)
        backoff_end(&backoff, &tx->habit);
    return r;
}

/* 0: there is room. -ETIMEDOUT, -EPIPE, -EBADMSG. */
static int wait_for_room(shmchan_sender *tx, uint64_t need, int64_t deadline_ns)
{
    int r = look_for_room(tx, need);
    if (r != 0)
        return r < 0 ? r : 0;
    count(&tx->lane.place->full);
    if (deadline_ns == NOW) {
        r = look_now_and_then(tx);
        return r < 0 ? r : -ETIMEDOUT;
    }
    r = spin_for_room(tx, need);
    if (r == 0)
        r = sleep_until(tx, need, deadline_ns);
    return r > 0 ? 0 : r < 0 ? r : -ETIMEDOUT;
}

/* -------------------------------------------------------------------------------------------------- sending
 */

/* One for all messages of a batch. */
static inline uint64_t take_ticket(shmchan_sender *tx)
{
    if (!tx->ordered)
        return tx->lane.tail; /* tells batches of this lane apart, and is compared with no other lane's */
    /* Relaxed: one word's changes have one order, and that is all that tickets must tell. What a ticket
       stands for is published by tail. */
    return atomic_fetch_add_explicit(&tx->control->ticket, 1, memory_order_relaxed);
}

static inline void write_message(shmchan_sender *tx, uint64_t n, uint64_t ticket, const void *message,
                                 uint32_t length)
{
    struct shm_slot *slot = lane_next_slot(&tx->lane, n);
    lane_stamp(slot, ticket, length);
    copy_in(lane_payload(slot), message, length);
}

/* May this handle send now? */
static inline int check_handle(const shmchan_sender *tx)
{
    if (!tx)
        return -EINVAL;
    if (tx->member.error)
        return tx->member.error;
    return tx->reserved ? -EPROTO : 0;
}

/* Room for one message, with a receiver there. */
static inline int begin_send(shmchan_sender *tx, int timeout_ms)
{
    int r = check_handle(tx);
    if (r == 0)
        r = check_receiver(tx);
    if (r == 0 && lane_room(&tx->lane) == 0)
        r = wait_for_room(tx, 1, deadline_after_ms(timeout_ms));
    return r;
}

static inline int send_one(shmchan_sender *tx, const void *message, uint32_t length, int timeout_ms)
{
    int r = begin_send(tx, timeout_ms);
    if (r < 0)
        return r;
    write_message(tx, 0, take_ticket(tx), message, length);
    publish(tx, 1);
    return 0;
}

int shmchan_send_timed(shmchan_sender *tx, const void *message, int timeout_ms)
{
    if (!tx || !message)
        return -EINVAL;
    return send_one(tx, message, tx->lane.shape.message_size, timeout_ms);
}

int shmchan_send(shmchan_sender *tx, const void *message)
{
    return shmchan_send_timed(tx, message, SHMCHAN_FOREVER);
}

int shmchan_try_send(shmchan_sender *tx, const void *message)
{
    int r = shmchan_send_timed(tx, message, 0);
    return r == -ETIMEDOUT ? -EAGAIN : r;
}

int shmchan_send_sized(shmchan_sender *tx, const void *message, uint32_t length, int timeout_ms)
{
    if (!tx || (!message && length))
        return -EINVAL;
    if (length > tx->member.channel->segment.geometry.message_size)
        return -EMSGSIZE;
    return send_one(tx, message ? message : "", length, timeout_ms);
}

/* Publish n messages in one step; there is room for them. */
static void send_whole(shmchan_sender *tx, const char *messages, uint64_t n)
{
    uint32_t size = tx->lane.shape.message_size;
    uint64_t ticket = take_ticket(tx);
    for (uint64_t i = 0; i < n; i++)
        write_message(tx, i, ticket, messages + i * size, size);
    publish(tx, n);
}

/* Send the next step of a batch: n messages, or what fits when the time is over. How many, or -errno. */
static ssize_t send_step(shmchan_sender *tx, const char *messages, uint64_t n, int64_t deadline_ns)
{
    int r = check_receiver(tx);
    if (r == 0 && lane_room(&tx->lane) < n)
        r = wait_for_room(tx, n, deadline_ns);
    if (r == -ETIMEDOUT && lane_room(&tx->lane) > 0) {
        n = lane_room(&tx->lane);
        r = 0;
    }
    if (r < 0)
        return r;
    send_whole(tx, messages, n);
    return (ssize_t)n;
}

ssize_t shmchan_send_many(shmchan_sender *tx, const void *messages, size_t count, int timeout_ms)
{
    int r = check_handle(tx);
    if (r == 0 && (!messages ? count != 0 : count > SSIZE_MAX / tx->lane.shape.message_size))
        r = -EINVAL;
    if (r < 0 || count == 0)
        return r;
    int64_t deadline_ns = deadline_after_ms(timeout_ms);
    size_t capacity = (size_t)tx->lane.shape.mask + 1, sent = 0;
    while (sent < count) {
        size_t step = count - sent < capacity ? count - sent : capacity;
        ssize_t n =
            send_step(tx, (const char *)messages + sent * tx->lane.shape.message_size, step, deadline_ns);
        if (n < 0)
            return sent ? (ssize_t)sent : n;
        sent += (size_t)n;
        if ((size_t)n < step) /* the time is over: what fitted is sent */
            break;
    }
    return (ssize_t)sent;
}

/* -------------------------------------------------------------------------------------------------- in place
 */

static void mark_reserved(shmchan_sender *tx, bool reserved)
{
    tx->reserved = reserved;
    /* Relaxed: for people. */
    atomic_store_explicit(&tx->lane.place->reserved, reserved, memory_order_relaxed);
}

int shmchan_reserve(shmchan_sender *tx, void **ret_slot, int timeout_ms)
{
    if (!ret_slot)
        return -EINVAL;
    int r = begin_send(tx, timeout_ms);
    if (r < 0)
        return r;
    mark_reserved(tx, true);
    *ret_slot = lane_payload(lane_next_slot(&tx->lane, 0));
    return 0;
}

static int check_reserved(const shmchan_sender *tx)
{
    if (!tx)
        return -EINVAL;
    if (tx->member.error)
        return tx->member.error;
    return tx->reserved ? 0 : -EPROTO;
}

int shmchan_commit(shmchan_sender *tx, uint32_t length)
{
    int r = check_reserved(tx);
    if (r == 0 && length > tx->lane.shape.message_size)
        r = -EMSGSIZE;
    if (r < 0)
        return r;
    mark_reserved(tx, false);
    r = check_receiver(tx);
    if (r < 0)
        return r;
    lane_stamp(lane_next_slot(&tx->lane, 0), take_ticket(tx), length);
    publish(tx, 1);
    return 0;
}

int shmchan_abort(shmchan_sender *tx)
{
    int r = check_reserved(tx);
    if (r == 0)
        mark_reserved(tx, false);
    return r;
}
