/* SPDX-License-Identifier: MIT */
/* What C has no word for: hints to the processor, and its cache lines. Knows nothing. */
#ifndef SHMCHAN_CPU_H
#define SHMCHAN_CPU_H

#include <stdatomic.h>
#include <stdint.h>

#define CPU_LINE 64u /* bytes; where lines are longer, some hints are given twice */

/* One turn of a spin. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most cores */
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* This line will be written soon. */
static inline void cpu_prefetch_write(const void *at)
{
#if defined(__x86_64__) || defined(__i386__)
    /* Compilers emit it only if told that the processor has it; those that have not take it for a no-op. */
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
    __builtin_prefetch(at, 1);
#endif
}

/* Take a line from the other cores for good, by writing to it what it holds. 8 bytes, aligned; nobody else
   may write them meanwhile. */
static inline void cpu_own_line(void *at)
{
    typedef uint64_t __attribute__((may_alias)) any_word;
    volatile any_word *word = at;
    *word = *word;
}

#endif
