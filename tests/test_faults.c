/* SPDX-License-Identifier: MIT */
/*
 * The libc says no: each call that the library makes of it fails once, at the first, second, ... time that it
 * is made in each public call that makes or opens something. What is promised: a negative errno, the outputs
 * untouched, no descriptor lost, no name left behind, an existing channel none the worse, and the same call
 * without the fault succeeds. Then signals, at every instant.
 *
 * The faults come from functions of this program that stand before the libc's. Those that a header renames
 * for large files are renamed here too.
 */
#include "support.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

/* ---------------------------------------------------------------------------------------------- faults */

enum function {
    OPEN,
    FCNTL,
    MMAP,
    POSIX_FALLOCATE,
    FALLOCATE,
    MEMFD_CREATE,
    LINKAT,
    FTRUNCATE,
    FSTAT,
    LSTAT,
    FCHMOD,
    CALLOC,
    PREAD,
    READ,
    LSEEK,
    OPENDIR,
    UNLINK,
    FUNCTIONS
};

static struct {
    bool armed;
    enum function function;
    unsigned at; /* which of its calls fails: 1 ... */
    unsigned seen;
    int error;
    bool hit;
} fault;

static void arm(enum function function, unsigned at, int error)
{
    fault.function = function;
    fault.at = at;
    fault.seen = 0;
    fault.error = error;
    fault.hit = false;
    fault.armed = true;
}

static void disarm(void)
{
    fault.armed = false;
}

static bool fails(enum function function)
{
    if (!fault.armed || fault.function != function || ++fault.seen != fault.at)
        return false;
    fault.hit = true;
    errno = fault.error;
    return true;
}

/* The libc's own function, by the name for large files if there is one. */
static void *next_of(const char *name64, const char *name)
{
    void *next = name64 ? dlsym(RTLD_NEXT, name64) : NULL;
    if (!next)
        next = dlsym(RTLD_NEXT, name);
    if (!next)
        abort();
    return next;
}

#define NEXT(result, name64, name, ...)                                                                      \
    static result (*next)(__VA_ARGS__);                                                                      \
    if (!next)                                                                                               \
    *(void **)&next = next_of(name64, name)

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t); /* if not given: not used */
    va_end(args);
    NEXT(int, "open64", "open", const char *, int, ...);
    return fails(OPEN) ? -1 : next(path, flags, mode);
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *arg = va_arg(args, void *);
    va_end(args);
    NEXT(int, "fcntl64", "fcntl", int, int, ...);
    /* No signal interrupts the other commands. */
    bool interruptible = command == F_OFD_SETLK || fault.error != EINTR;
    return interruptible && fails(FCNTL) ? -1 : next(fd, command, arg);
}

void *mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    NEXT(void *, "mmap64", "mmap", void *, size_t, int, int, int, off_t);
    return fails(MMAP) ? MAP_FAILED : next(address, bytes, prot, flags, fd, offset);
}

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    NEXT(int, "posix_fallocate64", "posix_fallocate", int, off_t, off_t);
    return fails(POSIX_FALLOCATE) ? fault.error : next(fd, offset, bytes);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    NEXT(int, "fallocate64", "fallocate", int, int, off_t, off_t);
    return fails(FALLOCATE) ? -1 : next(fd, mode, offset, bytes);
}

int memfd_create(const char *name, unsigned flags)
{
    NEXT(int, NULL, "memfd_create", const char *, unsigned);
    return fails(MEMFD_CREATE) ? -1 : next(name, flags);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    NEXT(int, NULL, "linkat", int, const char *, int, const char *, int);
    return fails(LINKAT) ? -1 : next(from_dir, from, to_dir, to, flags);
}

int ftruncate(int fd, off_t bytes)
{
    NEXT(int, "ftruncate64", "ftruncate", int, off_t);
    return fails(FTRUNCATE) ? -1 : next(fd, bytes);
}

int fstat(int fd, struct stat *st)
{
    NEXT(int, "fstat64", "fstat", int, struct stat *);
    return fails(FSTAT) ? -1 : next(fd, st);
}

int lstat(const char *path, struct stat *st)
{
    NEXT(int, "lstat64", "lstat", const char *, struct stat *);
    return fails(LSTAT) ? -1 : next(path, st);
}

