/* SPDX-License-Identifier: MIT */
/*
 * Which lane is next: lanes on plain memory, each state written by hand. What happens between two loads of a
 * look is brought about by the map hook, which merge calls in the middle of a look for a lane that it has not
 * read yet. All orders of all steps are test_explored's to go through.
 */
#include "merge.h"
#include "support.h"

#define LANES_MAX 130u
#define MESSAGE   8u
#define SLOT      ((uint32_t)sizeof(struct shm_slot) + MESSAGE)

static struct {
    struct shm_control *control;
    struct lane_writer writers[LANES_MAX];
    uint32_t lanes, capacity;
    struct merge m;
    unsigned maps, wakes[LANES_MAX];
    int map_error;                 /* the map hook fails with it */
    void (*on_map)(uint32_t lane); /* what others do while it runs */
} t;

static void *map_slots(void *context, uint32_t lane, int *ret_error)
{
    expect(context == &t);
    t.maps++;
    if (t.on_map)
        t.on_map(lane);
    if (t.map_error) {
        *ret_error = t.map_error;
        return NULL;
    }
    return t.writers[lane].slots;
}

static void wake_sender(void *context, uint32_t lane)
{
    expect(context == &t);
    t.wakes[lane]++;
}

static void begin(bool ordered)
{
    struct merge_hooks hooks = {.map = map_slots, .wake = wake_sender, .context = &t};
    expect_ok(merge_alloc(&t.m, t.lanes));
    merge_init(&t.m, t.control, t.writers[0].shape, ordered, hooks);
}

/* Lanes that begin at `position`, watched from the beginning. */
static void set_up_at(uint32_t lanes, uint32_t capacity, uint64_t position)
{
    memset(&t, 0, sizeof t);
    t.lanes = lanes;
    t.capacity = capacity;
    size_t bytes = sizeof *t.control + lanes * sizeof(struct shm_place);
    t.control = aligned_alloc(SHM_LINE, bytes);
    expect(t.control != NULL);
    memset(t.control, 0, bytes);
    for (uint32_t i = 0; i < lanes; i++) {
        struct shm_place *place = &t.control->places[i];
        void *slots = calloc(capacity, SLOT);
        expect(slots != NULL);
        atomic_store(&place->tail, position);
        atomic_store(&place->head, position);
        lane_writer_init(&t.writers[i], place, slots, lane_shape_make(capacity, SLOT, MESSAGE));
    }
}

static void set_up(uint32_t lanes, uint32_t capacity, bool ordered)
{
    set_up_at(lanes, capacity, 0);
    begin(ordered);
}

static void tear_down(void)
{
    merge_destroy(&t.m);
    for (uint32_t i = 0; i < t.lanes; i++)
        free(t.writers[i].slots);
    free(t.control);
}

/* n messages with one ticket: value, value + 1, ... */
static bool publish(uint32_t lane, uint64_t ticket, uint64_t value, uint64_t n)
{
    struct lane_writer *w = &t.writers[lane];
    expect(lane_room(w) >= n || (lane_look_for_room(w) && lane_room(w) >= n));
    for (uint64_t i = 0; i < n; i++, value++) {
        struct shm_slot *slot = lane_next_slot(w, i);
        lane_stamp(slot, ticket, MESSAGE);
        memcpy(lane_payload(slot), &value, MESSAGE);
    }
    return lane_publish(w, n);
}

static void send_batch(uint32_t lane, uint64_t ticket, uint64_t value, uint64_t n)
{
    if (publish(lane, ticket, value, n))
        ready_set(t.control, lane);
}

/* The value says which it is: its ticket. */
static void send(uint32_t lane, uint64_t ticket)
{
    send_batch(lane, ticket, ticket, 1);
}

static uint64_t value_of(const struct lane_reader *l)
{
    uint64_t value;
    memcpy(&value, lane_payload(lane_slot(&t.m.shape, l->slots, l->head)), MESSAGE);
    return value;
}

static uint64_t receive(void)
{
    struct lane_reader *l = merge_next(&t.m);
    expect_is(t.m.error, 0);
    expect(l != NULL);
    uint64_t value = value_of(l);
    merge_advance(&t.m, l);
    return value;
}

static void expect_none(void)
{
    expect(merge_next(&t.m) == NULL);
    expect_is(t.m.error, 0);
}

/* Told by the next call, and then no more. */
static void expect_error(int error)
{
    expect(merge_next(&t.m) == NULL);
    expect_is(t.m.error, error);
    t.m.error = 0;
}

