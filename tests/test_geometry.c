/* SPDX-License-Identifier: MIT */
/* Sizes and offsets: what users ask for, and what a header may claim. Private memory only. */
#include "geometry.h"
#include "support.h"

static struct shmchan_options asked(uint32_t message_size, uint32_t capacity, uint32_t senders)
{
    return SHMCHAN_OPTIONS(.message_size = message_size, .capacity = capacity, .max_senders = senders);
}

static struct geometry made(uint32_t message_size, uint32_t capacity, uint32_t senders)
{
    struct shmchan_options opts = asked(message_size, capacity, senders);
    struct geometry g;
    expect_ok(geometry_make(&opts, &g));
    return g;
}

static void slots_cost_16_bytes_and_keep_alignment(void)
{
    static const uint32_t sizes[] = {1,  7,  8,  9,   15,   16,    17,
                                     24, 48, 64, 100, 4096, 65536, SHMCHAN_MESSAGE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct geometry g = made(sizes[i], 1, 1);
        expect(g.slot_bytes >= sizes[i] + 16 && g.slot_bytes < sizes[i] + 16 + 8);
        /* A type's alignment divides its size. */
        uint32_t alignment = sizes[i] & -sizes[i] & 31u;
        alignment = alignment == 0 || alignment > 16 ? 16 : alignment;
        expect_is(16 % alignment, 0);
        expect_is(g.slot_bytes % alignment, 0);
    }
}

static void capacity_is_rounded_up_to_a_power_of_two(void)
{
    static const uint32_t pairs[][2] = {
        {1, 1},       {2, 2},         {3, 4},
        {5, 8},       {1000, 1024},   {1024, 1024},
        {1025, 2048}, {65536, 65536}, {SHMCHAN_CAPACITY_MAX, SHMCHAN_CAPACITY_MAX}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        expect_is(made(1, pairs[i][0], 1).capacity, pairs[i][1]);
}

static void parts_lie_on_pages_and_do_not_overlap(void)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct geometry g = made(100, 10, 300);
    expect_is(g.control_bytes % page, 0);
    expect_is(g.lane_bytes % page, 0);
    expect(g.control_bytes >= sizeof(struct shm_control) + 300 * sizeof(struct shm_place));
    expect(g.lane_bytes >= 16 * (uint64_t)g.slot_bytes);
    expect_is(geometry_lane_offset(&g, 0), g.control_bytes);
    expect_is(geometry_lane_offset(&g, 299) + g.lane_bytes, g.region_bytes);
}

static void nonsense_is_refused(void)
{
    static const struct {
        struct shmchan_options opts;
        int want;
    } cases[] = {
        {{.message_size = 0, .capacity = 1}, -EINVAL},
        {{.message_size = 1, .capacity = 0}, -EINVAL},
        {{.message_size = 1, .capacity = 1, .flags = 1u << 31}, -EINVAL},
        {{.message_size = 1, .capacity = 1, .mode = 01777}, -EINVAL},
        {{.message_size = SHMCHAN_MESSAGE_MAX + 1, .capacity = 1}, -EOVERFLOW},
        {{.message_size = UINT32_MAX, .capacity = 1}, -EOVERFLOW},
        {{.message_size = 1, .capacity = SHMCHAN_CAPACITY_MAX + 1}, -EOVERFLOW},
        {{.message_size = 1, .capacity = UINT32_MAX}, -EOVERFLOW},
        {{.message_size = 1, .capacity = 1, .max_senders = SHMCHAN_SENDERS_MAX + 1}, -EOVERFLOW},
        {{.message_size = SHMCHAN_MESSAGE_MAX,
          .capacity = SHMCHAN_CAPACITY_MAX,
          .max_senders = SHMCHAN_SENDERS_MAX},
         -EOVERFLOW},
        {{.message_size = SHMCHAN_MESSAGE_MAX, .capacity = SHMCHAN_CAPACITY_MAX, .max_senders = 1},
         -EOVERFLOW},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct geometry g = {.capacity = 77};
        expect_is(geometry_make(&cases[i].opts, &g), cases[i].want);
        expect_is(g.capacity, 77);
    }
}

