/* SPDX-License-Identifier: MIT */
/*
 * A process that does with channels what a test of shmchan-stat tells it to.
 *
 *     peer NAME ACTION...
 *
 * Does one action after the other, prints each when it is done, and leaves without closing, so that who wants
 * an orderly end says so. An action may have a value, behind an equals sign. `ready` is printed before those
 * that never end but for a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "layout.h"
#include "shmchan.h"

static struct shmchan_options options = {.struct_size = sizeof(struct shmchan_options), .message_size = 8};
static shmchan_sender *tx;
static shmchan_receiver *rx;
static const char *name;
static uint64_t message;

static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

/* ---------------------------------------------------------------- what it is, and what it makes */

static int set_command(const char *value)
{
    return prctl(PR_SET_NAME, value);
}

static int set_capacity(const char *value)
{
    options.capacity = (uint32_t)atoi(value);
    return 0;
}

static int set_places(const char *value)
{
    options.max_senders = (uint32_t)atoi(value);
    return 0;
}

static int set_mode(const char *value)
{
    options.mode = (uint32_t)strtoul(value, NULL, 8);
    return 0;
}

static int set_flags(const char *value)
{
    options.flags = (uint32_t)atoi(value);
    return 0;
}

static int set_type(const char *value)
{
    options.type = value;
    return 0;
}

static int create_receiver(const char *value)
{
    (void)value;
    return shmchan_receiver_create(name, &options, &rx);
}

static int open_receiver(const char *value)
{
    (void)value;
    return shmchan_receiver_open(name, NULL, &rx);
}

static int create_sender(const char *value)
{
    (void)value;
    return shmchan_sender_create(name, &options, &tx);
}

static int open_sender(const char *value)
{
    (void)value;
    return shmchan_sender_open(name, NULL, &tx);
}

static int make_pair(const char *value)
{
    (void)value;
    return shmchan_pair(&options, &tx, &rx);
}

static int close_sender(const char *value)
{
    (void)value;
    shmchan_sender_close(tx);
    return 0;
}

static int close_receiver(const char *value)
{
    (void)value;
    shmchan_receiver_close(rx);
    return 0;
}

/* So many channels, each with its receiver and `senders` senders that have sent a message, all of this
 * process.
 */
static int make_many(int count, int senders)
{
    struct rlimit limit;
    int r = 0;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; r >= 0 && i < count; i++) {
        char one[300];
        snprintf(one, sizeof one, "%s-%d", name, i);
        r = shmchan_receiver_create(one, &options, &rx);
        for (int k = 0; r >= 0 && k < senders; k++) {
            r = shmchan_sender_of(rx, &tx);
            if (r >= 0)
                r = shmchan_send(tx, &message);
        }
    }
    return r;
}

static int make_thin(const char *value)
{
    return make_many(atoi(value), 1);
}

static int make_crowded(const char *value)
{
    return make_many(atoi(value), 64);
}

/* ---------------------------------------------------------------- messages */

static int send_some(const char *value)
{
    int r = 0;
    for (int n = atoi(value); r == 0 && n > 0; n--)
        r = shmchan_send(tx, &message);
    return r;
}

static int send_for_ever(const char *value)
{
    int r = 0;
    (void)value;
    while (r == 0)
        r = shmchan_send(tx, &message);
    return r;
}

static int send_now_and_then(const char *value)
{
    int r = 0;
    (void)value;
    while (r == 0) {
        r = shmchan_send(tx, &message);
        usleep(1000);
    }
    return r;
}

static int reserve(const char *value)
{
    void *slot;
    (void)value;
    return shmchan_reserve(tx, &slot, SHMCHAN_FOREVER);
}

/* The end is no message, and not the end if another sender comes. */
static int receive_some(const char *value)
{
    int r = 0;
    for (int n = atoi(value); r >= 0 && n > 0; n -= r > 0) {
        r = shmchan_recv(rx, &message);
        if (r == 0)
            usleep(10000);
    }
    return r;
}

static int receive_for_ever(const char *value)
{
    int r = 0;
    (void)value;
    while (r >= 0)
        r = shmchan_recv(rx, &message);
    return r;
}

/* Waits so many microseconds after each. */
static int receive_slowly(const char *value)
{
    int r = 0;
    while (r >= 0) {
        r = shmchan_recv(rx, &message);
        usleep((useconds_t)atoi(value));
    }
    return r;
}

/* ---------------------------------------------------------------- to come and go all the time */

/* Takes the channel as it is, or makes one: whichever is there. Whoever removes it must do so between. */
static int take(void)
{
    for (;;) {
        int r = shmchan_receiver_open(name, NULL, &rx);
        if (r == -ENOENT)
            r = shmchan_receiver_create(name, &options, &rx);
        if (r != -EEXIST && r != -ENOENT)
            return r;
    }
}

/* For whom holds a channel it is there, and it is the one that it holds. */
static int use(uint64_t round)
{
    struct shmchan_snapshot snapshot;
    shmchan_sender *other;
    uint64_t received = 0;
    int r = shmchan_sender_open(name, NULL, &other);
    if (r < 0)
        return r;
    r = shmchan_send(other, &round);
    if (r == 0)
        r = shmchan_inspect(name, &snapshot);
    if (r == 0 && (snapshot.receiver.pid != getpid() || snapshot.receiver.state != SHMCHAN_PLACE_HELD))
        r = -EXDEV;
    shmchan_sender_close(other);
    if (r == 0)
        r = shmchan_recv(rx, &received);
    return r < 0 ? r : r == 1 && received == round ? 0 : -EBADMSG;
}

