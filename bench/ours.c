/* SPDX-License-Identifier: MIT */
#include "ours.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"
#include "shmchan.h"

#define IDLERS   16u
#define PLACES   1000u
#define CAPACITY 1024u
#define SAMPLES  40u

static void name_channel(char *name, size_t room)
{
    static unsigned serial;
    snprintf(name, room, "/shmchan-bench-%d-ours-%u", (int)getpid(), serial++);
}

/* -------------------------------------------------------------------------------------------- memory */

int ours_memory(ours_note *note, void *user)
{
    char name[64];
    shmchan_receiver *rx = NULL;
    shmchan_sender *tx = NULL;
    struct shmchan_snapshot empty, used;
    name_channel(name, sizeof name);
    int r = shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 64, .capacity = CAPACITY, .max_senders = PLACES), &rx);
    if (r == 0)
        r = shmchan_inspect(name, &empty);
    if (r == 0)
        r = shmchan_sender_open(name, NULL, &tx);
    if (r == 0)
        r = shmchan_inspect(name, &used);
    if (r == 0) {
        note(user, "memory_control_bytes", (double)empty.backed_bytes);
        note(user, "memory_lane_bytes", (double)(used.backed_bytes - empty.backed_bytes));
        note(user, "memory_slot_overhead_bytes",
             (double)(used.backed_bytes - empty.backed_bytes) / CAPACITY - 64);
    }
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
    shmchan_unlink(name);
    return r;
}

/* ------------------------------------------------------------------------------- processes that hold */

#define TOLD_READY 'r'

/* A child that runs body(), says that it is ready, and stays until it is killed. 0: it is ready. */
struct holder {
    pid_t pid;
    int ready[2];
};

static int holder_start(struct holder *h, int (*body)(const char *name, unsigned count), const char *name,
                        unsigned count)
{
    h->pid = 0;
    if (pipe2(h->ready, O_CLOEXEC) != 0)
        return -errno;
    h->pid = fork();
    if (h->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int r = body(name, count);
        char told = TOLD_READY;
        if (r < 0 || write(h->ready[1], &told, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(h->ready[1]);
    char told = 0;
    ssize_t n = h->pid > 0 ? read(h->ready[0], &told, 1) : -1;
    close(h->ready[0]);
    return n == 1 && told == TOLD_READY ? 0 : -EIO;
}

static void holder_stop(struct holder *h)
{
    if (h->pid > 0) {
        kill(h->pid, SIGKILL);
        waitpid(h->pid, NULL, 0);
    }
}

/* -------------------------------------------------------------------------------------------- attach */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A channel of PLACES places with a receiver, and `count` of the places held. */
static int hold_places(const char *name, unsigned count)
{
    shmchan_receiver *rx;
    shmchan_sender *tx;
    int r = shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 64, .capacity = CAPACITY, .max_senders = PLACES), &rx);
    for (unsigned i = 0; r == 0 && i < count; i++)
        r = shmchan_sender_of(rx, &tx);
    return r;
}

/* What a process that has never seen the channel takes to open a sender of it; in a child. */
static int time_attach(const char *name, double *ret_us)
{
    int fds[2];
    double us = -1;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        shmchan_sender *tx;
        uint64_t begin = bench_now_ns();
        int r = shmchan_sender_open(name, NULL, &tx);
        us = r < 0 ? -1 : (double)(bench_now_ns() - begin) / 1e3;
        if (r == 0)
            shmchan_sender_close(tx);
        _exit(write(fds[1], &us, sizeof us) != sizeof us);
    }
    close(fds[1]);
    ssize_t n = pid > 0 ? read(fds[0], &us, sizeof us) : -1;
    close(fds[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    *ret_us = us;
    return n == sizeof us && us >= 0 ? 0 : -EIO;
}

/* The channel is another process's: our children inherit nothing of it. */
static int attach_with(unsigned held, ours_note *note, void *user)
{
    char name[64], figure[64];
    double us[SAMPLES];
    struct holder holder;
    name_channel(name, sizeof name);
    int r = holder_start(&holder, hold_places, name, held);
    for (unsigned i = 0; r == 0 && i < SAMPLES; i++)
        r = time_attach(name, &us[i]);
    if (r == 0) {
        qsort(us, SAMPLES, sizeof us[0], by_value);
        snprintf(figure, sizeof figure, "attach_us_%u_held", held);
        note(user, figure, us[SAMPLES / 2]);
    }
    holder_stop(&holder);
    shmchan_unlink(name);
    return r;
}

int ours_attach(ours_note *note, void *user)
{
    static const unsigned held[] = {0, PLACES / 2, PLACES - 2};
    int r = 0;
    for (unsigned i = 0; r == 0 && i < sizeof held / sizeof held[0]; i++)
        r = attach_with(held[i], note, user);
    return r;
}

/* ---------------------------------------------------------------------------------------------- idle */

/* What a process has used of a core and how often it slept, so far. */
static int read_cost(pid_t pid, double *ret_cpu_s, double *ret_sleeps)
{
    char path[64], line[128];
    unsigned long long ns = 0;
    long sleeps = -1;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%llu", &ns) != 1)
        ns = 0;
    if (f)
        fclose(f);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f && sleeps < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps) != 1)
            sleeps = -1;
    if (f)
        fclose(f);
    *ret_cpu_s = (double)ns / 1e9;
    *ret_sleeps = (double)sleeps;
    return ns && sleeps >= 0 ? 0 : -EIO;
}

