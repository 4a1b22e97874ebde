/* SPDX-License-Identifier: MIT */
/*
 * What the calls promise while nobody dies. The first table is std::sync::mpsc's: its rows are named after
 * what Rust's documentation and tests say of sync_channel. The second is what processes and names add.
 */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#define FOREVER SHMCHAN_FOREVER

/* Long enough that a message which is on its way arrives, short enough to wait for in vain. */
#define A_WHILE_MS 120

struct pair {
    shmchan_sender *tx;
    shmchan_receiver *rx;
};

static struct pair make_pair(const struct shmchan_options *opts)
{
    struct pair p = {NULL, NULL};
    expect_ok(shmchan_pair(opts, &p.tx, &p.rx));
    expect(p.tx && p.rx);
    return p;
}

/* An anonymous channel of numbers. */
static struct pair numbers(uint32_t capacity)
{
    return make_pair(&SHMCHAN_OPTIONS(.message_size = sizeof(uint64_t), .capacity = capacity));
}

static void pair_close(struct pair p)
{
    shmchan_sender_close(p.tx);
    shmchan_receiver_close(p.rx);
}

static void send_number(shmchan_sender *tx, uint64_t n)
{
    expect_ok(shmchan_send(tx, &n));
}

static void expect_number(shmchan_receiver *rx, uint64_t want)
{
    uint64_t n = UINT64_MAX;
    expect_is(shmchan_recv(rx, &n), 1);
    expect_is(n, want);
}

static void expect_empty(shmchan_receiver *rx)
{
    uint64_t n = 77;
    expect_is(shmchan_try_recv(rx, &n), -EAGAIN);
    expect_is(n, 77);
}

static void expect_end(shmchan_receiver *rx)
{
    uint64_t n = 77;
    expect_is(shmchan_recv(rx, &n), 0);
    expect_is(shmchan_try_recv(rx, &n), 0);
    expect_is(shmchan_recv_timed(rx, &n, 0), 0);
    expect_is(n, 77);
}

static shmchan_sender *clone_of(const shmchan_sender *tx)
{
    shmchan_sender *other = NULL;
    expect_ok(shmchan_sender_clone(tx, &other));
    expect(other && other != tx);
    return other;
}

/* What a child is given. */
struct task {
    shmchan_sender *tx;
    const char *name;
    uint64_t from, to; /* it sends from ... to - 1 */
    int want;          /* what the send after those returns */
    pid_t parent;
    _Atomic int *said; /* shared: how far it has got */
    _Atomic int *told; /* shared: how far it may go */
};

static struct task task_of(shmchan_sender *tx)
{
    _Atomic int *words = shared_memory(4096);
    return (struct task){.tx = tx, .parent = getpid(), .said = &words[0], .told = &words[1]};
}

static void send_range(void *arg)
{
    struct task *t = arg;
    watch("sending %llu to %llu", (unsigned long long)t->from, (unsigned long long)t->to);
    for (uint64_t n = t->from; n < t->to; n++)
        send_number(t->tx, n);
}

/* ------------------------------------------------------------------ as std::sync::mpsc has it */

static void smoke(void)
{
    struct pair p = numbers(1);
    send_number(p.tx, 1);
    expect_number(p.rx, 1);
    pair_close(p);
}

static void drop_full(void)
{
    struct pair p = numbers(1);
    send_number(p.tx, 1);
    pair_close(p);
}

static void fifo(void)
{
    struct pair p = numbers(1024);
    for (uint64_t n = 0; n < 1024; n++)
        send_number(p.tx, n);
    for (uint64_t n = 0; n < 1024; n++)
        expect_number(p.rx, n);
    expect_empty(p.rx);
    pair_close(p);
}

static void send_before_bound(void)
{
    struct pair p = numbers(8);
    uint64_t n = 9;
    for (uint64_t i = 0; i < 8; i++)
        expect_ok(shmchan_try_send(p.tx, &i));
    expect_is(shmchan_try_send(p.tx, &n), -EAGAIN);
    pair_close(p);
}

static void send_many_numbers(void *arg)
{
    struct task *t = arg;
    watch("filling the lane");
    for (uint64_t n = t->from; n < t->to; n++) {
        send_number(t->tx, n);
        atomic_store(t->said, (int)n + 1);
    }
}

static void bound_blocks(void)
{
    struct pair p = numbers(8);
    struct task t = task_of(p.tx);
    t.to = 9;
    pid_t child = spawn("sender", send_many_numbers, &t);
    watch("the sender fills its lane");
    until(*t.said == 8);
    wait_until_asleep(child);
    expect_is(*t.said, 8);
    watch("one message is taken, the blocked send goes on");
    expect_number(p.rx, 0);
    until(*t.said == 9);
    finish(child);
    for (uint64_t n = 1; n < 9; n++)
        expect_number(p.rx, n);
    pair_close(p);
}

static void try_send_full(void)
{
    struct pair p = numbers(2);
    uint64_t n = 3;
    send_number(p.tx, 1);
    send_number(p.tx, 2);
    for (int i = 0; i < 100; i++)
        expect_is(shmchan_try_send(p.tx, &n), -EAGAIN);
    expect_number(p.rx, 1);
    expect_ok(shmchan_try_send(p.tx, &n));
    expect_is(shmchan_try_send(p.tx, &n), -EAGAIN);
    expect_number(p.rx, 2);
    expect_number(p.rx, 3);
    expect_empty(p.rx);
    pair_close(p);
}

static void try_send_disconnected(void)
{
    struct pair p = numbers(2);
    uint64_t n = 3;
    shmchan_receiver_close(p.rx);
    expect_is(shmchan_try_send(p.tx, &n), -EPIPE);
    expect_is(shmchan_try_send(p.tx, &n), -EPIPE);
    shmchan_sender_close(p.tx);
}

static void send_timed_full(void)
{
    struct pair p = numbers(2);
    uint64_t n = 3, start;
    send_number(p.tx, 1);
    send_number(p.tx, 2);
    expect_is(shmchan_send_timed(p.tx, &n, 0), -ETIMEDOUT);
    start = now_ms();
    expect_is(shmchan_send_timed(p.tx, &n, A_WHILE_MS), -ETIMEDOUT);
    expect(now_ms() - start >= A_WHILE_MS - 1);
    expect_number(p.rx, 1);
    expect_ok(shmchan_send_timed(p.tx, &n, 0));
    expect_number(p.rx, 2);
    expect_number(p.rx, 3);
    pair_close(p);
}

static void send_disconnected(void)
{
    struct pair p = numbers(2);
    uint64_t n = 3;
    shmchan_receiver_close(p.rx);
    expect_is(shmchan_send(p.tx, &n), -EPIPE);
    expect_is(shmchan_send_timed(p.tx, &n, 1000), -EPIPE);
    expect_is(shmchan_send_sized(p.tx, &n, 1, FOREVER), -EPIPE);
    expect_is(shmchan_send_many(p.tx, &n, 1, FOREVER), -EPIPE);
    shmchan_sender_close(p.tx);
}

static void fill_then_fail(void *arg)
{
    struct task *t = arg;
    uint64_t n = 0;
    for (; n < t->to; n++)
        send_number(t->tx, n);
    *t->said = 1;
    watch("blocked until the receiver is dropped");
    expect_is(shmchan_send(t->tx, &n), t->want);
}

static void blocked_send_disconnected(void)
{
    struct pair p = numbers(4);
    struct task t = task_of(p.tx);
    t.to = 4;
    t.want = -EPIPE;
    pid_t child = spawn("sender", fill_then_fail, &t);
    watch("the sender blocks");
    until(*t.said);
    wait_until_asleep(child);
    shmchan_receiver_close(p.rx);
    watch("the blocked sender learns of it");
    finish(child);
    shmchan_sender_close(p.tx);
}

static void try_recv_states(void)
{
    struct pair p = numbers(4);
    uint64_t n = 77;
    expect_empty(p.rx);
    send_number(p.tx, 1);
    expect_is(shmchan_try_recv(p.rx, &n), 1);
    expect_is(n, 1);
    expect_empty(p.rx);
    send_number(p.tx, 2);
    shmchan_sender_close(p.tx);
    expect_is(shmchan_try_recv(p.rx, &n), 1);
    expect_is(n, 2);
    expect_is(shmchan_try_recv(p.rx, &n), 0);
    expect_is(shmchan_try_recv(p.rx, &n), 0);
    shmchan_receiver_close(p.rx);
}

static void recv_drains_then_ends(void)
{
    struct pair p = numbers(4);
    for (uint64_t n = 0; n < 3; n++)
        send_number(p.tx, n);
    shmchan_sender_close(p.tx);
    for (uint64_t n = 0; n < 3; n++)
        expect_number(p.rx, n);
    expect_end(p.rx);
    shmchan_receiver_close(p.rx);
}

static void dropped_unsent(void)
{
    struct pair p = numbers(4);
    shmchan_sender_close(p.tx);
    expect_end(p.rx);
    shmchan_receiver_close(p.rx);
    p = numbers(4);
    shmchan_receiver_close(p.rx);
    shmchan_sender_close(p.tx);
}

static void send_when_parent_sleeps(void *arg)
{
    struct task *t = arg;
    watch("waiting until the receiver sleeps");
    wait_until_asleep(t->parent);
    send_number(t->tx, 5);
}

static void recv_woken_by_send(void)
{
    struct pair p = numbers(4);
    struct task t = task_of(p.tx);
    pid_t child = spawn("sender", send_when_parent_sleeps, &t);
    watch("receiving what is sent while we sleep");
    expect_number(p.rx, 5);
    finish(child);
    pair_close(p);
}

static void close_when_parent_sleeps(void *arg)
{
    struct task *t = arg;
    watch("waiting until the receiver sleeps");
    wait_until_asleep(t->parent);
    shmchan_sender_close(t->tx);
    watch("waiting for leave to exit");
    until(*t->told); /* so that it is the close and not the exit that ends the channel */
}

