/* SPDX-License-Identifier: MIT */
/*
 * The plan: which rows, in which configurations, with which peers; every peer of a configuration runs once in
 * each round, in random order, one directly after the other, so that what the machine does meanwhile meets
 * all.
 *
 *     bench OUTPUT_DIR        writes runs.csv, histograms.csv, figures.csv, peers.tsv (report.py reads them)
 *
 * From the environment: ROUNDS, QUICK=1, ONLY=row,row, PEERS=id,id, PIN=1 (the receiver on one core, the
 * senders on the others), BENCH_PROGRAMS (where rust-channels lies), BENCH_STAT (shmchan-stat),
 * BENCH_WATCHDOG_MS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ours.h"
#include "run.h"

enum kind { STREAM, PING };

struct config {
    const char *row;
    enum kind kind;
    struct peer_shape shape;
    enum run_cores cores;
    unsigned duration_ms;
    unsigned pause_us;
    unsigned every;    /* in each so-many-th round only */
    bool only_by_name; /* not unless ONLY names the row */
    const char *peers; /* NULL: all that are not special */
};

#define SIZES_PEERS "pipe,mq,seqpacket,boost,textbook,memcpy-2,memcpy-8,spsc,shmchan,shmchan-inplace"
#define SLEEP_PEERS "pipe,mq,seqpacket,textbook,boost,rust-sync,semaphore,shmchan"
#define LONG(senders_)                                                                                       \
    {                                                                                                        \
        senders_, 64, 1024, 32                                                                               \
    }

/* A receiver with some 0.2 us of work for each message. */
#define SATURATED(senders_)                                                                                  \
    {                                                                                                        \
        .senders = senders_, .bytes = 64, .capacity = 1024, .batch = 32, .turns = 8                          \
    }

/* The same number of bytes in flight for all sizes, at least 16 messages. */
#define SIZED(bytes_)                                                                                        \
    {                                                                                                        \
        1, bytes_, (bytes_) < 1024 ? 1024 : (bytes_) < 65536 ? 1048576 / (bytes_) : 16, 32                   \
    }

static const struct config plan[] = {
    /* One sender has a core of its own, as the scheduler will give it when it has run for longer than this.
     */
    {.row = "senders", .shape = LONG(1), .cores = CORES_SPLIT, .duration_ms = 40},
    {.row = "senders", .shape = LONG(2), .duration_ms = 40},
    {.row = "senders", .shape = LONG(4), .duration_ms = 40},
    {.row = "senders", .shape = LONG(16), .duration_ms = 80},
    {.row = "senders", .shape = LONG(64), .duration_ms = 200},
    /* The same room in all: what is one ring to the others is here divided among the senders. */
    {.row = "room", .shape = {16, 64, 64, 32}, .duration_ms = 80, .peers = "shmchan,shmchan-unordered,spsc"},
    {.row = "room", .shape = {64, 64, 16, 16}, .duration_ms = 200, .peers = "shmchan,shmchan-unordered,spsc"},
    {.row = "sizes", .shape = SIZED(8), .cores = CORES_SPLIT, .duration_ms = 30, .peers = SIZES_PEERS},
    {.row = "sizes", .shape = SIZED(64), .cores = CORES_SPLIT, .duration_ms = 30, .peers = SIZES_PEERS},
    {.row = "sizes", .shape = SIZED(256), .cores = CORES_SPLIT, .duration_ms = 30, .peers = SIZES_PEERS},
    {.row = "sizes", .shape = SIZED(1024), .cores = CORES_SPLIT, .duration_ms = 30, .peers = SIZES_PEERS},
    {.row = "sizes", .shape = SIZED(4096), .cores = CORES_SPLIT, .duration_ms = 30, .peers = SIZES_PEERS},
    {.row = "sizes", .shape = SIZED(16384), .cores = CORES_SPLIT, .duration_ms = 30, .peers = SIZES_PEERS},
    {.row = "sizes", .shape = SIZED(65536), .cores = CORES_SPLIT, .duration_ms = 60, .peers = SIZES_PEERS},
    {.row = "capacities",
     .shape = {4, 64, 16, 1},
     .duration_ms = 30,
     .peers = "textbook,rust-sync,spsc,shmchan"},
    {.row = "capacities",
     .shape = {4, 64, 128, 1},
     .duration_ms = 30,
     .peers = "textbook,rust-sync,spsc,shmchan"},
    {.row = "capacities",
     .shape = {4, 64, 8192, 1},
     .duration_ms = 30,
     .peers = "textbook,rust-sync,spsc,shmchan"},
    {.row = "batches",
     .shape = {1, 64, 1024, 2},
     .cores = CORES_SPLIT,
     .duration_ms = 30,
     .peers = "spsc-batch,shmchan-many"},
    {.row = "batches",
     .shape = {1, 64, 1024, 8},
     .cores = CORES_SPLIT,
     .duration_ms = 30,
     .peers = "spsc-batch,shmchan-many"},
    {.row = "batches",
     .shape = {1, 64, 1024, 128},
     .cores = CORES_SPLIT,
     .duration_ms = 30,
     .peers = "spsc-batch,shmchan-many"},
    {.row = "ping", .kind = PING, .shape = {1, 64, 1024, 1}, .cores = CORES_SPLIT, .duration_ms = 40},
    {.row = "ping-asleep",
     .kind = PING,
     .shape = {1, 64, 1024, 1},
     .cores = CORES_SPLIT,
     .duration_ms = 120,
     .pause_us = 300,
     .peers = SLEEP_PEERS},
    {.row = "ping-one-core",
     .kind = PING,
     .shape = {1, 64, 1024, 1},
     .cores = CORES_ONE,
     .duration_ms = 40,
     .peers = SLEEP_PEERS},
    /* Shares of a channel whose receiver is what limits it: else they are what cores the scheduler gives. */
    {.row = "shares",
     .shape = SATURATED(16),
     .duration_ms = 1000,
     .every = 5,
     .peers = "pipe,textbook,shmchan,shmchan-unordered"},
    {.row = "shares",
     .shape = SATURATED(64),
     .duration_ms = 1000,
     .every = 5,
     .peers = "pipe,textbook,shmchan,shmchan-unordered"},
    {.row = "quiet",
     .shape = LONG(1),
     .cores = CORES_SPLIT,
     .duration_ms = 60,
     .peers = "shmchan-1001places,shmchan-1000quiet"},
    /* For ablation.sh, with libraries that are not ours any more. */
    {.row = "cost",
     .shape = LONG(1),
     .cores = CORES_SPLIT,
     .duration_ms = 60,
     .only_by_name = true,
     .peers = "shmchan"},
};
#define PLAN_COUNT (sizeof plan / sizeof plan[0])
#define PEERS_MAX  64