int fchmod(int fd, mode_t mode)
{
    NEXT(int, NULL, "fchmod", int, mode_t);
    return fails(FCHMOD) ? -1 : next(fd, mode);
}

ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
    NEXT(ssize_t, "pread64", "pread", int, void *, size_t, off_t);
    return fails(PREAD) ? -1 : next(fd, to, bytes, offset);
}

ssize_t read(int fd, void *to, size_t bytes)
{
    NEXT(ssize_t, NULL, "read", int, void *, size_t);
    return fails(READ) ? -1 : next(fd, to, bytes);
}

off_t lseek(int fd, off_t offset, int whence)
{
    NEXT(off_t, "lseek64", "lseek", int, off_t, int);
    return fails(LSEEK) ? -1 : next(fd, offset, whence);
}

DIR *opendir(const char *path)
{
    NEXT(DIR *, NULL, "opendir", const char *);
    return fails(OPENDIR) ? NULL : next(path);
}

int unlink(const char *path)
{
    NEXT(int, NULL, "unlink", const char *);
    return fails(UNLINK) ? -1 : next(path);
}

/* A sanitizer has its own, and dlsym may need one. */
#if defined(__GLIBC__) && !defined(SANITIZED)
#define CALLOC_FAILS 1
void *__libc_calloc(size_t count, size_t size);
void *calloc(size_t count, size_t size)
{
    return fails(CALLOC) ? NULL : __libc_calloc(count, size);
}
#else
#define CALLOC_FAILS 0
#endif

/* --------------------------------------------------------------------------------------- what is tried */

/* A channel that exists, and what a call makes. */
struct stage {
    const char *name;     /* of the channel that exists */
    const char *new_name; /* of one to be created */
    shmchan_sender *tx;
    shmchan_receiver *rx;
    shmchan_sender *new_tx;
    shmchan_receiver *new_rx;
    uint64_t sent;
    uint64_t received;
    unsigned visited;
    bool unlinked;
    struct {
        int id;
        bool hit;
    } * child; /* shared: what the forked child saw */
};

/* Outputs that nobody has touched. */
static char untouched_place;
#define UNTOUCHED ((void *)&untouched_place)

enum holds {
    BOTH,   /* this process holds a receiver and a sender; a message is in the channel */
    SENDER, /* a sender: no receiver has come yet */
    NOBODY, /* a sender has left a message */
};

static struct shmchan_options asked(void)
{
    return SHMCHAN_OPTIONS(.message_size = 8, .capacity = 16, .max_senders = 4);
}

static void send_next(struct stage *s, shmchan_sender *tx)
{
    expect_ok(shmchan_try_send(tx, &s->sent));
    s->sent++;
}

static void receive_next(struct stage *s, shmchan_receiver *rx)
{
    uint64_t n = UINT64_MAX;
    expect_is(shmchan_try_recv(rx, &n), 1);
    expect_is(n, s->received);
    s->received++;
}

static void set_stage(struct stage *s, enum holds holds)
{
    struct shmchan_options opts = asked();
    s->sent = s->received = 0;
    s->unlinked = false;
    s->tx = NULL;
    s->rx = NULL;
    s->new_tx = UNTOUCHED;
    s->new_rx = UNTOUCHED;
    expect_ok(shmchan_sender_create(s->name, &opts, &s->tx));
    if (holds == BOTH)
        expect_ok(shmchan_receiver_open(s->name, NULL, &s->rx));
    send_next(s, s->tx);
    if (holds == NOBODY) {
        shmchan_sender_close(s->tx);
        s->tx = NULL;
    }
}

static void clear_stage(struct stage *s)
{
    shmchan_sender_close(s->tx);
    shmchan_receiver_close(s->rx);
    if (!s->unlinked)
        expect_ok(shmchan_unlink(s->name));
}

/* Whatever has failed, those who were there go on. */
static void goes_on(struct stage *s)
{
    if (s->tx)
        send_next(s, s->tx);
    while (s->rx && s->received < s->sent)
        receive_next(s, s->rx);
    struct shmchan_snapshot snapshot;
    expect_ok(shmchan_inspect(s->name, &snapshot));
    expect_is(snapshot.sent, s->sent);
    expect_is(snapshot.received, s->received);
    expect_is(snapshot.senders_held, s->tx != NULL);
    expect_is(snapshot.receiver.state, s->rx ? SHMCHAN_PLACE_HELD : SHMCHAN_PLACE_FREE);
}

