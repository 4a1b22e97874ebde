/* SPDX-License-Identifier: MIT */
#include "merge.h"

#include <errno.h>
#include <stdlib.h>

#define QUIET_LOOKS 128u       /* an empty lane is let go after so many */
#define SWEEP_AFTER (1u << 18) /* a busy receiver sweeps after so many messages, or looks times ... */
#define LOOK_COST   64u        /* ... this */
#define BURST       64u        /* unordered: so many of one lane before the next */

/* ------------------------------------------------------------------------- the pending lanes, ordered: a
 * heap */

static uint64_t key(const struct merge *m, uint32_t index)
{
    return m->lanes[m->pending[index]].ticket;
}

static void swap(struct merge *m, uint32_t a, uint32_t b)
{
    uint32_t lane = m->pending[a];
    m->pending[a] = m->pending[b];
    m->pending[b] = lane;
}

static void sift_up(struct merge *m, uint32_t i)
{
    for (; i > 0 && key(m, i) < key(m, (i - 1) / 2); i = (i - 1) / 2)
        swap(m, i, (i - 1) / 2);
}

static void sift_down(struct merge *m, uint32_t i)
{
    for (;;) {
        uint32_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < m->pending_count && key(m, left) < key(m, least))
            least = left;
        if (right < m->pending_count && key(m, right) < key(m, least))
            least = right;
        if (least == i)
            return;
        swap(m, i, least);
        i = least;
    }
}

static void read_ticket(struct merge *m, uint32_t place)
{
    m->lanes[place].ticket = lane_ticket(&m->lanes[place], &m->shape);
}

static void pending_add(struct merge *m, uint32_t place)
{
    /* One lane alone was taken from without a look at its tickets (merge_advance). */
    if (m->ordered && m->pending_count == 1)
        read_ticket(m, m->pending[0]);
    read_ticket(m, place);
    m->pending[m->pending_count++] = place;
    if (m->ordered)
        sift_up(m, m->pending_count - 1);
}

/* ------------------------------------------------------------------------------------------- watching */

static void watch(struct merge *m, uint32_t place)
{
    struct lane_reader *l = &m->lanes[place];
    if (l->watched)
        return;
    l->watched = true;
    l->quiet = 0;
    l->earlier = l->later = l->head; /* it was in no look yet */
    m->watched[m->watched_count++] = place;
}

static void unwatch(struct merge *m, uint32_t index)
{
    m->lanes[m->watched[index]].watched = false;
    m->watched[index] = m->watched[--m->watched_count];
}

/* True: the lane at `index` of watched is let go. */
static bool let_go(struct merge *m, uint32_t index)
{
    bool wake;
    uint32_t place = m->watched[index];
    bool resting = lane_rest(&m->lanes[place], &wake);
    if (wake)
        m->hooks.wake(m->hooks.context, place);
    if (resting)
        unwatch(m, index);
    return resting;
}

static void watch_who_rang(struct merge *m)
{
    if (!ready_any(m->control))
        return;
    /* Bits beyond our lanes were set by no sender of ours. */
    for (uint64_t words = ready_take_words(m->control); words; words &= words - 1) {
        uint32_t word = (uint32_t)__builtin_ctzll(words);
        for (uint64_t bits = ready_take(m->control, word); bits; bits &= bits - 1) {
            uint32_t place = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (place < m->lane_count)
                watch(m, place);
        }
    }
}

bool merge_sweep(struct merge *m)
{
    bool found = false;
    for (uint32_t place = 0; place < m->lane_count; place++) {
        if (lane_tail(&m->lanes[place]) == m->lanes[place].head)
            continue;
        watch(m, place);
        found = true;
    }
    m->sweep_after = SWEEP_AFTER;
    return found;
}

/* -------------------------------------------------------------------------------------------- looking */

/*
 * A tail that cannot be. Put it back to head: nothing is taken twice, and a dead sender's lane counts as
 * drained. Its living sender keeps its tail to itself, so its next publish puts the word right and loses
 * nothing; it may be doing so just now, hence the exchange. Relaxed: it publishes nothing, and against the
 * sender's store in lane_publish the order of that one word's changes is all that is needed. If that publish
 * cannot be either, it is our head that strayed (a forged tail was believed): follow the sender.
 */
static void resynchronise(struct merge *m, struct lane_reader *l, uint64_t tail)
{
    if (l->repaired) {
        l->head = l->earlier = l->later = tail;
        atomic_store_explicit(&l->place->head, tail, memory_order_seq_cst);
    } else {
        atomic_compare_exchange_strong_explicit(&l->place->tail, &tail, l->head, memory_order_relaxed,
                                                memory_order_relaxed);
    }
    l->repaired = !l->repaired;
    atomic_fetch_add_explicit(&m->control->lanes_damaged, 1, memory_order_relaxed);
    m->error = -EBADMSG;
}

