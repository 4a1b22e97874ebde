/* SPDX-License-Identifier: MIT */
/*
 * What a peer is to the harness: how to make the channel, a sender, a receiver, and the loops that drive
 * them. The loops are always-inline and take a peer's own send and receive as arguments, so no peer pays for
 * a call through a pointer that another one does not. Read by C and C++.
 *
 * A message is `bytes` long, at least 8. Its first word tells the sender and the number of the message, its
 * last word (from 16 bytes on) is made of the first: the receiver checks the order of each sender, and that
 * first and last belong together. The last message of a sender says so; the run is over when each sender's
 * has come.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "histogram.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_SENDERS_MAX 64
#define BENCH_BYTES_MAX   65536
#define BENCH_BATCH_MAX   1024
#define BENCH_LINE        128

enum {
    PEER_BLOCKS = 1,    /* who waits sleeps in the kernel */
    PEER_SPINS = 2,     /* who waits burns its core (pause, then yield) */
    PEER_YARDSTICK = 4, /* no channel: what the machine can do */
    PEER_OURS = 8,
    PEER_BATCHES = 16,  /* hands over shape.batch messages at a time */
    PEER_SPECIAL = 32,  /* only in the rows that name it */
    PEER_UNBOUNDED = 64 /* its senders never wait: memory grows instead */
};

struct peer_shape {
    unsigned senders;
    unsigned bytes;    /* of a message */
    unsigned capacity; /* messages; of all senders together, or of each where the peer has a ring a sender */
    unsigned batch;    /* messages a call, for those that can */
    unsigned turns;    /* of a spin, that the receiver spends on each message */
};

/* What a half tells the harness while it runs. Lies in shared memory; each has lines of its own. */
struct bench_half {
    uint64_t count __attribute__((aligned(BENCH_LINE))); /* messages done */
    uint64_t started_ns, ended_ns;
    uint64_t cpu_ns;
    uint64_t sleeps;      /* voluntary context switches */
    uint64_t preemptions; /* involuntary ones */
    int step;             /* enum bench_step */
    char error[160];
};

enum bench_step {
    STEP_FORKED,
    STEP_OPENING,
    STEP_READY,
    STEP_RUNNING,
    STEP_FINISHED,
    STEP_CLOSING,
    STEP_DONE
};

struct sender_task {
    const struct peer_shape *shape;
    struct bench_half *half;
    const uint32_t *stop; /* 1: the time is over */
    unsigned index;
    char *buffer; /* BENCH_BATCH_MAX messages, or one of BENCH_BYTES_MAX */
};

struct receiver_task {
    const struct peer_shape *shape;
    struct bench_half *half;
    uint64_t expected[BENCH_SENDERS_MAX]; /* the next first word of each sender */
    char *buffer;                         /* as the sender's */
};

struct ping_task {
    const struct peer_shape *shape;
    struct bench_half *half;
    const uint32_t *stop;
    struct histogram *histogram; /* of round trips, ns; the pinging side's */
    unsigned pause_us;           /* between two pings, without sleeping */
    char *buffer;                /* one message to send, one to receive */
};

struct peer {
    const char *id;
    const char *what;  /* a line: what it is */
    const char *death; /* what the death of a process at any instruction does */
    const char *order; /* what is promised of order between senders */
    const char *means; /* what the figure means, and what it does not */
    unsigned traits;

    /* NULL, or why it cannot do this. */
    const char *(*refuses)(const struct peer_shape *shape);
    /* In the harness, before fork. `name` is unique to this run. 0 or -errno. */
    int (*open)(const struct peer_shape *shape, const char *name, void **ret_channel);
    void (*close)(void *channel);
    /* In the process of the half. Every sender and the receiver may open at once. */
    int (*open_sender)(void *channel, unsigned index, void **ret_sender);
    int (*open_receiver)(void *channel, void **ret_receiver);
    void (*close_sender)(void *sender);
    void (*close_receiver)(void *receiver);
    /* Until told to stop, or all has come. 0, -errno, or -EBADMSG: order, count or content was wrong. */
    int (*send_all)(void *sender, struct sender_task *task);
    int (*receive_all)(void *receiver, struct receiver_task *task);
    int (*ping)(void *sender, void *receiver, struct ping_task *task);
    int (*pong)(void *sender, void *receiver, struct ping_task *task);

    /* Instead of all that: a program of its own (threads of another language). */
    const char *program, *mode;
};

/* Those that this build has, and the names of those it has not (as "name: what to install"). */
extern const struct peer *const bench_peers[];
extern const char *const bench_absent[];

