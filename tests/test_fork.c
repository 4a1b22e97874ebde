/* SPDX-License-Identifier: MIT */
/* fork behaves as with pipes: every sender of the parent becomes one of the child's own, a receiver stays
   the parent's, exec closes all. */
#include "support.h"

#include <dirent.h>
#include <pthread.h>
#include <spawn.h>

#define FOREVER SHMCHAN_FOREVER

extern char **environ;

/* A channel and what parent and children tell each other; children get it by fork. */
struct family {
    shmchan_sender *tx;
    shmchan_receiver *rx;
    _Atomic int *told; /* shared: counts how far children may go */
    _Atomic int *said; /* shared: counts what children have done */
    uint64_t id;       /* of the child that is spawned next */
    uint64_t count;
};

static struct family family_make(const struct shmchan_options *opts)
{
    _Atomic int *words = shared_memory(4096);
    struct family f = {.told = &words[0], .said = &words[1]};
    expect_ok(shmchan_pair(opts, &f.tx, &f.rx));
    return f;
}

static struct family numbers(uint32_t capacity)
{
    return family_make(&SHMCHAN_OPTIONS(.message_size = sizeof(uint64_t), .capacity = capacity));
}

static void family_close(struct family *f)
{
    shmchan_sender_close(f->tx);
    shmchan_receiver_close(f->rx);
}

static void send_number(shmchan_sender *tx, uint64_t n)
{
    expect_ok(shmchan_send(tx, &n));
}

static void expect_number(shmchan_receiver *rx, uint64_t want)
{
    uint64_t n = UINT64_MAX;
    expect_is(shmchan_recv(rx, &n), 1);
    expect_is(n, want);
}

static void expect_end(shmchan_receiver *rx)
{
    uint64_t n;
    expect_is(shmchan_recv(rx, &n), 0);
}

static void expect_empty(shmchan_receiver *rx)
{
    uint64_t n;
    expect_is(shmchan_try_recv(rx, &n), -EAGAIN);
}

/* Sends `count` numbers, its id in the upper half. */
static void send_own(void *arg)
{
    struct family *f = arg;
    watch("child %d sends", (int)f->id);
    for (uint64_t n = 0; n < f->count; n++)
        send_number(f->tx, f->id << 32 | n);
    shmchan_sender_close(f->tx);
}

static void hold(void *arg)
{
    struct family *f = arg;
    ++*f->said;
    watch("holding its sender until told");
    until(*f->told);
    shmchan_sender_close(f->tx);
    ++*f->said;
    watch("living on without a sender");
    until(*f->told > 1);
}

/* Receives to the end; each sender's numbers must come in order, `count` of them. */
static void receive_all(struct family *f, uint64_t children)
{
    uint64_t *next = calloc(children + 1, sizeof *next), n, received = 0;
    expect(next);
    watch("receiving from %d children", (int)children);
    while (shmchan_recv(f->rx, &n) > 0) {
        expect(n >> 32 < children);
        expect_is(n & 0xffffffff, next[n >> 32]++);
        watch_progress(++received);
    }
    for (uint64_t i = 0; i < children; i++)
        expect_is(next[i], f->count);
    free(next);
}

static void plain(void)
{
    struct family f = numbers(4);
    f.count = 1000;
    pid_t child = spawn("sender", send_own, &f);
    shmchan_sender_close(f.tx);
    receive_all(&f, 1);
    finish(child);
    shmchan_receiver_close(f.rx);
}

static void child_does_nothing(void)
{
    struct family f = numbers(4);
    f.count = 0;
    finish(spawn("idler", send_own, &f));
    expect_empty(f.rx);
    send_number(f.tx, 1);
    expect_number(f.rx, 1);
    shmchan_sender_close(f.tx);
    expect_end(f.rx);
    shmchan_receiver_close(f.rx);
}