static int do_pair(struct stage *s)
{
    struct shmchan_options opts = asked();
    return shmchan_pair(&opts, &s->new_tx, &s->new_rx);
}

static int do_receiver_create(struct stage *s)
{
    struct shmchan_options opts = asked();
    opts.mode = 0640;
    return shmchan_receiver_create(s->new_name, &opts, &s->new_rx);
}

static int do_sender_create(struct stage *s)
{
    struct shmchan_options opts = asked();
    opts.flags = SHMCHAN_UNLINK_ON_CLOSE;
    return shmchan_sender_create(s->new_name, &opts, &s->new_tx);
}

static int do_receiver_open(struct stage *s)
{
    return shmchan_receiver_open(s->name, NULL, &s->new_rx);
}

static int do_sender_open(struct stage *s)
{
    return shmchan_sender_open(s->name, NULL, &s->new_tx);
}

static int do_clone(struct stage *s)
{
    return shmchan_sender_clone(s->tx, &s->new_tx);
}

static int do_sender_of(struct stage *s)
{
    return shmchan_sender_of(s->rx, &s->new_tx);
}

static int do_inspect(struct stage *s)
{
    struct shmchan_snapshot snapshot = {.sent = 12345};
    struct shmchan_sender_state senders[4];
    ssize_t r = shmchan_inspect_senders(s->name, &snapshot, senders, 4);
    if (r < 0)
        expect_is(snapshot.sent, 12345);
    else
        expect_is(r, 4);
    return r < 0 ? (int)r : 0;
}

static int count_visits(const char *name, void *user)
{
    struct stage *s = user;
    s->visited += strcmp(name, s->name) == 0;
    return 0;
}

/* A channel that cannot be read just now is left out. */
static int do_list(struct stage *s)
{
    s->visited = 0;
    int r = shmchan_list(count_visits, s);
    expect(s->visited <= 1 && (s->visited == 1 || r < 0 || fault.hit));
    return r;
}

static int do_unlink(struct stage *s)
{
    int r = shmchan_unlink(s->name);
    s->unlinked = r == 0;
    expect_is(name_exists(s->name), r < 0);
    return r;
}

/* The faults strike before fork, or in the child: its handle says so. */
static int do_fork(struct stage *s)
{
    s->child->hit = false;
    pid_t pid = fork();
    bool hit = fault.hit;
    disarm();
    expect(pid >= 0);
    if (pid == 0) {
        uint64_t n = 99;
        s->child->hit = hit;
        s->child->id = shmchan_sender_id(s->tx);
        int r = shmchan_try_send(s->tx, &n);
        bool good = s->child->id < 0 ? r == s->child->id : r == 0;
        good = good && shmchan_try_recv(s->rx, &n) == -EPERM;
        shmchan_sender_close(s->tx);
        shmchan_receiver_close(s->rx);
        _exit(good ? 0 : 1);
    }
    int status;
    expect(waitpid(pid, &status, 0) == pid);
    expect_is(status, 0);
    fault.hit = hit || s->child->hit;
    if (s->child->id < 0)
        return s->child->id;
    uint64_t n = 0;
    while (s->received < s->sent)
        receive_next(s, s->rx);
    expect_is(shmchan_recv(s->rx, &n), 1);
    expect_is(n, 99);
    return 0;
}

struct path {
    const char *name;
    int (*act)(struct stage *s);
    enum holds holds;
};

static const struct path paths[] = {
    {"pair", do_pair, BOTH},
    {"receiver_create", do_receiver_create, BOTH},
    {"sender_create", do_sender_create, BOTH},
    {"receiver_open beside a sender", do_receiver_open, SENDER},
    {"receiver_open of what was left", do_receiver_open, NOBODY},
    {"sender_open beside others", do_sender_open, BOTH},
    {"sender_open of what was left", do_sender_open, NOBODY},
    {"sender_clone", do_clone, BOTH},
    {"sender_of", do_sender_of, BOTH},
    {"inspect", do_inspect, BOTH},
    {"list", do_list, BOTH},
    {"unlink", do_unlink, BOTH},
    {"fork", do_fork, BOTH},
};

