/* SPDX-License-Identifier: MIT */
/*
 * How far a receiver lets a stream run ahead of it. Private memory; knows nothing.
 *
 * A receiver that looks for each message as it is written takes the lines of tail and slot from its sender at
 * every message: each then costs both of them a transfer between cores, 3 to 10 times what the rest costs. If
 * it waits a little before it looks, it finds many, and the sender was left in peace. But who waits for one
 * answer at a time must not be made to wait longer.
 * So try: after some looks that each showed a message or two, wait a little before the next one. If
 * that shows more, it is a stream, and the wait may grow until a look shows plenty. If it does not,
 * the messages come one by one: do not wait, and be slower to try again.
 */
#ifndef SHMCHAN_PACE_H
#define SHMCHAN_PACE_H

#include <stdint.h>

#define PACE_FIRST   64u /* turns of a spin: 2 us, several transfers between the farthest cores */
#define PACE_LONGEST 256u
#define PACE_FEW     4u    /* messages a look: no stream */
#define PACE_PLENTY  32u   /* what a look should show */
#define PACE_SOON    16u   /* looks before a try */
#define PACE_LATE    4096u /* ... after many tries that failed */

struct pace {
    uint32_t wait;     /* turns to wait before a look */
    uint32_t few;      /* looks in a row that showed a message or two */
    uint32_t patience; /* so many of these before the next try */
};

/* What a look has shown, after pace->wait. */
static inline void pace_learn(struct pace *pace, uint64_t messages)
{
    if (pace->wait == 0) {
        if (messages == 0 || messages >= PACE_FEW || ++pace->few < pace->patience)
            return;
        pace->wait = PACE_FIRST;
        pace->few = 0;
    } else if (messages < PACE_FEW) {
        pace->wait = 0;
        pace->patience = pace->patience < PACE_LATE ? 2 * pace->patience : PACE_LATE;
    } else {
        pace->patience = PACE_SOON;
        if (messages < PACE_PLENTY && pace->wait < PACE_LONGEST)
            pace->wait *= 2;
        else if (messages > 4 * PACE_PLENTY)
            pace->wait /= 2;
    }
}

#endif
