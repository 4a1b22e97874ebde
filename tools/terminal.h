/* SPDX-License-Identifier: MIT */
/* Takes the terminal for drawing with curses, and gives it back whatever ends the process. Knows nothing of
   channels. */
#ifndef SHMCHAN_STAT_TERMINAL_H
#define SHMCHAN_STAT_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* What terminal_key() returns besides characters and the KEY_... of curses. */
enum { TERMINAL_TIME_OVER = -1, TERMINAL_GONE = -2 };

/* False if this terminal cannot be drawn on; nothing is changed then. */
bool terminal_take(bool colour);
void terminal_give_back(void);

/* Whether characters beyond ASCII can be drawn. */
bool terminal_is_utf8(void);

/* Waits for a key, at most until `deadline_ns` of CLOCK_MONOTONIC. KEY_RESIZE also when the process went on
   after a stop: everything is to be drawn anew. Without a terminal on stdin there are no keys. */
int terminal_key(int64_t deadline_ns);

#endif
