/* SPDX-License-Identifier: MIT */
/* The merge on plain memory, look by look: each state written by hand, merge_next() asked what comes next. */
#include "merge.h"
#include "support.h"

#define LANES    64u
#define CAPACITY 64u
#define SLOT     (sizeof(struct shm_slot) + 8)

static struct shm_control *control;
static struct merge merge;
static struct lane_writer writers[LANES];
static void *slots[LANES];
static unsigned wakes[LANES];
static unsigned map_failures;

static const void *map_slots(void *context, uint32_t place, int *ret_error)
{
    (void)context;
    if (map_failures > 0) {
        map_failures--;
        *ret_error = -ENOMEM;
        return NULL;
    }
    return slots[place];
}

static void count_wake(void *context, uint32_t place)
{
    (void)context;
    wakes[place]++;
}

static void begin(bool ordered)
{
    struct lane_shape shape = lane_shape_make(CAPACITY, SLOT, 8);
    struct merge_hooks hooks = {.map = map_slots, .wake = count_wake};
    expect_ok(merge_alloc(&merge, LANES));
    merge_init(&merge, control, shape, ordered, hooks);
}

static void tear_down(void)
{
    if (!control)
        return;
    merge_destroy(&merge);
    for (uint32_t i = 0; i < LANES; i++)
        free(slots[i]);
    free(control);
}

static void set_up_at(bool ordered, uint64_t position)
{
    tear_down(); /* what an earlier round of the same test left */
    size_t bytes = sizeof *control + LANES * sizeof(struct shm_place);
    control = aligned_alloc(SHM_LINE, bytes);
    expect(control != NULL);
    memset(control, 0, bytes);
    for (uint32_t i = 0; i < LANES; i++) {
        struct shm_place *p = &control->places[i];
        slots[i] = calloc(CAPACITY, SLOT);
        expect(slots[i] != NULL);
        atomic_store(&p->idle, 1);
        atomic_store(&p->tail, position);
        atomic_store(&p->head, position);
        lane_writer_init(&writers[i], p, slots[i], lane_shape_make(CAPACITY, SLOT, 8));
    }
    begin(ordered);
}

static void set_up(bool ordered)
{
    set_up_at(ordered, 0);
}

/* The steps of a send, one by one. */
static void write_slot(uint32_t lane, uint64_t n, uint64_t ticket)
{
    lane_stamp(lane_next_slot(&writers[lane], n), ticket, 8);
}

static bool publish(uint32_t lane, uint64_t n)
{
    return lane_publish(&writers[lane], n);
}

static void put(uint32_t lane, uint64_t ticket)
{
    write_slot(lane, 0, ticket);
    if (publish(lane, 1))
        ready_set(control, lane);
}

static struct lane_reader *expect_next(uint32_t lane, uint64_t ticket)
{
    struct lane_reader *l = merge_next(&merge);
    expect(l != NULL);
    expect_is(merge_place(&merge, l), lane);
    expect_is(l->ticket, ticket);
    return l;
}

static void take(uint32_t lane, uint64_t ticket)
{
    merge_advance(&merge, expect_next(lane, ticket));
}

static void expect_none(void)
{
    expect(merge_next(&merge) == NULL);
    expect_is(merge.error, 0);
}

static void nothing_is_there(void)
{
    set_up(true);
    expect_none();
    expect(merge_rest(&merge));
    expect(!merge_sweep(&merge));
}

static void tickets_decide_and_may_have_gaps(void)
{
    set_up(true);
    put(3, 5);
    put(1, 900);
    put(2, 17);
    put(3, 18);
    take(3, 5);
    take(2, 17);
    take(3, 18);
    take(1, 900);
    expect_none();
}

/*
 * The rule: seen in the later look only, a message waits for one more look, and a predecessor found there
 * goes first. Each interleaving of two publishes with the looks: lane 0 has ticket 7, lane 1 ticket 8, and
 * lane 0's send returned before lane 1's began, so that no look can see 8 and, begun after it, not 7.
 */
static void seen_once_is_not_enough(void)
{
    for (unsigned looks_before = 0; looks_before < 3; looks_before++)
        for (unsigned looks_between = 0; looks_between < 3; looks_between++) {
            set_up(true);
            put(0, 1);
            put(1, 2);
            take(0, 1);
            take(1, 2); /* both are watched */
            for (unsigned i = 0; i < looks_before; i++)
                expect_none();
            put(0, 7);
            for (unsigned i = 0; i < looks_between; i++)
                expect_next(0, 7);
            put(1, 8);
            take(0, 7);
            take(1, 8);
            expect_none();
        }
}

/* A look passes lane 0 before 7 is there and lane 1 after 8 is there: what it saw is forged, as the loads
 * cannot be stopped. */
