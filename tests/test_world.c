/* SPDX-License-Identifier: MIT */
/* The world around: full file systems, namespaces, users, limits, threads that end, programs that close what
   others take for granted. What needs root is skipped without it, and says so. */
#include "support.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define MIB ((size_t)1 << 20)

/* What a test shares with its children. */
struct scene {
    const char *name;
    shmchan_sender *tx;
    shmchan_receiver *rx;
    uint64_t count;
    uint32_t id;
    int want;      /* what a call in the child should return */
    int want_look; /* and an inspection */
    gid_t gid;
    _Atomic uint64_t *said;      /* shared: how far a child has got */
    _Atomic unsigned char *seen; /* shared: which messages have arrived */
    _Atomic int *done;           /* shared: it is time to end */
};

static struct scene scene_make(const struct shmchan_options *opts)
{
    struct scene s = {.name = unique_name(), .said = shared_memory(4096)};
    if (opts)
        expect_ok(shmchan_receiver_create(s.name, opts, &s.rx));
    return s;
}

static void scene_end(struct scene *s)
{
    shmchan_sender_close(s->tx);
    shmchan_receiver_close(s->rx);
    expect_ok(shmchan_unlink(s->name));
}

/* A child that could not do what is needed here. */
#define CANNOT 77

static bool could(pid_t child)
{
    int status = reap(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
        return false;
    expect_is(status, 0);
    return true;
}

/* ------------------------------------------------------------------------------------- a full /dev/shm */

enum { KILO = 1000 };

static void send_kilos(void *arg)
{
    struct scene *s = arg;
    unsigned char message[KILO];
    shmchan_sender *tx;
    expect_ok(shmchan_sender_open(s->name, NULL, &tx));
    s->said[s->id]++;
    for (uint64_t n = 0; n < s->count; n++) {
        watch_progress(n);
        message_fill(message, KILO, s->id, n);
        expect_ok(shmchan_send(tx, message));
    }
    until(*s->done); /* its place stays taken */
    shmchan_sender_close(tx);
}

/* Until nothing fits any more, one byte at a time at the end. */
static void fill_up(const char *path)
{
    static char zeros[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    expect(fd >= 0);
    for (size_t step = sizeof zeros; step; step /= 4096)
        while (write(fd, zeros, step) > 0)
            ;
    close(fd);
}

/* With three senders at work in other processes: attaching fails, and nobody else notices. */
static void receive_while_full(struct scene *s)
{
    unsigned char message[KILO];
    uint64_t due[3] = {0};
    for (uint64_t total = 1; total <= 3 * s->count; total++) {
        expect_is(shmchan_recv(s->rx, message), 1);
        uint32_t id = message_sender(message);
        expect(id < 3);
        const char *fault = message_fault(message, KILO, id, due[id]++);
        if (fault)
            fail("%s", fault);
        watch_progress(total);
        if (total % 500 != 0)
            continue;
        shmchan_sender *tx = NULL;
        shmchan_receiver *rx = NULL;
        struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = KILO, .capacity = 16);
        expect_is(shmchan_sender_of(s->rx, &tx), -ENOSPC);
        expect_is(shmchan_receiver_create("shmchan-test-none", &opts, &rx), -ENOSPC);
        expect_is(shmchan_pair(&SHMCHAN_OPTIONS(.message_size = KILO, .capacity = 16), &tx, &rx), 0);
        shmchan_sender_close(tx); /* a memfd lies elsewhere */
        shmchan_receiver_close(rx);
    }
}

/* Attaches until nothing fits any more; how many. */
static unsigned attach_all(struct scene *s, shmchan_sender **tx, unsigned most)
{
    unsigned n = 0;
    int r = 0;
    tx[0] = NULL;
    while (n < most && (r = shmchan_sender_of(s->rx, &tx[n])) == 0)
        tx[++n] = NULL;
    expect_is(r, -ENOSPC);
    expect(tx[n] == NULL);
    return n;
}

/* A child of a sender gets a place of its own, if there is memory for it. */
static void fork_while_full(struct scene *s)
{
    uint64_t message[KILO / 8] = {0};
    pid_t pid = fork();
    if (pid == 0)
        _exit(shmchan_sender_id(s->tx) == -ENOSPC && shmchan_try_send(s->tx, message) == -ENOSPC ? 0 : 1);
    int status;
    expect(waitpid(pid, &status, 0) == pid);
    expect_is(status, 0);
    expect_ok(shmchan_try_send(s->tx, message));
    expect_is(shmchan_try_recv(s->rx, message), 1);
}

static void in_a_small_shm(void *arg)
{
    struct scene *s = arg;
    shmchan_sender *tx[65];
    uint64_t message[KILO / 8] = {0};
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/dev/shm", "tmpfs", 0, "size=1m") < 0)
        _exit(CANNOT);
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = KILO, .capacity = 64, .max_senders = 64);
    expect_ok(shmchan_receiver_create(s->name, &opts, &s->rx));

    watch("attaching until it is full");
    unsigned n = attach_all(s, tx, 64);
    expect(n >= 4);
    fill_up("/dev/shm/filler");
    for (unsigned i = 0; i < 10000; i++) {
        expect_ok(shmchan_try_send(tx[i % n], message));
        expect_is(shmchan_try_recv(s->rx, message), 1);
    }
    s->tx = tx[0];
    watch("forking when it is full");
    fork_while_full(s);
    s->tx = NULL;
    for (unsigned i = 0; i < n; i++)
        shmchan_sender_close(tx[i]);

    watch("places whose memory is there already are given on");
    pid_t children[3];
    for (uint32_t i = 0; i < 3; i++) {
        s->id = i;
        children[i] = spawn("sender", send_kilos, s);
    }
    until(s->said[0] && s->said[1] && s->said[2]);
    expect_is(attach_all(s, tx, 64), n - 3);
    receive_while_full(s);
    *s->done = 1;
    for (int i = 0; i < 3; i++)
        finish(children[i]);
    for (unsigned i = 0; i < n - 3; i++)
        shmchan_sender_close(tx[i]);
    expect_is(shmchan_recv(s->rx, message), 0);
    scene_end(s);
}