static uint64_t random_below(uint64_t n)
{
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* ------------------------------------------------------------------------------------------------ in order
 */

static void by_ticket_with_gaps(void)
{
    static const uint64_t tickets[][2] = {{1, 0},    {0, 3},    {1, 4},         {2, 9},
                                          {0, 1000}, {2, 1001}, {1, UINT64_MAX}};
    set_up(3, 8, true);
    expect_none();
    for (size_t i = 0; i < COUNT_OF(tickets); i++)
        send((uint32_t)tickets[i][0], tickets[i][1]);
    for (size_t i = 0; i < COUNT_OF(tickets); i++)
        expect_is(receive(), tickets[i][1]);
    expect_none();
    tear_down();
}

static void written_and_not_published(void)
{
    set_up(2, 4, true);
    struct lane_writer *w = &t.writers[0];
    lane_stamp(lane_next_slot(w, 0), 0, MESSAGE); /* has the smallest ticket, and nobody waits for it */
    send(1, 1);
    expect_is(receive(), 1);
    expect_none();
    tear_down();
}

static void positions_are_64_bits_wide(void)
{
    static const uint64_t positions[] = {UINT32_MAX - 2, UINT64_C(1) << 32, INT64_MAX - 2, UINT64_C(1) << 63};
    for (size_t p = 0; p < COUNT_OF(positions); p++) {
        set_up_at(2, 4, positions[p]);
        begin(true);
        for (uint64_t i = 0; i < 40; i += 4) {
            send(0, i);
            send(1, i + 1);
            send(1, i + 2);
            send(0, i + 3);
            for (uint64_t j = 0; j < 4; j++)
                expect_is(receive(), i + j);
        }
        expect_none();
        tear_down();
    }
}

static void one_more_is_sent(uint32_t lane)
{
    if (lane == 0)
        send(0, 5);
}

/* While one lane alone has messages, their tickets are not read. The next one's is when another lane joins. */
static void a_lane_that_was_alone_is_compared(void)
{
    set_up(2, 4, true);
    t.on_map = one_more_is_sent; /* after the first look has loaded this lane's tail */
    send(0, 1);
    expect_is(receive(), 1);
    send(1, 3);
    expect_is(receive(), 3);
    expect_is(receive(), 5);
    expect_none();
    tear_down();
}

/* Sends and receipts in any order: as each send ends before the next begins, they come in just this order. */
static void against_a_queue(uint32_t lanes, uint32_t capacity)
{
    uint64_t sent = 0, received = 0;
    set_up(lanes, capacity, true);
    for (uint64_t i = 0, steps = scaled(200000); i < steps; i++) {
        uint32_t lane = (uint32_t)random_below(lanes);
        unsigned what = (unsigned)random_below(100);
        struct lane_writer *w = &t.writers[lane];
        expect(lane_look_for_room(w));
        if (what < 50 && lane_room(w)) {
            uint64_t n = 1 + random_below(lane_room(w) < 4 ? lane_room(w) : 4);
            send_batch(lane, sent, sent, n);
            sent += n;
        } else if (what < 98) {
            if (received < sent)
                expect_is(receive(), received++);
            else
                expect_none();
        } else if (received == sent) {
            expect(merge_rest(&t.m));
        } else {
            expect(merge_sweep(&t.m));
        }
    }
    while (received < sent)
        expect_is(receive(), received++);
    expect_none();
    tear_down();
}

static void one_lane_against_a_queue(void)
{
    against_a_queue(1, 2);
}

static void five_lanes_against_a_queue(void)
{
    against_a_queue(5, 4);
}

static void many_lanes_against_a_queue(void)
{
    against_a_queue(LANES_MAX, 8);
}

/* 64 lanes of random tickets that only grow in each lane, against a sort. */
static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void the_heap_against_a_sort(void)
{
    enum { LANES = 64, EACH = 32 };
    static uint64_t tickets[LANES * EACH];
    for (int round = 0; round < 20; round++) {
        set_up(LANES, EACH, true);
        for (uint32_t lane = 0; lane < LANES; lane++) {
            uint64_t ticket = 0;
            for (uint32_t i = 0; i < EACH; i++) {
                /* Unique: the lane is in its lowest digits. */
                ticket += 1 + random_below(round % 2 ? 3 : 1000000);
                tickets[lane * EACH + i] = ticket * LANES + lane;
                send(lane, ticket * LANES + lane);
            }
        }
        qsort(tickets, COUNT_OF(tickets), sizeof tickets[0], compare);
        for (size_t i = 0; i < COUNT_OF(tickets); i++)
            expect_is(receive(), tickets[i]);
        expect_none();
        tear_down();
    }
}

static void batches_stay_in_a_row(void)
{
    set_up(3, 8, true);
    send_batch(0, 1, 10, 3);
    send_batch(1, 2, 20, 2);
    send_batch(0, 3, 13, 1);
    send_batch(2, 4, 30, 8);
    send_batch(0, 5, 14, 4);
    static const uint64_t want[] = {10, 11, 12, 20, 21, 13, 30, 31, 32, 33, 34, 35, 36, 37, 14, 15, 16, 17};
    for (size_t i = 0; i < COUNT_OF(want); i++)
        expect_is(receive(), want[i]);
    expect_none();
    tear_down();
}

/* ----------------------------------------------------------------------------------------------- two looks
 */

/* In one look: lane 0 is loaded and empty; then one sends 5 there, which returns, another then sends 6 to
   lane 1; then lane 1 is loaded. The look shows 6 and not 5. */
static void send_5_to_lane_0(uint32_t lane)
{
    if (lane == 1)
        send(0, 5);
}

static void a_predecessor_that_the_look_has_missed(void)
{
    set_up(2, 4, true);
    t.on_map = send_5_to_lane_0;
    send(1, 6);
    expect_is(receive(), 5);
    expect_is(receive(), 6);
    expect_none();
    tear_down();
}

/* The same, and lane 0 is one that nobody watches: its sender rings, after this look has taken the rings. */
static void a_predecessor_that_has_rung_since(void)
{
    set_up(2, 4, true);
    expect(merge_rest(&t.m));
    send(1, 6);
    t.on_map = send_5_to_lane_0;
    expect_is(receive(), 5);
    expect_is(receive(), 6);
    expect_none();
    tear_down();
}

/* While 7 is taken from lane 1, where 9 is seen as well, lane 0 gets 8. */
static void a_predecessor_of_one_that_was_seen_long_ago(void)
{
    set_up(2, 4, true);
    send(1, 7);
    send(1, 9); /* has its ticket before 8 ... */
    expect_is(receive(), 7);
    send(0, 8); /* ... is published: either may be first, if the look was before */
    uint64_t first = receive(), second = receive();
    expect(first + second == 17);
    send(1, 10);
    send(0, 11);
    expect_is(receive(), 10);
    expect_is(receive(), 11);
    tear_down();
}

/* Each look shows one more, with a smaller ticket, in a lane that it had loaded before. */
static void send_a_smaller_one_to_the_lane_before(uint32_t lane)
{
    if (lane > 0)
        send(lane - 1, lane - 1);
}

static void a_smaller_one_at_each_look(void)
{
    set_up(64, 2, true);
    t.on_map = send_a_smaller_one_to_the_lane_before;
    send(63, 63);
    for (uint64_t i = 0; i < 64; i++)
        expect_is(receive(), i);
    expect_none();
    tear_down();
}

/* No sender of ours takes such tickets; it ends nevertheless, and each message is received once. */
static uint64_t lying_ticket;
static void send_a_lie_everywhere(uint32_t lane)
{
    (void)lane;
    for (uint32_t i = 0; i < t.lanes; i++) {
        expect(lane_look_for_room(&t.writers[i]));
        if (lane_room(&t.writers[i]))
            send_batch(i, lying_ticket--, 1, 1);
    }
}

static void tickets_that_only_fall(void)
{
    uint64_t received = 0;
    set_up(8, 2, true);
    lying_ticket = UINT64_MAX;
    t.on_map = send_a_lie_everywhere;
    for (int round = 0; round < 1000; round++) {
        send_a_lie_everywhere(0);
        received += receive();
    }
    t.on_map = NULL;
    while (merge_next(&t.m))
        received += receive();
    uint64_t sent = 0;
    for (uint32_t i = 0; i < t.lanes; i++)
        sent += atomic_load(&t.control->places[i].tail);
    expect_is(received, sent);
    tear_down();
}

static void tickets_that_change_after_they_were_seen(void)
{
    set_up(3, 8, true);
    for (uint64_t i = 0; i < 24; i++)
        send((uint32_t)(i % 3), i);
    for (unsigned n = 0; n < 24; n++) {
        expect(merge_next(&t.m) != NULL);
        for (uint32_t lane = 0; lane < 3; lane++)
            for (uint64_t i = 0; i < 8; i++)
                lane_stamp(lane_slot(&t.m.shape, t.writers[lane].slots, i), random_below(30), UINT32_MAX);
        receive();
    }
    expect_none();
    for (uint32_t lane = 0; lane < 3; lane++)
        expect_is(atomic_load(&t.control->places[lane].head), 8);
    tear_down();
}

/* ------------------------------------------------------------------------------------- idle lanes and rings
 */

static uint32_t idle_lanes(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t.lanes; i++)
        count += atomic_load(&t.control->places[i].idle) != 0;
    return count;
}

