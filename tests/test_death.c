/* SPDX-License-Identifier: MIT */
/* Participants are killed and stopped at awkward and at random instants; the others must not notice more than
   that. */
#include "support.h"

#include <sys/resource.h>

#define FOREVER SHMCHAN_FOREVER

enum { SIZE = 64 }; /* of the messages here: whole ones, see support.h */

/* What a test shares with the child it is about to spawn. */
struct scene {
    const char *name; /* NULL: an anonymous channel */
    shmchan_sender *tx;
    shmchan_receiver *rx;
    uint32_t id;
    uint64_t count;
    _Atomic uint64_t *said; /* shared: how far the child has got */
    _Atomic uint64_t *told; /* shared: how far it may go */
};

static struct scene scene_make(uint32_t capacity, uint32_t max_senders, uint32_t flags)
{
    _Atomic uint64_t *words = shared_memory(4096);
    struct scene s = {.said = &words[0], .told = &words[16], .name = unique_name()};
    expect_ok(shmchan_receiver_create(s.name,
                                      &SHMCHAN_OPTIONS(.message_size = SIZE, .capacity = capacity,
                                                       .max_senders = max_senders, .flags = flags),
                                      &s.rx));
    return s;
}

static void scene_end(struct scene *s)
{
    shmchan_sender_close(s->tx);
    shmchan_receiver_close(s->rx);
    expect_ok(shmchan_unlink(s->name));
}

static void join(struct scene *s)
{
    s->tx = NULL;
    expect_ok(shmchan_sender_open(s->name, NULL, &s->tx));
}

static int send_stamped(shmchan_sender *tx, uint32_t id, uint64_t number)
{
    unsigned char message[SIZE];
    message_fill(message, SIZE, id, number);
    return shmchan_send(tx, message);
}

static void expect_stamped(shmchan_receiver *rx, uint32_t id, uint64_t number)
{
    unsigned char message[SIZE];
    expect_is(shmchan_recv(rx, message), 1);
    const char *fault = message_fault(message, SIZE, id, number);
    if (fault)
        fail("%s", fault);
}

static void expect_end(shmchan_receiver *rx)
{
    unsigned char message[SIZE];
    expect_is(shmchan_recv(rx, message), 0);
}

/* ------------------------------------------------------------------------ a sender is killed */

/* Sends `count` messages, says so, and then blocks, or sleeps, for ever. */
static void send_and_linger(void *arg)
{
    struct scene *s = arg;
    join(s);
    for (uint64_t n = 0; n < s->count; n++) {
        watch("sending %d", (int)n);
        expect_ok(send_stamped(s->tx, s->id, n));
        *s->said = n + 1;
    }
    watch("lingering");
    for (;;)
        pause();
}

static void killed_idle(void)
{
    struct scene s = scene_make(8, 0, 0);
    pid_t child = spawn("idle sender", send_and_linger, &s);
    wait_until_asleep(child);
    kill_and_reap(child);
    watch("receiving the end of a killed sender");
    uint64_t start = now_ms();
    expect_end(s.rx);
    note("the end came %llu ms after the death", (unsigned long long)(now_ms() - start));
    scene_end(&s);
}

static void killed_under_a_blocked_receiver_run(void *arg)
{
    struct scene *s = arg;
    watch("waiting until the receiver sleeps");
    join(s);
    wait_until_asleep((pid_t)s->count);
    raise(SIGKILL);
}

static void killed_under_a_blocked_receiver(void)
{
    struct scene s = scene_make(8, 0, 0);
    s.count = (uint64_t)getpid();
    pid_t child = spawn("sender that kills itself", killed_under_a_blocked_receiver_run, &s);
    watch("blocked until the only sender is killed");
    expect_end(s.rx);
    int status = reap(child);
    expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    scene_end(&s);
}

static void killed_with_messages_left(void)
{
    struct scene s = scene_make(8, 1, 0);
    s.count = 5;
    pid_t child = spawn("sender", send_and_linger, &s);
    until(*s.said == 5);
    kill_and_reap(child);
    shmchan_sender *tx = NULL;
    expect_is(shmchan_sender_open(s.name, NULL, &tx), -EUSERS); /* the place still holds messages */
    expect(tx == NULL);
    watch("receiving what a killed sender left");
    for (uint64_t n = 0; n < 5; n++)
        expect_stamped(s.rx, 0, n);
    expect_end(s.rx);
    expect_ok(shmchan_sender_open(s.name, NULL, &tx)); /* given on */
    expect_ok(send_stamped(tx, 3, 9));
    expect_stamped(s.rx, 3, 9);
    shmchan_sender_close(tx);
    struct shmchan_snapshot snapshot;
    expect_ok(shmchan_inspect(s.name, &snapshot));
    expect_is(snapshot.senders_died, 1);
    expect_is(snapshot.reservations_lost, 0);
    scene_end(&s);
}

