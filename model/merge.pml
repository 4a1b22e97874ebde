/* SPDX-License-Identifier: MIT */
/*
 * merge.pml: one queue. Tickets, two looks, batches; senders that die at any step.
 * Mirrors send_whole (sender.c), lane_publish and lane_tail (lane.h), look_at, next_ordered and
 * advance_ordered (merge.c), ended (receiver.c). Without idle flags (idle.pml) and without room (room.pml).
 *
 * One Promela step is one access to shared memory; what the C code computes privately in between goes with
 * it in a d_step. Sequentially consistent.
 *
 *   NS senders make K sends each; a send is one message, or BATCH of them if its sender is below BATCHERS.
 *   DEATHS of them die, at any step.
 *
 * Claims
 *   order      a message is received after all whose send had returned when its ticket was taken
 *   whole      what is received had been written before
 *   in_a_row   nothing is received between two messages of one batch
 *   all_or_none  of a batch whose sender died all is received or nothing
 *   complete   when recv returns 0, everything published was received
 *   settled    next_ordered never falls back on a message that the earlier look did not see
 */
#ifndef NS
#define NS 2
#endif
#ifndef K
#define K 2
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef BATCHERS
#define BATCHERS 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifdef M_FEWER_LOOKS
#define LOOKS (NS - 1)
#else
#define LOOKS (NS + 1)
#endif

#if NS > 2
#define ANY_HELD (held[0] || held[1] || held[2])
#else
#define ANY_HELD (held[0] || held[1])
#endif
#define SIZE(s)    (s < BATCHERS -> BATCH : 1)
#define LANE       (K * BATCH)     /* positions in a lane; none is used twice here */
#define SLOT(s, p) slot[(s) * LANE + (p)]

hidden byte order, whole, in_a_row, all_or_none, complete, settled;
#define CLAIM(name, what) assert((what) || name)

/* ---------------------------------------------------------------------------------- shared memory */
byte ticket = 1;          /* control->ticket */
byte slot[NS * LANE];     /* the ticket in the slot, which stands for all of it; 0: not written */
byte tail[NS];            /* place.tail */
bool held[NS];            /* the byte locks */

/* -------------------------------------------------------------------------------------- the judge */
/* The judge picks one send before anything begins, and records what had returned when its ticket was taken:
   what holds for any one holds for all. */
byte judged_sender, judged_position;
byte before[NS];
byte returned[NS];        /* messages whose send has returned */
bool killed[NS];
byte deaths;

proctype sender(byte me)
{
    byte next, t, i;      /* next: lane_writer.tail, private */
    {
    do
    ::  /* take_ticket */
        d_step {
            next < K * SIZE(me) ->
#ifdef M_NO_TICKET
            t = 1;
#else
            t = ticket; ticket++;
#endif
            if
            :: judged_sender == me && judged_position == next ->
                do :: i < NS -> before[i] = (i == me -> 0 : returned[i]); i++ :: else -> break od;
                i = 0
            :: else
            fi
        };
#ifdef M_PUBLISH_FIRST
        tail[me] = next + SIZE(me);
#endif
#ifdef M_TICKET_LAST
        tail[me] = next + SIZE(me);
        d_step { t = ticket; ticket++ };
#endif
        /* write_message, one after another */
        do
        :: d_step { i < SIZE(me) -> SLOT(me, next + i) = t; i++ };
#ifdef M_TICKET_EACH
            d_step { t = ticket; ticket++ };
#endif
#ifdef M_PUBLISH_EACH
            tail[me] = next + i;
#endif
        :: else -> break
        od;
        skip;
        /* lane_publish: the one store; the send returns */
        d_step { i = 0; t = 0; next = next + SIZE(me); tail[me] = next; returned[me] = next }
    :: else -> break
    od
    } unless { killed[me] };
    held[me] = false     /* closed; or killed, and the kernel has noticed */
}

/* The deaths. */
active proctype reaper()
{
    byte i;
end:
    do
    :: atomic { deaths < DEATHS -> select(i : 0 .. NS - 1);
                if :: held[i] && !killed[i] -> killed[i] = true; deaths++ :: else fi; i = 0 }
    od
}

/* A receiver that calls recv until it returns 0. */
proctype receiver()
{
    byte head[NS], earlier[NS], later[NS], key[NS];     /* struct lane_reader */
    byte best, i, looks, due = NS;
    bool found;

next:
    looks = 0;
    do
    ::  /* next_ordered. The heap's top: of the visible messages the one with the smallest ticket. */
        d_step {
            best = NS;
            do
            :: i < NS ->
                if
                :: head[i] < later[i] && (best == NS || key[i] < key[(best == NS -> 0 : best)]) -> best = i
                :: else
                fi;
                i++
            :: else -> break
            od;
            i = 0
        };
        if
#ifdef M_ONE_LOOK
        :: best < NS ->
#else
        :: best < NS && (head[best] < earlier[best] || looks > LOOKS) ->
#endif
            d_step {
                CLAIM(settled, looks <= LOOKS);
                CLAIM(whole, SLOT(best, head[best]) != 0);
                CLAIM(in_a_row, due == NS || due == best);
                if
                :: judged_sender == best && judged_position == head[best] ->
                    do :: i < NS -> CLAIM(order, head[i] >= before[i]); i++ :: else -> break od;
                    i = 0
                :: else
                fi;
                /* merge_advance, advance_ordered: the next one's ticket is read now, if it is visible */
                head[best]++;
                due = (head[best] % SIZE(best) != 0 -> best : NS);
                if
                :: head[best] < later[best] -> key[best] = SLOT(best, head[best])
                :: else -> key[best] = 0
                fi;
                /* Private: an `earlier` that head has passed says no more than one that it has reached. */
                if :: earlier[best] < head[best] -> earlier[best] = head[best] :: else fi
            };
            goto next
        :: else
        fi;
        /* look: each tail is one load (look_at); pending_add reads the ticket of the first that shows */
        do
        :: d_step { i < NS ->
                earlier[i] = later[i];
                if
                :: tail[i] > later[i] ->
                    if :: head[i] == later[i] -> key[i] = SLOT(i, head[i]) :: else fi;
                    later[i] = tail[i]
                :: else
                fi;
                i++ }
        :: else -> break
        od;
        skip;
        d_step {
            looks++; i = 0; found = false;
            do :: i < NS -> found = found || head[i] < later[i]; i++ :: else -> break od;
            i = 0
        };
        if :: !found -> break :: else -> found = false fi
    od;

    /* ended: one question to the kernel about all places, then the sweep (merge_sweep), a load each. */
#ifndef M_ASK_LATE
    if
    :: d_step { ANY_HELD -> looks = 0 }; goto next
    :: else
    fi;
#endif
    do
    :: i < NS ->
        if
        :: d_step { tail[i] != head[i] -> i = 0; looks = 0 }; goto next
        :: else -> i++
        fi
    :: else -> break
    od;
#ifdef M_ASK_LATE
    if
    :: d_step { ANY_HELD -> looks = 0; i = 0 }; goto next
    :: else
    fi;
#endif
    skip;
    d_step {
        i = 0;
        CLAIM(all_or_none, due == NS);
        do :: i < NS -> CLAIM(complete, head[i] == tail[i] && head[i] >= returned[i]); i++ :: else -> break od
    }
}

init
{
    atomic {
        byte i;
        select(i : 0 .. NS - 1);
        judged_sender = i;
        select(i : 0 .. K - 1);
        judged_position = i * SIZE(judged_sender);
        i = 0;
        do :: i < NS -> held[i] = true; run sender(i); i++ :: else -> break od;
        run receiver();
        i = 0
    }
}
