/* SPDX-License-Identifier: MIT */
/*
 * room.pml: back-pressure. A sender whose lane is full sleeps; the receiver wakes it.
 * Mirrors lane_room, lane_look_for_room, lane_publish, lane_advance, lane_take_waiting, lane_rest (lane.h),
 * event_init, event_raise, event_sleep, event_lower, event_post (cond.c), wait_for_room, sleep_until,
 * sleep_for_room, question_receiver (sender.c), close_receiver_place, settle (members.c), merge_init, let_go,
 * merge_sweep (merge.c).
 * One lane is enough: it is each sender's own. Ready bit, word and the receiver's sleep are one word here (`rung`;
 * idle.pml and sleep.pml have them in full). Spinning is left out: it is the same look again. So is what a send
 * asks before it finds its lane full (check_receiver): whether to begin, not how to sleep.
 *
 *   CAP slots, M messages in sends of 1 ... BATCH. A sleep ends by a post, early EARLY times, and, with BOUND, when
 *   nothing else in the world can go on: that is the end of a slice that mattered.
 *   RDEATHS  receivers die at any step; with WAITS a successor comes each time (SHMCHAN_WAIT_FOR_RECEIVER), without
 *            nobody does
 *   CLOSES   the receiver may close between two messages (without WAITS)
 *   SDEATHS  senders die at any step; a new owner takes the place when its lane is drained
 *
 * Claims
 *   unread     no slot is written that the receiver has not read
 *   whole      what is read is what was sent, in order
 *   woken      without deaths no sleep needs its bound: who can go on was woken
 *   half       when the receiver has passed half of the lane, a sender for whom that is enough does not sleep on
 *   one_slice  after one bounded sleep the sender finds room or that the receiver is gone
 *   all_received  when nothing moves any more, all that was published was received, if there is a receiver
 */
#ifndef CAP
#define CAP 2
#endif
#ifndef M
#define M 4
#endif
#ifndef BATCH
#define BATCH CAP
#endif
#ifndef BOUND
#define BOUND 1
#endif
#ifndef EARLY
#define EARLY 0
#endif
#ifndef RDEATHS
#define RDEATHS 0
#endif
#ifndef SDEATHS
#define SDEATHS 0
#endif
#ifndef WAITS
#define WAITS 0
#endif
#ifndef CLOSES
#define CLOSES 0
#endif

hidden byte unread, whole, woken, half, one_slice, all_received;
#define AT_HALF ((at & ((CAP - 1) >> 1)) == 0)
#define CLAIM(name, what) assert((what) || name)

/* ---------------------------------------------------------------------------------- shared memory */
byte tail, head;
bool idle;
bool rung;                 /* the lane's ready bit, its word's, and the receiver is awake */
bool waiting;              /* room.waiting */
bool posts;                /* room.posts, a futex */
byte slot[CAP];            /* the position written there, + 1 */
bool receiver_held = true; /* the byte locks */
bool sender_held = true;
bool queued;               /* the sender sleeps in the kernel on `posts` */
bool receiver_closed;

byte deaths;               /* so far, of either side */
byte rdeaths, sdeaths, early;
byte wanted;               /* ghost: what the sleeper needs */
bool receiver_killed, sender_killed, told;

#ifdef M_ROOM_TOO_LARGE
#define ROOM (CAP + 1 - (next - seen))
#else
#define ROOM (CAP - (next - seen))
#endif

/* event_raise: eat a late post, raise */
inline event_raise()
{
#ifndef M_CLEAR_LATE
    posts = false;
#endif
    waiting = true
}

proctype sender()
{
    byte next, seen, need, i;     /* lane_writer.tail, lane_writer.head_seen, how many at once */
    bool slept, fruitless;        /* ghost: to the end of a slice, now; and the time before */
again:
    {
    do
    :: next < M && !told ->
        /* send, or a batch that waits until all of it fits */
        if
        :: need = 1
#if BATCH > 1
        :: next + 2 <= M -> need = 2
#endif
#if BATCH > 2
        :: next + 3 <= M -> need = 3
#endif
#if BATCH > 3
        :: next + 4 <= M -> need = 4
#endif
        fi;
        if
        :: ROOM >= need
        :: else ->
            /* wait_for_room: look_for_room, then sleep_for_room slice by slice */
            seen = head;
            do
            :: ROOM >= need -> break
            :: told -> break
            :: ROOM < need && !told ->
                event_raise();
#ifndef M_NO_SECOND_LOOK
                seen = head;
#endif
#ifdef M_CLEAR_LATE
                posts = false;
#endif
                if
                :: ROOM >= need
                :: else ->
#if !WAITS
                    /* question_receiver: the word, then the kernel */
                    if
                    :: receiver_closed -> told = true
                    :: else
#ifndef M_NO_QUESTION
                        -> if :: !receiver_held -> told = true :: else fi
#endif
                    fi;
#endif
                    if
                    :: told
                    :: else ->
                        d_step { wanted = need; slept = false };
                        /* event_sleep: a look, then the kernel's, which queues in the same step */
                        if
                        :: posts
                        :: else ->
                            if
                            :: posts
                            :: d_step { !posts -> queued = true };
                                if
                                :: !queued
                                :: d_step { early < EARLY -> early++; queued = false }
                                :: atomic { timeout ->
                                        CLAIM(woken, BOUND && deaths > 0);
                                        CLAIM(one_slice, !fruitless);
                                        queued = false; slept = true }
                                fi
                            fi
                        fi;
                        d_step { posts = false; wanted = 0; fruitless = slept };
                        seen = head      /* look_for_room */
                    fi
                fi;
                waiting = false          /* event_lower */
            od
        fi;
        skip;
        d_step { slept = false; fruitless = false };
        if
        :: told -> break                 /* -EPIPE */
        :: else
        fi;
        /* write_message, each */
        do
        :: d_step { i < need ->
                CLAIM(unread, next + i - head < CAP);
                slot[(next + i) % CAP] = next + i + 1;
                i++ }
        :: else -> break
        od;
        skip;
        /* lane_publish */
        d_step { next = next + need; tail = next; i = 0; need = 0 };
        if
        :: !idle
        :: else ->
            if                           /* exchange */
            :: !idle
            :: d_step { idle -> idle = false };
                rung = true              /* ring */
            fi
        fi
    :: else -> break
    od;
    skip
    } unless { sender_killed };
    d_step { queued = false; wanted = 0 };
    sender_held = false;
#if SDEATHS
    if
    :: next < M && sender_killed ->
        /* take_if_free: the lock is free, the lane drained. Then settle, and lane_writer_init. */
        d_step {
            head == tail -> sender_held = true; sender_killed = false;
            need = 0; i = 0; slept = false; fruitless = false
        };
        waiting = false; posts = false;  /* event_init */
        d_step { idle = true; next = tail; seen = tail };
        goto again
    :: else
    fi
#endif
}