static void killed_while_blocked(void)
{
    struct scene s = scene_make(4, 0, 0);
    s.count = 100;
    pid_t child = spawn("sender", send_and_linger, &s);
    until(*s.said == 4);
    wait_until_asleep(child);
    kill_and_reap(child);
    watch("receiving what a sender left that was killed while blocked");
    for (uint64_t n = 0; n < 4; n++)
        expect_stamped(s.rx, 0, n);
    expect_end(s.rx);
    scene_end(&s);
}

/* Sends `count`, reserves one more and writes into it. Commits when told. */
static void send_and_reserve(void *arg)
{
    struct scene *s = arg;
    void *slot;
    join(s);
    for (uint64_t n = 0; n < s->count; n++)
        expect_ok(send_stamped(s->tx, s->id, n));
    expect_ok(shmchan_reserve(s->tx, &slot, FOREVER));
    message_fill(slot, SIZE, s->id, s->count);
    *s->said = 1;
    watch("sitting on a reservation");
    until(*s->told);
    expect_ok(shmchan_commit(s->tx, SIZE));
    shmchan_sender_close(s->tx);
}

static void killed_with_reservation(void)
{
    struct scene s = scene_make(4, 1, 0);
    struct shmchan_snapshot snapshot;
    struct shmchan_sender_state place;
    s.count = 2;
    pid_t child = spawn("reserver", send_and_reserve, &s);
    until(*s.said);
    expect_is(shmchan_inspect_senders(s.name, &snapshot, &place, 1), 1);
    expect_is(place.reserved, 1);
    expect_is(place.process.state, SHMCHAN_PLACE_HELD);
    kill_and_reap(child);
    expect_is(shmchan_inspect_senders(s.name, &snapshot, &place, 1), 1);
    expect_is(place.reserved, 1);
    expect_is(place.process.state, SHMCHAN_PLACE_DEAD);
    expect_is(place.process.pid, child);
    watch("receiving what a reserver left");
    expect_stamped(s.rx, 0, 0);
    expect_stamped(s.rx, 0, 1);
    expect_end(s.rx);
    join(&s); /* in the only place there is */
    expect_ok(send_stamped(s.tx, 5, 0));
    expect_stamped(s.rx, 5, 0);
    expect_ok(shmchan_inspect(s.name, &snapshot));
    expect_is(snapshot.reservations_lost, 1);
    expect_is(snapshot.senders_died, 1);
    scene_end(&s);
}

/* ------------------------------------------------------------------------ a sender is stopped */

static void stopped_is_not_dead_run(void *arg)
{
    struct scene *s = arg;
    join(s);
    *s->said = 1;
    watch("waiting for leave to send");
    until(*s->told);
    expect_ok(send_stamped(s->tx, 1, 0));
    shmchan_sender_close(s->tx);
}

static void stopped_is_not_dead(void)
{
    struct scene s = scene_make(4, 1, 0);
    unsigned char message[SIZE];
    shmchan_sender *tx = NULL;
    pid_t child = spawn("sender", stopped_is_not_dead_run, &s);
    until(*s.said);
    stop(child);
    watch("a stopped sender is not the end");
    expect_is(shmchan_recv_timed(s.rx, message, 1500), -ETIMEDOUT);
    expect_is(shmchan_sender_open(s.name, NULL, &tx), -EUSERS); /* nor is its place free */
    *s.told = 1;
    resume(child);
    watch("its message arrives when it goes on");
    expect_stamped(s.rx, 1, 0);
    expect_end(s.rx);
    finish(child);
    scene_end(&s);
}

static void send_stamped_count(void *arg)
{
    struct scene *s = arg;
    if (s->name)
        join(s);
    for (uint64_t n = 0; n < s->count; n++)
        expect_ok(send_stamped(s->tx, s->id, n));
    shmchan_sender_close(s->tx);
}

