/* SPDX-License-Identifier: MIT */
#include <check.h>
#undef fail /* an old spelling of its ck_abort_msg */

#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

/* One process of the running test, in memory that all of them share. */
struct seat {
    _Atomic pid_t pid; /* 0 = nobody, -1 = being taken */
    _Atomic uint64_t progress;
    char what[40];
    char step[120];
};

#define SEATS    320
#define ROWS_MAX 160

static struct seat *seats;
static struct seat *own;
static pid_t test_pid;
static const struct row *rows;
static const char *promise = "";
static uint64_t seen_progress;
static char run_tag[32];

/* ------------------------------------------------------------------------------- programs */

static unsigned scale_percent(void)
{
    const char *text = getenv("SHMCHAN_TEST_SCALE");
    unsigned long percent = text ? strtoul(text, NULL, 10) : 100;
    return percent >= 1 && percent <= 100000 ? (unsigned)percent : 100;
}

uint64_t scaled(uint64_t count)
{
    uint64_t part = count * scale_percent() / 100;
    return part ? part : 1;
}

static void say(const char *word, const char *format, va_list args)
{
    char text[400];
    vsnprintf(text, sizeof text, format, args);
    printf("%s - %s: %s\n", word, promise, text);
    fflush(stdout);
}

void skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("skip", format, args);
    va_end(args);
}

void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("note", format, args);
    va_end(args);
}

/* Calls visit for each name in /dev/shm that begins with "shmchan-test-RUN-", or, with a pid, with what
   that process's unique_name() makes. */
static unsigned each_name(pid_t pid, void (*visit)(const char *name))
{
    char prefix[80];
    unsigned count = 0;
    if (pid)
        snprintf(prefix, sizeof prefix, "shmchan-test-%s-%d-", run_tag, (int)pid);
    else
        snprintf(prefix, sizeof prefix, "shmchan-test-%s-", run_tag);
    DIR *dir = opendir("/dev/shm");
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (strstr(e->d_name, prefix)) {
            count++;
            visit(e->d_name);
        }
    closedir(dir);
    return count;
}

static void name_print(const char *name)
{
    fprintf(stderr, "left in /dev/shm: %s\n", name);
}

static void name_remove(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    unlink(path);
    rmdir(path);
}

static void on_alarm(int signo);

static void before(const char *this_promise)
{
    promise = this_promise;
    test_pid = getpid();
    memset(seats, 0, sizeof *seats * SEATS);
    own = &seats[0];
    atomic_store(&own->pid, test_pid);
    snprintf(own->what, sizeof own->what, "the test");
    seen_progress = 0;
    /* Grandchildren that outlive their parent become ours, so that none is overlooked. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &act, NULL);
    watch("starting");
}

static void after(unsigned descriptors)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid != -1 || errno != ECHILD)
        fail("a child is left: %s %d", pid ? "nobody waited for" : "still running, one of", (int)pid);
    if (descriptors_open() != descriptors)
        fail("%u descriptors were open before the test and %u after it", descriptors, descriptors_open());
    if (each_name(test_pid, name_print))
        fail("names are left in /dev/shm");
    alarm(0);
}

static void run_row(int index)
{
    unsigned descriptors = descriptors_open();
    before(rows[index].promise);
    rows[index].run();
    after(descriptors);
}

int suite_run(const char *name, const struct row *table, size_t count, int argc, char **argv)
{
    static TTest tests[ROWS_MAX];
    const char *run = getenv("SHMCHAN_TEST_RUN");
    Suite *suite = suite_create(name);

    rows = table;
    if (run && *run)
        snprintf(run_tag, sizeof run_tag, "%s", run);
    else
        snprintf(run_tag, sizeof run_tag, "%d", (int)getpid());
    seats = mmap(NULL, sizeof *seats * SEATS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seats == MAP_FAILED || count > ROWS_MAX) {
        fprintf(stderr, "%s: no memory, or more than %d rows\n", name, ROWS_MAX);
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && !strstr(table[i].promise, argv[1]))
            continue;
        tests[i] = (TTest){.name = table[i].promise, .fn = run_row, .file = name, .line = (int)i};
        TCase *tcase = tcase_create(table[i].promise);
        tcase_set_timeout(tcase, 3600); /* the watchdog speaks long before */
        tcase_add_loop_test(tcase, &tests[i], (int)i, (int)i + 1);
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (failed)
        each_name(0, name_remove);
    return failed != 0;
}

/* --------------------------------------------------------------------------- expectations */

void fail_at(const char *file, int line, const char *format, ...)
{
    char text[800];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (getpid() == test_pid)
        ck_abort_msg("%s:%d: %s (step: %s)", file, line, text, own->step);
    fprintf(stderr, "%s:%d: in child %d (%s), at '%s': %s\n", file, line, (int)getpid(), own->what, own->step,
            text);
    _exit(CHILD_FAILED);
}

