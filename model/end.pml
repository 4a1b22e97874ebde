/* SPDX-License-Identifier: MIT */
/*
 * end.pml: who is there, and the end of the channel. Place locks, fork with its bridge, places that pass on, the
 * question before the last look.
 * Mirrors take_any, take_if_free, take_sender_place, give_up_place, before_fork, after_fork_in_parent, adopt,
 * adopt_channel (members.c), mutex_lock with its recovery (mutex.c), liveness.c, ended, sleep_for_message
 * (receiver.c). Idle flags, tickets and the wake itself are left out: a ring is one word (`rung`), a message found
 * is one received.
 *
 * A parent with a sender forks a child, and closes its own sender at once, or dies. A newcomer attaches at any
 * moment. Each of the three sends one message (the parent before the fork or after it); DEATHS of them are
 * killed, at any step. The child lives on when it has closed its sender, with what descriptors it has. NP places
 * of one slot each. The receiver calls recv for ever, also after a 0.
 *
 * The kernel's locks: lock[b] is the open description that holds byte b, 0 nobody. A description lives as long as
 * some process has a descriptor of it; unlocking through any of them unlocks; with the last its locks go.
 *
 * Claims
 *   nobody     when the question says that nobody holds a sender, no living process has one: the parent's counts
 *              until it closes it, the child's from the instant of fork until it closes it or is told why it has
 *              none
 *   complete   when recv then returns 0, everything published before the question was received
 *   end_comes  when nobody has a sender any more, recv returns 0 after one slice at the latest
 *   unread     nobody writes a slot that was not received
 *   not_sticky the same of each recv after the first 0: what a newcomer sends then is received
 *   woken      (with PROMPT) without deaths the end needs no slice. Holds with three places, not with two, unless
 *              RINGS: see docs/MODEL.md
 */
#ifndef NP
#define NP 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef PROMPT
#define PROMPT 0
#endif

#ifndef RINGS
#define RINGS 0               /* 1: who drops a lock without leaving (-EUSERS, a failed adoption) rings too */
#endif

#define BRIDGE NP             /* its byte, after the places' */
#define PARENT 1              /* processes; and the descriptions that they lock with */
#define CHILD 2               /* the bridge's description becomes the child's */
#define NEWCOMER 3

hidden byte nobody, complete, end_comes, unread, not_sticky, woken;
#define CLAIM(name, what) assert((what) || name)

/* ---------------------------------------------------------------------------------- shared memory */
byte tail[NP], head[NP];
bool rung;
byte mutex;                   /* its owner; robust */

/* ------------------------------------------------------------------------------------- the kernel */
byte lock[NP + 1];
byte descriptors[4];          /* how many processes have one of this description */
bool dead[4];                 /* the kernel has noticed, for the mutex */

bool killed[4], forked;
byte deaths;
bool counts[4];               /* ghost: this process has a sender, as its user sees it */

inline close_description(d)
{
    d_step {
        descriptors[d]--;
        if
        :: descriptors[d] == 0 ->
            k = 0;
            do
            :: k <= NP -> if :: lock[k] == d -> lock[k] = 0 :: else fi; k++
            :: else -> break
            od;
            k = 0
        :: else
        fi
    }
}

/* liveness_drop: only what this description holds. */
inline drop(d, b)
{
    d_step { if :: lock[b] == d -> lock[b] = 0 :: else fi }
}

/* One message in an empty lane of one slot: write, publish, ring. */
inline send(p)
{
    d_step { CLAIM(unread, head[p] == tail[p]) };
    tail[p] = tail[p] + 1;
    rung = true
}

/* take_sender_place with take_any and take_if_free, through description d. The hints are left out. place NP: there
   is none (-EUSERS). */
inline take_place(me, d)
{
    /* mutex_lock: recovered, if its owner died */
#ifdef M_NO_RECOVERY
    atomic { mutex == 0 -> mutex = me };
#else
    atomic { mutex == 0 || dead[mutex] -> mutex = me };
#endif
    do
    :: place < NP ->
#ifndef M_GIVE_EARLY
        /* take_any looks first: drained? */
        if :: head[place] != tail[place] -> goto no :: else fi;
#endif
        if :: lock[place] != 0 -> goto no :: else fi;        /* liveness_held */
        d_step { if :: lock[place] == 0 -> lock[place] = d :: else fi };   /* liveness_hold */
        if :: lock[place] != d -> goto no :: else fi;
#if !defined M_GIVE_EARLY && !defined M_DRAINED_BEFORE_LOCK
        /* drained, now that its owner is gone: tail no longer moves, head moves up to it at the most */
        if
        :: head[place] != tail[place] -> drop(d, place);
#if RINGS
            rung = true;
#endif
            goto no
        :: else
        fi;
#endif
        break;
no:     place++
    :: else -> break
    od;
    mutex = 0
}

