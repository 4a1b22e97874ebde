/* SPDX-License-Identifier: MIT */
/* What /proc shows of a process that holds a place. */
#ifndef SHMCHAN_STAT_PROC_H
#define SHMCHAN_STAT_PROC_H

#include <stdbool.h>
#include <stdint.h>

enum proc_sight {
    PROC_UNKNOWN = 0, /* not asked, or /proc gave no answer: nothing can be said */
    PROC_HERE,        /* it is there, running or sleeping                       */
    PROC_STOPPED,     /* stopped by a signal                                    */
    PROC_TRACED,      /* held by a debugger                                     */
    PROC_ELSEWHERE    /* no such process as seen from here                      */
};

struct proc_view {
    enum proc_sight sight;
    char letter; /* the state letter of /proc/PID/stat; 0 = not read */
};

/* It does nothing of its own accord. */
static inline bool proc_halted(struct proc_view view)
{
    return view.sight == PROC_STOPPED || view.sight == PROC_TRACED;
}

/* Looks pid up. A process that started at another time (clock ticks after boot; 0 = unknown) is another
   one that got, or in its own PID namespace has, the same number. */
struct proc_view proc_look(int32_t pid, uint64_t start_time);

/* The same for a pid of which no more is known, as if it were of this PID namespace. */
struct proc_view proc_look_by_pid(int32_t pid);

/* Who traces it; 0 = nobody, or not known. */
int32_t proc_tracer(int32_t pid);

#endif