static void stopped_with_reservation(void)
{
    struct scene s = scene_make(16, 0, 0);
    uint64_t next[3] = {0}, count = scaled(20000);
    unsigned char message[SIZE];
    s.count = 3;
    s.id = 9;
    pid_t reserver = spawn("reserver", send_and_reserve, &s), others[3];
    until(*s.said);
    stop(reserver);
    for (uint64_t n = 0; n < 3; n++)
        expect_stamped(s.rx, 9, n);
    s.count = count;
    for (s.id = 0; s.id < 3; s.id++)
        others[s.id] = spawn("other sender", send_stamped_count, &s);
    watch("others send past a stopped reservation");
    for (uint64_t i = 0; i < 3 * count; i++) {
        watch_progress(i);
        expect_is(shmchan_recv(s.rx, message), 1);
        uint32_t id = message_sender(message);
        expect(id < 3);
        const char *fault = message_fault(message, SIZE, id, next[id]++);
        if (fault)
            fail("%s", fault);
    }
    for (int i = 0; i < 3; i++)
        finish(others[i]);
    expect_is(shmchan_try_recv(s.rx, message), -EAGAIN);
    *s.told = 1;
    resume(reserver);
    watch("the reservation is committed after all");
    expect_stamped(s.rx, 9, 3);
    expect_end(s.rx);
    finish(reserver);
    scene_end(&s);
}

/* Stopped and continued at random while it sends: nothing is lost, and it stays in order. */
static void stopped_at_random(void)
{
    struct scene s = scene_make(8, 0, 0);
    uint64_t next[2] = {0}, rounds = scaled(200);
    unsigned char message[SIZE];
    pid_t children[2];
    s.count = UINT64_MAX;
    for (s.id = 0; s.id < 2; s.id++)
        children[s.id] = spawn("sender that is stopped", send_stamped_count, &s);
    watch("receiving from senders that are stopped and continued");
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t victim = i % 2, other = 1 - victim;
        uint64_t enough = next[other] + 500;
        stop(children[victim]);
        while (next[other] < enough) {
            expect_is(shmchan_recv(s.rx, message), 1);
            uint32_t id = message_sender(message);
            expect(id < 2);
            const char *fault = message_fault(message, SIZE, id, next[id]++);
            if (fault)
                fail("%s", fault);
        }
        resume(children[victim]);
        watch_progress(i);
    }
    kill_and_reap(children[0]);
    kill_and_reap(children[1]);
    watch("draining");
    while (shmchan_recv(s.rx, message) > 0) {
        uint32_t id = message_sender(message);
        expect(id < 2);
        const char *fault = message_fault(message, SIZE, id, next[id]++);
        if (fault)
            fail("%s", fault);
    }
    scene_end(&s);
}

/* ---------------------------------------------------------------------- the receiver is killed */

/* Opens the receiver and takes `count` messages (numbers from *said on), then lingers. */
static void receive_and_linger(void *arg)
{
    struct scene *s = arg;
    expect_ok(shmchan_receiver_open(s->name, NULL, &s->rx));
    for (uint64_t i = 0; i < s->count; i++) {
        expect_stamped(s->rx, s->id, *s->said);
        ++*s->said;
    }
    *s->told = 1;
    watch("receiver lingers");
    for (;;)
        pause();
}

/* A channel whose receiver is a child; ours is the sender. */
static pid_t receiver_child(struct scene *s, uint32_t capacity, uint32_t flags, uint64_t take)
{
    *s = scene_make(capacity, 0, flags);
    join(s);
    shmchan_receiver_close(s->rx);
    s->rx = NULL;
    s->count = take;
    pid_t child = spawn("receiver", receive_and_linger, s);
    for (uint64_t n = 0; n < take; n++) {
        int r;
        watch("sending %d to a receiver that is about to be there", (int)n);
        while ((r = send_stamped(s->tx, 0, n)) == -EPIPE)
            nap_us(1000);
        expect_ok(r);
    }
    until(*s->told);
    return child;
}

static void kill_when_blocked(void *arg)
{
    struct scene *s = arg;
    watch("waiting until the sender blocks");
    wait_until_asleep((pid_t)s->id);
    *s->told = now_ms();
    kill((pid_t)s->count, SIGKILL);
}

static void receiver_killed_under_a_blocked_sender(void)
{
    struct scene s;
    unsigned char message[SIZE] = {0};
    pid_t receiver = receiver_child(&s, 4, 0, 0);
    for (int i = 0; i < 4; i++)
        expect_ok(shmchan_try_send(s.tx, message));
    expect_is(shmchan_try_send(s.tx, message), -EAGAIN);
    s.id = (uint32_t)getpid();
    s.count = (uint64_t)receiver;
    pid_t killer = spawn("killer", kill_when_blocked, &s);
    watch("blocked until the receiver is killed");
    expect_is(shmchan_send(s.tx, message), -EPIPE);
    note("the blocked sender knew after %llu ms", (unsigned long long)(now_ms() - *s.told));
    finish(killer);
    int status = reap(receiver);
    expect(WIFSIGNALED(status));
    scene_end(&s);
}

