/* SPDX-License-Identifier: MIT */
#include "liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>

#include "descriptor.h"

int liveness_open(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int lock_fd;
    do
        lock_fd = open(path, O_RDWR | O_CLOEXEC);
    while (lock_fd < 0 && errno == EINTR);
    return descriptor_lift(lock_fd);
}

static int set_lock(int lock_fd, short type, int64_t byte, int64_t count)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = (off_t)count};
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
    return set_lock(lock_fd, F_WRLCK, byte, 1);
}

int liveness_hold_all(int lock_fd)
{
    return set_lock(lock_fd, F_WRLCK, 0, 0);
}

void liveness_drop_all(int lock_fd)
{
    (void)set_lock(lock_fd, F_UNLCK, 0, 0);
}

void liveness_drop(int lock_fd, int64_t byte)
{
    (void)set_lock(lock_fd, F_UNLCK, byte, 1);
}

/* What is in the way of a read lock: only write locks are, and to take one needs the right to write. */
static int ask(int fd, int64_t byte, int64_t count, struct flock *ret_lock)
{
    *ret_lock = (struct flock){
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = (off_t)count};
    if (fcntl(fd, F_OFD_GETLK, ret_lock) < 0)
        return -errno;
    return ret_lock->l_type != F_UNLCK;
}

int liveness_held(int fd, int64_t byte, int64_t count)
{
    struct flock lock;
    return ask(fd, byte, count, &lock);
}

/* If this lock is there, no other is. */
static bool is_all(const struct flock *lock)
{
    return lock->l_start == 0 && lock->l_len == 0;
}

int liveness_all_held(int fd)
{
    struct flock lock;
    int r = ask(fd, 0, 0, &lock);
    return r == 1 ? is_all(&lock) : r;
}

int liveness_occupied(int fd, int64_t byte)
{
    struct flock lock;
    int r = ask(fd, byte, 1, &lock);
    return r == 1 ? !is_all(&lock) : r;
}