static void small_shm(void)
{
    struct scene s = scene_make(NULL);
    s.count = scaled(2000);
    s.done = shared_memory(4096);
    if (!could(spawn("a world with a small /dev/shm", in_a_small_shm, &s)))
        skip("no right to mount a tmpfs");
}

/* ------------------------------------------------------------------------------- another PID namespace */

/* Process 1 of a namespace of its own. */
static void send_as_process_1(struct scene *s)
{
    shmchan_sender *tx = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int r = getpid() == 1 ? shmchan_sender_open(s->name, NULL, &tx) : -ESRCH;
    for (uint64_t n = 0; r == 0 && n < s->count; n++) {
        uint64_t message = (uint64_t)s->id << 32 | n;
        r = shmchan_send(tx, &message);
    }
    s->said[s->id] = 1;
    if (r == 0 && s->id % 2)
        raise(SIGKILL); /* which process 1 does not mind, from within */
    while (r == 0 && s->id % 2)
        pause();
    shmchan_sender_close(tx);
    _exit(r == 0 ? 0 : 1);
}

/* Has a process 1 of its own, and kills it if it does not end by itself. */
static void in_a_pid_namespace(void *arg)
{
    struct scene *s = arg;
    if (unshare(CLONE_NEWPID) < 0)
        _exit(CANNOT);
    pid_t pid = fork();
    expect(pid >= 0);
    if (pid == 0)
        send_as_process_1(s);
    if (s->id % 2) {
        until(s->said[s->id]);
        nap_us(20000);
        kill(pid, SIGKILL);
    }
    int status;
    expect(waitpid(pid, &status, 0) == pid);
    expect_is(status, s->id % 2 ? SIGKILL : 0);
}