/* Each way to block for room, with the receiver killed meanwhile. */
static void receiver_killed_under_each_blocked_call(void)
{
    for (int call = 0; call < 5; call++) {
        struct scene s;
        unsigned char message[SIZE] = {0};
        void *slot;
        pid_t receiver = receiver_child(&s, 4, 0, 0);
        for (int i = 0; i < 4; i++)
            expect_ok(shmchan_try_send(s.tx, message));
        s.id = (uint32_t)getpid();
        s.count = (uint64_t)receiver;
        pid_t killer = spawn("killer", kill_when_blocked, &s);
        watch("call %d, blocked until the receiver is killed", call);
        switch (call) {
        case 0:
            expect_is(shmchan_send(s.tx, message), -EPIPE);
            break;
        case 1:
            expect_is(shmchan_send_timed(s.tx, message, 3600 * 1000), -EPIPE);
            break;
        case 2:
            expect_is(shmchan_send_sized(s.tx, message, 3, FOREVER), -EPIPE);
            break;
        case 3:
            expect_is(shmchan_send_many(s.tx, message, 1, FOREVER), -EPIPE);
            break;
        default:
            expect_is(shmchan_reserve(s.tx, &slot, FOREVER), -EPIPE);
        }
        finish(killer);
        reap(receiver);
        scene_end(&s);
    }
}

/* "a killed receiver at the latest after 100 ms or 16 messages, whichever comes last" */
static void receiver_killed_under_an_idle_sender(void)
{
    struct scene s;
    pid_t receiver = receiver_child(&s, 1024, 0, 3);
    int sent = 0, r;
    kill_and_reap(receiver);
    nap_us(300 * 1000);
    while ((r = send_stamped(s.tx, 0, 3)) == 0 && sent < 1000)
        sent++;
    expect_is(r, -EPIPE);
    note("%d sends went through", sent);
    expect(sent <= 16);
    expect_is(send_stamped(s.tx, 0, 3), -EPIPE);
    scene_end(&s);
}

/* The same for a sender that joined before the receiver's death and had never sent. */
static void receiver_killed_before_the_first_send(void)
{
    struct scene s;
    pid_t receiver = receiver_child(&s, 1024, 0, 0);
    int sent = 0, r;
    kill_and_reap(receiver);
    nap_us(300 * 1000);
    while ((r = send_stamped(s.tx, 0, 0)) == 0 && sent < 1000)
        sent++;
    expect_is(r, -EPIPE);
    expect(sent <= 16);
    scene_end(&s);
}

/* A sender that joins after the death finds no receiver and must not block. */
static void receiver_dead_when_a_sender_joins(void)
{
    struct scene s;
    pid_t receiver = receiver_child(&s, 4, 0, 2);
    unsigned char message[SIZE] = {0};
    int r, sent = 0;
    kill_and_reap(receiver);
    shmchan_sender *tx = NULL;
    expect_ok(shmchan_sender_open(s.name, NULL, &tx));
    watch("sending without a receiver");
    while ((r = shmchan_send(tx, message)) == 0)
        sent++;
    expect_is(r, -EPIPE);
    expect(sent <= 4);
    shmchan_sender_close(tx);
    scene_end(&s);
}

static void receiver_killed_and_replaced(void)
{
    struct scene s;
    pid_t receiver = receiver_child(&s, 64, SHMCHAN_WAIT_FOR_RECEIVER, 10);
    uint64_t sent = 10;
    expect_is(*s.said, 10);
    kill_and_reap(receiver);
    for (; sent < 40; sent++)
        expect_ok(send_stamped(s.tx, 0, sent));
    for (int round = 0; round < 5; round++) {
        *s.told = 0;
        s.count = 5;
        receiver = spawn("successor", receive_and_linger, &s);
        watch("successor %d receives", round);
        until(*s.told);
        kill_and_reap(receiver);
    }
    expect_ok(shmchan_receiver_open(s.name, NULL, &s.rx));
    for (uint64_t n = 35; n < sent; n++)
        expect_stamped(s.rx, 0, n);
    scene_end(&s);
}

