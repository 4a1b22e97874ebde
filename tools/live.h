/* SPDX-License-Identifier: MIT */
/* Channels drawn in place, with a history of each, until a key or a signal ends it. */
#ifndef SHMCHAN_STAT_LIVE_H
#define SHMCHAN_STAT_LIVE_H

#include "watch.h"

/* 0, or a negative errno: the channels cannot be listed. The terminal must have been taken. */
int live_run(const struct watch_options *options);

#endif
