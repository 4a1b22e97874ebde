/* SPDX-License-Identifier: MIT */
/*
 * What inspectors see while places change hands, at each instant of it, and of lanes that somebody has
 * scribbled on. The linker puts this program's functions in front of those that a joining process and an
 * inspector call between their steps (Makefile: --wrap); and inspect.c is part of this program, so that
 * something may happen before each of its loads.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "liveness.h"
#include "process.h"
#include "segment.h"
#include "support.h"

/* --------------------------------------------------------------------------------------- inspect.c's loads
 */

static uintptr_t load_at;     /* before the load of this word of the region ... */
static void (*at_load)(void); /* ... do this, once */

static void before_load(const volatile void *word)
{
    void (*now)(void) = at_load;
    /* The region is mapped at some page, and what we ask for lies in its first. */
    if (!now || (uintptr_t)word % 4096 != load_at)
        return;
    at_load = NULL;
    now();
}

#define LOAD(name, type)                                                                                     \
    static type name(const _Atomic type *word)                                                               \
    {                                                                                                        \
        before_load(word);                                                                                   \
        return atomic_load(word);                                                                            \
    }
LOAD(load_u64, uint64_t)
LOAD(load_u32, uint32_t)
LOAD(load_i32, int32_t)

#undef atomic_load_explicit
#define atomic_load_explicit(word, order)                                                                    \
    _Generic((word),                                                                                         \
        const _Atomic uint64_t *: load_u64,                                                                  \
        const _Atomic uint32_t *: load_u32,                                                                  \
        const _Atomic int32_t *: load_i32)(word)
#include "../src/inspect.c"

_Static_assert(sizeof(struct shm_control) + sizeof(struct shm_place) <= 4096, "place 0 is in the first page");
#define IN_PLACE_0(field) (offsetof(struct shm_control, places) + offsetof(struct shm_place, field))

/* ------------------------------------------------------------------------------------------- the instants */

enum instant { NONE, UNSIGNED, LOCKED, SIGNING, SIGNED, BACKED, INSTANTS };

struct stage {
    _Atomic int instant; /* where the joining process waits */
    _Atomic int told;    /* up to which instant it may go */
};

static struct stage *stage;           /* set: this process waits at each instant */
static void (*at_question)(int asks); /* of the inspector, before the answer */
static int questions;

static void arrive(enum instant instant)
{
    if (!stage)
        return;
    stage->instant = (int)instant;
    watch("waiting at instant %d of joining", (int)instant);
    until(stage->told >= (int)instant);
}

int __real_liveness_hold(int lock_fd, int64_t byte);
int __real_liveness_occupied(int fd, int64_t byte);
int __real_segment_back_lane(const struct segment *segment, uint32_t place);
void __real_process_sign(struct shm_owner *owner, const struct process_identity *me);

int __wrap_liveness_hold(int lock_fd, int64_t byte);
int __wrap_liveness_occupied(int fd, int64_t byte);
int __wrap_segment_back_lane(const struct segment *segment, uint32_t place);
void __wrap_process_sign(struct shm_owner *owner, const struct process_identity *me);

int __wrap_liveness_hold(int lock_fd, int64_t byte)
{
    arrive(UNSIGNED);
    int r = __real_liveness_hold(lock_fd, byte);
    arrive(LOCKED);
    return r;
}

int __wrap_liveness_occupied(int fd, int64_t byte)
{
    if (at_question)
        at_question(questions++);
    return __real_liveness_occupied(fd, byte);
}

void __wrap_process_sign(struct shm_owner *owner, const struct process_identity *me)
{
    arrive(SIGNING);
    __real_process_sign(owner, me);
    arrive(SIGNED);
}

int __wrap_segment_back_lane(const struct segment *segment, uint32_t place)
{
    int r = __real_segment_back_lane(segment, place);
    arrive(BACKED);
    return r;
}

/* ------------------------------------------------------------------------------------------------ a channel
 */