static void receiver_stopped_is_not_dead(void)
{
    struct scene s;
    pid_t receiver = receiver_child(&s, 4, 0, 1);
    shmchan_receiver *rx = NULL;
    unsigned char message[SIZE] = {0};
    stop(receiver);
    for (int i = 0; i < 4; i++)
        expect_ok(shmchan_try_send(s.tx, message));
    watch("blocked by a stopped receiver");
    expect_is(shmchan_send_timed(s.tx, message, 1500), -ETIMEDOUT);
    expect_is(shmchan_receiver_open(s.name, NULL, &rx), -EBUSY);
    resume(receiver);
    kill_and_reap(receiver);
    expect_ok(shmchan_receiver_open(s.name, NULL, &s.rx));
    for (int i = 0; i < 4; i++)
        expect_is(shmchan_try_recv(s.rx, message), 1);
    scene_end(&s);
}

/* What the receivers of one channel have taken, in memory they share. */
struct ledger {
    _Atomic uint64_t next[4]; /* by sender: the number that is due */
    _Atomic uint64_t sent[4]; /* by sender */
    _Atomic uint64_t again;   /* messages that a successor saw again */
    _Atomic uint64_t receivers;
    _Atomic bool over;
};

struct relay {
    struct scene s;
    struct ledger *ledger;
};

/* Takes messages in place, noting each in the ledger before it is released: if we are killed between the two,
   the successor sees the message again, once; never a later one first. */
static void receive_by_ledger(void *arg)
{
    struct relay *relay = arg;
    struct ledger *l = relay->ledger;
    const void *message;
    bool first = true;
    expect_ok(shmchan_receiver_open(relay->s.name, NULL, &relay->s.rx));
    l->receivers++;
    watch("receiving by ledger");
    for (;; first = false) {
        int r = shmchan_peek(relay->s.rx, &message, NULL, FOREVER);
        expect(r == 0 || r == 1);
        if (r == 0)
            break;
        uint32_t id = message_sender(message);
        expect(id < 4);
        uint64_t due = l->next[id], number = message_number(message);
        if (first && number + 1 == due)
            l->again++;
        else
            l->next[id]++;
        const char *fault = message_fault(message, SIZE, id, first && number + 1 == due ? number : due);
        if (fault)
            fail("%s", fault);
        expect_ok(shmchan_release(relay->s.rx));
    }
    shmchan_receiver_close(relay->s.rx);
}

static void send_by_ledger(void *arg)
{
    struct relay *relay = arg;
    struct ledger *l = relay->ledger;
    uint32_t id = relay->s.id;
    join(&relay->s);
    watch("sending to mortal receivers");
    while (!l->over) {
        expect_ok(send_stamped(relay->s.tx, id, l->sent[id]));
        l->sent[id]++;
    }
    shmchan_sender_close(relay->s.tx);
}

/* The receiver is killed at random, again and again, while four senders send. */
static void receiver_killed_at_random(void)
{
    struct relay relay = {.s = scene_make(16, 0, SHMCHAN_WAIT_FOR_RECEIVER)};
    struct ledger *l = relay.ledger = shared_memory(sizeof *l);
    pid_t senders[4];
    uint64_t kills = scaled(300), killed = 0, random = 12345;
    shmchan_receiver_close(relay.s.rx);
    relay.s.rx = NULL;
    join(&relay.s); /* so that the channel does not end before the last receiver */
    for (relay.s.id = 0; relay.s.id < 4; relay.s.id++)
        senders[relay.s.id] = spawn("sender to mortal receivers", send_by_ledger, &relay);
    for (; killed < kills; killed++) {
        watch("receiver %d", (int)killed);
        pid_t receiver = spawn("mortal receiver", receive_by_ledger, &relay);
        random = random * 6364136223846793005u + 1442695040888963407u;
        nap_us((unsigned)(random >> 33) % 3000);
        kill(receiver, SIGKILL);
        int status = reap(receiver);
        if (!WIFSIGNALED(status))
            fail("receiver %d ended with %d", (int)killed, WEXITSTATUS(status));
    }
    l->over = true;
    shmchan_sender_close(relay.s.tx);
    relay.s.tx = NULL;
    watch("the last receiver takes the rest");
    pid_t last = spawn("last receiver", receive_by_ledger, &relay);
    for (int i = 0; i < 4; i++)
        finish(senders[i]);
    finish(last);
    for (int i = 0; i < 4; i++)
        expect_is(l->next[i], l->sent[i]);
    expect(l->again <= killed);
    note("%llu receivers killed, of %llu that had opened; %llu messages seen again by a successor",
         (unsigned long long)killed, (unsigned long long)l->receivers, (unsigned long long)l->again);
    scene_end(&relay.s);
}