static bool made(const void *half)
{
    return half != NULL && half != UNTOUCHED;
}

/* What was made works, and is taken away again. */
static void use_and_drop(struct stage *s, const struct path *path)
{
    bool of_the_channel =
        path->act != do_pair && path->act != do_receiver_create && path->act != do_sender_create;
    uint64_t n = 0;
    if (made(s->new_rx) && of_the_channel)
        receive_next(s, s->new_rx);
    if (made(s->new_tx))
        expect_ok(shmchan_try_send(s->new_tx, &n));
    if (made(s->new_tx) && made(s->new_rx))
        expect_is(shmchan_try_recv(s->new_rx, &n), 1);
    if (made(s->new_tx))
        shmchan_sender_close(s->new_tx);
    if (made(s->new_rx))
        shmchan_receiver_close(s->new_rx);
    s->new_tx = UNTOUCHED;
    s->new_rx = UNTOUCHED;
    if (!of_the_channel && path->act != do_pair)
        expect_ok(shmchan_unlink(s->new_name));
}

/* One fault. False: the path makes no so many calls of this function. */
static bool strike(struct stage *s, const struct path *path, enum function function, unsigned at, int error)
{
    watch("%s: call %u of function %d fails with %s", path->name, at, (int)function, strerror(error));
    set_stage(s, path->holds);
    unsigned descriptors = descriptors_open();
    arm(function, at, error);
    int r = path->act(s);
    disarm();
    bool hit = fault.hit;
    if (r < 0) {
        expect(hit);
        /* A name that cannot be looked at any more counts as gone. */
        expect(r == -error || (function == LSTAT && r == -ENOENT));
        expect(s->new_tx == UNTOUCHED && s->new_rx == UNTOUCHED);
        expect_is(descriptors_open(), descriptors);
        expect(!name_exists(s->new_name));
        goes_on(s);
        r = path->act(s);
    }
    expect_ok(r);
    use_and_drop(s, path);
    expect_is(descriptors_open(), descriptors);
    clear_stage(s);
    return hit;
}

/* All of a function's calls in all paths. How many have failed. */
static unsigned strike_all(enum function function, int error)
{
    unsigned strikes = 0;
    struct stage s = {
        .name = unique_name(), .new_name = unique_name(), .child = shared_memory(sizeof *s.child)};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        for (unsigned at = 1; strike(&s, &paths[i], function, at, error); at++) {
            strikes++;
            expect(at < 500);
        }
    }
    munmap(s.child, sizeof *s.child);
    return strikes;
}

static void strike_each(enum function function, const int *errors, size_t count, unsigned at_least)
{
    unsigned strikes = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned n = strike_all(function, errors[i]);
        expect(n >= at_least);
        strikes += n;
    }
    note("%u faults", strikes);
}

#define STRIKE(function, at_least, ...)                                                                      \
    strike_each(function, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int),      \
                at_least)

static void open_fails(void)
{
    STRIKE(OPEN, 20, EMFILE, ENFILE, ENOMEM);
}

static void fcntl_fails(void)
{
    STRIKE(FCNTL, 20, ENOLCK, ENOMEM);
}

static void mmap_fails(void)
{
    STRIKE(MMAP, 10, ENOMEM);
}

static void fallocate_fails(void)
{
    STRIKE(POSIX_FALLOCATE, 8, ENOSPC, ENOMEM);
}

static void memfd_fails(void)
{
    STRIKE(MEMFD_CREATE, 1, EMFILE, ENOSYS, ENOMEM);
}

static void linkat_fails(void)
{
    STRIKE(LINKAT, 2, ENOSPC, EEXIST, ENOENT, ENOMEM);
}

static void ftruncate_fails(void)
{
    STRIKE(FTRUNCATE, 3, ENOSPC, EFBIG);
}

static void stat_fails(void)
{
    STRIKE(FSTAT, 8, EIO);
    STRIKE(LSTAT, 0, EIO);
    STRIKE(FCHMOD, 2, EPERM);
    STRIKE(LSEEK, 3, EIO);
}

