/* SPDX-License-Identifier: MIT */
/*
 * A live region is scribbled over while two senders, a receiver and an inspector work with it.
 *
 *     scribble [SECONDS [SEED]]
 *
 * Garbage and errors may come out; but no crash, no sanitizer report, no access outside the region (guard.h),
 * no result that is not documented, and no call that takes longer than PATIENCE_S. The scribbler alternates
 * between writing anywhere behind the header and writing just the words that steer the library. It spares the
 * header (whose damage opening tells) and the libc's mutex (the one gap that is known and said).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "guard.h"

#define MESSAGE    40u
#define CAPACITY   8u
#define SENDERS    6u
#define BATCH      20u
#define TIMEOUT_MS 20
#define PATIENCE_S 30

enum { SCRIBBLER, RECEIVER, SENDER_1, SENDER_2, INSPECTOR, WORKERS };

/* What a worker is in, and since when: shared with the parent, which watches. */
struct worker {
    _Atomic(const char *) call;
    _Atomic int64_t since_ns;
    _Atomic uint64_t calls;
    _Atomic int64_t longest_ns;
    _Atomic uint64_t good;
    _Atomic uint64_t errors;
};

static struct worker *workers;
static struct worker *own;
static char name[64];
static uint64_t random_state;
static int64_t end_ns;

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool time_is_over(void)
{
    return now_ns() >= end_ns;
}

/* ----------------------------------------------------------------------------------------------- calls */

static void begin_call(const char *call)
{
    own->since_ns = now_ns();
    own->call = call;
}

/* `allowed`: the errors that the header names, up to a 0. */
static long long end_call(long long result, const int *allowed)
{
    int64_t took = now_ns() - own->since_ns;
    const char *call = own->call;
    own->call = NULL;
    own->calls++;
    if (took > own->longest_ns)
        own->longest_ns = took;
    if (result >= 0) {
        own->good++;
        return result;
    }
    own->errors++;
    while (*allowed && *allowed != -result)
        allowed++;
    if (!*allowed) {
        fprintf(stderr, "%s returned %lld (%s)\n", call, result, strerror((int)-result));
        _exit(3);
    }
    return result;
}

#define CALL(call, ...) (begin_call(#call), end_call((call), (const int[]){__VA_ARGS__, 0}))

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "not so: %s\n", what);
    _exit(3);
}

/* --------------------------------------------------------------------------------------------- workers */

static void receive_round(shmchan_receiver *rx, char *messages)
{
    struct shmchan_info info;
    const void *message;
    CALL(shmchan_recv_timed(rx, messages, TIMEOUT_MS), ETIMEDOUT, EBADMSG);
    insist(CALL(shmchan_recv_many(rx, messages, BATCH, 0), ETIMEDOUT, EBADMSG) <= (long long)BATCH,
           "recv_many: no more than was asked for");
    if (CALL(shmchan_peek(rx, &message, &info, 1), ETIMEDOUT, EBADMSG) == 1) {
        insist(info.length <= MESSAGE && info.sender_id < SENDERS, "peek: what it says of a message");
        memcpy(messages, message, info.length);
        CALL(shmchan_release(rx), 0);
    }
}

static void receiver(void)
{
    char *messages = malloc((size_t)MESSAGE * BATCH); /* its end is watched */
    while (!time_is_over()) {
        shmchan_receiver *rx;
        if (CALL(shmchan_receiver_open(name, NULL, &rx), EBADMSG) < 0)
            continue;
        for (int i = 0; i < 500 && !time_is_over(); i++)
            receive_round(rx, messages);
        shmchan_receiver_close(rx);
    }
    free(messages);
}

static void send_round(shmchan_sender *tx, const char *messages)
{
    void *slot;
    CALL(shmchan_send_timed(tx, messages, TIMEOUT_MS), ETIMEDOUT, EBADMSG, EPIPE);
    insist(CALL(shmchan_send_many(tx, messages, BATCH, 1), ETIMEDOUT, EBADMSG, EPIPE) <= (long long)BATCH,
           "send_many: no more than was given");
    CALL(shmchan_send_sized(tx, messages, 7, 0), ETIMEDOUT, EBADMSG, EPIPE);
    if (CALL(shmchan_reserve(tx, &slot, 1), ETIMEDOUT, EBADMSG, EPIPE) == 0) {
        memset(slot, 7, MESSAGE);
        CALL(shmchan_commit(tx, 9), EPIPE);
    }
}

