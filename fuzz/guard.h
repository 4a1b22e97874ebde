/* SPDX-License-Identifier: MIT */
/*
 * Sees accesses outside a region, which AddressSanitizer alone does not: what the library maps of a file lies
 * between inaccessible pages, and what lies behind the last place or slot of a mapping is poisoned.
 *
 * Include it in one file of a program; link with GUARD_LDFLAGS of run.sh (--wrap=mmap64 and so on).
 */
#ifndef SHMCHAN_FUZZ_GUARD_H
#define SHMCHAN_FUZZ_GUARD_H

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "geometry.h"

#define GUARD_PAGE 4096u
#define GUARDS     64

/* Of the region that is mapped now; control_bytes 0: not known, poison nothing. */
static struct geometry guard_geometry;
static const void *guards[GUARDS];

void *__real_mmap64(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t bytes);
void *__wrap_mmap64(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t bytes);

/* How much of a mapping at this offset may be touched. */
static size_t guard_used(off_t offset, size_t bytes)
{
    const struct geometry *g = &guard_geometry;
    if (g->control_bytes == 0)
        return bytes;
    size_t used = offset == 0 ? sizeof(struct shm_control) + g->max_senders * sizeof(struct shm_place)
                              : (size_t)g->capacity * g->slot_bytes;
    return used < bytes ? used : bytes;
}

static void guard_remember(const void *address)
{
    for (int i = 0; i < GUARDS; i++)
        if (!guards[i]) {
            guards[i] = address;
            return;
        }
    abort();
}

static int guard_forget(const void *address)
{
    for (int i = 0; i < GUARDS; i++)
        if (guards[i] == address) {
            guards[i] = NULL;
            return 1;
        }
    return 0;
}

void *__wrap_mmap64(void *address, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    if (address || !(flags & MAP_SHARED) || fd < 0)
        return __real_mmap64(address, bytes, prot, flags, fd, offset);
    if (bytes == 0 || bytes > (size_t)1 << 40)
        return __real_mmap64(address, bytes, prot, flags, fd, offset);
    char *room = __real_mmap64(NULL, bytes + 2 * GUARD_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return MAP_FAILED;
    char *inner = __real_mmap64(room + GUARD_PAGE, bytes, prot, flags | MAP_FIXED, fd, offset);
    if (inner == MAP_FAILED) {
        __real_munmap(room, bytes + 2 * GUARD_PAGE);
        return MAP_FAILED;
    }
    size_t used = guard_used(offset, bytes);
    __asan_poison_memory_region(inner + used, bytes - used);
    guard_remember(inner);
    return inner;
}

int __wrap_munmap(void *address, size_t bytes)
{
    if (!address || !guard_forget(address))
        return __real_munmap(address, bytes);
    __asan_unpoison_memory_region(address, bytes);
    return __real_munmap((char *)address - GUARD_PAGE, bytes + 2 * GUARD_PAGE);
}

#endif