static void let_go_and_rung(void)
{
    static const uint32_t ring[] = {129, 64, 0, 63, 128, 1};
    set_up(LANES_MAX, 4, true);
    expect_is(t.m.watched_count, LANES_MAX);
    expect(merge_rest(&t.m));
    expect_is(t.m.watched_count, 0);
    expect_is(idle_lanes(), LANES_MAX);
    expect_none();
    for (uint32_t i = 0; i < COUNT_OF(ring); i++)
        send(ring[i], i);
    expect(ready_any(t.control));
    for (uint32_t i = 0; i < COUNT_OF(ring); i++)
        expect_is(receive(), i);
    expect(!ready_any(t.control));
    expect_none();
    expect_is(t.m.watched_count, COUNT_OF(ring));
    expect_is(t.maps, COUNT_OF(ring)); /* others were not touched */
    expect(merge_rest(&t.m));
    expect_is(idle_lanes(), LANES_MAX);
    tear_down();
}

static void not_let_go_with_a_message(void)
{
    set_up(2, 4, true);
    expect_none();
    send(1, 1); /* after the last look */
    expect(!merge_rest(&t.m));
    expect_is(atomic_load(&t.control->places[0].idle), 1);
    expect_is(atomic_load(&t.control->places[1].idle), 0);
    expect_is(receive(), 1);
    expect(merge_rest(&t.m));
    tear_down();
}