static void many_at_once(void)
{
    enum { CHILDREN = 64 };
    struct family f =
        family_make(&SHMCHAN_OPTIONS(.message_size = sizeof(uint64_t), .capacity = 8, .max_senders = 70));
    pid_t children[CHILDREN];
    f.count = scaled(2000);
    for (f.id = 0; f.id < CHILDREN; f.id++)
        children[f.id] = spawn("one of many", send_own, &f);
    shmchan_sender_close(f.tx);
    receive_all(&f, CHILDREN);
    for (int i = 0; i < CHILDREN; i++)
        finish(children[i]);
    shmchan_receiver_close(f.rx);
}

static void nest(void *arg)
{
    struct family *f = arg;
    pid_t child = 0;
    uint64_t id = f->id;
    if (id < 7) {
        f->id++;
        child = spawn("nested", nest, f);
        f->id = id;
    }
    send_own(f);
    if (child)
        finish(child);
}

static void nested(void)
{
    struct family f = numbers(2);
    f.count = 500;
    pid_t child = spawn("nested", nest, &f);
    shmchan_sender_close(f.tx);
    receive_all(&f, 8);
    finish(child);
    shmchan_receiver_close(f.rx);
}

/* The middle one goes at once, without closing anything; the grandchild's sender is its own. */
static void orphan_sends(void *arg)
{
    struct family *f = arg;
    pid_t grandchild = fork();
    expect(grandchild >= 0);
    if (grandchild)
        _exit(0);
    until(*f->told);
    *f->said = getpid();
    send_own(f);
    _exit(0);
}

static void orphaned_grandchild(void)
{
    struct family f = numbers(4);
    f.count = 100;
    pid_t child = spawn("middle", orphan_sends, &f);
    shmchan_sender_close(f.tx);
    finish(child);
    nap_us(300 * 1000); /* time to take the grandchild for dead along with its parent */
    expect_empty(f.rx);
    *f.told = 1;
    receive_all(&f, 1);
    finish(*f.said); /* we are its reaper now */
    shmchan_receiver_close(f.rx);
}

struct thread_work {
    shmchan_sender *tx;
    _Atomic bool stop;
    uint64_t sent;
};

static void *send_until_stopped(void *arg)
{
    struct thread_work *w = arg;
    while (!w->stop) {
        send_number(w->tx, UINT64_C(99) << 32 | w->sent);
        w->sent++;
    }
    shmchan_sender_close(w->tx);
    return NULL;
}

struct threaded {
    struct family f;
    struct thread_work *w;
};

/* The thread's sender was in use when we were forked; it is ours now, to close. */
static void send_and_close_both(void *arg)
{
    struct threaded *t = arg;
    send_own(&t->f);
    shmchan_sender_close(t->w->tx);
}

/* Receives from a threaded sender (99) and from children, as they come. */
static void from_a_threaded_program(void)
{
    enum { CHILDREN = 20 };
    struct family f = numbers(4);
    struct thread_work work = {.stop = false};
    struct threaded t = {.w = &work};
    pthread_t thread;
    pid_t children[CHILDREN];
    uint64_t n, threads_next = 0, next[CHILDREN] = {0}, ended = 0;

    expect_ok(shmchan_sender_clone(f.tx, &work.tx));
    expect_ok(pthread_create(&thread, NULL, send_until_stopped, &work));
    f.count = 50;
    t.f = f;
    for (t.f.id = 0; t.f.id < CHILDREN; t.f.id++)
        children[t.f.id] = spawn("child of a threaded program", send_and_close_both, &t);
    watch("receiving from a thread and from children");
    while (ended < CHILDREN) {
        expect_is(shmchan_recv(f.rx, &n), 1);
        if (n >> 32 == 99) {
            expect_is(n & 0xffffffff, threads_next++);
            continue;
        }
        expect(n >> 32 < CHILDREN);
        expect_is(n & 0xffffffff, next[n >> 32]);
        if (++next[n >> 32] == f.count)
            ended++;
    }
    work.stop = true;
    shmchan_sender_close(f.tx);
    watch("the thread ends");
    while (shmchan_recv(f.rx, &n) > 0) {
        expect_is(n >> 32, 99);
        expect_is(n & 0xffffffff, threads_next++);
    }
    expect_ok(pthread_join(thread, NULL));
    expect_is(threads_next, work.sent);
    for (int i = 0; i < CHILDREN; i++)
        finish(children[i]);
    shmchan_receiver_close(f.rx);
}

