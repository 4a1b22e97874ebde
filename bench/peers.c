/* SPDX-License-Identifier: MIT */
/* The table of peers that this build has, and the names of those that it has not. BENCH_HAVE_...: see
 * bench.mk. */
#include <sys/mman.h>

#include "peer.h"

extern const struct peer peer_pipe, peer_mq, peer_seqpacket, peer_sysv, peer_textbook, peer_semaphore;
extern const struct peer peer_boost, peer_zeromq, peer_ck_ring, peer_rte_mp, peer_rte_rts;
extern const struct peer peer_spsc, peer_spsc_batch, peer_memcpy2, peer_memcpy8;
extern const struct peer peer_shmchan, peer_unordered, peer_gather, peer_many, peer_unordered_many,
    peer_place;
extern const struct peer peer_places, peer_quiet;

#ifdef BENCH_HAVE_RUST
#define RUST_DEATH "threads of one process die together"

static const char *rust_refuses(const struct peer_shape *shape)
{
    return shape->bytes != 64 ? "built for messages of 64 bytes" : NULL;
}

static const struct peer peer_rust_mpsc = {
    .id = "rust-mpsc",
    .what = "Rust std::sync::mpsc::channel, threads",
    .death = RUST_DEATH,
    .order = "one queue",
    .means = "between threads, not processes; without bound: senders never wait, memory grows instead",
    .traits = PEER_BLOCKS | PEER_UNBOUNDED,
    .refuses = rust_refuses,
    .program = "rust-channels",
    .mode = "mpsc",
};

static const struct peer peer_rust_sync = {
    .id = "rust-sync",
    .what = "Rust std::sync::mpsc::sync_channel, threads",
    .death = RUST_DEATH,
    .order = "one queue",
    .means = "between threads, not processes",
    .traits = PEER_BLOCKS,
    .refuses = rust_refuses,
    .program = "rust-channels",
    .mode = "sync",
};
#endif

const struct peer *const bench_peers[] = {
    &peer_pipe,      &peer_mq,        &peer_seqpacket, &peer_sysv,
#ifdef BENCH_HAVE_ZEROMQ
    &peer_zeromq,
#endif
#ifdef BENCH_HAVE_BOOST
    &peer_boost,
#endif
    &peer_textbook,
#ifdef BENCH_HAVE_RUST
    &peer_rust_mpsc, &peer_rust_sync,
#endif
#ifdef BENCH_HAVE_CK
    &peer_ck_ring,
#endif
#ifdef BENCH_HAVE_RTE
    &peer_rte_mp,    &peer_rte_rts,
#endif
    &peer_semaphore, &peer_memcpy2,   &peer_memcpy8,   &peer_spsc, &peer_spsc_batch,
    &peer_shmchan,   &peer_unordered, &peer_gather,    &peer_many, &peer_unordered_many,
    &peer_place,     &peer_places,    &peer_quiet,     NULL,
};

const char *const bench_absent[] = {
#ifndef BENCH_HAVE_ZEROMQ
    "zeromq: libzmq3-dev",
#endif
#ifndef BENCH_HAVE_BOOST
    "boost: libboost-dev and g++",
#endif
#ifndef BENCH_HAVE_RUST
    "rust-mpsc, rust-sync: rustc",
#endif
#ifndef BENCH_HAVE_CK
    "ck_ring: libck-dev",
#endif
#ifndef BENCH_HAVE_RTE
    "rte_ring-mp, rte_ring-rts: libdpdk-dev",
#endif
    NULL,
};

void *bench_shared(size_t bytes)
{
    /* Backed now, so that no page fault is measured. */
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void bench_shared_free(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}
