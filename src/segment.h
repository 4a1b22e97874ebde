/* SPDX-License-Identifier: MIT */
/*
 * The region as a file: make, name, open, check, back with memory, map, unlink. Only this module maps.
 * Knows geometry, layout, mutex, cond, descriptor.
 *
 * A region gets its name only when it is complete: it is made without one (O_TMPFILE, or a memfd), filled,
 * then linked. So nobody opens a half-made one, and who is killed while making one leaves nothing behind.
 * Nobody touches memory that is not backed: that is SIGBUS when the file system is full, even to read.
 */
#ifndef SHMCHAN_SEGMENT_H
#define SHMCHAN_SEGMENT_H

#include <stdbool.h>
#include <sys/stat.h>

#include "geometry.h"

struct segment {
    int fd; /* maps, backs and asks; never locks */
    dev_t device;
    ino_t inode;
    struct geometry geometry;
    struct shm_control *control; /* control block and places */
};

/* "/name" or "name" as the path of its file. 0, -EINVAL, -ENAMETOOLONG. */
#define SEGMENT_DIR "/dev/shm"
struct segment_path {
    char text[sizeof SEGMENT_DIR + SHMCHAN_NAME_MAX + 2];
};
int segment_path(const char *name, struct segment_path *ret_path);

/* Make one without a name. `anonymous`: a memfd sealed against shrinking, never to be named. */
int segment_make(const struct shmchan_options *opts, const struct geometry *geometry, bool anonymous,
                 struct segment *ret_segment);
int segment_link(const struct segment *segment, const struct segment_path *path);

/* Open and check one. `writable`: to take part; else to look: the control block is mapped read-only. */
int segment_open(const struct segment_path *path, bool writable, struct segment *ret_segment);
/* The one behind an open descriptor, to look, through a description of its own: the caller's may hold locks,
   which questions asked through it would not see. Needs /proc. */
int segment_reopen(int fd, struct segment *ret_segment);

/* One of any version, damaged or not, to lock and to remove: it is not mapped, and its geometry not known. */
int segment_open_any(const struct segment_path *path, struct segment *ret_segment);

void segment_close(struct segment *segment);

/* 0 if opts (which may leave things open) are met, else -EPROTOTYPE. */
int segment_matches(const struct segment *segment, const struct shmchan_options *opts);

/* Back a lane with memory: 0, -ENOSPC, ... Then map its slots: NULL and -errno in *ret_error. */
int segment_back_lane(const struct segment *segment, uint32_t place);
void segment_unback_lane(const struct segment *segment, uint32_t place); /* its content is gone */
void *segment_map_lane(const struct segment *segment, uint32_t place, bool writable, int *ret_error);
void segment_unmap_lane(const struct segment *segment, const void *slots);

/* Does the path still lead to this segment? 1, 0, or -errno: it cannot be told. */
int segment_is_at(const struct segment *segment, const struct segment_path *path);

/* The header behind this path, of any version: 0, -EBADMSG if it is none, or why it cannot be read. */
int segment_probe(const struct segment_path *path, struct shm_header *ret_header, struct stat *ret_stat);

#endif
