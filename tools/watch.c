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

#include "clock.h"
#include "diagnosis.h"
#include "live.h"
#include "looks.h"
#include "output.h"
#include "rates.h"
#include "report.h"
#include "state.h"
#include "table.h"
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

static void add_rate(struct table *table, const char *word, bool known, double per_second)
{
    if (known)
        table_add(table, COLOUR_NONE, "%s %s/s", word, text_rate(per_second).s);
    else
        table_add(table, COLOUR_NONE, "%s -", word);
}

static void add_senders(struct table *table, const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    uint64_t longest_ns = 0;
    size_t blocked = channel_blocked(channel, &longest_ns);
    if (blocked > 0)
        table_add(table, COLOUR_NONE, "senders %" PRIu32 "/%" PRIu32 "  blocked %zu for %s", s->senders_held,
                  s->max_senders, blocked, text_duration(longest_ns).s);
    else
        table_add(table, COLOUR_NONE, "senders %" PRIu32 "/%" PRIu32, s->senders_held, s->max_senders);
}

static void add_line(struct table *table, const char *time, const struct sample *sample)
{
    const struct channel *channel = &sample->now;
    table_add(table, COLOUR_NONE, "%s", time);
    table_add(table, COLOUR_NONE, "%s", channel_name_text(channel).s);
    table_add(table, COLOUR_NONE, "%s", channel_state_word(channel_state(channel, &sample->before)));
    if (channel->error < 0) {
        char *why = diagnosis_in_short(channel);
        table_across(table, why);
        free(why);
        return;
    }
    struct rates rates = rates_of(channel, &sample->before);
    table_add(table, COLOUR_NONE, "used %s/%s", text_count(channel->used).s, text_count(channel->room).s);
    add_rate(table, "sent", rates.known, rates.sent);
    add_rate(table, "received", rates.known, rates.received);
    add_senders(table, channel);
}

static void put_lines(const struct sample *samples, size_t count)
{
    /* Time, name, state, used, sent, received, senders. */
    static const struct table_column columns[7];
    struct text clock = text_clock();
    struct table table;
    if (count == 0)
        printf("%s  no channels\n", clock.s);
    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++)
        add_line(&table, clock.s, &samples[i]);
    table_print(&table, stdout, 0, 0);
    table_free(&table);
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
    int64_t deadline_ns = clock_monotonic_ns();
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
