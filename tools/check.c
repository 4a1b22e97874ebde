/* SPDX-License-Identifier: MIT */
/* A verdict on channels for a monitor, as monitoring plugins (Nagios and its heirs) give it. */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnosis.h"
#include "find.h"
#include "output.h"
#include "sample.h"
#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Channels that the line names; monitors cut lines of some kilobytes. */
enum { NAMED_MAX = 8 };

struct verdict {
    enum check_level level;
    enum channel_state state;
    double values[CHECK_MEASURES];
    bool over[CHECK_MEASURES]; /* a limit of this level, or of a lower one */
};

static const struct {
    const char *word;
    const char *unit; /* of performance data */
    const char *suffixes[2];
    double factors[2];
    double max; /* 0 = none */
} measures[CHECK_MEASURES] = {
    [CHECK_USED] = {"used", "%", {"%", "%"}, {1, 1}, 100},
    [CHECK_LANE] = {"lane", "%", {"%", "%"}, {1, 1}, 100},
    [CHECK_BLOCKED] = {"blocked", "s", {"s", "ms"}, {1, 0.001}, 0},
    [CHECK_DEAD] = {"dead", "", {"", ""}, {1, 1}, 0},
};

static const char *const level_words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

/* ---------------------------------------------------------------- options */

void check_defaults(struct check_options *ret_options)
{
    for (int level = 0; level < CHECK_UNKNOWN; level++) {
        for (int m = 0; m < CHECK_MEASURES; m++)
            ret_options->limits[level][m] = -1;
    }
    /* A full lane is how a channel slows a sender down; being blocked for long is no such thing. */
    ret_options->limits[CHECK_WARNING][CHECK_BLOCKED] = 5;
    ret_options->limits[CHECK_CRITICAL][CHECK_BLOCKED] = 30;
    for (int state = 0; state <= STATE_IDLE; state++)
        ret_options->state_levels[state] =
            (enum check_level)channel_state_severity((enum channel_state)state);
    ret_options->state_levels[STATE_UNREADABLE] = CHECK_UNKNOWN;
}

/* "80%", "5s", "500ms", "3". */
static bool parse_value(int measure, const char *text, double *ret_value)
{
    size_t digits = strspn(text, "0123456789.");
    char *end;
    double value = strtod(text, &end);
    /* strtod() takes much more. */
    if (digits == 0 || end != text + digits)
        return false;
    for (size_t i = 0; i < COUNT(measures[measure].suffixes); i++) {
        if (*end != '\0' && strcmp(end, measures[measure].suffixes[i]) != 0)
            continue;
        *ret_value = *end == '\0' ? value : value * measures[measure].factors[i];
        return true;
    }
    return false;
}

static bool same_word(const char *element, const char *word)
{
    for (; *element != '\0' && *word != '\0'; element++, word++) {
        if (*element != *word && !(*element == '-' && *word == ' '))
            return false;
    }
    return *element == *word;
}

static bool set_element(struct check_options *options, enum check_level level, const char *element)
{
    for (int state = 0; state <= STATE_IDLE; state++) {
        if (same_word(element, channel_state_word((enum channel_state)state))) {
            options->state_levels[state] = level;
            return true;
        }
    }
    const char *equals = strchr(element, '=');
    for (int m = 0; m < CHECK_MEASURES && equals != NULL && level != CHECK_OK; m++) {
        if (strlen(measures[m].word) == (size_t)(equals - element) &&
            strncmp(element, measures[m].word, strlen(measures[m].word)) == 0)
            return parse_value(m, equals + 1, &options->limits[level][m]);
    }
    return false;
}

char *check_set(struct check_options *options, enum check_level level, const char *list)
{
    for (;;) {
        char *element = text_must(strndup(list, strcspn(list, ",")));
        if (!set_element(options, level, element))
            return element;
        list += strlen(element);
        free(element);
        if (*list == '\0')
            return NULL;
        list++;
    }
}

/* ---------------------------------------------------------------- the verdict on one */

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static void measure(const struct channel *channel, double *values)
{
    uint64_t longest_ns = 0;
    values[CHECK_USED] = percent(channel->used, channel->room);
    channel_blocked(channel, &longest_ns);
    values[CHECK_BLOCKED] = (double)longest_ns / 1e9;
    for (size_t i = 0; i < channel->sender_count; i++) {
        const struct shmchan_sender_state *place = &channel->senders[i].state;
        double lane = percent(channel_lane_used(place), channel->snapshot.capacity);
        if (lane > values[CHECK_LANE])
            values[CHECK_LANE] = lane;
        values[CHECK_DEAD] += place->process.state == SHMCHAN_PLACE_DEAD;
    }
}