static void *fork_in_thread(void *arg)
{
    struct family *f = arg;
    for (int i = 0; i < 10; i++)
        finish(spawn("child of a thread", send_own, f));
    return NULL;
}

static void by_a_thread(void)
{
    struct family f = numbers(64);
    pthread_t thread;
    f.count = 5;
    expect_ok(pthread_create(&thread, NULL, fork_in_thread, &f));
    expect_ok(pthread_join(thread, NULL));
    shmchan_sender_close(f.tx);
    for (int i = 0; i < 10; i++)
        for (uint64_t n = 0; n < 5; n++)
            expect_number(f.rx, n);
    expect_end(f.rx);
    shmchan_receiver_close(f.rx);
}

static void use_inherited_receiver(void *arg)
{
    struct family *f = arg;
    uint64_t n = 77, many[2];
    const void *message = NULL;
    shmchan_sender *own = NULL;
    struct shmchan_info info;
    expect_is(shmchan_recv(f->rx, &n), -EPERM);
    expect_is(shmchan_try_recv(f->rx, &n), -EPERM);
    expect_is(shmchan_recv_timed(f->rx, &n, 10), -EPERM);
    expect_is(shmchan_recv_info(f->rx, &n, &info, FOREVER), -EPERM);
    expect_is(shmchan_recv_many(f->rx, many, 2, FOREVER), -EPERM);
    expect_is(shmchan_peek(f->rx, &message, NULL, FOREVER), -EPERM);
    expect_is(shmchan_release(f->rx), -EPERM);
    expect_is(shmchan_sender_of(f->rx, &own), -EPERM);
    expect_is(n, 77);
    expect(message == NULL && own == NULL);
    shmchan_receiver_close(f->rx);
    send_number(f->tx, 2);
    shmchan_sender_close(f->tx);
}

static void receiver_is_inert(void)
{
    struct family f = numbers(4);
    const void *message;
    send_number(f.tx, 1);
    expect_is(shmchan_peek(f.rx, &message, NULL, 0), 1);
    finish(spawn("heir of a receiver", use_inherited_receiver, &f));
    expect_is(*(const uint64_t *)message, 1);
    expect_ok(shmchan_release(f.rx));
    expect_number(f.rx, 2);
    expect_empty(f.rx);
    for (uint64_t n = 0; n < 100; n++) {
        send_number(f.tx, n);
        expect_number(f.rx, n);
    }
    shmchan_sender_close(f.tx);
    expect_end(f.rx);
    shmchan_receiver_close(f.rx);
}

static void exit_with_receiver(void *arg)
{
    (void)arg;
}

/* A child that exits with the receiver's copy open does not end the parent's, nor keep it after the parent's
   close. */
static void receiver_copy_is_nobody(void)
{
    struct family f = numbers(4);
    uint64_t n = 1;
    finish(spawn("heir that exits", exit_with_receiver, &f));
    send_number(f.tx, 1);
    expect_number(f.rx, 1);
    pid_t child = spawn("heir that stays", hold, &f);
    until(*f.said == 1);
    shmchan_receiver_close(f.rx);
    expect_is(shmchan_send(f.tx, &n), -EPIPE);
    *f.told = 2;
    finish(child);
    shmchan_sender_close(f.tx);
}