static struct {
    unsigned rounds;
    bool quick, pin;
    const char *only, *peers, *stat;
} settings;

static struct {
    FILE *runs, *figures;
    /* What has failed once is not tried again: it would fail, and slowly. */
    bool failed[PLAN_COUNT][PEERS_MAX];
    struct histogram *histograms[PLAN_COUNT][PEERS_MAX];
    uint64_t chance;
    unsigned failures;
} state = {.chance = 88172645463325252u};

/* "a,b,c" has `word`. */
static bool listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0))
            return true;
    return false;
}

static bool row_wanted(const char *row)
{
    return !settings.only || listed(settings.only, row);
}

static bool peer_wanted(const struct config *c, const struct peer *peer)
{
    if (settings.peers && !listed(settings.peers, peer->id))
        return false;
    return c->peers ? listed(c->peers, peer->id) : !(peer->traits & PEER_SPECIAL);
}

static unsigned chance_below(unsigned below)
{
    state.chance ^= state.chance << 13;
    state.chance ^= state.chance >> 7;
    state.chance ^= state.chance << 17;
    return (unsigned)(state.chance % below);
}

static double per(double value, uint64_t count)
{
    return count ? value / (double)count : 0;
}

static void write_run(unsigned round, const struct config *c, const struct run *run, const char *peer,
                      const struct run_result *r, const struct histogram *h)
{
    for (char *at = (char *)r->failure; *at; at++)
        if (*at == ',' || *at == '"' || *at == '\n')
            *at = ' ';
    fprintf(state.runs, "%u,%s,%s,%u,%u,%u,%u,%s,%llu,%.6f,%.1f,%.2f,%.2f,%.2f,%.4f,%.0f,%.0f,%.0f,%.0f,%s\n",
            round, c->row, peer, run->shape.senders, run->shape.bytes, run->shape.capacity,
            run->peer->traits & PEER_BATCHES ? run->shape.batch : 1, run_cores_names[run->cores],
            (unsigned long long)r->messages, r->seconds,
            r->seconds > 0 ? (double)r->messages / r->seconds : 0, per(r->cpu_s * 1e9, r->messages),
            per((double)r->sleeps * 1e6, r->messages), per((double)r->preemptions * 1e6, r->messages),
            r->jain, h ? histogram_percentile_ns(h, 0.5) : 0, h ? histogram_percentile_ns(h, 0.99) : 0,
            h ? histogram_percentile_ns(h, 0.999) : 0, h ? (double)h->max_ns : 0, r->failure);
    fflush(state.runs);
}

