/* SPDX-License-Identifier: MIT */
/* What several parts of the program have to tell on stderr. */
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shmchan.h"
#include "terminal.h"

/* What a smaller buffer cannot hold is written in between, and then nobody learns why it could not be. Pages
   that are not used cost nothing. */
void output_start(void)
{
    static char *buffer;
    size_t bytes = (size_t)64 << 20;
    if (!isatty(STDOUT_FILENO) && (buffer = malloc(bytes)) != NULL)
        setvbuf(stdout, buffer, _IOFBF, bytes);
}

/* Buffered output fails late: only after the flush is it known to be written. A reader that went away, as
   head(1) does, has what it wanted. */
bool output_written(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (errno == EPIPE)
        return false;
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