static void ends_with_the_last_child(void)
{
    enum { CHILDREN = 5 };
    struct family f = numbers(4);
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        children[i] = spawn("holder", hold, &f);
    shmchan_sender_close(f.tx);
    watch("children hold their senders");
    until(*f.said == CHILDREN);
    expect_empty(f.rx);
    for (int i = 0; i < CHILDREN - 1; i++) { /* all but one go, each by force */
        kill_and_reap(children[i]);
        expect_empty(f.rx);
    }
    nap_us(300 * 1000);
    expect_empty(f.rx);
    *f.told = 1;
    watch("the last child closes its sender, and lives");
    expect_end(f.rx);
    *f.told = 2;
    finish(children[CHILDREN - 1]);
    shmchan_receiver_close(f.rx);
}

static void ends_with_a_killed_child(void)
{
    struct family f = numbers(4);
    pid_t child = spawn("holder", hold, &f);
    shmchan_sender_close(f.tx);
    until(*f.said == 1);
    expect_ok(shmchan_sender_of(f.rx, &f.tx));
    send_number(f.tx, 1);
    shmchan_sender_close(f.tx);
    expect_number(f.rx, 1);
    expect_empty(f.rx);
    kill_and_reap(child);
    watch("the last child was killed");
    expect_end(f.rx);
    shmchan_receiver_close(f.rx);
}

/* "with a place of its own, before fork() returns there": there is no instant without a sender. */
static void no_gap(void)
{
    uint64_t rounds = scaled(500);
    for (uint64_t i = 0; i < rounds; i++) {
        struct family f = numbers(1);
        watch("round %d", (int)i);
        pid_t child = spawn("holder", hold, &f);
        shmchan_sender_close(f.tx);
        do
            expect_empty(f.rx);
        while (!*f.said);
        *f.told = 2;
        expect_end(f.rx);
        finish(child);
        shmchan_receiver_close(f.rx);
    }
}