static void a_look_that_passed_the_predecessor(void)
{
    set_up(true);
    put(0, 1);
    put(1, 2);
    take(0, 1);
    take(1, 2);
    put(1, 8);
    struct lane_reader *l = expect_next(1, 8); /* two looks have seen it by now */
    l->earlier = l->head;                      /* let it be one */
    write_slot(0, 0, 7);
    publish(0, 1);
    take(0, 7);
    take(1, 8);
}

/* A predecessor in a lane that nobody watches: it rang before the other's send began. */
static void a_predecessor_in_a_quiet_lane(void)
{
    set_up(true);
    put(5, 1);
    take(5, 1);
    expect_none();
    expect(merge_rest(&merge)); /* all are let go */
    put(6, 2);
    put(5, 3);
    take(6, 2);
    take(5, 3);
}

static void published_and_not_rung(void)
{
    set_up(true);
    write_slot(9, 0, 4);
    expect(publish(9, 1)); /* and it dies here */
    expect_none();
    expect(merge_rest(&merge));
    expect(merge_sweep(&merge));
    take(9, 4);
    expect_none();
}

static void a_busy_receiver_sweeps_too(void)
{
    set_up(true);
    write_slot(9, 0, 1000000000);
    expect(publish(9, 1)); /* not rung */
    for (uint64_t n = 0; n < 10000000; n++) {
        put(1, n);
        struct lane_reader *l = merge_next(&merge);
        expect(l != NULL);
        merge_advance(&merge, l);
        if (merge.lanes[9].watched)
            return;
    }
    fail("lane 9 was never found");
}

static void a_batch_stays_in_a_row(bool ordered)
{
    set_up(ordered);
    for (uint64_t i = 0; i < CAPACITY; i++) {
        write_slot(1, i, 10);
        write_slot(2, i, ordered ? 11 : 10);
    }
    if (publish(2, CAPACITY))
        ready_set(control, 2);
    if (publish(1, CAPACITY))
        ready_set(control, 1);
    struct lane_reader *first = merge_next(&merge);
    expect(first != NULL);
    for (uint64_t i = 0; i < CAPACITY; i++) {
        expect(merge_next(&merge) == first);
        merge_advance(&merge, first);
    }
    for (uint64_t i = 0; i < CAPACITY; i++) {
        struct lane_reader *second = merge_next(&merge);
        expect(second != NULL && second != first);
        merge_advance(&merge, second);
    }
}

static void batches_ordered(void)
{
    a_batch_stays_in_a_row(true);
}

static void batches_unordered(void)
{
    a_batch_stays_in_a_row(false);
}

static void everyone_has_a_turn(void)
{
    set_up(false);
    uint64_t taken[3] = {0}, tickets[3] = {0};
    for (int round = 0; round < 10000; round++) {
        for (uint32_t lane = 0; lane < 3; lane++)
            while (lane_look_for_room(&writers[lane]) && lane_room(&writers[lane]) > 0)
                put(lane, tickets[lane]++);
        struct lane_reader *l = merge_next(&merge);
        expect(l != NULL);
        taken[merge_place(&merge, l)]++;
        merge_advance(&merge, l);
    }
    for (int lane = 0; lane < 3; lane++)
        expect(taken[lane] > 2000);
}

static void many_lanes_come_in_order(void)
{
    set_up(true);
    uint64_t ticket = 0;
    srand(7);
    for (int round = 0; round < 200; round++) {
        uint64_t first = ticket;
        uint32_t lanes[500];
        uint32_t count = 1 + (uint32_t)rand() % 500;
        for (uint32_t i = 0; i < count; i++) {
            do
                lanes[i] = (uint32_t)rand() % LANES;
            while (!lane_look_for_room(&writers[lanes[i]]) || lane_room(&writers[lanes[i]]) == 0);
            put(lanes[i], ticket++);
        }
        for (uint32_t i = 0; i < count; i++)
            take(lanes[i], first + i);
        expect_none();
    }
}

static void expect_damage_then_go_on(void)
{
    expect(merge_next(&merge) == NULL);
    expect_is(merge.error, -EBADMSG);
    merge.error = 0;
    expect_is(atomic_load(&control->lanes_damaged), 1);
    /* The lane stands where the damage said; its sender puts the word right, which is one damage more. */
    put(2, 50);
    take(2, 50);
    expect_none();
}

static void a_tail_too_far_ahead(void)
{
    set_up(true);
    put(1, 1);
    take(1, 1);
    atomic_store(&control->places[1].tail, 1 + CAPACITY + 1);
    expect_damage_then_go_on();
}

static void a_tail_behind(void)
{
    set_up_at(true, 100);
    put(1, 1);
    take(1, 1);
    atomic_store(&control->places[1].tail, 90);
    expect_damage_then_go_on();
}

static void a_tail_damaged_while_messages_are_visible(void)
{
    static const uint64_t damage[] = {0, 5, 1000, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(damage); i++) {
        set_up_at(true, 10);
        for (uint64_t n = 0; n < 4; n++)
            put(1, n);
        expect_next(1, 0);
        atomic_store(&control->places[1].tail, damage[i]);
        for (uint64_t n = 0; n < 4; n++)
            take(1, n); /* what was visible is delivered */
        expect(merge_next(&merge) == NULL);
        expect_is(merge.error, -EBADMSG);
    }
}

