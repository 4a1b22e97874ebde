/* SPDX-License-Identifier: MIT */
/* The same channels, for people and for programs. Write errors are left for the caller to find in `out`. */
#ifndef SHMCHAN_STAT_REPORT_H
#define SHMCHAN_STAT_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "sample.h"

/* One line a channel. `width`: the terminal's columns, 0 = unlimited. */
void print_list(FILE *out, const struct sample *samples, size_t count, size_t width);

/* Everything about one channel: its name and state, the diagnosis, the details. */
void print_channel(FILE *out, const struct sample *sample, size_t width);

/* These alone. The cursor is at `indent`, as is each further line. Details only of what could be inspected.
 */
void print_diagnosis(FILE *out, const struct sample *sample, size_t indent, size_t width);
void print_details(FILE *out, const struct sample *sample, size_t width);

/* One JSON document; `one_line`: without line ends in it. 0, or -ENOMEM. */
int json_print(FILE *out, const struct sample *samples, size_t count, bool one_line);

#endif
