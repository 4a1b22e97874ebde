/* SPDX-License-Identifier: MIT */
/* Which processes have which files open that can be channels' regions, by what /proc/PID/fd shows. */
#ifndef SHMCHAN_STAT_HOLDERS_H
#define SHMCHAN_STAT_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file, for as long as it is there. All zero: none. */
struct region_id {
    dev_t device;
    ino_t inode;
};

static inline int region_compare(struct region_id a, struct region_id b)
{
    int r = (a.device > b.device) - (a.device < b.device);
    return r != 0 ? r : (a.inode > b.inode) - (a.inode < b.inode);
}

/* One that a process has open. */
struct holding {
    struct region_id region;
    int fd;
    bool memfd;  /* made without a name                                               */
    bool linked; /* it has a name: in the /dev/shm of this process, if not in ours    */
    char *name;  /* the one that it was opened by, if that is not in our /dev/shm; or NULL */
};

struct holder {
    int32_t pid;
    int32_t task; /* whose descriptors these are: /proc/TASK/fd. The main thread's, while it has any */
    bool closed;  /* this user may not look */
    int64_t looked_ns;
    struct holding *holdings; /* by region */
    size_t count;
};

enum holders_answer {
    HOLDERS_UNKNOWN, /* its descriptors may not be looked at */
    HOLDERS_NO,
    HOLDERS_YES
};

/* Looks at its descriptors. The answer is the callee's, until the next call. */
const struct holder *holders_look(int32_t pid);

/* Has that process this region open? A no was seen after `since_ns` (CLOCK_MONOTONIC), a yes in the second
   before now. */
enum holders_answer holders_ask(int32_t pid, struct region_id region, int64_t since_ns);

#endif
