/* SPDX-License-Identifier: MIT */
/* Searches /dev/shm by way of the library, and /proc for channels that have no name. Opens no region but for
   reading. */
#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shmchan.h"
#include "text.h"

#define PREFIX "memfd:"

/* What /proc/PID/fd/N of an anonymous channel's region leads to. */
static const char link_text[] = "/memfd:shmchan (deleted)";

static struct found *add(struct found_list *list)
{
    /* Doubling at each power of two needs no second counter. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t size = list->count == 0 ? 1 : 2 * list->count;
        list->found = text_must(realloc(list->found, size * sizeof *list->found));
    }
    struct found *found = &list->found[list->count++];
    memset(found, 0, sizeof *found);
    return found;
}

static int add_named(const char *name, void *user)
{
    add(user)->name = text_must(strdup(name));
    return 0;
}

/* ---------------------------------------------------------------- channels without a name */

static bool is_region(int directory, const char *entry, struct stat *ret_st)
{
    char target[sizeof link_text + 1];
    ssize_t n = readlinkat(directory, entry, target, sizeof target);
    return n == (ssize_t)strlen(link_text) && memcmp(target, link_text, (size_t)n) == 0 &&
           fstatat(directory, entry, ret_st, 0) == 0 && S_ISREG(ret_st->st_mode);
}

/* Calls visit for each such descriptor of the process until it returns true. -EACCES: may not look. */
static int each_descriptor(int32_t pid, bool (*visit)(int32_t pid, int fd, const struct stat *st, void *user),
                           void *user)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/fd", pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == EACCES || errno == EPERM ? -EACCES : 0;
    int r = 0;
    errno = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;) {
        struct stat st;
        if (entry->d_name[0] != '.' && is_region(dirfd(dir), entry->d_name, &st) &&
            visit(pid, atoi(entry->d_name), &st, user))
            r = 1;
        if (r == 0 && errno == EACCES)
            r = -EACCES;
        errno = 0;
    }
    closedir(dir);
    return r;
}

/* The number of processes that may not be looked at. Ends when visit returned true. */
static size_t each_region(bool (*visit)(int32_t pid, int fd, const struct stat *st, void *user), void *user)
{
    size_t closed = 0;
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int pid = atoi(entry->d_name);
        int r = pid > 0 ? each_descriptor(pid, visit, user) : 0;
        if (r > 0)
            break;
        closed += r == -EACCES;
    }
    closedir(dir);
    return closed;
}

static bool add_region(int32_t pid, int fd, const struct stat *st, void *user)
{
    struct found *found = add(user);
    if (asprintf(&found->name, PREFIX "%ju", (uintmax_t)st->st_ino) < 0)
        text_must(NULL);
    found->holder_pid = pid;
    found->holder_fd = fd;
    return false;
}

struct wanted {
    const char *name;
    int32_t pid;
    int fd;
};

static bool named_by(const char *name, const struct stat *st)
{
    char own[sizeof PREFIX + 24];
    snprintf(own, sizeof own, PREFIX "%ju", (uintmax_t)st->st_ino);
    return strcmp(name, own) == 0;
}

static bool take_wanted(int32_t pid, int fd, const struct stat *st, void *user)
{
    struct wanted *wanted = user;
    if (!named_by(wanted->name, st))
        return false;
    wanted->pid = pid;
    wanted->fd = fd;
    return true;
}

bool find_is_anonymous(const char *name)
{
    size_t prefix = strlen(PREFIX);
    if (strncmp(name, PREFIX, prefix) != 0)
        return false;
    size_t digits = strspn(name + prefix, "0123456789");
    return digits > 0 && name[prefix + digits] == '\0';
}

int find_holder(const char *name, int32_t *ret_pid, int *ret_fd)
{
    struct wanted wanted = {.name = name};
    each_region(take_wanted, &wanted);
    if (wanted.pid == 0)
        return -ENOENT;
    *ret_pid = wanted.pid;
    *ret_fd = wanted.fd;
    return 0;
}

int find_open(const char *name, int32_t pid, int fd)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%" PRId32 "/fd/%d", pid, fd);
    /* By now the number may stand for something else, which opening it must not wait for or wake. */
    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || !named_by(name, &st))
        return -ENOENT;
    int region = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (region < 0)
        return -errno;
    if (fstat(region, &st) == 0 && S_ISREG(st.st_mode) && named_by(name, &st))
        return region;
    close(region);
    return -ENOENT;
}

/* ---------------------------------------------------------------- files that may not be read */

static int count_unreadable(struct found_list *list, bool add_them)
{
    DIR *dir = opendir(FIND_DIR);
    if (dir == NULL)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        if (faccessat(dirfd(dir), entry->d_name, R_OK, AT_EACCESS) == 0 || errno != EACCES)
            continue;
        list->files_closed++;
        if (!add_them)
            continue;
        struct found *found = add(list);
        if (asprintf(&found->name, "/%s", entry->d_name) < 0)
            text_must(NULL);
    }
    closedir(dir);
    return 0;
}

/* ---------------------------------------------------------------- all */

static int by_name(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int r = strcmp(x->name, y->name);
    return r != 0 ? r : (x->holder_pid > y->holder_pid) - (x->holder_pid < y->holder_pid);
}

/* A region is found in each process that has it, there as often as it has descriptors of it. */
static void drop_doubles(struct found_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->found[kept - 1].name, list->found[i].name) == 0)
            free(list->found[i].name);
        else
            list->found[kept++] = list->found[i];
    }
    list->count = kept;
}

int find_all(bool unreadable, struct found_list *ret_list)
{
    struct found_list list = {NULL, 0, 0, 0};
    int r = shmchan_list(add_named, &list);
    if (r >= 0)
        r = count_unreadable(&list, unreadable);
    if (r < 0) {
        find_free(&list);
        return r;
    }
    list.processes_closed = each_region(add_region, &list);
    if (list.count > 0)
        qsort(list.found, list.count, sizeof *list.found, by_name);
    drop_doubles(&list);
    *ret_list = list;
    return 0;
}

void find_free(struct found_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->found[i].name);
    free(list->found);
    *list = (struct found_list){NULL, 0, 0, 0};
}

bool find_has_directory(void)
{
    return access(FIND_DIR, F_OK) == 0;
}