/* And is there to be waited for still. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    expect_ok(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
    return info.si_pid == pid;
}

enum { NAMESPACES = 4 };

static bool all_have_ended(const pid_t children[NAMESPACES])
{
    for (int i = 0; i < NAMESPACES; i++)
        if (!has_ended(children[i]))
            return false;
    return true;
}

static void pid_namespaces(void)
{
    struct shmchan_options opts =
        SHMCHAN_OPTIONS(.message_size = 8, .capacity = 8, .max_senders = NAMESPACES + 1);
    struct scene s = scene_make(&opts);
    shmchan_sender *own; /* no end between two who come late */
    uint64_t due[NAMESPACES] = {0}, message, total = 0;
    struct shmchan_info info;
    pid_t children[NAMESPACES];
    int r = 1;
    s.count = scaled(5000);
    for (s.id = 0; s.id < NAMESPACES; s.id++)
        children[s.id] = spawn("the parent of process 1", in_a_pid_namespace, &s);
    expect_ok(shmchan_sender_of(s.rx, &own));
    /* If no namespace can be had, nobody ever joins. */
    while (total < NAMESPACES * s.count) {
        r = shmchan_recv_info(s.rx, &message, &info, 1000);
        if (r == -ETIMEDOUT && !all_have_ended(children))
            continue;
        if (r != 1)
            break;
        expect(message >> 32 < NAMESPACES);
        expect_is(message & 0xffffffff, due[message >> 32]++);
        expect_is(info.pid, 1); /* each in its own namespace */
        total++;
    }
    shmchan_sender_close(own);
    if (total == NAMESPACES * s.count) {
        watch("all are gone: two closed, two were killed");
        expect_is(shmchan_recv(s.rx, &message), 0);
    }
    bool able = true;
    for (int i = 0; i < NAMESPACES; i++)
        able = could(children[i]) && able;
    if (able)
        expect_is(total, NAMESPACES * s.count);
    else
        skip("no right to make a PID namespace");
    scene_end(&s);
}

/* ---------------------------------------------------------------------------------------- another user */

enum { SOMEBODY = 65534 };

/* Drops everything but, perhaps, a group; then tries a sender and an inspection. */
static void as_somebody(void *arg)
{
    struct scene *s = arg;
    shmchan_sender *tx = NULL;
    struct shmchan_snapshot snapshot;
    uint64_t n = 4711;
    expect_ok(setgroups(0, NULL));
    expect_ok(setgid(s->gid));
    expect_ok(setuid(SOMEBODY));
    expect_is(shmchan_sender_open(s->name, NULL, &tx), s->want);
    if (s->want == 0) {
        expect_ok(shmchan_send(tx, &n));
        shmchan_sender *clone;
        expect_ok(shmchan_sender_clone(tx, &clone));
        shmchan_sender_close(clone);
    }
    expect_is(shmchan_inspect(s->name, &snapshot), s->want_look);
    if (s->want_look == 0) {
        expect_is(snapshot.receiver.state, SHMCHAN_PLACE_HELD);
        expect_is(snapshot.senders_held, s->want == 0);
        expect_is(snapshot.owner_uid, 0);
    }
    shmchan_receiver *rx;
    expect_is(shmchan_receiver_open(s->name, NULL, &rx), s->want == 0 ? -EBUSY : s->want);
    expect_is(shmchan_unlink(s->name), -EACCES);
    if (s->want == 0 && s->gid == SOMEBODY)
        raise(SIGKILL); /* the lock of another user's process goes, too */
    shmchan_sender_close(tx);
}