/* ----------------------------------------------------------- senders killed at random instants */

enum { VICTIMS_MAX = 1000, OTHERS = 2 };

/* Of each victim, in memory that victim, master and receiver share. */
struct record {
    _Atomic uint64_t begun; /* messages whose send has begun */
    _Atomic uint64_t acked; /* messages whose send has returned */
};

struct battle {
    struct scene s; /* s.id: the victim that is spawned next */
    struct record *records;
    uint64_t kills;
    bool named;
    _Atomic bool *over;
    _Atomic uint64_t *crowded; /* victims that got no place */
};

/* Sends in all ways there are, keeping its record, until it is killed. */
static void be_victim(void *arg)
{
    struct battle *b = arg;
    struct record *r = &b->records[b->s.id];
    unsigned char messages[5][SIZE];
    uint32_t id = b->s.id;
    if (b->named) {
        int opened = shmchan_sender_open(b->s.name, NULL, &b->s.tx);
        if (opened == -EUSERS) {
            ++*b->crowded;
            return;
        }
        expect_ok(opened);
    } else if (shmchan_sender_id(b->s.tx) == -EUSERS) {
        ++*b->crowded;
        return;
    }
    watch("victim %u sends", id);
    for (uint64_t n = 0;;) {
        uint64_t count = n % 4 == 0 ? 1 + n % 5 : 1;
        void *slot;
        r->begun = n + count;
        for (uint64_t i = 0; i < count; i++)
            message_fill(messages[i], SIZE, id, n + i);
        switch (n % 4) {
        case 0:
            expect_is(shmchan_send_many(b->s.tx, messages, count, FOREVER), count);
            break;
        case 1:
            expect_ok(shmchan_reserve(b->s.tx, &slot, FOREVER));
            message_fill(slot, SIZE, id, n);
            expect_ok(shmchan_commit(b->s.tx, SIZE));
            break;
        default:
            expect_ok(shmchan_send(b->s.tx, messages));
        }
        n += count;
        r->acked = n;
        if (b->named && n % 16 == 0) { /* leave and join again: killed there too */
            shmchan_sender_close(b->s.tx);
            int opened;
            while ((opened = shmchan_sender_open(b->s.name, NULL, &b->s.tx)) == -EUSERS)
                nap_us(1000);
            expect_ok(opened);
        }
    }
}

/* Spawns a victim and kills it, again and again. */
static void kill_victims(void *arg)
{
    struct battle *b = arg;
    uint64_t random = 99;
    watch("killing");
    for (b->s.id = 0; b->s.id < b->kills; b->s.id++) {
        watch_progress(b->s.id);
        pid_t victim = spawn("victim", be_victim, b);
        random = random * 6364136223846793005u + 1442695040888963407u;
        nap_us((unsigned)(random >> 33) % 2000);
        kill(victim, SIGKILL);
        int status = reap(victim);
        if (WIFEXITED(status) && WEXITSTATUS(status))
            fail("victim %u ended with %d", b->s.id, WEXITSTATUS(status));
    }
    *b->over = true;
}

static void send_until_over(void *arg)
{
    struct battle *b = arg;
    if (b->named)
        join(&b->s);
    struct record *r = &b->records[b->s.id];
    watch("sending beside the victims");
    while (!*b->over) {
        expect_ok(send_stamped(b->s.tx, b->s.id, r->acked));
        r->acked++;
    }
}

/* The receiver never hangs, sees no torn, repeated or missing message, and everything whose send had
   returned. */
