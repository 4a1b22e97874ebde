/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cond.h"
#include "descriptor.h"
#include "mutex.h"

#define BACKING_STEP (UINT64_C(4) << 20) /* bytes: a signal makes fallocate give back what it did */

int segment_path(const char *name, struct segment_path *ret_path)
{
    if (!name)
        return -EINVAL;
    if (*name == '/')
        name++;
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    if (strlen(name) > SHMCHAN_NAME_MAX)
        return -ENAMETOOLONG;
    snprintf(ret_path->text, sizeof ret_path->text, SEGMENT_DIR "/%s", name);
    return 0;
}

/* -------------------------------------------------------------------------------------- files and maps */

static int open_retry(const char *path, int flags, mode_t mode)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return descriptor_lift(fd);
}

static int back(int fd, uint64_t offset, uint64_t bytes)
{
    while (bytes) {
        uint64_t step = bytes < BACKING_STEP ? bytes : BACKING_STEP;
        int r = posix_fallocate(fd, (off_t)offset, (off_t)step);
        if (r == EINTR)
            continue;
        if (r)
            return -r;
        offset += step;
        bytes -= step;
    }
    return 0;
}

static void *map(int fd, uint64_t offset, uint64_t bytes, bool writable, int *ret_error)
{
    void *address = mmap(NULL, (size_t)bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd,
                         (off_t)offset);
    if (address != MAP_FAILED)
        return address;
    *ret_error = -errno;
    return NULL;
}

/* ----------------------------------------------------------------------------------------------- making */

/* Growing a file past the limit would kill the process (SIGXFSZ). */
static int check_file_limit(uint64_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur)
        return -EFBIG;
    return 0;
}

