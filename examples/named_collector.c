/* SPDX-License-Identifier: MIT */
/*
 * named_collector [NAME]: collects readings at the channel NAME until at least one has come and no
 * sender is left. If it is killed, the next one goes on at the exact next reading.
 */
#include "reading.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Who is first makes the channel. It may appear or vanish between the two calls: then try again. */
static int meet(const char *name, shmchan_receiver **ret_rx)
{
    struct shmchan_options options = reading_channel();
    for (;;) {
        int r = shmchan_receiver_open(name, &options, ret_rx);
        if (r != -ENOENT)
            return r;
        r = shmchan_receiver_create(name, &options, ret_rx);
        if (r != -EEXIST)
            return r;
    }
}

/* A channel that an earlier run left behind may have ended, for now: its senders have come and gone. */
static int receive_first(shmchan_receiver *rx, struct reading *ret_reading, struct shmchan_info *ret_info)
{
    int r;
    while ((r = reading_recv_info(rx, ret_reading, ret_info, SHMCHAN_FOREVER)) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return r;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : READINGS_NAME;
    shmchan_receiver *rx;
    int r = meet(name, &rx);
    if (r < 0)
        errx(EXIT_FAILURE, "%s: %s", name, shmchan_strerror(r));

    struct reading reading;
    struct shmchan_info info;
    uint64_t count = 0;
    double sum = 0;
    r = receive_first(rx, &reading, &info);
    while (r > 0) {
        printf("sender %d: reading %" PRIu64 ": %.1f C\n", (int)info.pid, reading.number, reading.celsius);
        count++;
        sum += reading.celsius;
        r = reading_recv_info(rx, &reading, &info, SHMCHAN_FOREVER);
    }
    shmchan_receiver_close(rx);
    if (r < 0)
        errx(EXIT_FAILURE, "%s: %s", name, shmchan_strerror(r));
    printf("collected %" PRIu64 " readings, %.1f C on average\n", count, sum / (double)count);
    return EXIT_SUCCESS;
}
