/* SPDX-License-Identifier: MIT */
/* Channels as an OpenMetrics text, for a node exporter's textfile collector and whoever else reads that. */
#ifndef SHMCHAN_STAT_OPENMETRICS_H
#define SHMCHAN_STAT_OPENMETRICS_H

#include <stddef.h>
#include <stdio.h>

#include "sample.h"

/* The whole document. Write errors are left for the caller to find in `out`. */
void openmetrics_print(FILE *out, const struct sample *samples, size_t count);

#endif
