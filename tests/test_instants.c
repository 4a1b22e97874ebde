/* SPDX-License-Identifier: MIT */
/*
 * What a peer does at the worst instant, without chance: the linker puts this program's functions in front of
 * those that the library's halves call between their looks (Makefile: --wrap), and a peer acts right there.
 */
#include <pthread.h>

#include "cond.h"
#include "liveness.h"
#include "support.h"

/* What to do, once, at the next call of each kind; sleeps that really happened. Each thread has its own. */
static _Thread_local void (*at_question)(void); /* after the answer, before anything that it leads to */
static _Thread_local void (*at_raise)(void);    /* before the flag goes up */
static _Thread_local void (*at_sleep)(void);    /* after the second look */
static _Thread_local void (*at_wake)(void);     /* before the peer is woken */
static _Thread_local unsigned sleeps;
static _Thread_local unsigned sleeps_run_out;

static void act(void (**what)(void))
{
    void (*now)(void) = *what;
    *what = NULL;
    if (now)
        now();
}

int __real_liveness_held(int fd, int64_t byte, int64_t count);
void __real_event_raise(struct shm_event *event);
bool __real_event_sleep(struct shm_event *event, int64_t deadline_ns);
bool __real_event_wake(struct shm_event *event);

int __wrap_liveness_held(int fd, int64_t byte, int64_t count);
void __wrap_event_raise(struct shm_event *event);
bool __wrap_event_sleep(struct shm_event *event, int64_t deadline_ns);
bool __wrap_event_wake(struct shm_event *event);

int __wrap_liveness_held(int fd, int64_t byte, int64_t count)
{
    int r = __real_liveness_held(fd, byte, count);
    act(&at_question);
    return r;
}

void __wrap_event_raise(struct shm_event *event)
{
    act(&at_raise);
    __real_event_raise(event);
}

bool __wrap_event_sleep(struct shm_event *event, int64_t deadline_ns)
{
    act(&at_sleep);
    bool woken = __real_event_sleep(event, deadline_ns);
    sleeps++;
    sleeps_run_out += !woken;
    return woken;
}

bool __wrap_event_wake(struct shm_event *event)
{
    act(&at_wake);
    return __real_event_wake(event);
}

/* ------------------------------------------------------------------------------------------------ a channel
 */

static shmchan_sender *tx;
static shmchan_receiver *rx;
static const char *name;

static void open_channel(uint32_t capacity)
{
    const struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = sizeof(int), .capacity = capacity);
    name = unique_name();
    expect_ok(shmchan_receiver_create(name, &opts, &rx));
    expect_ok(shmchan_sender_open(name, &opts, &tx));
}

