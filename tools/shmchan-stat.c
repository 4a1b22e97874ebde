/* SPDX-License-Identifier: MIT */
/* shmchan-stat: shows what channels are doing, without touching them. Exit status, main. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "colour.h"
#include "find.h"
#include "openmetrics.h"
#include "options.h"
#include "orphans.h"
#include "output.h"
#include "report.h"
#include "text.h"
#include "watch.h"

enum { EXIT_TROUBLE = 1 };

static void complain(const struct channel *channel)
{
    fprintf(stderr, "shmchan-stat: %s: %s", channel_name_text(channel).s, shmchan_strerror(channel->error));
    if (channel->file_mode != FILE_UNKNOWN)
        fprintf(stderr, " (it is uid %" PRIu32 "'s, mode %04" PRIo32 ")", channel->file_uid,
                channel->file_mode);
    fputc('\n', stderr);
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

static void print(const struct options *options, const struct sample *samples, size_t count)
{
    if (options->mode == MODE_OPENMETRICS)
        openmetrics_print(stdout, samples, count);
    else if (options->json && json_print(stdout, samples, count, false) < 0)
        text_must(NULL);
    else if (!options->json && options->name_count == 0 && count > 0)
        print_list(stdout, samples, count, terminal_width());
}

static int show_all(const struct options *options)
{
    struct sample *samples;
    size_t closed = 0;
    ssize_t n = sample_all(options->all, &samples, &closed);
    if (n < 0) {
        output_cannot_list((int)n);
        return EXIT_TROUBLE;
    }
    print(options, samples, (size_t)n);
    int status = output_written() ? 0 : EXIT_TROUBLE;
    if (n == 0 && !options->json && options->mode == MODE_SHOW)
        fputs("shmchan-stat: no channel that this user may read\n", stderr);
    if (closed > 0 && options->all && !options->json && options->mode == MODE_SHOW)
        fprintf(stderr,
                "shmchan-stat: this user may not look into %zu process%s, which may have channels without a "
                "name\n",
                closed, closed == 1 ? "" : "es");
    sample_free(samples, (size_t)n);
    return status;
}

static int show_named(const struct options *options)
{
    int status = 0;
    bool first = true;
    bool pages = options->mode == MODE_SHOW && !options->json;
    struct sample *samples = sample_named(options->names, options->name_count);
    for (size_t i = 0; i < options->name_count; i++) {
        if (samples[i].now.error < 0) {
            complain(&samples[i].now);
            status = EXIT_TROUBLE;
        } else if (pages) {
            if (!first)
                fputc('\n', stdout);
            first = false;
            print_channel(stdout, &samples[i], terminal_width());
        }
    }
    print(options, samples, options->name_count);
    if (!output_written())
        status = EXIT_TROUBLE;
    sample_free(samples, options->name_count);
    return status;
}

static int watch(const struct options *options)
{
    const struct watch_options how = {
        .names = options->names,
        .name_count = options->name_count,
        .interval_ms = options->interval_ms,
        .json = options->json,
        .colour = colour_wanted(),
        .all = options->all,
    };
    return watch_run(&how);
}

static int remove_orphans(const struct options *options)
{
    const struct orphans_options how = {
        .names = options->names,
        .name_count = options->name_count,
        .yes = options->yes,
        .dry_run = options->dry_run,
    };
    return orphans_run(&how);
}

/* One a line; a name that a line cannot hold is left out. */
static int print_names(void)
{
    struct found_list list;
    int r = find_all(false, &list);
    if (r < 0) {
        output_cannot_list(r);
        return EXIT_TROUBLE;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.found[i].name, text_printable(list.found[i].name, SIZE_MAX).s) == 0)
            puts(list.found[i].name);
    }
    find_free(&list);
    return output_written() ? 0 : EXIT_TROUBLE;
}

static int run(const struct options *options)
{
    bool looks = options->mode == MODE_SHOW || options->mode == MODE_WATCH || options->mode == MODE_CHECK ||
                 options->mode == MODE_OPENMETRICS;
    if (looks && !proc_is_there())
        fputs(
            "shmchan-stat: there is no /proc here: channels without a name are not found, and nobody can say "
            "what their processes do\n",
            stderr);
    switch (options->mode) {
    case MODE_HELP:
        fputs(arguments_help, stdout);
        return output_written() ? 0 : EXIT_TROUBLE;
    case MODE_VERSION:
        printf("shmchan-stat %s\n", shmchan_version());
        return output_written() ? 0 : EXIT_TROUBLE;
    case MODE_WATCH:
        return watch(options);
    case MODE_CHECK:
        return check_run(options->names, options->name_count, &options->check);
    case MODE_REMOVE_ORPHANS:
        return remove_orphans(options);
    case MODE_NAMES:
        return print_names();
    case MODE_SHOW:
    case MODE_OPENMETRICS:
        break;
    }
    colour_switch(options->mode == MODE_SHOW && !options->json && colour_wanted());
    return options->name_count == 0 ? show_all(options) : show_named(options);
}

int main(int argc, char **argv)
{
    struct options options;
    /* Which characters can be printed depends on the locale. Without one it is ASCII. */
    setlocale(LC_CTYPE, "");
    /* A reader that went away is a write error. */
    signal(SIGPIPE, SIG_IGN);
    output_start();
    int r = arguments_read(argc, argv, &options);
    return r != 0 ? r : run(&options);
}
