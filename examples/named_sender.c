/* SPDX-License-Identifier: MIT */
/*
 * named_sender [COUNT [NAME]]: sends COUNT readings (10) to whoever collects at the channel NAME. Run
 * any number of them and one named_collector, in any order.
 */
#include "reading.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Who is first makes the channel. It may appear or vanish between the two calls: then try again. */
static int meet(const char *name, shmchan_sender **ret_tx)
{
    struct shmchan_options options = reading_channel();
    for (;;) {
        int r = shmchan_sender_open(name, &options, ret_tx);
        if (r != -ENOENT)
            return r;
        r = shmchan_sender_create(name, &options, ret_tx);
        if (r != -EEXIST)
            return r;
    }
}

static uint64_t parse_count(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        errx(2, "COUNT must be a number: named_sender [COUNT [NAME]]");
    return n;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? parse_count(argv[1]) : 10;
    const char *name = argc > 2 ? argv[2] : READINGS_NAME;
    shmchan_sender *tx;
    int r = meet(name, &tx);
    if (r < 0)
        errx(EXIT_FAILURE, "%s: %s", name, shmchan_strerror(r));

    for (uint64_t number = 1; number <= count && r >= 0; number++) {
        struct reading reading = {.number = number, .celsius = 20 + (double)(number % 50) / 10};
        r = reading_send(tx, &reading); /* waits while the lane is full */
    }
    shmchan_sender_close(tx);
    if (r < 0)
        errx(EXIT_FAILURE, "%s: %s", name, shmchan_strerror(r));
    printf("sender %d: sent %" PRIu64 " readings\n", (int)getpid(), count);
    return EXIT_SUCCESS;
}
