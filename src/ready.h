/* SPDX-License-Identifier: MIT */
/*
 * The ready words: which lanes were filled while the receiver did not watch them. A bit a lane, and a
 * word with a bit for each word that has any. Plain memory; knows layout.h alone.
 *
 * ready_words carries the order: the sender's set comes before its load of the receiver's `waiting`, the
 * receiver's raise of `waiting` before its ready_any (see cond.h), all sequentially consistent; and who takes
 * a word's bit sees the bit that was set before it. The bits in ready[] need no order of their own; a tail
 * that the receiver does not see yet it sees at the next look, or at the latest in lane_rest.
 */
#ifndef SHMCHAN_READY_H
#define SHMCHAN_READY_H

#include <stdbool.h>

#include "layout.h"

static inline void ready_set(struct shm_control *control, uint32_t place)
{
    uint32_t word = place / 64;
    atomic_fetch_or_explicit(&control->ready[word], UINT64_C(1) << place % 64, memory_order_seq_cst);
    /* Second: who takes this bit finds the one above. */
    atomic_fetch_or_explicit(&control->ready_words, UINT64_C(1) << word, memory_order_seq_cst);
}

static inline bool ready_any(const struct shm_control *control)
{
    return atomic_load_explicit(&control->ready_words, memory_order_seq_cst) != 0;
}

/* Which words have any; they are cleared. */
static inline uint64_t ready_take_words(struct shm_control *control)
{
    return atomic_exchange_explicit(&control->ready_words, 0, memory_order_seq_cst);
}

static inline uint64_t ready_take(struct shm_control *control, uint32_t word)
{
    return atomic_exchange_explicit(&control->ready[word], 0, memory_order_seq_cst);
}

#endif
