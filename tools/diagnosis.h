/* SPDX-License-Identifier: MIT */
/* What is the matter with a channel, in sentences: the evidence and what to do. */
#ifndef SHMCHAN_STAT_DIAGNOSIS_H
#define SHMCHAN_STAT_DIAGNOSIS_H

#include "channel.h"

/* Printable text without line ends, never NULL; the caller frees it. `before` as for channel_state(). */
char *diagnosis(const struct channel *now, const struct channel *before);

/* Likewise of one that could not be inspected, as one of many: whose file it is that may not be read. */
char *diagnosis_in_short(const struct channel *now);

#endif