static void read_fails(void)
{
    STRIKE(PREAD, 5, EIO);
    STRIKE(READ, 8, EIO);
}

static void names_fail(void)
{
    STRIKE(OPENDIR, 1, EMFILE, ENOMEM);
    STRIKE(UNLINK, 1, EIO);
}

static void calloc_fails(void)
{
    if (!CALLOC_FAILS) {
        skip("calloc is not ours to replace here");
        return;
    }
    STRIKE(CALLOC, 15, ENOMEM);
}

/* What a signal interrupts is done again. */
static void interrupted(void)
{
    static const enum function functions[] = {OPEN, FCNTL, POSIX_FALLOCATE, FTRUNCATE, PREAD, READ};
    unsigned strikes = 0;
    for (size_t f = 0; f < COUNT_OF(functions); f++) {
        struct stage s = {
            .name = unique_name(), .new_name = unique_name(), .child = shared_memory(sizeof *s.child)};
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
            for (unsigned at = 1;; at++) {
                watch("%s: call %u of function %d is interrupted", paths[i].name, at, (int)functions[f]);
                set_stage(&s, paths[i].holds);
                arm(functions[f], at, EINTR);
                int r = paths[i].act(&s);
                disarm();
                bool hit = fault.hit;
                expect_ok(r);
                use_and_drop(&s, &paths[i]);
                clear_stage(&s);
                if (!hit)
                    break;
                strikes++;
            }
        }
        munmap(s.child, sizeof *s.child);
    }
    note("%u interruptions", strikes);
}

/* ------------------------------------------------------------------------ out of descriptors, for real */

static void no_descriptors(void)
{
    struct stage s = {
        .name = unique_name(), .new_name = unique_name(), .child = shared_memory(sizeof *s.child)};
    struct rlimit old, low;
    unsigned refusals = 0;
    expect_ok(getrlimit(RLIMIT_NOFILE, &old));
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (paths[i].act == do_list)
            continue; /* it leaves out what it cannot read */
        for (unsigned spare = 0; spare < 5; spare++) {
            watch("%s with %u descriptors left", paths[i].name, spare);
            set_stage(&s, paths[i].holds);
            unsigned descriptors = descriptors_open();
            int highest = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest that is free */
            expect(highest >= 0);
            close(highest);
            low = old;
            low.rlim_cur = (rlim_t)highest + spare;
            expect_ok(setrlimit(RLIMIT_NOFILE, &low));
            fault.hit = true;
            int r = paths[i].act(&s);
            expect_ok(setrlimit(RLIMIT_NOFILE, &old));
            if (r < 0) {
                refusals++;
                expect_is(r, -EMFILE);
                expect_is(descriptors_open(), descriptors);
                expect(!name_exists(s.new_name));
                goes_on(&s);
                expect_ok(paths[i].act(&s));
            }
            use_and_drop(&s, &paths[i]);
            clear_stage(&s);
        }
    }
    munmap(s.child, sizeof *s.child);
    note("%u refusals", refusals);
    expect(refusals >= 10);
}

/* ---------------------------------------------------------------------------------- a storm of signals */

static _Atomic uint64_t signals;

static void on_signal(int signo)
{
    (void)signo;
    signals++;
}

/* One each millisecond, to this process; system calls are not restarted. */
static timer_t storm_begin(void)
{
    struct sigaction act = {.sa_handler = on_signal};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct itimerspec each = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
    timer_t timer;
    expect_ok(sigaction(SIGUSR2, &act, NULL));
    expect_ok(timer_create(CLOCK_MONOTONIC, &event, &timer));
    expect_ok(timer_settime(timer, 0, &each, NULL));
    return timer;
}

static void storm_end(timer_t timer)
{
    expect_ok(timer_delete(timer));
}

struct stormy {
    shmchan_sender *tx;
    shmchan_receiver *rx;
    uint64_t count;
};

static void send_in_a_storm(void *arg)
{
    struct stormy *s = arg;
    shmchan_receiver_close(s->rx);
    timer_t timer = storm_begin();
    for (uint64_t n = 0; n < s->count; n++) {
        watch_progress(n);
        expect_ok(shmchan_send(s->tx, &n));
        if (n % 4096 == 0)
            nap_us(20000); /* the receiver sleeps, too */
    }
    shmchan_sender_close(s->tx);
    storm_end(timer);
}

