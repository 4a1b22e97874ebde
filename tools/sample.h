/* SPDX-License-Identifier: MIT */
/* Two looks at channels, a moment apart: they sleep together. */
#ifndef SHMCHAN_STAT_SAMPLE_H
#define SHMCHAN_STAT_SAMPLE_H

#include "channel.h"

/* Longer than a sleep slice of the library, so that what a sleeper would find by itself is found in between.
 */
#define SAMPLE_INTERVAL_MS 120
/* After that, if one seems to stand still: 0.4 s in all, in which a receiver that is only slow has had its
   time. */
#define SAMPLE_SUSPICION_MS 280

struct sample {
    struct channel before;
    struct channel now;
};

/* Frees what is in them, and the array. */
void sample_free(struct sample *samples, size_t count);

/* What this user may not look at, and so nobody knows what it is. */
struct sample_left_out {
    size_t files;     /* that may be channels; those shown are counted too */
    size_t processes; /* that may have channels without a name             */
};

/* All channels, worst state first, then by name. `unreadable`: also files that may not be read. Returns how
   many, or a negative errno. */
ssize_t sample_all(bool unreadable, struct sample **ret_samples, struct sample_left_out *ret_left_out);

/* These, in the order given; `error` of each says whether it could be inspected. */
struct sample *sample_named(char *const *names, size_t count);

/* Does a receiver stand still, but not yet for long enough to tell? */
bool sample_suspicious(const struct sample *sample);

void sample_sleep_ms(unsigned ms);

#endif