static void battle(bool named)
{
    struct battle b = {.kills = scaled(VICTIMS_MAX), .named = named};
    uint64_t senders, received[VICTIMS_MAX + OTHERS] = {0}, total = 0, acked = 0, sent_in_part = 0;
    unsigned char message[SIZE];
    pid_t others[OTHERS], master;

    if (b.kills > VICTIMS_MAX)
        b.kills = VICTIMS_MAX;
    senders = b.kills + OTHERS;
    b.records = shared_memory(sizeof *b.records * senders);
    b.over = shared_memory(4096);
    b.crowded = (_Atomic uint64_t *)(b.over + 64);
    if (named) {
        b.s = scene_make(64, 0, 0);
    } else {
        _Atomic uint64_t *words = shared_memory(4096);
        b.s = (struct scene){.said = words, .told = words + 1};
        expect_ok(shmchan_pair(&SHMCHAN_OPTIONS(.message_size = SIZE, .capacity = 64), &b.s.tx, &b.s.rx));
    }
    for (uint32_t i = 0; i < OTHERS; i++) {
        b.s.id = (uint32_t)b.kills + i;
        others[i] = spawn("other sender", send_until_over, &b);
    }
    master = spawn("master of victims", kill_victims, &b);
    if (named)
        until(*b.over || b.records[0].acked || b.records[b.kills].acked); /* somebody has joined */
    shmchan_sender_close(b.s.tx);
    b.s.tx = NULL;

    watch("receiving from senders that are being killed");
    for (int r; (r = shmchan_recv(b.s.rx, message)) != 0;) {
        if (r < 0 || !*b.over) /* in the end: to be sure that it is the end */
            expect_is(r, 1);
        uint32_t id = message_sender(message);
        expect(id < senders);
        const char *fault = message_fault(message, SIZE, id, received[id]);
        if (fault)
            fail("after %llu messages: %s", (unsigned long long)total, fault);
        received[id]++;
        watch_progress(++total);
    }
    finish(master);
    for (int i = 0; i < OTHERS; i++)
        finish(others[i]);
    for (uint64_t i = 0; i < senders; i++) {
        acked += b.records[i].acked;
        if (received[i] < b.records[i].acked)
            fail("sender %llu: %llu sends had returned, %llu messages arrived", (unsigned long long)i,
                 (unsigned long long)b.records[i].acked, (unsigned long long)received[i]);
        if (i < b.kills) {
            expect(received[i] <= b.records[i].begun);
            sent_in_part += received[i] > b.records[i].acked;
        } else {
            expect_is(received[i], b.records[i].acked);
        }
    }
    note("%llu victims (%llu found no place), %llu sends returned, %llu messages; %llu victims died between "
         "publishing and returning",
         (unsigned long long)b.kills, (unsigned long long)*b.crowded, (unsigned long long)acked,
         (unsigned long long)total, (unsigned long long)sent_in_part);
    expect(*b.crowded <= b.kills / 2);
    if (named) {
        join(&b.s); /* the channel is as good as new */
        expect_ok(send_stamped(b.s.tx, 1, 1));
        expect_stamped(b.s.rx, 1, 1);
        scene_end(&b.s);
    } else {
        shmchan_receiver_close(b.s.rx);
    }
}

static void sender_killed_1000_times(void)
{
    battle(false);
}

static void named_sender_killed_1000_times(void)
{
    battle(true);
}

/* ------------------------------------------------- killed while making, opening, closing, taking over */

static void open_and_close_for_ever(void *arg)
{
    struct scene *s = arg;
    watch("opening and closing");
    for (;;) {
        shmchan_sender *tx = NULL, *clone = NULL;
        shmchan_receiver *rx = NULL;
        int r = shmchan_sender_open(s->name, NULL, &tx);
        if (r == 0) {
            shmchan_sender_clone(tx, &clone);
            shmchan_sender_close(clone);
        } else {
            expect_is(r, -EUSERS);
        }
        r = shmchan_receiver_open(s->name, NULL, &rx);
        expect(r == 0 || r == -EBUSY);
        shmchan_receiver_close(rx);
        shmchan_sender_close(tx);
    }
}

static void killed_while_joining(void)
{
    struct scene s = scene_make(4, 8, SHMCHAN_WAIT_FOR_RECEIVER);
    uint64_t rounds = scaled(400), random = 7;
    shmchan_sender *tx[8] = {NULL};
    shmchan_receiver_close(s.rx);
    s.rx = NULL;
    for (uint64_t i = 0; i < rounds; i++) {
        watch("round %d", (int)i);
        pid_t a = spawn("joiner", open_and_close_for_ever, &s);
        pid_t b = spawn("joiner", open_and_close_for_ever, &s);
        random = random * 6364136223846793005u + 1442695040888963407u;
        nap_us((unsigned)(random >> 33) % 3000);
        kill_and_reap(a);
        kill_and_reap(b);
    }
    watch("all places can be had again");
    expect_ok(shmchan_receiver_open(s.name, NULL, &s.rx));
    for (int i = 0; i < 8; i++) {
        expect_ok(shmchan_sender_open(s.name, NULL, &tx[i]));
        expect_ok(send_stamped(tx[i], 0, (uint64_t)i));
    }
    for (uint64_t i = 0; i < 8; i++)
        expect_stamped(s.rx, 0, i);
    for (int i = 0; i < 8; i++)
        shmchan_sender_close(tx[i]);
    expect_end(s.rx);
    scene_end(&s);
}

