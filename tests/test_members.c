/* SPDX-License-Identifier: MIT */
/*
 * Places: their life, death, takeover and fork, on real regions and between processes. The halves are
 * left out where they can be, so that a place can be put into any state.
 */
#include <pthread.h>

#include "cond.h"
#include "lane.h"
#include "members.h"
#include "mutex.h"
#include "support.h"

static struct channel *channel;
static const char *name;

static void ignore_fork(struct member *self)
{
    (void)self;
}

static struct member *new_member(void)
{
    struct member *m = calloc(1, sizeof *m);
    expect(m != NULL);
    m->after_fork = ignore_fork;
    return m;
}

static void set_up(uint32_t senders)
{
    struct shmchan_options opts = SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .max_senders = senders);
    struct segment_path path;
    name = unique_name();
    expect_ok(segment_path(name, &path));
    expect_ok(channel_make(&path, &opts, &channel));
    expect_ok(segment_link(&channel->segment, &path));
}

/* In a child: what its parent used without a handle is gone there. */
static void open_anew(void)
{
    struct shmchan_options any = {0};
    struct segment_path path;
    expect_ok(segment_path(name, &path));
    expect_ok(channel_open(&path, &any, &channel));
}

static void tear_down(void)
{
    channel_leave(channel);
    expect_ok(shmchan_unlink(name));
}

static struct shm_place *place_of(uint32_t place)
{
    return &channel->segment.control->places[place];
}

static struct member *join(void)
{
    struct member *m = new_member();
    expect_ok(members_join_sender(channel, m));
    return m;
}

static void leave(struct member *m)
{
    members_leave(m);
    free(m);
}

static uint32_t state_of(uint32_t place)
{
    struct shmchan_snapshot snapshot;
    struct shmchan_sender_state senders[8];
    expect(shmchan_inspect_senders(name, &snapshot, senders, 8) > (ssize_t)place);
    return senders[place].process.state;
}

static struct shmchan_snapshot snapshot_now(void)
{
    struct shmchan_snapshot snapshot;
    expect_ok(shmchan_inspect(name, &snapshot));
    return snapshot;
}

static void publish(const struct member *m, uint64_t n)
{
    struct lane_writer w;
    lane_writer_init(&w, place_of(m->place), m->slots, lane_shape_make(4, 24, 8));
    lane_publish(&w, n);
}

static void drain(uint32_t place)
{
    atomic_store(&place_of(place)->head, atomic_load(&place_of(place)->tail));
}

/* ------------------------------------------------------------------------------------------- a place's life
 */

static void free_held_left_drained_free(void)
{
    set_up(1);
    expect_is(state_of(0), SHMCHAN_PLACE_FREE);
    struct member *m = join(), *other = new_member();
    expect_is(state_of(0), SHMCHAN_PLACE_HELD);
    expect_is(members_join_sender(channel, other), -EUSERS);
    publish(m, 3);
    leave(m);
    expect_is(state_of(0), SHMCHAN_PLACE_LEFT);
    expect_is(members_join_sender(channel, other), -EUSERS); /* its messages are still to be received */
    drain(0);
    expect_is(state_of(0), SHMCHAN_PLACE_FREE);
    expect_ok(members_join_sender(channel, other));
    expect_is(other->place, 0);
    expect_is(atomic_load(&place_of(0)->tail), 3); /* counters go on */
    leave(other);
    tear_down();
}

static void join_and_die(void *arg)
{
    open_anew();
    struct member *m = join();
    publish(m, *(uint64_t *)arg);
    atomic_store(&place_of(m->place)->reserved, 1);
    raise(SIGKILL);
}