static void other_users(void)
{
    static const struct {
        uint32_t mode;
        gid_t gid;
        int want, want_look;
    } cases[] = {
        {0600, SOMEBODY, -EACCES, -EACCES}, {0666, SOMEBODY, 0, 0}, {0644, SOMEBODY, -EACCES, 0},
        {0660, SOMEBODY, -EACCES, -EACCES}, {0660, 0, 0, 0},        {0640, 0, -EACCES, 0},
        {0622, SOMEBODY, -EACCES, -EACCES}, {0606, SOMEBODY, 0, 0},
    };
    if (getuid() != 0) {
        skip("only root can become somebody else");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        watch("mode %04o, group %u", cases[i].mode, (unsigned)cases[i].gid);
        struct shmchan_options opts =
            SHMCHAN_OPTIONS(.message_size = 8, .capacity = 8, .mode = cases[i].mode);
        struct scene s = scene_make(&opts);
        s.want = cases[i].want;
        s.want_look = cases[i].want_look;
        s.gid = cases[i].gid;
        int status = reap(spawn("somebody", as_somebody, &s));
        uint64_t n = 0;
        if (s.want == 0) {
            expect_is(status, s.gid == SOMEBODY ? SIGKILL : 0);
            expect_is(shmchan_recv(s.rx, &n), 1);
            expect_is(n, 4711);
            expect_is(shmchan_recv(s.rx, &n), 0);
        } else {
            expect_is(status, 0);
            expect_is(shmchan_try_recv(s.rx, &n), -EAGAIN);
        }
        scene_end(&s);
    }
}

/* --------------------------------------------------------------------------- a large process is killed */

static void send_being_large(void *arg)
{
    struct scene *s = arg;
    shmchan_sender *tx;
    volatile char *memory = mmap(NULL, s->count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect(memory != MAP_FAILED);
    for (size_t i = 0; i < s->count; i += 4096)
        memory[i] = 1;
    expect_ok(shmchan_sender_open(s->name, NULL, &tx));
    for (uint64_t n = 0;; n++) {
        expect_ok(shmchan_send(tx, &n));
        *s->said = n + 1;
    }
}

static size_t memory_available(void)
{
    char line[128];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return (size_t)kilobytes * 1024;
}

/* Its locks go last, after all its memory. */
static void large_process(void)
{
    if (memory_available() < 2048 * MIB) {
        skip("less than 2 GiB of memory to be had");
        return;
    }
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 8, .capacity = 64);
    struct scene s = scene_make(&opts);
    s.count = 512 * MIB;
    pid_t child = spawn("large sender", send_being_large, &s);
    uint64_t n = 0, due = 0;
    for (; due < 20000; due++) {
        expect_is(shmchan_recv(s.rx, &n), 1);
        expect_is(n, due);
    }
    uint64_t start = now_ms();
    kill(child, SIGKILL);
    watch("receiving to the end of a large process");
    for (; shmchan_recv(s.rx, &n) == 1; due++)
        expect_is(n, due);
    expect(due >= *s.said && due <= *s.said + 1);
    note("512 MiB killed amid a send: the end came after %llu ms", (unsigned long long)(now_ms() - start));
    int status = reap(child);
    expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    scene_end(&s);
}

/* --------------------------------------------------------------------------------------------- threads */

static void *send_and_end(void *arg)
{
    struct scene *s = arg;
    expect_ok(shmchan_sender_open(s->name, NULL, &s->tx));
    expect_ok(shmchan_send(s->tx, &s->count));
    return NULL;
}

static void *send_on(void *arg)
{
    struct scene *s = arg;
    s->count += 1000;
    expect_ok(shmchan_send(s->tx, &s->count));
    return NULL;
}

static void run_thread(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    expect_ok(pthread_create(&thread, NULL, run, arg));
    expect_ok(pthread_join(thread, NULL));
}

