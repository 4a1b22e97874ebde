/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