static void reap_killed(pid_t pid)
{
    int status = reap(pid);
    expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_dead_senders_place(void)
{
    uint64_t messages = 2;
    set_up(1);
    reap_killed(spawn("victim", join_and_die, &messages));
    expect_is(state_of(0), SHMCHAN_PLACE_DEAD);
    expect_is(snapshot_now().senders_died, 1);
    expect_is(snapshot_now().reservations_lost, 1);
    struct member *m = new_member();
    expect_is(members_join_sender(channel, m), -EUSERS);
    drain(0);
    expect_ok(members_join_sender(channel, m));
    expect_is(state_of(0), SHMCHAN_PLACE_HELD);
    expect_is(snapshot_now().senders_died, 1); /* counted once, now in the region */
    expect_is(snapshot_now().reservations_lost, 1);
    expect_is(atomic_load(&place_of(0)->reserved), 0);
    leave(m);
    tear_down();
}

static void a_new_owner_finds_nothing_of_the_old_one(void)
{
    set_up(1);
    struct shm_place *p = place_of(0);
    leave(join());
    /* It died asleep, and between taking the idle flag down and ringing. */
    atomic_store(&p->idle, 0);
    atomic_store(&p->room.waiting, 1);
    atomic_store(&p->room.posts, 1);
    atomic_store(&p->room.asleep_since_ns, 5);
    atomic_store(&p->full, 9);
    struct member *m = join();
    expect_is(atomic_load(&p->idle), 1); /* its first publish rings */
    expect_is(atomic_load(&p->room.waiting), 0);
    expect_is(atomic_load(&p->room.posts), 0);
    expect_is(atomic_load(&p->room.asleep_since_ns), 0);
    expect_is(atomic_load(&p->full), 0);
    leave(m);
    tear_down();
}

/* What is written in a place is for people: neither gives it away nor keeps it back. */
static void hints_decide_nothing(void)
{
    set_up(1);
    struct member *m = join(), *other = new_member();
    atomic_store(&place_of(0)->owner.occupied, 0);
    atomic_store(&place_of(0)->owner.pid, 0);
    expect_is(members_join_sender(channel, other), -EUSERS);
    expect_is(state_of(0), SHMCHAN_PLACE_HELD);
    leave(m);
    atomic_store(&place_of(0)->owner.occupied, 1);
    atomic_store(&place_of(0)->owner.pid, (int32_t)getpid());
    expect_is(state_of(0), SHMCHAN_PLACE_DEAD);
    expect_ok(members_join_sender(channel, other));
    leave(other);
    tear_down();
}

static void who_leaves_tells_the_receiver(void)
{
    set_up(2);
    struct shm_control *control = channel->segment.control;
    join();
    struct member *m = join();
    event_raise(&control->not_empty);
    leave(m);
    expect_is(atomic_load(&control->not_empty.waiting), 0);
    expect_is(atomic_load(&control->not_empty.posts), 1);
    expect_is(atomic_load(&control->ready[0]), 2);
    expect_is(atomic_load(&control->ready_words), 1);
    leave(channel->members);
    tear_down();
}

static void a_thousand_places(void)
{
    enum { PLACES = 1000 };
    static struct member *all[PLACES];
    set_up(PLACES);
    unsigned before = descriptors_open();
    for (int i = 0; i < PLACES; i++) {
        all[i] = join();
        expect_is(all[i]->place, i);
    }
    expect_is(descriptors_open(), before);
    struct member *one_more = new_member();
    expect_is(members_join_sender(channel, one_more), -EUSERS);
    leave(all[500]);
    expect_ok(members_join_sender(channel, one_more));
    expect_is(one_more->place, 500);
    all[500] = one_more;
    for (int i = 0; i < PLACES; i++)
        leave(all[i]);
    expect_is(members_senders_held(channel), 0);
    tear_down();
}

static void *join_and_leave(void *arg)
{
    for (int i = 0; i < 300; i++) {
        struct member *m = join();
        expect_is(atomic_fetch_add(&((_Atomic int *)arg)[m->place], 1), 0); /* nobody else has it */
        atomic_fetch_sub(&((_Atomic int *)arg)[m->place], 1);
        leave(m);
    }
    return NULL;
}

static void join_and_leave_child(void *arg)
{
    open_anew();
    join_and_leave(arg);
}

static void one_place_never_has_two_owners(void)
{
    _Atomic int *owners = shared_memory(8 * sizeof *owners);
    pthread_t threads[2];
    pid_t pids[2];
    set_up(8);
    for (int i = 0; i < 2; i++)
        pids[i] = spawn("joiner", join_and_leave_child, owners);
    for (int i = 0; i < 2; i++)
        expect_ok(pthread_create(&threads[i], NULL, join_and_leave, owners));
    for (int i = 0; i < 2; i++) {
        expect_ok(pthread_join(threads[i], NULL));
        finish(pids[i]);
    }
    expect_is(members_senders_held(channel), 0);
    tear_down();
}

/* --------------------------------------------------------------------------------------------------- the
 * mutex */

static void lock_and(void *arg)
{
    open_anew();
    expect_ok(mutex_lock(channel->segment.control));
    raise(*(int *)arg);
}

static void the_mutexs_holder_is_killed(void)
{
    int signal = SIGKILL;
    set_up(2);
    for (int i = 0; i < 3; i++) {
        reap_killed(spawn("holder", lock_and, &signal));
        leave(join());
    }
    tear_down();
}

static void the_mutexs_holder_is_stopped(void)
{
    int signal = SIGSTOP;
    set_up(2);
    pid_t pid = spawn("holder", lock_and, &signal);
    until(snapshot_now().mutex_owner_pid == pid);
    struct member *m = new_member();
    expect_is(members_join_sender(channel, m), -EDEADLK);
    expect_is(snapshot_now().mutex_owner_pid, pid);
    kill_and_reap(pid);
    expect_ok(members_join_sender(channel, m));
    leave(m);
    tear_down();
}

/* ------------------------------------------------------------------------------------------- the receiver's
 * place */

static void take_over_and_die(void *arg)
{
    (void)arg;
    open_anew();
    struct member *m = new_member();
    expect_ok(members_join_receiver(channel, m));
    raise(SIGKILL);
}

static void the_receivers_place(void)
{
    set_up(1);
    struct member *first = new_member(), *second = new_member();
    expect_is(members_receiver_held(channel), 0);
    expect_ok(members_join_receiver(channel, first));
    expect_is(members_receiver_held(channel), 1);
    expect_is(members_join_receiver(channel, second), -EBUSY); /* in this process too */
    leave(first);
    expect_is(snapshot_now().receiver_closed, 1);
    reap_killed(spawn("receiver", take_over_and_die, NULL));
    expect_is(snapshot_now().receiver_closed, 0);
    expect_is(snapshot_now().receiver.state, SHMCHAN_PLACE_DEAD);
    expect_is(members_receiver_held(channel), 0);
    expect_ok(members_join_receiver(channel, second));
    expect_is(snapshot_now().receivers_joined, 3);
    leave(second);
    tear_down();
}

static void a_receiver_that_leaves_wakes_all(void)
{
    set_up(3);
    struct member *receiver = new_member();
    expect_ok(members_join_receiver(channel, receiver));
    for (uint32_t i = 0; i < 3; i++)
        event_raise(&place_of(i)->room);
    leave(receiver);
    for (uint32_t i = 0; i < 3; i++) {
        expect_is(atomic_load(&place_of(i)->room.waiting), 0);
        expect_is(atomic_load(&place_of(i)->room.posts), 1);
    }
    tear_down();
}

static void a_new_receiver_finds_nothing_of_the_old_one(void)
{
    set_up(1);
    struct shm_event *event = &channel->segment.control->not_empty;
    reap_killed(spawn("receiver", take_over_and_die, NULL));
    atomic_store(&event->waiting, 1); /* it died asleep */
    atomic_store(&event->posts, 1);
    struct member *m = new_member();
    expect_ok(members_join_receiver(channel, m));
    expect_is(atomic_load(&event->waiting), 0);
    expect_is(atomic_load(&event->posts), 0);
    leave(m);
    tear_down();
}

/* ------------------------------------------------------------------------------------------------------ fork
 */

/* The child stops before the library's own handler runs there. Handlers run in the order they were
   registered, and the library registers its own in a constructor: this one comes before it. */
static bool stop_in_child;

static void stop_before_adoption(void)
{
    if (stop_in_child)
        raise(SIGSTOP);
}

__attribute__((constructor(101))) static void register_first(void)
{
    if (pthread_atfork(NULL, NULL, stop_before_adoption) != 0)
        abort();
}

static pid_t fork_stopped(void)
{
    stop_in_child = true;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0); /* its senders leave with it */
    int status;
    expect_is(waitpid(pid, &status, WUNTRACED), pid);
    expect(WIFSTOPPED(status));
    stop_in_child = false;
    return pid;
}

