/* SPDX-License-Identifier: MIT */
/* Flags and binary semaphores, between processes, with wakers that die at the worst moment. */
#include "cond.h"
#include "support.h"

static struct shm_event *event;

static void set_up(void)
{
    event = shared_memory(sizeof *event);
    event_init(event);
}

static void nobody_sleeps_nobody_is_woken(void)
{
    set_up();
    expect(!event_wake(event));
    expect_is(atomic_load(&event->posts), 0);
}

static void one_post_for_each_raise(void)
{
    set_up();
    event_raise(event);
    expect(event_wake(event));
    expect(!event_wake(event));
    expect(event_sleep(event, INT64_MAX)); /* at once: posted */
    event_lower(event);
}

static void a_post_that_came_too_late_is_forgotten(void)
{
    set_up();
    event_raise(event);
    expect(event_wake(event)); /* but the sleeper had found what it wanted at its second look */
    event_lower(event);
    event_raise(event);
    expect(!event_sleep(event, clock_now_ns() + 1000000));
    event_lower(event);
    expect_is(atomic_load(&event->waiting), 0);
}

static void a_sleep_is_bounded(void)
{
    set_up();
    event_raise(event);
    expect(!event_sleep(event, INT64_MAX)); /* a slice; the watchdog says if not */
    expect(!event_sleep(event, clock_now_ns() - 1));
    event_lower(event);
}

static void killed_between_flag_and_post(void)
{
    set_up();
    event_raise(event);
    expect_is(atomic_exchange(&event->waiting, 0), 1); /* the waker's last act */
    expect(!event_sleep(event, INT64_MAX));
    event_lower(event);
    event_raise(event);
    expect(event_wake(event)); /* nothing of it is left */
    event_lower(event);
}

static void a_dead_sleeper_costs_one_post(void)
{
    set_up();
    event_raise(event); /* and dies */
    expect(event_wake(event));
    for (int i = 0; i < 1000; i++)
        expect(!event_wake(event));
}

static void waker(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        until(event_wake(event));
}

static void between_processes(void)
{
    set_up();
    pid_t pid = spawn("waker", waker, NULL);
    for (int i = 0; i < 1000; i++) {
        watch_progress((uint64_t)i);
        event_raise(event);
        while (!event_sleep(event, INT64_MAX))
            ;
        event_lower(event);
    }
    finish(pid);
}

static void a_scribbled_event_neither_kills_nor_hangs(void)
{
    set_up();
    for (int i = 0; i < 200; i++) {
        for (size_t b = 0; b < sizeof *event; b++)
            ((volatile unsigned char *)event)[b] = (unsigned char)rand();
        event_wake(event);
        event_sleep(event, clock_now_ns() + 1000);
        event_raise(event);
        event_lower(event);
    }
}

static void deadlines(void)
{
    expect(deadline_after_ms(SHMCHAN_FOREVER) == INT64_MAX);
    expect(deadline_after_ms(-7) == INT64_MAX);
    int64_t now = clock_now_ns(), then = deadline_after_ms(INT32_MAX);
    expect(then >= now + (int64_t)INT32_MAX * 1000000);
}

static unsigned rounds_of(const struct backoff_habit *habit, struct backoff *ret_backoff)
{
    unsigned rounds = 0;
    *ret_backoff = backoff_begin(habit);
    while (backoff_wait(ret_backoff, 1))
        expect(++rounds < 100000);
    expect(!backoff_wait(ret_backoff, 1));
    return rounds;
}

static void backing_off_ends(void)
{
    struct backoff_habit habit = {0};
    struct backoff backoff;
    unsigned rounds = rounds_of(&habit, &backoff);
    expect(rounds > 0);
    backoff = backoff_begin(&habit);
    unsigned in_large_steps = 0;
    while (backoff_wait(&backoff, 7))
        in_large_steps++;
    expect(in_large_steps > 0 && in_large_steps < rounds);
}

/* A yield that helps again and again: no more spinning, but for a try now and then, which ends the habit if
 * it helps. */
static void a_habit_of_yielding(void)
{
    struct backoff_habit habit = {0};
    struct backoff yielded, spun = backoff_begin(&habit);
    unsigned rounds = rounds_of(&habit, &yielded), spinning = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct backoff now = backoff_begin(&habit);
        spinning += now.spins > 0;
        backoff_end(&yielded, &habit);
    }
    expect(spinning > 4 && spinning < 30);
    struct backoff backoff;
    expect(rounds_of(&(struct backoff_habit){.yielded = habit.yielded | 1}, &backoff) < rounds);
    backoff_end(&spun, &habit);
    expect(backoff_begin(&habit).spins > 0);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"nobody sleeps, nobody is woken", nobody_sleeps_nobody_is_woken},
        {"one post for each raise", one_post_for_each_raise},
        {"a post that came too late is forgotten", a_post_that_came_too_late_is_forgotten},
        {"a sleep is bounded by slice and deadline", a_sleep_is_bounded},
        {"a waker killed between flag and post: the sleep ends by itself", killed_between_flag_and_post},
        {"a dead sleeper costs one post", a_dead_sleeper_costs_one_post},
        {"between processes", between_processes},
        {"a scribbled event neither kills nor hangs", a_scribbled_event_neither_kills_nor_hangs},
        {"deadlines", deadlines},
        {"backing off ends", backing_off_ends},
        {"a habit of yielding", a_habit_of_yielding},
    };
    return suite_run("cond", rows, COUNT_OF(rows), argc, argv);
}
