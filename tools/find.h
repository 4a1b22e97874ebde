/* SPDX-License-Identifier: MIT */
/* Which channels there are: the named ones, those that only processes have, and what may not be looked at. */
#ifndef SHMCHAN_STAT_FIND_H
#define SHMCHAN_STAT_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nameless.h"

/* Where the library keeps named channels. */
#define FIND_DIR "/dev/shm"

struct found_list {
    struct found *found;
    size_t count;
    size_t files_closed;     /* in FIND_DIR, that this user may not read: nobody knows what they are */
    size_t processes_closed; /* whose descriptors may not be looked at */
};

/* Sorted by name. `unreadable`: also files that this user may not read. 0, or a negative errno (then there is
   nothing to free). */
int find_all(bool unreadable, struct found_list *ret_list);
void find_free(struct found_list *list);

/* Without FIND_DIR there is no channel with a name, and a container's may be elsewhere. */
bool find_has_directory(void);

#endif