/* A quiet lane beside a busy one is let go after some looks, and comes back in order. */
static void quiet_beside_busy(void)
{
    uint64_t ticket = 0;
    set_up(2, 4, true);
    while (!atomic_load(&t.control->places[1].idle)) {
        expect(ticket < 100000);
        send(0, ticket);
        expect_is(receive(), ticket++);
    }
    expect_is(atomic_load(&t.control->places[0].idle), 0);
    send(1, ticket);
    send(0, ticket + 1);
    expect_is(receive(), ticket);
    expect_is(receive(), ticket + 1);
    tear_down();
}

static void rings_of_nobody(void)
{
    set_up(3, 4, true);
    expect(merge_rest(&t.m));
    atomic_store(&t.control->ready_words, UINT64_MAX);
    for (size_t i = 0; i < SHM_READY_WORDS; i++)
        atomic_store(&t.control->ready[i], UINT64_MAX);
    expect_none();
    expect_is(t.m.watched_count, 3);
    atomic_store(&t.control->ready_words, UINT64_MAX);
    atomic_store(&t.control->ready[0], UINT64_MAX);
    send(2, 1);
    send(0, 2);
    expect_is(receive(), 1);
    expect_is(receive(), 2);
    expect_is(t.m.watched_count, 3); /* none twice */
    tear_down();
}

static void published_and_not_rung(void)
{
    set_up(3, 4, true);
    expect(merge_rest(&t.m));
    expect(!merge_sweep(&t.m));
    expect(publish(1, 5, 5, 1)); /* took the idle flag down, and died */
    expect_none();
    expect(merge_sweep(&t.m));
    expect_is(receive(), 5);
    expect(!merge_sweep(&t.m));
    expect_none();
    tear_down();
}

/* Nobody asks for a sweep while there is something to receive; it comes by itself. */
static void found_by_a_busy_receiver(void)
{
    uint64_t ticket = 10, taken = 0;
    bool found = false;
    set_up(2, 64, true);
    expect(merge_rest(&t.m));
    expect(publish(1, 5, 5, 1));
    while (!found && taken < 10000000) {
        for (int i = 0; i < 64; i++)
            send(0, ticket++);
        for (int i = 0; i < 64; i++, taken++)
            found |= receive() == 5;
    }
    expect(found);
    tear_down();
}

static void found_by_a_polling_receiver(void)
{
    uint64_t looks = 0;
    set_up(2, 4, true);
    expect(merge_rest(&t.m));
    expect(publish(1, 5, 5, 1));
    while (!merge_next(&t.m))
        expect(++looks < 1000000);
    expect_is(receive(), 5);
    tear_down();
}