static unsigned descriptors_of(pid_t pid)
{
    char path[40];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    expect(dir);
    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void exec_sleep(void *arg)
{
    (void)arg;
    execlp("sleep", "sleep", "600", (char *)NULL);
    fail("exec: %s", strerror(errno));
}

static void exec_closes(void)
{
    unsigned before = descriptors_of(getpid()) - 1; /* less the one that counts */
    struct family f = numbers(4);
    pid_t child = spawn("sleep", exec_sleep, NULL);
    shmchan_sender_close(f.tx);
    watch("exec closes the child's sender");
    expect_end(f.rx);
    expect_ok(kill(child, 0));
    until(descriptors_of(child) <= before);
    kill_and_reap(child);
    shmchan_receiver_close(f.rx);
}

static void posix_spawn_takes_nothing(void)
{
    struct family f =
        family_make(&SHMCHAN_OPTIONS(.message_size = sizeof(uint64_t), .capacity = 4, .max_senders = 1));
    char *argv[] = {(char[]){"sleep"}, (char[]){"600"}, NULL};
    pid_t child;
    expect_ok(posix_spawnp(&child, "sleep", NULL, NULL, argv, environ));
    send_number(f.tx, 1);
    shmchan_sender_close(f.tx);
    expect_number(f.rx, 1);
    watch("a spawned program holds nothing");
    expect_end(f.rx);
    expect_is(system("exit 3"), 3 << 8);
    kill_and_reap(child);
    shmchan_receiver_close(f.rx);
}

static void use_without_place(void *arg)
{
    struct family *f = arg;
    uint64_t n = 1;
    void *slot = NULL;
    shmchan_sender *clone = NULL;
    expect_is(shmchan_send(f->tx, &n), -EUSERS);
    expect_is(shmchan_try_send(f->tx, &n), -EUSERS);
    expect_is(shmchan_send_timed(f->tx, &n, 10), -EUSERS);
    expect_is(shmchan_send_sized(f->tx, &n, 1, FOREVER), -EUSERS);
    expect_is(shmchan_send_many(f->tx, &n, 1, FOREVER), -EUSERS);
    expect_is(shmchan_reserve(f->tx, &slot, FOREVER), -EUSERS);
    expect_is(shmchan_commit(f->tx, 1), -EUSERS);
    expect_is(shmchan_abort(f->tx), -EUSERS);
    expect_is(shmchan_sender_clone(f->tx, &clone), -EUSERS);
    expect_is(shmchan_sender_id(f->tx), -EUSERS);
    expect(slot == NULL && clone == NULL);
    shmchan_sender_close(f->tx);
}

static void no_place_left(void)
{
    struct family f =
        family_make(&SHMCHAN_OPTIONS(.message_size = sizeof(uint64_t), .capacity = 4, .max_senders = 1));
    send_number(f.tx, 1);
    finish(spawn("child without a place", use_without_place, &f));
    send_number(f.tx, 2);
    expect_number(f.rx, 1);
    expect_number(f.rx, 2);
    expect_empty(f.rx);
    shmchan_sender_close(f.tx);
    expect_end(f.rx);
    shmchan_receiver_close(f.rx);
}

struct two {
    shmchan_sender *a, *b;
};

static void use_two(void *arg)
{
    struct two *t = arg;
    uint64_t n = 5;
    int a = shmchan_send(t->a, &n), b = shmchan_send(t->b, &n);
    expect((a == 0 && b == -EUSERS) || (a == -EUSERS && b == 0));
}

static void one_place_left(void)
{
    struct family f =
        family_make(&SHMCHAN_OPTIONS(.message_size = sizeof(uint64_t), .capacity = 4, .max_senders = 3));
    struct two t = {.a = f.tx};
    expect_ok(shmchan_sender_clone(f.tx, &t.b));
    finish(spawn("child with one place for two", use_two, &t));
    expect_number(f.rx, 5);
    expect_empty(f.rx);
    shmchan_sender_close(t.b);
    family_close(&f);
}

static void send_beside_reservation(void *arg)
{
    struct family *f = arg;
    void *slot;
    uint64_t n = 11;
    expect_is(shmchan_commit(f->tx, 8), -EPROTO);
    expect_is(shmchan_abort(f->tx), -EPROTO);
    send_number(f->tx, 10);
    expect_ok(shmchan_reserve(f->tx, &slot, 0));
    memcpy(slot, &n, sizeof n);
    expect_ok(shmchan_commit(f->tx, sizeof n));
    shmchan_sender_close(f->tx);
}

static void reservation_stays_the_parents(void)
{
    struct family f = numbers(4);
    uint64_t *slot;
    void *reserved;
    expect_ok(shmchan_reserve(f.tx, &reserved, 0));
    slot = reserved;
    *slot = 1;
    finish(spawn("child of a reserver", send_beside_reservation, &f));
    expect_number(f.rx, 10);
    expect_number(f.rx, 11);
    expect_empty(f.rx);
    expect_is(*slot, 1);
    *slot = 12;
    expect_ok(shmchan_commit(f.tx, 8));
    expect_number(f.rx, 12);
    family_close(&f);
}

static void hold_name(void *arg)
{
    struct family *f = arg;
    send_number(f->tx, f->id);
    hold(f);
}

static void inspected(void)
{
    enum { CHILDREN = 3 };
    const char *name = unique_name();
    struct family f = numbers(4);
    struct shmchan_snapshot s;
    struct shmchan_sender_state places[8];
    pid_t children[CHILDREN];
    family_close(&f);
    expect_ok(shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .max_senders = 8), &f.rx));
    expect_ok(shmchan_sender_open(name, NULL, &f.tx));
    for (f.id = 0; f.id < CHILDREN; f.id++)
        children[f.id] = spawn("seen child", hold_name, &f);
    until(*f.said == CHILDREN);
    expect_is(shmchan_inspect_senders(name, &s, places, 8), 8);
    expect_is(s.senders_held, 1 + CHILDREN);
    expect_is(s.senders_joined, 1 + CHILDREN);
    expect_is(s.receiver.pid, getpid());
    expect_is(s.sent, CHILDREN);
    expect_is(s.received, 0);
    for (int i = 0; i < CHILDREN; i++) {
        int seen = 0;
        for (int k = 0; k < 8; k++)
            if (places[k].process.state == SHMCHAN_PLACE_HELD && places[k].process.pid == children[i]) {
                seen++;
                expect_is(places[k].sent, 1);
                expect(places[k].process.start_time > 0);
            }
        expect_is(seen, 1);
    }
    *f.told = 1;
    until(*f.said == 2 * CHILDREN);
    expect_ok(shmchan_inspect(name, &s));
    expect_is(s.senders_held, 1);
    expect_is(s.senders_left, CHILDREN);
    expect_is(s.senders_died, 0);
    *f.told = 2;
    for (int i = 0; i < CHILDREN; i++)
        finish(children[i]);
    shmchan_sender_close(f.tx);
    for (int i = 0; i < CHILDREN; i++) {
        uint64_t n;
        struct shmchan_info info;
        expect_is(shmchan_recv_info(f.rx, &n, &info, FOREVER), 1);
        expect(n < CHILDREN);
        expect_is(info.pid, children[n]);
    }
    expect_end(f.rx);
    shmchan_receiver_close(f.rx);
    expect_ok(shmchan_unlink(name));
}

