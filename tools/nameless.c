/* SPDX-License-Identifier: MIT */
/* Searches the processes' descriptors for channels that have no name here. Opens no region but for reading,
   and no file that is not in a tmpfs: another file system may let us wait forever. */
#include "nameless.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "find.h"
#include "text.h"

#define MEMFD    "memfd:"
#define UNLINKED "unlinked:"
#define OTHER    "other-"
/* What every region begins with, whatever its version. */
#define MAGIC "shmchan"
/* Searching all processes costs more than all else, so it is done once in so long. */
#define SEARCHED_NS 800000000

/* ---------------------------------------------------------------- met in processes */

/* A region that was met in some process and has no name here. */
struct region {
    struct found found; /* name NULL: it is no channel's */
    bool memfd;
};

/* Those met at the last search, by region. */
static struct region *known;
static size_t known_count;
static size_t known_closed; /* processes that could not be looked at */
static int64_t searched_ns;

static int by_region(const void *a, const void *b)
{
    return region_compare(((const struct region *)a)->found.region, ((const struct region *)b)->found.region);
}

/* Of those that hold one region first who knows its name, then the oldest. */
static int by_region_and_holder(const void *a, const void *b)
{
    const struct found *x = &((const struct region *)a)->found, *y = &((const struct region *)b)->found;
    int r = by_region(a, b);
    if (r == 0)
        r = (x->name == NULL) - (y->name == NULL);
    return r != 0 ? r : (x->holder_pid > y->holder_pid) - (x->holder_pid < y->holder_pid);
}

struct regions {
    struct region *regions;
    size_t count;
};

static void meet(struct regions *met, const struct holder *holder, const struct holding *holding)
{
    if ((met->count & (met->count - 1)) == 0) {
        size_t size = met->count == 0 ? 1 : 2 * met->count;
        met->regions = text_must(realloc(met->regions, size * sizeof *met->regions));
    }
    met->regions[met->count++] = (struct region){
        .found = {.name = holding->name == NULL ? NULL : text_must(strdup(holding->name)),
                  .holder_pid = holder->task,
                  .holder_fd = holding->fd,
                  .region = holding->region,
                  .linked = holding->linked},
        .memfd = holding->memfd,
    };
}

static void meet_those_of(struct regions *met, const struct holder *holder, dev_t own_device)
{
    for (size_t i = 0; i < holder->count; i++) {
        const struct holding *holding = &holder->holdings[i];
        bool again = i > 0 && region_compare(holding[-1].region, holding->region) == 0;
        /* What has a name in our directory is found by that. */
        if (!again && (holding->memfd || !holding->linked || holding->region.device != own_device))
            meet(met, holder, holding);
    }
}

static void drop_met_before(struct regions *met)
{
    size_t kept = 0;
    if (met->count > 0)
        qsort(met->regions, met->count, sizeof *met->regions, by_region_and_holder);
    for (size_t i = 0; i < met->count; i++) {
        if (kept > 0 && by_region(&met->regions[kept - 1], &met->regions[i]) == 0)
            free(met->regions[i].found.name);
        else
            met->regions[kept++] = met->regions[i];
    }
    met->count = kept;
}

/* ---------------------------------------------------------------- whether it is a channel */

/* Is this process's file system of that device one that answers by itself? Others may let us wait forever. */
static bool is_tmpfs(int32_t pid, dev_t device)
{
    char path[64], wanted[32];
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%" PRId32 "/mountinfo", pid);
    snprintf(wanted, sizeof wanted, "%u:%u", major(device), minor(device));
    FILE *mounts = fopen(path, "re");
    if (mounts == NULL)
        return false;
    /* "MOUNT PARENT MAJOR:MINOR ... - TYPE ..." */
    while (!found && getline(&line, &size, mounts) > 0) {
        char numbers[32];
        const char *type = strstr(line, " - ");
        found = type != NULL && sscanf(line, "%*s %*s %31s", numbers) == 1 && strcmp(numbers, wanted) == 0 &&
                strncmp(type, " - tmpfs ", strlen(" - tmpfs ")) == 0;
    }
    free(line);
    fclose(mounts);
    return found;
}

static bool has_magic(const struct found *found)
{
    char magic[sizeof MAGIC];
    int fd = nameless_open(found);
    if (fd < 0)
        return false;
    bool has =
        pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && memcmp(magic, MAGIC, sizeof magic) == 0;
    close(fd);
    return has;
}

static bool is_channel(const struct region *region, dev_t own_device)
{
    const struct found *found = &region->found;
    return region->memfd ||
           ((found->region.device == own_device || is_tmpfs(found->holder_pid, found->region.device)) &&
            has_magic(found));
}

/* ---------------------------------------------------------------- what it is called */

/* The name that it has there; who made it does not show it. NULL: not known. */
static char *name_there(const struct found *found)
{
    char path[64];
    char *name = NULL;
    struct stat st;
    snprintf(path, sizeof path, "/proc/%" PRId32 "/root" FIND_DIR, found->holder_pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return NULL;
    bool same = fstat(dirfd(dir), &st) == 0 && st.st_dev == found->region.device;
    for (struct dirent *entry; same && name == NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_ino == found->region.inode && asprintf(&name, "/%s", entry->d_name) < 0)
            text_must(NULL);
    }
    closedir(dir);
    return name;
}

