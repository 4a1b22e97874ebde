/* SPDX-License-Identifier: MIT */
/* Looks processes up in /proc. Knows nothing of channels. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
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

struct proc_view proc_look(int32_t pid, uint64_t start_time)
{
    struct proc_view view = {PROC_UNKNOWN, 0};
    if (pid <= 0 || start_time == 0)
        return view;

    char letter = 0;
    uint64_t started = 0;
    int r = read_stat(pid, &letter, &started);
    if (r == -ENOENT || r == -ESRCH || (r == 0 && started != start_time)) {
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
