/* SPDX-License-Identifier: MIT */
/* What errors mean and what to do; the version. Knows nothing. */
#include <errno.h>
#include <stddef.h>

#include "shmchan.h"

static const struct {
    int error;
    const char *text;
} words[] = {
    {0, "no error"},
    {EACCES,
     "permission denied: to take part a user must be let read and write the channel, to inspect it read it "
     "(options.mode when it is created, or chmod)"},
    {EAGAIN, "not now: the lane is full (send) or no message waits (receive); try again later, or use a call "
             "that blocks"},
    {EBADMSG,
     "not a shmchan channel, or a damaged one: check the name; if nobody uses it, remove it from /dev/shm "
     "and create it anew"},
    {EBUSY,
     "the channel has a living receiver already: a channel has one at a time; shmchan-stat shows its pid"},
    {EDEADLK, "a stopped process has held the channel's mutex for 5 s: shmchan-stat shows its pid; continue "
              "or kill it, then try again"},
    {EEXIST, "a channel of this name exists: open it instead, or remove what an earlier run left with "
             "shmchan_unlink"},
    {EFBIG, "the region is larger than this process may make a file: raise RLIMIT_FSIZE (ulimit -f), or use "
            "a smaller capacity, message size or max_senders"},
    {EINVAL, "invalid argument: a name is \"/name\" without another slash; sizes and capacity are not 0; "
             "options come from SHMCHAN_OPTIONS; no pointer is NULL"},
    {EMFILE, "this process has no descriptors left: a channel takes two; close some, or raise RLIMIT_NOFILE "
             "(ulimit -n)"},
    {EMSGSIZE, "the message is longer than the channel's message size"},
    {ENAMETOOLONG,
     "the name is longer than SHMCHAN_NAME_MAX, or the type's name longer than SHMCHAN_TYPE_MAX"},
    {ENFILE, "the system has no descriptors left: see fs.file-max"},
    {ENOENT,
     "no channel of this name (create it, or wait for who does), or /proc or /dev/shm is not mounted"},
    {ENOLCK, "the kernel has no memory for another file lock: free some memory, then try again"},
    {ENOMEM, "out of memory or address space: use a smaller capacity, message size or max_senders, or raise "
             "RLIMIT_AS (ulimit -v)"},
    {ENOSPC, "no room in /dev/shm, or in the memory limit of this container: nothing was changed; enlarge it "
             "(mount -o remount,size=...), remove leftovers, or use a smaller capacity"},
    {ENOSYS, "the kernel lacks what is needed here: Linux 3.17 or newer"},
    {EOVERFLOW, "a size, the capacity or max_senders is beyond its SHMCHAN_..._MAX, or together they are too "
                "large for this machine"},
    {EPERM, "this receiver was inherited through fork and belongs to the parent: close it here; receive in "
            "the process that made it"},
    {EPIPE, "the receiver is gone: nothing was sent; open a new receiver, or create the channel with "
            "SHMCHAN_WAIT_FOR_RECEIVER"},
    {EPROTO, "calls out of order: commit and abort follow reserve, release follows peek; no send while a "
             "reservation is open"},
    {EPROTONOSUPPORT, "the channel was made by another version of the format, another libc or word size: "
                      "build both sides alike"},
    {EPROTOTYPE,
     "the channel carries messages of another type or size: build both sides with the same message type"},
    {ETIMEDOUT, "the time is over: the lane stayed full (send), or no message came (receive)"},
    {EUSERS, "every sender place is taken, or holds a dead sender's messages that nobody received yet: "
             "receive them, close unused senders, or create it with a larger max_senders"},
};

const char *shmchan_strerror(int error)
{
    /* Not by negating: INT_MIN has no positive. */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].error == error || -words[i].error == error)
            return words[i].text;
    return "an error of the operating system that shmchan does not explain: see errno(3) for its number";
}

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *shmchan_version(void)
{
    return TEXT(SHMCHAN_VERSION_MAJOR) "." TEXT(SHMCHAN_VERSION_MINOR) "." TEXT(SHMCHAN_VERSION_PATCH);
}
