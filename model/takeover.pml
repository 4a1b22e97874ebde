/* SPDX-License-Identifier: MIT */
/*
 * takeover.pml: the receiver dies at any step, and a successor goes on.
 * Mirrors lane_reader_init (lane.h), merge_init, merge_next, merge_advance (merge.c), receive, shmchan_peek,
 * shmchan_release, ended (receiver.c), and what is in lanes.inc. The channel waits for its receiver
 * (SHMCHAN_WAIT_FOR_RECEIVER), or the successor is there before a sender asks. That there is one receiver at a
 * time is the kernel's doing (the byte lock); sleeping and its takeover are in sleep.pml, room in room.pml.
 *
 *   NS senders send K messages each (K1 all but the first); RDEATHS receivers and DEATHS senders die at any step.
 *   A receive copies the message out, or hands it out in place (peek), and then stores head (release); with that
 *   store it has returned.
 *
 * Claims
 *   once       what a receive returned, by whatever receiver, is not received again
 *   none_lost  each receive returns the message after the one returned last, of its lane
 *   order      across receivers: a message is received after all whose send had returned when its ticket was taken
 *   found_at_once  when merge_next finds nothing, everything was received whose send had returned when it began:
 *              also what rang to a receiver that died
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
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef RDEATHS
#define RDEATHS 1
#endif

#define SENDS(s) (s == 0 -> K : K1)
#if K > K1
#define LANE     K
#else
#define LANE     K1
#endif
#define TICKET(s, p)    slot[(s) * LANE + (p)]
#define WAKE            skip
#define LAST_ACCESS(me) returned[me] = next

hidden byte once, none_lost, order, found_at_once, complete;

#include "lanes.inc"

byte ticket = 1;
byte slot[NS * LANE];
bool receiver_killed;
byte rdeaths;

/* The judge picks one message: what holds for any one holds for all. */
bool judging = true;
byte judged_sender, judged_position;
byte before[NS];
byte taken[NS];             /* ghost: messages of this lane whose receive has returned */

proctype sender(byte me)
{
    byte next, i;
    {
    idle[me] = true;                          /* settle */
    do
    ::  d_step { next < SENDS(me) ->
            TICKET(me, next) = ticket; ticket++;
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
    held[me] = false
}

active proctype reaper()
{
end:
    do
    EACH_MORTAL
    :: d_step { rdeaths < RDEATHS && !receiver_killed -> receiver_killed = true; rdeaths++ }
    od
}

/* The receive returns: the ledger. */
inline take_returns(s)
{
    CLAIM(none_lost, position == taken[s]);
    if
    :: judging && judged_sender == s && judged_position == position ->
        do :: i < NS -> CLAIM(order, taken[i] >= before[i]); before[i] = 0; i++ :: else -> break od;
        i = 0; judging = false; judged_sender = 0; judged_position = 0
    :: else
    fi;
    taken[s]++;
    position = 0
}

inline taken_in_private()
{
    if :: earlier[best] < at[best] -> earlier[best] = at[best] :: else fi;
    best = 0; owed = false
}

proctype receiver()
{
    byte at[NS], earlier[NS], later[NS];
    bool watched[NS];
    byte best, i, took, bits, position;
    bool found;
    bool owed;              /* ghost: the judged message's send had returned when this recv began */
    byte published;         /* ghost: the judged lane's tail at the question */
again:
    {
    merge_init();
next:
    skip;
    /* recv begins, and with it merge_next */
    d_step { owed = judging && returned[judged_sender] > judged_position; top() };
    do
    :: TOP_IS_SETTLED ->
#ifdef M_HEAD_FIRST
        d_step { position = at[best]; at[best]++; head[best] = at[best] };
        d_step { CLAIM(once, position >= taken[best]); take_returns(best); taken_in_private() };
#else
        /* copy_out; or peek hands it out */
        d_step { position = at[best]; CLAIM(once, position >= taken[best]) };
#ifdef M_HEAD_LATE
        d_step { take_returns(best) };
        d_step { at[best]++; head[best] = at[best]; taken_in_private() };
#else
        /* advance; or release */
        d_step { at[best]++; head[best] = at[best]; take_returns(best); taken_in_private() };
#endif
#endif
        goto next
    :: else ->
        watch_who_rang();
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
        CLAIM(complete, found || at[judged_sender] >= published);
        published = 0
    };
    if :: found -> found = false; goto next :: else fi
    } unless { receiver_killed };
    if
    :: receiver_killed ->
        d_step {
            receiver_killed = false;
            i = 0; took = 0; bits = 0; best = 0; position = 0; found = false; owed = false; published = 0
        };
        goto again
    :: else
    fi
}

init
{
    atomic {
        byte i;
        select(i : 0 .. NS - 1);
        judged_sender = i;
        select(i : 0 .. SENDS(judged_sender) - 1);
        judged_position = i;
        i = 0;
        do :: i < NS -> held[i] = true; run sender(i); i++ :: else -> break od;
        run receiver();
        i = 0
    }
}
