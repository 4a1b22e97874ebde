/* SPDX-License-Identifier: MIT */
/*
 * supervised_collector [KILLS]: a collector that comes back. Eight senders send 50000 messages each through a
 * channel that waits for its receiver; the collector is killed up to KILLS times (25) and started again each
 * time. The senders notice nothing but a wait. At the end every message has been collected once.
 *
 * What makes it so:
 * - SHMCHAN_WAIT_FOR_RECEIVER: while there is no collector, sends fill their lanes, then wait;
 * - the collector looks at a message (peek), stores it, and only then releases it. Killed in between it
 *   leaves the message to its successor, who stores it again: storing twice must be as good as once.
 */
#include "shmchan.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SENDERS  8
#define MESSAGES 50000u

struct sample {
    uint32_t sender;
    uint32_t number; /* counts from 0 in each sender */
};
SHMCHAN_TYPED(sample, struct sample)

/* What survives a collector: in earnest a file or a database. Here memory that all share: how many messages
   of each sender have been stored. One word each, so that no death leaves it half written. */
static _Atomic uint32_t *stored;

static void check(int r, const char *what)
{
    if (r < 0)
        errx(EXIT_FAILURE, "%s: %s", what, shmchan_strerror(r));
}

/* Messages of one sender come in their order, so the next number says whether this one is stored already. */
static void store(const struct sample *s)
{
    if (s->sender >= SENDERS || s->number > stored[s->sender])
        errx(EXIT_FAILURE, "a message is missing before %" PRIu32 "/%" PRIu32, s->sender, s->number);
    if (s->number == stored[s->sender])
        stored[s->sender] = s->number + 1;
}

static void collect(const char *name)
{
    shmchan_receiver *rx;
    const struct sample *s;
    int r;
    check(shmchan_receiver_open(name, NULL, &rx), "collector");
    while ((r = sample_peek(rx, &s, NULL, SHMCHAN_FOREVER)) > 0) {
        store(s);
        check(shmchan_release(rx), "release");
    }
    check(r, "peek");
    shmchan_receiver_close(rx);
}

static void send_all(shmchan_sender *tx, uint32_t sender)
{
    for (uint32_t number = 0; number < MESSAGES; number++)
        check(sample_send(tx, &(struct sample){.sender = sender, .number = number}), "send");
    shmchan_sender_close(tx);
}

static pid_t start(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        err(EXIT_FAILURE, "fork");
    return pid;
}

/* Each child's sender is its own from the moment of fork, as a pipe's end would be, so the channel ends when
   the last of them has sent everything, and not before. */
static void start_senders(const char *name)
{
    shmchan_sender *tx;
    struct shmchan_options options = sample_options();
    options.capacity = 64;
    options.flags = SHMCHAN_WAIT_FOR_RECEIVER;
    check(shmchan_sender_create(name, &options, &tx), name);
    for (uint32_t i = 0; i < SENDERS; i++)
        if (start() == 0) {
            send_all(tx, i);
            exit(EXIT_SUCCESS);
        }
    shmchan_sender_close(tx);
}

/* Run collectors until one has seen the end. How many were killed. */
static unsigned supervise(const char *name, unsigned kills)
{
    unsigned killed = 0;
    for (;;) {
        int status;
        pid_t pid = start();
        if (pid == 0) {
            collect(name);
            exit(EXIT_SUCCESS);
        }
        if (killed < kills) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000 + rand() % 2000000}, NULL);
            kill(pid, SIGKILL);
        }
        if (waitpid(pid, &status, 0) < 0)
            err(EXIT_FAILURE, "waitpid");
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            killed++;
        else if (status != 0)
            errx(EXIT_FAILURE, "a collector failed");
        else
            return killed;
    }
}

int main(int argc, char **argv)
{
    unsigned kills = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 25;
    char name[64];
    snprintf(name, sizeof name, "/shmchan-example-%d", (int)getpid());
    stored = mmap(NULL, SENDERS * sizeof *stored, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stored == MAP_FAILED)
        err(EXIT_FAILURE, "mmap");

    start_senders(name);
    unsigned killed = supervise(name, kills);
    check(shmchan_unlink(name), "unlink");

    int status, failed = 0;
    while (wait(&status) > 0)
        failed += status != 0;
    uint64_t total = 0;
    for (int i = 0; i < SENDERS; i++)
        total += stored[i];
    printf("%d senders sent %u messages, %d of them saw an error; %u collectors were killed; %" PRIu64
           " messages were collected\n",
           SENDERS, SENDERS * MESSAGES, failed, killed, total);
    return failed || total != (uint64_t)SENDERS * MESSAGES ? EXIT_FAILURE : EXIT_SUCCESS;
}
