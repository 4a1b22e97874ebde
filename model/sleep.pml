/* SPDX-License-Identifier: MIT */
/*
 * sleep.pml: the receiver sleeps; who sends or closes wakes it.
 * Mirrors sleep_for_message, ended (receiver.c), merge_rest (merge.c), event_raise, event_sleep, event_lower,
 * event_wake, event_post (cond.c), members_ring, give_up_place, take_receiver_place (members.c), and what is in
 * lanes.inc. Unordered: which message is next is merge.pml's and idle.pml's. Spinning is the same look again.
 *
 *   NS senders send K messages each (K1 all but the first), then close or live on in silence. A sleep ends by a
 *   post, early EARLY times, and, with BOUND, when nothing else in the world can go on: that is the end of a slice
 *   that mattered.
 *   DEATHS   senders die at any step; with STOPS they are stopped for good instead, and keep their locks
 *   RDEATHS  receivers die at any step, and a successor comes each time
 *
 * Claims
 *   woken      without deaths no sleep needs its bound: no wake-up is lost
 *   acknowledged  (with ACKNOWLEDGED, in place of `woken`) no sleep over a message whose send has returned needs
 *              it. With two senders, a death and no bound this does not hold: see docs/MODEL.md
 *   one_slice  after one bounded sleep that nobody ended the receiver has a message, or the end; where
 *              senders live on: it has all that was published
 *   complete   when recv returns 0, everything published was received
 */
#ifndef NS
#define NS 2
#endif
#ifndef K
#define K 1
#endif
#ifndef K1
#define K1 1
#endif
#ifndef BOUND
#define BOUND 1
#endif
#ifndef EARLY
#define EARLY 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef RDEATHS
#define RDEATHS 0
#endif

#define SENDS(s)        (s == 0 -> K : K1)
#define LAST_ACCESS(me) skip
#define MAY_DIE(s)      (!gone[s])     /* also when it has closed and not yet rung */
#define WAKE            event_wake()

hidden byte woken, acknowledged, one_slice, complete;

#include "lanes.inc"

bool waiting;              /* not_empty.waiting */
bool posts;                /* not_empty.posts, a futex */
bool queued;               /* the receiver sleeps in the kernel on `posts` */
byte early, rdeaths;
bool gone[NS];             /* this sender has nothing more to do */
bool receiver_killed, over;

/* event_wake */
inline event_wake()
{
    if
    :: !waiting
    :: else ->
        if                                     /* exchange */
        :: !waiting
        :: d_step { waiting -> waiting = false };
            /* event_post: the word, then the kernel */
#ifndef M_NO_POSTS
            posts = true;
#endif
            queued = false
        fi
    fi
}

proctype sender(byte me)
{
    byte next, n;
    {
    idle[me] = true;                           /* settle */
    do
    :: n < SENDS(me) -> n++; publish(me, 1);
#ifdef ACKNOWLEDGED
        returned[me] = next
#endif
    :: else -> break
    od;
    /* It closes, or lives on in silence. give_up_place: */
    if :: goto silent :: true fi;
#ifdef M_CLOSE_RINGS_FIRST
    ready_set(me);
    event_wake();
    held[me] = false;
#else
    held[me] = false;
    ready_set(me);
    event_wake();
#endif
silent:
    skip
    } unless { killed[me] };
    d_step {
        gone[me] = true;
        if :: killed[me] && !STOPS -> held[me] = false :: else fi
    }
}

active proctype reaper()
{
    do
    EACH_MORTAL
    :: d_step { rdeaths < RDEATHS && !receiver_killed && !over -> receiver_killed = true; rdeaths++; deaths++ }
    :: break
    od
}

proctype receiver()
{
    byte at[NS], earlier[NS], later[NS];
    bool watched[NS];
    byte best, i, took, bits;
    bool found, fruitless;
again:
    {
    merge_init();
next:
    watch_who_rang();
    look_at_all();
    skip;
taken:
    skip;
    d_step { best = 0; do :: best < NS && at[best] == later[best] -> best++ :: else -> break od };
    if
    :: d_step { best < NS -> at[best]++; head[best] = at[best]; earlier[best] = at[best]; fruitless = false };
        goto taken
    :: else -> best = 0
    fi;

    /* sleep_for_message. merge_rest: all lanes are let go, or there is something to look at */
    do
    :: d_step { i < NS && !watched[i] -> i++ }
    :: i < NS && watched[i] ->
        let_go(i);
        if :: watched[i] -> found = true :: else fi;
        i++
    :: d_step { i == NS -> i = 0 }; break
    od;
    if :: found -> found = false; goto next :: else fi;
    /* event_raise: eat a late post, raise */
#ifndef M_CLEAR_LATE
    posts = false;
#endif
    waiting = true;
    /* the second look: who rang, who is there */
#ifndef M_NO_SECOND_CHECK
    if :: words != 0 -> goto lower :: else fi;
#endif
    if
    :: ANY_HELD
    :: else ->
#ifndef M_NO_FULL_LOOK
        merge_sweep();
#endif
        if :: found -> found = false; goto lower :: else -> goto finished fi
    fi;
#ifdef M_CLEAR_LATE
    posts = false;
#endif
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
                    best = 0;
                    do :: best < NS && at[best] == tail[best] -> best++ :: else -> break od;
                    if
                    :: best == NS && ANY_HELD -> goto quiet      /* nothing is owed: it may sleep for ever */
                    :: else
                    fi;
                    best = 0;
#ifdef ACKNOWLEDGED
                    do
                    :: best < NS -> CLAIM(acknowledged, BOUND || at[best] >= returned[best]); best++
                    :: else -> break
                    od;
                    best = 0;
                    if :: !BOUND -> goto quiet :: else fi;
#else
                    CLAIM(woken, BOUND && deaths > 0);
#endif
                    CLAIM(one_slice, !fruitless);
                    queued = false; fruitless = true }
            fi
        fi
    fi;
    if
    :: d_step { posts -> posts = false }       /* woken */
#ifdef M_NO_SWEEP
    :: d_step { !posts -> skip }
#else
    :: d_step { !posts -> skip }; merge_sweep(); found = false
#endif
    fi;
lower:
    waiting = false;                           /* event_lower */
    goto next;
finished:
    waiting = false;
    d_step { do :: i < NS -> CLAIM(complete, at[i] == tail[i] && !held[i]); i++ :: else -> break od; i = 0 };
quiet:
    skip
    } unless { receiver_killed };
#if RDEATHS
    if
    :: receiver_killed ->
        /* take_receiver_place: event_init; then merge_init */
        d_step {
            receiver_killed = false; queued = false; fruitless = false;
            i = 0; took = 0; bits = 0; best = 0; found = false
        };
        waiting = false;
        posts = false;
        goto again
    :: else -> over = true
    fi
#endif
}

init
{
    atomic {
        byte i;
        do :: i < NS -> held[i] = true; run sender(i); i++ :: else -> break od;
        run receiver();
        i = 0
    }
}
