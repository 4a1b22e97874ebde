/* SPDX-License-Identifier: MIT */
/*
 * What every test program here shares. A program is a table of rows, each a promise and the function
 * that checks it; check runs each row in a process (and process group) of its own, and around each row
 * support.c
 *
 *   - keeps a watchdog: when nothing has moved for WATCH_SECONDS it says which process of the test was at
 *     which step and kills them all;
 *   - afterwards finds leaked descriptors, children that nobody waited for, and names left in /dev/shm.
 *
 * The expect... macros work in the test itself, in its threads and in the children it spawns (a child
 * says what failed and exits with CHILD_FAILED, which finish() then reports).
 */
#ifndef SHMCHAN_TESTS_SUPPORT_H
#define SHMCHAN_TESTS_SUPPORT_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmchan.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define WATCH_SECONDS 120
#define CHILD_FAILED  99

/* ------------------------------------------------------------------------------- programs */

struct row {
    const char *promise;
    void (*run)(void);
};

/* main() of a test program: runs the rows (with an argument: those whose promise contains it). */
int suite_run(const char *name, const struct row *rows, size_t count, int argc, char **argv);

/* This test cannot be done here: says so, and is counted as skipped if the caller then returns. */
void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Something measured, for people. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `count` in the percentage that SHMCHAN_TEST_SCALE says (100), at least 1. */
uint64_t scaled(uint64_t count);

/* --------------------------------------------------------------------------- expectations */

_Noreturn void fail_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void expect_is_at(const char *file, int line, const char *call, long long got, long long want);

#define fail(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define expect(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail("not so: %s", #condition);                                                                  \
    } while (0)
/* expect_is(shmchan_try_send(tx, &m), -EAGAIN) */
#define expect_is(call, want) expect_is_at(__FILE__, __LINE__, #call, (long long)(call), (long long)(want))
#define expect_ok(call)       expect_is(call, 0)

/* ------------------------------------------------------------------------------- watchdog */

/* What this process is about to do, for the case that it gets stuck there; restarts the watchdog. */
void watch(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A long step moves on: the watchdog waits for as long as this changes. Cheap enough for each message. */
void watch_progress(uint64_t done);

/* Waiting for what must come, as long as the watchdog lets us. */
void nap_us(unsigned us);
#define until(condition)                                                                                     \
    do {                                                                                                     \
        while (!(condition))                                                                                 \
            nap_us(500);                                                                                     \
    } while (0)

uint64_t now_ms(void);

/* ------------------------------------------------------------------------------- children */

/* A child that runs `run(arg)` and exits with 0. It dies with its parent. */
pid_t spawn(const char *what, void (*run)(void *arg), void *arg);

int reap(pid_t pid);           /* waits; the status as waitpid() gives it */
void finish(pid_t pid);        /* waits, and expects that it exited with 0 */
void kill_and_reap(pid_t pid); /* SIGKILL, waits, and expects that it died of that */

void stop(pid_t pid);              /* SIGSTOP, and waits until it has stopped */
void resume(pid_t pid);            /* SIGCONT */
void wait_until_asleep(pid_t pid); /* until it has slept in the kernel for some milliseconds */

/* Zeroed memory that the test shares with its children; gone with the test. */
void *shared_memory(size_t bytes);

unsigned descriptors_open(void);

/* ----------------------------------------------------------------------------------- names */

/* A channel name that nobody else has used: "/shmchan-test-RUN-PID-N". Valid for the test's life. */
const char *unique_name(void);

/* "/dev/shm/..." of a channel name. */
const char *path_of(const char *name);
bool name_exists(const char *name);

/* -------------------------------------------------------------------------------- messages */

/*
 * A message that can be told from every other one, in whole: sender, number and length, filler that follows
 * from them, and a checksum over all of it. Messages too short for that (below MESSAGE_WHOLE) are
 * bytes that follow from sender and number.
 */
#define MESSAGE_WHOLE 32u

void message_fill(void *message, uint32_t length, uint32_t sender, uint64_t number);

/* NULL, or what is wrong with it. */
const char *message_fault(const void *message, uint32_t length, uint32_t sender, uint64_t number);

/* Of a whole message. */
uint32_t message_sender(const void *message);
uint64_t message_number(const void *message);

#endif
