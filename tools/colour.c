/* SPDX-License-Identifier: MIT */
/* Which colour means what: green works, yellow deserves a look, red is trouble. No word is told by its colour
   alone. */
#include "colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool on;

bool colour_wanted(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_color != NULL && no_color[0] != '\0')
        return false;
    return isatty(STDOUT_FILENO) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

void colour_switch(bool now)
{
    on = now;
}

const char *colour_begin(enum colour colour)
{
    static const char *const codes[] = {
        [COLOUR_NONE] = "",        [COLOUR_GOOD] = "\033[32m", [COLOUR_WARNING] = "\033[33m",
        [COLOUR_BAD] = "\033[31m", [COLOUR_HEAD] = "\033[1m",  [COLOUR_FAINT] = "\033[2m",
    };
    return on ? codes[colour] : "";
}

const char *colour_end(enum colour colour)
{
    return on && colour != COLOUR_NONE ? "\033[0m" : "";
}

enum colour colour_of_state(enum channel_state state)
{
    static const enum colour colours[] = {COLOUR_GOOD, COLOUR_WARNING, COLOUR_BAD};
    return state == STATE_IDLE ? COLOUR_NONE : colours[channel_state_severity(state)];
}

enum colour colour_of_word(const char *word)
{
    static const struct {
        const char *word;
        enum colour colour;
    } known[] = {
        {"stopped", COLOUR_BAD},  {"traced", COLOUR_BAD},   {"dead", COLOUR_BAD},
        {"left", COLOUR_WARNING}, {"none", COLOUR_WARNING}, {"closed", COLOUR_WARNING},
        {"free", COLOUR_FAINT},   {"alive", COLOUR_GOOD},   {"elsewhere", COLOUR_GOOD},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].word, word) == 0)
            return known[i].colour;
    }
    return COLOUR_NONE;
}

enum colour colour_of_fill(uint64_t used, uint64_t room)
{
    if (used == 0 || room == 0)
        return COLOUR_FAINT;
    /* A full lane is no trouble by itself: the state tells whether somebody waits for long. */
    return (double)used / (double)room >= 0.8 ? COLOUR_WARNING : COLOUR_GOOD;
}