static void send_second(void *arg)
{
    struct family *f = arg;
    send_number(f->tx, f->id);
    *f->said = (int)f->id;
    until(*f->told > (int)f->id);
    send_number(f->tx, f->id + 2);
    *f->said = (int)f->id + 2;
}

/* Before the fork, in the child, in the parent, in the child, in the parent: that is the order. */
static void order_across_fork(void)
{
    for (int round = 0; round < 50; round++) {
        struct family f = numbers(4);
        send_number(f.tx, 0);
        f.id = 1;
        pid_t child = spawn("second sender", send_second, &f);
        until(*f.said == 1);
        send_number(f.tx, 2);
        *f.told = 2;
        until(*f.said == 3);
        send_number(f.tx, 4);
        for (uint64_t n = 0; n < 5; n++)
            expect_number(f.rx, n);
        finish(child);
        family_close(&f);
    }
}

struct fleet {
    shmchan_sender *tx[20];
    uint64_t id;
};

static void send_on_all(void *arg)
{
    struct fleet *fleet = arg;
    for (uint64_t i = 0; i < COUNT_OF(fleet->tx); i++)
        send_number(fleet->tx[i], fleet->id * 100 + i);
}

static void many_handles(void)
{
    enum { CHILDREN = 5 };
    struct family f = numbers(4);
    struct fleet fleet = {.tx = {f.tx}};
    pid_t children[CHILDREN];
    bool seen[CHILDREN * 100] = {false};
    uint64_t n;
    unsigned received = 0;
    for (size_t i = 1; i < COUNT_OF(fleet.tx); i++)
        expect_ok(shmchan_sender_clone(f.tx, &fleet.tx[i]));
    for (fleet.id = 0; fleet.id < CHILDREN; fleet.id++)
        children[fleet.id] = spawn("child of many handles", send_on_all, &fleet);
    for (size_t i = 0; i < COUNT_OF(fleet.tx); i++)
        shmchan_sender_close(fleet.tx[i]);
    watch("receiving on behalf of many handles");
    for (; shmchan_recv(f.rx, &n) > 0; received++) {
        expect(n < COUNT_OF(seen) && !seen[n]);
        seen[n] = true;
    }
    expect_is(received, CHILDREN * COUNT_OF(fleet.tx));
    for (int i = 0; i < CHILDREN; i++)
        finish(children[i]);
    shmchan_receiver_close(f.rx);
}

static void many_channels(void)
{
    struct family f[10];
    pid_t children[4];
    for (size_t i = 0; i < COUNT_OF(f); i++) {
        f[i] = numbers(4);
        f[i].count = 1;
    }
    for (size_t k = 0; k < COUNT_OF(children); k++)
        children[k] = spawn("child of ten channels", send_own, &f[k]);
    for (size_t i = 0; i < COUNT_OF(f); i++)
        shmchan_sender_close(f[i].tx);
    for (size_t i = 0; i < COUNT_OF(f); i++) {
        watch("channel %zu of ten", i);
        receive_all(&f[i], 1 * (i < COUNT_OF(children)));
        shmchan_receiver_close(f[i].rx);
    }
    for (size_t k = 0; k < COUNT_OF(children); k++)
        finish(children[k]);
}