/* A peer that gets stuck is a finding; ours and the yardsticks must not. */
static void note_failure(const struct config *c, const struct run *run, const struct run_result *r)
{
    if (run->peer->traits & (PEER_OURS | PEER_YARDSTICK))
        state.failures++;
    fprintf(stderr, "bench: %s, %s, %u senders, %u bytes: %s\n", c->row, run->peer->id, run->shape.senders,
            run->shape.bytes, r->failure);
}

/* Not made for it; that is no failure. */
static bool refused(const struct config *c, const struct peer *peer)
{
    return (peer->refuses && peer->refuses(&c->shape)) ||
           (!peer->program && (c->kind == PING ? !peer->ping : !peer->send_all));
}

static void pool(struct histogram **sum, const struct histogram *h)
{
    if (!*sum && !(*sum = calloc(1, sizeof **sum)))
        return;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        (*sum)->counts[i] += h->counts[i];
    (*sum)->total += h->total;
}

static void run_one(unsigned round, size_t config, unsigned peer)
{
    static struct histogram histogram;
    const struct config *c = &plan[config];
    struct run run = {.peer = bench_peers[peer],
                      .shape = c->shape,
                      .cores = settings.pin && c->cores == CORES_ANY ? CORES_SPLIT : c->cores,
                      .duration_ms = settings.quick ? c->duration_ms / 2 : c->duration_ms,
                      .pause_us = c->pause_us};
    struct run_result result;
    memset(&histogram, 0, sizeof histogram);
    if (c->kind == PING)
        run_ping(&run, &histogram, &result);
    else
        run_throughput(&run, &result);
    if (result.failure[0]) {
        state.failed[config][peer] = true;
        note_failure(c, &run, &result);
    }
    write_run(round, c, &run, run.peer->id, &result, c->kind == PING && histogram.total ? &histogram : NULL);
    if (c->kind == PING)
        pool(&state.histograms[config][peer], &histogram);
}

