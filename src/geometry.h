/* SPDX-License-Identifier: MIT */
/* Sizes and offsets of a region, worked out from what a user asks for. Arithmetic only; private memory. */
#ifndef SHMCHAN_GEOMETRY_H
#define SHMCHAN_GEOMETRY_H

#include "layout.h"

struct geometry {
    uint32_t message_size;
    uint32_t capacity; /* a power of two */
    uint32_t max_senders;
    uint32_t slot_bytes;
    uint32_t flags;
    uint64_t control_bytes; /* control block and places, whole pages: where lane 0 begins */
    uint64_t lane_bytes;    /* whole pages */
    uint64_t region_bytes;
};

/* The caller's options, of whatever size its header gave them, in this library's struct.
   -EINVAL: struct_size is too small, or what is beyond this library's struct is not zero. */
int options_read(const struct shmchan_options *opts, struct shmchan_options *ret_opts);

/* 0, -EINVAL (a zero, an unknown flag or mode), -EOVERFLOW (too large). */
int geometry_make(const struct shmchan_options *opts, struct geometry *ret_geometry);

/* Whether a header says what geometry_make() would have made of it: 0, else -EBADMSG, or -EPROTONOSUPPORT
   for another version or ABI. `file_bytes` is the region's real size. */
int geometry_check(const struct shm_header *header, uint64_t file_bytes, struct geometry *ret_geometry);

void geometry_write(const struct geometry *geometry, const char *type, struct shm_header *ret_header);
uint64_t geometry_lane_offset(const struct geometry *geometry, uint32_t place);

#endif