static void count_descriptors(void *arg)
{
    struct family *f = arg;
    *f->said = (int)descriptors_open();
}

static void descriptors_in_the_child(void)
{
    struct family f = numbers(4);
    unsigned before = descriptors_open();
    finish(spawn("counter", count_descriptors, &f));
    expect(*f.said > 0 && (unsigned)*f.said <= before);
    expect_is(descriptors_open(), before);
    family_close(&f);
}

static void close_all(void *arg)
{
    struct family *f = arg;
    family_close(f);
}

static void child_unlinks_nothing(void)
{
    const char *name = unique_name();
    struct family f = {.tx = NULL};
    expect_ok(shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .flags = SHMCHAN_UNLINK_ON_CLOSE), &f.rx));
    finish(spawn("heir of a receiver", close_all, &f));
    expect(name_exists(name));
    expect_ok(shmchan_sender_open(name, NULL, &f.tx));
    finish(spawn("heir of both halves", close_all, &f));
    expect(name_exists(name));
    send_number(f.tx, 1);
    expect_number(f.rx, 1);
    family_close(&f);
    expect(!name_exists(name));
}

/* Children die at any instant of their fork handlers; the channel goes on and ends. */
static void killed_while_forking(void)
{
    struct family f = numbers(4);
    uint64_t rounds = scaled(300), n;
    f.count = 1000000;
    for (uint64_t i = 0; i < rounds; i++) {
        watch("round %d", (int)i);
        pid_t child = spawn("short-lived", send_own, &f);
        nap_us((unsigned)(i * 7 % 400));
        kill_and_reap(child);
        while (shmchan_try_recv(f.rx, &n) > 0)
            ;
    }
    watch("all children are dead, the parent sends");
    expect_is(shmchan_try_recv(f.rx, &n), -EAGAIN);
    send_number(f.tx, 7);
    expect_number(f.rx, 7);
    shmchan_sender_close(f.tx);
    expect_end(f.rx);
    shmchan_receiver_close(f.rx);
}

static const struct row rows[] = {
    {"plain: a child sends, the parent receives to the end", plain},
    {"plain: a child that does nothing changes nothing", child_does_nothing},
    {"many: 64 children at once", many_at_once},
    {"nested: eight generations", nested},
    {"nested: a grandchild outlives its parent", orphaned_grandchild},
    {"threads: a threaded program forks while its threads send", from_a_threaded_program},
    {"threads: a thread forks", by_a_thread},
    {"receiver: is inert in the child, and its close harmless", receiver_is_inert},
    {"receiver: the child's copy is nobody", receiver_copy_is_nobody},
    {"end: exactly when the last child is gone", ends_with_the_last_child},
    {"end: also when the last child is killed", ends_with_a_killed_child},
    {"end: never between fork and the child's first step", no_gap},
    {"exec: closes everything", exec_closes},
    {"exec: posix_spawn and system take nothing", posix_spawn_takes_nothing},
    {"places: none left: the child's sender says so", no_place_left},
    {"places: one left for two senders", one_place_left},
    {"reservation: stays the parent's", reservation_stays_the_parents},
    {"inspect: every child in a place of its own", inspected},
    {"order: goes across fork", order_across_fork},
    {"handles: many in one process", many_handles},
    {"handles: of many channels", many_channels},
    {"descriptors: no more in the child than in the parent", descriptors_in_the_child},
    {"unlink: a child's close removes no name that its parent holds", child_unlinks_nothing},
    {"kill: children die in the middle of fork", killed_while_forking},
};

int main(int argc, char **argv)
{
    return suite_run("fork", rows, COUNT_OF(rows), argc, argv);
}