static void recv_ended_by_drop(void)
{
    struct pair p = numbers(4);
    struct task t = task_of(p.tx);
    pid_t child = spawn("sender", close_when_parent_sleeps, &t);
    shmchan_sender_close(p.tx);
    watch("blocked until the last sender is dropped");
    expect_end(p.rx);
    *t.told = 1;
    finish(child);
    shmchan_receiver_close(p.rx);
}

static void clone_keeps_open(void)
{
    struct pair p = numbers(4);
    shmchan_sender *other = clone_of(p.tx);
    shmchan_sender_close(p.tx);
    expect_empty(p.rx);
    send_number(other, 1);
    expect_number(p.rx, 1);
    expect_empty(p.rx);
    shmchan_sender *third = clone_of(other);
    shmchan_sender_close(other);
    expect_empty(p.rx);
    shmchan_sender_close(third);
    expect_end(p.rx);
    shmchan_receiver_close(p.rx);
}

static void dropped_clone(void)
{
    struct pair p = numbers(4);
    shmchan_sender_close(clone_of(p.tx));
    expect_empty(p.rx);
    send_number(p.tx, 1);
    expect_number(p.rx, 1);
    pair_close(p);
}

/* sync_channel's bound is of the channel; here each sender has its own, as the header says. */
static void clone_has_its_bound(void)
{
    struct pair p = numbers(2);
    shmchan_sender *other = clone_of(p.tx);
    uint64_t n = 9;
    send_number(p.tx, 1);
    send_number(p.tx, 2);
    expect_is(shmchan_try_send(p.tx, &n), -EAGAIN);
    send_number(other, 3);
    send_number(other, 4);
    expect_is(shmchan_try_send(other, &n), -EAGAIN);
    for (n = 1; n <= 4; n++)
        expect_number(p.rx, n);
    shmchan_sender_close(other);
    pair_close(p);
}

static void recv_timeout_empty(void)
{
    struct pair p = numbers(4);
    uint64_t n = 77, start = now_ms();
    expect_is(shmchan_recv_timed(p.rx, &n, A_WHILE_MS), -ETIMEDOUT);
    expect(now_ms() - start >= A_WHILE_MS - 1);
    expect_is(shmchan_recv_timed(p.rx, &n, 0), -ETIMEDOUT);
    expect_is(n, 77);
    pair_close(p);
}

static void recv_timeout_message(void)
{
    struct pair p = numbers(4);
    struct task t = task_of(p.tx);
    uint64_t n = 77;
    send_number(p.tx, 4);
    expect_is(shmchan_recv_timed(p.rx, &n, 0), 1);
    expect_is(n, 4);
    pid_t child = spawn("sender", send_when_parent_sleeps, &t);
    watch("receiving in time");
    expect_is(shmchan_recv_timed(p.rx, &n, 60000), 1);
    expect_is(n, 5);
    finish(child);
    pair_close(p);
}

static void recv_timeout_disconnected(void)
{
    struct pair p = numbers(4);
    struct task t = task_of(p.tx);
    uint64_t n = 77;
    pid_t child = spawn("sender", close_when_parent_sleeps, &t);
    shmchan_sender_close(p.tx);
    watch("the end comes before the time is up");
    expect_is(shmchan_recv_timed(p.rx, &n, 3600 * 1000), 0);
    *t.told = 1;
    finish(child);
    shmchan_receiver_close(p.rx);
}

static void iter_until_end(void)
{
    struct pair p = numbers(4);
    struct task t = task_of(p.tx);
    uint64_t n, next = 0;
    t.to = 1000;
    pid_t child = spawn("sender", send_range, &t);
    shmchan_sender_close(p.tx);
    watch("for message in receiver");
    while (shmchan_recv(p.rx, &n) > 0)
        expect_is(n, next++);
    expect_is(next, 1000);
    finish(child);
    shmchan_receiver_close(p.rx);
}

static void try_iter(void)
{
    struct pair p = numbers(16);
    uint64_t n, sum = 0;
    for (n = 1; n <= 10; n++)
        send_number(p.tx, n);
    while (shmchan_try_recv(p.rx, &n) > 0)
        sum += n;
    expect_is(sum, 55);
    expect_empty(p.rx);
    pair_close(p);
}

/* Many threads, each with a clone; `to` messages each. */
static void *thread_sends(void *arg)
{
    struct task *t = arg;
    for (uint64_t n = t->from; n < t->to; n++)
        send_number(t->tx, n);
    shmchan_sender_close(t->tx);
    return NULL;
}

static void shared_by_threads(void)
{
    enum { THREADS = 8, EACH = 5000 };
    struct pair p = numbers(64);
    pthread_t threads[THREADS];
    struct task tasks[THREADS];
    uint64_t next[THREADS], n;
    for (uint64_t i = 0; i < THREADS; i++) {
        next[i] = i * EACH;
        tasks[i] = (struct task){.tx = clone_of(p.tx), .from = i * EACH, .to = (i + 1) * EACH};
        expect_ok(pthread_create(&threads[i], NULL, thread_sends, &tasks[i]));
    }
    shmchan_sender_close(p.tx);
    watch("receiving from threads");
    while (shmchan_recv(p.rx, &n) > 0) {
        expect(n < THREADS * EACH);
        expect_is(n, next[n / EACH]++);
    }
    for (uint64_t i = 0; i < THREADS; i++) {
        expect_is(next[i], (i + 1) * EACH);
        expect_ok(pthread_join(threads[i], NULL));
    }
    shmchan_receiver_close(p.rx);
}

static void *thread_receives(void *arg)
{
    shmchan_receiver *rx = arg;
    for (uint64_t n = 0; n < 3; n++)
        expect_number(rx, n);
    expect_end(rx);
    shmchan_receiver_close(rx);
    return NULL;
}

static void receiver_moves_to_a_thread(void)
{
    struct pair p = numbers(1);
    pthread_t thread;
    expect_ok(pthread_create(&thread, NULL, thread_receives, p.rx));
    watch("sending to a thread");
    for (uint64_t n = 0; n < 3; n++)
        send_number(p.tx, n);
    shmchan_sender_close(p.tx);
    expect_ok(pthread_join(thread, NULL));
}

/* oneshot_multi_thread_close_stress and its kin: both halves dropped at about the same time. */
static void *thread_closes(void *arg)
{
    shmchan_receiver_close(arg);
    return NULL;
}

static void both_drop_at_once(void)
{
    for (int i = 0; i < 200; i++) {
        struct pair p = numbers(1);
        pthread_t thread;
        uint64_t n = 1;
        expect_ok(pthread_create(&thread, NULL, thread_closes, p.rx));
        int r = shmchan_try_send(p.tx, &n);
        expect(r == 0 || r == -EPIPE);
        shmchan_sender_close(p.tx);
        expect_ok(pthread_join(thread, NULL));
    }
}

static void first_in_first_out_across_senders(void)
{
    struct pair p = numbers(16384);
    shmchan_sender *other = clone_of(p.tx);
    for (uint64_t n = 0; n < 20000; n++)
        send_number(n % 2 ? p.tx : other, n);
    for (uint64_t n = 0; n < 20000; n++)
        expect_number(p.rx, n);
    expect_empty(p.rx);
    shmchan_sender_close(other);
    pair_close(p);
}

/* --------------------------------------------------------------------- a model of the whole */

/*
 * Random calls on a channel in one thread, each outcome compared with a plain queue's: which message comes
 * next, when a lane is full, when the channel is empty, ended, or out of places.
 */
enum { MODEL_PLACES = 5, MODEL_CAPACITY = 8, MODEL_QUEUE = MODEL_PLACES * MODEL_CAPACITY };

struct model {
    struct pair p;
    bool ordered;
    uint32_t random;
    shmchan_sender *tx[MODEL_PLACES]; /* by place; NULL: nobody there */
    unsigned waiting[MODEL_PLACES];
    uint64_t next_number;
    unsigned queued;
    struct {
        uint64_t number;
        unsigned place;
    } queue[MODEL_QUEUE];
};

static uint32_t model_random(struct model *m, uint32_t below)
{
    m->random = m->random * 1664525 + 1013904223;
    return (m->random >> 8) % below;
}

static void model_sent(struct model *m, unsigned place)
{
    m->queue[m->queued].number = m->next_number++;
    m->queue[m->queued++].place = place;
    m->waiting[place]++;
}

/* The received message must be the queue's first (of its place, when unordered). */
static void model_received(struct model *m, uint64_t number)
{
    unsigned i = 0;
    if (!m->ordered) {
        while (i < m->queued && m->queue[i].number != number)
            i++;
        expect(i < m->queued);
        for (unsigned j = 0; j < i; j++)
            expect(m->queue[j].place != m->queue[i].place);
    }
    expect_is(number, m->queue[i].number);
    m->waiting[m->queue[i].place]--;
    m->queued--;
    memmove(&m->queue[i], &m->queue[i + 1], (m->queued - i) * sizeof m->queue[0]);
}

static void model_send(struct model *m, unsigned place)
{
    shmchan_sender *tx = m->tx[place];
    unsigned room = MODEL_CAPACITY - m->waiting[place];
    uint64_t numbers_due[MODEL_CAPACITY + 4];
    unsigned count = 1 + model_random(m, MODEL_CAPACITY + 3);
    void *slot = NULL;
    for (unsigned i = 0; i < count; i++)
        numbers_due[i] = m->next_number + i;
    switch (model_random(m, 5)) {
    case 0:
        expect_is(shmchan_try_send(tx, numbers_due), room ? 0 : -EAGAIN);
        count = 1;
        break;
    case 1:
        expect_is(shmchan_send_timed(tx, numbers_due, 0), room ? 0 : -ETIMEDOUT);
        count = 1;
        break;
    case 2:
        expect_is(shmchan_send_many(tx, numbers_due, count, 0), room == 0      ? -ETIMEDOUT
                                                                : count < room ? (long)count
                                                                               : (long)room);
        break;
    case 3:
        expect_is(shmchan_reserve(tx, &slot, 0), room ? 0 : -ETIMEDOUT);
        if (room) {
            memcpy(slot, numbers_due, sizeof numbers_due[0]);
            expect_ok(shmchan_commit(tx, sizeof numbers_due[0]));
        }
        count = 1;
        break;
    default:
        if (shmchan_reserve(tx, &slot, 0) == 0) {
            memset(slot, 0xff, sizeof numbers_due[0]);
            expect_ok(shmchan_abort(tx));
        }
        count = 0;
    }
    for (unsigned i = 0; i < count && i < room; i++)
        model_sent(m, place);
}