static void a_sleeping_sender_is_woken(void)
{
    set_up(2, 4, true);
    for (uint64_t i = 0; i < 4; i++)
        send(0, i);
    atomic_store(&t.control->places[0].room.waiting, 1);
    receive();
    expect_is(t.wakes[0], 0);
    receive(); /* half of it is free */
    expect_is(t.wakes[0], 1);
    receive();
    atomic_store(&t.control->places[0].room.waiting, 1); /* for the whole lane */
    receive();
    expect_is(t.wakes[0], 2);
    send(0, 4);
    receive();
    atomic_store(&t.control->places[0].room.waiting, 1);
    expect_none();
    expect(merge_rest(&t.m));
    expect_is(t.wakes[0], 3);
    expect_is(t.wakes[1], 0);
    tear_down();
}

/* --------------------------------------------------------------------------------------------------- damage
 */

static void set_tail(uint32_t lane, uint64_t tail)
{
    atomic_store(&t.control->places[lane].tail, tail);
}

/* The lane's own sender puts its tail right with its next publish: nothing it sends is lost. */
static void expect_recovery(uint32_t lane, uint64_t ticket)
{
    for (uint64_t i = 0; i < 10; i++) {
        send(lane, ticket + i);
        expect_is(receive(), ticket + i);
    }
    expect_none();
}

static void a_tail_that_cannot_be(bool ordered)
{
    static const uint64_t tails[] = {105, 200, 99, 96, 95, 0, UINT64_MAX, UINT64_C(1) << 63};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        set_up_at(2, 4, 100);
        begin(ordered);
        set_tail(0, tails[i]);
        send(1, 1);
        expect_error(-EBADMSG);
        expect_is(atomic_load(&t.control->lanes_damaged), 1);
        expect_is(receive(), 1); /* the other lane goes on */
        expect_none();           /* told once */
        expect(merge_rest(&t.m));
        expect_is(atomic_load(&t.control->lanes_damaged), 1);
        expect_is(atomic_load(&t.control->places[0].tail), 100); /* drained, if its sender is dead */
        expect_recovery(0, 2);
        tear_down();
    }
}

static void a_tail_that_cannot_be_ordered(void)
{
    a_tail_that_cannot_be(true);
}

static void a_tail_that_cannot_be_unordered(void)
{
    a_tail_that_cannot_be(false);
}

/* What is unread behind a damaged tail comes with the sender's next message, and nothing that was read comes
 * again. */
static void a_tail_a_little_behind(void)
{
    for (uint64_t behind = 1; behind <= 4; behind++) {
        set_up_at(1, 8, 100);
        begin(true);
        send_batch(0, 1, 1, 4);
        for (uint64_t i = 1; i <= 4; i++)
            expect_is(receive(), i);
        send(0, 5);
        set_tail(0, 104 - behind);
        expect_error(-EBADMSG);
        expect_none();
        send(0, 6);
        expect_is(receive(), 5);
        expect_is(receive(), 6);
        expect_none();
        expect_is(atomic_load(&t.control->lanes_damaged), 1);
        tear_down();
    }
}

/* A tail that may be is believed, so head strays ahead of the sender: it comes back at the second publish. */
static void a_tail_a_little_ahead(void)
{
    set_up_at(1, 8, 100);
    begin(true);
    set_tail(0, 105);
    for (int garbage = 0; garbage < 5; garbage++) {
        struct lane_reader *l = merge_next(&t.m);
        expect(l != NULL);
        merge_advance(&t.m, l);
    }
    send(0, 1);
    expect_error(-EBADMSG);
    expect_none();
    send(0, 2);
    expect_error(-EBADMSG);
    expect_is(atomic_load(&t.control->places[0].head), 102);
    expect_recovery(0, 3);
    expect_is(atomic_load(&t.control->lanes_damaged), 2);
    tear_down();
}

static void a_full_lane_is_no_damage(void)
{
    set_up_at(1, 4, 100);
    begin(true);
    send_batch(0, 1, 1, 4);
    for (uint64_t i = 1; i <= 4; i++)
        expect_is(receive(), i);
    send_batch(0, 2, 5, 2);
    expect_is(receive(), 5);
    send_batch(0, 3, 7, 3); /* head is 105, and its tail 109 */
    for (uint64_t i = 6; i <= 9; i++)
        expect_is(receive(), i);
    expect_none();
    expect_is(atomic_load(&t.control->lanes_damaged), 0);
    tear_down();
}

