/* SPDX-License-Identifier: MIT */
/*
 * Does a known number of operations, for guards.sh to count what they cost under callgrind or strace.
 *
 *     guard send|reserve|batch  LANES SENT        SENT messages into each lane, nobody receives
 *     guard recv|peek|gather    LANES SENT TAKEN  and then receives TAKEN of them
 *     guard turns               LANES TURNS       a message into each lane and out again, TURNS times
 *     guard full                1 SENT            a receiver that is slower than its sender, in another
 * process guard idle                                  prints what blocked ones cost
 *
 * With GUARD_UNORDERED=1 without order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ours.h"
#include "peer.h"
#include "shmchan.h"

#define LANES_MAX 64u
#define BYTES     64u
#define BATCH     32u
#define CAPACITY  65536u /* more than is ever sent into a lane without being received */

static shmchan_sender *senders[LANES_MAX];
static shmchan_receiver *receiver;
static char message[BYTES], messages[BATCH * BYTES];

static inline void must(long r, const char *what)
{
    if (r < 0) {
        fprintf(stderr, "guard: %s: %s\n", what, shmchan_strerror((int)r));
        exit(1);
    }
}

static void open_lanes(unsigned lanes, uint32_t capacity)
{
    uint32_t flags = getenv("GUARD_UNORDERED") ? SHMCHAN_UNORDERED : 0;
    must(shmchan_pair(&SHMCHAN_OPTIONS(.message_size = BYTES, .capacity = capacity, .flags = flags),
                      &senders[0], &receiver),
         "pair");
    for (unsigned i = 1; i < lanes; i++)
        must(shmchan_sender_clone(senders[0], &senders[i]), "clone");
}

/* Each way a loop of its own, so that nothing but the call is counted. */
static void send_singly(unsigned lanes, unsigned sent)
{
    for (unsigned n = 0; n < sent; n++)
        for (unsigned i = 0; i < lanes; i++)
            must(shmchan_send(senders[i], message), "send");
}

static void send_in_place(unsigned lanes, unsigned sent)
{
    void *slot;
    for (unsigned n = 0; n < sent; n++)
        for (unsigned i = 0; i < lanes; i++) {
            must(shmchan_reserve(senders[i], &slot, SHMCHAN_FOREVER), "reserve");
            memcpy(slot, message, BYTES);
            must(shmchan_commit(senders[i], BYTES), "commit");
        }
}

static void send_batches(unsigned lanes, unsigned sent)
{
    for (unsigned n = 0; n < sent; n += BATCH)
        for (unsigned i = 0; i < lanes; i++)
            must(shmchan_send_many(senders[i], messages, BATCH, SHMCHAN_FOREVER), "send_many");
}

/* In turn, so that the receiver's merge has a choice at each message. */
static void send_all(const char *how, unsigned lanes, unsigned sent)
{
    if (strcmp(how, "batch") == 0)
        send_batches(lanes, sent);
    else if (strcmp(how, "reserve") == 0)
        send_in_place(lanes, sent);
    else
        send_singly(lanes, sent);
}

static void receive_singly(unsigned taken)
{
    for (unsigned n = 0; n < taken; n++)
        must(shmchan_recv(receiver, message), "recv");
}

static void receive_in_place(unsigned taken)
{
    const void *there;
    for (unsigned n = 0; n < taken; n++) {
        must(shmchan_peek(receiver, &there, NULL, SHMCHAN_FOREVER), "peek");
        memcpy(message, there, BYTES);
        must(shmchan_release(receiver), "release");
    }
}

static void receive_batches(unsigned taken)
{
    for (unsigned n = 0; n < taken;) {
        long r = shmchan_recv_many(receiver, messages, BATCH, SHMCHAN_FOREVER);
        must(r, "recv_many");
        n += (unsigned)r;
    }
}

static void receive_all(const char *how, unsigned taken)
{
    if (strcmp(how, "gather") == 0)
        receive_batches(taken);
    else if (strcmp(how, "peek") == 0)
        receive_in_place(taken);
    else
        receive_singly(taken);
}

/* The lane is full nearly always: how often does its sender sleep, and is woken? */
static void run_full(unsigned sent)
{
    open_lanes(1, 1024);
    pid_t pid = fork();
    must(pid, "fork");
    if (pid == 0) {
        send_singly(1, sent);
        shmchan_sender_close(senders[0]);
        _exit(0);
    }
    shmchan_sender_close(senders[0]);
    while (shmchan_recv(receiver, message) > 0)
        for (uint64_t until = bench_now_ns() + 2000; bench_now_ns() < until;)
            bench_relax();
    waitpid(pid, NULL, 0);
}

static void print_figure(void *user, const char *name, double value)
{
    (void)user;
    printf("%s %.6f\n", name, value);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    unsigned lanes = argc > 2 ? (unsigned)atoi(argv[2]) : 1, sent = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
    unsigned taken = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
    if (strcmp(how, "idle") == 0) {
        must(ours_idle(2000, print_figure, NULL), "idle");
        return 0;
    }
    if (lanes < 1 || lanes > LANES_MAX || argc < 4) {
        fprintf(stderr, "usage: guard send|reserve|batch|recv|peek|gather|turns|full LANES SENT [TAKEN]\n");
        return 2;
    }
    if (strcmp(how, "full") == 0) {
        run_full(sent);
        return 0;
    }
    open_lanes(lanes, CAPACITY);
    if (strcmp(how, "turns") == 0)
        for (unsigned n = 0; n < sent; n++) {
            send_singly(lanes, 1);
            receive_singly(lanes);
        }
    else {
        send_all(how, lanes, sent);
        receive_all(how, taken);
    }
    return 0;
}