static int model_alive(const struct model *m)
{
    int alive = 0;
    for (int i = 0; i < MODEL_PLACES; i++)
        alive += m->tx[i] != NULL;
    return alive;
}

static void model_recv(struct model *m)
{
    uint64_t got[8] = {0};
    const void *peeked, *again;
    unsigned count = 1 + model_random(m, COUNT_OF(got));
    int nothing = model_alive(m) ? -EAGAIN : 0, nothing_timed = nothing ? -ETIMEDOUT : 0;
    switch (model_random(m, 4)) {
    case 0:
        expect_is(shmchan_try_recv(m->p.rx, got), m->queued ? 1 : nothing);
        count = 1;
        break;
    case 1:
        expect_is(shmchan_recv_many(m->p.rx, got, count, 0), m->queued == 0      ? nothing_timed
                                                             : m->queued < count ? (long)m->queued
                                                                                 : (long)count);
        break;
    case 2:
        expect_is(shmchan_recv_timed(m->p.rx, got, 0), m->queued ? 1 : nothing_timed);
        count = 1;
        break;
    default:
        expect_is(shmchan_peek(m->p.rx, &peeked, NULL, 0), m->queued ? 1 : nothing_timed);
        count = 1;
        if (m->queued) {
            expect_is(shmchan_peek(m->p.rx, &again, NULL, 0), 1);
            expect(peeked == again);
            memcpy(got, peeked, sizeof got[0]);
            if (model_random(m, 2))
                expect_ok(shmchan_release(m->p.rx));
            else
                expect_is(shmchan_try_recv(m->p.rx, got), 1);
        }
    }
    for (unsigned i = 0; i < count && m->queued; i++)
        model_received(m, got[i]);
}

static void model_join(struct model *m)
{
    shmchan_sender *tx = NULL;
    unsigned full = 0;
    for (int i = 0; i < MODEL_PLACES; i++)
        full += m->tx[i] || m->waiting[i];
    expect_is(shmchan_sender_of(m->p.rx, &tx), full == MODEL_PLACES ? -EUSERS : 0);
    if (!tx)
        return;
    int place = shmchan_sender_id(tx);
    expect(place >= 0 && place < MODEL_PLACES && !m->tx[place] && m->waiting[place] == 0);
    m->tx[place] = tx;
}

static void run_model(uint32_t flags, uint32_t random)
{
    struct model m = {.ordered = !(flags & SHMCHAN_UNORDERED), .random = random};
    m.p = make_pair(&SHMCHAN_OPTIONS(.message_size = sizeof(uint64_t), .capacity = MODEL_CAPACITY,
                                     .max_senders = MODEL_PLACES, .flags = flags));
    int place = shmchan_sender_id(m.p.tx);
    expect(place >= 0 && place < MODEL_PLACES);
    m.tx[place] = m.p.tx;
    uint64_t steps = scaled(200000);
    for (uint64_t i = 0; i < steps; i++) {
        watch_progress(i);
        unsigned which = model_random(&m, MODEL_PLACES), what = model_random(&m, 100);
        if (what < 45 && m.tx[which]) {
            model_send(&m, which);
        } else if (what < 90) {
            model_recv(&m);
        } else if (what < 95) {
            model_join(&m);
        } else if (what < 98) {
            shmchan_sender_close(m.tx[which]);
            m.tx[which] = NULL;
        }
    }
    for (int i = 0; i < MODEL_PLACES; i++)
        shmchan_sender_close(m.tx[i]);
    shmchan_receiver_close(m.p.rx);
}

static void model_ordered(void)
{
    for (uint32_t seed = 1; seed <= 4; seed++) {
        watch("random calls, seed %u", seed);
        run_model(0, seed);
    }
}

static void model_unordered(void)
{
    for (uint32_t seed = 1; seed <= 4; seed++) {
        watch("random calls, unordered, seed %u", seed);
        run_model(SHMCHAN_UNORDERED, seed);
    }
}

/* ----------------------------------------------------------------------- lengths and batches */

static void sized(void)
{
    enum { SIZE = 100 };
    struct pair p = make_pair(&SHMCHAN_OPTIONS(.message_size = SIZE, .capacity = 4));
    unsigned char out[SIZE], in[SIZE];
    struct shmchan_info info;
    for (uint32_t length = 0; length <= SIZE; length++) {
        memset(out, 0xee, sizeof out);
        message_fill(out, length, 1, length);
        expect_ok(shmchan_send_sized(p.tx, out, length, FOREVER));
        memset(in, 0xdd, sizeof in);
        expect_is(shmchan_recv_info(p.rx, in, &info, FOREVER), 1);
        expect_is(info.length, length);
        const char *fault = message_fault(in, length, 1, length);
        if (fault)
            fail("%s", fault);
        for (uint32_t i = length; i < SIZE; i++)
            expect_is(in[i], 0);
    }
    expect_is(shmchan_send_sized(p.tx, out, SIZE + 1, FOREVER), -EMSGSIZE);
    expect_is(shmchan_send_sized(p.tx, out, UINT32_MAX, FOREVER), -EMSGSIZE);
    expect_is(shmchan_try_recv(p.rx, in), -EAGAIN);
    pair_close(p);
}

static void sizes(void)
{
    static const uint32_t sizes_due[] = {1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 65, 4095, 4096, 4097, 1u << 20};
    unsigned char *out = malloc(1u << 20), *in = malloc((1u << 20) + 1);
    expect(out && in);
    for (size_t i = 0; i < COUNT_OF(sizes_due); i++) {
        uint32_t size = sizes_due[i];
        struct pair p = make_pair(&SHMCHAN_OPTIONS(.message_size = size, .capacity = 3));
        expect_is(shmchan_sender_message_size(p.tx), size);
        expect_is(shmchan_receiver_message_size(p.rx), size);
        for (uint64_t n = 0; n < 10; n++) {
            message_fill(out, size, size, n);
            expect_ok(shmchan_try_send(p.tx, out));
            in[size] = 0x77;
            expect_is(shmchan_try_recv(p.rx, in), 1);
            expect_is(in[size], 0x77);
            const char *fault = message_fault(in, size, size, n);
            if (fault)
                fail("size %u: %s", size, fault);
        }
        pair_close(p);
    }
    free(out);
    free(in);
}

static void largest_message(void)
{
    struct pair p = make_pair(&SHMCHAN_OPTIONS(.message_size = SHMCHAN_MESSAGE_MAX, .capacity = 1));
    unsigned char *message = malloc(SHMCHAN_MESSAGE_MAX);
    expect(message);
    message_fill(message, SHMCHAN_MESSAGE_MAX, 3, 4);
    expect_ok(shmchan_try_send(p.tx, message));
    expect_is(shmchan_try_send(p.tx, message), -EAGAIN);
    memset(message, 0, SHMCHAN_MESSAGE_MAX);
    expect_is(shmchan_try_recv(p.rx, message), 1);
    const char *fault = message_fault(message, SHMCHAN_MESSAGE_MAX, 3, 4);
    if (fault)
        fail("%s", fault);
    free(message);
    pair_close(p);
}

static void capacities(void)
{
    static const struct {
        uint32_t asked, given;
    } rows[] = {{1, 1}, {2, 2}, {3, 4}, {4, 4}, {5, 8}, {1000, 1024}, {65537, 131072}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair p = numbers(rows[i].asked);
        uint64_t n = 0, fits = 0;
        while (shmchan_try_send(p.tx, &fits) == 0)
            fits++;
        expect_is(fits, rows[i].given);
        for (int round = 0; round < 3; round++) { /* and it goes on being that, at any offset */
            expect_number(p.rx, n++);
            expect_ok(shmchan_try_send(p.tx, &fits));
            fits++;
            expect_is(shmchan_try_send(p.tx, &fits), -EAGAIN);
        }
        while (n < fits)
            expect_number(p.rx, n++);
        expect_empty(p.rx);
        pair_close(p);
    }
}

