/* SPDX-License-Identifier: MIT */
/*
 * What the machine does meanwhile: two threads, each on a core of its own, in windows of 20 ms, for SECONDS:
 *
 *   rtt_ns       a cache line there and back (median of 64 trips): do the two cores share a cache, or less?
 *   together     a fixed loop of arithmetic on both cores at once / alone: 1 = two whole cores, near 2 = one
 * core's two threads chase        messages a second through a one-to-one ring, the reader right behind the
 * writer (slots of 64 bytes) apart        the same, but the reader waits until 64 are there: it does not
 * chase slot by slot steal_ms     time that the host gave to others (/proc/stat)
 *
 *     regimes [SECONDS] > regimes.csv          (a summary on stderr)
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

#define WINDOWS_MAX 100000u
#define SLOTS       1024u
#define TRIPS       64u

enum work { REST, ANSWER, COMPUTE, READ_CHASING, READ_APART, LEAVE };

static struct {
    uint32_t work __attribute__((aligned(BENCH_LINE)));
    uint32_t ball __attribute__((aligned(BENCH_LINE)));
    uint32_t done __attribute__((aligned(BENCH_LINE)));
    uint64_t tail __attribute__((aligned(BENCH_LINE)));
    uint64_t head __attribute__((aligned(BENCH_LINE)));
    char slots[SLOTS][64] __attribute__((aligned(BENCH_LINE)));
} shared;

struct window {
    double at_s, rtt_ns, together, chase, apart, steal_ms;
};

static cpu_set_t allowed; /* before either thread is pinned */

static void pin_to(unsigned which)
{
    cpu_set_t set;
    unsigned seen = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && seen++ == which) {
            CPU_ZERO(&set);
            CPU_SET(cpu, &set);
            sched_setaffinity(0, sizeof set, &set);
        }
}

static uint64_t compute(unsigned rounds)
{
    uint64_t a = 1, b = 2, c = 3, d = 4; /* four chains: enough to keep a whole core's units busy */
    for (unsigned i = 0; i < rounds; i++) {
        a = a * 5 + 1;
        b = b * 7 + 3;
        c ^= c << 7 ^ i;
        d += c >> 3 ^ b;
    }
    return a ^ b ^ c ^ d;
}

static volatile uint64_t sink;

/* Reads until told to stop. `behind`: how many must be there before it begins to take them. */
static void read_ring(uint32_t work, uint64_t behind)
{
    char message[64];
    uint64_t head = 0;
    while (__atomic_load_n(&shared.work, __ATOMIC_RELAXED) == work) {
        uint64_t tail = __atomic_load_n(&shared.tail, __ATOMIC_ACQUIRE);
        if (tail - head < behind)
            continue;
        for (; head < tail; head++) {
            memcpy(message, shared.slots[head % SLOTS], sizeof message);
            sink = (uint64_t)message[0];
            __atomic_store_n(&shared.head, head + 1, __ATOMIC_RELEASE);
        }
    }
}

static void *partner(void *unused)
{
    uint32_t answered = 0;
    pin_to(1);
    for (uint32_t work; (work = __atomic_load_n(&shared.work, __ATOMIC_ACQUIRE)) != LEAVE;) {
        if (work == ANSWER) {
            uint32_t ball = __atomic_load_n(&shared.ball, __ATOMIC_ACQUIRE);
            if (ball & 1 && ball != answered) {
                answered = ball;
                __atomic_store_n(&shared.ball, ball + 1, __ATOMIC_RELEASE);
            }
        } else if (work == COMPUTE) {
            sink = compute(1000);
        } else if (work == READ_CHASING || work == READ_APART) {
            read_ring(work, work == READ_APART ? 64 : 1);
        } else {
            bench_relax();
        }
        __atomic_store_n(&shared.done, work, __ATOMIC_RELEASE);
    }
    return unused;
}

static void give(uint32_t work)
{
    __atomic_store_n(&shared.work, work, __ATOMIC_RELEASE);
    while (work == REST && __atomic_load_n(&shared.done, __ATOMIC_ACQUIRE) != REST)
        bench_relax();
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count ? values[count / 2] : 0;
}

static double measure_rtt(void)
{
    static uint32_t ball = 1;
    double trips[TRIPS];
    give(ANSWER);
    for (unsigned i = 0; i < TRIPS; i++, ball += 2) {
        uint64_t begin = bench_now_ns();
        /* Ten trips a reading of the clock. */
        for (unsigned j = 0; j < 10; j++, ball += 2) {
            __atomic_store_n(&shared.ball, ball, __ATOMIC_RELEASE);
            while (__atomic_load_n(&shared.ball, __ATOMIC_ACQUIRE) != ball + 1)
                ;
        }
        trips[i] = (double)(bench_now_ns() - begin) / 10;
    }
    give(REST);
    return median(trips, TRIPS);
}

