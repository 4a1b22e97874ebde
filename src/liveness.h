/* SPDX-License-Identifier: MIT */
/*
 * Who is there: hold a place's lock, ask about it. Only this module names file locks. Knows layout.h alone.
 *
 * Open-file-description locks, because the kernel releases them at any death, and they work across PID
 * namespaces and users. What must be kept in mind:
 * - a lock belongs to the open description, not to the process: a forked child's inherited descriptor
 *   keeps it, so the child must close it (members.c does);
 * - a mapping made through a descriptor keeps its description too: never map through the one that locks;
 * - a question asked through the description that holds a lock does not see it: always ask through another.
 */
#ifndef SHMCHAN_LIVENESS_H
#define SHMCHAN_LIVENESS_H

#include "layout.h"

/* A description of its own of the file behind `fd`, close-on-exec: a descriptor, or -errno. Needs /proc. */
int liveness_open(int fd);

/* Take the lock of one byte. 0, -EAGAIN: another description holds it, or -errno. */
int liveness_hold(int lock_fd, int64_t byte);

/* Take the lock of all bytes at once, so that nobody can take any: 0, -EAGAIN: another description holds one.
   To be let go by closing lock_fd, or, where a fork may have given it to a child, by liveness_drop_all. */
int liveness_hold_all(int lock_fd);
void liveness_drop_all(int lock_fd);

/* Does another description hold all bytes at once? 1, 0, -errno. */
int liveness_all_held(int fd);

void liveness_drop(int lock_fd, int64_t byte);

/* Does any description but `fd`'s hold a lock in these bytes? count 0: to the end of all files. 1, 0, -errno.
 */
int liveness_held(int fd, int64_t byte, int64_t count);

/* The same of one byte, for people: who holds all bytes at once is in no place. */
int liveness_occupied(int fd, int64_t byte);

#endif
