/* SPDX-License-Identifier: MIT */
/* One lane on plain memory, each state written by hand. What threads do to it is test_race's to show. */
#include "lane.h"
#include "support.h"

#define MESSAGE 8u
#define SLOT    (sizeof(struct shm_slot) + MESSAGE)

struct lane {
    struct shm_place *place;
    void *slots;
    struct lane_shape shape;
    struct lane_writer w;
    struct lane_reader r;
};

static struct lane lane_at(uint32_t capacity, uint64_t position)
{
    struct lane l = {.shape = lane_shape_make(capacity, SLOT, MESSAGE)};
    l.place = aligned_alloc(SHM_LINE, sizeof *l.place);
    l.slots = calloc(capacity, SLOT);
    expect(l.place && l.slots);
    memset(l.place, 0, sizeof *l.place);
    atomic_store(&l.place->tail, position);
    atomic_store(&l.place->head, position);
    lane_writer_init(&l.w, l.place, l.slots, l.shape);
    lane_reader_init(&l.r, l.place);
    l.r.slots = l.slots;
    return l;
}

static void lane_free(struct lane *l)
{
    free(l->place);
    free(l->slots);
}

static void write_next(struct lane *l, uint64_t n, uint64_t value)
{
    struct shm_slot *slot = lane_next_slot(&l->w, n);
    lane_stamp(slot, 1000 + value, MESSAGE);
    memcpy(lane_payload(slot), &value, MESSAGE);
}

/* The receiver's look: how many are visible. */
static uint64_t look(struct lane *l)
{
    l->r.later = lane_tail(&l->r);
    return l->r.later - l->r.head;
}

static void take(struct lane *l, uint64_t want)
{
    uint64_t value;
    struct shm_slot *slot = lane_slot(&l->shape, l->slots, l->r.head);
    expect(lane_visible(&l->r));
    expect_is(lane_ticket(&l->r, &l->shape), 1000 + want);
    expect_is(lane_length(&l->shape, slot), MESSAGE);
    memcpy(&value, lane_payload(slot), MESSAGE);
    expect_is(value, want);
    lane_advance(&l->r, &l->shape);
}

static void written_and_not_published(void)
{
    struct lane l = lane_at(4, 0);
    write_next(&l, 0, 7); /* as a reservation does, or a sender that dies here */
    expect_is(look(&l), 0);
    lane_publish(&l.w, 1);
    expect_is(look(&l), 1);
    take(&l, 7);
    lane_free(&l);
}

static void a_reservation_is_overwritten_by_the_next_message(void)
{
    struct lane l = lane_at(4, 0);
    write_next(&l, 0, 7);
    write_next(&l, 0, 8); /* aborted, and sent anew */
    lane_publish(&l.w, 1);
    expect_is(look(&l), 1);
    take(&l, 8);
    lane_free(&l);
}

static void a_batch_is_there_whole_or_not_at_all(void)
{
    struct lane l = lane_at(8, 5);
    for (uint64_t i = 0; i < 6; i++) {
        write_next(&l, i, i);
        expect_is(look(&l), 0);
    }
    lane_publish(&l.w, 6);
    expect_is(look(&l), 6);
    for (uint64_t i = 0; i < 6; i++)
        take(&l, i);
    lane_free(&l);
}

static void wrap_around_at(uint32_t capacity, uint64_t position)
{
    struct lane l = lane_at(capacity, position);
    for (uint64_t lap = 0; lap < 5; lap++) {
        for (uint64_t i = 0; i < capacity; i++) {
            expect(lane_room(&l.w) > 0);
            write_next(&l, 0, lap * capacity + i);
            lane_publish(&l.w, 1);
        }
        expect_is(lane_room(&l.w), 0);
        expect(lane_look_for_room(&l.w));
        expect_is(lane_room(&l.w), 0);
        expect_is(look(&l), capacity);
        for (uint64_t i = 0; i < capacity; i++)
            take(&l, lap * capacity + i);
        expect_is(lane_room(&l.w), 0); /* what it saw last */
        expect(lane_look_for_room(&l.w));
        expect_is(lane_room(&l.w), capacity);
    }
    lane_free(&l);
}

static void wrap_around(void)
{
    static const uint64_t positions[] = {
        0, 3, UINT32_MAX - 5, UINT64_C(1) << 32, INT64_MAX - 5, UINT64_C(1) << 63};
    static const uint32_t capacities[] = {1, 2, 4, 16};
    for (size_t p = 0; p < COUNT_OF(positions); p++)
        for (size_t c = 0; c < COUNT_OF(capacities); c++)
            wrap_around_at(capacities[c], positions[p]);
}

static void a_damaged_head_is_noticed(void)
{
    struct lane l = lane_at(4, 100);
    write_next(&l, 0, 1);
    lane_publish(&l.w, 1);
    static const uint64_t damage[] = {102, 96, 0, UINT64_MAX}; /* tail is 101: beyond it, or too far behind */
    for (size_t i = 0; i < COUNT_OF(damage); i++) {
        atomic_store(&l.place->head, damage[i]);
        expect(!lane_look_for_room(&l.w));
        expect_is(l.w.head_seen, 100); /* and not believed */
    }
    atomic_store(&l.place->head, 97);
    expect(lane_look_for_room(&l.w));
    expect_is(lane_room(&l.w), 0);
    lane_free(&l);
}

static void a_publish_puts_a_damaged_tail_right(void)
{
    struct lane l = lane_at(4, 100);
    atomic_store(&l.place->tail, 5);
    write_next(&l, 0, 1);
    lane_publish(&l.w, 1);
    expect_is(look(&l), 1);
    lane_free(&l);
}