proctype child()
{
    byte place, k;
    bool inherited = true;
    {
#ifdef M_NO_BRIDGE
    descriptors[CHILD] = 1;
#endif
#ifdef M_BRIDGE_FIRST
    drop(CHILD, BRIDGE);
#endif
    /* adopt_channel: adopt, join_sender */
    take_place(CHILD, CHILD);
    if :: place == NP -> counts[CHILD] = false :: else fi;   /* its handle says why */
    drop(CHILD, BRIDGE);
#ifndef M_KEEP_INHERITED
    atomic { inherited = false; close_description(PARENT) };
#endif
#if RINGS
    rung = true;
#endif
    if
    :: place < NP ->
        send(place);
        /* shmchan_sender_close: give_up_place */
        d_step { drop(CHILD, place); counts[CHILD] = false };
        rung = true
    :: else
    fi;
end:
    false                                        /* lives on */
    } unless { killed[CHILD] };
    dead[CHILD] = true;
    close_description(CHILD);
    if :: inherited -> close_description(PARENT) :: else fi
}

proctype parent()
{
    byte k;
    bool bridge, sent;
    {
    if
    :: send(0); sent = true
    :: true
    fi;
#ifndef M_NO_BRIDGE
    /* before_fork */
    d_step { descriptors[CHILD] = 1; bridge = true };
    lock[BRIDGE] = CHILD;
#endif
    /* fork: one instant */
    atomic {
        descriptors[PARENT]++;
#ifndef M_NO_BRIDGE
        descriptors[CHILD]++;
#endif
        counts[CHILD] = true;
        forked = true;
        run child()
    };
#ifndef M_NO_BRIDGE
    /* after_fork_in_parent */
    atomic { bridge = false; close_description(CHILD) };
#endif
    if
    :: !sent -> send(0)
    :: sent
    fi;
    /* shmchan_sender_close: give_up_place */
    d_step { drop(PARENT, 0); counts[PARENT] = false };
    rung = true
    } unless { killed[PARENT] };
    dead[PARENT] = true;
    if
    :: bridge -> close_description(CHILD)
    :: else
    fi;
    close_description(PARENT)
}

proctype newcomer()
{
    byte place, k;
    {
    descriptors[NEWCOMER] = 1;
    take_place(NEWCOMER, NEWCOMER);
    if
    :: place < NP ->
        send(place);
        drop(NEWCOMER, place);
        rung = true
    :: else
    fi
    } unless { killed[NEWCOMER] };
    dead[NEWCOMER] = true;
    if
    :: descriptors[NEWCOMER] > 0 -> close_description(NEWCOMER)
    :: else
    fi
}

#define MORTAL(p, there) \
    :: d_step { deaths < DEATHS && (there) && !killed[p] && !dead[p] -> \
            killed[p] = true; counts[p] = false; deaths++ }
proctype reaper()
{
    do
    MORTAL(PARENT, true)
    MORTAL(CHILD, forked)
    MORTAL(NEWCOMER, true)
    :: break
    od
}

#define HELD (lock[0] != 0 || lock[1] != 0 || lock[NP - 1] != 0 || lock[BRIDGE] != 0)

/* A receiver that calls recv for ever, also after it returned 0. */
proctype receiver()
{
    byte i, judged, published;
    bool fruitless;
    bool was_zero;                               /* ghost: a recv has returned 0 */
    select(judged : 0 .. NP - 1);
recv:
#ifdef M_STICKY
    if
    :: d_step { was_zero -> published = tail[judged] }; goto is_the_end
    :: else
    fi;
#endif
next:
    rung = false;                                /* watch_who_rang */
    do                                           /* look */
    :: d_step { i < NP && head[i] != tail[i] -> head[i]++; i = 0; fruitless = false }; goto next
    :: d_step { i < NP && head[i] == tail[i] -> i++ }
    :: d_step { i == NP -> i = 0 }; break
    od;
    /* ended: the question, one call for all bytes; then the full look */
#ifdef M_ASK_LATE
    goto sweep;
asked:
#endif
    if
    :: HELD ->
        /* event_sleep, unless somebody rang meanwhile */
        if
        :: rung
        :: atomic { timeout ->
                CLAIM(end_comes, !fruitless);
#if PROMPT
                CLAIM(woken, deaths > 0);
#endif
                fruitless = true }
        fi;
        goto next
    :: d_step { !HELD ->
            CLAIM(nobody, !counts[PARENT] && !counts[CHILD]);
            published = tail[judged] }
    fi;
#ifdef M_ASK_LATE
    goto no_more;
sweep:
#endif
    do                                           /* merge_sweep */
    :: d_step { i < NP && head[i] != tail[i] -> i = 0; published = 0 }; goto next
    :: d_step { i < NP && head[i] == tail[i] -> i++ }
    :: d_step { i == NP -> i = 0 }; break
    od;
#ifdef M_ASK_LATE
    goto asked;
no_more:
#endif
is_the_end:
    skip;
    d_step {                                     /* recv returns 0 */
        CLAIM(complete, was_zero || head[judged] >= published);
        CLAIM(not_sticky, !was_zero || head[judged] >= published);
        was_zero = true; published = 0; fruitless = false
    };
    goto recv
}

init
{
    atomic {
        /* shmchan_pair, or an open, has run: the parent has place 0 */
        lock[0] = PARENT; descriptors[PARENT] = 1; counts[PARENT] = true;
        run parent();
        run newcomer();
        run receiver();
        run reaper()
    }
}