static void options_of_other_sizes(void)
{
    struct {
        struct shmchan_options opts;
        uint64_t more;
    } future = {.opts = SHMCHAN_OPTIONS(.message_size = 5)};
    struct shmchan_options got;
    future.opts.struct_size = sizeof future;
    expect_ok(options_read(&future.opts, &got));
    expect_is(got.message_size, 5);
    future.more = 1; /* asks for what we do not know */
    expect_is(options_read(&future.opts, &got), -EINVAL);
    future.opts.struct_size = 0;
    expect_is(options_read(&future.opts, &got), -EINVAL);
    future.opts.struct_size = 8;
    expect_is(options_read(&future.opts, &got), -EINVAL);
    expect_is(options_read(NULL, &got), -EINVAL);
}

static void a_header_is_checked_byte_by_byte(void)
{
    struct geometry g = made(64, 1024, 16), got;
    struct shm_header header, bad;
    geometry_write(&g, "struct sample", &header);
    expect_ok(geometry_check(&header, g.region_bytes, &got));
    expect(got.message_size == g.message_size && got.capacity == g.capacity &&
           got.max_senders == g.max_senders);
    expect(got.slot_bytes == g.slot_bytes && got.flags == g.flags && got.control_bytes == g.control_bytes);
    expect(got.lane_bytes == g.lane_bytes && got.region_bytes == g.region_bytes);
    expect_is(geometry_check(&header, g.region_bytes - 1, &got), -EBADMSG);
    for (size_t i = 0; i < sizeof header; i++)
        for (int bit = 0; bit < 8; bit++) {
            bad = header;
            ((unsigned char *)&bad)[i] ^= (unsigned char)(1 << bit);
            bool names_abi =
                i >= offsetof(struct shm_header, version) && i < offsetof(struct shm_header, region_bytes);
            expect_is(geometry_check(&bad, g.region_bytes, &got), names_abi ? -EPROTONOSUPPORT : -EBADMSG);
        }
}

/* Who computes the checksum anew can lie about anything; then the parts must still fit each other. */
static void a_lying_header_with_a_right_checksum(void)
{
    struct geometry g = made(64, 1024, 16), lie, got;
    struct shm_header header;
#define LIE(field, value)                                                                                    \
    do {                                                                                                     \
        lie = g;                                                                                             \
        lie.field = (value);                                                                                 \
        geometry_write(&lie, NULL, &header);                                                                 \
        expect_is(geometry_check(&header, g.region_bytes, &got), -EBADMSG);                                  \
    } while (0)
    LIE(capacity, 1000);
    LIE(capacity, 2048);
    LIE(capacity, 0);
    LIE(capacity, UINT32_MAX);
    LIE(message_size, 0);
    LIE(message_size, 65);
    LIE(message_size, UINT32_MAX);
    LIE(max_senders, 0);
    LIE(max_senders, 17);
    LIE(max_senders, UINT32_MAX);
    LIE(slot_bytes, 0);
    LIE(slot_bytes, 81);
    LIE(control_bytes, 0);
    LIE(lane_bytes, UINT64_MAX);
    LIE(region_bytes, 0);
    LIE(flags, 1u << 30);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"slots cost 16 bytes and keep every type's alignment", slots_cost_16_bytes_and_keep_alignment},
        {"capacity is rounded up to a power of two", capacity_is_rounded_up_to_a_power_of_two},
        {"parts lie on pages and do not overlap", parts_lie_on_pages_and_do_not_overlap},
        {"nonsense is refused, and nothing is written", nonsense_is_refused},
        {"options of a smaller and a larger struct", options_of_other_sizes},
        {"any flipped bit of a header is noticed", a_header_is_checked_byte_by_byte},
        {"a lying header with a right checksum is noticed", a_lying_header_with_a_right_checksum},
    };
    return suite_run("geometry", rows, COUNT_OF(rows), argc, argv);
}