static void sender(void)
{
    char *messages = calloc(BATCH, MESSAGE);
    while (!time_is_over()) {
        shmchan_sender *tx;
        if (CALL(shmchan_sender_open(name, NULL, &tx), EBADMSG, EUSERS) < 0)
            continue;
        for (int i = 0; i < 500 && !time_is_over(); i++)
            send_round(tx, messages);
        shmchan_sender_close(tx);
    }
    free(messages);
}

static void inspector(void)
{
    struct shmchan_sender_state *senders = calloc(SENDERS, sizeof *senders);
    while (!time_is_over()) {
        struct shmchan_snapshot snapshot;
        insist(CALL(shmchan_inspect_senders(name, &snapshot, senders, SENDERS), EBADMSG) <=
                   (long long)SENDERS,
               "inspect_senders: no more than there are");
        for (uint32_t i = 0; i < SENDERS; i++)
            insist(senders[i].sent - senders[i].received <= CAPACITY, "inspect: no more than a lane holds");
        sched_yield();
    }
    free(senders);
}

/* ------------------------------------------------------------------------------------------ scribbling */

static uint64_t some_value(uint64_t old)
{
    switch (random64() % 6) {
    case 0:
        return 0;
    case 1:
        return random64();
    case 2:
        return random64() % 64;
    case 3:
        return UINT64_MAX - random64() % 64;
    case 4:
        return old + random64() % 17 - 8;
    default:
        return UINT64_C(1) << random64() % 64;
    }
}

static size_t any_offset(void)
{
    size_t begin = sizeof(struct shm_header);
    return (begin + random64() % ((size_t)guard_geometry.region_bytes - begin - 8)) & ~(size_t)3;
}

#define PLACE(field)   offsetof(struct shm_place, field)
#define CONTROL(field) offsetof(struct shm_control, field)

static size_t chosen_offset(void)
{
    static const size_t of_place[] = {PLACE(tail), PLACE(tail),         PLACE(head),       PLACE(head),
                                      PLACE(idle), PLACE(room.waiting), PLACE(room.posts), PLACE(reserved)};
    static const size_t of_control[] = {
        CONTROL(ready_words),     CONTROL(ready[0]),         CONTROL(ready[1]),
        CONTROL(receiver_closed), CONTROL(receivers_joined), CONTROL(not_empty.waiting),
        CONTROL(not_empty.posts), CONTROL(senders_joined),   CONTROL(ticket)};
    const struct geometry *g = &guard_geometry;
    uint32_t place = (uint32_t)(random64() % SENDERS);
    switch (random64() % 4) {
    case 0:
        return of_control[random64() % (sizeof of_control / sizeof *of_control)];
    case 1: /* a slot's ticket or length */
        return (size_t)geometry_lane_offset(g, place) + random64() % CAPACITY * g->slot_bytes +
               random64() % 2 * 8;
    default:
        return sizeof(struct shm_control) + place * sizeof(struct shm_place) +
               of_place[random64() % (sizeof of_place / sizeof *of_place)];
    }
}

static void scribble_once(char *bytes, bool anywhere)
{
    size_t at = anywhere ? any_offset() : chosen_offset();
    bool whole = at % 8 == 0 && random64() % 2;
    size_t mutex = CONTROL(mutex);
    if (at + 8 > mutex && at < mutex + 64)
        return;
    if (whole) {
        _Atomic uint64_t *word = (_Atomic uint64_t *)(void *)(bytes + at);
        atomic_store_explicit(word, some_value(*word), memory_order_relaxed);
    } else {
        _Atomic uint32_t *word = (_Atomic uint32_t *)(void *)(bytes + at);
        atomic_store_explicit(word, (uint32_t)some_value(*word), memory_order_relaxed);
    }
    own->good++;
}

