/* SPDX-License-Identifier: MIT */
/*
 * The words of a region, each set to anything at any time, under the merge, the lanes' senders and a
 * successor that begins anew. Plain memory and no system call, so it is a hundred times as fast as region.c,
 * which goes through the public calls. Whatever the words say: no access outside the control block and the
 * slots (each is an allocation of its exact size), no more messages than the lanes hold, no more than a few
 * errors, and an end once nobody writes any more.
 *
 * An input is
 *     shape      bits 0-1 places (1, 2, 3 or 70), 2-3 capacity (1, 2, 4, 8), 4 unordered, 5 old positions
 *     commands   see run_command()
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "merge.h"

#define MESSAGE   8u
#define SLOT      (sizeof(struct shm_slot) + MESSAGE)
#define PLACES    70u
#define ERRORS_OF 4u /* a lane: a damaged tail, a strayed head, and the same after what that showed */

static struct {
    uint32_t places;
    uint32_t capacity;
    bool ordered;
    struct lane_shape shape;
    struct shm_control *control;
    void *slots[PLACES];
    struct lane_writer writers[PLACES];
    struct merge merge;
    uint64_t received; /* since somebody last wrote */
    uint64_t errors;   /* likewise */
    bool map_fails;
} t;

/* ------------------------------------------------------------------------------------------ the region */

static void *map_slots(void *context, uint32_t place, int *ret_error)
{
    (void)context;
    require(place < t.places);
    if (!t.map_fails)
        return t.slots[place];
    *ret_error = -ENOMEM;
    return NULL;
}

static void wake(void *context, uint32_t place)
{
    (void)context;
    require(place < t.places);
}

static void begin_receiver(void)
{
    struct merge_hooks hooks = {.map = map_slots, .wake = wake};
    require(merge_alloc(&t.merge, t.places) == 0);
    merge_init(&t.merge, t.control, t.shape, t.ordered, hooks);
}

static void make(uint8_t shape)
{
    static const uint32_t places[] = {1, 2, 3, PLACES};
    memset(&t, 0, sizeof t);
    t.places = places[shape & 3];
    t.capacity = 1u << (shape >> 2 & 3);
    t.ordered = !(shape & 1 << 4);
    t.shape = lane_shape_make(t.capacity, SLOT, MESSAGE);
    t.control = aligned_alloc(SHM_LINE, sizeof *t.control + t.places * sizeof(struct shm_place));
    require(t.control != NULL);
    memset((void *)t.control, 0, sizeof *t.control + t.places * sizeof(struct shm_place));
    for (uint32_t i = 0; i < t.places; i++) {
        struct shm_place *p = &t.control->places[i];
        p->idle = 1;
        p->head = p->tail = shape & 1 << 5 ? UINT64_MAX - 3 : 0;
        t.slots[i] = calloc(t.capacity, SLOT);
        require(t.slots[i] != NULL);
        lane_writer_init(&t.writers[i], p, t.slots[i], t.shape);
    }
    begin_receiver();
}

static void unmake(void)
{
    merge_destroy(&t.merge);
    for (uint32_t i = 0; i < t.places; i++)
        free(t.slots[i]);
    free((void *)t.control);
}

/* ---------------------------------------------------------------------------------------- who takes part */

/* Near the words that are there, or anything. */
static uint64_t some_value(struct input *in, const struct shm_place *p)
{
    uint8_t how = take8(in);
    switch (how & 3) {
    case 0:
        return p->head + (how >> 2) - 32;
    case 1:
        return p->tail + (how >> 2) - 32;
    case 2:
        return how >> 2;
    default: {
        uint64_t value = 0;
        for (int i = 0; i < 8; i++)
            value = value << 8 | take8(in);
        return value;
    }
    }
}

static void scribble(struct input *in, uint32_t place)
{
    struct shm_place *p = &t.control->places[place];
    struct shm_slot *slot = lane_slot(&t.shape, t.slots[place], take8(in));
    uint64_t value = some_value(in, p);
    t.received = t.errors = 0;
    switch (take8(in) % 9) {
    case 0:
    case 1:
        p->tail = value;
        break;
    case 2:
        p->head = value;
        break;
    case 3:
        p->idle = (uint32_t)value;
        break;
    case 4:
        t.control->ready[place / 64] = value;
        break;
    case 5:
        t.control->ready_words = value;
        break;
    case 6:
        p->room.waiting = (uint32_t)value;
        break;
    case 7:
        slot->ticket = value;
        break;
    default:
        slot->length = (uint32_t)value;
    }
}

static void send(uint32_t place, uint8_t count, uint64_t ticket)
{
    struct lane_writer *w = &t.writers[place];
    uint64_t n = 1 + count % t.capacity;
    t.received = t.errors = 0;
    if (lane_room(w) < n && (!lane_look_for_room(w) || lane_room(w) < n))
        return;
    for (uint64_t i = 0; i < n; i++) {
        struct shm_slot *slot = lane_next_slot(w, i);
        lane_stamp(slot, ticket, MESSAGE);
        memset(lane_payload(slot), (int)place, MESSAGE);
    }
    if (lane_publish(w, n))
        ready_set(t.control, place);
}

/* False: nothing is visible and nothing is wrong. */
static bool receive(void)
{
    char message[MESSAGE];
    struct lane_reader *lane = merge_next(&t.merge);
    if (!lane) {
        int error = t.merge.error;
        t.merge.error = 0;
        require(error == 0 || error == -EBADMSG || (error == -ENOMEM && t.map_fails));
        if (error == -EBADMSG)
            require(++t.errors <= ERRORS_OF * t.places);
        return error == -EBADMSG;
    }
    struct shm_slot *slot = lane_slot(&t.shape, lane->slots, lane->head);
    memcpy(message, lane_payload(slot), lane_length(&t.shape, slot));
    merge_advance(&t.merge, lane);
    /* A head that strayed and came back may show a lane's content again. */
    require(++t.received <= (uint64_t)ERRORS_OF * t.places * t.capacity);
    return true;
}

/* Nobody writes any more: as a receiver does that asks whether the channel has ended. */
static void drain(void)
{
    t.map_fails = false;
    t.received = t.errors = 0;
    for (uint32_t sweeps = 0;; sweeps++) {
        while (receive())
            ;
        require(sweeps <= ERRORS_OF * t.places);
        if (merge_rest(&t.merge) && !merge_sweep(&t.merge))
            break;
    }
    for (uint32_t i = 0; i < t.places; i++)
        require(t.control->places[i].tail == t.merge.lanes[i].head);
}

static void run_command(struct input *in)
{
    uint8_t command = take8(in);
    uint32_t place = take8(in) % t.places;
    switch (command % 8) {
    case 0:
    case 1:
        scribble(in, place);
        break;
    case 2:
        send(place, take8(in), t.control->ticket++);
        break;
    case 3:
    case 4:
        for (int n = command >> 3; n > 0 && receive(); n--)
            ;
        break;
    case 5:
        if (!receive())
            merge_rest(&t.merge);
        break;
    case 6:
        merge_sweep(&t.merge);
        t.map_fails = command >> 3 == 1;
        break;
    default: /* a successor */
        merge_destroy(&t.merge);
        t.received = t.errors = 0;
        begin_receiver();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.bytes = data, .left = size};
    make(take8(&in));
    while (in.left > 0)
        run_command(&in);
    drain();
    unmake();
    return 0;
}
