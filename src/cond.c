/* SPDX-License-Identifier: MIT */
#include "cond.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"

/* As in linux/futex.h, which not every libc's headers come with. The shared kind: no FUTEX_PRIVATE_FLAG. */
#define FUTEX_WAKE             1
#define FUTEX_WAIT_BITSET      9
#define FUTEX_BITSET_MATCH_ANY 0xffffffffu

#define SPINS  100u /* turns: 3 us */
#define YIELDS 8u
#define HABIT  4u  /* so many waits in a row that a yield ended: do not spin */
#define RETRY  64u /* ... but each so many */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_coarse_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC_COARSE);
}

int64_t deadline_after_ms(int timeout_ms)
{
    if (timeout_ms < 0)
        return INT64_MAX;
    if (timeout_ms == 0)
        return NOW;
    return clock_now_ns() + (int64_t)timeout_ms * 1000000;
}

void event_init(struct shm_event *event)
{
    atomic_store_explicit(&event->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&event->asleep_since_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&event->posts, 0, memory_order_relaxed);
}

void event_raise(struct shm_event *event)
{
    /* Posts that came after their sleeper had found what it waited for. Published by the raise: who takes the
       flag down acquires it, so that its post cannot come before this and be lost. */
    atomic_store_explicit(&event->posts, 0, memory_order_relaxed);
    atomic_store_explicit(&event->waiting, 1, memory_order_seq_cst);
}

void event_lower(struct shm_event *event)
{
    /* If a waker took it down, its post has come or comes still: the next raise eats it. */
    atomic_store_explicit(&event->waiting, 0, memory_order_relaxed);
}

void event_asleep(struct shm_event *event)
{
    atomic_store_explicit(&event->asleep_since_ns, (uint64_t)clock_now_ns(), memory_order_relaxed);
}

void event_awake(struct shm_event *event)
{
    atomic_store_explicit(&event->asleep_since_ns, 0, memory_order_relaxed);
}

/* The kernel's word size: long enough for the monotonic clock wherever long is 32 bits. */
struct kernel_time {
    long s;
    long ns;
};

bool event_sleep(struct shm_event *event, int64_t deadline_ns)
{
    int64_t now = clock_now_ns();
    int64_t left = deadline_ns - now < EVENT_SLICE_NS ? deadline_ns - now : EVENT_SLICE_NS;
    if (left <= 0)
        return false;
    struct kernel_time end = {.s = (long)((now + left) / 1000000000),
                              .ns = (long)((now + left) % 1000000000)};
    /* Whatever it returns: the word is what tells. */
    if (atomic_load_explicit(&event->posts, memory_order_acquire) == 0)
        syscall(SYS_futex, &event->posts, FUTEX_WAIT_BITSET, 0, &end, NULL, FUTEX_BITSET_MATCH_ANY);
    return atomic_exchange_explicit(&event->posts, 0, memory_order_acquire) != 0;
}

void event_post(struct shm_event *event)
{
    atomic_store_explicit(&event->posts, 1, memory_order_release);
    syscall(SYS_futex, &event->posts, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool event_wake(struct shm_event *event)
{
    if (atomic_load_explicit(&event->waiting, memory_order_seq_cst) == 0 ||
        atomic_exchange_explicit(&event->waiting, 0, memory_order_acq_rel) == 0)
        return false;
    event_post(event);
    return true;
}

struct backoff backoff_begin(const struct backoff_habit *habit)
{
    bool spin = habit->yielded < HABIT || habit->yielded % RETRY == 0;
    return (struct backoff){.spins = spin ? SPINS : 0, .yields = spin ? YIELDS : 2 * YIELDS};
}

bool backoff_wait(struct backoff *backoff, unsigned turns)
{
    if (backoff->spins > 0) {
        backoff->spins -= turns < backoff->spins ? turns : backoff->spins;
        while (turns-- > 0)
            cpu_relax();
        return true;
    }
    if (backoff->yields == 0)
        return false;
    backoff->yields--;
    backoff->yielded = true;
    sched_yield();
    return true;
}

void backoff_end(const struct backoff *backoff, struct backoff_habit *habit)
{
    habit->yielded = backoff->yielded ? habit->yielded + 1 : 0;
}
