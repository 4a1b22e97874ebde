/* SPDX-License-Identifier: MIT */
/* Who this process is, written into a place for people to read. Knows layout.h and the clock. */
#ifndef SHMCHAN_PROCESS_H
#define SHMCHAN_PROCESS_H

#include "layout.h"

/* Write pid, start time, command and the time; the counts begin anew. Marks it occupied. */
void process_sign(struct shm_owner *owner);

#endif
