/* SPDX-License-Identifier: MIT */
/*
 * Regions of arbitrary bytes, made of a fuzzer's input, and damaged by it. Include it in one file of a
 * program.
 *
 * An input begins with
 *     mode       0 raw: the rest is the file
 *                1 a sound header, the rest is what follows it (zeros after its end)
 *                2 a sound region, to be damaged by damage(), before and while it is used
 *                3 a header whose fields are the input's, its checksum right; the rest follows it
 *     bits       HAS_...
 */
#ifndef SHMCHAN_FUZZ_MAKE_H
#define SHMCHAN_FUZZ_MAKE_H

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "guard.h"
#include "input.h"
#include "mutex.h"

#define MESSAGE  8u
#define CAPACITY 4u
#define SENDERS  4u
#define FILE_MAX (UINT64_C(1) << 20)

enum {
    HAS_UNORDERED = 1 << 0,
    HAS_WAIT = 1 << 1,
    HAS_UNLINK = 1 << 2,
    HAS_SPARSE_LANES = 1 << 3,  /* no memory behind the lanes */
    HAS_OLD_POSITIONS = 1 << 4, /* heads and tails just before 2^64 */
    HAS_RAW_MUTEX = 1 << 5,     /* but for its lock word, mostly: a wrong one costs 5 s */
    HAS_SHORT_FILE = 1 << 6,
    HAS_LIST = 1 << 7 /* also walk /dev/shm, now and then */
};

static char name[64], path[80];

/* ------------------------------------------------------------------------------------------- the input */

static uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)take8(in) << 8 * i;
    return value;
}

/* ------------------------------------------------------------------------------------------ the region */

struct region {
    char *bytes;
    struct geometry g;
    size_t size;    /* of the file */
    size_t written; /* of it, from its beginning; the rest is a hole */
};

static char room[FILE_MAX];

static struct shm_control *control_of(const struct region *r)
{
    return (struct shm_control *)(void *)r->bytes;
}

/* As geometry.c does it: who means harm does so too. */
static void sum_header(struct region *r)
{
    uint64_t sum = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < offsetof(struct shm_header, checksum); i++)
        sum = (sum ^ (unsigned char)r->bytes[i]) * UINT64_C(1099511628211);
    control_of(r)->header.checksum = sum;
}

static void make_sound(struct region *r, const struct shmchan_options *opts)
{
    require(geometry_make(opts, &r->g) == 0);
    r->size = r->written = (size_t)r->g.region_bytes;
    memset(r->bytes, 0, r->size);
    geometry_write(&r->g, "fuzz", &control_of(r)->header);
    control_of(r)->header.creator_pid = 1; /* the same in every process */
    control_of(r)->header.created_ns = 1;
    sum_header(r);
    for (uint32_t i = 0; i < r->g.max_senders; i++)
        control_of(r)->places[i].idle = 1;
    mutex_init(control_of(r));
}

static uint32_t flags_of(uint8_t bits)
{
    return (bits & HAS_UNORDERED ? SHMCHAN_UNORDERED : 0u) |
           (bits & HAS_WAIT ? SHMCHAN_WAIT_FOR_RECEIVER : 0u) |
           (bits & HAS_UNLINK ? SHMCHAN_UNLINK_ON_CLOSE : 0u);
}

static void make_small(struct region *r, uint8_t bits)
{
    make_sound(r, &SHMCHAN_OPTIONS(.message_size = MESSAGE, .capacity = CAPACITY, .max_senders = SENDERS,
                                   .flags = flags_of(bits)));
    if (!(bits & HAS_OLD_POSITIONS))
        return;
    for (uint32_t i = 0; i < SENDERS; i++)
        control_of(r)->places[i].head = control_of(r)->places[i].tail = UINT64_MAX - i;
}

static void fill_after_header(struct region *r, struct input *in)
{
    size_t begin = sizeof(struct shm_header), n = r->size - begin;
    if (n > in->left)
        n = in->left;
    memcpy(r->bytes + begin, in->bytes, n);
}

/* Geometries of every shape, as long as the file stays small. */
static void make_shaped(struct region *r, struct input *in, uint8_t bits)
{
    struct shmchan_options opts =
        SHMCHAN_OPTIONS(.message_size = 1 + (uint32_t)take(in, 2) % 300,
                        .capacity = 1 + (uint32_t)take8(in) % 40, .max_senders = 1 + (uint32_t)take8(in) % 20,
                        .flags = flags_of(bits));
    make_sound(r, &opts);
    struct shm_header *header = &control_of(r)->header;
    /* One field may be a lie that the checksum covers. */
    uint8_t which = take8(in);
    size_t offset = which % (offsetof(struct shm_header, checksum) / 4) * 4;
    uint32_t lie = (uint32_t)take(in, 4);
    if (which >= 128) {
        memcpy((char *)header + offset, &lie, sizeof lie);
        sum_header(r);
        r->g.control_bytes = 0;
    }
    fill_after_header(r, in);
}

static void make_raw(struct region *r, struct input *in)
{
    r->size = r->written = in->left < FILE_MAX ? in->left : FILE_MAX;
    memcpy(r->bytes, in->bytes, r->size);
}

/* A lock word that nobody lets go costs 5 s, so that is tried rarely (but always in a process's first run,
   which is what reproduces a finding). */
