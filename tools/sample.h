/* SPDX-License-Identifier: MIT */
/* Two looks at channels, a moment apart: they sleep together. */
#ifndef SHMCHAN_STAT_SAMPLE_H
#define SHMCHAN_STAT_SAMPLE_H

#include "channel.h"

/* Longer than a sleep slice of the library, so that what a sleeper would find by itself is found in between.
 */
#define SAMPLE_INTERVAL_MS 120

struct sample {
    struct channel before;
    struct channel now;
};

/* Frees what is in them, and the array. */
void sample_free(struct sample *samples, size_t count);

/* All channels, worst state first, then by name. `unreadable`: also what may not be read. *ret_closed: how
   many processes might have channels without a name, and may not be looked at. Returns how many channels, or
   a negative errno. */
ssize_t sample_all(bool unreadable, struct sample **ret_samples, size_t *ret_closed);

/* These, in the order given; `error` of each says whether it could be inspected. */
struct sample *sample_named(char *const *names, size_t count);

#endif