/* Of more than one level the one to tell of: a verdict is better than none. */
static enum check_level worse(enum check_level a, enum check_level b)
{
    static const int ranks[] = {
        [CHECK_OK] = 0, [CHECK_UNKNOWN] = 1, [CHECK_WARNING] = 2, [CHECK_CRITICAL] = 3};
    return ranks[a] > ranks[b] ? a : b;
}

static struct verdict judge(const struct sample *sample, const struct check_options *options)
{
    const struct channel *channel = &sample->now;
    struct verdict verdict = {.state = channel_state(channel, &sample->before)};
    verdict.level = options->state_levels[verdict.state];
    if (channel->error < 0)
        return verdict;
    measure(channel, verdict.values);
    for (int level = CHECK_WARNING; level <= CHECK_CRITICAL; level++) {
        for (int m = 0; m < CHECK_MEASURES; m++) {
            double limit = options->limits[level][m];
            if (limit < 0 || verdict.values[m] < limit)
                continue;
            verdict.over[m] = true;
            verdict.level = worse(verdict.level, (enum check_level)level);
        }
    }
    return verdict;
}

/* ---------------------------------------------------------------- the line */

/* A bar would end the text, a quote or an equals sign a label. Backslashes are escaped already. */
static void put(FILE *out, const char *printable, const char *unwanted)
{
    for (; *printable != '\0'; printable++) {
        if (strchr(unwanted, *printable) != NULL)
            fprintf(out, "\\x%02x", (unsigned char)*printable);
        else
            fputc(*printable, out);
    }
}

static void put_value(FILE *out, int measure, double value)
{
    if (measure == CHECK_DEAD)
        fprintf(out, "%.0f", value);
    else if (measure == CHECK_BLOCKED)
        fprintf(out, "%.3f", value);
    else
        fprintf(out, "%.1f", value);
}

/* These words do not say what keeps from reading a channel. */
static bool says_error(const struct verdict *verdict)
{
    return verdict->state == STATE_UNREADABLE || verdict->state == STATE_MISSING;
}

static void put_trouble(FILE *out, const struct sample *sample, const struct verdict *verdict)
{
    const struct channel *channel = &sample->now;
    put(out, channel_name_text(channel).s, "|");
    if (says_error(verdict)) {
        fprintf(out, ": ");
        put(out, shmchan_strerror(channel->error), "|");
        return;
    }
    fprintf(out, " %s", channel_state_word(verdict->state));
    for (int m = 0; m < CHECK_MEASURES; m++) {
        if (!verdict->over[m])
            continue;
        fprintf(out, ", %s ", measures[m].word);
        put_value(out, m, verdict->values[m]);
        fputs(measures[m].unit, out);
    }
}

static void put_text(FILE *out, const struct sample *samples, const struct verdict *verdicts, size_t count,
                     enum check_level level)
{
    size_t troubled = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        if (verdicts[i].level == CHECK_OK)
            continue;
        last = i;
        troubled++;
    }
    fprintf(out, "SHMCHAN %s: ", level_words[level]);
    if (troubled == 0 && count == 1) {
        put(out, channel_name_text(&samples[0].now).s, "|");
        fprintf(out, " %s", channel_state_word(verdicts[0].state));
    } else if (troubled == 0) {
        fprintf(out, "%zu channels", count);
    } else if (troubled < count) {
        fprintf(out, "%zu of %zu channels: ", troubled, count);
    }
    size_t named = 0;
    /* The worst first. */
    for (int rank = CHECK_UNKNOWN; rank > CHECK_OK; rank--) {
        static const enum check_level order[] = {CHECK_OK, CHECK_UNKNOWN, CHECK_WARNING, CHECK_CRITICAL};
        for (size_t i = 0; i < count && named < NAMED_MAX; i++) {
            if (verdicts[i].level != order[rank])
                continue;
            fputs(named++ > 0 ? "; " : "", out);
            put_trouble(out, &samples[i], &verdicts[i]);
        }
    }
    if (troubled > named)
        fprintf(out, "; and %zu more", troubled - named);
    if (troubled == 1 && !says_error(&verdicts[last])) {
        char *sentences = diagnosis(&samples[last].now, &samples[last].before);
        fputs(". ", out);
        put(out, sentences, "|");
        free(sentences);
    }
}

