/* SPDX-License-Identifier: MIT */
/* What several parts of the program have to tell on stderr. */
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shmchan.h"
#include "terminal.h"

/* Buffered output fails late: only after the flush is it known to be written. */
bool output_written(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "shmchan-stat: cannot write the output: %s\n",
            errno != 0 ? strerror(errno) : "write error");
    return false;
}

void output_die(const char *why)
{
    terminal_give_back();
    fprintf(stderr, "shmchan-stat: %s\n", why);
    exit(1);
}

void output_cannot_list(int error)
{
    fprintf(stderr, "shmchan-stat: cannot list the channels: %s\n", shmchan_strerror(error));
}
