/* SPDX-License-Identifier: MIT */
/* Looks twice, at each channel at least SAMPLE_INTERVAL_MS apart. Who seems to stand still gets a third,
 * later look instead of the second. */
#include "sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "find.h"
#include "state.h"
#include "text.h"

void sample_sleep_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

/* Until so long after this look at the channel: where many are looked at, that has passed meanwhile. */
static void wait_since(const struct channel *channel, unsigned ms)
{
    uint64_t until_ns = channel->snapshot.taken_ns + ms * UINT64_C(1000000);
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    while (channel->error == 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

void sample_free(struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        channel_free(&samples[i].before);
        channel_free(&samples[i].now);
    }
    free(samples);
}

/* A receiver that is stopped is no matter of how long one looks. */
bool sample_suspicious(const struct sample *sample)
{
    return channel_stands_still(&sample->now, &sample->before) &&
           channel_state_but_damage(&sample->now, &sample->before) != STATE_STALLED;
}

static void look_again(struct sample *samples, size_t count)
{
    bool suspicion = false;
    for (size_t i = 0; i < count; i++) {
        wait_since(&samples[i].before, SAMPLE_INTERVAL_MS);
        channel_read_again(&samples[i].before, &samples[i].now);
        suspicion |= sample_suspicious(&samples[i]);
    }
    if (!suspicion)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!sample_suspicious(&samples[i]))
            continue;
        wait_since(&samples[i].before, SAMPLE_INTERVAL_MS + SAMPLE_SUSPICION_MS);
        channel_free(&samples[i].now);
        channel_read_again(&samples[i].before, &samples[i].now);
    }
}

static int by_trouble(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    int r = (int)channel_state(&x->now, &x->before) - (int)channel_state(&y->now, &y->before);
    return r != 0 ? r : strcmp(x->now.name, y->now.name);
}

/* Removed since it was found: there is no such channel. */
static size_t drop_removed(struct sample *samples, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (channel_gone(&samples[i].now)) {
            channel_free(&samples[i].before);
            channel_free(&samples[i].now);
        } else {
            samples[kept++] = samples[i];
        }
    }
    return kept;
}

ssize_t sample_all(bool unreadable, struct sample **ret_samples, struct sample_left_out *ret_left_out)
{
    struct found_list list;
    int r = find_all(unreadable, &list);
    if (r < 0)
        return r;
    struct sample *samples = text_must(calloc(list.count + 1, sizeof *samples));
    for (size_t i = 0; i < list.count; i++)
        channel_read_found(&list.found[i], &samples[i].before);
    look_again(samples, list.count);
    size_t count = drop_removed(samples, list.count);
    if (count > 0)
        qsort(samples, count, sizeof *samples, by_trouble);
    *ret_left_out = (struct sample_left_out){list.files_closed, list.processes_closed};
    find_free(&list);
    *ret_samples = samples;
    return (ssize_t)count;
}

struct sample *sample_named(char *const *names, size_t count)
{
    struct sample *samples = text_must(calloc(count + 1, sizeof *samples));
    for (size_t i = 0; i < count; i++)
        channel_read(names[i], &samples[i].before);
    look_again(samples, count);
    return samples;
}