static void batch_whole(void)
{
    struct pair p = numbers(8);
    uint64_t out[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    expect_is(shmchan_send_many(p.tx, out, 0, FOREVER), 0);
    expect_empty(p.rx);
    expect_is(shmchan_send_many(p.tx, out, 5, FOREVER), 5);
    expect_is(shmchan_send_many(p.tx, out + 5, 3, FOREVER), 3);
    for (uint64_t n = 0; n < 8; n++)
        expect_number(p.rx, n);
    expect_empty(p.rx);
    pair_close(p);
}

static void batch_partial(void)
{
    struct pair p = numbers(4);
    uint64_t out[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    expect_is(shmchan_send_many(p.tx, out, 10, A_WHILE_MS), 4);
    expect_is(shmchan_send_many(p.tx, out + 4, 6, 0), -ETIMEDOUT);
    expect_number(p.rx, 0);
    expect_number(p.rx, 1);
    expect_is(shmchan_send_many(p.tx, out + 4, 3, A_WHILE_MS), 2);
    for (uint64_t n = 2; n < 6; n++)
        expect_number(p.rx, n);
    expect_empty(p.rx);
    pair_close(p);
}

static void send_a_big_batch(void *arg)
{
    struct task *t = arg;
    static uint64_t out[1000];
    for (uint64_t n = 0; n < COUNT_OF(out); n++)
        out[n] = n;
    watch("sending a batch of 1000 through a lane of 8");
    ssize_t sent = shmchan_send_many(t->tx, out, COUNT_OF(out), FOREVER);
    *t->said = (int)sent;
    if (sent < (ssize_t)COUNT_OF(out)) { /* the receiver has left */
        expect_is(shmchan_send_many(t->tx, out, 1, FOREVER), -EPIPE);
    }
}

static void batch_larger_than_capacity(void)
{
    struct pair p = numbers(8);
    struct task t = task_of(p.tx);
    pid_t child = spawn("sender", send_a_big_batch, &t);
    shmchan_sender_close(p.tx);
    watch("receiving a batch of 1000");
    for (uint64_t n = 0; n < 1000; n++)
        expect_number(p.rx, n);
    expect_end(p.rx);
    finish(child);
    expect_is(*t.said, 1000);
    shmchan_receiver_close(p.rx);
}

static void batch_cut_short_by_the_receiver(void)
{
    struct pair p = numbers(8);
    struct task t = task_of(p.tx);
    pid_t child = spawn("sender", send_a_big_batch, &t);
    watch("receiving the first 20 of a batch");
    for (uint64_t n = 0; n < 20; n++)
        expect_number(p.rx, n);
    shmchan_receiver_close(p.rx);
    finish(child);
    expect(*t.said >= 20 && *t.said <= 28);
    shmchan_sender_close(p.tx);
}

struct batches {
    shmchan_sender *tx;
    uint64_t sender, count;
};

enum { BATCH = 7 };

static void send_batches(void *arg)
{
    struct batches *b = arg;
    for (uint64_t i = 0; i < b->count; i++) {
        uint64_t out[BATCH];
        for (uint64_t k = 0; k < BATCH; k++)
            out[k] = b->sender << 32 | (i * BATCH + k);
        expect_is(shmchan_send_many(b->tx, out, BATCH, FOREVER), BATCH);
    }
}

/* Batches up to the capacity come in a row, whatever the other senders do. */
static void batches_in_a_row(void)
{
    struct pair p = numbers(16);
    pid_t children[3];
    uint64_t count = scaled(5000), next[3] = {0}, n, received = 0;
    for (uint64_t i = 0; i < 3; i++) {
        struct batches b = {.tx = p.tx, .sender = i, .count = count};
        children[i] = spawn("batch sender", send_batches, &b);
    }
    shmchan_sender_close(p.tx);
    watch("receiving batches");
    for (; shmchan_recv(p.rx, &n) > 0; received++) {
        uint64_t sender = n >> 32, in_batch = (n & 0xffffffff) % BATCH;
        expect(sender < 3);
        expect_is(n & 0xffffffff, next[sender]++);
        expect_is(in_batch, received % BATCH);
    }
    expect_is(received, 3 * BATCH * count);
    for (int i = 0; i < 3; i++)
        finish(children[i]);
    shmchan_receiver_close(p.rx);
}

static void recv_many(void)
{
    struct pair p = numbers(8);
    uint64_t in[10];
    memset(in, 0xff, sizeof in);
    expect_is(shmchan_recv_many(p.rx, in, 10, 0), -ETIMEDOUT);
    expect_is(shmchan_recv_many(p.rx, in, 0, FOREVER), 0);
    for (uint64_t n = 0; n < 5; n++)
        send_number(p.tx, n);
    expect_is(shmchan_recv_many(p.rx, in, 0, FOREVER), 0);
    expect_is(shmchan_recv_many(p.rx, in, 2, FOREVER), 2);
    expect_is(in[0], 0);
    expect_is(in[1], 1);
    expect(in[2] == UINT64_MAX);
    expect_is(shmchan_recv_many(p.rx, in, 10, FOREVER), 3);
    for (uint64_t i = 0; i < 3; i++)
        expect_is(in[i], i + 2);
    expect(in[3] == UINT64_MAX);
    shmchan_sender_close(p.tx);
    expect_is(shmchan_recv_many(p.rx, in, 10, FOREVER), 0);
    shmchan_receiver_close(p.rx);
}

static void recv_many_sized(void)
{
    struct pair p = make_pair(&SHMCHAN_OPTIONS(.message_size = 10, .capacity = 8));
    unsigned char in[4][10];
    memset(in, 0xff, sizeof in);
    for (uint32_t length = 0; length < 4; length++)
        expect_ok(shmchan_send_sized(p.tx, "abcdefghij", length, FOREVER));
    expect_is(shmchan_recv_many(p.rx, in, 4, FOREVER), 4);
    for (unsigned length = 0; length < 4; length++)
        for (unsigned i = 0; i < 10; i++)
            expect_is(in[length][i], i < length ? 'a' + (int)i : 0);
    pair_close(p);
}

/* ------------------------------------------------------------------------------- in place */

static void reserve_commit(void)
{
    struct pair p = numbers(2);
    void *slot = NULL, *second = NULL;
    uint64_t n = 5;
    expect_ok(shmchan_reserve(p.tx, &slot, 0));
    expect_empty(p.rx);
    expect_is(shmchan_reserve(p.tx, &second, 0), -EPROTO);
    expect(second == NULL);
    expect_is(shmchan_send(p.tx, &n), -EPROTO);
    expect_is(shmchan_try_send(p.tx, &n), -EPROTO);
    expect_is(shmchan_send_timed(p.tx, &n, 0), -EPROTO);
    expect_is(shmchan_send_sized(p.tx, &n, 1, 0), -EPROTO);
    expect_is(shmchan_send_many(p.tx, &n, 1, 0), -EPROTO);
    memcpy(slot, &n, sizeof n);
    expect_is(shmchan_commit(p.tx, sizeof n + 1), -EMSGSIZE);
    expect_empty(p.rx);
    expect_ok(shmchan_commit(p.tx, sizeof n));
    expect_is(shmchan_commit(p.tx, sizeof n), -EPROTO);
    expect_is(shmchan_abort(p.tx), -EPROTO);
    expect_number(p.rx, 5);
    expect_empty(p.rx);
    pair_close(p);
}

static void reserve_lengths(void)
{
    struct pair p = make_pair(&SHMCHAN_OPTIONS(.message_size = 16, .capacity = 2));
    struct shmchan_info info;
    void *slot;
    char in[16];
    for (uint32_t length = 0; length <= 16; length++) {
        expect_ok(shmchan_reserve(p.tx, &slot, 0));
        memcpy(slot, "0123456789abcdef", 16);
        expect_ok(shmchan_commit(p.tx, length));
        memset(in, '!', sizeof in);
        expect_is(shmchan_recv_info(p.rx, in, &info, 0), 1);
        expect_is(info.length, length);
        expect_ok(memcmp(in, "0123456789abcdef", length));
        for (uint32_t i = length; i < sizeof in; i++)
            expect_is(in[i], 0);
    }
    pair_close(p);
}

static void reserve_alignment(void)
{
    static const uint32_t sizes_due[] = {1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 4096};
    for (size_t i = 0; i < COUNT_OF(sizes_due); i++) {
        uint32_t size = sizes_due[i], alignment = size & -size;
        struct pair p = make_pair(&SHMCHAN_OPTIONS(.message_size = size, .capacity = 4));
        for (int n = 0; n < 8; n++) {
            void *slot;
            const void *peeked;
            expect_ok(shmchan_reserve(p.tx, &slot, 0));
            expect_is((uintptr_t)slot % (alignment < 16 ? alignment : 16), 0);
            memset(slot, n, size);
            expect_ok(shmchan_commit(p.tx, size));
            expect_is(shmchan_peek(p.rx, &peeked, NULL, 0), 1);
            expect_is((uintptr_t)peeked % (alignment < 16 ? alignment : 16), 0);
            expect_ok(shmchan_release(p.rx));
        }
        pair_close(p);
    }
}

static void reserve_abort(void)
{
    struct pair p = numbers(2);
    void *slot;
    for (int i = 0; i < 10; i++) {
        expect_ok(shmchan_reserve(p.tx, &slot, 0));
        memset(slot, 0xaa, 8);
        expect_ok(shmchan_abort(p.tx));
        expect_is(shmchan_abort(p.tx), -EPROTO);
    }
    send_number(p.tx, 1);
    send_number(p.tx, 2);
    expect_is(shmchan_reserve(p.tx, &slot, 0), -ETIMEDOUT);
    expect_is(shmchan_reserve(p.tx, &slot, A_WHILE_MS), -ETIMEDOUT);
    expect_number(p.rx, 1);
    expect_ok(shmchan_reserve(p.tx, &slot, 0));
    shmchan_sender_close(p.tx); /* aborts */
    expect_number(p.rx, 2);
    expect_end(p.rx);
    shmchan_receiver_close(p.rx);
}

static void reservation_holds_nobody(void)
{
    struct pair p = numbers(4);
    shmchan_sender *other = clone_of(p.tx);
    void *slot;
    uint64_t mine = 1000;
    expect_ok(shmchan_reserve(p.tx, &slot, 0));
    memcpy(slot, &mine, sizeof mine);
    for (uint64_t n = 0; n < 100; n++) {
        send_number(other, n);
        expect_number(p.rx, n);
    }
    send_number(other, 100);
    expect_ok(shmchan_commit(p.tx, sizeof mine)); /* takes its place in the order now */
    send_number(other, 101);
    expect_number(p.rx, 100);
    expect_number(p.rx, 1000);
    expect_number(p.rx, 101);
    shmchan_sender_close(other);
    pair_close(p);
}

static void commit_without_receiver(void)
{
    struct pair p = numbers(4);
    void *slot;
    expect_ok(shmchan_reserve(p.tx, &slot, 0));
    shmchan_receiver_close(p.rx);
    expect_is(shmchan_commit(p.tx, 8), -EPIPE);
    expect_is(shmchan_commit(p.tx, 8), -EPROTO); /* it was aborted */
    expect_is(shmchan_reserve(p.tx, &slot, FOREVER), -EPIPE);
    shmchan_sender_close(p.tx);
}

static void peek_release(void)
{
    struct pair p = numbers(4);
    const void *message = NULL, *again = NULL;
    struct shmchan_info info, info_again;
    expect_is(shmchan_peek(p.rx, &message, NULL, 0), -ETIMEDOUT);
    expect_is(shmchan_peek(p.rx, &message, NULL, A_WHILE_MS), -ETIMEDOUT);
    expect(message == NULL);
    expect_is(shmchan_release(p.rx), -EPROTO);
    for (uint64_t n = 0; n < 4; n++)
        send_number(p.tx, n);
    expect_is(shmchan_peek(p.rx, &message, &info, 0), 1);
    expect_is(*(const uint64_t *)message, 0);
    expect_is(info.length, 8);
    uint64_t more = 9;
    expect_is(shmchan_try_send(p.tx, &more), -EAGAIN); /* still in its slot */
    expect_is(shmchan_peek(p.rx, &again, &info_again, FOREVER), 1);
    expect(again == message && info.position == info_again.position);
    expect_ok(shmchan_release(p.rx));
    expect_is(shmchan_release(p.rx), -EPROTO);
    expect_ok(shmchan_try_send(p.tx, &more));
    expect_is(shmchan_peek(p.rx, &message, NULL, 0), 1);
    expect_number(p.rx, 1); /* recv takes what was peeked at */
    expect_is(shmchan_release(p.rx), -EPROTO);
    uint64_t in[2];
    expect_is(shmchan_peek(p.rx, &message, NULL, 0), 1);
    expect_is(shmchan_recv_many(p.rx, in, 2, 0), 2);
    expect_is(in[0], 2);
    expect_is(in[1], 3);
    expect_number(p.rx, 9);
    shmchan_sender_close(p.tx);
    expect_is(shmchan_peek(p.rx, &message, NULL, FOREVER), 0);
    shmchan_receiver_close(p.rx);
}

/* What was peeked at stays the next message, though an older one of another sender cannot exist. */
static void peek_with_other_senders(void)
{
    struct pair p = numbers(4);
    shmchan_sender *other = clone_of(p.tx);
    const void *message;
    send_number(other, 1);
    expect_is(shmchan_peek(p.rx, &message, NULL, 0), 1);
    send_number(p.tx, 2);
    send_number(other, 3);
    expect_is(*(const uint64_t *)message, 1);
    expect_is(shmchan_peek(p.rx, &message, NULL, 0), 1);
    expect_is(*(const uint64_t *)message, 1);
    expect_number(p.rx, 1);
    expect_number(p.rx, 2);
    expect_number(p.rx, 3);
    shmchan_sender_close(other);
    pair_close(p);
}

static void info(void)
{
    struct pair p = make_pair(&SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .max_senders = 2));
    shmchan_sender *other = clone_of(p.tx);
    int id = shmchan_sender_id(p.tx), other_id = shmchan_sender_id(other);
    struct shmchan_info about;
    uint64_t n;
    expect(id >= 0 && id < 2 && other_id >= 0 && other_id < 2 && id != other_id);
    for (uint64_t i = 0; i < 10; i++) {
        send_number(p.tx, i);
        expect_ok(shmchan_send_sized(other, &i, 3, FOREVER));
        expect_is(shmchan_recv_info(p.rx, &n, &about, 0), 1);
        expect_is(about.sender_id, id);
        expect_is(about.position, i);
        expect_is(about.length, 8);
        expect_is(about.pid, getpid());
        expect_is(shmchan_recv_info(p.rx, &n, &about, 0), 1);
        expect_is(about.sender_id, other_id);
        expect_is(about.position, i);
        expect_is(about.length, 3);
    }
    send_number(p.tx, 1);
    expect_is(shmchan_recv_info(p.rx, &n, NULL, 0), 1);
    shmchan_sender_close(other);
    other = clone_of(p.tx); /* the place again: its positions go on */
    expect_is(shmchan_sender_id(other), other_id);
    send_number(other, 1);
    expect_is(shmchan_recv_info(p.rx, &n, &about, 0), 1);
    expect_is(about.sender_id, other_id);
    expect_is(about.position, 10);
    shmchan_sender_close(other);
    pair_close(p);
}

/* ----------------------------------------------------------------------------- named channels */

static shmchan_receiver *receiver_create(const char *name, uint32_t capacity, uint32_t flags)
{
    shmchan_receiver *rx = NULL;
    expect_ok(shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = capacity, .flags = flags), &rx));
    return rx;
}

