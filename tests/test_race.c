/* SPDX-License-Identifier: MIT */
/*
 * The ring with threads as senders, on plain memory: lane, ready, merge and cond, without the rest. Payload
 * accesses are plain, so that under ThreadSanitizer (make check-tsan) a missing release or acquire is a race
 * that it reports; through the public calls it would see nothing, since sender and receiver map a lane at two
 * addresses. tests/mutants.sh weakens each ordered access in turn and expects a report.
 *
 * It also counts rescues: bounded sleeps that ran out while there was something to do. Nobody dies here, so
 * each stands for a wake-up that was lost (or for a thread that was off its core for a whole slice).
 */
#include <pthread.h>

#include "cond.h"
#include "merge.h"
#include "support.h"

#define SENDERS 3u

struct payload {
    uint32_t sender;
    uint32_t number;
    uint64_t square;
};

struct ring {
    struct shm_control *control;
    void *slots[SENDERS];
    struct lane_shape shape;
    uint32_t count; /* messages a sender */
    uint32_t pause; /* a sender yields after so many, so that the others sleep; 0 = never */
    bool ordered;
    _Atomic uint64_t rescues;
};

struct sender {
    struct ring *ring;
    uint32_t number;
    struct lane_writer lane;
    pthread_t thread;
};

static void *zeroed(size_t bytes)
{
    void *memory = aligned_alloc(SHM_LINE, (bytes + SHM_LINE - 1) / SHM_LINE * SHM_LINE);
    expect(memory != NULL);
    return memset(memory, 0, bytes);
}

/* ---------------------------------------------------------------------------------- the sender, as sender.c
 * does it */

static void wait_for_room(struct sender *s)
{
    struct backoff backoff = backoff_begin(&(struct backoff_habit){0});
    while (backoff_wait(&backoff, 1)) {
        expect(lane_look_for_room(&s->lane));
        if (lane_room(&s->lane))
            return;
    }
    struct shm_event *room = &s->lane.place->room;
    event_raise(room);
    expect(lane_look_for_room(&s->lane));
    if (!lane_room(&s->lane)) {
        bool woken = event_sleep(room, INT64_MAX);
        expect(lane_look_for_room(&s->lane));
        if (!woken && lane_room(&s->lane))
            atomic_fetch_add_explicit(&s->ring->rescues, 1, memory_order_relaxed);
    }
    event_lower(room);
}

static void send(struct sender *s, const struct payload *message)
{
    struct shm_control *control = s->ring->control;
    while (!lane_room(&s->lane))
        wait_for_room(s);
    struct shm_slot *slot = lane_next_slot(&s->lane, 0);
    uint64_t ticket =
        s->ring->ordered ? atomic_fetch_add_explicit(&control->ticket, 1, memory_order_relaxed) : 0;
    lane_stamp(slot, ticket, sizeof *message);
    memcpy(lane_payload(slot), message, sizeof *message);
    if (lane_publish(&s->lane, 1)) {
        ready_set(control, s->number);
        event_wake(&control->not_empty);
    }
}