enum { CAPACITY = 4 };

static const char *name;
static shmchan_receiver *rx;
static shmchan_sender *tx;
static struct shmchan_snapshot seen;
static struct shmchan_sender_state places[2];

static void open_channel(uint32_t max_senders)
{
    name = unique_name();
    expect_ok(shmchan_receiver_create(
        name, &SHMCHAN_OPTIONS(.message_size = 8, .capacity = CAPACITY, .max_senders = max_senders), &rx));
}

static void close_channel(void)
{
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void send_numbers(uint64_t count)
{
    for (uint64_t n = 0; n < count; n++)
        expect_ok(shmchan_try_send(tx, &n));
}

static void look(void)
{
    expect(shmchan_inspect_senders(name, &seen, places, COUNT_OF(places)) > 0);
}

/* The region's words, to scribble on. */
static struct shm_control *map_control(void)
{
    int fd = open(path_of(name), O_RDWR | O_CLOEXEC);
    expect(fd >= 0);
    size_t bytes = sizeof(struct shm_control) + 2 * sizeof(struct shm_place);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    expect(memory != MAP_FAILED);
    close(fd);
    return memory;
}

/* ------------------------------------------------------------------------------ one comes after a dead one
 */

static void reserve_and_die(void *arg)
{
    void *slot;
    (void)arg;
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    expect_ok(shmchan_reserve(tx, &slot, 0));
    raise(SIGKILL);
}

static pid_t leave_a_dead_sender(void)
{
    pid_t pid = spawn("a sender to die", reserve_and_die, NULL);
    int status = reap(pid);
    expect(WIFSIGNALED(status));
    return pid;
}

static void join_in_steps(void *arg)
{
    stage = arg;
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    arrive(INSTANTS);
    shmchan_sender_close(tx);
}

static struct stage *new_stage(void)
{
    return shared_memory(sizeof(struct stage));
}

static void go_to(struct stage *s, int instant)
{
    watch("waiting for the joining process to come to instant %d", instant);
    s->told = instant - 1;
    until(s->instant == instant);
}

/* What is true at this instant of a place that a dead sender had, and `joiner` takes. */
static void expect_joining(int instant, pid_t joiner)
{
    const struct shmchan_process *p = &places[0].process;
    look();
    expect_is(p->state, instant < LOCKED ? SHMCHAN_PLACE_DEAD : SHMCHAN_PLACE_HELD);
    expect_is(p->pid, instant < SIGNED ? 0 : joiner);
    expect((p->joined_ns != 0) == (instant >= SIGNED));
    expect((p->command[0] != 0) == (instant >= SIGNED));
    expect_is(places[0].reserved, instant < LOCKED);
    expect_is(places[0].damaged, 0);
    expect_is(seen.senders_held, instant >= LOCKED);
    expect_is(seen.senders_joined, instant < INSTANTS ? 1 : 2);
    expect_is(seen.senders_died, 1);
    expect_is(seen.reservations_lost, 1);
}

static void a_joiner_does_not_show_as_the_dead_one_before_it(void)
{
    struct stage *s = new_stage();
    open_channel(1);
    leave_a_dead_sender();
    look();
    expect_is(places[0].process.state, SHMCHAN_PLACE_DEAD);
    expect_is(seen.senders_died, 1);
    pid_t joiner = spawn("a joining sender", join_in_steps, s);
    for (int instant = UNSIGNED; instant <= INSTANTS; instant++) {
        go_to(s, instant);
        expect_joining(instant, joiner);
    }
    s->told = INSTANTS;
    finish(joiner);
    look();
    expect_is(seen.senders_died, 1);
    close_channel();
}

/* Of two who died, the second at this instant: it counts if it had joined. */
static void a_joiner_that_dies_counts_once(void)
{
    for (int instant = UNSIGNED; instant <= INSTANTS; instant++) {
        struct stage *s = new_stage();
        uint64_t died = instant < INSTANTS ? 1 : 2;
        open_channel(1);
        leave_a_dead_sender();
        pid_t joiner = spawn("a sender to die while it joins", join_in_steps, s);
        go_to(s, instant);
        kill_and_reap(joiner);
        look();
        expect_is(seen.senders_died, died);
        expect_is(seen.reservations_lost, 1);
        expect_is(seen.senders_joined, died);
        expect_ok(shmchan_sender_open(name, NULL, &tx));
        look();
        expect_is(places[0].process.pid, getpid());
        expect_is(seen.senders_died, died);
        expect_is(seen.reservations_lost, 1);
        shmchan_sender_close(tx);
        look();
        expect_is(seen.senders_died, died);
        expect_is(seen.senders_joined, died + 1);
        close_channel();
    }
}

/* Nobody has been here before: no words of anybody, and no message either. */
static void the_first_joiner_is_there_before_it_has_signed(void)
{
    struct stage *s = new_stage();
    open_channel(2);
    pid_t joiner = spawn("the first sender", join_in_steps, s);
    go_to(s, LOCKED);
    look();
    expect_is(places[0].process.state, SHMCHAN_PLACE_HELD);
    expect_is(places[0].process.pid, 0);
    expect_is(places[1].process.state, SHMCHAN_PLACE_FREE);
    expect_is(seen.senders_held, 1);
    s->told = INSTANTS;
    finish(joiner);
    close_channel();
}

static void take_over_in_steps(void *arg)
{
    stage = arg;
    expect_ok(shmchan_receiver_open(name, NULL, &rx));
    arrive(INSTANTS);
    shmchan_receiver_close(rx);
}

static void receive_and_die(void *arg)
{
    (void)arg;
    expect_ok(shmchan_receiver_open(name, NULL, &rx));
    raise(SIGKILL);
}

static void a_successor_receiver_does_not_show_as_the_dead_one(void)
{
    struct stage *s = new_stage();
    open_channel(1);
    shmchan_receiver_close(rx);
    rx = NULL;
    pid_t dead = spawn("a receiver to die", receive_and_die, NULL);
    reap(dead);
    look();
    expect_is(seen.receiver.state, SHMCHAN_PLACE_DEAD);
    expect_is(seen.receiver.pid, dead);
    pid_t successor = spawn("a successor", take_over_in_steps, s);
    for (int instant = UNSIGNED; instant <= SIGNED; instant++) {
        go_to(s, instant);
        look();
        expect_is(seen.receiver.state, instant < LOCKED ? SHMCHAN_PLACE_DEAD : SHMCHAN_PLACE_HELD);
        expect_is(seen.receiver.pid, instant < SIGNED ? 0 : successor);
    }
    s->told = INSTANTS;
    finish(successor);
    close_channel();
}

/* ------------------------------------------------------------------- the place changes under the inspector
 */

static pid_t holder;
static struct stage *next_stage;

static void hold_place(void *arg)
{
    (void)arg;
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    *(_Atomic int *)arg = 1;
    for (;;)
        pause();
}

/* Between the inspector's look at the words and its question. */
static void replace_holder(int asks)
{
    if (asks != 1) /* the first is for the receiver */
        return;
    kill_and_reap(holder);
    holder = spawn("who came instead", join_in_steps, next_stage);
    go_to(next_stage, LOCKED);
}

static void one_that_dies_under_the_look(void)
{
    _Atomic int *there = shared_memory(sizeof *there);
    next_stage = new_stage();
    open_channel(1);
    holder = spawn("holder", hold_place, (void *)there);
    until(*there);
    look();
    expect_is(places[0].process.pid, holder);
    questions = 0;
    at_question = replace_holder;
    look();
    at_question = NULL;
    expect_is(places[0].process.state, SHMCHAN_PLACE_HELD);
    expect_is(places[0].process.pid, 0); /* its successor has not signed yet */
    expect_is(seen.senders_died, 1);
    expect(questions > 2); /* it asked again */
    next_stage->told = INSTANTS;
    finish(holder);
    close_channel();
}

static void join_and_die(int asks)
{
    if (asks == 1)
        leave_a_dead_sender();
}

static void one_that_joins_and_dies_under_the_look(void)
{
    open_channel(1);
    leave_a_dead_sender();
    questions = 0;
    at_question = join_and_die; /* in the same place */
    look();
    at_question = NULL;
    expect_is(seen.senders_died, 2);
    expect_is(seen.senders_joined, 2);
    expect_is(seen.reservations_lost, 2);
    close_channel();
}

/* While its words are read: what was read before and what is read after must not be told as one. */
static void replace_holder_whole(void)
{
    kill_and_reap(holder);
    holder = spawn("who came instead", join_in_steps, next_stage);
    go_to(next_stage, INSTANTS);
}

static void one_that_is_replaced_between_two_words(void)
{
    static const size_t words[] = {IN_PLACE_0(owner.pid), IN_PLACE_0(owner.command[1]),
                                   IN_PLACE_0(first_position), IN_PLACE_0(reserved)};
    for (unsigned i = 0; i < COUNT_OF(words); i++) {
        _Atomic int *there = shared_memory(sizeof *there);
        next_stage = new_stage();
        open_channel(1);
        holder = spawn("holder", hold_place, (void *)there);
        until(*there);
        load_at = words[i];
        at_load = replace_holder_whole;
        look();
        expect(!at_load);
        struct shmchan_sender_state first = places[0];
        look();
        expect_is(first.process.pid, holder);
        expect(first.process.start_time == places[0].process.start_time);
        expect(first.process.joined_ns == places[0].process.joined_ns);
        expect_is(seen.senders_died, 1);
        next_stage->told = INSTANTS;
        finish(holder);
        close_channel();
    }
}

static struct shm_control *scribbled;

static void change_stamp(int asks)
{
    atomic_store(&scribbled->places[0].owner.joined_ns, (uint64_t)asks + 1);
}

static void one_that_changes_at_every_look_is_nobody(void)
{
    open_channel(1);
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    scribbled = map_control();
    at_question = change_stamp;
    look();
    at_question = NULL;
    expect_is(places[0].process.state, SHMCHAN_PLACE_HELD);
    expect_is(places[0].process.pid, 0);
    expect_is(seen.senders_died, 0);
    shmchan_sender_close(tx);
    close_channel();
}

/* As shmchan_remove_orphan does it, for an instant. */
static void who_holds_all_is_in_no_place(void)
{
    open_channel(1);
    leave_a_dead_sender();
    shmchan_receiver_close(rx);
    int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    int lock_fd = liveness_open(fd);
    expect(fd >= 0 && lock_fd >= 0);
    expect_ok(liveness_hold_all(lock_fd));
    look();
    expect_is(places[0].process.state, SHMCHAN_PLACE_DEAD);
    expect_is(seen.receiver.state, SHMCHAN_PLACE_FREE);
    expect_is(seen.senders_held, 0);
    close(lock_fd);
    close(fd);
    expect_ok(shmchan_unlink(name));
}

/* ------------------------------------------------------------------------------------------- many of them */

/* One is killed holding a reservation, the next leaves in order, and so on. Each goes by its pid's name. */
static void be_one_of_many(bool dies)
{
    char command[16];
    void *slot;
    snprintf(command, sizeof command, "p%d", (int)getpid());
    prctl(PR_SET_NAME, command);
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    if (dies) {
        expect_ok(shmchan_reserve(tx, &slot, 0));
        _exit(0);
    }
    shmchan_sender_close(tx);
    _exit(0);
}

static void come_and_go(void *arg)
{
    _Atomic int *enough = arg;
    for (unsigned n = 0; !*enough; n++) {
        pid_t pid = fork();
        expect(pid >= 0);
        if (pid == 0)
            be_one_of_many(n % 3 != 0);
        expect(waitpid(pid, NULL, 0) == pid);
    }
}

static void expect_its_own_name(const struct shmchan_process *p)
{
    char command[16];
    if (p->pid == 0)
        return;
    snprintf(command, sizeof command, "p%d", (int)p->pid);
    if (strcmp(command, p->command) != 0)
        fail("process %d goes by the name of \"%s\"", (int)p->pid, p->command);
}

static void counters_do_not_fall(void)
{
    _Atomic int *enough = shared_memory(sizeof *enough);
    uint64_t looks = 0, end = now_ms() + scaled(2000);
    struct shmchan_snapshot before = {0};
    open_channel(2);
    pid_t crowd = spawn("crowd", come_and_go, (void *)enough);
    while (now_ms() < end) {
        look();
        expect(seen.senders_died >= before.senders_died);
        expect(seen.reservations_lost >= before.reservations_lost);
        expect(seen.senders_joined >= before.senders_joined);
        expect(seen.senders_died <= seen.senders_joined);
        expect(seen.reservations_lost <= seen.senders_died);
        expect_its_own_name(&places[0].process);
        expect_its_own_name(&places[1].process);
        before = seen;
        watch_progress(++looks);
    }
    *enough = 1;
    finish(crowd);
    look();
    expect_is(seen.reservations_lost, seen.senders_died); /* who dies here has reserved */
    note("%" PRIu64 " looks at %" PRIu64 " senders, %" PRIu64 " of them died", looks, seen.senders_joined,
         seen.senders_died);
    close_channel();
}

/* ------------------------------------------------------------------------------------------------- damage */

struct damage {
    const char *what;
    uint64_t tail, head;
};

static void a_lane_that_cannot_be(void)
{
    static const struct damage cases[] = {
        {"tail far ahead", UINT64_C(0x7fffffffff), 1},
        {"tail one too far ahead", 1 + CAPACITY + 1, 1},
        {"tail behind head", 0, 1},
        {"head far ahead", 3, UINT64_C(1) << 40},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        uint64_t number;
        shmchan_sender *other;
        watch("%s", cases[i].what);
        open_channel(2);
        expect_ok(shmchan_sender_open(name, NULL, &tx));
        expect_ok(shmchan_sender_open(name, NULL, &other));
        send_numbers(3);
        expect_ok(shmchan_try_send(other, &(uint64_t){7}));
        expect_is(shmchan_try_recv(rx, &number), 1);
        look();
        expect_is(seen.sent, 4);
        expect_is(seen.received, 1);
        expect_is(seen.lanes_damaged_now, 0);
        scribbled = map_control();
        struct shm_place *p = &scribbled->places[shmchan_sender_id(tx)];
        atomic_store(&p->tail, cases[i].tail);
        atomic_store(&p->head, cases[i].head);
        look();
        const struct shmchan_sender_state *state = &places[shmchan_sender_id(tx)];
        expect_is(state->damaged, 1);
        expect_is(state->sent, 0);
        expect_is(state->received, 0);
        expect_is(state->first_position, 0);
        expect_is(state->process.state, SHMCHAN_PLACE_HELD);
        expect_is(state->process.pid, getpid());
        expect_is(seen.lanes_damaged_now, 1);
        expect_is(seen.lanes_damaged, 0); /* no receiver has come by */
        expect_is(seen.sent, 1);          /* the other's */
        expect_is(seen.received, 0);
        shmchan_sender_close(tx);
        look();
        expect_is(state->process.state, SHMCHAN_PLACE_LEFT); /* nobody can take it as it is */
        expect_is(seen.senders_left, 0);
        shmchan_sender_close(other);
        close_channel();
    }
}

static void a_first_position_that_cannot_be(void)
{
    open_channel(1);
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    send_numbers(3);
    scribbled = map_control();
    atomic_store(&scribbled->places[0].first_position, UINT64_C(1) << 50);
    look();
    expect_is(places[0].damaged, 1);
    expect_is(places[0].sent, 3);
    expect_is(places[0].received, 0);
    expect_is(places[0].first_position, 3);
    expect_is(seen.lanes_damaged_now, 1);
    expect_is(seen.sent, 3);
    shmchan_sender_close(tx);
    close_channel();
}

static void a_lane_put_right_is_damaged_no_more(void)
{
    uint64_t number;
    open_channel(1);
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    send_numbers(3);
    scribbled = map_control();
    atomic_store(&scribbled->places[0].tail, 1000);
    look();
    expect_is(places[0].damaged, 1);
    expect_is(shmchan_try_recv(rx, &number), -EBADMSG);
    look();
    expect_is(places[0].damaged, 0);
    expect_is(seen.lanes_damaged_now, 0);
    expect_is(seen.lanes_damaged, 1);
    send_numbers(1);
    look();
    expect_is(places[0].sent, 4);
    shmchan_sender_close(tx);
    close_channel();
}

/* After the look at head, before that at tail: all taken, all filled, and some taken. */
static void run_on(void)
{
    struct shm_place *p = &scribbled->places[0];
    for (unsigned n = 0; n < 10; n++) {
        atomic_store(&p->head, p->tail);
        atomic_store(&p->tail, p->head + CAPACITY);
    }
    atomic_store(&p->head, p->head + 1);
}

/* After the look at tail: on, and past that tail. */
static void run_past(void)
{
    run_on();
    load_at = IN_PLACE_0(head);
    at_load = run_on;
}

static void a_lane_that_runs_is_not_damaged(void)
{
    uint64_t sent = 0, received = 0;
    open_channel(1);
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    scribbled = map_control();
    for (unsigned i = 0; i < 6; i++) {
        load_at = IN_PLACE_0(tail);
        at_load = i % 3 == 0 ? NULL : i % 3 == 1 ? run_on : run_past;
        look();
        expect(!at_load);
        expect_is(places[0].damaged, 0);
        expect_is(seen.lanes_damaged_now, 0);
        expect(seen.sent >= seen.received && seen.sent - seen.received <= CAPACITY);
        expect(seen.sent >= sent && seen.received >= received);
        sent = seen.sent;
        received = seen.received;
    }
    expect_is(sent, 5 * 10 * CAPACITY); /* less the last run, which came after the look at tail */
    shmchan_sender_close(tx);
    close_channel();
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"joining: a joiner does not show as the dead one before it, and no count falls",
         a_joiner_does_not_show_as_the_dead_one_before_it},
        {"joining: killed at any instant, each death counts once", a_joiner_that_dies_counts_once},
        {"joining: the first one is there before it has signed",
         the_first_joiner_is_there_before_it_has_signed},
        {"joining: a successor receiver does not show as the dead one",
         a_successor_receiver_does_not_show_as_the_dead_one},
        {"looking: one that dies and is followed under the look", one_that_dies_under_the_look},
        {"looking: one that joins and dies under the look", one_that_joins_and_dies_under_the_look},
        {"looking: one that is replaced between two words", one_that_is_replaced_between_two_words},
        {"looking: one that changes at every look is nobody", one_that_changes_at_every_look_is_nobody},
        {"looking: who holds all places is in none", who_holds_all_is_in_no_place},
        {"looking: counters do not fall, and names are not mixed, while many come and die",
         counters_do_not_fall},
        {"damage: positions that cannot be are not told", a_lane_that_cannot_be},
        {"damage: a first position that cannot be", a_first_position_that_cannot_be},
        {"damage: a lane put right is damaged no more", a_lane_put_right_is_damaged_no_more},
        {"damage: a lane that runs under the look is not damaged", a_lane_that_runs_is_not_damaged},
    };
    return suite_run("inspect", rows, COUNT_OF(rows), argc, argv);
}
