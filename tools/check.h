/* SPDX-License-Identifier: MIT */
/* A verdict on channels for a monitor, as monitoring plugins (Nagios and its heirs) give it. */
#ifndef SHMCHAN_STAT_CHECK_H
#define SHMCHAN_STAT_CHECK_H

#include <stddef.h>

#include "state.h"

/* Also the exit status. */
enum check_level { CHECK_OK = 0, CHECK_WARNING = 1, CHECK_CRITICAL = 2, CHECK_UNKNOWN = 3 };

/* What is measured. */
enum check_measure {
    CHECK_USED,    /* percent of the room in all lanes in use                    */
    CHECK_LANE,    /* percent of the fullest lane                                */
    CHECK_BLOCKED, /* seconds, of the sender that has been blocked for longest   */
    CHECK_DEAD,    /* senders that ended without closing, in places not yet free */
    CHECK_MEASURES
};

struct check_options {
    /* The least value that alerts; negative = none does. Of CHECK_WARNING and CHECK_CRITICAL. */
    double limits[CHECK_UNKNOWN][CHECK_MEASURES];
    /* By enum channel_state. */
    enum check_level state_levels[STATE_IDLE + 1];
};

void check_defaults(struct check_options *ret_options);

/* The argument of --warning, --critical or --ok: "used=80%,blocked=5s,orphaned". Elements are limits, and
   words of states, which then are of that level (of CHECK_OK states only); the blank in a word may be given
   as a hyphen. Returns NULL, or a malloced copy of the element that makes no sense. */
char *check_set(struct check_options *options, enum check_level level, const char *list);

/* Prints one line with performance data on stdout. Without names: all channels. Returns the exit status, an
   enum check_level; CHECK_UNKNOWN also if the line could not be written. (Wrong usage of --check should be
   CHECK_UNKNOWN too.) */
int check_run(char *const *names, size_t name_count, const struct check_options *options);

#endif
