/* SPDX-License-Identifier: MIT */
/*
 * The robust process-shared mutex: it orders attach and takeover, nothing else. Only this module names
 * pthread mutexes of the region. Knows layout.h alone.
 *
 * It never decides who owns a place (the byte lock does), so a holder that dies leaves nothing to repair
 * but the mutex itself; and nobody waits for a stopped holder longer than the deadline.
 */
#ifndef SHMCHAN_MUTEX_H
#define SHMCHAN_MUTEX_H

#include "layout.h"

int mutex_init(struct shm_control *control);

/* 0; -EDEADLK: held for 5 s by a process that does not go on (control->mutex_owner_pid);
   -EBADMSG: damaged. */
int mutex_lock(struct shm_control *control);
void mutex_unlock(struct shm_control *control);

#endif