static void stormy_messages(void)
{
    struct stormy s = {.count = scaled(20000)};
    expect_ok(shmchan_pair(&SHMCHAN_OPTIONS(.message_size = 8, .capacity = 2), &s.tx, &s.rx));
    pid_t child = spawn("sender in a storm", send_in_a_storm, &s);
    shmchan_sender_close(s.tx);
    timer_t timer = storm_begin();
    uint64_t n = 0, due = 0;
    int r;
    while ((r = shmchan_recv(s.rx, &n)) == 1) {
        expect_is(n, due);
        watch_progress(++due);
        if (due % 4096 == 0)
            nap_us(20000); /* the sender sleeps */
    }
    expect_is(r, 0);
    expect_is(due, s.count);
    storm_end(timer);
    finish(child);
    shmchan_receiver_close(s.rx);
    note("%llu signals at the receiver", (unsigned long long)signals);
}

/* A signal ends no wait, and makes none longer either. */
static void stormy_waits(void)
{
    shmchan_sender *tx;
    shmchan_receiver *rx;
    uint64_t n = 0;
    expect_ok(shmchan_pair(&SHMCHAN_OPTIONS(.message_size = 8, .capacity = 1), &tx, &rx));
    timer_t timer = storm_begin();
    for (int i = 0; i < 4; i++) {
        uint64_t start = now_ms();
        expect_is(shmchan_recv_timed(rx, &n, 150), -ETIMEDOUT);
        expect(now_ms() - start >= 149);
    }
    expect_ok(shmchan_try_send(tx, &n));
    for (int i = 0; i < 4; i++) {
        uint64_t start = now_ms();
        expect_is(shmchan_send_timed(tx, &n, 150), -ETIMEDOUT);
        expect(now_ms() - start >= 149);
    }
    storm_end(timer);
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
}

/* Large enough that a signal comes while memory is being taken. */
static void stormy_making(void)
{
    uint64_t rounds = scaled(60);
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 65536, .capacity = 256, .max_senders = 8);
    const char *name = unique_name();
    timer_t timer = storm_begin();
    for (uint64_t i = 0; i < rounds; i++) {
        watch("round %d", (int)i);
        shmchan_receiver *rx = NULL;
        shmchan_sender *tx = NULL, *other = NULL;
        expect_ok(shmchan_receiver_create(name, &opts, &rx));
        expect_ok(shmchan_sender_open(name, NULL, &tx));
        if (i % 4 == 0)
            expect_ok(shmchan_sender_clone(tx, &other));
        struct shmchan_snapshot snapshot;
        expect_ok(shmchan_inspect(name, &snapshot));
        expect_is(snapshot.senders_held, 1 + (i % 4 == 0));
        shmchan_sender_close(other);
        shmchan_sender_close(tx);
        shmchan_receiver_close(rx);
        expect_ok(shmchan_unlink(name));
    }
    storm_end(timer);
    note("%llu signals", (unsigned long long)signals);
}

static const struct row rows[] = {
    {"faults: open", open_fails},
    {"faults: fcntl (locks, descriptors, seals)", fcntl_fails},
    {"faults: mmap", mmap_fails},
    {"faults: posix_fallocate", fallocate_fails},
    {"faults: memfd_create", memfd_fails},
    {"faults: linkat", linkat_fails},
    {"faults: ftruncate", ftruncate_fails},
    {"faults: fstat, lstat, fchmod, lseek", stat_fails},
    {"faults: pread, read", read_fails},
    {"faults: opendir, unlink", names_fail},
    {"faults: calloc", calloc_fails},
    {"faults: EINTR at each call that a signal can interrupt", interrupted},
    {"faults: out of descriptors", no_descriptors},
    {"signals: messages through a tiny lane, a signal each millisecond at both ends", stormy_messages},
    {"signals: timed waits are as long as they should be", stormy_waits},
    {"signals: making, opening, cloning", stormy_making},
};

int main(int argc, char **argv)
{
    return suite_run("faults", rows, COUNT_OF(rows), argc, argv);
}
