/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking: condition variables on binary semaphores. A shm_event belongs to one who may sleep.
 * Only this module names futexes. Knows layout.h alone.
 *
 * Sleeper: event_raise, look again at what it waits for, event_sleep, event_lower.
 * Waker:   change that, event_wake.
 * Raise and the second look, change and the load in event_wake are sequentially consistent: one of the two
 * sees the other, else both would miss and the sleeper would sleep through. Who takes the flag down by
 * exchange posts, so at most one post is made for each time it is raised. A waker killed between exchange and
 * post leaves a sleeper asleep: every sleep is bounded by EVENT_SLICE_NS, and what is waited for is looked at
 * after each. A dead sleeper leaves a raised flag and a count, which cost its peers one post.
 */
#ifndef SHMCHAN_COND_H
#define SHMCHAN_COND_H

#include <stdbool.h>

#include "layout.h"

/* The longest sleep: how late a death is noticed. Ten looks a second. */
#define EVENT_SLICE_NS INT64_C(100000000)

int64_t clock_now_ns(void);    /* CLOCK_MONOTONIC */
int64_t clock_coarse_ns(void); /* the same, to a few ms, in a few ns */

/* When a call that may take timeout_ms must be back. INT64_MAX: never; NOW: it must not wait. */
#define NOW INT64_MIN
int64_t deadline_after_ms(int timeout_ms);

void event_init(struct shm_event *event);
void event_raise(struct shm_event *event);
void event_lower(struct shm_event *event);

/* For people: since when, however many slices it takes. */
void event_asleep(struct shm_event *event);
void event_awake(struct shm_event *event);

/* Sleep until woken, until deadline_ns or for a slice, whichever is first. May return early. True: woken. */
bool event_sleep(struct shm_event *event, int64_t deadline_ns);

/* Wake the sleeper if there is one. True: there was. */
bool event_wake(struct shm_event *event);

/* For who has taken the flag down already. */
void event_post(struct shm_event *event);

/*
 * Before sleeping: spin shortly, then yield. Where spinning leads to nothing and a yield does, again and
 * again, the one waited for has no core but ours: then a handle's habit is to yield at once.
 */
struct backoff {
    unsigned spins, yields; /* what is left of them */
    bool yielded;
};
struct backoff_habit {
    unsigned yielded; /* waits in a row that a yield ended */
};
struct backoff backoff_begin(const struct backoff_habit *habit);
/* `turns` of a spin, or a yield. False: it is time to sleep. */
bool backoff_wait(struct backoff *backoff, unsigned turns);
/* What was waited for came meanwhile. */
void backoff_end(const struct backoff *backoff, struct backoff_habit *habit);

#endif