static double time_compute(void)
{
    double ns[9];
    for (unsigned i = 0; i < 9; i++) {
        uint64_t begin = bench_now_ns();
        sink = compute(20000);
        ns[i] = (double)(bench_now_ns() - begin);
    }
    return median(ns, 9);
}

static double measure_together(void)
{
    give(REST);
    double alone = time_compute();
    give(COMPUTE);
    double both = time_compute();
    give(REST);
    return both / alone;
}

static double measure_stream(uint32_t work)
{
    char message[64] = "";
    uint64_t tail = 0, head = 0, begin = bench_now_ns(), end = begin + 4000000;
    shared.tail = shared.head = 0;
    give(work);
    while (tail % 256 != 0 || bench_now_ns() < end) {
        if (tail - head == SLOTS)
            while (tail - (head = __atomic_load_n(&shared.head, __ATOMIC_ACQUIRE)) == SLOTS)
                bench_relax();
        memcpy(shared.slots[tail % SLOTS], message, sizeof message);
        __atomic_store_n(&shared.tail, ++tail, __ATOMIC_RELEASE);
    }
    double seconds = (double)(bench_now_ns() - begin) / 1e9;
    give(REST);
    return (double)tail / seconds;
}

static double steal_ms(void)
{
    unsigned long long steal = 0;
    FILE *f = fopen("/proc/stat", "r");
    if (f && fscanf(f, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1)
        steal = 0;
    if (f)
        fclose(f);
    return (double)steal * 1000 / (double)sysconf(_SC_CLK_TCK);
}

/* A figure's quartiles, and how it goes with the stream of the same window (rank correlation is not needed to
   see two regimes: the quartiles are apart, and the sign tells). */
static void summarize(const char *name, const struct window *w, unsigned count, size_t offset)
{
    double *values = malloc(count * sizeof *values), mean = 0, stream_mean = 0, cross = 0, own = 0,
           stream = 0;
    if (!values)
        return;
    for (unsigned i = 0; i < count; i++) {
        values[i] = *(const double *)((const char *)&w[i] + offset);
        mean += values[i] / count;
        stream_mean += w[i].chase / count;
    }
    for (unsigned i = 0; i < count; i++) {
        cross += (values[i] - mean) * (w[i].chase - stream_mean);
        own += (values[i] - mean) * (values[i] - mean);
        stream += (w[i].chase - stream_mean) * (w[i].chase - stream_mean);
    }
    double both = own * stream, r2 = both > 0 ? cross * cross / both : 0;
    qsort(values, count, sizeof *values, by_value);
    fprintf(stderr,
            "%-10s p5 %.4g  p25 %.4g  p50 %.4g  p75 %.4g  p95 %.4g   with chase: %s%.2f (r squared)\n", name,
            values[count / 20], values[count / 4], values[count / 2], values[count * 3 / 4],
            values[count * 19 / 20], cross < 0 ? "-" : "+", r2);
    free(values);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 20;
    struct window *windows = calloc(WINDOWS_MAX, sizeof *windows);
    unsigned count = 0;
    pthread_t thread;
    sched_getaffinity(0, sizeof allowed, &allowed);
    pin_to(0);
    if (!windows || pthread_create(&thread, NULL, partner, NULL) != 0)
        return 1;
    uint64_t begin = bench_now_ns();
    double steal_before = steal_ms();
    printf("at_s,rtt_ns,together,chase,apart,steal_ms\n");
    for (uint64_t now = begin; count < WINDOWS_MAX && (double)(now - begin) / 1e9 < seconds;
         now = bench_now_ns()) {
        struct window *w = &windows[count++];
        w->at_s = (double)(now - begin) / 1e9;
        w->rtt_ns = measure_rtt();
        w->together = measure_together();
        w->chase = measure_stream(READ_CHASING);
        w->apart = measure_stream(READ_APART);
        double steal = steal_ms();
        w->steal_ms = steal - steal_before;
        steal_before = steal;
        printf("%.3f,%.1f,%.3f,%.0f,%.0f,%.0f\n", w->at_s, w->rtt_ns, w->together, w->chase, w->apart,
               w->steal_ms);
    }
    __atomic_store_n(&shared.work, LEAVE, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    summarize("rtt_ns", windows, count, offsetof(struct window, rtt_ns));
    summarize("together", windows, count, offsetof(struct window, together));
    summarize("chase", windows, count, offsetof(struct window, chase));
    summarize("apart", windows, count, offsetof(struct window, apart));
    summarize("steal_ms", windows, count, offsetof(struct window, steal_ms));
    free(windows);
    return 0;
}