static shmchan_sender *sender_create(const char *name, uint32_t capacity, uint32_t flags)
{
    shmchan_sender *tx = NULL;
    expect_ok(shmchan_sender_create(
        name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = capacity, .flags = flags), &tx));
    return tx;
}

static shmchan_receiver *receiver_open(const char *name)
{
    shmchan_receiver *rx = NULL;
    expect_ok(shmchan_receiver_open(name, NULL, &rx));
    return rx;
}

static shmchan_sender *sender_open(const char *name)
{
    shmchan_sender *tx = NULL;
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    return tx;
}

static void open_and_send(void *arg)
{
    struct task *t = arg;
    if (t->parent) {
        watch("waiting until the receiver sleeps");
        wait_until_asleep(t->parent);
    }
    t->tx = sender_open(t->name);
    send_range(t);
    shmchan_sender_close(t->tx);
}

static void receiver_first(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, 0);
    struct task t = task_of(NULL);
    uint64_t n;
    t.name = name;
    t.to = 100;
    expect_empty(rx);
    expect_is(shmchan_recv_timed(rx, &n, A_WHILE_MS), -ETIMEDOUT); /* no sender yet is not the end */
    pid_t child = spawn("sender", open_and_send, &t);
    watch("waiting for the first sender");
    for (uint64_t i = 0; i < 100; i++)
        expect_number(rx, i);
    expect_end(rx);
    finish(child);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void sender_first(void)
{
    const char *name = unique_name();
    shmchan_sender *tx = sender_create(name, 4, 0);
    uint64_t n;
    for (n = 0; n < 4; n++)
        expect_ok(shmchan_try_send(tx, &n));
    expect_is(shmchan_try_send(tx, &n), -EAGAIN); /* full, not -EPIPE: no receiver has been there */
    expect_is(shmchan_send_timed(tx, &n, A_WHILE_MS), -ETIMEDOUT);
    shmchan_receiver *rx = receiver_open(name);
    for (n = 0; n < 4; n++)
        expect_number(rx, n);
    expect_empty(rx);
    send_number(tx, 4);
    shmchan_sender_close(tx);
    expect_number(rx, 4);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

/* The sender has come and gone before the receiver: its messages are there, then it is the end. */
static void sender_came_and_went(void)
{
    const char *name = unique_name();
    shmchan_sender *tx = sender_create(name, 4, 0);
    send_number(tx, 1);
    send_number(tx, 2);
    shmchan_sender_close(tx);
    shmchan_receiver *rx = receiver_open(name);
    expect_number(rx, 1);
    expect_number(rx, 2);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void sender_blocks_until_a_receiver_comes(void)
{
    const char *name = unique_name();
    shmchan_sender_close(sender_create(name, 4, 0));
    struct task t = task_of(NULL);
    t.name = name;
    t.to = 100;
    t.parent = 0;
    pid_t child = spawn("sender", open_and_send, &t);
    watch("the sender blocks, as there is no receiver");
    wait_until_asleep(child);
    shmchan_receiver *rx = receiver_open(name);
    watch("the receiver comes");
    for (uint64_t n = 0; n < 100; n++)
        expect_number(rx, n);
    expect_end(rx);
    finish(child);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void end_is_not_sticky(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, 0);
    for (uint64_t n = 0; n < 5; n++) {
        shmchan_sender *tx = sender_open(name);
        expect_empty(rx);
        send_number(tx, n);
        shmchan_sender_close(tx);
        expect_number(rx, n);
        expect_end(rx);
    }
    shmchan_sender *own = NULL;
    expect_ok(shmchan_sender_of(rx, &own));
    expect_empty(rx);
    send_number(own, 9);
    expect_number(rx, 9);
    shmchan_sender_close(own);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void sender_of_keeps_open(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, 0);
    shmchan_sender *own = NULL, *tx;
    expect_ok(shmchan_sender_of(rx, &own));
    for (uint64_t n = 0; n < 3; n++) {
        tx = sender_open(name);
        send_number(tx, n);
        shmchan_sender_close(tx);
        expect_number(rx, n);
        expect_empty(rx);
    }
    shmchan_sender_close(own);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void takeover(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 16, 0);
    shmchan_sender *a = sender_open(name), *b = sender_open(name);
    const void *message;
    for (uint64_t n = 0; n < 20; n++)
        send_number(n % 3 ? a : b, n);
    for (uint64_t n = 0; n < 7; n++)
        expect_number(rx, n);
    expect_is(shmchan_peek(rx, &message, NULL, 0), 1);
    expect_is(*(const uint64_t *)message, 7);
    shmchan_receiver_close(rx); /* peeked at and not released: it is the successor's */
    uint64_t n = 99;
    expect_is(shmchan_send(a, &n), -EPIPE);
    rx = receiver_open(name);
    send_number(a, 20); /* the senders go on */
    send_number(b, 21);
    for (n = 7; n < 22; n++)
        expect_number(rx, n);
    expect_empty(rx);
    shmchan_sender_close(a);
    shmchan_sender_close(b);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void takeover_often(void)
{
    const char *name = unique_name();
    shmchan_sender *a = sender_create(name, 8, SHMCHAN_WAIT_FOR_RECEIVER), *b = sender_open(name);
    uint64_t sent = 0, received = 0, in[3];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 6; i++)
            send_number(sent % 2 ? a : b, sent), sent++;
        shmchan_receiver *rx = receiver_open(name);
        for (ssize_t i = 0, got = shmchan_recv_many(rx, in, 3, 0); i < got; i++)
            expect_is(in[i], received++);
        for (int i = 0; i < 3; i++)
            expect_number(rx, received++);
        shmchan_receiver_close(rx);
    }
    expect_is(received, sent);
    shmchan_sender_close(a);
    shmchan_sender_close(b);
    expect_ok(shmchan_unlink(name));
}

static void wait_for_receiver(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, SHMCHAN_WAIT_FOR_RECEIVER);
    shmchan_sender *tx = sender_open(name);
    uint64_t n;
    send_number(tx, 0);
    shmchan_receiver_close(rx);
    for (n = 1; n < 4; n++)
        expect_ok(shmchan_try_send(tx, &n));
    expect_is(shmchan_try_send(tx, &n), -EAGAIN);
    expect_is(shmchan_send_timed(tx, &n, A_WHILE_MS), -ETIMEDOUT);
    rx = receiver_open(name);
    for (n = 0; n < 4; n++)
        expect_number(rx, n);
    expect_empty(rx);
    shmchan_sender_close(tx);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void wait_for_receiver_blocked(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, SHMCHAN_WAIT_FOR_RECEIVER);
    struct task t = task_of(NULL);
    t.name = name;
    t.to = 50;
    t.parent = 0;
    pid_t child = spawn("sender", open_and_send, &t);
    watch("the sender blocks");
    wait_until_asleep(child);
    shmchan_receiver_close(rx);
    nap_us(300 * 1000); /* longer than it takes to learn of an end */
    wait_until_asleep(child);
    rx = receiver_open(name);
    watch("the successor lets it go on");
    for (uint64_t n = 0; n < 50; n++)
        expect_number(rx, n);
    expect_end(rx);
    finish(child);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void open_checks_and_takes(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = NULL, *second = NULL;
    shmchan_sender *tx = NULL;
    const struct shmchan_options *o =
        &SHMCHAN_OPTIONS(.message_size = 24, .capacity = 10, .max_senders = 3, .type = "struct a");
    expect_ok(shmchan_receiver_create(name, o, &rx));
    expect_is(shmchan_receiver_create(name, o, &second), -EEXIST);
    expect_is(shmchan_sender_create(name, o, &tx), -EEXIST);
    expect_is(shmchan_receiver_open(name, NULL, &second), -EBUSY);
    expect(second == NULL && tx == NULL);
    static const struct shmchan_options fits[] = {
        {.struct_size = sizeof *o},
        {.struct_size = sizeof *o, .message_size = 24},
        {.struct_size = sizeof *o, .type = "struct a"},
        {.struct_size = sizeof *o, .message_size = 24, .type = "struct a", .capacity = 77, .max_senders = 9},
    };
    for (size_t i = 0; i < COUNT_OF(fits); i++) {
        expect_ok(shmchan_sender_open(name, &fits[i], &tx));
        expect_is(shmchan_sender_message_size(tx), 24);
        shmchan_sender_close(tx);
        tx = NULL;
    }
    static const struct shmchan_options differs[] = {
        {.struct_size = sizeof *o, .message_size = 23},
        {.struct_size = sizeof *o, .message_size = 25, .type = "struct a"},
        {.struct_size = sizeof *o, .type = "struct b"},
        {.struct_size = sizeof *o, .type = "struct"},
        {.struct_size = sizeof *o, .message_size = 24, .type = "struct aa"},
    };
    for (size_t i = 0; i < COUNT_OF(differs); i++) {
        expect_is(shmchan_sender_open(name, &differs[i], &tx), -EPROTOTYPE);
        expect_is(shmchan_receiver_open(name, &differs[i], &second), -EPROTOTYPE);
        expect(second == NULL && tx == NULL);
    }
    expect_ok(shmchan_sender_open(name + 1, NULL, &tx)); /* the slash may be left out */
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name + 1));
    expect_is(shmchan_unlink(name), -ENOENT);
}

