/* SPDX-License-Identifier: MIT */
/* One run: a process for the receiver and one for each sender, let go at once, told to stop, watched, and
   what it cost. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "peer.h"

enum run_cores {
    CORES_ANY,   /* as the kernel likes */
    CORES_SPLIT, /* the receiver on the first, the senders on the others in turn */
    CORES_ONE    /* all on the first */
};

extern const char *const run_cores_names[];

struct run {
    const struct peer *peer;
    struct peer_shape shape;
    enum run_cores cores;
    unsigned duration_ms;
    unsigned pause_us; /* ping: between two pings */
};

struct run_result {
    uint64_t messages;
    double seconds;  /* from the gate to the last message received */
    double cpu_s;    /* of all processes, from the gate to their last message */
    uint64_t sleeps; /* voluntary context switches */
    uint64_t preemptions;
    double jain;       /* of the senders' shares: 1 = all the same, 1/n = one has all */
    char failure[400]; /* "" = it went well, and every message was there once and in order */
};

/* Where programs of other languages lie. */
extern const char *run_programs;
/* A run that has not ended after this is stuck. */
extern unsigned run_watchdog_ms;

/* The peer must not refuse the shape, and have the loops. */
void run_throughput(const struct run *run, struct run_result *ret_result);
/* `histogram`, of round trips, is added to; NULL = not wanted. Here `messages` are round trips. */
void run_ping(const struct run *run, struct histogram *histogram, struct run_result *ret_result);

#endif
