/* SPDX-License-Identifier: MIT */
#include "cond.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#define SPINS  100u
#define YIELDS 8u

/* Since glibc 2.30. Elsewhere (musl, which turns the deadline into a relative one at once) the wall
   clock serves: no sleep is longer than a slice. */
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 30)
#define HAVE_SEM_CLOCKWAIT 1
#endif
#endif

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
    return clock_now_ns() + (int64_t)timeout_ms * 1000000;
}

void event_init(struct shm_event *event)
{
    atomic_store_explicit(&event->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&event->asleep_since_ns, 0, memory_order_relaxed);
    /* Fails for no value that we give it. */
    (void)sem_init(&event->semaphore, 1, 0);
}

void event_raise(struct shm_event *event)
{
    /* Posts that came after their sleeper had found what it waited for. A few are left at the most, unless
       someone damaged the count. */
    for (int i = 0; i < 16 && sem_trywait(&event->semaphore) == 0; i++)
        ;
    atomic_store_explicit(&event->asleep_since_ns, (uint64_t)clock_now_ns(), memory_order_relaxed);
    atomic_store_explicit(&event->waiting, 1, memory_order_seq_cst);
}

void event_lower(struct shm_event *event)
{
    /* If a waker took it down, its post has come or comes still: the next raise eats it. */
    atomic_store_explicit(&event->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&event->asleep_since_ns, 0, memory_order_relaxed);
}

bool event_sleep(struct shm_event *event, int64_t deadline_ns)
{
    int64_t now = clock_now_ns();
    int64_t left = deadline_ns - now < EVENT_SLICE_NS ? deadline_ns - now : EVENT_SLICE_NS;
    if (left <= 0)
        return false;
#ifdef HAVE_SEM_CLOCKWAIT
    int64_t until = now + left;
#else
    int64_t until = clock_ns(CLOCK_REALTIME) + left;
#endif
    struct timespec end = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
#ifdef HAVE_SEM_CLOCKWAIT
    return sem_clockwait(&event->semaphore, CLOCK_MONOTONIC, &end) == 0;
#else
    return sem_timedwait(&event->semaphore, &end) == 0;
#endif
}

void event_post(struct shm_event *event)
{
    /* EOVERFLOW only in a damaged region, and then the sleeper is awake. */
    (void)sem_post(&event->semaphore);
}

bool event_wake(struct shm_event *event)
{
    if (atomic_load_explicit(&event->waiting, memory_order_seq_cst) == 0 ||
        atomic_exchange_explicit(&event->waiting, 0, memory_order_acq_rel) == 0)
        return false;
    event_post(event);
    return true;
}

static void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most cores */
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

bool backoff_wait(struct backoff *backoff)
{
    if (backoff->round >= SPINS + YIELDS)
        return false;
    if (backoff->round++ < SPINS)
        cpu_relax();
    else
        sched_yield();
    return true;
}