static int make_file(const struct shmchan_options *opts, bool anonymous)
{
    if (anonymous)
        return descriptor_lift(memfd_create("shmchan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    int fd = open_retry(SEGMENT_DIR, O_TMPFILE | O_RDWR, 0600);
    if (fd < 0)
        return fd;
    /* The umask took nothing away from what was asked for. */
    if (fchmod(fd, opts->mode ? opts->mode : 0600) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static int size_file(int fd, const struct geometry *geometry, bool anonymous)
{
    int r = check_file_limit(geometry->region_bytes);
    if (r < 0)
        return r;
    do
        r = ftruncate(fd, (off_t)geometry->region_bytes);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    r = back(fd, 0, geometry->control_bytes);
    if (r < 0)
        return r;
    if (anonymous && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return 0;
}

static int fill_control(struct shm_control *control, const struct geometry *geometry, const char *type)
{
    /* Write to every page, so that an inspector sees that it is there (control_is_backed). */
    memset(control, 0, (size_t)geometry->control_bytes);
    geometry_write(geometry, type, &control->header);
    event_init(&control->not_empty);
    for (uint32_t i = 0; i < geometry->max_senders; i++) {
        /* Nobody watches it. */
        atomic_store_explicit(&control->places[i].idle, 1, memory_order_relaxed);
        event_init(&control->places[i].room);
    }
    return mutex_init(control);
}

static int identify(struct segment *segment)
{
    struct stat st;
    if (fstat(segment->fd, &st) < 0)
        return -errno;
    segment->device = st.st_dev;
    segment->inode = st.st_ino;
    return 0;
}

static int make_content(const struct shmchan_options *opts, bool anonymous, struct segment *segment)
{
    int r = size_file(segment->fd, &segment->geometry, anonymous);
    if (r == 0)
        r = identify(segment);
    if (r == 0)
        segment->control = map(segment->fd, 0, segment->geometry.control_bytes, true, &r);
    if (r == 0)
        r = fill_control(segment->control, &segment->geometry, opts->type);
    return r;
}

int segment_make(const struct shmchan_options *opts, const struct geometry *geometry, bool anonymous,
                 struct segment *ret_segment)
{
    struct segment segment = {.geometry = *geometry};
    segment.fd = make_file(opts, anonymous);
    if (segment.fd < 0)
        return segment.fd;
    int r = make_content(opts, anonymous, &segment);
    if (r < 0) {
        segment_close(&segment);
        return r;
    }
    *ret_segment = segment;
    return 0;
}

int segment_link(const struct segment *segment, const struct segment_path *path)
{
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", segment->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, path->text, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* ---------------------------------------------------------------------------------------------- opening */

/* The magic alone makes it a channel. What a file lacks that was cut off within its header reads as zero. */
static int read_header(int fd, struct shm_header *ret_header, struct stat *ret_stat)
{
    memset(ret_header, 0, sizeof *ret_header);
    if (fstat(fd, ret_stat) < 0)
        return -errno;
    if (!S_ISREG(ret_stat->st_mode))
        return -EBADMSG;
    ssize_t n;
    do
        n = pread(fd, ret_header, sizeof *ret_header, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return n >= (ssize_t)sizeof ret_header->magic && ret_header->magic == SHM_MAGIC ? 0 : -EBADMSG;
}

/* Not following links, and not waiting for whoever opens the other end of a FIFO. */
static int open_path(const struct segment_path *path, bool writable)
{
    int fd = open_retry(path->text, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    switch (fd) {
    case -EISDIR:
    case -ELOOP:
    case -ENXIO: /* a FIFO, a socket, a device: no channel */
    case -ENODEV:
        return -EBADMSG;
    default:
        return fd;
    }
}

/* A hole in the control block: a creator makes none. Reading one could be SIGBUS, and who only looks cannot
 * fill it. */
static bool control_is_backed(int fd, uint64_t control_bytes)
{
    off_t hole = lseek(fd, 0, SEEK_HOLE);
    return hole < 0 || (uint64_t)hole >= control_bytes;
}

static int open_content(bool writable, struct segment *segment)
{
    struct shm_header header;
    struct stat st;
    int r = read_header(segment->fd, &header, &st);
    /* Cut off it is of no version. */
    if (r == 0 && (uint64_t)st.st_size < sizeof header)
        r = -EBADMSG;
    if (r == 0)
        r = geometry_check(&header, (uint64_t)st.st_size, &segment->geometry);
    if (r < 0)
        return r;
    if (!control_is_backed(segment->fd, segment->geometry.control_bytes))
        return -EBADMSG;
    segment->device = st.st_dev;
    segment->inode = st.st_ino;
    segment->control = map(segment->fd, 0, segment->geometry.control_bytes, writable, &r);
    return r;
}

static int open_segment(int fd, bool writable, struct segment *ret_segment)
{
    struct segment segment = {.fd = fd};
    if (fd < 0)
        return fd;
    int r = open_content(writable, &segment);
    if (r < 0) {
        segment_close(&segment);
        return r;
    }
    *ret_segment = segment;
    return 0;
}

int segment_open(const struct segment_path *path, bool writable, struct segment *ret_segment)
{
    return open_segment(open_path(path, writable), writable, ret_segment);
}

int segment_reopen(int fd, struct segment *ret_segment)
{
    char self[32];
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG; /* opening it could wait, or do something */
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return open_segment(open_retry(self, O_RDONLY | O_NOCTTY, 0), false, ret_segment);
}

int segment_open_any(const struct segment_path *path, struct segment *ret_segment)
{
    struct segment segment = {.fd = open_path(path, true)};
    struct shm_header header;
    struct stat st;
    if (segment.fd < 0)
        return segment.fd;
    int r = read_header(segment.fd, &header, &st);
    if (r < 0) {
        segment_close(&segment);
        return r;
    }
    segment.device = st.st_dev;
    segment.inode = st.st_ino;
    *ret_segment = segment;
    return 0;
}

void segment_close(struct segment *segment)
{
    if (segment->control)
        munmap(segment->control, (size_t)segment->geometry.control_bytes);
    close(segment->fd);
    segment->control = NULL;
    segment->fd = -1;
}

int segment_matches(const struct segment *segment, const struct shmchan_options *opts)
{
    const struct shm_header *header = &segment->control->header;
    if (opts->message_size && opts->message_size != segment->geometry.message_size)
        return -EPROTOTYPE;
    /* A channel or an opener without a type is unchecked. Bounded: the region may have changed since the
     * check. */
    if (opts->type && header->type[0] && strncmp(opts->type, header->type, sizeof header->type) != 0)
        return -EPROTOTYPE;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ lanes */

int segment_back_lane(const struct segment *segment, uint32_t place)
{
    return back(segment->fd, geometry_lane_offset(&segment->geometry, place), segment->geometry.lane_bytes);
}

void segment_unback_lane(const struct segment *segment, uint32_t place)
{
    (void)fallocate(segment->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    (off_t)geometry_lane_offset(&segment->geometry, place),
                    (off_t)segment->geometry.lane_bytes);
}

void *segment_map_lane(const struct segment *segment, uint32_t place, bool writable, int *ret_error)
{
    return map(segment->fd, geometry_lane_offset(&segment->geometry, place), segment->geometry.lane_bytes,
               writable, ret_error);
}

void segment_unmap_lane(const struct segment *segment, const void *slots)
{
    if (slots)
        munmap((void *)slots, (size_t)segment->geometry.lane_bytes);
}

/* ------------------------------------------------------------------------------------------------ names */

int segment_is_at(const struct segment *segment, const struct segment_path *path)
{
    struct stat st;
    if (lstat(path->text, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    return st.st_dev == segment->device && st.st_ino == segment->inode;
}

int segment_probe(const struct segment_path *path, struct shm_header *ret_header, struct stat *ret_stat)
{
    int fd = open_path(path, false);
    if (fd < 0)
        return fd;
    int r = read_header(fd, ret_header, ret_stat);
    close(fd);
    return r;
}