/* ------------------------------------------------------------------------------------------- waiting */

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void bench_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* How every peer that spins waits for room or for a message: 100 pauses, then it yields. Without the yield
   they are slower yet, where there are more processes than cores. */
static inline void bench_spin(unsigned *round)
{
    if (++*round < 100)
        bench_relax();
    else
        sched_yield();
}

/* ------------------------------------------------------------------------------------------ messages */

#define BENCH_END      (1ull << 47)
#define BENCH_SEQUENCE (BENCH_END - 1)

static inline uint64_t bench_word(unsigned sender, uint64_t sequence)
{
    return (uint64_t)sender << 48 | sequence;
}

static inline uint64_t bench_check(uint64_t word)
{
    return word * 0x9e3779b97f4a7c15ull;
}

static inline __attribute__((always_inline)) void bench_stamp(char *message, unsigned bytes, uint64_t word)
{
    memcpy(message, &word, sizeof word);
    if (bytes >= 16) {
        uint64_t check = bench_check(word);
        memcpy(message + bytes - sizeof check, &check, sizeof check);
    }
}

/* For peers whose copy is ours to write: 64 bytes, the size most is measured at, without a call. */
static inline __attribute__((always_inline)) void bench_copy(void *to, const void *from, size_t bytes)
{
    if (bytes == 64)
        memcpy(to, from, 64);
    else
        memcpy(to, from, bytes);
}

/* A message used where it lies: one word of each cache line is read. */
static inline __attribute__((always_inline)) uint64_t bench_use(const char *message, unsigned bytes)
{
    uint64_t sum = 0, word;
    for (unsigned at = 64; at + sizeof word <= bytes; at += 64) {
        memcpy(&word, message + at, sizeof word);
        sum += word;
    }
    return sum;
}

/* 0, 1: its sender's last, -EBADMSG. */
static inline __attribute__((always_inline)) int bench_verify(struct receiver_task *t, const char *message,
                                                              unsigned bytes)
{
    uint64_t word, check;
    memcpy(&word, message, sizeof word);
    if (bytes >= 16) {
        memcpy(&check, message + bytes - sizeof check, sizeof check);
        if (__builtin_expect(check != bench_check(word), 0))
            return -EBADMSG;
    }
    uint64_t sender = word >> 48;
    if (__builtin_expect(sender >= t->shape->senders, 0))
        return -EBADMSG;
    if (__builtin_expect(word != t->expected[sender], 0)) {
        if (word != (t->expected[sender] | BENCH_END))
            return -EBADMSG;
        t->expected[sender] = ~0ull; /* nothing may come after it */
        return 1;
    }
    t->expected[sender]++;
    return 0;
}

/* --------------------------------------------------------------------------------------------- loops */

/* Send `count` messages that lie at `messages`. 0 or -errno. */
typedef int bench_send(void *sender, const char *messages, unsigned count);
/* Wait for messages. How many lie at *ret_messages, or -errno. */
typedef int bench_receive(void *receiver, char *buffer, const char **ret_messages);
/* Done with what was received last. */
typedef int bench_done(void *receiver);

static inline int bench_done_nothing(void *receiver)
{
    (void)receiver;
    return 0;
}

static inline bool bench_stopped(const uint32_t *stop)
{
    return __atomic_load_n(stop, __ATOMIC_RELAXED) != 0;
}

static inline void bench_progress(struct bench_half *half, uint64_t count)
{
    __atomic_store_n(&half->count, count, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline)) int bench_sender_loop(void *sender, struct sender_task *t,
                                                                   unsigned batch, bench_send *send)
{
    const unsigned bytes = t->shape->bytes;
    uint64_t n = 0;
    int r = 0;
    while (!bench_stopped(t->stop)) {
        for (unsigned i = 0; i < batch; i++)
            bench_stamp(t->buffer + (size_t)i * bytes, bytes, bench_word(t->index, n + i));
        r = send(sender, t->buffer, batch);
        if (__builtin_expect(r < 0, 0))
            return r;
        bench_progress(t->half, n += batch);
    }
    bench_stamp(t->buffer, bytes, bench_word(t->index, n | BENCH_END));
    r = send(sender, t->buffer, 1);
    return r < 0 ? r : 0;
}