/* What was seen before the damage is received; the damage is told after it, if it is there still. */
static void damage_while_messages_are_visible(void)
{
    static const uint64_t tails[] = {108, 200, 102, 101, 100, 99, 0, UINT64_MAX};
    for (int repaired = 0; repaired < 2; repaired++)
        for (size_t i = 0; i < COUNT_OF(tails); i++) {
            set_up_at(2, 4, 100);
            begin(true);
            send_batch(0, 2, 2, 3);
            send(1, 9);
            expect(merge_next(&t.m) != NULL); /* two looks have seen 103 */
            set_tail(0, tails[i]);
            for (uint64_t j = 2; j < 5; j++)
                expect_is(receive(), j);
            if (repaired) {
                set_tail(0, 103);
                expect_is(receive(), 9);
                expect_none();
                expect_is(atomic_load(&t.control->lanes_damaged), 0);
            } else {
                /* 9 was seen long ago and may come before the look that finds it. */
                struct lane_reader *l = merge_next(&t.m);
                if (l)
                    expect_is(receive(), 9);
                else
                    t.m.error = 0;
                for (int tries = 0; tries < 3; tries++) {
                    merge_next(&t.m);
                    t.m.error = 0;
                }
                expect_is(atomic_load(&t.control->lanes_damaged), 1);
            }
            tear_down();
        }
}

/* Whatever the tails say: it ends, and stays within the slots (which are of just that size). */
static void scribbled_words(void)
{
    for (int ordered = 0; ordered < 2; ordered++) {
        set_up(5, 4, ordered);
        for (uint64_t round = 0, rounds = scaled(50000); round < rounds; round++) {
            uint32_t lane = (uint32_t)random_below(5);
            struct shm_place *place = &t.control->places[lane];
            switch (random_below(6)) {
            case 0:
                set_tail(lane, random_below(2) ? random_below(UINT64_MAX)
                                               : atomic_load(&place->head) + random_below(9) - 3);
                break;
            case 1:
                atomic_store(&place->head, random_below(UINT64_MAX));
                break;
            case 2:
                atomic_store(&place->idle, (uint32_t)random_below(3));
                break;
            case 3:
                atomic_store(&t.control->ready[random_below(2)], random_below(UINT64_MAX));
                atomic_store(&t.control->ready_words, random_below(4));
                break;
            case 4:
                if (!merge_next(&t.m) && !t.m.error)
                    merge_rest(&t.m);
                break;
            default:
                merge_sweep(&t.m);
            }
            for (int n = 0; n < 6; n++) {
                struct lane_reader *l = merge_next(&t.m);
                t.m.error = 0;
                if (l) {
                    value_of(l);
                    merge_advance(&t.m, l);
                }
            }
        }
        tear_down();
    }
}

static void a_lane_that_cannot_be_mapped(bool ordered)
{
    set_up(2, 4, ordered);
    send_batch(0, 1, 1, 2);
    t.map_error = -ENOMEM;
    expect_error(-ENOMEM);
    expect_error(-ENOMEM); /* as long as it lasts */
    t.map_error = 0;
    send(1, 3);
    for (uint64_t i = 1; i <= 3; i++)
        expect_is(receive(), i); /* nothing is lost */
    expect_none();
    t.map_error = -ENOMEM; /* both are mapped by now */
    send(0, 4);
    expect_is(receive(), 4);
    expect_is(t.maps, ordered ? 4 : t.maps);
    tear_down();
}

static void a_lane_that_cannot_be_mapped_ordered(void)
{
    a_lane_that_cannot_be_mapped(true);
}

static void a_lane_that_cannot_be_mapped_unordered(void)
{
    a_lane_that_cannot_be_mapped(false);
}

/* One lane cannot be mapped, another can: its messages come, between the errors. */
static void fail_lane_0(uint32_t lane)
{
    t.map_error = lane == 0 ? -ENOMEM : 0;
}

static void beside_a_lane_that_cannot_be_mapped(void)
{
    set_up(2, 4, true);
    t.on_map = fail_lane_0;
    send(0, 1);
    send(1, 2);
    send(1, 3);
    unsigned received = 0, errors = 0;
    for (int calls = 0; calls < 20; calls++) {
        struct lane_reader *l = merge_next(&t.m);
        if (l) {
            expect_is(value_of(l), 2 + received++);
            merge_advance(&t.m, l);
        } else {
            expect_is(t.m.error, -ENOMEM);
            t.m.error = 0;
            errors++;
        }
    }
    expect_is(received, 2);
    expect(errors > 0);
    t.on_map = NULL;
    t.map_error = 0;
    expect_is(receive(), 1);
    tear_down();
}

/* ------------------------------------------------------------------------------------------------ unordered
 */

