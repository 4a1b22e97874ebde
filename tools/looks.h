/* SPDX-License-Identifier: MIT */
/* Look after look at channels, each paired with one long enough before to tell what moves. Prints nothing. */
#ifndef SHMCHAN_STAT_LOOKS_H
#define SHMCHAN_STAT_LOOKS_H

#include <stdint.h>

#include "sample.h"
#include "watch.h"

struct looks;

/* Keeps `options`. */
struct looks *looks_new(const struct watch_options *options);
void looks_free(struct looks *looks);

/* Looks at all that are there now, or at those that were named; the first time more than once, in half a
   second at most. *ret_samples, sorted by name or as they were named, stay the callee's, until the next look.
   A `before` whose error is not 0 is none: it has just come. Returns how many, or a negative errno. */
ssize_t looks_next(struct looks *looks, const struct sample **ret_samples);

/* When to look next, if it was due at `last_ns` before. What was missed, asleep or stopped, is not made up
   for. */
int64_t looks_deadline_ns(const struct watch_options *options, int64_t last_ns);

#endif