static void put_limit(FILE *out, int measure, double limit)
{
    fputc(';', out);
    if (limit >= 0)
        fprintf(out, "%.*f", measure == CHECK_BLOCKED ? 3 : 1, limit);
}

/* 'label'=value[unit];[warning];[critical];[min];[max] */
static void put_measures(FILE *out, const char *name, const double *values,
                         const struct check_options *options)
{
    for (int m = 0; m < CHECK_MEASURES; m++) {
        fputs(" '", out);
        put(out, name, "|'=");
        fprintf(out, "%s%s'=", name[0] == '\0' ? "" : " ", measures[m].word);
        put_value(out, m, values[m]);
        fputs(measures[m].unit, out);
        put_limit(out, m, options->limits[CHECK_WARNING][m]);
        put_limit(out, m, options->limits[CHECK_CRITICAL][m]);
        fprintf(out, ";0;");
        if (measures[m].max > 0)
            fprintf(out, "%.0f", measures[m].max);
    }
}

static void put_counters(FILE *out, const char *name, const struct shmchan_snapshot *snapshot)
{
    const struct {
        const char *word;
        uint64_t value;
    } counters[] = {{"sent", snapshot->sent}, {"received", snapshot->received}};
    for (size_t i = 0; i < COUNT(counters); i++) {
        fputs(" '", out);
        put(out, name, "|'=");
        fprintf(out, " %s'=%" PRIu64 "c;;;0;", counters[i].word, counters[i].value);
    }
}

/* Each of the channels that were asked for. Of all, whichever there are now, the whole: a monitor keeps a
   record of every label that it ever saw. */
static void put_performance(FILE *out, const struct sample *samples, const struct verdict *verdicts,
                            size_t count, bool named, const struct check_options *options)
{
    const char *bar = " |"; /* only before something */
    double worst[CHECK_MEASURES] = {0};
    size_t levels[CHECK_UNKNOWN + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        levels[verdicts[i].level]++;
        if (named && samples[i].now.error == 0) {
            fputs(bar, out);
            bar = "";
            struct text name = channel_name_text(&samples[i].now);
            put_measures(out, name.s, verdicts[i].values, options);
            put_counters(out, name.s, &samples[i].now.snapshot);
        }
        for (int m = 0; m < CHECK_MEASURES; m++) {
            if (verdicts[i].values[m] > worst[m])
                worst[m] = verdicts[i].values[m];
        }
    }
    if (named)
        return;
    fprintf(out, " | 'channels'=%zu;;;0; 'warning'=%zu;;;0; 'critical'=%zu;;;0; 'unknown'=%zu;;;0;", count,
            levels[CHECK_WARNING], levels[CHECK_CRITICAL], levels[CHECK_UNKNOWN]);
    put_measures(out, "", worst, options);
}

/* Nothing was seen, which is not to say that all is well. */
static int cannot_list(const char *why)
{
    printf("SHMCHAN UNKNOWN: cannot list the channels: %s\n", why);
    output_written();
    return CHECK_UNKNOWN;
}

int check_run(char *const *names, size_t name_count, const struct check_options *options)
{
    struct sample *samples = NULL;
    struct sample_left_out left_out;
    ssize_t n = (ssize_t)name_count;
    if (name_count > 0)
        samples = sample_named(names, name_count);
    else
        n = sample_all(false, &samples, &left_out);
    if (n < 0)
        return cannot_list(shmchan_strerror((int)n));
    if (n == 0 && !find_has_directory())
        return cannot_list("there is no " FIND_DIR);
    enum check_level level = CHECK_OK;
    struct verdict *verdicts = text_must(calloc((size_t)n + 1, sizeof *verdicts));
    for (ssize_t i = 0; i < n; i++) {
        verdicts[i] = judge(&samples[i], options);
        level = worse(level, verdicts[i].level);
    }
    put_text(stdout, samples, verdicts, (size_t)n, level);
    put_performance(stdout, samples, verdicts, (size_t)n, name_count > 0, options);
    fputc('\n', stdout);
    if (!output_written())
        level = CHECK_UNKNOWN;
    free(verdicts);
    sample_free(samples, (size_t)n);
    return (int)level;
}