/* `there`: as a process that has it open calls it, or NULL. The caller frees the result. */
static char *call(const struct region *region, const char *there, dev_t own_device)
{
    const struct found *found = &region->found;
    uintmax_t inode = found->region.inode;
    dev_t device = found->region.device;
    char *name, *resolved = NULL;
    int n;
    if (found->linked && there == NULL)
        there = resolved = name_there(found);
    if (region->memfd)
        n = asprintf(&name, MEMFD "%ju", inode);
    else if (device == own_device)
        n = asprintf(&name, UNLINKED "%ju", inode);
    else if (there != NULL)
        n = asprintf(&name, OTHER "%u:%u:%s", major(device), minor(device), there);
    else
        n = asprintf(&name, OTHER "%u:%u:" UNLINKED "%ju", major(device), minor(device), inode);
    free(resolved);
    return text_must(n < 0 ? NULL : name);
}

/* Of what is known already nobody asks again what it is. */
static void name_it(struct region *region, dev_t own_device)
{
    char *there = region->found.name;
    const struct region *old =
        known_count == 0 ? NULL : bsearch(region, known, known_count, sizeof *known, by_region);
    bool channel = old != NULL ? old->found.name != NULL : is_channel(region, own_device);
    region->found.name = channel ? call(region, there, own_device) : NULL;
    free(there);
}

/* ---------------------------------------------------------------- searching */

static void know(const struct regions *met)
{
    for (size_t i = 0; i < known_count; i++)
        free(known[i].found.name);
    free(known);
    known = met->regions;
    known_count = met->count;
}

static void search(void)
{
    struct regions met = {NULL, 0};
    struct stat st;
    dev_t own_device = stat(FIND_DIR, &st) == 0 ? st.st_dev : 0;
    known_closed = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        int pid = atoi(entry->d_name);
        if (pid <= 0)
            continue;
        const struct holder *holder = holders_look(pid);
        known_closed += holder->closed;
        meet_those_of(&met, holder, own_device);
    }
    if (dir != NULL)
        closedir(dir);
    drop_met_before(&met);
    for (size_t i = 0; i < met.count; i++)
        name_it(&met.regions[i], own_device);
    know(&met);
    searched_ns = clock_monotonic_ns();
}

static bool searched(void)
{
    return searched_ns != 0 && clock_monotonic_ns() - searched_ns < SEARCHED_NS;
}

size_t nameless_each(void (*visit)(const struct found *found, void *user), void *user)
{
    if (!searched())
        search();
    for (size_t i = 0; i < known_count; i++) {
        if (known[i].found.name != NULL)
            visit(&known[i].found, user);
    }
    return known_closed;
}

/* ---------------------------------------------------------------- one of them */

/* What follows the digits at its beginning; NULL: there is none. */
static const char *behind_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 ? text + digits : NULL;
}

static bool is_numbered(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    const char *end = strncmp(name, prefix, length) == 0 ? behind_number(name + length) : NULL;
    return end != NULL && *end == '\0';
}

bool nameless_is(const char *name)
{
    if (is_numbered(name, MEMFD) || is_numbered(name, UNLINKED))
        return true;
    if (strncmp(name, OTHER, strlen(OTHER)) != 0)
        return false;
    const char *at = behind_number(name + strlen(OTHER));
    at = at != NULL && *at == ':' ? behind_number(at + 1) : NULL;
    return at != NULL && *at == ':' && (at[1] == '/' || is_numbered(at + 1, UNLINKED));
}

static bool describes(const struct found *found, const struct stat *st)
{
    const struct region_id region = {st->st_dev, st->st_ino};
    return S_ISREG(st->st_mode) && region_compare(region, found->region) == 0 &&
           found->linked == (st->st_nlink > 0);
}

/* By now the number may stand for something else, which opening it must not wait for or wake. Not asking the
   file system, which need not answer. */
static bool still_open(const struct found *found, const char *path)
{
    struct statx stx;
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_NLINK, &stx) < 0)
        return false;
    const struct stat st = {.st_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
                            .st_ino = stx.stx_ino,
                            .st_mode = stx.stx_mode,
                            .st_nlink = stx.stx_nlink};
    return describes(found, &st);
}

static void path_of(const struct found *found, char path[64])
{
    snprintf(path, 64, "/proc/%" PRId32 "/fd/%d", found->holder_pid, found->holder_fd);
}

int nameless_find(const char *name, struct found *ret_found)
{
    for (bool anew = false;; anew = true) {
        const struct found *found = NULL;
        char path[64];
        for (size_t i = 0; i < known_count && found == NULL; i++) {
            if (known[i].found.name != NULL && strcmp(known[i].found.name, name) == 0)
                found = &known[i].found;
        }
        if (found != NULL)
            path_of(found, path);
        if (found != NULL && still_open(found, path)) {
            *ret_found = *found;
            return 0;
        }
        /* Who had it has closed it; another may have it. */
        if (anew || (found == NULL && searched()))
            return -ENOENT;
        search();
    }
}

int nameless_open(const struct found *found)
{
    char path[64];
    struct stat st;
    path_of(found, path);
    if (!still_open(found, path))
        return -ENOENT;
    int region = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (region < 0)
        return -errno;
    if (fstat(region, &st) == 0 && describes(found, &st))
        return region;
    close(region);
    return -ENOENT;
}