static void create_and_unlink_for_ever(void *arg)
{
    struct scene *s = arg;
    watch("creating and unlinking");
    for (;;) {
        shmchan_receiver *rx = NULL;
        int r = shmchan_receiver_create(s->name, &SHMCHAN_OPTIONS(.message_size = SIZE, .capacity = 4), &rx);
        expect(r == 0 || r == -EEXIST);
        shmchan_receiver_close(rx);
        r = shmchan_unlink(s->name);
        expect(r == 0 || r == -ENOENT);
    }
}

/* Nobody ever opens a half-made channel. */
static void killed_while_creating(void)
{
    struct scene s = {.name = unique_name()};
    uint64_t rounds = scaled(400), random = 7, opened = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        watch("round %d", (int)i);
        pid_t a = spawn("creator", create_and_unlink_for_ever, &s);
        pid_t b = spawn("creator", create_and_unlink_for_ever, &s);
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t until_ms = now_ms() + (random >> 33) % 4; now_ms() < until_ms;) {
            int r = shmchan_sender_open(s.name, NULL, &s.tx);
            expect(r == 0 || r == -ENOENT);
            if (r == 0)
                opened++;
            shmchan_sender_close(s.tx);
            s.tx = NULL;
        }
        kill_and_reap(a);
        kill_and_reap(b);
        int r = shmchan_sender_open(s.name, NULL, &s.tx);
        expect(r == 0 || r == -ENOENT);
        shmchan_sender_close(s.tx);
        s.tx = NULL;
    }
    note("%llu opened in passing", (unsigned long long)opened);
    shmchan_unlink(s.name);
}

/* ------------------------------------------------------------------------------- blocked is idle */

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Not a matter of speed: a blocked process that spins would use all of the time. */
static void blocked_uses_no_cpu(void)
{
    struct scene s = scene_make(1, 0, 0);
    unsigned char message[SIZE] = {0};
    join(&s);
    watch("blocked on an empty channel for two seconds");
    double start = cpu_seconds();
    expect_is(shmchan_recv_timed(s.rx, message, 2000), -ETIMEDOUT);
    expect(cpu_seconds() - start < 1.0);
    expect_ok(shmchan_send(s.tx, message));
    watch("blocked on a full channel for two seconds");
    start = cpu_seconds();
    expect_is(shmchan_send_timed(s.tx, message, 2000), -ETIMEDOUT);
    expect(cpu_seconds() - start < 1.0);
    scene_end(&s);
}

static const struct row rows[] = {
    {"sender killed: idle", killed_idle},
    {"sender killed: while the receiver sleeps", killed_under_a_blocked_receiver},
    {"sender killed: with messages left", killed_with_messages_left},
    {"sender killed: while blocked", killed_while_blocked},
    {"sender killed: with a reservation", killed_with_reservation},
    {"sender stopped: is not dead", stopped_is_not_dead},
    {"sender stopped: with a reservation, delays no other", stopped_with_reservation},
    {"sender stopped: and continued at random", stopped_at_random},
    {"receiver killed: a blocked sender learns of it", receiver_killed_under_a_blocked_sender},
    {"receiver killed: whatever call is blocked", receiver_killed_under_each_blocked_call},
    {"receiver killed: an idle sender learns of it in 16 sends", receiver_killed_under_an_idle_sender},
    {"receiver killed: before the first send", receiver_killed_before_the_first_send},
    {"receiver killed: before a sender joins", receiver_dead_when_a_sender_joins},
    {"receiver killed: and replaced, again and again", receiver_killed_and_replaced},
    {"receiver killed: 300 times at random instants", receiver_killed_at_random},
    {"receiver stopped: is not dead", receiver_stopped_is_not_dead},
    {"random: a sender is killed 1000 times in a busy run", sender_killed_1000_times},
    {"random: so is one that opens a named channel", named_sender_killed_1000_times},
    {"random: killed while opening and closing", killed_while_joining},
    {"random: killed while creating and unlinking", killed_while_creating},
    {"blocked: uses no processor", blocked_uses_no_cpu},
};

int main(int argc, char **argv)
{
    return suite_run("death", rows, COUNT_OF(rows), argc, argv);
}