static void tails_that_go_round_two_to_the_64(void)
{
    set_up(true);
    for (int i = 0; i < 10000; i++) {
        atomic_store(&control->places[1].tail, UINT64_MAX - (uint64_t)(i % 7));
        ready_set(control, 1);
        merge_next(&merge);
        atomic_store(&control->places[1].tail, (uint64_t)(i % 5));
        struct lane_reader *l = merge_next(&merge);
        if (l)
            merge_advance(&merge, l);
        merge.error = 0;
        expect(merge.pending_count <= LANES && merge.watched_count <= LANES);
    }
}

static void tickets_that_nobody_took(void)
{
    set_up(true);
    for (uint32_t lane = 0; lane < LANES; lane++)
        put(lane, LANES - lane);
    for (int i = 0; i < 1000; i++) {
        struct lane_reader *l = merge_next(&merge);
        expect(l != NULL); /* always something, in the end of its looks */
        uint32_t lane = merge_place(&merge, l);
        merge_advance(&merge, l);
        put(lane, 0); /* ever smaller */
    }
}

static void bits_beyond_the_lanes(void)
{
    set_up(true);
    for (uint32_t word = 0; word < SHM_READY_WORDS; word++)
        atomic_store(&control->ready[word], UINT64_MAX);
    atomic_store(&control->ready_words, UINT64_MAX);
    expect_none();
    expect_is(merge.watched_count, LANES);
    put(3, 1);
    take(3, 1);
}

static void a_lane_that_cannot_be_mapped_yet(void)
{
    set_up(true);
    put(1, 1);
    put(2, 2);
    map_failures = 1;
    expect(merge_next(&merge) == NULL);
    expect_is(merge.error, -ENOMEM);
    merge.error = 0;
    take(1, 1); /* nothing is lost, and the order is kept */
    take(2, 2);
}

static void a_quiet_lane_is_let_go(void)
{
    set_up(true);
    put(1, 1);
    take(1, 1);
    expect(merge.lanes[1].watched);
    for (int i = 0; i < 1000; i++)
        expect_none();
    expect(!merge.lanes[1].watched);
    expect_is(atomic_load(&control->places[1].idle), 1);
    put(1, 2);
    take(1, 2);
}

static void who_waits_for_the_whole_lane_is_woken(void)
{
    set_up(true);
    put(1, 1);
    take(1, 1);
    atomic_store(&control->places[1].room.waiting, 1);
    expect_none();
    expect_is(wakes[1], 0);
    expect(merge_rest(&merge));
    expect_is(wakes[1], 1);
}

static void a_successor(void)
{
    set_up(true);
    put(1, 1);
    put(2, 2);
    put(1, 3);
    write_slot(4, 0, 4);
    publish(4, 1); /* not rung */
    take(1, 1);
    atomic_store(&control->places[7].idle, 0); /* the dead one had taken its ring */
    merge_destroy(&merge);
    begin(true);
    expect(merge.lanes[7].watched);
    take(2, 2);
    take(1, 3);
    take(4, 4);
    expect_none();
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"nothing is there", nothing_is_there},
        {"tickets decide, and may have gaps", tickets_decide_and_may_have_gaps},
        {"a message seen in the later look only waits for one more", seen_once_is_not_enough},
        {"a look that had passed the predecessor's lane", a_look_that_passed_the_predecessor},
        {"a predecessor in a lane that nobody watches", a_predecessor_in_a_quiet_lane},
        {"published and not rung: the sweep finds it", published_and_not_rung},
        {"a busy receiver sweeps too", a_busy_receiver_sweeps_too},
        {"a batch stays in a row", batches_ordered},
        {"a batch stays in a row, unordered", batches_unordered},
        {"unordered: everyone has a turn", everyone_has_a_turn},
        {"64 lanes come in the order of their tickets", many_lanes_come_in_order},
        {"a tail too far ahead is told once", a_tail_too_far_ahead},
        {"a tail that went back is told once", a_tail_behind},
        {"a tail damaged while messages are visible", a_tail_damaged_while_messages_are_visible},
        {"tails that go round 2^64", tails_that_go_round_two_to_the_64},
        {"tickets that nobody took", tickets_that_nobody_took},
        {"ready bits beyond the lanes", bits_beyond_the_lanes},
        {"a lane that cannot be mapped yet loses nothing", a_lane_that_cannot_be_mapped_yet},
        {"a quiet lane is let go, and rings", a_quiet_lane_is_let_go},
        {"who waits for the whole lane is woken", who_waits_for_the_whole_lane_is_woken},
        {"a successor goes on, with what its predecessor had seen", a_successor},
    };
    return suite_run("looks", rows, COUNT_OF(rows), argc, argv);
}
