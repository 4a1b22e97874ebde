/* SPDX-License-Identifier: MIT */
/*
 * Look after look at channels, each paired with one long enough before to tell what moves. Prints nothing.
 *
 * Ten looks a second do not tell a receiver that stands still from one that takes a message every 0.2 s, so
 * what a look is compared with is half a second old, or the oldest there is until then.
 */
#include "looks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "text.h"

#define COMPARED_NS 450000000
/* In less nothing need have moved: a receiver may have been without a CPU. */
#define COMPARED_LEAST_NS 100000000
/* How often it is looked for new channels. */
#define SEARCH_NS 900000000

struct look {
    int64_t taken_ns;
    struct channel *channels;
    size_t count;
};

struct looks {
    const struct watch_options *options;
    struct look *past; /* the oldest first; the last one is the newest */
    size_t past_count;
    int64_t searched_ns;
    struct sample *samples;
};

int64_t looks_deadline_ns(const struct watch_options *options, int64_t last_ns)
{
    int64_t next_ns = last_ns + (int64_t)options->interval_ms * 1000000;
    int64_t now_ns = clock_monotonic_ns();
    return next_ns > now_ns ? next_ns : now_ns;
}

struct looks *looks_new(const struct watch_options *options)
{
    struct looks *looks = text_must(calloc(1, sizeof *looks));
    looks->options = options;
    return looks;
}

static void free_look(struct look *look)
{
    for (size_t i = 0; i < look->count; i++)
        channel_free(&look->channels[i]);
    free(look->channels);
}

void looks_free(struct looks *looks)
{
    for (size_t i = 0; i < looks->past_count; i++)
        free_look(&looks->past[i]);
    free(looks->past);
    free(looks->samples);
    free(looks);
}

/* ---------------------------------------------------------------- one look */

static void look_at_named(const struct watch_options *options, const struct look *last, struct look *ret_look)
{
    ret_look->count = options->name_count;
    ret_look->channels = text_must(calloc(options->name_count, sizeof *ret_look->channels));
    for (size_t i = 0; i < options->name_count; i++) {
        if (last != NULL && last->channels[i].error == 0)
            channel_read_again(&last->channels[i], &ret_look->channels[i]);
        else
            channel_read(options->names[i], &ret_look->channels[i]);
    }
}

static void look_again(const struct look *last, struct look *ret_look)
{
    ret_look->channels = text_must(calloc(last->count + 1, sizeof *ret_look->channels));
    ret_look->count = 0;
    for (size_t i = 0; i < last->count; i++) {
        struct channel *channel = &ret_look->channels[ret_look->count];
        channel_read_again(&last->channels[i], channel);
        if (channel_gone(channel))
            channel_free(channel);
        else
            ret_look->count++;
    }
}

static int look(struct looks *looks, struct look *ret_look)
{
    const struct look *last = looks->past_count > 0 ? &looks->past[looks->past_count - 1] : NULL;
    ret_look->taken_ns = clock_monotonic_ns();
    if (looks->options->name_count > 0) {
        look_at_named(looks->options, last, ret_look);
    } else if (last != NULL && ret_look->taken_ns - looks->searched_ns < SEARCH_NS) {
        look_again(last, ret_look);
    } else {
        ssize_t n = channel_read_all(looks->options->all, &ret_look->channels);
        if (n < 0)
            return (int)n;
        ret_look->count = (size_t)n;
        looks->searched_ns = ret_look->taken_ns;
    }
    return 0;
}

/* ---------------------------------------------------------------- pairs */

/* Past looks that no later one will be compared with; the newest that is old enough stays. */
static void forget(struct looks *looks, int64_t now_ns)
{
    size_t useless = 0;
    while (useless + 1 < looks->past_count && now_ns - looks->past[useless + 1].taken_ns >= COMPARED_NS)
        useless++;
    for (size_t i = 0; i < useless; i++)
        free_look(&looks->past[i]);
    looks->past_count -= useless;
    if (useless > 0)
        memmove(looks->past, looks->past + useless, looks->past_count * sizeof *looks->past);
}

static int compare_name(const void *name, const void *channel)
{
    return strcmp(name, ((const struct channel *)channel)->name);
}

static const struct channel *find_in(const struct looks *looks, const struct look *past, size_t index,
                                     const char *name)
{
    if (past->count == 0)
        return NULL;
    if (looks->options->name_count > 0)
        return &past->channels[index];
    return bsearch(name, past->channels, past->count, sizeof *past->channels, compare_name);
}

/* The same channel in the oldest look that has it; NULL if that is too young, or there is none. */
static const struct channel *find_before(const struct looks *looks, const struct look *now, size_t index)
{
    const struct channel *channel = &now->channels[index];
    for (size_t i = 0; now->taken_ns - looks->past[i].taken_ns >= COMPARED_LEAST_NS; i++) {
        const struct channel *before = find_in(looks, &looks->past[i], index, channel->name);
        if (before != NULL && before->error == 0 && channel->error == 0 && channel_same(channel, before))
            return before;
    }
    return NULL;
}

/* The newest look's, each with one before. All is borrowed from the looks, which stay until the next one. */
static void pair(struct looks *looks)
{
    const struct look *now = &looks->past[looks->past_count - 1];
    looks->samples = text_must(realloc(looks->samples, (now->count + 1) * sizeof *looks->samples));
    for (size_t i = 0; i < now->count; i++) {
        const struct channel *before = find_before(looks, now, i);
        looks->samples[i].now = now->channels[i];
        looks->samples[i].before =
            before != NULL ? *before : (struct channel){.name = now->channels[i].name, .error = -ENOENT};
    }
}

static int look_and_pair(struct looks *looks)
{
    struct look now = {0, NULL, 0};
    int r = look(looks, &now);
    if (r < 0)
        return r;
    forget(looks, now.taken_ns);
    looks->past = text_must(realloc(looks->past, (looks->past_count + 1) * sizeof *looks->past));
    looks->past[looks->past_count++] = now;
    pair(looks);
    return 0;
}

static bool any_suspicious(const struct looks *looks)
{
    size_t count = looks->past[looks->past_count - 1].count;
    for (size_t i = 0; i < count; i++) {
        if (sample_suspicious(&looks->samples[i]))
            return true;
    }
    return false;
}

/* The first that is shown is no guess: there is one before it, as early as for those who look but once. */
static int look_first(struct looks *looks)
{
    int r = look_and_pair(looks);
    if (r < 0)
        return r;
    sample_sleep_ms(SAMPLE_INTERVAL_MS);
    r = look_and_pair(looks);
    if (r < 0 || !any_suspicious(looks))
        return r;
    sample_sleep_ms(SAMPLE_SUSPICION_MS);
    return look_and_pair(looks);
}

ssize_t looks_next(struct looks *looks, const struct sample **ret_samples)
{
    int r = looks->past_count == 0 ? look_first(looks) : look_and_pair(looks);
    if (r < 0)
        return r;
    *ret_samples = looks->samples;
    return (ssize_t)looks->past[looks->past_count - 1].count;
}