static void a_long_length_stays_within_the_slot(void)
{
    struct lane l = lane_at(4, 0);
    static const uint32_t lengths[][2] = {{0, 0}, {3, 3}, {8, 8}, {9, 8}, {UINT32_MAX, 8}};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct shm_slot *slot = lane_next_slot(&l.w, 0);
        lane_stamp(slot, 1, lengths[i][0]);
        expect_is(lane_length(&l.shape, slot), lengths[i][1]);
    }
    lane_free(&l);
}

static void who_takes_the_idle_flag_down_rings(void)
{
    struct lane l = lane_at(8, 0);
    bool wake;
    expect(!lane_publish(&l.w, 1)); /* watched */
    look(&l);
    lane_advance(&l.r, &l.shape);
    expect(lane_rest(&l.r, &wake));
    expect(!wake);
    expect_is(atomic_load(&l.place->idle), 1);
    expect(lane_publish(&l.w, 1));
    expect(!lane_publish(&l.w, 1)); /* once */
    expect_is(atomic_load(&l.place->idle), 0);
    lane_free(&l);
}

static void a_lane_with_a_message_is_not_let_go(void)
{
    struct lane l = lane_at(8, 0);
    bool wake;
    lane_publish(&l.w, 1); /* after the receiver's last look */
    expect(!lane_rest(&l.r, &wake));
    expect_is(atomic_load(&l.place->idle), 0);
    lane_free(&l);
}

static void a_sleeping_sender_is_woken_at_half(void)
{
    static const uint32_t capacities[] = {1, 2, 4, 1024};
    for (size_t c = 0; c < COUNT_OF(capacities); c++) {
        uint32_t capacity = capacities[c], half = capacity / 2 ? capacity / 2 : 1;
        struct lane l = lane_at(capacity, 0);
        for (uint32_t i = 0; i < capacity; i++)
            lane_publish(&l.w, 1);
        look(&l);
        for (uint32_t i = 1; i <= capacity; i++) {
            atomic_store(&l.place->room.waiting, 1);
            expect_is(lane_advance(&l.r, &l.shape), i % half == 0);
            expect_is(atomic_load(&l.place->room.waiting), i % half != 0);
        }
        /* Nobody waits: nobody is woken. */
        atomic_store(&l.place->room.waiting, 0);
        lane_publish(&l.w, 1);
        expect(!lane_advance(&l.r, &l.shape));
        lane_free(&l);
    }
}

/* Who dies before the head is stored leaves the message to a successor. */
static void what_was_taken_lies_there_whole(void)
{
    struct lane l = lane_at(4, 0);
    for (uint64_t i = 0; i < 4; i++) {
        write_next(&l, 0, i);
        lane_publish(&l.w, 1);
    }
    char before[4 * 64];
    size_t bytes = 4 * l.shape.slot_bytes;
    expect(bytes <= sizeof before);
    memcpy(before, l.slots, bytes);
    look(&l);
    for (uint64_t i = 0; i < 4; i++)
        take(&l, i);
    expect(memcmp(before, l.slots, bytes) == 0);
    lane_free(&l);
}

static void who_needs_a_whole_lane_is_woken_when_it_is_let_go(void)
{
    struct lane l = lane_at(8, 0);
    bool wake;
    lane_publish(&l.w, 1);
    look(&l);
    expect(!lane_advance(&l.r, &l.shape));
    atomic_store(&l.place->room.waiting, 1); /* for a batch of eight */
    expect(lane_rest(&l.r, &wake));
    expect(wake);
    expect_is(atomic_load(&l.place->room.waiting), 0);
    lane_free(&l);
}

static void a_successor_goes_on_where_the_head_is(void)
{
    struct lane l = lane_at(8, 0);
    for (uint64_t i = 0; i < 5; i++) {
        write_next(&l, 0, i);
        lane_publish(&l.w, 1);
    }
    look(&l);
    take(&l, 0);
    take(&l, 1);
    lane_reader_init(&l.r, l.place);
    l.r.slots = l.slots;
    expect(!lane_visible(&l.r)); /* not before it looked */
    expect_is(look(&l), 3);
    for (uint64_t i = 2; i < 5; i++)
        take(&l, i);
    /* And the sender's successor where the tail is. */
    lane_writer_init(&l.w, l.place, l.slots, l.shape);
    expect_is(lane_room(&l.w), 8);
    write_next(&l, 0, 5);
    lane_publish(&l.w, 1);
    expect_is(look(&l), 1);
    take(&l, 5);
    lane_free(&l);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"what was taken lies there whole", what_was_taken_lies_there_whole},
        {"written and not published: nobody sees it", written_and_not_published},
        {"a reservation is overwritten by the next message",
         a_reservation_is_overwritten_by_the_next_message},
        {"a batch is there whole or not at all", a_batch_is_there_whole_or_not_at_all},
        {"wrap-around, and positions near 2^32 and 2^63", wrap_around},
        {"a damaged head is noticed and not believed", a_damaged_head_is_noticed},
        {"the next publish puts a damaged tail right", a_publish_puts_a_damaged_tail_right},
        {"a length that is too long stays within the slot", a_long_length_stays_within_the_slot},
        {"who takes the idle flag down rings, once", who_takes_the_idle_flag_down_rings},
        {"a lane with a message is not let go", a_lane_with_a_message_is_not_let_go},
        {"a sleeping sender is woken at each half of the lane", a_sleeping_sender_is_woken_at_half},
        {"who needs the whole lane is woken when it is let go",
         who_needs_a_whole_lane_is_woken_when_it_is_let_go},
        {"successors go on at head and tail", a_successor_goes_on_where_the_head_is},
    };
    return suite_run("lane", rows, COUNT_OF(rows), argc, argv);
}
