/* SPDX-License-Identifier: MIT */
/* When a receiver waits before it looks: for a stream; not for one who waits for each answer. */
#include "pace.h"
#include "support.h"

static struct pace fresh(void)
{
    return (struct pace){.patience = PACE_SOON};
}

/* So many looks that show `messages` each; how many came after a wait. */
static unsigned waited(struct pace *pace, unsigned looks, uint64_t messages)
{
    unsigned count = 0;
    while (looks-- > 0) {
        count += pace->wait > 0;
        pace_learn(pace, messages);
    }
    return count;
}

static void nothing_to_learn_from_nothing(void)
{
    struct pace pace = fresh();
    expect(waited(&pace, 100000, 0) == 0);
}

static void a_receiver_that_lags_does_not_wait(void)
{
    struct pace pace = fresh();
    expect(waited(&pace, 100000, PACE_PLENTY) == 0);
}

static void a_stream_is_tried_soon(void)
{
    struct pace pace = fresh();
    expect(waited(&pace, PACE_SOON, 1) == 0);
    expect(pace.wait == PACE_FIRST);
    pace_learn(&pace, PACE_FEW); /* it is one: wait longer, until a look shows plenty */
    expect(pace.wait == 2 * PACE_FIRST);
    expect(waited(&pace, 100, PACE_PLENTY) == 100 && pace.wait == 2 * PACE_FIRST);
}

static void the_wait_is_bounded(void)
{
    struct pace pace = fresh();
    waited(&pace, 1000, PACE_FEW - 1);
    pace = (struct pace){.wait = PACE_FIRST, .patience = PACE_SOON};
    for (unsigned i = 0; i < 1000; i++) {
        pace_learn(&pace, PACE_FEW);
        expect(pace.wait >= PACE_FIRST && pace.wait <= PACE_LONGEST);
    }
}

static void too_many_at_once_shorten_it_to_nothing(void)
{
    struct pace pace = {.wait = PACE_LONGEST, .patience = PACE_SOON};
    for (unsigned i = 0; i < 32; i++)
        pace_learn(&pace, 1000);
    expect(pace.wait == 0);
}

/* A question and an answer at a time: fewer and fewer tries, and hardly any in the end. */
static void answers_one_by_one_are_not_delayed(void)
{
    struct pace pace = fresh();
    expect(waited(&pace, 100000, 1) < 40);
    expect(waited(&pace, 100000, 1) <= 100000 / PACE_LATE + 1);
    expect(waited(&pace, 1000, 0) <= 1);
}

static void what_was_slow_may_become_a_stream(void)
{
    struct pace pace = fresh();
    waited(&pace, 100000, 1);
    while (pace.wait == 0)
        pace_learn(&pace, 1);
    pace_learn(&pace, PACE_PLENTY);
    expect(pace.wait > 0 && pace.patience == PACE_SOON);
    pace_learn(&pace, 0); /* it has ended */
    expect(pace.wait == 0);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"nothing to learn from nothing", nothing_to_learn_from_nothing},
        {"a receiver that lags does not wait", a_receiver_that_lags_does_not_wait},
        {"a stream is tried soon", a_stream_is_tried_soon},
        {"the wait is bounded", the_wait_is_bounded},
        {"too many at once shorten it to nothing", too_many_at_once_shorten_it_to_nothing},
        {"answers one by one are not delayed", answers_one_by_one_are_not_delayed},
        {"what was slow may become a stream", what_was_slow_may_become_a_stream},
    };
    return suite_run("pace", rows, COUNT_OF(rows), argc, argv);
}
