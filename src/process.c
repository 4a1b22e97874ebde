/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cond.h"

static ssize_t read_stat(char *text, size_t size)
{
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n;
    do
        n = read(fd, text, size - 1);
    while (n < 0 && errno == EINTR);
    close(fd);
    if (n >= 0)
        text[n] = '\0';
    return n;
}

/* "pid (command) state ppid ...": the command may hold anything, so the last parenthesis counts. The start
   time is field 22, twenty spaces after it. */
struct process_identity process_identify(void)
{
    char text[1024];
    struct process_identity me = {.pid = (int32_t)getpid()};
    if (read_stat(text, sizeof text) <= 0)
        return me;
    const char *begin = strchr(text, '('), *end = strrchr(text, ')');
    if (!begin || !end)
        return me;
    char command[16] = {0};
    size_t length = (size_t)(end - begin - 1);
    memcpy(command, begin + 1, length < 15 ? length : 15);
    memcpy(me.command, command, sizeof me.command);
    const char *field = end;
    for (int i = 0; i < 20 && field; i++)
        field = strchr(field + 1, ' ');
    if (field)
        me.start_time = strtoull(field, NULL, 10);
    return me;
}

void process_unsign(struct shm_owner *owner, uint64_t joined_ns)
{
    /* Relaxed: who finds the lock taken sees it, as the kernel orders the two, and so cannot take the former
       holder's words for those of the one that holds it now. */
    atomic_compare_exchange_strong_explicit(&owner->joined_ns, &joined_ns, 0, memory_order_relaxed,
                                            memory_order_relaxed);
}

/* Release: an inspector that sees one of these also sees, when it looks at joined_ns again, that the former
   holder's is gone (pairs with its acquire loads). Otherwise one holder's pid could be shown with another's
   command. */
static void put64(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

void process_sign(struct shm_owner *owner, const struct process_identity *me)
{
    atomic_store_explicit(&owner->pid, me->pid, memory_order_release);
    put64(&owner->start_time, me->start_time);
    put64(&owner->command[0], me->command[0]);
    put64(&owner->command[1], me->command[1]);
    put64(&owner->sleeps, 0);
    put64(&owner->wakeups, 0);
    /* Last: from here on the words are ours. */
    put64(&owner->joined_ns, (uint64_t)clock_now_ns());
}
