/* SPDX-License-Identifier: MIT */
/*
 * tagged_union: several kinds of message over one channel. A channel carries one type; here that type
 * says in its first word which of its members is filled in.
 */
#include "shmchan.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, STEPS = 1000 };

/* Fixed-width, since what an enum takes is the compiler's choice. Numbers, once given, stay. */
enum { MESSAGE_STARTED = 1, MESSAGE_MEASURED = 2, MESSAGE_COMPLAINED = 3, MESSAGE_FINISHED = 4 };

struct message {
    uint32_t kind;
    uint32_t worker;
    union {
        struct {
            int32_t pid;
        } started;
        struct {
            uint64_t step;
            double value;
        } measured;
        struct {
            char text[48];
        } complained;
        struct {
            uint64_t steps;
        } finished;
    };
};
SHMCHAN_TYPED(message, struct message)

/* ------------------------------------------------------------------------------------- the worker */

static void tell(shmchan_sender *tx, const struct message *message)
{
    int r = message_send(tx, message);
    if (r == -EPIPE) /* the collector is gone */
        _exit(EXIT_FAILURE);
    if (r < 0) {
        warnx("%s", shmchan_strerror(r));
        _exit(EXIT_FAILURE);
    }
}

static void measure(shmchan_sender *tx, uint32_t worker, uint64_t step)
{
    struct message m = {.kind = MESSAGE_MEASURED, .worker = worker};
    m.measured.step = step;
    m.measured.value = (double)(worker + 1) * (double)step;
    tell(tx, &m);
    if (step % 400 == 0) {
        m = (struct message){.kind = MESSAGE_COMPLAINED, .worker = worker};
        snprintf(m.complained.text, sizeof m.complained.text, "step %" PRIu64 " was slow", step);
        tell(tx, &m);
    }
}

static _Noreturn void work(shmchan_sender *tx, uint32_t worker)
{
    struct message m = {.kind = MESSAGE_STARTED, .worker = worker, .started = {.pid = (int32_t)getpid()}};
    tell(tx, &m);
    for (uint64_t step = 1; step <= STEPS; step++)
        measure(tx, worker, step);
    m = (struct message){.kind = MESSAGE_FINISHED, .worker = worker, .finished = {.steps = STEPS}};
    tell(tx, &m);
    shmchan_sender_close(tx);
    _exit(EXIT_SUCCESS);
}

/* ---------------------------------------------------------------------------------- the collector */

struct totals {
    uint64_t measured;
    double sum;
    unsigned complained;
    unsigned finished;
};

static void take(struct totals *totals, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_STARTED:
        printf("worker %" PRIu32 " started as process %" PRId32 "\n", m->worker, m->started.pid);
        break;
    case MESSAGE_MEASURED:
        totals->measured++;
        totals->sum += m->measured.value;
        break;
    case MESSAGE_COMPLAINED:
        totals->complained++;
        printf("worker %" PRIu32 " complained: %.*s\n", m->worker, (int)sizeof m->complained.text,
               m->complained.text);
        break;
    case MESSAGE_FINISHED:
        totals->finished++;
        printf("worker %" PRIu32 " finished %" PRIu64 " steps\n", m->worker, m->finished.steps);
        break;
    default: /* from a newer program than this: no reason to stop */
        printf("worker %" PRIu32 " sent a message of unknown kind %" PRIu32 "\n", m->worker, m->kind);
    }
}

static void start_worker(shmchan_sender *tx, shmchan_receiver *rx, uint32_t worker)
{
    pid_t pid = fork(); /* tx becomes a sender of the child's own */
    if (pid < 0)
        err(EXIT_FAILURE, "fork");
    if (pid == 0) {
        shmchan_receiver_close(rx);
        work(tx, worker);
    }
}

int main(void)
{
    struct shmchan_options options = message_options();
    options.capacity = 64;
    shmchan_sender *tx;
    shmchan_receiver *rx;
    int r = shmchan_pair(&options, &tx, &rx);
    if (r < 0)
        errx(EXIT_FAILURE, "%s", shmchan_strerror(r));
    for (uint32_t worker = 0; worker < WORKERS; worker++)
        start_worker(tx, rx, worker);
    shmchan_sender_close(tx); /* the workers have their own; with ours open the channel would not end */

    struct totals totals = {0};
    struct message m;
    while ((r = message_recv(rx, &m)) > 0)
        take(&totals, &m);
    shmchan_receiver_close(rx);
    while (wait(NULL) > 0)
        ;
    if (r < 0)
        errx(EXIT_FAILURE, "%s", shmchan_strerror(r));
    printf("%u of %d workers finished, %u complaints, %" PRIu64 " values, sum %.0f\n", totals.finished,
           WORKERS, totals.complained, totals.measured, totals.sum);
    return totals.finished == WORKERS ? EXIT_SUCCESS : EXIT_FAILURE;
}
