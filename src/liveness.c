/* SPDX-License-Identifier: MIT */
#include "liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int liveness_open(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int lock_fd;
    do
        lock_fd = open(path, O_RDWR | O_CLOEXEC);
    while (lock_fd < 0 && errno == EINTR);
    return lock_fd < 0 ? -errno : lock_fd;
}

static int set_lock(int lock_fd, short type, int64_t byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
    int r;
    do
        r = fcntl(lock_fd, F_OFD_SETLK, &lock);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

int liveness_hold(int lock_fd, int64_t byte)
{
    return set_lock(lock_fd, F_WRLCK, byte);
}

void liveness_drop(int lock_fd, int64_t byte)
{
    (void)set_lock(lock_fd, F_UNLCK, byte);
}

int liveness_held(int fd, int64_t byte, int64_t count)
{
    /* As if for a read lock: only write locks are in its way, and to take one needs the right to write. */
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = (off_t)count};
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return -errno;
    return lock.l_type != F_UNLCK;
}
