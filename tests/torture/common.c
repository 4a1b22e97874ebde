/* SPDX-License-Identifier: MIT */
#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------ time and chance */

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void nap_us(unsigned us)
{
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000}, NULL);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t chance_next(struct chance *c)
{
    return mix(c->state += UINT64_C(0x9e3779b97f4a7c15));
}

uint32_t chance_below(struct chance *c, uint32_t below)
{
    return (uint32_t)((chance_next(c) >> 32) * below >> 32);
}

bool chance_percent(struct chance *c, unsigned percent)
{
    return chance_below(c, 100) < percent;
}

uint64_t chance_log(struct chance *c, uint64_t low, uint64_t high)
{
    unsigned doublings = 0;
    while (low << (doublings + 1) <= high)
        doublings++;
    uint64_t from = low << chance_below(c, doublings + 1);
    uint64_t drawn = from + chance_next(c) % from;
    return drawn < high ? drawn : high;
}

uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return otherwise;
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 0);
    if (*text == '-' || *end || errno)
        give_up("%s must be a number, not \"%s\"", name, text);
    return value;
}

/* ------------------------------------------------------------------------------------------- processes */

void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        give_up("%zu bytes of shared memory: %s", bytes, strerror(errno));
    return memory;
}

char process_state(pid_t pid)
{
    char path[40], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    char *line = fgets(text, sizeof text, file);
    fclose(file);
    const char *end = line ? strrchr(line, ')') : NULL;
    return end && end[1] == ' ' ? end[2] : 0;
}

unsigned names_left(const char *prefix)
{
    unsigned count = 0;
    DIR *dir = opendir("/dev/shm");
    if (!dir)
        return 0;
    for (const struct dirent *e; (e = readdir(dir));)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && unlinkat(dirfd(dir), e->d_name, 0) == 0)
            count++;
    closedir(dir);
    return count;
}

void give_up(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char text[400];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "torture: %s\n", text);
    _exit(2); /* children too come here */
}

/* ------------------------------------------------------------------------------------------ violations */

void violation(struct violations *v, const char *format, ...)
{
    uint32_t index = atomic_fetch_add(&v->count, 1);
    if (index - v->quiet_before >= VIOLATION_TEXTS)
        return;
    char text[400], line[sizeof text + 16];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int length = snprintf(line, sizeof line, "VIOLATION %s\n", text);
    /* One write, so that lines of several processes do not mix. */
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        return;
}

/* -------------------------------------------------------------------------------------------- messages */

static uint64_t head_sum(const struct message_head *h)
{
    uint64_t sum = mix((uint64_t)h->row << 32 | h->number) + h->stamp;
    return mix(sum + ((uint64_t)h->first << 32 | h->whole) * 3);
}

/* Each eight bytes of filler differ from those of any other message and of any other place. */
static uint64_t filler(uint64_t seed, uint32_t word)
{
    return seed + word * UINT64_C(0x9e3779b97f4a7c15);
}

void message_fill(void *message, uint32_t size, struct message_head head)
{
    uint64_t seed = head_sum(&head), sum = seed;
    uint32_t words = (size - (uint32_t)sizeof head) / 8;
    char *rest = (char *)message + sizeof head;
    for (uint32_t i = 0; i < words; i++) {
        uint64_t word = filler(seed, i);
        memcpy(rest + i * 8, &word, sizeof word);
        sum = (sum << 9 | sum >> 55) ^ word;
    }
    head.sum = sum;
    memcpy(message, &head, sizeof head);
}

bool message_read(const void *message, uint32_t size, struct message_head *ret_head)
{
    struct message_head head;
    memcpy(&head, message, sizeof head);
    uint64_t sum = head_sum(&head);
    uint32_t words = (size - (uint32_t)sizeof head) / 8;
    const char *rest = (const char *)message + sizeof head;
    for (uint32_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, rest + i * 8, sizeof word);
        sum = (sum << 9 | sum >> 55) ^ word;
    }
    *ret_head = head;
    return sum == head.sum;
}
