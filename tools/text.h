/* SPDX-License-Identifier: MIT */
/* Words for people: untrusted bytes made safe to print, durations and sizes that fit a column. */
#ifndef SHMCHAN_STAT_TEXT_H
#define SHMCHAN_STAT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "shmchan.h"

/* Room for the longest name with each byte escaped and quotes around it; longer input is cut. */
struct text {
    char s[4 * (SHMCHAN_NAME_MAX + 1) + sizeof "$'...'"];
};

/* Returned by value, so that calls can be arguments: printf("%s", text_printable(name, n).s). */

/* At most `max` bytes, ending at a NUL before: what the locale can print stays, all else, a backslash
   included, becomes \xHH. Names, types and commands come from whoever may write the region; printed as they
   are they could drive the terminal. */
struct text text_printable(const char *bytes, size_t max);

/* A name as one word of a POSIX shell, or, if it has bytes that cannot be printed, as $'...', which bash, zsh
   and ksh understand: to be pasted into a command. One that is too long becomes '...', never a part of
   itself. */
struct text text_shell(const char *name);

/* "35ms", "0.3s", "12s", "4m05s", "2h05m", "3d04h". */
struct text text_duration(uint64_t ns);

/* The same in a sentence: "35 ms", "0.3 s", "12 s", "4 min 05 s", "2 h 05 min", "3 d 04 h". */
struct text text_span(uint64_t ns);

/* Messages a second, as text_count() with a decimal below 100: "0", "8.3", "1234", "1.20M". */
struct text text_rate(double per_second);

/* `cells` characters: as much of them filled as part is of whole. In block characters where the locale has
   them. At most 60. */
struct text text_bar(uint64_t part, uint64_t whole, size_t cells);

/* "512 bytes", "18.2 MiB (19083264 bytes)". */
struct text text_bytes(uint64_t bytes);

/* At most five characters: exact below 100000, then three digits and k, M, G, T, P or E (powers of 1000). */
struct text text_count(uint64_t count);

/* "waits for a receiver, removed on close", "none" without any; bits this program does not know as a number.
 */
struct text text_flags(uint32_t flags);

/* Columns that a printable string takes on a terminal. */
size_t text_columns(const char *printable);

/* How many bytes of it, from its beginning, take at most so many columns. */
size_t text_within(const char *printable, size_t columns);

/* "2026-11-25 07:30:10 +0000", of nanoseconds since 1970; "at an unknown time" of 0. */
struct text text_moment(uint64_t realtime_ns);

/* "07:35:22", now. */
struct text text_clock(void);

/* For allocations: prints a line and exits with 1 if p is NULL. */
void *text_must(void *p);

/* What a number lacks is 0: fields of a running channel are read one after the other. */
static inline uint64_t text_less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

#endif