/* Opens, uses and closes, again and again; what is left behind each time is an orphan. */
static int churn(const char *value)
{
    for (int i = 1; i <= atoi(value); i++) {
        int r = take();
        if (r == 0)
            r = use((uint64_t)i);
        if (r < 0) {
            fprintf(stderr, "peer: round %d: %s\n", i, shmchan_strerror(r));
            return r;
        }
        shmchan_receiver_close(rx);
        if (i % 16 == 0)
            usleep(2000);
    }
    return 0;
}

/* ---------------------------------------------------------------- states of a process */

static int sleep_here(const char *value)
{
    (void)value;
    say("ready");
    return pause();
}

/* State D, until its child ends. */
static int wait_in_vfork(const char *value)
{
    (void)value;
    say("ready");
    pid_t child = vfork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return 0;
}

static void *linger(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

/* State Z, while another thread lives. */
static int end_main_thread(const char *value)
{
    pthread_t thread;
    (void)value;
    if (pthread_create(&thread, NULL, linger, NULL) != 0)
        abort();
    say("ready");
    pthread_exit(NULL);
}

static void *spin(void *unused)
{
    (void)unused;
    for (volatile unsigned i = 0;; i = i + 1)
        ;
    return NULL;
}

/* State R, while the main thread sleeps. */
static int spin_aside(const char *value)
{
    pthread_t thread;
    (void)value;
    return -pthread_create(&thread, NULL, spin, NULL);
}

/* A forked child that stops before the library's fork handler has run in it: registered before that is. */
static int child_pauses;

static void in_child(void)
{
    while (child_pauses)
        pause();
}

__attribute__((constructor(101))) static void register_early(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

static int fork_and_hang(const char *value)
{
    (void)value;
    child_pauses = 1;
    return fork() < 0 ? -errno : 0;
}

static int trace(const char *value)
{
    int pid = atoi(value);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
        return -1;
    return waitpid(pid, NULL, __WALL) == pid ? 0 : -1;
}

/* ---------------------------------------------------------------- damage */

static int open_region(void)
{
    char path[300];
    snprintf(path, sizeof path, "/dev/shm%s", name);
    return open(path, O_RDWR);
}

static struct shm_control *region(void)
{
    void *p = mmap(NULL, sizeof(struct shm_control) + sizeof(struct shm_place), PROT_READ | PROT_WRITE,
                   MAP_SHARED, open_region(), 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static int scribble_tail(const char *value)
{
    (void)value;
    region()->places[0].tail = UINT64_C(1) << 40;
    return 0;
}

static int scribble_mutex_owner(const char *value)
{
    region()->mutex_owner_pid = atoi(value);
    return 0;
}

static int scribble_receiver_pid(const char *value)
{
    region()->receiver.pid = atoi(value);
    return 0;
}

static int scribble_receiver_start(const char *value)
{
    region()->receiver.start_time = strtoull(value, NULL, 10);
    return 0;
}

/* As if the receiver had gone to sleep in the channel now. */
static int scribble_asleep(const char *value)
{
    struct timespec ts;
    (void)value;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    region()->not_empty.asleep_since_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
    return 0;
}

/* Shorter and long enough again, for as long as we live. */
static int flap(const char *value)
{
    int fd = open_region();
    struct stat st;
    (void)value;
    if (fstat(fd, &st) < 0)
        abort();
    char *copy = malloc((size_t)st.st_size);
    if (copy == NULL || pread(fd, copy, (size_t)st.st_size, 0) != st.st_size)
        abort();
    for (;;) {
        if (ftruncate(fd, 4096) < 0 || pwrite(fd, copy, (size_t)st.st_size, 0) != st.st_size)
            abort();
    }
}

/* ---------------------------------------------------------------- main */

static const struct action {
    const char *word;
    int (*act)(const char *value);
} actions[] = {
    {"command", set_command},
    {"capacity", set_capacity},
    {"places", set_places},
    {"mode", set_mode},
    {"flags", set_flags},
    {"type", set_type},
    {"create-receiver", create_receiver},
    {"open-receiver", open_receiver},
    {"create-sender", create_sender},
    {"open-sender", open_sender},
    {"pair", make_pair},
    {"many", make_thin},
    {"crowded", make_crowded},
    {"close-sender", close_sender},
    {"close-receiver", close_receiver},
    {"send", send_some},
    {"send-for-ever", send_for_ever},
    {"send-now-and-then", send_now_and_then},
    {"reserve", reserve},
    {"receive", receive_some},
    {"receive-for-ever", receive_for_ever},
    {"receive-slowly", receive_slowly},
    {"churn", churn},
    {"pause", sleep_here},
    {"vfork", wait_in_vfork},
    {"end-main-thread", end_main_thread},
    {"spin-aside", spin_aside},
    {"fork", fork_and_hang},
    {"trace", trace},
    {"scribble-tail", scribble_tail},
    {"scribble-mutex-owner", scribble_mutex_owner},
    {"scribble-receiver-pid", scribble_receiver_pid},
    {"scribble-receiver-start", scribble_receiver_start},
    {"scribble-asleep", scribble_asleep},
    {"flap", flap},
};

static int act(const char *word, const char *value)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].word, word) == 0)
            return actions[i].act(value);
    }
    fprintf(stderr, "peer: no such action: %s\n", word);
    abort();
}

int main(int argc, char **argv)
{
    /* Should the script be killed. */
    alarm(900);
    name = argv[1];
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value != NULL)
            *value++ = '\0';
        int r = act(argv[i], value);
        if (r < 0) {
            fprintf(stderr, "peer: %s: %s\n", argv[i], shmchan_strerror(r));
            _exit(1);
        }
        say(argv[i]);
    }
    _exit(0);
}
