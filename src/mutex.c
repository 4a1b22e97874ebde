/* SPDX-License-Identifier: MIT */
#include "mutex.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOLDER_PATIENCE_S 5

static int robust_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;
    int r = pthread_mutexattr_init(&attr);
    if (r)
        return -r;
    r = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!r)
        r = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (!r)
        r = pthread_mutex_init(mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return -r;
}

int mutex_init(struct shm_control *control)
{
    return robust_mutex(&control->mutex);
}

/* glibc aborts on some kinds of mutex that it did not make. Compare what no lock or unlock changes. */
static int kind_is_ours(const pthread_mutex_t *mutex)
{
#ifdef __GLIBC__
    pthread_mutex_t ours;
    if (robust_mutex(&ours) < 0)
        return 0;
    int same = mutex->__data.__kind == ours.__data.__kind;
    pthread_mutex_destroy(&ours);
    return same;
#else
    (void)mutex;
    return 1;
#endif
}

/*
 * The one recovery. The holder died between lock and unlock. What it may have been doing:
 * - taking a place: its byte lock went with it, and whoever takes the place next writes all of it anew;
 * - counting: a count may be one short, and counts are for people.
 * So only the mutex is to be repaired: without pthread_mutex_consistent it could never be locked again.
 */
static int recover(struct shm_control *control)
{
    int r = pthread_mutex_consistent(&control->mutex);
    if (r)
        pthread_mutex_unlock(&control->mutex);
    return r;
}

static int lock_until(pthread_mutex_t *mutex)
{
    struct timespec end;
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 30)
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += HOLDER_PATIENCE_S;
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &end);
#endif
#endif
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += HOLDER_PATIENCE_S;
    return pthread_mutex_timedlock(mutex, &end);
}

int mutex_lock(struct shm_control *control)
{
    if (!kind_is_ours(&control->mutex))
        return -EBADMSG;
    int r = lock_until(&control->mutex);
    if (r == EOWNERDEAD)
        r = recover(control);
    if (r)
        return r == ETIMEDOUT ? -EDEADLK : -EBADMSG;
    atomic_store_explicit(&control->mutex_owner_pid, (int32_t)getpid(), memory_order_relaxed);
    return 0;
}

void mutex_unlock(struct shm_control *control)
{
    atomic_store_explicit(&control->mutex_owner_pid, 0, memory_order_relaxed);
    (void)pthread_mutex_unlock(&control->mutex);
}
