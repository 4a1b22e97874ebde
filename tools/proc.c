/* SPDX-License-Identifier: MIT */
/* Looks processes up in /proc. Knows nothing of channels. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0, or a negative errno. */
static int read_stat(int32_t pid, char *ret_letter, uint64_t *ret_start_time)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/stat", pid);
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

    /* "PID (COMMAND) STATE ...": a command may contain anything, so count from the last parenthesis. The
       start time is field 22; 18 fields lie between it and the state, which is field 3. */
    const char *state = strrchr(line, ')');
    if (state == NULL ||
        sscanf(state, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
               ret_letter, ret_start_time) != 2)
        return -EBADMSG;
    return 0;
}

/* start_time 0: whatever it is. */
static struct proc_view look(int32_t pid, uint64_t start_time)
{
    struct proc_view view = {PROC_UNKNOWN, 0};
    char letter = 0;
    uint64_t started = 0;
    int r = read_stat(pid, &letter, &started);
    if (r == -ENOENT || r == -ESRCH || (r == 0 && start_time != 0 && started != start_time)) {
        /* Without /proc nobody is visible, which says nothing about anybody. */
        if (access("/proc/self/stat", R_OK) == 0)
            view.sight = PROC_ELSEWHERE;
        return view;
    }
    if (r < 0)
        return view;
    view.letter = letter;
    view.sight = letter == 'T' ? PROC_STOPPED : letter == 't' ? PROC_TRACED : PROC_HERE;
    return view;
}

struct proc_view proc_look(int32_t pid, uint64_t start_time)
{
    if (pid <= 0 || start_time == 0)
        return (struct proc_view){PROC_UNKNOWN, 0};
    return look(pid, start_time);
}

struct proc_view proc_look_by_pid(int32_t pid)
{
    return pid <= 0 ? (struct proc_view){PROC_UNKNOWN, 0} : look(pid, 0);
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
