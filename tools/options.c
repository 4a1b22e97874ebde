/* SPDX-License-Identifier: MIT */
/* Reads the command line, and says which of its options do not go together. */
#include "options.h"

#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "text.h"
#include "watch.h"

enum { EXIT_USAGE = 2 };

const char arguments_help[] =
    "Usage: shmchan-stat [OPTION...] [NAME...]\n"
    "Shows what shmchan channels are doing and why they are stuck. Takes no place, no\n"
    "lock. Without NAME a line a channel, worst first; with NAME all about it.\n"
    "\n"
    "  -a, --all             also what may not be read, and why\n"
    "  -w, --watch[=SECONDS] live, each SECONDS (-w 0.5; 1 if left out); q quits\n"
    "      --json            one JSON document; with -w one a line\n"
    "      --openmetrics     for Prometheus, such as a textfile collector\n"
    "      --check           for a monitor: a line, and 0 ok, 1 warning, 2 critical,\n"
    "                        3 unknown as exit status; --warning, --critical and --ok\n"
    "                        take a LIST such as used=80%,blocked=5s,orphaned\n"
    "      --remove-orphans  removes channels that no living process holds; asks, or\n"
    "                        --yes; --dry-run only says which\n"
    "      --help, --version\n"
    "\n"
    "NAME: a channel's name, with or without its slash, or as listed.\n"
    "States: damaged, stalled, no receiver, missing, full, orphaned, no senders,\n"
    "foreign version, unreadable, flowing, idle. USED: waiting / room in the lanes in\n"
    "use; SENDERS: alive / places; SIZE: bytes in a message; CAP: messages in a lane.\n"
    "Exit status: 0 fine, 1 a NAME could not be inspected or the output not written,\n"
    "2 wrong usage. Read more: man shmchan-stat\n";

enum {
    HELP = 256,
    VERSION,
    JSON,
    OPENMETRICS,
    CHECK,
    WARNING,
    CRITICAL,
    OK,
    REMOVE_ORPHANS,
    YES,
    DRY_RUN,
    NAMES
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {"all", no_argument, NULL, 'a'},
    {"watch", optional_argument, NULL, 'w'},
    {"json", no_argument, NULL, JSON},
    {"openmetrics", no_argument, NULL, OPENMETRICS},
    {"check", no_argument, NULL, CHECK},
    {"warning", required_argument, NULL, WARNING},
    {"critical", required_argument, NULL, CRITICAL},
    {"ok", required_argument, NULL, OK},
    {"remove-orphans", no_argument, NULL, REMOVE_ORPHANS},
    {"yes", no_argument, NULL, YES},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"names", no_argument, NULL, NAMES},
    {NULL, 0, NULL, 0},
};

/* What was given, before it is known whether it goes together. */
struct given {
    struct options *options;
    bool check, limits;
    const char *other_mode; /* a second one, that does not go with the first */
    bool help;
};

static int complain(const struct given *given, const char *trouble, const char *what)
{
    output_tell("%s: %s; see 'shmchan-stat --help'", trouble, text_printable(what, SIZE_MAX).s);
    /* A monitor must not take 2 for a verdict. */
    return given->check ? CHECK_UNKNOWN : EXIT_USAGE;
}

static const char *name_of(int option)
{
    for (const struct option *o = long_options; o->name != NULL; o++) {
        if (o->val == option)
            return o->name;
    }
    return "?";
}

static void set_mode(struct given *given, enum mode mode, int option)
{
    if (given->options->mode == MODE_SHOW)
        given->options->mode = mode;
    else if (given->options->mode != mode)
        given->other_mode = name_of(option);
}

static int unknown_option(const struct given *given, int c, char *const *argv)
{
    const char *option = argv[optind - 1];
    char letter[] = {'-', (char)optopt, '\0'};
    /* getopt says in optopt what it disliked: a long option's code, a short one's letter, or 0. */
    if (c == ':')
        return complain(given, "this option needs a value", option);
    if (optopt > UCHAR_MAX)
        return complain(given, "this option takes no value", option);
    return complain(given, "unknown option", optopt > 0 && optopt != 'w' ? letter : option);
}

