/* SPDX-License-Identifier: MIT */
/*
 * One lane: a ring that one sender fills and one receiver empties. Plain memory, no system call.
 * Knows layout.h and cpu.h.
 *
 * A position p lies in slot p & mask. Positions only grow: 2^64 messages are not sent in a lifetime.
 *   tail - head <= capacity, always; anything else is damage.
 *   Slots at head ... tail - 1 are the receiver's to read, the others the sender's to write.
 *
 * The order, all of it:
 *   publish   sender: write slot, store tail      receiver: load tail, read slot
 *   room      receiver: read slot, store head     sender: load head, write slot
 *   idle      sender: store tail, load idle       receiver: store idle, load tail
 *   waiting   sender: raise waiting, load head    receiver: store head, load waiting
 * The first two are release and acquire: without them a slot is read before it is written, or
 * overwritten before it is read. The last two are store-then-load on both sides: all four accesses
 * are sequentially consistent, so that not both loads can miss the other's store; if both did, a
 * message or room would lie there while its waiter sleeps to the end of its bounded sleep.
 */
#ifndef SHMCHAN_LANE_H
#define SHMCHAN_LANE_H

#include <stdbool.h>
#include <string.h>

#include "cpu.h"
#include "layout.h"

/* What both sides know of a lane's slots, in private memory. */
struct lane_shape {
    uint64_t mask; /* capacity - 1 */
    uint32_t slot_bytes;
    uint32_t message_size;
};

static inline struct lane_shape lane_shape_make(uint32_t capacity, uint32_t slot_bytes, uint32_t message_size)
{
    return (struct lane_shape){.mask = capacity - 1, .slot_bytes = slot_bytes, .message_size = message_size};
}

static inline struct shm_slot *lane_slot(const struct lane_shape *shape, const void *slots, uint64_t position)
{
    return (struct shm_slot *)((char *)slots + (position & shape->mask) * shape->slot_bytes);
}

static inline void *lane_payload(struct shm_slot *slot)
{
    return slot + 1;
}

/* ------------------------------------------------------------------------------ the sender's side */

struct lane_writer {
    struct shm_place *place;
    void *slots;
    struct lane_shape shape;
    uint64_t tail;      /* the next position; ours alone, so that nobody can move it */
    uint64_t head_seen; /* the last head we saw: the true one is here or further on */
    uint64_t ahead;     /* this slot after the next is fetched for writing at each publish */
};

/* So many bytes ahead: what a transfer from another core takes, and fewer than the first-level cache holds.
 */
#define LANE_AHEAD_BYTES 1024u

/* `place` must have head == tail: nothing of a former owner is left. */
static inline void lane_writer_init(struct lane_writer *w, struct shm_place *place, void *slots,
                                    struct lane_shape shape)
{
    w->place = place;
    w->slots = slots;
    w->shape = shape;
    w->ahead = 1 + LANE_AHEAD_BYTES / shape.slot_bytes;
    /* Relaxed: only the owner stores tail, and a former owner's store was seen when the place was
       judged free under the mutex. */
    w->tail = w->head_seen = atomic_load_explicit(&place->tail, memory_order_relaxed);
}

/* How many messages certainly fit. */
static inline uint64_t lane_room(const struct lane_writer *w)
{
    return w->shape.mask + 1 - (w->tail - w->head_seen);
}

/* Look at the true head. False: it is damaged. SC rather than acquire, because a sender that has raised
   `waiting` comes here for its second look (pairs with lane_advance). */
static inline bool lane_look_for_room(struct lane_writer *w)
{
    uint64_t head = atomic_load_explicit(&w->place->head, memory_order_seq_cst);
    if (w->tail - head > w->shape.mask + 1)
        return false;
    w->head_seen = head;
    return true;
}

/* Where the message n places after the next one goes. There must be room for it. */
static inline struct shm_slot *lane_next_slot(const struct lane_writer *w, uint64_t n)
{
    return lane_slot(&w->shape, w->slots, w->tail + n);
}

static inline void lane_stamp(struct shm_slot *slot, uint64_t ticket, uint32_t length)
{
    /* Relaxed: published by the store to tail. */
    atomic_store_explicit(&slot->ticket, ticket, memory_order_relaxed);
    atomic_store_explicit(&slot->length, length, memory_order_relaxed);
}

/* Fetch the lines of a slot that we shall write soon: the barrier in lane_publish would wait for each in
   turn. If it is not free yet, leave it to the receiver. */
static inline void lane_prepare(const struct lane_writer *w)
{
    if (lane_room(w) <= w->ahead)
        return;
    const char *slot = (const char *)lane_next_slot(w, w->ahead);
    cpu_prefetch_write(slot);
    cpu_prefetch_write(slot + w->shape.slot_bytes - 1);
}

/* Publish the next n slots, which are written. True: nobody watches this lane, and it is for us to tell
   the receiver (members_ring). */
