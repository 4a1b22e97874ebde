/* SPDX-License-Identifier: MIT */
/* New descriptors. Knows nothing. */
#ifndef SHMCHAN_DESCRIPTOR_H
#define SHMCHAN_DESCRIPTOR_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * What open() or its like returned, but not as 0, 1 or 2: a program that runs with these closed and writes a
 * line to what it takes for stderr must not write it over the region. A descriptor, or -errno.
 */
static inline int descriptor_lift(int fd)
{
    if (fd < 0)
        return -errno;
    if (fd > STDERR_FILENO)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int r = lifted < 0 ? -errno : lifted;
    close(fd);
    return r;
}

#endif