static void expect_bridged(void)
{
    expect_is(snapshot_now().senders_joined, 1); /* the child has no place yet: it stands where it should */
    expect_is(state_of(1), SHMCHAN_PLACE_FREE);
    expect_is(members_senders_held(channel), 1); /* the bridge */
}

static void the_parent_leaves_before_the_child_has_run(void)
{
    set_up(4);
    struct member *m = join();
    pid_t pid = fork_stopped();
    leave(m);
    expect_is(state_of(0), SHMCHAN_PLACE_FREE);
    expect_bridged();
    kill_and_reap(pid);
    expect_is(members_senders_held(channel), 0);
    tear_down();
}

static void wait_to_be_killed(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

static void fork_stopped_and_die(void *arg)
{
    open_anew();
    join();
    atomic_store((_Atomic int *)arg, (int)fork_stopped());
    raise(SIGKILL);
}

static void the_parent_is_killed_before_the_child_has_run(void)
{
    _Atomic int *grandchild = shared_memory(sizeof *grandchild);
    set_up(4);
    reap_killed(spawn("parent", fork_stopped_and_die, grandchild));
    expect_is(state_of(0), SHMCHAN_PLACE_HELD); /* by what the child inherited and has not closed yet */
    expect_bridged();
    kill_and_reap(atomic_load(grandchild));
    expect_is(state_of(0), SHMCHAN_PLACE_DEAD);
    expect_is(members_senders_held(channel), 0);
    tear_down();
}

static void lock_when_told(void *arg)
{
    int signal = SIGSTOP;
    until(atomic_load((_Atomic int *)arg) != 0);
    lock_and(&signal);
}

/* Its fork handler waits for the mutex; meanwhile it is a sender nevertheless. */
static void the_child_waits_for_the_mutex(void)
{
    _Atomic int *told = shared_memory(sizeof *told);
    set_up(4);
    pid_t holder = spawn("holder", lock_when_told, told); /* before there is a sender that it would inherit */
    struct member *m = join();
    atomic_store(told, 1);
    until(snapshot_now().mutex_owner_pid == holder);
    pid_t pid = spawn("child", wait_to_be_killed, NULL);
    leave(m);
    wait_until_asleep(pid);
    expect_bridged();
    kill_and_reap(holder);
    until(snapshot_now().senders_joined == 2);
    expect_is(members_senders_held(channel), 1);
    kill_and_reap(pid);
    expect_is(members_senders_held(channel), 0);
    tear_down();
}

/* As a receiver sees it: no end between fork and the child's first step, and the end when it is over. */
static void no_end_before_the_child_has_run(void)
{
    shmchan_sender *tx;
    shmchan_receiver *rx;
    uint64_t message = 7;
    expect_ok(shmchan_pair(&SHMCHAN_OPTIONS(.message_size = sizeof message, .capacity = 4), &tx, &rx));
    pid_t pid = fork_stopped();
    expect_ok(shmchan_send(tx, &message));
    shmchan_sender_close(tx);
    expect_is(shmchan_recv(rx, &message), 1);
    expect_is(shmchan_try_recv(rx, &message), -EAGAIN);
    expect_is(shmchan_recv_timed(rx, &message, 500), -ETIMEDOUT);
    kill_and_reap(pid);
    expect_is(shmchan_recv(rx, &message), 0);
    shmchan_receiver_close(rx);
}

static void the_child_goes_on_after_the_parent_left(void)
{
    set_up(4);
    struct member *m = join();
    pid_t pid = fork_stopped();
    leave(m);
    expect_bridged();
    resume(pid);
    finish(pid);
    until(members_senders_held(channel) == 0);
    expect_is(snapshot_now().senders_joined, 2); /* it had a place of its own */
    tear_down();
}

static void fork_and_die(void *arg)
{
    _Atomic int *grandchild = arg;
    open_anew();
    join();
    pid_t pid = fork();
    if (pid == 0) {
        atomic_store(grandchild, (int)getpid());
        for (;;)
            pause();
    }
    until(atomic_load(grandchild) != 0);
    raise(SIGKILL);
}

static void a_childs_life_does_not_hide_its_parents_death(void)
{
    _Atomic int *grandchild = shared_memory(sizeof *grandchild);
    set_up(4);
    reap_killed(spawn("parent", fork_and_die, grandchild));
    until(state_of(0) == SHMCHAN_PLACE_DEAD);
    expect_is(state_of(1), SHMCHAN_PLACE_HELD);
    kill_and_reap(atomic_load(grandchild));
    expect_is(members_senders_held(channel), 0);
    tear_down();
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"a place: free, held, left, drained, free", free_held_left_drained_free},
        {"a dead sender's place is given on when it is drained, and counted once", a_dead_senders_place},
        {"a new owner finds nothing of the old one", a_new_owner_finds_nothing_of_the_old_one},
        {"hints decide nothing", hints_decide_nothing},
        {"who leaves tells the receiver", who_leaves_tells_the_receiver},
        {"a thousand places, two descriptors", a_thousand_places},
        {"one place never has two owners", one_place_never_has_two_owners},
        {"the mutex's holder is killed: the next goes on", the_mutexs_holder_is_killed},
        {"the mutex's holder is stopped: -EDEADLK, and named", the_mutexs_holder_is_stopped},
        {"the receiver's place: one at a time, takeover", the_receivers_place},
        {"a receiver that leaves wakes all", a_receiver_that_leaves_wakes_all},
        {"a new receiver finds nothing of the old one", a_new_receiver_finds_nothing_of_the_old_one},
        {"the parent leaves before the child has run: a sender is there all the time",
         the_parent_leaves_before_the_child_has_run},
        {"the parent is killed before the child has run: the same",
         the_parent_is_killed_before_the_child_has_run},
        {"the child waits for the mutex: the same", the_child_waits_for_the_mutex},
        {"no end before the child has run", no_end_before_the_child_has_run},
        {"the child goes on after its parent left", the_child_goes_on_after_the_parent_left},
        {"a child's life does not hide its parent's death", a_childs_life_does_not_hide_its_parents_death},
    };
    return suite_run("members", rows, COUNT_OF(rows), argc, argv);
}