/* A handle is not its thread's: it outlives it, and another one goes on with it. */
static void threads_that_end(void)
{
    enum { HANDLES = 8 };
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 8, .capacity = 8, .max_senders = HANDLES);
    struct scene s = scene_make(&opts), own[HANDLES];
    uint64_t n = 0;
    for (uint64_t round = 0; round < scaled(50); round++) {
        for (uint64_t i = 0; i < HANDLES; i++) {
            own[i] = s;
            own[i].count = i;
            run_thread(send_and_end, &own[i]);
        }
        shmchan_sender *more;
        expect_is(shmchan_sender_open(s.name, NULL, &more), -EUSERS);
        for (uint64_t i = 0; i < HANDLES; i++)
            run_thread(send_on, &own[HANDLES - 1 - i]);
        for (uint64_t i = 0; i < HANDLES; i++) {
            expect_is(shmchan_recv(s.rx, &n), 1);
            expect_is(n, i);
        }
        for (uint64_t i = 0; i < HANDLES; i++) {
            expect_is(shmchan_recv(s.rx, &n), 1);
            expect_is(n, 1000 + HANDLES - 1 - i);
        }
        for (uint64_t i = 0; i < HANDLES; i++)
            shmchan_sender_close(own[i].tx);
        expect_is(shmchan_recv(s.rx, &n), 0);
    }
    scene_end(&s);
}

static void *come_and_go(void *arg)
{
    struct scene *s = arg;
    while (!*s->done) {
        shmchan_sender *tx;
        int r = shmchan_sender_open(s->name, NULL, &tx);
        if (r == -EUSERS)
            continue;
        expect_ok(r);
        int sent = shmchan_try_send(tx, &s->count);
        expect(sent == 0 || sent == -EAGAIN);
        shmchan_sender_close(tx);
    }
    return NULL;
}

/* Exits with 2 if there was no place: every one is taken, or holds what its sender has left. */
_Noreturn static void send_own_and_end(struct scene *s, uint64_t own)
{
    int r = shmchan_send(s->tx, &own);
    bool no_place = r == -EUSERS && shmchan_sender_id(s->tx) == -EUSERS;
    shmchan_sender_close(s->tx);
    _exit(r == 0 ? 0 : no_place ? 2 : 1);
}

/* Until the child has ended and, if it sent one, its message has come. True: it did. */
static bool receive_own(struct scene *s, pid_t pid, uint64_t own)
{
    int status = -1;
    bool come = false, ended = false;
    while (!ended || (status == 0 && !come)) {
        uint64_t n = 0;
        int r = shmchan_recv_timed(s->rx, &n, 10);
        expect(r == 1 || r == -ETIMEDOUT);
        come = come || (r == 1 && n == own);
        if (!ended) {
            pid_t got = waitpid(pid, &status, WNOHANG);
            expect(got == 0 || got == pid);
            ended = got == pid;
        }
    }
    expect(come ? status == 0 : WIFEXITED(status) && WEXITSTATUS(status) == 2);
    return come;
}

/* Threads attach and leave, and the receiver receives, at whatever instant another thread forks. */
static void forks_of_a_busy_process(void)
{
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 8, .capacity = 8, .max_senders = 64);
    struct scene s = scene_make(&opts);
    pthread_t threads[3];
    uint64_t n, forks = scaled(200), heard = 0;
    s.done = shared_memory(4096);
    expect_ok(shmchan_sender_open(s.name, NULL, &s.tx));
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        expect_ok(pthread_create(&threads[i], NULL, come_and_go, &s));
    for (uint64_t i = 0; i < forks; i++) {
        watch("fork %d", (int)i);
        pid_t pid = fork();
        expect(pid >= 0);
        if (pid == 0)
            send_own_and_end(&s, UINT64_MAX - i);
        heard += receive_own(&s, pid, UINT64_MAX - i);
    }
    *s.done = 1;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        expect_ok(pthread_join(threads[i], NULL));
    shmchan_sender_close(s.tx);
    s.tx = NULL;
    watch("receiving to the end");
    while (shmchan_recv(s.rx, &n) == 1)
        ;
    note("%llu of %llu children had a place", (unsigned long long)heard, (unsigned long long)forks);
    expect(heard > 0);
    scene_end(&s);
}

/* ----------------------------------------------------------------------------------------- descriptors */

static void exec_sh(void *arg)
{
    (void)arg;
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    close(null);
    execl("/bin/sh", "sh", "-c",
          "if ls -l /proc/self/fd | grep -e shmchan -e /dev/shm; then exit 1; else exit 0; fi", (char *)NULL);
    _exit(CHILD_FAILED);
}

