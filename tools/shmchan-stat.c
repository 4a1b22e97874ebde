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
    char whose[64] = "";
    if (channel->file_mode != FILE_UNKNOWN)
        snprintf(whose, sizeof whose, " (it is uid %" PRIu32 "'s, mode %04" PRIo32 ")", channel->file_uid,
                 channel->file_mode);
    output_tell("%s: %s%s", channel_name_text(channel).s, shmchan_strerror(channel->error), whose);
}

static void print(const struct options *options, const struct sample *samples, size_t count)
{
    if (options->mode == MODE_OPENMETRICS)
        openmetrics_print(stdout, samples, count);
    else if (options->json && json_print(stdout, samples, count, false) < 0)
        text_must(NULL);
    else if (!options->json && options->name_count == 0 && count > 0)
        print_list(stdout, samples, count, output_width(STDOUT_FILENO));
}

/* What a list of channels lacks, and why. */
static void tell_left_out(const struct options *options, size_t shown, const struct sample_left_out *left_out)
{
    size_t files = left_out->files, processes = left_out->processes;
    if (shown == 0)
        output_tell("no channel that this user may read%s",
                    find_has_directory() ? "" : ", and no " FIND_DIR " for channels with a name");
    if (files > 0 && options->all)
        output_tell(
            "files that this user may not read may be channels or not; ask as their owner or as root");
    else if (files > 0)
        output_tell("%zu file%s in " FIND_DIR " that this user may not read %s left out (see -a)", files,
                    files == 1 ? "" : "s", files == 1 ? "is" : "are");
    if (processes > 0 && options->all)
        output_tell("this user may not look into %zu process%s, which may have channels without a name",
                    processes, processes == 1 ? "" : "es");
}

static int show_all(const struct options *options)
{
    struct sample *samples;
    struct sample_left_out left_out;
    ssize_t n = sample_all(options->all, &samples, &left_out);
    if (n < 0) {
        output_cannot_list((int)n);
        return EXIT_TROUBLE;
    }
    print(options, samples, (size_t)n);
    int status = output_written() ? 0 : EXIT_TROUBLE;
    if (!options->json && options->mode == MODE_SHOW)
        tell_left_out(options, (size_t)n, &left_out);
    sample_free(samples, (size_t)n);
    return status;
}

static int show_named(const struct options *options)
{
    int status = 0;
    bool pages = options->mode == MODE_SHOW && !options->json;
    struct sample *samples = sample_named(options->names, options->name_count);
    for (size_t i = 0; i < options->name_count; i++) {
        if (samples[i].now.error < 0)
            status = EXIT_TROUBLE;
        if (pages && i > 0)
            fputc('\n', stdout);
        if (pages)
            print_channel(stdout, &samples[i], output_width(STDOUT_FILENO));
        else if (samples[i].now.error < 0)
            complain(&samples[i].now);
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
        output_tell(
            "there is no /proc here: channels without a name are not found, and nobody can say what their "
            "processes do");
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
