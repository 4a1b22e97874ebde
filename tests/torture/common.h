/* SPDX-License-Identifier: MIT */
/* What both torture programs share: time, chance, shared memory, messages that can be told from all others,
   and a record of violations. */
#ifndef TORTURE_COMMON_H
#define TORTURE_COMMON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shmchan.h"

/* ------------------------------------------------------------------------------------ time and chance */

int64_t now_ns(void);
void nap_us(unsigned us);

struct chance {
    uint64_t state;
};
uint64_t chance_next(struct chance *c);
/* 0 ... below - 1 */
uint32_t chance_below(struct chance *c, uint32_t below);
bool chance_percent(struct chance *c, unsigned percent);
/* Between low and high, each order of magnitude as likely as the other. */
uint64_t chance_log(struct chance *c, uint64_t low, uint64_t high);

/* A number from the environment; empty counts as unset, and what is no number ends the program. */
uint64_t setting(const char *name, uint64_t otherwise);

/* ------------------------------------------------------------------------------------------- processes */

/* Zeroed, shared with the children. */
void *shared_memory(size_t bytes);

/* The letter in /proc/PID/stat: R, S, D, T, t, Z; 0: gone. */
char process_state(pid_t pid);

/* How many names in /dev/shm begin with this prefix (which has no slash); they are removed. */
unsigned names_left(const char *prefix);

/* What cannot be gone on after: it is the harness that failed. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ------------------------------------------------------------------------------------------ violations */

#define VIOLATION_TEXTS 24

/* In shared memory; anyone may add. Printed as they come, so many from `quiet_before` on. */
struct violations {
    _Atomic uint32_t count;
    _Atomic uint32_t quiet_before;
};
void violation(struct violations *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -------------------------------------------------------------------------------------------- messages */

/* The head of each message; filler that follows from it makes up the rest. */
struct message_head {
    uint32_t row;    /* who sent it: a row of the ledger */
    uint32_t number; /* 0, 1, ... for each row */
    uint64_t stamp;  /* the ledger's clock just before the call that sent it */
    uint32_t first;  /* of the batch that it belongs to: its first number, */
    uint32_t whole;  /* and how many arrive together or not at all; 0: no promise */
    uint64_t sum;    /* over the fields above and the filler */
};

void message_fill(void *message, uint32_t size, struct message_head head);
/* False: torn. */
bool message_read(const void *message, uint32_t size, struct message_head *ret_head);

#endif
