/* SPDX-License-Identifier: MIT */
/* Reads /proc/PID/fd. Opens none of what it leads to. What was seen is kept: the same is asked for each place
   of each channel, and ten times a second by who watches. */
#include "holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "find.h"
#include "text.h"

#define MEMFD    "/memfd:shmchan (deleted)"
#define DELETED  " (deleted)"
#define FRESH_NS 1000000000

/* Each process at its number modulo this; of two that share one, the later. */
enum { KEPT = 1024 };
static struct holder kept[KEPT];

/* ---------------------------------------------------------------- one descriptor */

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* Not asking the file system, which a process may serve that does not answer. */
static bool identify(int directory, const char *entry, struct holding *holding)
{
    struct statx stx;
    if (statx(directory, entry, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_NLINK, &stx) < 0 ||
        !S_ISREG(stx.stx_mode))
        return false;
    holding->region = (struct region_id){makedev(stx.stx_dev_major, stx.stx_dev_minor), stx.stx_ino};
    holding->linked = stx.stx_nlink > 0;
    return true;
}

static dev_t own_device(void)
{
    static dev_t device;
    struct stat st;
    if (device == 0 && stat(FIND_DIR, &st) == 0)
        device = st.st_dev;
    return device;
}

/* All memfds lie in a file system of the kernel's own, whatever a path may claim. */
static dev_t memfd_device(void)
{
    static dev_t device;
    struct stat st;
    int fd = device == 0 ? memfd_create("shmchan-stat", MFD_CLOEXEC) : -1;
    if (fd < 0)
        return device;
    if (fstat(fd, &st) == 0)
        device = st.st_dev;
    close(fd);
    return device;
}

/* 1 if it can be a region, 0 if not, -EACCES: this user may not look. The path is what the process's mount
   namespace calls it. */
static int look_at(int directory, const char *entry, struct holding *ret)
{
    char path[4096];
    ssize_t n = readlinkat(directory, entry, path, sizeof path - 1);
    if (n < 0)
        return errno == EACCES ? -EACCES : 0;
    path[n] = '\0';
    *ret = (struct holding){.fd = atoi(entry), .memfd = strcmp(path, MEMFD) == 0};
    const char *file = strrchr(path, '/');
    bool in_directory = file != NULL && (size_t)(file - path) >= strlen(FIND_DIR) &&
                        strncmp(file - strlen(FIND_DIR), FIND_DIR, strlen(FIND_DIR)) == 0;
    if ((!ret->memfd && !in_directory) || !identify(directory, entry, ret) ||
        (ret->memfd && ret->region.device != memfd_device()))
        return 0;
    if (in_directory && ret->linked && !ends_in(path, DELETED) && ret->region.device != own_device())
        ret->name = text_must(strdup(file));
    return 1;
}

/* ---------------------------------------------------------------- one process */

static int by_region(const void *a, const void *b)
{
    return region_compare(((const struct holding *)a)->region, ((const struct holding *)b)->region);
}

static void empty(struct holder *holder)
{
    for (size_t i = 0; i < holder->count; i++)
        free(holder->holdings[i].name);
    free(holder->holdings);
    *holder = (struct holder){.pid = 0};
}

/* Doubling at each power of two needs no second counter. */
static void add(struct holder *holder, const struct holding *holding)
{
    if ((holder->count & (holder->count - 1)) == 0) {
        size_t size = holder->count == 0 ? 1 : 2 * holder->count;
        holder->holdings = text_must(realloc(holder->holdings, size * sizeof *holder->holdings));
    }
    holder->holdings[holder->count++] = *holding;
}

/* False: there is no descriptor at all. */
static bool look_at_task(struct holder *holder, int32_t task)
{
    char path[32];
    bool any = false;
    snprintf(path, sizeof path, "/proc/%" PRId32 "/fd", task);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        holder->closed = errno == EACCES || errno == EPERM;
        return holder->closed;
    }
    holder->task = task;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL && !holder->closed;) {
        struct holding holding;
        if (entry->d_name[0] == '.')
            continue;
        any = true;
        int r = look_at(dirfd(dir), entry->d_name, &holding);
        holder->closed = r < 0;
        if (r > 0)
            add(holder, &holding);
    }
    closedir(dir);
    return any;
}

/* A main thread that has ended shows no descriptors; the others still do. */
static void look_at_other_tasks(struct holder *holder)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/task", holder->pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
        int task = atoi(entry->d_name);
        found = task > 0 && task != holder->pid && look_at_task(holder, task);
    }
    closedir(dir);
}

const struct holder *holders_look(int32_t pid)
{
    struct holder *holder = &kept[(uint32_t)pid % KEPT];
    empty(holder);
    holder->pid = pid;
    holder->task = pid;
    holder->looked_ns = clock_monotonic_ns();
    if (!look_at_task(holder, pid))
        look_at_other_tasks(holder);
    if (holder->count > 0)
        qsort(holder->holdings, holder->count, sizeof *holder->holdings, by_region);
    return holder;
}

static const struct holding *find_in(const struct holder *holder, struct region_id region)
{
    const struct holding key = {.region = region};
    if (holder->count == 0)
        return NULL;
    return bsearch(&key, holder->holdings, holder->count, sizeof key, by_region);
}

enum holders_answer holders_ask(int32_t pid, struct region_id region, int64_t since_ns)
{
    const struct holder *holder = &kept[(uint32_t)pid % KEPT];
    if (holder->pid == pid && clock_monotonic_ns() - holder->looked_ns < FRESH_NS &&
        find_in(holder, region) != NULL)
        return HOLDERS_YES;
    if (holder->pid != pid || holder->looked_ns < since_ns)
        holder = holders_look(pid);
    if (find_in(holder, region) != NULL)
        return HOLDERS_YES;
    return holder->closed ? HOLDERS_UNKNOWN : HOLDERS_NO;
}
