/* SPDX-License-Identifier: MIT */
/* Where the output goes, and what several parts of the program have to tell on stderr. */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shmchan.h"
#include "table.h"
#include "terminal.h"

#define PROGRAM "shmchan-stat: "

size_t output_width(int fd)
{
    struct winsize size;
    if (!isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    return width > 0 && width < 10000 ? (size_t)width : 0;
}

void output_tell(const char *format, ...)
{
    char *words;
    va_list args;
    va_start(args, format);
    if (vasprintf(&words, format, args) < 0)
        output_die("out of memory");
    va_end(args);
    fputs(PROGRAM, stderr);
    table_fold(stderr, words, strlen(PROGRAM), 2, output_width(STDERR_FILENO));
    free(words);
}

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
    output_tell("cannot write the output: %s", errno != 0 ? strerror(errno) : "write error");
    return false;
}

/* What folds needs memory, too. */
void output_die(const char *why)
{
    terminal_give_back();
    fprintf(stderr, PROGRAM "%s\n", why);
    exit(1);
}

void output_cannot_list(int error)
{
    output_tell("cannot list the channels: %s", shmchan_strerror(error));
}
