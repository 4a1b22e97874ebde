/* SPDX-License-Identifier: MIT */
/* shmchan-stat: shows what channels are doing, without touching them. Options, exit status, main. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "channel.h"
#include "report.h"
#include "text.h"

enum { EXIT_TROUBLE = 1, EXIT_USAGE = 2 };

static const char help[] =
    "Usage: shmchan-stat [--json] [NAME...]\n"
    "Shows what shmchan channels are doing. Takes no place, no lock; changes nothing.\n"
    "\n"
    "Without NAME: one line a channel of this machine. With NAME: everything about\n"
    "it; NAME is a channel's name, with or without its slash.\n"
    "\n"
    "  --json     everything about each channel, as one JSON document\n"
    "  --help     this text\n"
    "  --version  the version\n"
    "\n"
    "Columns of the list: SIZE bytes in a message; CAP messages that fit into one\n"
    "sender's lane; USED messages waiting / room in the lanes in use; SENDERS alive /\n"
    "places; RECEIVER its pid; SENT and RECVD messages since the channel was made.\n"
    "\n"
    "Exit status: 0 fine, 1 a NAME could not be inspected or the output not written,\n"
    "2 wrong usage. Read more: man shmchan-stat\n";

static void complain(const char *name, int error)
{
    fprintf(stderr, "shmchan-stat: %s: %s\n", text_printable(name, SIZE_MAX).s, shmchan_strerror(error));
}

/* Buffered output fails late: only after the flush is it known to be written. */
static bool written(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "shmchan-stat: cannot write the output: %s\n",
            errno != 0 ? strerror(errno) : "write error");
    return false;
}

/* Columns of the terminal that the output goes to; 0 = it goes elsewhere, or nobody knows. */
static size_t terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    return width > 0 && width < 10000 ? (size_t)width : 0;
}

static int show_all(bool json)
{
    struct channel *channels;
    ssize_t n = channel_read_all(&channels);
    if (n < 0) {
        fprintf(stderr, "shmchan-stat: cannot list the channels: %s\n", shmchan_strerror((int)n));
        return EXIT_TROUBLE;
    }
    int status = 0;
    if (json && json_print(stdout, channels, (size_t)n) < 0)
        text_must(NULL);
    else if (!json && n == 0)
        fputs("shmchan-stat: no named channel that this user may read\n", stderr);
    else if (!json)
        print_list(stdout, channels, (size_t)n, terminal_width());
    if (!written())
        status = EXIT_TROUBLE;
    for (ssize_t i = 0; i < n; i++)
        channel_free(&channels[i]);
    free(channels);
    return status;
}

static int show_named(char *const *names, size_t count, bool json)
{
    int status = 0;
    bool first = true;
    struct channel *channels = text_must(calloc(count, sizeof *channels));
    for (size_t i = 0; i < count; i++) {
        channel_read(names[i], &channels[i]);
        if (channels[i].error < 0) {
            complain(channels[i].name, channels[i].error);
            status = EXIT_TROUBLE;
        } else if (!json) {
            if (!first)
                fputc('\n', stdout);
            first = false;
            print_channel(stdout, &channels[i], terminal_width());
        }
    }
    if (json && json_print(stdout, channels, count) < 0)
        text_must(NULL);
    if (!written())
        status = EXIT_TROUBLE;
    for (size_t i = 0; i < count; i++)
        channel_free(&channels[i]);
    free(channels);
    return status;
}

static int usage_error(char *const *argv)
{
    const char *trouble = "unknown option";
    struct text option = text_printable(argv[optind - 1], SIZE_MAX);
    /* getopt says in optopt what it disliked: a long option's code, a short one's letter, or 0. */
    if (optopt > UCHAR_MAX)
        trouble = "this option takes no value";
    else if (optopt > 0)
        option = text_printable((char[]){'-', (char)optopt, '\0'}, 2);
    fprintf(stderr, "shmchan-stat: %s: %s; see 'shmchan-stat --help'\n", trouble, option.s);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    enum { HELP = 256, VERSION, JSON };
    static const struct option options[] = {{"help", no_argument, NULL, HELP},
                                            {"version", no_argument, NULL, VERSION},
                                            {"json", no_argument, NULL, JSON},
                                            {NULL, 0, NULL, 0}};
    bool json = false;

    /* Which characters can be printed depends on the locale. Without one it is ASCII. */
    setlocale(LC_CTYPE, "");
    /* A reader that went away is a write error, to be told like any other. */
    signal(SIGPIPE, SIG_IGN);

    opterr = 0;
    for (;;) {
        int c = getopt_long(argc, argv, "", options, NULL);
        if (c == -1)
            break;
        switch (c) {
        case HELP:
            fputs(help, stdout);
            return written() ? 0 : EXIT_TROUBLE;
        case VERSION:
            printf("shmchan-stat %s\n", shmchan_version());
            return written() ? 0 : EXIT_TROUBLE;
        case JSON:
            json = true;
            break;
        default:
            return usage_error(argv);
        }
    }
    if (optind == argc)
        return show_all(json);
    return show_named(argv + optind, (size_t)(argc - optind), json);
}
