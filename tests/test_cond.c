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

static void backing_off_ends(void)
{
    struct backoff backoff = {0};
    unsigned rounds = 0;
    while (backoff_wait(&backoff, 1))
        expect(++rounds < 100000);
    expect(rounds > 0);
    expect(!backoff_wait(&backoff, 1));
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
    };
    return suite_run("cond", rows, COUNT_OF(rows), argc, argv);
}
