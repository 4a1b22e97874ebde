/* SPDX-License-Identifier: MIT */
/* Whether what was printed has arrived. */
#ifndef SHMCHAN_STAT_OUTPUT_H
#define SHMCHAN_STAT_OUTPUT_H

#include <stdbool.h>

/* Flushes stdout. False: it, or something before, could not be written; that has been told on stderr. */
bool output_written(void);

#endif
