/* SPDX-License-Identifier: MIT */
/* What /proc shows of a process that holds a place. */
#ifndef SHMCHAN_STAT_PROC_H
#define SHMCHAN_STAT_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "holders.h"
#include "shmchan.h"

enum proc_sight {
    PROC_UNKNOWN = 0, /* not asked, or /proc gave no answer: nothing can be said */
    PROC_HERE,        /* it is there, running or sleeping                       */
    PROC_STOPPED,     /* stopped by a signal                                    */
    PROC_TRACED,      /* held by a debugger                                     */
    PROC_ELSEWHERE    /* no such process as seen from here                      */
};

struct proc_view {
    enum proc_sight sight;
    char letter;      /* the state letter of its liveliest thread: R of any that runs, T if all are stopped;
                         0 = not read */
    bool uncertain;   /* its number, start and command are right; whether it has the region may not be seen */
    bool main_ended;  /* its main thread has ended, and others have not */
    uint32_t threads; /* 0 = not known */
};

/* It does nothing of its own accord. */
static inline bool proc_halted(struct proc_view view)
{
    return view.sight == PROC_STOPPED || view.sight == PROC_TRACED;
}

/*
 * Looks up the process that holds, or at seen_ns (CLOCK_MONOTONIC) held, a place in this region. A process
 * with its number is another one if it started at another time, or has not this region open: each PID
 * namespace has numbers of its own.
 */
struct proc_view proc_look(const struct shmchan_process *process, struct region_id region, uint64_t seen_ns);

/* The same for one of which no more than its number is known. */
struct proc_view proc_look_by_pid(int32_t pid, struct region_id region, uint64_t seen_ns);

/* Is there a /proc, of this PID namespace? */
bool proc_is_there(void);

/* Who traces it; 0 = nobody, or not known. */
int32_t proc_tracer(int32_t pid);

#endif