/* How often a lane's turn ended while all lanes had messages, and the longest turn. */
static void fair_turns(void)
{
    enum { LANES = 5, EACH = 1024 };
    uint64_t next[LANES] = {0}, turn[LANES] = {0}, length = 0, longest = 0;
    uint32_t last = LANES;
    set_up(LANES, EACH, false);
    for (uint64_t i = 0; i < EACH; i++)
        for (uint32_t lane = 0; lane < LANES; lane++)
            send_batch(lane, i, lane * EACH + i, 1);
    for (uint64_t n = 0; n < LANES * EACH; n++) {
        uint64_t value = receive();
        uint32_t lane = (uint32_t)(value / EACH);
        expect_is(value % EACH, next[lane]++); /* in the order of each sender */
        if (lane != last) {
            turn[lane]++;
            length = 0;
        }
        last = lane;
        if (++length > longest && n < (LANES - 1) * EACH)
            longest = length;
    }
    expect_none();
    for (uint32_t lane = 1; lane < LANES; lane++)
        expect_is(turn[lane], turn[0]);
    expect(longest < EACH / 4);
    tear_down();
}

/* One lane is never empty; the other's message comes soon all the same. */
static void a_busy_lane_starves_nobody(void)
{
    uint64_t value = 0;
    set_up(2, 64, false);
    send_batch(0, value, value, 1);
    expect_is(receive(), 0);
    for (int round = 0; round < 100; round++) {
        unsigned n = 0;
        send_batch(1, (uint64_t)round, 1000000, 1);
        do {
            struct lane_writer *w = &t.writers[0];
            expect(lane_look_for_room(w));
            while (lane_room(w)) {
                value++;
                send_batch(0, value, value, 1);
            }
            expect(++n < 1000);
        } while (receive() != 1000000);
    }
    tear_down();
}

static void unordered_batches_stay_in_a_row(void)
{
    enum { EACH = 100 };
    set_up(3, 512, false);
    for (uint64_t batch = 0; batch < 5; batch++)
        for (uint32_t lane = 0; lane < 3; lane++)
            send_batch(lane, batch * EACH, (lane * 5 + batch) * EACH, EACH);
    for (int n = 0; n < 15; n++) {
        uint64_t first = receive();
        expect_is(first % EACH, 0);
        for (uint64_t i = 1; i < EACH; i++)
            expect_is(receive(), first + i);
    }
    expect_none();
    tear_down();
}

static void lanes_that_come_and_go(void)
{
    uint64_t next[4] = {0}, sent[4] = {0}, total = 0;
    set_up(4, 8, false);
    for (uint64_t i = 0, steps = scaled(100000); i < steps; i++) {
        uint32_t lane = (uint32_t)random_below(4);
        expect(lane_look_for_room(&t.writers[lane]));
        if (random_below(2) && lane_room(&t.writers[lane])) {
            send_batch(lane, sent[lane], lane * 1000000 + sent[lane], 1);
            sent[lane]++;
            total++;
        } else if (total) {
            uint64_t value = receive();
            expect_is(value % 1000000, next[value / 1000000]++);
            total--;
        } else {
            expect_none();
            if (i % 3 == 0)
                expect(merge_rest(&t.m));
        }
    }
    tear_down();
}

/* -------------------------------------------------------------------------------------------- the successor
 */

static void a_successor_goes_on_at_the_next_message(void)
{
    for (int ordered = 0; ordered < 2; ordered++) {
        set_up(3, 8, ordered);
        for (uint64_t i = 0; i < 9; i++)
            send((uint32_t)(i % 3), i);
        uint64_t first[4], sum = 0;
        for (int i = 0; i < 4; i++)
            sum += first[i] = receive();
        if (ordered)
            expect_is(sum, 0 + 1 + 2 + 3);
        expect(merge_next(&t.m) != NULL); /* looked at, and not taken */
        merge_destroy(&t.m);              /* it died */
        begin(ordered);
        for (int i = 4; i < 9; i++) {
            uint64_t value = receive();
            sum += value;
            if (ordered)
                expect_is(value, i);
        }
        expect_is(sum, 36);
        expect_none();
        tear_down();
    }
}

static void what_a_successor_watches(void)
{
    set_up_at(5, 4, 7);
    struct shm_place *p = t.control->places;
    atomic_store(&p[0].idle, 1); /* empty, and rings */
    atomic_store(&p[1].idle, 0); /* was watched, or its sender has taken the flag down and rings, or died */
    atomic_store(&p[2].idle, 1); /* the other died between raising the flag and its second look */
    publish(3, 1, 1, 1);         /* was watched, with a message */
    atomic_store(&p[4].idle, 1);
    t.writers[2].tail++;
    atomic_store(&p[2].tail, 8);
    lane_stamp(lane_slot(&t.writers[2].shape, t.writers[2].slots, 7), 2, MESSAGE);
    ready_set(t.control, 4); /* rung while nobody was there */
    atomic_store(&p[4].tail, 8);
    lane_stamp(lane_slot(&t.writers[4].shape, t.writers[4].slots, 7), 3, MESSAGE);
    begin(true);
    expect_is(t.m.watched_count, 4);
    for (uint32_t want = 3; want != 5; want = want == 3 ? 2 : want == 2 ? 4 : 5) {
        struct lane_reader *l = merge_next(&t.m);
        expect(l != NULL);
        expect_is(merge_place(&t.m, l), want);
        expect_is(l->head, 7);
        merge_advance(&t.m, l);
    }
    expect_none();
    atomic_store(&p[1].tail, 8); /* not rung: the flag was down */
    lane_stamp(lane_slot(&t.writers[1].shape, t.writers[1].slots, 7), 4, MESSAGE);
    expect(merge_next(&t.m) != NULL);
    tear_down();
}