static void exec_leaves_nothing(void)
{
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 8, .capacity = 8);
    struct scene s = scene_make(&opts);
    shmchan_sender *tx;
    shmchan_receiver *rx;
    unsigned before = descriptors_open(), flags_seen = 0;
    expect_ok(shmchan_pair(&opts, &tx, &rx));
    expect_is(descriptors_open(), before + 2);
    expect_ok(shmchan_sender_open(s.name, NULL, &s.tx));
    for (int fd = STDERR_FILENO + 1; fd < 1024; fd++) {
        char link[40], target[300];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        if (!strstr(target, "shmchan") && !strstr(target, "/dev/shm"))
            continue;
        flags_seen++;
        expect_is(fcntl(fd, F_GETFD), FD_CLOEXEC);
    }
    expect_is(flags_seen, 4);
    finish(spawn("sh", exec_sh, NULL));
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
    scene_end(&s);
}

/* What it prints goes nowhere; so it says by its status where it failed. */
static void without_standard_files(void *arg)
{
    struct scene *s = arg;
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 8, .capacity = 8);
    static const char garbage[4096] = "what goes to stderr";
    shmchan_sender *tx, *pair_tx;
    shmchan_receiver *rx, *pair_rx;
    uint64_t n = 0;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
    if (shmchan_receiver_create(s->name, &opts, &rx) || shmchan_sender_open(s->name, NULL, &tx) ||
        shmchan_pair(&opts, &pair_tx, &pair_rx))
        _exit(10);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (pwrite(fd, garbage, sizeof garbage, 0) != -1 || write(fd, garbage, sizeof garbage) != -1)
            _exit(11);
    pid_t pid = fork(); /* the child's own description, too */
    if (pid == 0) {
        bool bad = false;
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
            bad |= write(fd, garbage, sizeof garbage) != -1;
        n = 5;
        bad |= shmchan_send(tx, &n) != 0 || shmchan_send(pair_tx, &n) != 0;
        _exit(bad);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        _exit(12);
    if (shmchan_recv(rx, &n) != 1 || n != 5 || shmchan_recv(pair_rx, &n) != 1 || n != 5)
        _exit(13);
    struct shmchan_snapshot snapshot;
    if (shmchan_inspect(s->name, &snapshot) || snapshot.lanes_damaged)
        _exit(14);
    n = 6;
    if (shmchan_send(tx, &n))
        _exit(15);
}

static void no_standard_files(void)
{
    struct scene s = scene_make(NULL);
    finish(spawn("program without stdin, stdout, stderr", without_standard_files, &s));
    uint64_t n = 0;
    expect_ok(shmchan_receiver_open(s.name, NULL, &s.rx));
    expect_is(shmchan_recv(s.rx, &n), 1);
    expect_is(n, 6);
    expect_is(shmchan_recv(s.rx, &n), 0);
    scene_end(&s);
}

/* --------------------------------------------------------------------------------- receivers that fail */