/* lane_take_waiting, then the wake (event_post). In lane_rest other steps come between the two. */
inline take_waiting()
{
    if
    :: !waiting
    :: else ->
        if                               /* exchange */
        :: d_step { waiting -> waiting = false; wake = true }
        :: !waiting
        fi
    fi
}
/* event_post: the word, then the kernel */
inline wake_sender()
{
    if
    :: wake ->
#ifndef M_NO_POSTS
        posts = true;
#endif
        d_step { queued = false; wake = false }
    :: else
    fi
}

proctype receiver()
{
    byte at, later, got;                 /* lane_reader.head, lane_reader.later, what was copied out */
    bool watched, wake;
again:
    {
    /* merge_init */
    at = head;
    later = tail;
    if
    :: later != at -> watched = true
    :: else -> watched = !idle
    fi;
    later = at;
    do
    ::  skip;
end:    if
        :: watched ->
            later = tail;                /* look_at */
            if
            :: later != at ->
                /* all that is visible, one after another */
                do
                :: at < later ->
#ifdef M_HEAD_FIRST
                    d_step { at++; head = at };
                    d_step { got = slot[(at - 1) % CAP]; CLAIM(whole, got == at); got = 0 };
#else
                    d_step { got = slot[at % CAP]; CLAIM(whole, got == at + 1); got = 0 };
#ifdef M_WAITING_FIRST
                    if
                    :: ((at + 1) & ((CAP - 1) >> 1)) == 0 -> take_waiting()
                    :: else
                    fi;
#endif
                    /* lane_advance: the store, and at each half of the lane the question who waits */
                    d_step { at++; head = at };
#endif
#ifndef M_WAITING_FIRST
                    if
                    :: AT_HALF -> take_waiting()
                    :: else
                    fi;
#endif
                    wake_sender();
                    if
                    :: AT_HALF -> CLAIM(half, !(queued && waiting && !posts && CAP - (tail - head) >= wanted))
                    :: else
                    fi
                :: else -> break
                od
            :: else ->
                /* let_go, lane_rest. Before that any number of quiet looks, which change nothing. */
#ifndef M_NO_REST_WAKE
                take_waiting();
#endif
                idle = true;
                if
#ifdef M_NO_RECHECK
                :: watched = false
#else
                :: d_step { tail == at -> watched = false }
#endif
#ifndef M_NO_RECHECK
                :: else -> idle = false
#endif
                fi;
                wake_sender()
            fi
        :: d_step { !watched && rung -> rung = false; watched = true }
#if SDEATHS || RDEATHS
        :: d_step { !watched && tail != at -> watched = true }      /* a sweep */
#endif
#if CLOSES
        /* close_receiver_place */
        :: true ->
#ifdef M_CLOSE_WAKES_FIRST
            take_waiting();
            wake_sender();
#endif
            receiver_closed = true;
#ifndef M_CLOSE_WAKES_FIRST
            take_waiting();
            wake_sender();
#endif
            break
#endif
        fi
    od
    } unless { receiver_killed };
    receiver_held = false;
#if RDEATHS && WAITS
    /* a successor: take_receiver_place, merge_init */
    d_step { receiver_held = true; receiver_killed = false; at = 0; later = 0; watched = false; wake = false };
    goto again
#endif
}

active proctype reaper()
{
    do
    :: d_step { rdeaths < RDEATHS && receiver_held && !receiver_killed ->
            receiver_killed = true; rdeaths++; deaths++ }
    :: d_step { sdeaths < SDEATHS && sender_held && !sender_killed -> sender_killed = true; sdeaths++; deaths++ }
    :: break
    od
}

/* When nothing moves any more. */
active proctype quiet()
{
    atomic { timeout -> CLAIM(all_received, queued || !receiver_held || head == tail) }
}

init
{
    atomic { run sender(); run receiver() }
}
