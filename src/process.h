/* SPDX-License-Identifier: MIT */
/* Who this process is, written into a place for people to read. Knows layout.h and the clock. */
#ifndef SHMCHAN_PROCESS_H
#define SHMCHAN_PROCESS_H

#include "layout.h"

struct process_identity {
    int32_t pid;
    uint64_t start_time;
    uint64_t command[2];
};

/* Who we are. It takes its time, so ask before there is a place that nobody has signed. */
struct process_identity process_identify(void);

/* Before the place's lock is taken: its words are nobody's from now on. `joined_ns` was read before the lock
   was found free, so that words signed since then, by one who was quicker, stay. */
void process_unsign(struct shm_owner *owner, uint64_t joined_ns);

/* With the lock: write who we are and, last, the time; the counts begin anew. */
void process_sign(struct shm_owner *owner, const struct process_identity *me);

#endif