/* In a child: a receiver that cannot be made for want of memory has never been there. */
static void open_without_memory(void *arg)
{
    struct scene *s = arg;
    struct rlimit limit;
    shmchan_receiver *rx = NULL;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    expect(file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    expect_ok(getrlimit(RLIMIT_AS, &limit));
    unsigned refusals = 0;
    int r = -ENOMEM;
    for (size_t more = 0; r == -ENOMEM && more < 64 * MIB; more += 65536) {
        limit.rlim_cur = pages * (size_t)sysconf(_SC_PAGESIZE) + more;
        expect_ok(setrlimit(RLIMIT_AS, &limit));
        r = shmchan_receiver_open(s->name, NULL, &rx);
        if (r == -ENOMEM) {
            refusals++;
            expect(rx == NULL);
        } else {
            expect_ok(r);
        }
        s->said[1]++;
        until(s->said[0] >= s->said[1]); /* the sender has sent once more */
    }
    expect_ok(r);
    expect(refusals >= 2);
    uint64_t n, due = 0;
    limit.rlim_cur = limit.rlim_max;
    expect_ok(setrlimit(RLIMIT_AS, &limit));
    while (due < s->said[1]) {
        expect_is(shmchan_recv(rx, &n), 1);
        expect_is(n, due++);
    }
    shmchan_receiver_close(rx);
}

static void receiver_without_memory(void)
{
    if (SANITIZED) {
        skip("a sanitizer takes all address space there is");
        return;
    }
    struct scene s = {.name = unique_name(), .said = shared_memory(4096)};
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 8, .capacity = 2048, .max_senders = 4096);
    expect_ok(shmchan_sender_create(s.name, &opts, &s.tx));
    shmchan_sender_close(s.tx);
    s.tx = NULL;
    s.done = shared_memory(4096);
    pid_t child = spawn("receiver with little memory", open_without_memory, &s);
    /* Only now, so that the child has nothing of it mapped. */
    expect_ok(shmchan_sender_open(s.name, NULL, &s.tx));
    int status;
    pid_t ended;
    for (uint64_t n = 0; (ended = waitpid(child, &status, WNOHANG)) == 0;) {
        if (s.said[1] <= n) {
            nap_us(200);
            continue;
        }
        expect_ok(shmchan_try_send(s.tx, &n));
        s.said[0] = ++n;
    }
    expect(ended == child);
    expect_is(status, 0);
    scene_end(&s);
}

static void receive_and_linger(void *arg)
{
    struct scene *s = arg;
    uint64_t n;
    shmchan_receiver *rx;
    expect_ok(shmchan_receiver_open(s->name, NULL, &rx));
    *s->said = 1;
    for (uint64_t i = 0; i < s->count; i++)
        expect_is(shmchan_recv(rx, &n), 1);
    *s->said = 2;
    for (;;)
        pause();
}

static void every_send_fails(shmchan_sender *tx)
{
    uint64_t n[3] = {0};
    void *slot;
    for (int i = 0; i < 100; i++) {
        expect_is(shmchan_try_send(tx, n), -EPIPE);
        expect_is(shmchan_send(tx, n), -EPIPE);
        expect_is(shmchan_send_timed(tx, n, 10), -EPIPE);
        expect_is(shmchan_send_sized(tx, n, 3, 0), -EPIPE);
        expect_is(shmchan_send_many(tx, n, 3, 10), -EPIPE);
        expect_is(shmchan_reserve(tx, &slot, 0), -EPIPE);
    }
}

/* Killed awake or asleep, with the lane empty or not: -EPIPE comes, and stays until a receiver does. */
static void epipe_stays(void)
{
    for (uint64_t received = 0; received < 40; received += 13) {
        watch("killed after %d messages", (int)received);
        struct scene s = scene_make(NULL);
        uint64_t n = 0;
        s.count = received;
        expect_ok(
            shmchan_sender_create(s.name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4096), &s.tx));
        pid_t child = spawn("receiver", receive_and_linger, &s);
        until(*s.said);
        for (uint64_t i = 0; i < received; i++)
            expect_ok(shmchan_send(s.tx, &i));
        until(*s.said == 2);
        kill_and_reap(child);
        int r, sent = 0;
        uint64_t start = now_ms();
        while ((r = shmchan_try_send(s.tx, &n)) == 0) {
            expect(++sent < 4000);
            nap_us(1000);
        }
        expect_is(r, -EPIPE);
        note("%d messages in %llu ms until -EPIPE", sent, (unsigned long long)(now_ms() - start));
        every_send_fails(s.tx);
        expect_ok(shmchan_receiver_open(s.name, NULL, &s.rx));
        expect_ok(shmchan_try_send(s.tx, &n));
        for (int i = 0; i <= sent; i++)
            expect_is(shmchan_try_recv(s.rx, &n), 1);
        expect_is(shmchan_try_recv(s.rx, &n), -EAGAIN);
        scene_end(&s);
    }
}

/* ------------------------------------------------------------------- who comes while the last one goes */