static void mode_of_the_name(void)
{
    static const uint32_t modes[] = {0, 0600, 0640, 0660, 0666, 0777};
    mode_t old = umask(027);
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        const char *name = unique_name();
        shmchan_receiver *rx = NULL;
        struct stat st;
        expect_ok(shmchan_receiver_create(
            name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .mode = modes[i]), &rx));
        expect_ok(stat(path_of(name), &st));
        expect_is(st.st_mode & 07777, modes[i] ? modes[i] : 0600);
        shmchan_receiver_close(rx);
        expect_ok(shmchan_unlink(name));
    }
    umask(old);
}

static void unlink_while_in_use(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, 0), *other_rx;
    shmchan_sender *tx = sender_open(name), *other_tx = NULL;
    expect_ok(shmchan_unlink(name));
    expect(!name_exists(name));
    expect_is(shmchan_sender_open(name, NULL, &other_tx), -ENOENT);
    send_number(tx, 1);
    other_rx = receiver_create(name, 4, 0); /* a channel of its own */
    other_tx = sender_open(name);
    send_number(other_tx, 100);
    send_number(tx, 2);
    shmchan_sender *clone = clone_of(tx); /* no name is needed for that */
    send_number(clone, 3);
    expect_number(rx, 1);
    expect_number(rx, 2);
    expect_number(rx, 3);
    expect_empty(rx);
    expect_number(other_rx, 100);
    expect_empty(other_rx);
    shmchan_sender_close(tx);
    shmchan_sender_close(clone);
    expect_end(rx);
    expect_empty(other_rx);
    shmchan_receiver_close(rx);
    expect(name_exists(name));
    shmchan_sender_close(other_tx);
    shmchan_receiver_close(other_rx);
    expect_ok(shmchan_unlink(name));
}

static void name_stays(void)
{
    const char *name = unique_name();
    shmchan_receiver_close(receiver_create(name, 4, 0));
    expect(name_exists(name));
    shmchan_sender_close(sender_open(name));
    expect(name_exists(name));
    expect_ok(shmchan_unlink(name));
    expect(!name_exists(name));
}

static void unlink_on_close(void)
{
    const uint32_t flag = SHMCHAN_UNLINK_ON_CLOSE;

    watch("the receiver is the last, nothing is left");
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, flag);
    shmchan_sender *tx = sender_open(name), *second = sender_open(name);
    send_number(tx, 1);
    shmchan_sender_close(tx);
    shmchan_sender_close(second);
    expect(name_exists(name));
    expect_number(rx, 1);
    expect_end(rx);
    expect(name_exists(name));
    shmchan_receiver_close(rx);
    expect(!name_exists(name));

    watch("a sender is the last, nothing is left");
    name = unique_name();
    rx = receiver_create(name, 4, flag);
    tx = sender_open(name);
    second = sender_open(name);
    shmchan_receiver_close(rx);
    shmchan_sender_close(tx);
    expect(name_exists(name));
    shmchan_sender_close(second);
    expect(!name_exists(name));

    watch("messages are left for a receiver who may still come");
    name = unique_name();
    tx = sender_create(name, 4, flag);
    send_number(tx, 1);
    send_number(tx, 2);
    shmchan_sender_close(tx);
    expect(name_exists(name));
    rx = receiver_open(name);
    expect_number(rx, 1);
    expect_number(rx, 2);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect(!name_exists(name));

    watch("the same, with a channel that waits for its receiver");
    name = unique_name();
    rx = receiver_create(name, 4, flag | SHMCHAN_WAIT_FOR_RECEIVER);
    tx = sender_open(name);
    send_number(tx, 1);
    send_number(tx, 2);
    expect_number(rx, 1);
    shmchan_receiver_close(rx);
    shmchan_sender_close(tx);
    expect(name_exists(name));
    rx = receiver_open(name);
    expect_number(rx, 2);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect(!name_exists(name));

    watch("the name is another channel's by now");
    name = unique_name();
    rx = receiver_create(name, 4, flag);
    expect_ok(shmchan_unlink(name));
    shmchan_receiver *other = receiver_create(name, 4, flag);
    shmchan_receiver_close(rx);
    expect(name_exists(name));
    shmchan_receiver_close(other);
    expect(!name_exists(name));
}

static void unordered(void)
{
    enum { SENDERS = 3, EACH = 100 };
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 128, SHMCHAN_UNORDERED);
    shmchan_sender *tx[SENDERS];
    uint64_t next[SENDERS] = {0}, n;
    for (int i = 0; i < SENDERS; i++)
        tx[i] = sender_open(name);
    for (uint64_t k = 0; k < EACH; k++)
        for (uint64_t i = 0; i < SENDERS; i++)
            send_number(tx[i], i * 1000 + k);
    for (int i = 0; i < SENDERS; i++)
        shmchan_sender_close(tx[i]);
    while (shmchan_recv(rx, &n) > 0) {
        expect(n / 1000 < SENDERS);
        expect_is(n % 1000, next[n / 1000]++);
    }
    for (int i = 0; i < SENDERS; i++)
        expect_is(next[i], EACH);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void three_hundred_senders(void)
{
    enum { SENDERS = 300 };
    const char *name = unique_name();
    unsigned before = descriptors_open();
    shmchan_receiver *rx = NULL;
    shmchan_sender *tx[SENDERS], *more = NULL;
    bool seen[SENDERS] = {false};
    expect_ok(shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .max_senders = SENDERS), &rx));
    expect(descriptors_open() <= before + 2);
    for (int i = 0; i < SENDERS; i++) {
        tx[i] = NULL;
        if (i % 2)
            expect_ok(shmchan_sender_open(name, NULL, &tx[i]));
        else
            expect_ok(shmchan_sender_of(rx, &tx[i]));
        int id = shmchan_sender_id(tx[i]);
        expect(id >= 0 && id < SENDERS && !seen[id]);
        seen[id] = true;
    }
    /* "a channel takes two in each process, however many handles" */
    expect(descriptors_open() <= before + 2);
    expect_is(shmchan_sender_open(name, NULL, &more), -EUSERS);
    expect_is(shmchan_sender_clone(tx[0], &more), -EUSERS);
    expect(more == NULL);
    for (uint64_t k = 0; k < 4; k++)
        for (uint64_t i = 0; i < SENDERS; i++)
            send_number(tx[i], k * SENDERS + i);
    for (uint64_t n = 0; n < 4 * SENDERS; n++)
        expect_number(rx, n);
    expect_empty(rx);
    for (int i = 0; i < SENDERS; i++)
        shmchan_sender_close(tx[i]);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_is(descriptors_open(), before);
    expect_ok(shmchan_unlink(name));
}