static void close_channel(void)
{
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void send_number(int number)
{
    expect_ok(shmchan_send(tx, &number));
}

static void expect_number(int number)
{
    int got = -1;
    expect_is(shmchan_recv(rx, &got), 1);
    expect_is(got, number);
}

/* ------------------------------------------------------------------------------------- the end of the
 * channel */

static void join_send_leave(void)
{
    int number = 7;
    shmchan_sender *late;
    expect_ok(shmchan_sender_open(name, NULL, &late));
    expect_ok(shmchan_send(late, &number));
    shmchan_sender_close(late);
}

static void message_of_one_who_came_after_the_question(void)
{
    int got = -1;
    open_channel(4);
    shmchan_sender_close(tx);
    tx = NULL;
    at_question = join_send_leave;
    expect_is(shmchan_try_recv(rx, &got), 1);
    expect_is(got, 7);
    expect_is(shmchan_try_recv(rx, &got), 0);
    close_channel();
}

static void join_only(void)
{
    expect_ok(shmchan_sender_open(name, NULL, &tx));
}

static void the_end_is_not_sticky_for_one_who_joins_after_the_question(void)
{
    int got;
    open_channel(4);
    shmchan_sender_close(tx);
    tx = NULL;
    at_question = join_only;
    expect_is(shmchan_try_recv(rx, &got), 0);
    expect_is(shmchan_try_recv(rx, &got), -EAGAIN);
    send_number(3);
    expect_number(3);
    close_channel();
}

static void send_and_leave(void)
{
    send_number(9);
    shmchan_sender_close(tx);
    tx = NULL;
}

static void last_message_sent_after_the_question(void)
{
    int got = -1;
    open_channel(4);
    at_question = send_and_leave; /* the answer was: a sender is there */
    expect_is(shmchan_recv(rx, &got), 1);
    expect_is(got, 9);
    expect_is(shmchan_recv(rx, &got), 0);
    close_channel();
}

static void leave(void)
{
    shmchan_sender_close(tx);
    tx = NULL;
}

static void last_sender_leaves_just_before_the_sleep(void)
{
    int got;
    open_channel(4);
    at_sleep = leave;
    expect_is(shmchan_recv(rx, &got), 0);
    expect_is(sleeps, 1);
    expect_is(sleeps_run_out, 0);
    close_channel();
}

/* ------------------------------------------------------------------------------------ the receiver's sleep
 */

static void send_five(void)
{
    send_number(5);
}

static void message_before_the_flag_is_raised(void)
{
    open_channel(4);
    at_raise = send_five;
    expect_number(5);
    expect_is(sleeps, 0);
    close_channel();
}

static void message_after_the_flag_is_raised(void)
{
    open_channel(4);
    at_sleep = send_five;
    expect_number(5);
    expect_is(sleeps, 1);
    expect_is(sleeps_run_out, 0);
    close_channel();
}

static void expect_published(void)
{
    struct shmchan_snapshot snapshot;
    expect_ok(shmchan_inspect(name, &snapshot));
    expect_is(snapshot.sent, 1);
}

static void wait_for_a_sleeper(void)
{
    struct shmchan_snapshot snapshot;
    do
        expect_ok(shmchan_inspect(name, &snapshot));
    while (snapshot.receiver.asleep_since_ns == 0);
}

static void *send_to_a_sleeper(void *arg)
{
    wait_for_a_sleeper();
    at_wake = expect_published;
    send_number(6);
    expect(at_wake == NULL); /* it was woken by us */
    return arg;
}

static void message_is_published_before_the_wake(void)
{
    pthread_t thread;
    open_channel(4);
    expect_ok(pthread_create(&thread, NULL, send_to_a_sleeper, NULL));
    expect_number(6);
    expect_ok(pthread_join(thread, NULL));
    close_channel();
}

static void expect_nobody(void)
{
    struct shmchan_snapshot snapshot;
    expect_ok(shmchan_inspect(name, &snapshot));
    expect_is(snapshot.senders_held, 0);
}

static void *leave_a_sleeper(void *arg)
{
    wait_for_a_sleeper();
    at_wake = expect_nobody;
    leave();
    expect(at_wake == NULL);
    return arg;
}

static void place_is_given_up_before_the_wake(void)
{
    pthread_t thread;
    int got;
    open_channel(4);
    expect_ok(pthread_create(&thread, NULL, leave_a_sleeper, NULL));
    expect_is(shmchan_recv(rx, &got), 0);
    expect_ok(pthread_join(thread, NULL));
    close_channel();
}

/* -------------------------------------------------------------------------------------- the sender's sleep
 */

static void take_two(void)
{
    expect_number(0);
    expect_number(1);
}

static void fill(void)
{
    for (int i = 0; i < 4; i++)
        send_number(i);
}

static void room_before_the_flag_is_raised(void)
{
    open_channel(4);
    fill();
    at_raise = take_two;
    send_number(4);
    expect_is(sleeps, 0);
    close_channel();
}

static void room_after_the_flag_is_raised(void)
{
    open_channel(4);
    fill();
    at_sleep = take_two;
    send_number(4);
    expect_is(sleeps, 1);
    expect_is(sleeps_run_out, 0);
    close_channel();
}

static void close_receiver(void)
{
    shmchan_receiver_close(rx);
    rx = NULL;
}

static void receiver_leaves(void (**instant)(void), unsigned want_sleeps)
{
    int number = 4;
    open_channel(4);
    fill();
    *instant = close_receiver;
    expect_is(shmchan_send(tx, &number), -EPIPE);
    expect_is(sleeps, want_sleeps);
    expect_is(sleeps_run_out, 0);
    close_channel();
}

static void receiver_leaves_before_the_flag_is_raised(void)
{
    receiver_leaves(&at_raise, 0);
}

static void receiver_leaves_after_the_flag_is_raised(void)
{
    receiver_leaves(&at_sleep, 1);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"what one sends who came after the question is received before the end",
         message_of_one_who_came_after_the_question},
        {"one who joins after the question has missed the end, which is not sticky",
         the_end_is_not_sticky_for_one_who_joins_after_the_question},
        {"what the last sender sends after the question is received before the end",
         last_message_sent_after_the_question},
        {"the last sender leaves just before the sleep: woken", last_sender_leaves_just_before_the_sleep},
        {"a message just before the receiver's flag goes up: seen at the second look",
         message_before_the_flag_is_raised},
        {"a message just after the receiver's flag went up: woken", message_after_the_flag_is_raised},
        {"a message is published before its receiver is woken", message_is_published_before_the_wake},
        {"the last sender gives its place up before it wakes the receiver",
         place_is_given_up_before_the_wake},
        {"room just before the sender's flag goes up: seen at the second look",
         room_before_the_flag_is_raised},
        {"room just after the sender's flag went up: woken", room_after_the_flag_is_raised},
        {"the receiver leaves just before the sender's flag goes up",
         receiver_leaves_before_the_flag_is_raised},
        {"the receiver leaves just after the sender's flag went up",
         receiver_leaves_after_the_flag_is_raised},
    };
    return suite_run("instants", rows, COUNT_OF(rows), argc, argv);
}
