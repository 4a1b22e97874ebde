/* SPDX-License-Identifier: MIT */
/* CLOCK_MONOTONIC, of which all times here are. */
#ifndef SHMCHAN_STAT_CLOCK_H
#define SHMCHAN_STAT_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

#endif
