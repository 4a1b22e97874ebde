/* SPDX-License-Identifier: MIT */
/* Removes channels that no living process holds. Of all this program does, the one thing that changes any. */
#ifndef SHMCHAN_STAT_ORPHANS_H
#define SHMCHAN_STAT_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>

struct orphans_options {
    char *const *names; /* only these, with or without their slash; none = all channels */
    size_t name_count;
    bool yes;     /* do not ask                  */
    bool dry_run; /* say what would be asked for */
};

/* Returns the exit status: 0; 1 if one could not be removed, or it could not be said; 2 if it had to ask and
   stdin is no terminal. Says why on stderr. */
int orphans_run(const struct orphans_options *options);

#endif
