/* SPDX-License-Identifier: MIT */
#include "geometry.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SENDERS 256u
#define REGION_MAX      (UINT64_C(1) << 46) /* half of what x86-64 and arm64 let a process map */
#define KNOWN_FLAGS     (SHMCHAN_WAIT_FOR_RECEIVER | SHMCHAN_UNORDERED | SHMCHAN_UNLINK_ON_CLOSE)

/* What the first release's struct has: no caller knows fewer fields. */
#define OPTIONS_MIN (offsetof(struct shmchan_options, type) + sizeof(const char *))

int options_read(const struct shmchan_options *opts, struct shmchan_options *ret_opts)
{
    if (!opts || opts->struct_size < OPTIONS_MIN || opts->struct_size > 4096)
        return -EINVAL;
    const unsigned char *bytes = (const unsigned char *)opts;
    for (size_t i = sizeof *opts; i < opts->struct_size; i++)
        if (bytes[i])
            return -EINVAL;
    size_t size = opts->struct_size < sizeof *opts ? opts->struct_size : sizeof *opts;
    memset(ret_opts, 0, sizeof *ret_opts);
    memcpy(ret_opts, opts, size);
    if (ret_opts->type && strnlen(ret_opts->type, SHMCHAN_TYPE_MAX + 1) > SHMCHAN_TYPE_MAX)
        return -ENAMETOOLONG;
    return 0;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static uint32_t power_of_two(uint32_t n)
{
    uint32_t p = 1;
    while (p < n)
        p <<= 1;
    return p;
}

/* The payload begins 16 bytes into the slot. A type's alignment divides its size, so a size that is a
   multiple of 16 keeps every payload 16-byte aligned, and 8 is enough for every other. */
static uint32_t slot_bytes(uint32_t message_size)
{
    return (uint32_t)round_up(sizeof(struct shm_slot) + (uint64_t)message_size, 8);
}

int geometry_make(const struct shmchan_options *opts, struct geometry *ret_geometry)
{
    uint32_t senders = opts->max_senders ? opts->max_senders : DEFAULT_SENDERS;
    if (opts->message_size == 0 || opts->capacity == 0 || (opts->flags & ~(uint32_t)KNOWN_FLAGS) ||
        (opts->mode & ~0777u))
        return -EINVAL;
    if (opts->message_size > SHMCHAN_MESSAGE_MAX || opts->capacity > SHMCHAN_CAPACITY_MAX ||
        senders > SHMCHAN_SENDERS_MAX)
        return -EOVERFLOW;

    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct geometry g = {
        .message_size = opts->message_size,
        .capacity = power_of_two(opts->capacity),
        .max_senders = senders,
        .slot_bytes = slot_bytes(opts->message_size),
        .flags = opts->flags,
    };
    g.control_bytes = round_up(sizeof(struct shm_control) + senders * sizeof(struct shm_place), page);
    g.lane_bytes = round_up((uint64_t)g.capacity * g.slot_bytes, page);
    /* No product wraps: 2^24 slots of 2^26 + 16 bytes are less than 2^51, 2^12 lanes of them less than 2^63.
     */
    g.region_bytes = g.control_bytes + senders * g.lane_bytes;
    if (g.region_bytes > REGION_MAX || g.lane_bytes > SIZE_MAX / 2 || (off_t)g.region_bytes < 0)
        return -EOVERFLOW;
    *ret_geometry = g;
    return 0;
}

/* FNV-1a: against accidents. Who means harm computes it anew. */
static uint64_t checksum(const struct shm_header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    uint64_t sum = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < offsetof(struct shm_header, checksum); i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

void geometry_write(const struct geometry *g, const char *type, struct shm_header *ret_header)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    memset(ret_header, 0, sizeof *ret_header);
    ret_header->magic = SHM_MAGIC;
    ret_header->version = SHM_FORMAT_VERSION;
    ret_header->abi = SHM_ABI;
    ret_header->region_bytes = g->region_bytes;
    ret_header->control_bytes = g->control_bytes;
    ret_header->lane_bytes = g->lane_bytes;
    ret_header->message_size = g->message_size;
    ret_header->capacity = g->capacity;
    ret_header->max_senders = g->max_senders;
    ret_header->slot_bytes = g->slot_bytes;
    ret_header->flags = g->flags;
    ret_header->creator_pid = (int32_t)getpid();
    ret_header->created_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (type)
        memcpy(ret_header->type, type, strnlen(type, SHMCHAN_TYPE_MAX));
    ret_header->checksum = checksum(ret_header);
}

int geometry_check(const struct shm_header *header, uint64_t file_bytes, struct geometry *ret_geometry)
{
    struct geometry g;
    if (header->magic != SHM_MAGIC)
        return -EBADMSG;
    if (header->version != SHM_FORMAT_VERSION || header->abi != SHM_ABI)
        return -EPROTONOSUPPORT;
    if (header->checksum != checksum(header) || header->type[SHMCHAN_TYPE_MAX] != '\0')
        return -EBADMSG;

    const struct shmchan_options asked = {
        .message_size = header->message_size,
        .capacity = header->capacity,
        .max_senders = header->max_senders,
        .flags = header->flags,
    };
    if (header->max_senders == 0 || geometry_make(&asked, &g) < 0)
        return -EBADMSG;
    if (g.capacity != header->capacity || g.slot_bytes != header->slot_bytes ||
        g.control_bytes != header->control_bytes || g.lane_bytes != header->lane_bytes ||
        g.region_bytes != header->region_bytes || g.region_bytes != file_bytes)
        return -EBADMSG;
    *ret_geometry = g;
    return 0;
}

uint64_t geometry_lane_offset(const struct geometry *g, uint32_t place)
{
    return g->control_bytes + place * g->lane_bytes;
}