static inline __attribute__((always_inline)) int bench_receiver_loop(void *receiver, struct receiver_task *t,
                                                                     bench_receive *receive, bench_done *done)
{
    const unsigned bytes = t->shape->bytes;
    unsigned ended = 0;
    uint64_t n = 0;
    while (ended < t->shape->senders) {
        const char *messages = NULL;
        int count = receive(receiver, t->buffer, &messages);
        if (__builtin_expect(count < 0, 0))
            return count;
        for (int i = 0; i < count; i++) {
            int r = bench_verify(t, messages + (size_t)i * bytes, bytes);
            for (unsigned turn = 0; turn < t->shape->turns; turn++)
                bench_relax();
            if (__builtin_expect(r != 0, 0)) {
                if (r < 0)
                    return r;
                ended++;
            }
        }
        int r = done(receiver);
        if (__builtin_expect(r < 0, 0))
            return r;
        bench_progress(t->half, n += (unsigned)count);
    }
    return 0;
}

/* One message. 0, 1: it was the last, -errno. */
static inline __attribute__((always_inline)) int bench_ping_receive(void *receiver, const struct ping_task *t,
                                                                    uint64_t expected, bench_receive *receive,
                                                                    bench_done *done)
{
    const char *message = NULL;
    uint64_t word;
    int r = receive(receiver, t->buffer + t->shape->bytes, &message);
    if (r < 0)
        return r;
    memcpy(&word, message, sizeof word);
    r = done(receiver);
    return r < 0 ? r : word == expected ? 0 : word == (expected | BENCH_END) ? 1 : -EBADMSG;
}

static inline void bench_pause(unsigned us)
{
    if (us)
        for (uint64_t end = bench_now_ns() + us * 1000ull; bench_now_ns() < end;)
            bench_relax();
}

static inline __attribute__((always_inline)) int bench_ping_loop(void *sender, void *receiver,
                                                                 struct ping_task *t, bench_send *send,
                                                                 bench_receive *receive, bench_done *done)
{
    bool last = false;
    for (uint64_t n = 0; !last; n++) {
        bench_pause(t->pause_us);
        last = bench_stopped(t->stop);
        bench_stamp(t->buffer, t->shape->bytes, n | (last ? BENCH_END : 0));
        uint64_t sent_ns = bench_now_ns();
        int r = send(sender, t->buffer, 1);
        if (r >= 0)
            r = bench_ping_receive(receiver, t, n, receive, done);
        if (r < 0)
            return r;
        histogram_add(t->histogram, bench_now_ns() - sent_ns);
        bench_progress(t->half, n);
    }
    return 0;
}

static inline __attribute__((always_inline)) int bench_pong_loop(void *sender, void *receiver,
                                                                 struct ping_task *t, bench_send *send,
                                                                 bench_receive *receive, bench_done *done)
{
    int r = 0;
    for (uint64_t n = 0; r == 0; n++) {
        r = bench_ping_receive(receiver, t, n, receive, done);
        if (r < 0)
            return r;
        bench_stamp(t->buffer, t->shape->bytes, n | (r ? BENCH_END : 0));
        int sent = send(sender, t->buffer, 1);
        if (sent < 0)
            return sent;
        bench_progress(t->half, n);
    }
    return 0;
}

/* The loops of a peer, in its own file: NAME_send_all and so on. The batch is 1, or the shape's. */
#define BENCH_STREAM_LOOPS(name, batch_, send_, receive_, done_)                                             \
    static int name##_send_all(void *sender, struct sender_task *t)                                          \
    {                                                                                                        \
        return bench_sender_loop(sender, t, batch_, send_);                                                  \
    }                                                                                                        \
    static int name##_receive_all(void *receiver, struct receiver_task *t)                                   \
    {                                                                                                        \
        return bench_receiver_loop(receiver, t, receive_, done_);                                            \
    }

#define BENCH_PING_LOOPS(name, send_, receive_, done_)                                                       \
    static int name##_ping(void *sender, void *receiver, struct ping_task *t)                                \
    {                                                                                                        \
        return bench_ping_loop(sender, receiver, t, send_, receive_, done_);                                 \
    }                                                                                                        \
    static int name##_pong(void *sender, void *receiver, struct ping_task *t)                                \
    {                                                                                                        \
        return bench_pong_loop(sender, receiver, t, send_, receive_, done_);                                 \
    }

#define BENCH_LOOPS(name, batch_, send_, receive_, done_)                                                    \
    BENCH_STREAM_LOOPS(name, batch_, send_, receive_, done_)                                                 \
    BENCH_PING_LOOPS(name, send_, receive_, done_)

/* Zeroed memory that the children share; NULL. */
void *bench_shared(size_t bytes);
void bench_shared_free(void *memory, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