#define VANISHING                                                                                            \
    SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .max_senders = 4,                                      \
                    .flags = SHMCHAN_WAIT_FOR_RECEIVER | SHMCHAN_UNLINK_ON_CLOSE)

/* Opens what is there, or makes it anew. */
static shmchan_sender *some_sender(const char *name)
{
    shmchan_sender *tx = NULL;
    for (;;) {
        int r = shmchan_sender_open(name, NULL, &tx);
        if (r == -ENOENT)
            r = shmchan_sender_create(name, &VANISHING, &tx);
        if (r == 0)
            return tx;
        expect(r == -EEXIST || r == -ENOENT || r == -EUSERS);
    }
}

static void send_in_visits(void *arg)
{
    struct scene *s = arg;
    for (uint64_t n = 0; n < s->count;) {
        shmchan_sender *tx = some_sender(s->name);
        for (unsigned i = 0; i < 1 + n % 3 && n < s->count; i++, n++) {
            uint64_t message = s->id * s->count + n;
            watch_progress(n);
            expect_ok(shmchan_send(tx, &message));
        }
        shmchan_sender_close(tx);
        if (n % 16 < 3)
            nap_us((unsigned)(n % 300));
    }
    s->said[s->id] = s->count;
}

static void note_message(struct scene *s, uint64_t message)
{
    expect(message < 2 * s->count);
    expect_is(atomic_fetch_add(&s->seen[message], 1), 0);
}

/* Visits until there is nothing to be visited and nobody who will come. */
static void receive_in_visits(void *arg)
{
    struct scene *s = arg;
    uint64_t message, visits = 0, received = 0;
    for (;;) {
        bool all_sent = s->said[0] && s->said[1];
        shmchan_receiver *rx;
        int r = shmchan_receiver_open(s->name, NULL, &rx);
        if (r == -ENOENT && all_sent)
            break;
        if (r == -ENOENT || r == -EBUSY)
            continue;
        expect_ok(r);
        visits++;
        while ((r = shmchan_recv_timed(rx, &message, 5)) == 1) {
            note_message(s, message);
            watch_progress(++received);
        }
        expect(r == 0 || r == -ETIMEDOUT);
        shmchan_receiver_close(rx);
    }
    s->said[2 + s->id] = visits;
}

static void last_one_out(void)
{
    struct scene s = scene_make(NULL);
    s.count = scaled(6000);
    s.seen = shared_memory(2 * s.count);
    pid_t children[4];
    for (s.id = 0; s.id < 2; s.id++) {
        children[s.id] = spawn("visiting sender", send_in_visits, &s);
        children[2 + s.id] = spawn("visiting receiver", receive_in_visits, &s);
    }
    for (int i = 0; i < 4; i++)
        finish(children[i]);
    for (uint64_t i = 0; i < 2 * s.count; i++)
        if (!s.seen[i])
            fail("message %llu was sent and has not arrived", (unsigned long long)i);
    expect(!name_exists(s.name));
    note("%llu messages to %llu receivers", (unsigned long long)(2 * s.count),
         (unsigned long long)(s.said[2] + s.said[3]));
}

static const struct row rows[] = {
    {"full: /dev/shm of 1 MiB", small_shm},
    {"namespaces: senders that are process 1, closed and killed", pid_namespaces},
    {"users: a sender and an inspector with and without permission", other_users},
    {"large: a process of 512 MiB is killed amid a send", large_process},
    {"threads: handles outlive their threads and go to others", threads_that_end},
    {"threads: a process that attaches all the time forks", forks_of_a_busy_process},
    {"exec: leaves nothing open", exec_leaves_nothing},
    {"descriptors: stdin, stdout and stderr closed, and written to", no_standard_files},
    {"receiver: that gets no memory has never been there", receiver_without_memory},
    {"receiver: -EPIPE stays after one was killed", epipe_stays},
    {"unlink on close: nothing is lost to who opens while the last one leaves", last_one_out},
};

int main(int argc, char **argv)
{
    return suite_run("world", rows, COUNT_OF(rows), argc, argv);
}
