/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef SHMCHAN_STAT_OPTIONS_H
#define SHMCHAN_STAT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "check.h"

enum mode {
    MODE_SHOW, /* the list, or the page of each name */
    MODE_WATCH,
    MODE_CHECK,
    MODE_OPENMETRICS,
    MODE_REMOVE_ORPHANS,
    MODE_NAMES, /* for completion: names and nothing else */
    MODE_HELP,
    MODE_VERSION
};

struct options {
    enum mode mode;
    bool json;
    bool all;
    bool yes;
    bool dry_run;
    unsigned interval_ms; /* of MODE_WATCH */
    struct check_options check;
    char *const *names;
    size_t name_count;
};

/* 0, or the exit status, having said on stderr what is wrong. */
int arguments_read(int argc, char **argv, struct options *ret_options);

extern const char arguments_help[];

#endif
