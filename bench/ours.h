/* SPDX-License-Identifier: MIT */
/* What is measured of ours alone: cost when idle, memory, attaching, being watched. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include <stdint.h>
#include <sys/types.h>

typedef void ours_note(void *user, const char *name, double value);

/* All: 0 or -errno. */
int ours_memory(ours_note *note, void *user);
int ours_attach(ours_note *note, void *user);
/* A receiver that waits with 16 quiet senders, and 16 senders that wait for room, for duration_ms. */
int ours_idle(unsigned duration_ms, ours_note *note, void *user);
/* What 17 processes cost that wake up ten times a second and do nothing. */
int ours_bare_sleepers(unsigned duration_ms, ours_note *note, void *user);

/* shmchan-stat, looking at all channels ten times a second. */
struct watcher {
    pid_t pid;
    uint64_t started_ns;
};
int watcher_start(struct watcher *watcher, const char *stat);
/* What it took of one core, 0 ... 1; negative: it had ended by itself. */
double watcher_stop(struct watcher *watcher);

#endif