/* Load one tail. False: the lane is quiet. */
static bool look_at(struct merge *m, uint32_t place)
{
    struct lane_reader *l = &m->lanes[place];
    bool was_visible = lane_visible(l);
    uint64_t tail = lane_tail(l);

    l->earlier = l->later;
    if (tail == l->later)
        return was_visible;
    /* tail < head: the count has wrapped at 2^64, and the comparisons below would be wrong. */
    if (tail < l->head || tail - l->head > m->shape.mask + 1 ||
        (was_visible && tail - l->head < l->later - l->head)) {
        if (!was_visible)
            resynchronise(m, l, tail);
        return true; /* else what is visible is taken first, and the tail judged when none is left */
    }
    if (!l->slots && !(l->slots = m->hooks.map(m->hooks.context, place, &m->error)))
        return true;
    m->sweep_after -= m->sweep_after > tail - l->later ? (uint32_t)(tail - l->later) : m->sweep_after;
    m->gained += tail - l->later;
    l->later = tail;
    l->repaired = false;
    if (!was_visible)
        pending_add(m, place);
    return true;
}

static void look(struct merge *m)
{
    watch_who_rang(m);
    m->sweep_after -= m->sweep_after > LOOK_COST ? LOOK_COST : m->sweep_after;
    if (m->sweep_after == 0)
        merge_sweep(m);
    for (uint32_t i = 0; i < m->watched_count;) {
        struct lane_reader *l = &m->lanes[m->watched[i]];
        l->quiet = look_at(m, m->watched[i]) ? 0 : l->quiet + 1;
        if (l->quiet < QUIET_LOOKS || !let_go(m, i))
            i++;
    }
}

static struct lane_reader *next_ordered(struct merge *m)
{
    /* Each look that does not settle it has shown a smaller ticket, in a lane that had none visible. More
       than one a lane means tickets that no sender of ours took; then order is lost anyway. */
    for (uint32_t looks = 0; looks <= m->lane_count + 1; looks++) {
        struct lane_reader *l = merge_settled(m);
        if (l)
            return l;
        look(m);
        if (m->error || !m->pending_count)
            return NULL;
    }
    return &m->lanes[m->pending[0]];
}

static struct lane_reader *next_unordered(struct merge *m)
{
    if (!merge_settled(m))
        look(m);
    return m->error ? NULL : merge_settled(m);
}

struct lane_reader *merge_next(struct merge *m)
{
    return m->ordered ? next_ordered(m) : next_unordered(m);
}

static void advance_ordered(struct merge *m, struct lane_reader *l)
{
    if (lane_visible(l))
        l->ticket = lane_ticket(l, &m->shape);
    else
        m->pending[0] = m->pending[--m->pending_count];
    if (m->pending_count > 1)
        sift_down(m, 0);
}

static void next_turn(struct merge *m)
{
    m->burst = BURST;
    if (m->cursor >= m->pending_count)
        m->cursor = 0;
}

/* A turn does not end within a batch, whose messages have one ticket. */
static void advance_unordered(struct merge *m, struct lane_reader *l)
{
    uint64_t ticket = l->ticket;
    if (!lane_visible(l)) {
        m->pending[m->cursor] = m->pending[--m->pending_count];
        next_turn(m);
        return;
    }
    l->ticket = lane_ticket(l, &m->shape);
    m->burst -= m->burst > 0;
    if (m->burst == 0 && l->ticket != ticket) {
        m->cursor++;
        next_turn(m);
    }
}

void merge_reorder(struct merge *m, struct lane_reader *lane)
{
    if (m->ordered)
        advance_ordered(m, lane);
    else
        advance_unordered(m, lane);
}

bool merge_rest(struct merge *m)
{
    bool all = true;
    for (uint32_t i = m->watched_count; i-- > 0;)
        all &= let_go(m, i);
    return all;
}

/* ------------------------------------------------------------------------------------------- beginning */

int merge_alloc(struct merge *m, uint32_t lane_count)
{
    *m = (struct merge){
        .lane_count = lane_count,
        .burst = BURST,
        .sweep_after = SWEEP_AFTER,
    };
    m->lanes = calloc(lane_count, sizeof *m->lanes);
    m->watched = calloc(lane_count, sizeof *m->watched);
    m->pending = calloc(lane_count, sizeof *m->pending);
    if (m->lanes && m->watched && m->pending)
        return 0;
    merge_destroy(m);
    return -ENOMEM;
}

void merge_init(struct merge *m, struct shm_control *control, struct lane_shape shape, bool ordered,
                struct merge_hooks hooks)
{
    m->control = control;
    m->shape = shape;
    m->hooks = hooks;
    m->ordered = ordered;
    for (uint32_t place = 0; place < m->lane_count; place++) {
        struct lane_reader *l = &m->lanes[place];
        lane_reader_init(l, &control->places[place]);
        /* A former receiver watched it, or took its ring and died. */
        if (lane_tail(l) != l->head || atomic_load_explicit(&l->place->idle, memory_order_seq_cst) == 0)
            watch(m, place);
    }
}

void merge_destroy(struct merge *m)
{
    free(m->lanes);
    free(m->watched);
    free(m->pending);
    m->lanes = NULL;
    m->watched = m->pending = NULL;
}