/* In turns: without a pause, now and then (so that something happens between two blows), not at all. */
static void scribbler(void)
{
    char path[80];
    snprintf(path, sizeof path, "/dev/shm%s", name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char *bytes = fd < 0 ? MAP_FAILED
                         : __real_mmap64(NULL, (size_t)guard_geometry.region_bytes, PROT_READ | PROT_WRITE,
                                         MAP_SHARED, fd, 0);
    insist(bytes != MAP_FAILED, "the scribbler maps the region");
    for (unsigned turn = 0; !time_is_over(); turn++) {
        int64_t until = now_ns() + 300000000;
        while (now_ns() < until) {
            unsigned blows = turn % 3 == 0 ? 256 : turn % 3 == 1 ? 1 + random64() % 4 : 0;
            for (unsigned i = 0; i < blows; i++)
                scribble_once(bytes, turn / 3 % 2);
            if (blows < 256)
                nanosleep(&(struct timespec){.tv_nsec = (long)(random64() % 200000)}, NULL);
        }
    }
}

/* ---------------------------------------------------------------------------------------------- parent */

static const struct {
    const char *what;
    void (*work)(void);
} roles[WORKERS] = {
    [SCRIBBLER] = {"scribbler", scribbler}, [RECEIVER] = {"receiver", receiver},
    [SENDER_1] = {"sender 1", sender},      [SENDER_2] = {"sender 2", sender},
    [INSPECTOR] = {"inspector", inspector},
};

/* What lies behind the last place is poisoned only after the creator has cleared it. */
static bool make_channel(void)
{
    struct shmchan_options opts =
        SHMCHAN_OPTIONS(.message_size = MESSAGE, .capacity = CAPACITY, .max_senders = SENDERS);
    shmchan_receiver *rx;
    if (shmchan_receiver_create(name, &opts, &rx) < 0)
        return false;
    shmchan_receiver_close(rx);
    return geometry_make(&opts, &guard_geometry) == 0;
}

static pid_t start(int i, uint64_t seed)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    own = &workers[i];
    random_state = (seed + (uint64_t)i + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    roles[i].work();
    _exit(0);
}

static bool is_stuck(int i)
{
    const char *call = workers[i].call;
    int64_t since = workers[i].since_ns;
    if (!call || now_ns() - since < INT64_C(1000000000) * PATIENCE_S)
        return false;
    printf("STUCK: %s has been in %s for %d s\n", roles[i].what, call, PATIENCE_S);
    return true;
}

/* True: it ended as it should. */
static bool judge(int i, int status)
{
    if (status == 0)
        return true;
    printf("%s ended with status %#x, in %s\n", roles[i].what, (unsigned)status,
           workers[i].call ? workers[i].call : "no call");
    return false;
}

/* Until all have ended; at the first failure the others are killed. */
static bool watch(pid_t *pids)
{
    bool good = true;
    for (int left = WORKERS; left > 0;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        for (int i = 0; i < WORKERS; i++) {
            if (pid > 0 && pids[i] == pid) {
                pids[i] = 0;
                left--;
                good = (good ? judge(i, status) : good);
            } else if (pids[i] && good && is_stuck(i)) {
                good = false;
            }
        }
        if (!good)
            for (int i = 0; i < WORKERS; i++)
                if (pids[i])
                    kill(pids[i], SIGKILL);
        if (pid <= 0)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return good;
}

static bool says_enough(void)
{
    uint64_t calls = 0;
    int64_t longest = 0;
    for (int i = RECEIVER; i < WORKERS; i++) {
        printf("%-10s %9llu calls, %llu of them errors, the longest %lld ms\n", roles[i].what,
               (unsigned long long)workers[i].calls, (unsigned long long)workers[i].errors,
               (long long)(workers[i].longest_ns / 1000000));
        calls += workers[i].calls;
        longest = workers[i].longest_ns > longest ? workers[i].longest_ns : longest;
        if (workers[i].good == 0)
            printf("%s has done nothing\n", roles[i].what);
    }
    printf("scribbles %llu, calls %llu, longest %lld ms\n", (unsigned long long)workers[SCRIBBLER].good,
           (unsigned long long)calls, (long long)(longest / 1000000));
    return workers[SCRIBBLER].good > 0 && workers[RECEIVER].good > 0 && workers[INSPECTOR].good > 0;
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 60;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)now_ns();
    pid_t pids[WORKERS];
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    snprintf(name, sizeof name, "/shmchan-fuzz-%d", (int)getpid());
    workers = __real_mmap64(NULL, sizeof *workers * WORKERS, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED || !make_channel()) {
        fprintf(stderr, "no memory, or no channel\n");
        return 2;
    }
    end_ns = now_ns() + (int64_t)seconds * 1000000000;
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start(i, seed);
    bool good = watch(pids);
    shmchan_unlink(name);
    good = says_enough() && good;
    return good ? 0 : 1;
}
