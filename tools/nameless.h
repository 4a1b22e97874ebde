/* SPDX-License-Identifier: MIT */
/* Channels that have no name here: they are found through the processes that have them open. */
#ifndef SHMCHAN_STAT_NAMELESS_H
#define SHMCHAN_STAT_NAMELESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holders.h"

/* A channel that was found, with a name or without. */
struct found {
    char *name; /* "/name", or of one that has none here:
                 * "memfd:INODE"                        it never had one
                 * "unlinked:INODE"                     its name was removed
                 * "other-MAJOR:MINOR:/name"            it has this name in another /dev/shm, of that device
                 * "other-MAJOR:MINOR:unlinked:INODE"   its name was removed there */

    /* Of one without a name here: a process (or its thread) that has it open, and as which descriptor. */
    int32_t holder_pid;
    int holder_fd;
    struct region_id region;
    bool linked; /* it has a name somewhere */
};

/* Is it a name of one that has none here? */
bool nameless_is(const char *name);

/* Calls visit for each, in no order. All processes are searched for them, but not again within 0.8 s. Returns
   how many processes could not be looked at. */
size_t nameless_each(void (*visit)(const struct found *found, void *user), void *user);

/* Where the channel of such a name is; the found name is the callee's. What came within the last 0.8 s may be
   missed. 0, -ENOENT: nobody whose descriptors this user may look at has it. */
int nameless_find(const char *name, struct found *ret_found);

/* Opens it for reading, if that process has it still; a descriptor, or a negative errno. */
int nameless_open(const struct found *found);

#endif
