/* SPDX-License-Identifier: MIT */
/* Where the output goes, and what several parts of the program have to tell on stderr. */
#ifndef SHMCHAN_STAT_OUTPUT_H
#define SHMCHAN_STAT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* Columns of the terminal that this descriptor leads to; 0 = it is none, or nobody knows. */
size_t output_width(int fd);

/* A line on stderr, with the program's name before it, folded if that is a terminal. */
__attribute__((format(printf, 1, 2))) void output_tell(const char *format, ...);

/* Before anything is written to stdout. */
void output_start(void);

/* Flushes stdout. False: it, or something before, could not be written; that has been told on stderr, unless
   who read it has gone. */
bool output_written(void);

/* Says why, and exits with 1. Leaves the screen of curses first, which would take the words with it. */
_Noreturn void output_die(const char *why);

/* Says that the channels cannot be listed; `error` is a negative errno. */
void output_cannot_list(int error);

#endif
