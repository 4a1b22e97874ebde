/* SPDX-License-Identifier: MIT */
/* Looks processes up in /proc. Of channels it knows who says to hold a place, and the region's number. */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* Who holds places in many channels, or many places, is looked up once in so long. */
#define FRESH_NS 20000000

struct facts {
    int32_t pid;
    int64_t read_ns;
    uint64_t start_time;
    uint32_t threads;
    char letter;
    bool main_ended;
    char command[16];
};

/* Each process at its number modulo this; of two that share one, the later. */
enum { KEPT = 1024 };
static struct facts kept[KEPT];

/* ---------------------------------------------------------------- /proc/PID/stat */

/* "PID (COMMAND) STATE ...": a command may contain anything, so count from the last parenthesis. Threads are
   field 20, the start time is field 22; the state is field 3. */
static int parse(const char *line, struct facts *facts)
{
    const char *command = strchr(line, '(');
    const char *state = strrchr(line, ')');
    if (command == NULL || state == NULL ||
        sscanf(state,
               ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %" SCNu32
               " %*d %" SCNu64,
               &facts->letter, &facts->threads, &facts->start_time) != 3)
        return -EBADMSG;
    size_t length = (size_t)(state - command - 1);
    length = length < sizeof facts->command ? length : sizeof facts->command - 1;
    memcpy(facts->command, command + 1, length);
    facts->command[length] = '\0';
    return 0;
}

/* 0, or a negative errno. */
static int read_stat(const char *path, struct facts *facts)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char line[1024];
    ssize_t n = read(fd, line, sizeof line - 1);
    int r = n < 0 ? -errno : 0;
    close(fd);
    if (r < 0)
        return r;
    line[n] = '\0';
    return parse(line, facts);
}

/* From what runs to what never will. */
static int liveliness(char letter)
{
    static const char order[] = "XxZTtSID";
    const char *at = letter == '\0' ? NULL : strchr(order, letter);
    return letter == 'R' ? (int)sizeof order
           : at == NULL  ? (int)(strchr(order, 'S') - order)
                         : (int)(at - order);
}

/* Any of its threads may be the one that holds the place. */
static void read_threads(struct facts *facts)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/task", facts->pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    for (struct dirent *entry; facts->letter != 'R' && (entry = readdir(dir)) != NULL;) {
        struct facts thread;
        char file[sizeof path + sizeof entry->d_name + sizeof "/stat"];
        snprintf(file, sizeof file, "%s/%s/stat", path, entry->d_name);
        if (entry->d_name[0] != '.' && read_stat(file, &thread) == 0 &&
            liveliness(thread.letter) > liveliness(facts->letter))
            facts->letter = thread.letter;
    }
    closedir(dir);
}

/* start_time 0: whatever it is. One that started at another time is read anew: it may be gone by now. */
static int learn(int32_t pid, uint64_t start_time, const struct facts **ret_facts)
{
    char path[64];
    struct facts *facts = &kept[(uint32_t)pid % KEPT];
    *ret_facts = facts;
    if (facts->pid == pid && clock_monotonic_ns() - facts->read_ns < FRESH_NS &&
        (start_time == 0 || start_time == facts->start_time))
        return 0;
    *facts = (struct facts){.pid = pid, .read_ns = clock_monotonic_ns()};
    snprintf(path, sizeof path, "/proc/%" PRId32 "/stat", pid);
    int r = read_stat(path, facts);
    if (r < 0)
        facts->pid = 0;
    else if (facts->threads > 1) {
        bool main_ended = facts->letter == 'Z';
        read_threads(facts);
        facts->main_ended = main_ended && facts->letter != 'Z';
    }
    return r;
}

/* ---------------------------------------------------------------- whether it is the one */

bool proc_is_there(void)
{
    return access("/proc/self/stat", R_OK) == 0;
}

static struct proc_view view_of(const struct facts *facts, bool uncertain)
{
    char letter = facts->letter;
    return (struct proc_view){
        .sight = letter == 'T'   ? PROC_STOPPED
                 : letter == 't' ? PROC_TRACED
                                 : PROC_HERE,
        .letter = letter,
        .uncertain = uncertain,
        .main_ended = facts->main_ended,
        .threads = facts->threads,
    };
}

/* start_time 0, command NULL: not known. */
static struct proc_view look(int32_t pid, uint64_t start_time, const char *command, struct region_id region,
                             uint64_t seen_ns)
{
    const struct proc_view unknown = {.sight = PROC_UNKNOWN}, elsewhere = {.sight = PROC_ELSEWHERE};
    const struct facts *facts;
    int r = learn(pid, start_time, &facts);
    /* Without /proc nobody is visible, which says nothing about anybody. */
    if (r == -ENOENT || r == -ESRCH)
        return proc_is_there() ? elsewhere : unknown;
    if (r < 0)
        return unknown;
    if (start_time != 0 && facts->start_time != start_time)
        return elsewhere;
    switch (holders_ask(pid, region, (int64_t)seen_ns)) {
    case HOLDERS_YES:
        return view_of(facts, false);
    case HOLDERS_NO:
        return elsewhere;
    case HOLDERS_UNKNOWN:
        break;
    }
    bool alike = command != NULL && strncmp(command, facts->command, sizeof facts->command - 1) == 0;
    return alike ? view_of(facts, true) : unknown;
}

struct proc_view proc_look(const struct shmchan_process *process, struct region_id region, uint64_t seen_ns)
{
    if (process->pid <= 0 || process->start_time == 0)
        return (struct proc_view){.sight = PROC_UNKNOWN};
    return look(process->pid, process->start_time, process->command, region, seen_ns);
}

struct proc_view proc_look_by_pid(int32_t pid, struct region_id region, uint64_t seen_ns)
{
    return pid <= 0 ? (struct proc_view){.sight = PROC_UNKNOWN} : look(pid, 0, NULL, region, seen_ns);
}

int32_t proc_tracer(int32_t pid)
{
    char path[64];
    char *line = NULL;
    size_t size = 0;
    int32_t tracer = 0;
    snprintf(path, sizeof path, "/proc/%" PRId32 "/status", pid);
    FILE *status = fopen(path, "re");
    if (status == NULL)
        return 0;
    while (tracer == 0 && getline(&line, &size, status) > 0)
        sscanf(line, "TracerPid: %" SCNd32, &tracer);
    free(line);
    fclose(status);
    return tracer;
}
