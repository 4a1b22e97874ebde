/* SPDX-License-Identifier: MIT */
/* Channels live, until a key or a signal ends it: drawn in place on a terminal, else line by line. */
#ifndef SHMCHAN_STAT_WATCH_H
#define SHMCHAN_STAT_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct watch_options {
    char *const *names; /* with or without their slash; none = all channels, whichever there are then */
    size_t name_count;
    unsigned interval_ms; /* from 1 */
    bool json;            /* a document a line, also on a terminal */
    bool colour;          /* on a terminal */
    bool all;             /* also what may not be read */
};

/* The argument of -w: "1", "0.25". False if it is no number, or not from 0.01 to 86400. */
bool watch_interval(const char *text, unsigned *ret_interval_ms);

/* Returns the exit status: 0 after q; 1, having said why on stderr, if the channels cannot be listed or the
   output not written. A signal ends the process, with the terminal as it was. */
int watch_run(const struct watch_options *options);

#endif
