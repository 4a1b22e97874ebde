/* SPDX-License-Identifier: MIT */
/* A histogram of nanoseconds with log-linear buckets: 32 in each doubling, so that a value is known to 3 %.
   Plain memory, no allocation; may lie in shared memory. bench/rust/channels.rs counts in the same buckets.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_SUB      (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS  (HISTOGRAM_SUB * (41 - HISTOGRAM_SUB_BITS)) /* up to 2^40 ns, 18 minutes */

struct histogram {
    uint64_t total, max_ns;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t ns)
{
    if (ns < HISTOGRAM_SUB)
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
    unsigned bucket = (shift + 1) * HISTOGRAM_SUB + (unsigned)(ns >> shift) - HISTOGRAM_SUB;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of a bucket. */
static inline double histogram_value_ns(unsigned bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_SUB - 1;
    uint64_t low = (uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB) << shift;
    return (double)low + (double)((1ull << shift) - 1) / 2;
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    h->counts[histogram_bucket(ns)]++;
    h->total++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

/* The value that `share` of all (0 ... 1) do not exceed. */
static inline double histogram_percentile_ns(const struct histogram *h, double share)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen && (double)seen >= share * (double)h->total)
            return histogram_value_ns(i);
    }
    return 0;
}

#endif