static inline bool lane_publish(struct lane_writer *w, uint64_t n)
{
    w->tail += n;
    /* SC store: a release for the slots (pairs with lane_tail), and before the load of idle (pairs with
     * lane_rest). */
    atomic_store_explicit(&w->place->tail, w->tail, memory_order_seq_cst);
    if (atomic_load_explicit(&w->place->idle, memory_order_seq_cst) == 0)
        return false;
    /* Who takes the flag down rings. Only that: the order is the pair above's. */
    return atomic_exchange_explicit(&w->place->idle, 0, memory_order_acq_rel) != 0;
}

/* ---------------------------------------------------------------------------- the receiver's side */

struct lane_reader {
    struct shm_place *place;
    void *slots;      /* NULL until there is something to read */
    uint64_t head;    /* the next position; ours alone */
    uint64_t earlier; /* tail at the look before the last */
    uint64_t later;   /* tail at the last look: head <= earlier <= later, unless head passed earlier */
    uint64_t ticket;  /* of the message at head, when head < later */
    uint32_t quiet;   /* looks in a row that found nothing */
    bool watched;
    bool repaired; /* its tail was damaged and put back, and no message has come since */
};

static inline void lane_reader_init(struct lane_reader *l, struct shm_place *place)
{
    memset(l, 0, sizeof *l);
    l->place = place;
    /* Relaxed: a former receiver's last store, seen since we hold its place. */
    l->head = atomic_load_explicit(&place->head, memory_order_relaxed);
    l->earlier = l->later = l->head;
}

/* Acquire: slots before this tail may be read (pairs with lane_publish); and all that happened before those
   messages were sent is visible to the loads that follow, which the two looks rest on. */
static inline uint64_t lane_tail(const struct lane_reader *l)
{
    return atomic_load_explicit(&l->place->tail, memory_order_acquire);
}

static inline bool lane_visible(const struct lane_reader *l)
{
    return l->head < l->later;
}

static inline uint64_t lane_ticket(const struct lane_reader *l, const struct lane_shape *shape)
{
    return atomic_load_explicit(&lane_slot(shape, l->slots, l->head)->ticket, memory_order_relaxed);
}

/* Whoever wrote the length, it stays within a slot. */
static inline uint32_t lane_length(const struct lane_shape *shape, struct shm_slot *slot)
{
    uint32_t length = atomic_load_explicit(&slot->length, memory_order_relaxed);
    return length < shape->message_size ? length : shape->message_size;
}

/* A sender sleeps for room in this lane, and it is for us to wake it. Call after an SC store to head.
   The exchange acquires the sender's event_raise, so that our post comes after its clearing of posts. */
static inline bool lane_take_waiting(const struct lane_reader *l)
{
    return atomic_load_explicit(&l->place->room.waiting, memory_order_seq_cst) != 0 &&
           atomic_exchange_explicit(&l->place->room.waiting, 0, memory_order_acq_rel) != 0;
}

/*
 * Take the lines of a slot that was read away from its sender. A line that both cores hold is given up by the
 * other one at its first store to it, one line after the other; a line that only the other holds is fetched,
 * and the processor fetches many at once. With lane_prepare that makes a sender two and a half to five times
 * as fast (docs/PERFORMANCE.md). What is written is what is there: whoever dies here leaves the message
 * whole. Plain stores: the sender writes here again once it has seen the head that lane_advance stores after
 * them.
 */
static inline void lane_own(const struct lane_shape *shape, struct shm_slot *slot)
{
    uint32_t bytes = (uint32_t)sizeof *slot + lane_length(shape, slot);
    for (uint32_t at = 0; at < bytes; at += CPU_LINE)
        cpu_own_line((char *)slot + at);
}

/*
 * Done with the message at head: give its slot back. True: wake the sender.
 * A sleeping sender is woken when half of its lane has become free, not at the first slot: at each
 * multiple of half the capacity, which a full lane passes before it is empty. Only there must the store
 * come before the load of `waiting`; elsewhere release is enough. A sender that needs more room than
 * that is woken by lane_rest.
 */
static inline bool lane_advance(struct lane_reader *l, const struct lane_shape *shape)
{
    lane_own(shape, lane_slot(shape, l->slots, l->head));
    l->head++;
    if ((l->head & shape->mask >> 1) != 0) {
        /* Release: the slot was read before the sender can see this and overwrite it (pairs with
         * lane_look_for_room). */
        atomic_store_explicit(&l->place->head, l->head, memory_order_release);
        return false;
    }
    atomic_store_explicit(&l->place->head, l->head, memory_order_seq_cst);
    return lane_take_waiting(l);
}

/*
 * Stop watching an empty lane. False: a message had come meanwhile; it is watched still.
 * Its sender's next publish finds the flag and rings. *ret_wake: a sender waits for room though the lane
 * is empty.
 */
static inline bool lane_rest(struct lane_reader *l, bool *ret_wake)
{
    /* Once more as SC, for the load of waiting. */
    atomic_store_explicit(&l->place->head, l->head, memory_order_seq_cst);
    *ret_wake = lane_take_waiting(l);

    atomic_store_explicit(&l->place->idle, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&l->place->tail, memory_order_seq_cst) == l->head)
        return true;
    /* Whether we take it down or the sender did is all one: at worst a ready bit for a lane that is watched.
     */
    atomic_exchange_explicit(&l->place->idle, 0, memory_order_acq_rel);
    return false;
}

#endif
