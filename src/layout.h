/* SPDX-License-Identifier: MIT */
/*
 * The shared format, and nothing else: what lies where in a region, and of every field who writes
 * it, who reads it and what orders the two. Knows no other module.
 *
 *     0                 struct shm_control: header, ticket, ready words, receiver, mutex
 *     sizeof control    struct shm_place [max_senders]
 *     control_bytes     lane 0: slots, page-aligned; backed with memory only once a sender took it
 *     + lane_bytes      lane 1 ...
 *
 * Everything here is untrusted when it is read: geometry is checked once and kept privately, positions
 * are compared and masked with private values, lengths are clamped, strings are bounded.
 */
#ifndef SHMCHAN_LAYOUT_H
#define SHMCHAN_LAYOUT_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shmchan.h"

#define SHM_MAGIC          UINT64_C(0x006e6168636d6873) /* "shmchan\0", little-endian */
#define SHM_FORMAT_VERSION 1u

/* What two programs must share to use one mutex: pointer and mutex size, and whose libc. */
#ifdef __GLIBC__
#define SHM_LIBC 1u
#else
#define SHM_LIBC 2u
#endif
#define SHM_ABI ((uint32_t)sizeof(void *) | (uint32_t)sizeof(pthread_mutex_t) << 8 | SHM_LIBC << 24)

/* Two cache lines: x86 prefetches lines in pairs, and some arm64 lines are this long. */
#define SHM_LINE 128

/* Written once, before the region has a name; read by everyone; `checksum` is over all before it.
   Plain fields: what publishes them is the name that appears (or fork, for an anonymous channel). */
struct shm_header {
    uint64_t magic;
    uint32_t version;
    uint32_t abi;
    uint64_t region_bytes;
    uint64_t control_bytes;
    uint64_t lane_bytes;
    uint32_t message_size;
    uint32_t capacity;
    uint32_t max_senders;
    uint32_t slot_bytes;
    uint32_t flags;
    int32_t creator_pid;
    uint64_t created_ns; /* CLOCK_REALTIME */
    char type[SHMCHAN_TYPE_MAX + 1];
    uint64_t checksum;
};

/* One who may sleep, and how it is woken. `waiting`: raised by the sleeper, taken down by exchange by
   whoever then posts (or by the sleeper itself). See cond.h for the order. */
struct shm_event {
    _Atomic uint32_t waiting;
    _Atomic uint64_t asleep_since_ns; /* for people; relaxed */
    /* A binary semaphore, 1 = posted: a futex of our own. A sem_t keeps in shared memory what it hands to the
       kernel as part of the operation, so that a hostile writer can make its user abort, or the kernel write
       elsewhere. */
    _Atomic uint32_t posts;
    char room[44];
};

/* Who holds a place. For people: written by the holder, read by inspectors; no decision rests on it. Truth is
   the byte lock. `joined_ns` is of each holder another, and 0 from before its successor takes the lock until
   that has signed: words read between two equal values are one holder's (process.c writes, inspect.c reads).
   Lowest bit of `occupied`: taken and not closed in order. The rest: how many holders before that ended so.
   In one word, so that a dead holder is at no instant counted twice, or not at all. */
struct shm_owner {
    _Atomic uint32_t occupied;
    _Atomic int32_t pid;
    _Atomic uint64_t start_time;
    _Atomic uint64_t joined_ns;
    _Atomic uint64_t command[2];
    _Atomic uint64_t sleeps;
    _Atomic uint64_t wakeups;
};

/* A sender's place: the control words of its lane. They lie in the control block, which is always
   backed with memory, so that everyone may read them; the slots lie in the lane. */
struct shm_place {
    /* Written by the sender: positions before `tail` are published. Read by the receiver (acquire),
       which then may read their slots. A value that cannot be, which no sender stored, the receiver puts back
       to `head` by compare-exchange (merge.c). */
    alignas(SHM_LINE) _Atomic uint64_t tail;
    _Atomic uint64_t first_position; /* `tail` when the holder took the place; for people */
    _Atomic uint64_t full;           /* times found full; for people */
    _Atomic uint32_t reserved;       /* a slot is reserved; for people */
    /* Reservations of dead holders, when an even or an odd number of them had been counted: the next number
       is written before `occupied` says that it holds. For people. */
    _Atomic uint64_t lost[2];

    /* Written by the receiver: positions before `head` are taken. Read by the sender (acquire), which
       then may overwrite their slots. */
    alignas(SHM_LINE) _Atomic uint64_t head;

    /* Raised by the receiver: "I am not watching this lane". Taken down by the sender after a
       publish, who then sets the lane's ready bit. Almost never written, so that the sender's read
       at each publish is free; what shares its line is written when the sender sleeps or changes. */
    alignas(SHM_LINE) _Atomic uint32_t idle;
    struct shm_event room; /* not_full: the sender sleeps, the receiver wakes */
    struct shm_owner owner;
};

#define SHM_OCCUPIED 1u /* in shm_owner.occupied */
#define SHM_DEATH    2u

#define SHM_READY_WORDS (SHMCHAN_SENDERS_MAX / 64)

struct shm_control {
    alignas(SHM_LINE) struct shm_header header;

    /* One relaxed fetch-add a send. Its own line: all senders write it. */
    alignas(SHM_LINE) _Atomic uint64_t ticket;

    /* Which lanes were filled while nobody watched them. Senders set the lane's bit, then its word's
       bit in `ready_words`; the receiver takes them by exchange in the opposite order. */
    alignas(SHM_LINE) _Atomic uint64_t ready_words;
    _Atomic uint64_t ready[SHM_READY_WORDS];

    /* Read by every sender at every send, so nothing that changes may share its line. Written by a
       receiver that closes (1) or takes over (0). */
    alignas(SHM_LINE) _Atomic uint32_t receiver_closed;
    _Atomic uint64_t receivers_joined;

    alignas(SHM_LINE) struct shm_event not_empty; /* the receiver sleeps, senders wake */
    struct shm_owner receiver;

    /* Cold: attach and takeover. Written with the mutex held, unless said. */
    alignas(SHM_LINE) union {
        pthread_mutex_t mutex;
        char mutex_room[64];
    };
    _Atomic int32_t mutex_owner_pid; /* for people */
    _Atomic uint64_t senders_joined; /* without the mutex, before the joiner marks its place occupied */
    _Atomic uint64_t lanes_damaged;  /* the receiver adds to it, without the mutex */

    alignas(SHM_LINE) struct shm_place places[];
};

/* A slot's head; the payload follows it. Written by the sender before it publishes `tail`, read by
   the receiver after it has seen `tail`; that order is tail's, so relaxed is enough here. They are
   atomic so that a hostile writer cannot change a value between two reads of it by the compiler's choice. */
struct shm_slot {
    _Atomic uint64_t ticket;
    _Atomic uint32_t length;
    uint32_t unused;
};

/* Place locks are bytes of the region's file: who holds the write lock holds the place. Bytes after
   the last sender's are bridges, held across a fork (members.c), and count as senders. */
#define SHM_RECEIVER_BYTE 0
static inline int64_t shm_sender_byte(uint32_t place)
{
    return 1 + (int64_t)place;
}

_Static_assert(sizeof(struct shm_slot) == 16, "slots cost 16 bytes");
_Static_assert(sizeof(struct shm_event) == 64, "one size for every ABI");
_Static_assert(sizeof(struct shm_place) == 3 * SHM_LINE, "a place is three pairs of lines");
_Static_assert(sizeof(pthread_mutex_t) <= 64, "room for the mutex");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "atomics must work across processes");

#endif
