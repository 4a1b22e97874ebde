/* SPDX-License-Identifier: MIT */
/*
 * Which lane is next: looks, tickets, heap. Plain memory, no system call. Knows lane and the ready words.
 *
 * A look loads the tails of all watched lanes, after the lanes that rang were added to these. Of all messages
 * visible in the later of two looks, the one with the smallest ticket is next, provided that the earlier look
 * had seen it already; otherwise look again.
 * Why: let the earlier look have seen M, and P's send have returned before M's began. Then P was published,
 * and had rung, before the earlier look loaded M's tail; so the later look sees P, and P's ticket is smaller.
 * Needed for it: the acquire in lane_tail, and that no load of the later look begins before the earlier has
 * ended.
 *
 * A lane that stays empty is let go (lane_rest) until its sender rings. The ring comes before the send
 * returns, so a lane that is not watched has no message whose send has returned, but for one: its sender died
 * or was stopped between publish and ring. merge_sweep finds those.
 */
#ifndef SHMCHAN_MERGE_H
#define SHMCHAN_MERGE_H

#include "lane.h"
#include "ready.h"

/* What merge cannot do itself. */
struct merge_hooks {
    /* The slots of this place's lane, writable; NULL: -errno in *ret_error. */
    void *(*map)(void *context, uint32_t place, int *ret_error);
    /* Wake the sender of this place; its flag is taken down. */
    void (*wake)(void *context, uint32_t place);
    void *context;
};

struct merge {
    struct shm_control *control;
    struct lane_shape shape;
    struct merge_hooks hooks;
    bool ordered;
    uint32_t lane_count;
    uint32_t watched_count;
    uint32_t pending_count;
    uint32_t cursor;      /* unordered: index into pending */
    uint32_t burst;       /* unordered: messages until the next lane's turn */
    uint32_t sweep_after; /* looks and messages until the next sweep */
    uint64_t gained;      /* messages that looks have shown, ever */
    int error;            /* -errno to tell once, 0 = none */
    uint32_t *watched;    /* lanes that looks load */
    uint32_t *pending;    /* lanes with visible messages; ordered: a heap, smallest ticket first */
    struct lane_reader *lanes;
};

/* Memory for so many lanes: 0, -ENOMEM. Then begin with the lanes of `control`. */
int merge_alloc(struct merge *m, uint32_t lane_count);
void merge_init(struct merge *m, struct shm_control *control, struct lane_shape shape, bool ordered,
                struct merge_hooks hooks);
void merge_destroy(struct merge *m);

static inline uint32_t merge_place(const struct merge *m, const struct lane_reader *lane)
{
    return (uint32_t)(lane - m->lanes);
}

/* The lane whose head is the next message, or NULL: none is visible (or m->error is set). */
struct lane_reader *merge_next(struct merge *m);

/* The same, but only if that is settled without another look. */
static inline struct lane_reader *merge_settled(const struct merge *m)
{
    if (!m->pending_count)
        return NULL;
    if (!m->ordered)
        return &m->lanes[m->pending[m->cursor]];
    struct lane_reader *l = &m->lanes[m->pending[0]];
    return l->head < l->earlier ? l : NULL;
}

/* The lane's head is taken: put the lane where it now belongs among the pending ones. */
void merge_reorder(struct merge *m, struct lane_reader *lane);

/* Done with the head of this lane, which merge_next or merge_settled returned last. */
static inline void merge_advance(struct merge *m, struct lane_reader *lane)
{
    if (lane_advance(lane, &m->shape))
        m->hooks.wake(m->hooks.context, merge_place(m, lane));
    /* With no other lane to compare with, its ticket is not read either: pending_add does when one comes. */
    if (!m->ordered || m->pending_count > 1 || !lane_visible(lane))
        merge_reorder(m, lane);
}

/* Let all lanes go; only after merge_next returned NULL without an error. False: something came meanwhile,
   look again. */
bool merge_rest(struct merge *m);

/* Look at every lane, watched or not; those with messages are watched from now on. True: there was one. */
bool merge_sweep(struct merge *m);

#endif
