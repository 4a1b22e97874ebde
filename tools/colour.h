/* SPDX-License-Identifier: MIT */
/* Colours by meaning, on a terminal that has them. */
#ifndef SHMCHAN_STAT_COLOUR_H
#define SHMCHAN_STAT_COLOUR_H

#include <stdbool.h>

#include "state.h"

enum colour {
    COLOUR_NONE,
    COLOUR_GOOD,
    COLOUR_WARNING,
    COLOUR_BAD,
    COLOUR_HEAD, /* of a section or a column */
    COLOUR_FAINT /* what hardly matters      */
};

/* Whether to colour standard output: a terminal that can, and nobody who forbids it (NO_COLOR). */
bool colour_wanted(void);

/* Off until it is switched on. */
void colour_switch(bool on);

/* What begins and ends it; empty if it is off. */
const char *colour_begin(enum colour colour);
const char *colour_end(enum colour colour);

enum colour colour_of_state(enum channel_state state);

/* Of the words of channel_sender_word() and channel_receiver_word(). */
enum colour colour_of_word(const char *word);

/* Of so much used of so much room. */
enum colour colour_of_fill(uint64_t used, uint64_t room);

#endif