static const char *error_name(long long r)
{
    return r < 0 && r > -4096 ? strerror((int)-r) : "a count";
}

void expect_is_at(const char *file, int line, const char *call, long long got, long long want)
{
    if (got != want)
        fail_at(file, line, "%s is %lld (%s), should be %lld (%s)", call, got, error_name(got), want,
                error_name(want));
}

/* ------------------------------------------------------------------------------- watchdog */

void watch(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(own->step, sizeof own->step, format, args);
    va_end(args);
    if (getpid() == test_pid)
        alarm(WATCH_SECONDS);
}

void watch_progress(uint64_t done)
{
    atomic_store_explicit(&own->progress, done, memory_order_relaxed);
}

/* Async-signal-safe: no stdio. */
static size_t put_text(char *to, size_t at, size_t size, const char *text)
{
    while (*text && at + 1 < size)
        to[at++] = *text++;
    return at;
}

static size_t put_number(char *to, size_t at, size_t size, uint64_t number)
{
    char digits[24] = "";
    size_t i = sizeof digits - 1;
    do
        digits[--i] = (char)('0' + number % 10);
    while (number /= 10);
    return put_text(to, at, size, digits + i);
}

static void say_stuck(const struct seat *seat)
{
    char text[600];
    size_t at = put_text(text, 0, sizeof text, "STUCK: ");
    at = put_text(text, at, sizeof text, promise);
    at = put_text(text, at, sizeof text, ": ");
    at = put_text(text, at, sizeof text, seat->what);
    at = put_text(text, at, sizeof text, " (pid ");
    at = put_number(text, at, sizeof text, (uint64_t)seat->pid);
    at = put_text(text, at, sizeof text, ") was at: ");
    at = put_text(text, at, sizeof text, seat->step);
    at = put_text(text, at, sizeof text, ", progress ");
    at = put_number(text, at, sizeof text, seat->progress);
    at = put_text(text, at, sizeof text, "\n");
    if (write(STDERR_FILENO, text, at) < 0)
        return;
}

static void on_alarm(int signo)
{
    (void)signo;
    if (getpid() != test_pid)
        return;
    uint64_t progress = 0;
    for (int i = 0; i < SEATS; i++)
        progress += atomic_load(&seats[i].progress);
    if (progress != seen_progress) {
        seen_progress = progress;
        alarm(WATCH_SECONDS);
        return;
    }
    for (int i = 0; i < SEATS; i++)
        if (atomic_load(&seats[i].pid) > 0)
            say_stuck(&seats[i]);
    kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
}

void nap_us(unsigned us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    while (nanosleep(&time, &time) < 0 && errno == EINTR)
        ;
}

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------------------- children */

static struct seat *seat_take(const char *what)
{
    for (int i = 1; i < SEATS; i++) {
        pid_t nobody = 0;
        if (atomic_compare_exchange_strong(&seats[i].pid, &nobody, -1)) {
            snprintf(seats[i].what, sizeof seats[i].what, "%s", what);
            snprintf(seats[i].step, sizeof seats[i].step, "starting");
            return &seats[i];
        }
    }
    fail("more than %d children at once", SEATS - 1);
}

pid_t spawn(const char *what, void (*run)(void *arg), void *arg)
{
    struct seat *seat = seat_take(what);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        fail("fork: %s", strerror(errno));
    if (pid == 0) {
        own = seat;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(CHILD_FAILED);
        run(arg);
        _exit(0);
    }
    atomic_store(&seat->pid, pid);
    return pid;
}

int reap(pid_t pid)
{
    int status;
    pid_t got;
    char step[sizeof own->step];
    memcpy(step, own->step, sizeof step);
    watch("waiting for child %d to end; before that: %.80s", (int)pid, step);
    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    if (got != pid)
        fail("waitpid(%d): %s", (int)pid, strerror(errno));
    for (int i = 1; i < SEATS; i++)
        if (atomic_load(&seats[i].pid) == pid)
            atomic_store(&seats[i].pid, 0);
    watch("%s", step);
    return status;
}

void finish(pid_t pid)
{
    int status = reap(pid);
    if (WIFSIGNALED(status))
        fail("child %d died of signal %d (%s)", (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status))
        fail("child %d ended with %d", (int)pid, WEXITSTATUS(status));
}

void kill_and_reap(pid_t pid)
{
    kill(pid, SIGKILL);
    int status = reap(pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail("child %d was to be killed, but ended by itself with status %#x", (int)pid, (unsigned)status);
}

/* 'R', 'S', 'T', ... as in /proc/PID/stat; 0 if there is no such process. */
static char process_state(pid_t pid)
{
    char path[40], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] ? end[2] : '\0';
}

void stop(pid_t pid)
{
    kill(pid, SIGSTOP);
    until(process_state(pid) == 'T');
}