static void *sender_main(void *arg)
{
    struct sender *s = arg;
    for (uint32_t n = 0; n < s->ring->count; n++) {
        struct payload message = {.sender = s->number, .number = n, .square = (uint64_t)n * n};
        send(s, &message);
        if (s->ring->pause && n % s->ring->pause == 0)
            nap_us(200);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------ the receiver, as receiver.c
 * does it */

static void *map_slots(void *context, uint32_t place, int *ret_error)
{
    (void)ret_error;
    return ((struct ring *)context)->slots[place];
}

static void wake(void *context, uint32_t place)
{
    event_post(&((struct ring *)context)->control->places[place].room);
}

static void sleep_for_message(struct ring *ring, struct merge *m)
{
    if (!merge_rest(m))
        return;
    event_raise(&ring->control->not_empty);
    if (!ready_any(ring->control) && !event_sleep(&ring->control->not_empty, INT64_MAX) && merge_sweep(m))
        atomic_fetch_add_explicit(&ring->rescues, 1, memory_order_relaxed);
    event_lower(&ring->control->not_empty);
}

static struct lane_reader *next(struct ring *ring, struct merge *m)
{
    for (;;) {
        struct backoff backoff = backoff_begin(&(struct backoff_habit){0});
        do {
            struct lane_reader *lane = merge_next(m);
            expect_is(m->error, 0);
            if (lane)
                return lane;
        } while (backoff_wait(&backoff, 1));
        sleep_for_message(ring, m);
    }
}

static void receive_all(struct ring *ring, struct merge *m)
{
    uint32_t expected[SENDERS] = {0};
    for (uint64_t got = 0; got < (uint64_t)ring->count * SENDERS; got++) {
        struct lane_reader *lane = next(ring, m);
        struct payload message;
        memcpy(&message, lane_payload(lane_slot(&m->shape, lane->slots, lane->head)), sizeof message);
        expect(message.sender == merge_place(m, lane));
        expect(message.number == expected[message.sender]);
        expect(message.square == (uint64_t)message.number * message.number);
        expected[message.sender]++;
        merge_advance(m, lane);
        watch_progress(got);
    }
}

/* ------------------------------------------------------------------------------------------------- runs */

static void run(struct ring *ring, uint32_t capacity)
{
    struct sender senders[SENDERS] = {0};
    struct merge m;
    uint32_t slot_bytes = sizeof(struct shm_slot) + sizeof(struct payload);

    ring->control = zeroed(sizeof *ring->control + SENDERS * sizeof(struct shm_place));
    ring->shape = lane_shape_make(capacity, slot_bytes, sizeof(struct payload));
    event_init(&ring->control->not_empty);
    for (uint32_t i = 0; i < SENDERS; i++) {
        struct shm_place *place = &ring->control->places[i];
        ring->slots[i] = zeroed((size_t)capacity * slot_bytes);
        event_init(&place->room);
        atomic_store(&place->idle, 1);
        senders[i].ring = ring;
        senders[i].number = i;
        lane_writer_init(&senders[i].lane, place, ring->slots[i], ring->shape);
    }
    struct merge_hooks hooks = {.map = map_slots, .wake = wake, .context = ring};
    expect_ok(merge_alloc(&m, SENDERS));
    merge_init(&m, ring->control, ring->shape, ring->ordered, hooks);

    watch("threads: %u senders of %u messages, capacity %u", SENDERS, ring->count, capacity);
    for (uint32_t i = 0; i < SENDERS; i++)
        expect_ok(pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]));
    receive_all(ring, &m);
    for (uint32_t i = 0; i < SENDERS; i++) {
        expect_ok(pthread_join(senders[i].thread, NULL));
        free(ring->slots[i]);
    }
    note("capacity %u, pause %u: %llu rescues", capacity, ring->pause, (unsigned long long)ring->rescues);
    merge_destroy(&m);
    free(ring->control);
}

static void small_lanes(void)
{
    run(&(struct ring){.count = (uint32_t)scaled(100000), .ordered = true}, 2);
}

static void large_lanes(void)
{
    run(&(struct ring){.count = (uint32_t)scaled(300000), .ordered = true}, 1024);
}

static void unordered(void)
{
    run(&(struct ring){.count = (uint32_t)scaled(200000)}, 16);
}

static void sleepy(void)
{
    run(&(struct ring){.count = (uint32_t)scaled(3000), .ordered = true, .pause = 1}, 4);
}

static void one_slot(void)
{
    run(&(struct ring){.count = (uint32_t)scaled(50000), .ordered = true}, 1);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"threads as senders, lanes of 2: in order, whole, no race", small_lanes},
        {"threads as senders, lanes of 1024: in order, whole, no race", large_lanes},
        {"threads as senders, unordered: in order per sender, whole, no race", unordered},
        {"senders that pause, so that all sleep and wake: in order, whole, no race", sleepy},
        {"threads as senders, lanes of 1: in order, whole, no race", one_slot},
    };
    return suite_run("race", rows, COUNT_OF(rows), argc, argv);
}
