/* SPDX-License-Identifier: MIT */
/*
 * idle.pml: lanes that nobody watches. Idle flags, ready bits, the watch list, the sweep; places that pass on.
 * Mirrors lane_publish and lane_rest (lane.h), ready.h, look, next_ordered, merge_sweep (merge.c), settle
 * (members.c), ended (receiver.c). How a place is found and taken is end.pml's, sleeping sleep.pml's.
 *
 *   NS places; the first has LIVES owners, one after another. Each of its owners sends K messages, those of the
 *   others K1, or dies at any step
 *   (DEATHS in all). A place passes on when its lock is free and its lane drained.
 *
 * Claims
 *   order      a message is received after all whose send had returned when its ticket was taken, whether their
 *              lanes were watched or not
 *   found      when merge_next finds nothing, everything was received whose send had returned when it began:
 *              no sweep is needed for what was acknowledged
 *   complete   when recv returns 0, everything published was received: a sweep finds what a sender published
 *              and died before it rang
 */
#ifndef NS
#define NS 2
#endif
#ifndef K
#define K 1                /* sends of each owner of place 0 */
#endif
#ifndef K1
#define K1 1               /* sends of the others */
#endif
#ifndef LIVES
#define LIVES 1            /* of place 0; the others have one owner */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef SWEEPS
#define SWEEPS 0           /* 1: a busy receiver sweeps now and then */
#endif

#define OWNERS(s)    (s == 0 -> LIVES : 1)
#define SENDS(s)     (s == 0 -> K : K1)
#if K * LIVES > K1
#define LANE         (K * LIVES)
#else
#define LANE         K1
#endif
#define TICKET(s, p) slot[(s) * LANE + (p)]
#define WAKE skip
#define LAST_ACCESS(me) returned[me] = next

hidden byte order, found_at_once, complete;

#include "lanes.inc"

byte ticket = 1;
byte slot[NS * LANE];

/* The judge picks one message: what holds for any one holds for all. */
bool judging = true;
byte judged_sender, judged_position;
byte before[NS];

proctype sender(byte me)
{
    byte next, life, n, i, t;
    do
    :: life < OWNERS(me) ->
        /* take_sender_place, lane_writer_init */
        d_step { head[me] == tail[me] -> held[me] = true; next = tail[me] };
        {
#ifndef M_NO_SETTLE
        idle[me] = true;                      /* settle */
#endif
        do
        ::  /* Takes a ticket and writes its slot, which nobody reads before it is published (merge.pml has the two
               apart). */
            d_step { n < SENDS(me) ->
                TICKET(me, next) = ticket; ticket++;
                n++;
                if
                :: judging && judged_sender == me && judged_position == next ->
                    do :: i < NS -> before[i] = (i == me -> 0 : returned[i]); i++ :: else -> break od;
                    i = 0
                :: else
                fi };
            publish(me, 1)
        :: else -> break
        od;
        skip
        } unless { killed[me] };
        skip;
        /* Closed, or killed and the kernel has noticed. A close's own ring is sleep.pml's. */
        d_step { held[me] = false; killed[me] = false; life++; n = 0; next = 0 }
    :: else -> break
    od
}

active proctype reaper()
{
end:
    do
    EACH_MORTAL
    od
}

active proctype receiver()
{
    byte at[NS], earlier[NS], later[NS];
    bool watched[NS];
    byte best, i, took, bits;
    bool found;
    bool owed;              /* ghost: the judged message's send had returned when this recv began */
    byte published;         /* ghost: the judged lane's tail at the question */

    /* merge_init in a new region: all idle flags are down, so all lanes are watched */
    d_step { do :: i < NS -> watched[i] = true; i++ :: else -> break od; i = 0 };
next:
    skip;
    /* recv begins, and with it merge_next */
    d_step { owed = judging && returned[judged_sender] > judged_position; top() };
    do
    ::  d_step { TOP_IS_SETTLED ->
            if
            :: judging && judged_sender == best && judged_position == at[best] ->
                do :: i < NS -> CLAIM(order, at[i] >= before[i]); before[i] = 0; i++ :: else -> break od;
                i = 0; judging = false; judged_sender = 0; judged_position = 0
            :: else
            fi;
            /* lane_advance */
            at[best]++;
            head[best] = at[best];
            if :: earlier[best] < at[best] -> earlier[best] = at[best] :: else fi;
            best = 0; owed = false };
        goto next
    :: else ->
        /* look */
#ifdef M_RINGS_WHEN_EMPTY
        if :: best == NS -> watch_who_rang() :: else fi;
#else
        watch_who_rang();
#endif
#if SWEEPS
        if :: skip :: merge_sweep(); found = false fi;
#endif
        look_at_all();
        skip;
        d_step { top() };
        if :: best == NS -> break :: else fi
    od;
    skip;
    d_step { CLAIM(found_at_once, !(owed && at[judged_sender] <= judged_position)); owed = false; best = 0 };

    /* ended: one question to the kernel about all places, then the sweep */
    if
    :: ANY_HELD -> goto next
    :: else -> published = tail[judged_sender]
    fi;
#ifdef M_NO_SWEEP
    found = false;
#else
    merge_sweep();
#endif
    skip;
    d_step {
        /* recv returns 0, and may be called again: a new owner may come (senders_joined is left out) */
        CLAIM(complete, found || at[judged_sender] >= published);
        published = 0; found = false
    };
    goto next
}

init
{
    atomic {
        byte i;
        select(i : 0 .. NS - 1);
        judged_sender = i;
        select(i : 0 .. SENDS(judged_sender) * OWNERS(judged_sender) - 1);
        judged_position = i;
        i = 0;
        do :: i < NS -> run sender(i); i++ :: else -> break od;
        i = 0
    }
}