void resume(pid_t pid)
{
    kill(pid, SIGCONT);
}

void wait_until_asleep(pid_t pid)
{
    for (int in_a_row = 0; in_a_row < 10;) {
        char state = process_state(pid);
        if (state == 0 || state == 'Z')
            fail("child %d was to block, but has ended", (int)pid);
        in_a_row = state == 'S' ? in_a_row + 1 : 0;
        nap_us(2000);
    }
}

void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap: %s", strerror(errno));
    return memory;
}

unsigned descriptors_open(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* ----------------------------------------------------------------------------------- names */

const char *unique_name(void)
{
    static char names[64][80];
    static unsigned count;
    if (count == COUNT_OF(names))
        fail("more than %zu names in a test", COUNT_OF(names));
    snprintf(names[count], sizeof names[count], "/shmchan-test-%s-%d-%u", run_tag, (int)test_pid, count);
    return names[count++];
}

const char *path_of(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "/dev/shm/%s", name + (name[0] == '/'));
    return path;
}

bool name_exists(const char *name)
{
    struct stat st;
    return lstat(path_of(name), &st) == 0;
}

/* -------------------------------------------------------------------------------- messages */

struct stamp {
    uint32_t sender;
    uint32_t length;
    uint64_t number;
    uint64_t sum;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 32;
}

static uint64_t seed_of(uint32_t sender, uint64_t number)
{
    return mix((uint64_t)sender << 40 ^ number ^ UINT64_C(0x5eed));
}

/* Byte `i` of the filler. */
static unsigned char filler(uint64_t seed, uint32_t i)
{
    return (unsigned char)((seed + i / 8 * UINT64_C(0x9e3779b97f4a7c15)) >> i % 8 * 8);
}

/* Over the stamp's first three fields and all that follows it: word by word, each word's place counts. */
static uint64_t sum_of(const struct stamp *stamp, const unsigned char *rest, uint32_t length)
{
    uint64_t sum = mix(stamp->sender ^ (uint64_t)stamp->length << 32) ^ mix(stamp->number);
    uint32_t i = 0;
    for (uint64_t word; i + sizeof word <= length; i += sizeof word) {
        memcpy(&word, rest + i, sizeof word);
        sum = (sum << 7 | sum >> 57) + word;
    }
    for (; i < length; i++)
        sum = (sum << 7 | sum >> 57) + rest[i];
    return mix(sum);
}

void message_fill(void *message, uint32_t length, uint32_t sender, uint64_t number)
{
    unsigned char *bytes = message;
    uint64_t seed = seed_of(sender, number);
    if (length < MESSAGE_WHOLE) {
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = filler(seed, i);
        return;
    }
    struct stamp stamp = {.sender = sender, .length = length, .number = number};
    unsigned char *rest = bytes + sizeof stamp;
    uint32_t i = 0, rest_length = length - (uint32_t)sizeof stamp;
    for (uint64_t word = seed; i + sizeof word <= rest_length; i += sizeof word) {
        memcpy(rest + i, &word, sizeof word);
        word += UINT64_C(0x9e3779b97f4a7c15);
    }
    for (; i < rest_length; i++)
        rest[i] = filler(seed, i);
    stamp.sum = sum_of(&stamp, rest, rest_length);
    memcpy(bytes, &stamp, sizeof stamp);
}

const char *message_fault(const void *message, uint32_t length, uint32_t sender, uint64_t number)
{
    static char text[200];
    const unsigned char *bytes = message;
    if (length < MESSAGE_WHOLE) {
        uint64_t seed = seed_of(sender, number);
        for (uint32_t i = 0; i < length; i++)
            if (bytes[i] != filler(seed, i)) {
                snprintf(text, sizeof text, "not message %llu of sender %u: byte %u differs",
                         (unsigned long long)number, sender, i);
                return text;
            }
        return NULL;
    }
    struct stamp stamp;
    memcpy(&stamp, bytes, sizeof stamp);
    bool torn = stamp.sum != sum_of(&stamp, bytes + sizeof stamp, length - (uint32_t)sizeof stamp);
    if (!torn && stamp.sender == sender && stamp.number == number && stamp.length == length)
        return NULL;
    snprintf(text, sizeof text, "%s message says sender %u, number %llu, length %u; due: %u, %llu, %u",
             torn ? "torn" : "whole", stamp.sender, (unsigned long long)stamp.number, stamp.length, sender,
             (unsigned long long)number, length);
    return text;
}

uint32_t message_sender(const void *message)
{
    struct stamp stamp;
    memcpy(&stamp, message, sizeof stamp);
    return stamp.sender;
}

uint64_t message_number(const void *message)
{
    struct stamp stamp;
    memcpy(&stamp, message, sizeof stamp);
    return stamp.number;
}