static void run_config(unsigned round, size_t config)
{
    unsigned order[PEERS_MAX], count = 0;
    for (unsigned i = 0; bench_peers[i]; i++)
        if (peer_wanted(&plan[config], bench_peers[i]) && !refused(&plan[config], bench_peers[i]) &&
            !state.failed[config][i])
            order[count++] = i;
    for (unsigned i = count; i > 1; i--) {
        unsigned j = chance_below(i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
    for (unsigned i = 0; i < count; i++)
        run_one(round, config, order[i]);
}

/* -------------------------------------------------------------------------- watched by shmchan-stat */

static const struct peer *peer_called(const char *id)
{
    for (unsigned i = 0; bench_peers[i]; i++)
        if (strcmp(bench_peers[i]->id, id) == 0)
            return bench_peers[i];
    return NULL;
}

/* The same run with the tool looking ten times a second and without, in random order. */
static void run_watched(unsigned round)
{
    const struct config c = {.row = "watch", .shape = LONG(1), .duration_ms = 400};
    struct run run = {.peer = peer_called("shmchan"), .shape = c.shape, .duration_ms = c.duration_ms};
    unsigned first = chance_below(2);
    for (unsigned i = 0; i < 2; i++) {
        struct run_result result;
        bool watched = (i ^ first) != 0;
        struct watcher watcher = {0};
        if (watched && watcher_start(&watcher, settings.stat) < 0)
            return;
        run_throughput(&run, &result);
        if (watched) {
            double cpu_share = watcher_stop(&watcher);
            fprintf(state.figures, "%u,watch_cpu_share,%.6f\n", round, cpu_share);
            if (cpu_share < 0)
                snprintf(result.failure, sizeof result.failure, "shmchan-stat did not run to the end");
        }
        if (result.failure[0])
            note_failure(&c, &run, &result);
        write_run(round, &c, &run, watched ? "shmchan-watched" : "shmchan", &result, NULL);
    }
}

static void write_figure(void *user, const char *name, double value)
{
    fprintf(state.figures, "%u,%s,%.6f\n", *(const unsigned *)user, name, value);
    fflush(state.figures);
}

static void run_ours(unsigned round)
{
    int r = 0;
    if (row_wanted("memory") && round == 0)
        r = ours_memory(write_figure, &round);
    if (r == 0 && row_wanted("attach") && round % 5 == 0)
        r = ours_attach(write_figure, &round);
    if (r == 0 && row_wanted("idle") && round % 5 == 0) {
        unsigned duration_ms = settings.quick ? 1000 : 2000;
        r = ours_idle(duration_ms, write_figure, &round);
        if (r == 0)
            r = ours_bare_sleepers(duration_ms, write_figure, &round);
    }
    if (r < 0) {
        state.failures++;
        fprintf(stderr, "bench: memory, attach, idle: %s\n", strerror(-r));
    }
    if (row_wanted("watch") && settings.stat && access(settings.stat, X_OK) == 0)
        run_watched(round);
}

/* --------------------------------------------------------------------------------------------- files */

static FILE *open_output(const char *directory, const char *name, const char *heading)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    fprintf(f, "%s\n", heading);
    return f;
}

static void write_peers(const char *directory)
{
    FILE *f = open_output(directory, "peers.tsv", "id\twaits\tkind\twhat\tdeath\torder\tmeans");
    for (const struct peer *const *p = bench_peers; *p; p++)
        fprintf(f, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", (*p)->id,
                (*p)->traits & PEER_SPINS       ? "spins"
                : (*p)->traits & PEER_UNBOUNDED ? "unbounded"
                                                : "blocks",
                (*p)->traits & PEER_YARDSTICK ? "yardstick"
                : (*p)->traits & PEER_OURS    ? "ours"
                                              : "peer",
                (*p)->what, (*p)->death, (*p)->order, (*p)->means);
    for (const char *const *a = bench_absent; *a; a++)
        fprintf(f, "%s\t\tabsent\t\t\t\t\n", *a);
    fclose(f);
}

static void write_histograms(const char *directory)
{
    FILE *f = open_output(directory, "histograms.csv", "row,peer,ns,count");
    for (size_t c = 0; c < PLAN_COUNT; c++)
        for (unsigned p = 0; bench_peers[p]; p++)
            for (unsigned i = 0; state.histograms[c][p] && i < HISTOGRAM_BUCKETS; i++)
                if (state.histograms[c][p]->counts[i])
                    fprintf(f, "%s,%s,%.0f,%llu\n", plan[c].row, bench_peers[p]->id, histogram_value_ns(i),
                            (unsigned long long)state.histograms[c][p]->counts[i]);
    fclose(f);
}

static unsigned number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text && *text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static const char *words(const char *name)
{
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench OUTPUT_DIR\n");
        return 2;
    }
    settings.quick = number("QUICK", 0);
    settings.rounds = number("ROUNDS", settings.quick ? 3 : 15);
    settings.pin = number("PIN", 0);
    settings.only = words("ONLY");
    settings.peers = words("PEERS");
    settings.stat = words("BENCH_STAT");
    run_programs = words("BENCH_PROGRAMS") ? words("BENCH_PROGRAMS") : ".";
    run_watchdog_ms = number("BENCH_WATCHDOG_MS", 10000);
    state.chance ^= number("SEED", (unsigned)getpid()) * 0x9e3779b97f4a7c15ull;

    write_peers(argv[1]);
    state.runs =
        open_output(argv[1], "runs.csv",
                    "round,row,peer,senders,message_bytes,capacity,batch,cores,messages,seconds,"
                    "messages_per_s,cpu_ns_per_message,sleeps_per_million,preemptions_per_million,jain,"
                    "p50_ns,p99_ns,p999_ns,max_ns,failure");
    state.figures = open_output(argv[1], "figures.csv", "round,figure,value");
    uint64_t begin_ns = bench_now_ns();
    for (unsigned round = 0; round < settings.rounds; round++) {
        for (size_t i = 0; i < PLAN_COUNT; i++)
            if (plan[i].only_by_name
                    ? settings.only && row_wanted(plan[i].row)
                    : row_wanted(plan[i].row) && (!plan[i].every || round % plan[i].every == 0))
                run_config(round, i);
        run_ours(round);
        double seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
        fprintf(stderr, "bench: round %u of %u, %.0f s, about %.0f s to go\n", round + 1, settings.rounds,
                seconds, seconds / (round + 1) * (settings.rounds - round - 1));
    }
    write_histograms(argv[1]);
    fclose(state.runs);
    fclose(state.figures);
    return state.failures ? 1 : 0;
}