static void most_places(void)
{
    struct pair p =
        make_pair(&SHMCHAN_OPTIONS(.message_size = 8, .capacity = 1, .max_senders = SHMCHAN_SENDERS_MAX));
    static shmchan_sender *tx[SHMCHAN_SENDERS_MAX];
    watch("opening %u senders", SHMCHAN_SENDERS_MAX);
    tx[0] = p.tx;
    for (unsigned i = 1; i < SHMCHAN_SENDERS_MAX; i++) {
        watch_progress(i);
        tx[i] = clone_of(p.tx);
    }
    for (unsigned i = 0; i < SHMCHAN_SENDERS_MAX; i++)
        send_number(tx[i], i);
    for (unsigned i = 0; i < SHMCHAN_SENDERS_MAX; i++)
        expect_number(p.rx, i);
    for (unsigned i = 0; i < SHMCHAN_SENDERS_MAX; i++) {
        watch_progress(i);
        shmchan_sender_close(tx[i]);
    }
    expect_end(p.rx);
    shmchan_receiver_close(p.rx);
}

static void places_are_reused(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = NULL;
    expect_ok(shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = 2, .max_senders = 2), &rx));
    for (uint64_t n = 0; n < 2000; n += 2) {
        shmchan_sender *tx = sender_open(name), *other = sender_open(name), *third = NULL;
        expect_is(shmchan_sender_open(name, NULL, &third), -EUSERS);
        send_number(tx, n);
        send_number(other, n + 1);
        shmchan_sender_close(tx);
        shmchan_sender_close(other);
        expect_is(shmchan_sender_open(name, NULL, &third), -EUSERS); /* messages are left in both */
        expect_number(rx, n);
        expect_number(rx, n + 1);
    }
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void many_channels(void)
{
    enum { CHANNELS = 40 };
    struct pair p[CHANNELS];
    for (uint64_t i = 0; i < CHANNELS; i++) {
        p[i] = numbers(4);
        send_number(p[i].tx, i);
    }
    for (uint64_t i = 0; i < CHANNELS; i++)
        expect_number(p[i].rx, i);
    for (int i = 0; i < CHANNELS; i++)
        pair_close(p[i]);
}

/* ---------------------------------------------------------------------------------- types */

struct sample {
    double value;
    char unit[8];
};
struct other_sample {
    double value;
    char unit[8];
};
SHMCHAN_TYPED(sample, struct sample)
SHMCHAN_TYPED(other, struct other_sample)

static void typed(void)
{
    const char *name = unique_name();
    struct shmchan_options o = sample_options(), wrong = other_options(), larger = sample_options();
    shmchan_receiver *rx = NULL;
    shmchan_sender *tx = NULL;
    o.capacity = 4;
    expect_is(o.message_size, sizeof(struct sample));
    expect_ok(strcmp(o.type, "struct sample"));
    expect_ok(shmchan_receiver_create(name, &o, &rx));
    expect_is(shmchan_sender_open(name, &wrong, &tx), -EPROTOTYPE);
    larger.message_size += 8;
    expect_is(shmchan_sender_open(name, &larger, &tx), -EPROTOTYPE);
    expect_ok(shmchan_sender_open(name, &o, &tx));

    struct sample s = {.value = 1.5, .unit = "K"}, in[4] = {{0}}, *slot = NULL;
    const struct sample *peeked = NULL;
    struct shmchan_info info_got;
    expect_ok(sample_send(tx, &s));
    expect_ok(sample_try_send(tx, &s));
    expect_ok(sample_send_timed(tx, &s, 0));
    expect_is(sample_recv(rx, &in[0]), 1);
    expect_is(sample_try_recv(rx, &in[1]), 1);
    expect_is(sample_recv_timed(rx, &in[2], 0), 1);
    expect_is(sample_try_recv(rx, &in[3]), -EAGAIN);
    for (int i = 0; i < 3; i++)
        expect(in[i].value == 1.5 && strcmp(in[i].unit, "K") == 0);
    expect_is(sample_send_many(tx, in, 2, 0), 2);
    expect_is(sample_recv_info(rx, &in[3], &info_got, 0), 1);
    expect_is(info_got.length, sizeof s);
    expect_is(sample_recv_many(rx, in, 4, 0), 1);
    expect_ok(sample_reserve(tx, &slot, 0));
    *slot = (struct sample){.value = 2.5, .unit = "Pa"};
    expect_ok(sample_commit(tx));
    expect_is(sample_peek(rx, &peeked, NULL, 0), 1);
    expect(peeked->value == 2.5 && strcmp(peeked->unit, "Pa") == 0);
    expect_ok(shmchan_release(rx));
    shmchan_sender_close(tx);
    expect_is(sample_recv(rx, &in[0]), 0);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

struct tagged {
    enum { CIRCLE, BOX } kind;
    union {
        double radius;
        struct {
            int width, height;
        } box;
    };
};
SHMCHAN_TYPED(tagged, struct tagged)

static void tagged_union(void)
{
    struct shmchan_options o = tagged_options();
    o.capacity = 4;
    struct pair p = make_pair(&o);
    struct tagged m = {.kind = CIRCLE, .radius = 2};
    expect_ok(tagged_send(p.tx, &m));
    m = (struct tagged){.kind = BOX, .box = {3, 4}};
    expect_ok(tagged_send(p.tx, &m));
    expect_is(tagged_recv(p.rx, &m), 1);
    expect(m.kind == CIRCLE && m.radius == 2);
    expect_is(tagged_recv(p.rx, &m), 1);
    expect(m.kind == BOX && m.box.width == 3 && m.box.height == 4);
    pair_close(p);
}

/* ------------------------------------------------------------------------------- signals */

static _Atomic int signals_seen;

static void on_signal(int signo)
{
    (void)signo;
    signals_seen++;
}

static void signal_then_send(void *arg)
{
    struct task *t = arg;
    for (int i = 0; i < 20; i++) {
        wait_until_asleep(t->parent);
        kill(t->parent, SIGUSR1);
    }
    send_number(t->tx, 1);
    watch("signalling while the parent waits in vain");
    while (!*t->told) {
        kill(t->parent, SIGUSR1);
        nap_us(3000);
    }
}

static void signals_do_not_end_waits(void)
{
    struct pair p = numbers(1);
    struct task t = task_of(p.tx);
    struct sigaction act = {.sa_handler = on_signal}; /* without SA_RESTART */
    uint64_t n = 77, start;
    const void *message;
    sigaction(SIGUSR1, &act, NULL);
    pid_t child = spawn("signaller", signal_then_send, &t);
    watch("receiving under signals");
    expect_number(p.rx, 1);
    expect(signals_seen >= 1);
    start = now_ms();
    expect_is(shmchan_recv_timed(p.rx, &n, A_WHILE_MS), -ETIMEDOUT);
    expect(now_ms() - start >= A_WHILE_MS - 1);
    expect_is(shmchan_peek(p.rx, &message, NULL, A_WHILE_MS), -ETIMEDOUT);
    send_number(p.tx, 2);
    start = now_ms();
    expect_is(shmchan_send_timed(p.tx, &n, A_WHILE_MS), -ETIMEDOUT);
    expect(now_ms() - start >= A_WHILE_MS - 1);
    *t.told = 1;
    finish(child);
    pair_close(p);
}

/* ------------------------------------------------------------------------------- looking */

/* The region that this process has mapped under no name: found as a tool finds it, and asked through a
   descriptor that itself holds locks. */
static void inspect_fd(void)
{
    shmchan_sender *tx;
    shmchan_receiver *rx;
    struct shmchan_snapshot s;
    struct shmchan_sender_state places[2];
    int found = 0, null = open("/dev/null", O_RDONLY);
    expect_ok(shmchan_pair(&SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .max_senders = 2), &tx, &rx));
    send_number(tx, 1);
    for (int fd = 3; fd < 64; fd++) {
        char path[32], target[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) < 0 || strncmp(target, "/memfd:shmchan", 14) != 0)
            continue;
        found++;
        expect_is(shmchan_inspect_fd(fd, &s, places, COUNT_OF(places)), 2);
        expect_is(s.sent, 1);
        expect_is(s.senders_held, 1);
        expect_is(s.receiver.state, SHMCHAN_PLACE_HELD);
        expect_is(places[0].process.pid, getpid());
    }
    expect_is(found, 2);
    expect_is(shmchan_inspect_fd(null, &s, NULL, 0), -EBADMSG);
    expect_is(shmchan_inspect_fd(-1, &s, NULL, 0), -EBADF);
    expect_is(shmchan_inspect_fd(null, NULL, NULL, 0), -EINVAL);
    close(null);
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
}

/* Removed by nobody who is needed: whatever holds a place keeps the name. */
static void remove_orphan(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = receiver_create(name, 4, 0);
    expect_is(shmchan_remove_orphan(name), -EBUSY);
    shmchan_sender *tx = sender_open(name);
    send_number(tx, 1);
    shmchan_receiver_close(rx);
    expect_is(shmchan_remove_orphan(name), -EBUSY);
    shmchan_sender_close(tx);
    expect_ok(shmchan_remove_orphan(name));
    expect_is(shmchan_remove_orphan(name), -ENOENT);
    expect_is(shmchan_sender_open(name, NULL, &tx), -ENOENT);
}

/* One removes it as soon as it can, others open it: who got a place has a channel with a name. */
static void *keep_removing(void *argument)
{
    const char *name = argument;
    while (shmchan_inspect(name, &(struct shmchan_snapshot){.mode = 0}) == 0)
        if (shmchan_remove_orphan(name) == 0)
            break;
    return NULL;
}

static void remove_orphan_while_others_come(void)
{
    const char *name = unique_name();
    for (uint64_t round = 0, rounds = scaled(2000); round < rounds; round++) {
        pthread_t remover;
        shmchan_sender *tx;
        struct stat st;
        shmchan_receiver *rx = receiver_create(name, 4, 0);
        expect_ok(pthread_create(&remover, NULL, keep_removing, (void *)name));
        shmchan_receiver_close(rx);
        int r = shmchan_sender_open(name, NULL, &tx);
        if (r == 0) {
            expect_ok(stat(path_of(name), &st));
            shmchan_sender_close(tx);
        } else {
            expect_is(r, -ENOENT);
        }
        expect_ok(pthread_join(remover, NULL));
        watch_progress(round);
    }
}

