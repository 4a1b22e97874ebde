/* SPDX-License-Identifier: MIT */
/* Searches /dev/shm by way of the library. What has no name there nameless.c finds. */
#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nameless.h"
#include "shmchan.h"
#include "text.h"

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

static void add_nameless(const struct found *nameless, void *user)
{
    struct found *found = add(user);
    *found = *nameless;
    found->name = text_must(strdup(nameless->name));
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

/* A file that may not be read may be listed twice. */
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
    list.processes_closed = nameless_each(add_nameless, &list);
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
