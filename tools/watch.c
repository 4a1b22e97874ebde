/* SPDX-License-Identifier: MIT */
/* Watching: at which interval and in what form. The lines for those who are no terminal. */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "live.h"
#include "looks.h"
#include "output.h"
#include "rates.h"
#include "report.h"
#include "state.h"
#include "terminal.h"
#include "text.h"

enum { STATUS_FINE = 0, STATUS_TROUBLE = 1 };

bool watch_interval(const char *text, unsigned *ret_interval_ms)
{
    size_t digits = strspn(text, "0123456789.");
    char *end;
    double seconds = strtod(text, &end);
    if (digits == 0 || end != text + digits || *end != '\0' || seconds < 0.01 || seconds > 86400)
        return false;
    *ret_interval_ms = (unsigned)(seconds * 1000 + 0.5);
    return true;
}

/* ---------------------------------------------------------------- lines */

static void put_rate(const char *word, bool known, double per_second)
{
    if (known)
        printf("  %s %s/s", word, text_rate(per_second).s);
    else
        printf("  %s -", word);
}

static void put_line(const char *time, const struct sample *sample, size_t name_columns)
{
    const struct channel *channel = &sample->now;
    struct text name = channel_name_text(channel);
    printf("%s  %s%*s", time, name.s, (int)(name_columns - text_columns(name.s)), "");
    if (channel->error < 0) {
        printf("  %s\n", shmchan_strerror(channel->error));
        return;
    }
    struct rates rates = rates_of(channel, &sample->before);
    uint64_t longest_ns = 0;
    size_t blocked = channel_blocked(channel, &longest_ns);
    printf("  %-11s", channel_state_word(channel_state(channel, &sample->before)));
    printf("  used %s/%s", text_count(channel->used).s, text_count(channel->room).s);
    put_rate("sent", rates.known, rates.sent);
    put_rate("received", rates.known, rates.received);
    printf("  senders %" PRIu32 "/%" PRIu32, channel->snapshot.senders_held, channel->snapshot.max_senders);
    if (blocked > 0)
        printf("  blocked %zu for %s", blocked, text_duration(longest_ns).s);
    putchar('\n');
}

static void put_lines(const struct sample *samples, size_t count)
{
    struct text clock = text_clock();
    size_t widest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t columns = text_columns(channel_name_text(&samples[i].now).s);
        if (columns > widest)
            widest = columns;
    }
    if (count == 0)
        printf("%s  no channels\n", clock.s);
    for (size_t i = 0; i < count; i++)
        put_line(clock.s, &samples[i], widest);
}

static void sleep_until(int64_t deadline_ns)
{
    struct timespec deadline = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
        ;
}

/* Without end, but for a signal or a reader that went away. */
static int watch_lines(const struct watch_options *options)
{
    struct looks *looks = looks_new(options);
    int64_t deadline_ns = looks_clock_ns();
    int status = STATUS_FINE;
    while (status == STATUS_FINE) {
        const struct sample *samples;
        ssize_t n = looks_next(looks, &samples);
        if (n < 0) {
            output_cannot_list((int)n);
            status = STATUS_TROUBLE;
            break;
        }
        if (options->json && json_print(stdout, samples, (size_t)n, true) < 0)
            text_must(NULL);
        if (!options->json)
            put_lines(samples, (size_t)n);
        if (!output_written())
            status = STATUS_TROUBLE;
        deadline_ns = looks_deadline_ns(options, deadline_ns);
        sleep_until(deadline_ns);
    }
    looks_free(looks);
    return status;
}

int watch_run(const struct watch_options *options)
{
    if (options->json || !isatty(STDOUT_FILENO) || !terminal_take(options->colour))
        return watch_lines(options);
    int r = live_run(options);
    terminal_give_back();
    if (r == 0)
        return STATUS_FINE;
    output_cannot_list(r);
    return STATUS_TROUBLE;
}