static int set_limits(struct given *given, enum check_level level, const char *list)
{
    given->limits = true;
    char *wrong = check_set(&given->options->check, level, list);
    if (wrong == NULL)
        return 0;
    int r = complain(given, "neither a limit nor a state", wrong);
    free(wrong);
    return r;
}

static bool is_number(const char *text)
{
    char *end;
    strtod(text, &end);
    return end != text && *end == '\0';
}

/* -w 2, -w2, --watch=2. A channel that is called as a number is given with its slash. */
static int set_watch(struct given *given, char *const *argv)
{
    set_mode(given, MODE_WATCH, 'w');
    given->options->interval_ms = 1000;
    const char *seconds = optarg;
    if (seconds == NULL && argv[optind] != NULL && is_number(argv[optind]))
        seconds = argv[optind++];
    return seconds == NULL || watch_interval(seconds, &given->options->interval_ms)
               ? 0
               : complain(given, "not a number of seconds from 0.01 to 86400", seconds);
}

static int set_one(struct given *given, int c, char *const *argv)
{
    struct options *options = given->options;
    switch (c) {
    case HELP:
    case VERSION:
        options->mode = c == HELP ? MODE_HELP : MODE_VERSION;
        given->help = true;
        return 0;
    case 'a':
        options->all = true;
        return 0;
    case 'w':
        return set_watch(given, argv);
    case JSON:
        options->json = true;
        return 0;
    case OPENMETRICS:
        set_mode(given, MODE_OPENMETRICS, c);
        return 0;
    case CHECK:
        set_mode(given, MODE_CHECK, c);
        return 0;
    case WARNING:
        return set_limits(given, CHECK_WARNING, optarg);
    case CRITICAL:
        return set_limits(given, CHECK_CRITICAL, optarg);
    case OK:
        return set_limits(given, CHECK_OK, optarg);
    case REMOVE_ORPHANS:
        set_mode(given, MODE_REMOVE_ORPHANS, c);
        return 0;
    case YES:
        options->yes = true;
        return 0;
    case DRY_RUN:
        options->dry_run = true;
        return 0;
    case NAMES:
        set_mode(given, MODE_NAMES, c);
        return 0;
    default:
        return unknown_option(given, c, argv);
    }
}

static int check_together(const struct given *given)
{
    const struct options *o = given->options;
    if (given->other_mode != NULL)
        return complain(given, "does not go with the option before it", given->other_mode);
    if (given->limits && o->mode != MODE_CHECK)
        return complain(given, "goes with --check only", "--warning, --critical, --ok");
    if ((o->yes || o->dry_run) && o->mode != MODE_REMOVE_ORPHANS)
        return complain(given, "goes with --remove-orphans only", o->yes ? "--yes" : "--dry-run");
    if (o->all && (o->name_count > 0 || o->mode == MODE_CHECK || o->mode == MODE_REMOVE_ORPHANS))
        return complain(given, "goes with lists of all channels only", "-a");
    if (o->json && o->mode != MODE_SHOW && o->mode != MODE_WATCH)
        return complain(given, "goes with the list, a NAME or -w only", "--json");
    return 0;
}

/* Whether it is a monitor that asks must be known before the first complaint. */
static bool asks_check(int argc, char *const *argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--check") == 0)
            return true;
    }
    return false;
}

int arguments_read(int argc, char **argv, struct options *ret_options)
{
    *ret_options = (struct options){.mode = MODE_SHOW};
    check_defaults(&ret_options->check);
    struct given given = {.options = ret_options, .check = asks_check(argc, argv)};
    opterr = 0;
    for (;;) {
        int c = getopt_long(argc, argv, ":aw::", long_options, NULL);
        if (c == -1)
            break;
        int r = set_one(&given, c, argv);
        if (r != 0)
            return r;
        if (given.help)
            return 0;
    }
    ret_options->names = argv + optind;
    ret_options->name_count = (size_t)(argc - optind);
    return check_together(&given);
}