/* The former one had taken the ring and died before it looked. */
static void a_successor_and_a_ring_that_was_taken(void)
{
    set_up(2, 4, true);
    expect(merge_rest(&t.m));
    send(1, 1);
    expect(ready_take_words(t.control) != 0);
    expect(ready_take(t.control, 0) != 0);
    merge_destroy(&t.m);
    begin(true);
    expect_is(receive(), 1);
    send(0, 2);
    send(1, 3);
    expect_is(receive(), 2);
    expect_is(receive(), 3);
    tear_down();
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"order: by ticket, with gaps", by_ticket_with_gaps},
        {"order: written and not published: nobody waits for it", written_and_not_published},
        {"order: positions near 2^32 and 2^63", positions_are_64_bits_wide},
        {"order: a lane that was alone is compared once another joins", a_lane_that_was_alone_is_compared},
        {"order: one lane against a queue", one_lane_against_a_queue},
        {"order: five lanes against a queue", five_lanes_against_a_queue},
        {"order: 130 lanes against a queue", many_lanes_against_a_queue},
        {"order: 64 lanes of random tickets against a sort", the_heap_against_a_sort},
        {"order: batches stay in a row", batches_stay_in_a_row},
        {"looks: a predecessor that the look has missed", a_predecessor_that_the_look_has_missed},
        {"looks: a predecessor that has rung since", a_predecessor_that_has_rung_since},
        {"looks: what was sent at once may come in any order", a_predecessor_of_one_that_was_seen_long_ago},
        {"looks: each shows a smaller ticket", a_smaller_one_at_each_look},
        {"looks: tickets that only fall: it ends", tickets_that_only_fall},
        {"looks: tickets that change after they were seen", tickets_that_change_after_they_were_seen},
        {"idle: let go, and watched when they ring", let_go_and_rung},
        {"idle: not let go with a message", not_let_go_with_a_message},
        {"idle: a quiet lane beside a busy one", quiet_beside_busy},
        {"idle: rings for lanes that are not there", rings_of_nobody},
        {"idle: published and not rung: a sweep finds it", published_and_not_rung},
        {"idle: published and not rung: a busy receiver finds it", found_by_a_busy_receiver},
        {"idle: published and not rung: a polling receiver finds it", found_by_a_polling_receiver},
        {"room: a sleeping sender is woken", a_sleeping_sender_is_woken},
        {"damage: a tail that cannot be is told once, ordered", a_tail_that_cannot_be_ordered},
        {"damage: a tail that cannot be is told once, unordered", a_tail_that_cannot_be_unordered},
        {"damage: a tail a little behind takes nothing twice", a_tail_a_little_behind},
        {"damage: a tail a little ahead is followed back", a_tail_a_little_ahead},
        {"damage: a full lane is none", a_full_lane_is_no_damage},
        {"damage: what was seen before it is received", damage_while_messages_are_visible},
        {"damage: scribbled words", scribbled_words},
        {"map: fails, and nothing is lost, ordered", a_lane_that_cannot_be_mapped_ordered},
        {"map: fails, and nothing is lost, unordered", a_lane_that_cannot_be_mapped_unordered},
        {"map: fails for one lane, others go on", beside_a_lane_that_cannot_be_mapped},
        {"unordered: fair turns", fair_turns},
        {"unordered: a busy lane starves nobody", a_busy_lane_starves_nobody},
        {"unordered: batches stay in a row", unordered_batches_stay_in_a_row},
        {"unordered: lanes that come and go", lanes_that_come_and_go},
        {"successor: goes on at the next message", a_successor_goes_on_at_the_next_message},
        {"successor: what it watches", what_a_successor_watches},
        {"successor: a ring that the former one had taken", a_successor_and_a_ring_that_was_taken},
    };
    return suite_run("merge", rows, COUNT_OF(rows), argc, argv);
}