static bool may_be_slow(void)
{
    static time_t last;
    if (last && time(NULL) - last < 120)
        return false;
    last = time(NULL);
    return true;
}

static void tame_mutex(struct region *r, uint8_t bits)
{
    struct shm_control *control = control_of(r);
    if (r->size < sizeof *control)
        return;
    if (!(bits & HAS_RAW_MUTEX)) {
        memset(&control->mutex, 0, sizeof control->mutex_room);
        mutex_init(control);
        return;
    }
    uint32_t word;
    memcpy(&word, &control->mutex, sizeof word);
    if (word && !may_be_slow()) {
        word = word & 1 ? UINT32_C(0x40000000) : 0; /* its owner died, or nobody's */
        memcpy(&control->mutex, &word, sizeof word);
    }
}

static int write_region(const struct region *r)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0);
    require(ftruncate(fd, (off_t)r->size) == 0);
    for (size_t done = 0; done < r->written;) {
        ssize_t n = pwrite(fd, r->bytes + done, r->written - done, (off_t)done);
        require(n > 0);
        done += (size_t)n;
    }
    return fd;
}

/* -------------------------------------------------------------------------------------------- damaging */

#define PLACE(field) offsetof(struct shm_place, field)
static const size_t place_fields[] = {
    PLACE(tail),
    PLACE(head),
    PLACE(idle),
    PLACE(room.waiting),
    PLACE(room.posts),
    PLACE(first_position),
    PLACE(reserved),
    PLACE(full),
    PLACE(owner.occupied),
    PLACE(owner.pid),
    PLACE(tail),
    PLACE(head),
    PLACE(owner.joined_ns),
    PLACE(owner.sleeps),
};
#define CONTROL(field) offsetof(struct shm_control, field)
static const size_t control_fields[] = {
    CONTROL(ticket),
    CONTROL(ready_words),
    CONTROL(ready[0]),
    CONTROL(ready[63]),
    CONTROL(receiver_closed),
    CONTROL(receivers_joined),
    CONTROL(not_empty.waiting),
    CONTROL(not_empty.posts),
    CONTROL(senders_joined),
    CONTROL(lanes_damaged),
    CONTROL(receiver.occupied),
    CONTROL(mutex_owner_pid),
    CONTROL(not_empty.asleep_since_ns),
};

/* One change of up to 8 bytes, in the form: selector, index, value. */
static void damage(const struct region *r, char *bytes, size_t size, struct input *in)
{
    uint8_t selector = take8(in), index = take8(in);
    unsigned width = 8;
    uint64_t value = selector & 1 ? take(in, 8) : (uint64_t)(int64_t)(int8_t)take8(in);
    size_t offset;
    switch (selector >> 1 & 7) {
    case 0:
    case 1:
    case 2:
    case 3:
        offset = sizeof(struct shm_control) + index % SENDERS * sizeof(struct shm_place) +
                 place_fields[(selector >> 4) % (sizeof place_fields / sizeof *place_fields)];
        break;
    case 4:
        offset = control_fields[(selector >> 4) % (sizeof control_fields / sizeof *control_fields)];
        break;
    case 5: /* a slot's ticket, length, payload */
        offset = (size_t)geometry_lane_offset(&r->g, index % SENDERS) +
                 index / SENDERS % CAPACITY * r->g.slot_bytes + (selector >> 4) % 3 * 8;
        break;
    case 6: /* relative to what is there */
        offset = sizeof(struct shm_control) + index % SENDERS * sizeof(struct shm_place) +
                 (selector & 0x80 ? PLACE(tail) : PLACE(head));
        if (offset + 8 <= size) {
            uint64_t old;
            memcpy(&old, bytes + offset, sizeof old);
            value += old;
        }
        break;
    default: /* anywhere behind the header */
        offset = sizeof(struct shm_header) +
                 ((size_t)index << 8 | selector >> 4) % (size - sizeof(struct shm_header));
        width = 4;
        break;
    }
    size_t mutex = CONTROL(mutex);
    if (offset + width > size || (offset + width > mutex && offset < mutex + 64))
        return;
    memcpy(bytes + offset, &value, width);
}

/* ------------------------------------------------------------------------------------------- beginning */

static void remove_file(void)
{
    unlink(path);
}

static void begin(void)
{
    snprintf(name, sizeof name, "/shmchan-fuzz-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm%s", name);
    atexit(remove_file);
}

/* The lowest descriptor that is free: the same before and after a run, if none was lost. */
static int free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    require(fd >= 0);
    close(fd);
    return fd;
}

static void make_region(struct region *r, struct input *in, uint8_t mode, uint8_t bits)
{
    switch (mode % 4) {
    case 0:
        make_raw(r, in);
        break;
    case 1:
        make_small(r, bits);
        fill_after_header(r, in);
        break;
    case 2:
        make_small(r, bits);
        break;
    default:
        make_shaped(r, in, bits);
        break;
    }
    tame_mutex(r, bits);
    if (bits & HAS_SPARSE_LANES && r->g.control_bytes)
        r->written = (size_t)r->g.control_bytes;
    if (bits & HAS_SHORT_FILE && mode % 4 == 3)
        r->written = r->written > 4096 ? 4096 : r->written; /* holes in the control block, perhaps */
}

#endif