static void inspect(void)
{
    const char *name = unique_name();
    shmchan_receiver *rx = NULL;
    shmchan_sender *tx = NULL;
    struct shmchan_snapshot s;
    struct shmchan_sender_state places[8];
    void *slot;
    uint64_t n = 1;
    expect_ok(shmchan_receiver_create(
        name,
        &SHMCHAN_OPTIONS(.message_size = 8, .capacity = 3, .max_senders = 5, .mode = 0640, .type = "number"),
        &rx));
    expect_ok(shmchan_inspect(name, &s));
    expect_is(s.message_size, 8);
    expect_is(s.capacity, 4);
    expect_is(s.max_senders, 5);
    expect_is(s.mode, 0640);
    expect_is(s.flags, 0);
    expect_is(s.owner_uid, getuid());
    expect_is(s.creator_pid, getpid());
    expect_ok(strcmp(s.type, "number"));
    expect_is(s.sent, 0);
    expect_is(s.received, 0);
    expect_is(s.senders_held, 0);
    expect_is(s.senders_joined, 0);
    expect_is(s.receivers_joined, 1);
    expect_is(s.receiver.state, SHMCHAN_PLACE_HELD);
    expect_is(s.receiver.pid, getpid());
    expect(s.region_bytes >= s.backed_bytes && s.backed_bytes > 0);

    tx = sender_open(name);
    for (int i = 0; i < 4; i++)
        expect_ok(shmchan_try_send(tx, &n));
    expect_is(shmchan_try_send(tx, &n), -EAGAIN);
    expect_number(rx, 1);
    expect_ok(shmchan_reserve(tx, &slot, 0));
    memset(places, 0xff, sizeof places);
    expect_is(shmchan_inspect_senders(name, &s, places, COUNT_OF(places)), 5);
    expect_is(s.sent, 4);
    expect_is(s.received, 1);
    expect_is(s.senders_held, 1);
    expect_is(s.senders_joined, 1);
    expect_is(s.senders_died, 0);
    unsigned held = 0;
    for (unsigned i = 0; i < 5; i++) {
        expect_is(places[i].place, i);
        if (places[i].process.state == SHMCHAN_PLACE_FREE)
            continue;
        held++;
        expect_is(i, shmchan_sender_id(tx));
        expect_is(places[i].process.state, SHMCHAN_PLACE_HELD);
        expect_is(places[i].process.pid, getpid());
        expect_is(places[i].sent, 4);
        expect_is(places[i].received, 1);
        expect_is(places[i].reserved, 1);
        expect_is(places[i].first_position, 0);
        expect(places[i].full >= 1);
    }
    expect_is(held, 1);
    expect(places[5].place == UINT32_MAX);
    expect_is(shmchan_inspect_senders(name, &s, places, 2), 2);

    shmchan_sender_close(tx);
    expect_is(shmchan_inspect_senders(name, &s, places, 5), 5);
    expect_is(s.senders_held, 0);
    expect_is(s.senders_left, 1);
    expect_is(s.senders_died, 0);
    expect_is(s.reservations_lost, 0);
    for (int i = 0; i < 3; i++)
        expect_number(rx, 1);
    expect_end(rx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_inspect(name, &s));
    expect(s.receiver.state != SHMCHAN_PLACE_HELD);
    expect_is(s.receiver_closed, 1);
    expect_is(s.senders_left, 0);
    expect_is(s.sent, 4);
    expect_is(s.received, 4);
    expect_ok(shmchan_unlink(name));
    expect_is(shmchan_inspect(name, &s), -ENOENT);
}

struct visits {
    const char *name;
    unsigned seen, all;
};

static int count_visit(const char *name, void *user)
{
    struct visits *v = user;
    v->all++;
    v->seen += strcmp(name, v->name) == 0;
    return 0;
}

static int first_visit(const char *name, void *user)
{
    struct visits *v = user;
    (void)name;
    v->all++;
    return 42;
}

static void list(void)
{
    const char *name = unique_name();
    struct visits v = {.name = name};
    expect_is(shmchan_list(count_visit, &v), 0);
    expect_is(v.seen, 0);
    shmchan_receiver *rx = receiver_create(name, 4, 0);
    v = (struct visits){.name = name};
    expect_is(shmchan_list(count_visit, &v), 0);
    expect_is(v.seen, 1);
    v = (struct visits){.name = name};
    expect_is(shmchan_list(first_visit, &v), 42);
    expect_is(v.all, 1);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void version(void)
{
    char want[32];
    snprintf(want, sizeof want, "%d.%d.%d", SHMCHAN_VERSION_MAJOR, SHMCHAN_VERSION_MINOR,
             SHMCHAN_VERSION_PATCH);
    expect_ok(strcmp(shmchan_version(), want));
}

static void close_null(void)
{
    shmchan_sender_close(NULL);
    shmchan_receiver_close(NULL);
}

static const struct row rows[] = {
    /* std::sync::mpsc */
    {"mpsc: what is sent is received", smoke},
    {"mpsc: a channel may be dropped with messages in it", drop_full},
    {"mpsc: messages arrive in the order they were sent", fifo},
    {"mpsc: sync_channel(n) takes n messages without a receive", send_before_bound},
    {"mpsc: a send beyond the bound blocks until a receive", bound_blocks},
    {"mpsc: try_send: Full", try_send_full},
    {"mpsc: try_send: Disconnected", try_send_disconnected},
    {"mpsc: a timed send gives up on a full channel (send_timeout)", send_timed_full},
    {"mpsc: send fails once the receiver is dropped", send_disconnected},
    {"mpsc: a blocked send fails when the receiver is dropped", blocked_send_disconnected},
    {"mpsc: try_recv: Empty, then Disconnected", try_recv_states},
    {"mpsc: recv fails only when all was received and no sender is left", recv_drains_then_ends},
    {"mpsc: either half may be dropped unused", dropped_unsent},
    {"mpsc: a blocked recv is woken by a send", recv_woken_by_send},
    {"mpsc: a blocked recv is ended by the drop of the last sender", recv_ended_by_drop},
    {"mpsc: a clone keeps the channel open", clone_keeps_open},
    {"mpsc: dropping a clone does not close the channel", dropped_clone},
    {"mpsc: a clone can be filled like its original", clone_has_its_bound},
    {"mpsc: recv_timeout: Timeout", recv_timeout_empty},
    {"mpsc: recv_timeout: a message in time", recv_timeout_message},
    {"mpsc: recv_timeout: Disconnected", recv_timeout_disconnected},
    {"mpsc: iter ends when every sender is gone", iter_until_end},
    {"mpsc: try_iter takes what is there", try_iter},
    {"mpsc: clones may be used by threads", shared_by_threads},
    {"mpsc: a receiver may be moved to another thread", receiver_moves_to_a_thread},
    {"mpsc: both halves may be dropped at once", both_drop_at_once},
    {"mpsc: one queue: first in, first out across senders", first_in_first_out_across_senders},
    /* in one thread, against a model */
    {"model: ordered", model_ordered},
    {"model: unordered", model_unordered},
    /* lengths and batches */
    {"sized: every length from 0, padded with zeros", sized},
    {"sizes: odd and page-crossing message sizes", sizes},
    {"sizes: the largest message", largest_message},
    {"capacity: rounded up to a power of two, and kept", capacities},
    {"send_many: whole", batch_whole},
    {"send_many: in part when time runs out", batch_partial},
    {"send_many: more than the capacity", batch_larger_than_capacity},
    {"send_many: cut short by the receiver's close", batch_cut_short_by_the_receiver},
    {"send_many: batches of many senders arrive in a row", batches_in_a_row},
    {"recv_many: what is there, and no more", recv_many},
    {"recv_many: short messages are padded", recv_many_sized},
    /* in place */
    {"reserve: commit sends", reserve_commit},
    {"reserve: commit of every length", reserve_lengths},
    {"reserve: slots are aligned for the message", reserve_alignment},
    {"reserve: abort and close send nothing", reserve_abort},
    {"reserve: holds up nobody, takes its place in the order at commit", reservation_holds_nobody},
    {"reserve: commit without a receiver aborts", commit_without_receiver},
    {"peek: again, release, recv", peek_release},
    {"peek: stays the next message while others send", peek_with_other_senders},
    {"info: length, sender, pid, position", info},
    /* names */
    {"named: receiver first: recv waits for the first sender", receiver_first},
    {"named: sender first: fills its lane and waits", sender_first},
    {"named: sender came and went before the receiver", sender_came_and_went},
    {"named: a sender blocks until a receiver comes", sender_blocks_until_a_receiver_comes},
    {"named: the end is not sticky", end_is_not_sticky},
    {"named: sender_of keeps the channel open", sender_of_keeps_open},
    {"named: a takeover goes on at the exact next message", takeover},
    {"named: a hundred takeovers", takeover_often},
    {"named: WAIT_FOR_RECEIVER: sends go on without one", wait_for_receiver},
    {"named: WAIT_FOR_RECEIVER: a blocked send waits for a successor", wait_for_receiver_blocked},
    {"named: open takes the channel as it is, and checks", open_checks_and_takes},
    {"named: the mode is as asked, whatever the umask", mode_of_the_name},
    {"named: unlink leaves those who hold the channel alone", unlink_while_in_use},
    {"named: without UNLINK_ON_CLOSE the name stays", name_stays},
    {"named: UNLINK_ON_CLOSE", unlink_on_close},
    {"named: UNORDERED keeps each sender's order", unordered},
    {"places: 300 senders in a process, 2 descriptors", three_hundred_senders},
    {"places: as many as there can be", most_places},
    {"places: are used again once drained", places_are_reused},
    {"places: forty channels at once", many_channels},
    {"typed: another struct is refused", typed},
    {"typed: a tagged union", tagged_union},
    {"signals: a handler does not end a wait", signals_do_not_end_waits},
    {"inspect: tells the truth", inspect},
    {"inspect: an anonymous channel, by descriptor", inspect_fd},
    {"remove_orphan: only what nobody holds", remove_orphan},
    {"remove_orphan: while others come", remove_orphan_while_others_come},
    {"list: visits, and stops when told", list},
    {"version: of the library", version},
    {"close: NULL is fine", close_null},
};

int main(int argc, char **argv)
{
    return suite_run("channel", rows, COUNT_OF(rows), argc, argv);
}