/* Processes that block in a call until they are killed: told ready just before it. */
static int hold_receiver(const char *name, unsigned count)
{
    static shmchan_receiver *rx;
    (void)count;
    return shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 64, .capacity = 64, .max_senders = IDLERS + 1), &rx);
}

struct idle {
    pid_t receiver, senders[IDLERS];
    char quiet[64], full[64];
    struct holder stopped; /* the receiver that takes nothing */
};

_Noreturn static void wait_for_a_message(const char *name)
{
    shmchan_receiver *rx;
    char message[64];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (shmchan_receiver_create(
            name, &SHMCHAN_OPTIONS(.message_size = 64, .capacity = 64, .max_senders = IDLERS + 1), &rx) == 0)
        shmchan_recv(rx, message);
    _exit(1);
}

/* A quiet sender of one channel, and for ever without room in the other. */
_Noreturn static void wait_for_room(const char *quiet, const char *full)
{
    shmchan_sender *silent, *tx;
    char message[64] = "";
    int r;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ((r = shmchan_sender_open(quiet, NULL, &silent)) == -ENOENT)
        usleep(1000);
    if (r == 0)
        r = shmchan_sender_open(full, NULL, &tx);
    while (r == 0)
        r = shmchan_send(tx, message);
    _exit(1);
}

static int idle_start(struct idle *idle)
{
    name_channel(idle->quiet, sizeof idle->quiet);
    name_channel(idle->full, sizeof idle->full);
    int r = holder_start(&idle->stopped, hold_receiver, idle->full, 0);
    if (r < 0)
        return r;
    idle->receiver = fork();
    if (idle->receiver == 0)
        wait_for_a_message(idle->quiet);
    for (unsigned i = 0; i < IDLERS; i++) {
        idle->senders[i] = fork();
        if (idle->senders[i] == 0)
            wait_for_room(idle->quiet, idle->full);
    }
    return 0;
}

static void idle_stop(struct idle *idle)
{
    for (unsigned i = 0; i <= IDLERS; i++) {
        pid_t pid = i < IDLERS ? idle->senders[i] : idle->receiver;
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
    }
    holder_stop(&idle->stopped);
    shmchan_unlink(idle->quiet);
    shmchan_unlink(idle->full);
}

/* As many processes that only sleep, 100 ms at a time: what so many wake-ups cost at least. */
_Noreturn static void only_sleep(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        usleep(100000);
}

int ours_bare_sleepers(unsigned duration_ms, ours_note *note, void *user)
{
    pid_t pids[IDLERS + 1];
    double cpu[2][IDLERS + 1], sleeps, all_cpu = 0;
    int r = 0;
    for (unsigned i = 0; i <= IDLERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            only_sleep();
    }
    usleep(500000);
    for (unsigned at = 0; at < 2; at++) {
        for (unsigned i = 0; r == 0 && i <= IDLERS; i++)
            r = read_cost(pids[i], &cpu[at][i], &sleeps);
        if (at == 0)
            usleep(duration_ms * 1000);
    }
    for (unsigned i = 0; i <= IDLERS; i++) {
        if (r == 0)
            all_cpu += (cpu[1][i] - cpu[0][i]) / (duration_ms / 1e3);
        if (pids[i] > 0) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
        }
    }
    if (r == 0)
        note(user, "idle_cpu_share_bare_sleepers", all_cpu);
    return r;
}

int ours_idle(unsigned duration_ms, ours_note *note, void *user)
{
    struct idle idle = {0};
    double cpu[2][IDLERS + 1], sleeps[2][IDLERS + 1], all_cpu = 0, most = 0;
    double seconds = duration_ms / 1e3;
    int r = idle_start(&idle);
    usleep(500000); /* until all block */
    for (unsigned at = 0; r == 0 && at < 2; at++) {
        for (unsigned i = 0; r == 0 && i <= IDLERS; i++)
            r = read_cost(i < IDLERS ? idle.senders[i] : idle.receiver, &cpu[at][i], &sleeps[at][i]);
        if (at == 0)
            usleep(duration_ms * 1000);
    }
    for (unsigned i = 0; r == 0 && i <= IDLERS; i++) {
        double a_second = (sleeps[1][i] - sleeps[0][i]) / seconds;
        all_cpu += (cpu[1][i] - cpu[0][i]) / seconds;
        most = a_second > most ? a_second : most;
    }
    if (r == 0) {
        note(user, "idle_cpu_share_receiver", (cpu[1][IDLERS] - cpu[0][IDLERS]) / seconds);
        note(user, "idle_cpu_share_all", all_cpu);
        note(user, "idle_wakeups_per_s_most", most);
    }
    idle_stop(&idle);
    return r;
}

/* ------------------------------------------------------------------------------------ being watched */

int watcher_start(struct watcher *watcher, const char *stat)
{
    watcher->started_ns = bench_now_ns();
    watcher->pid = fork();
    if (watcher->pid == 0) {
        int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        execl(stat, stat, "-w", "0.1", (char *)NULL);
        _exit(127);
    }
    return watcher->pid < 0 ? -errno : 0;
}

double watcher_stop(struct watcher *watcher)
{
    struct rusage u;
    int status;
    kill(watcher->pid, SIGKILL);
    if (wait4(watcher->pid, &status, 0, &u) < 0 || !WIFSIGNALED(status))
        return -1;
    double seconds = (double)(bench_now_ns() - watcher->started_ns) / 1e9;
    return ((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
            (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6) /
           seconds;
}
