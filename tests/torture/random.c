/* SPDX-License-Identifier: MIT */
/*
 * Random torture: senders and a receiver that are killed, stopped and continued at any moment, for
 * TORTURE_SECONDS (60), from SEED. Each arena (one a core) plays round after round with a channel and
 * a plan of its own, drawn by chance: how large the rings are, what waits, who dies how soon.
 *
 * The ledger. Each handle that sends has a row: how many messages it handed to the library (`begun`), and how
 * many of them a call that returned has acknowledged (`acked`). The receiver notes in the same row what it
 * took (`taken`, one word, so that no death tears it). Messages carry row and number, so a second arrival
 * is seen at once, and so is a hole. The clock's stamps show an overtaking: a message whose send had returned
 * before the send of one began that was received earlier.
 *
 * What a receiver's death may cost. A message that was taken, but whose recv had not returned, is noted
 * nowhere. After each death of a receiver the supervisor compares what the channel says was taken
 * (shmchan_inspect) with the ledger: the difference is at most what was in the receiver's call, and nothing
 * at all if it died while it peeked.
 *
 * A part of the rounds is a collector that comes back: 8 senders that live, WAIT_FOR_RECEIVER, and a receiver
 * that peeks and releases and is killed again and again. No sender may see an error.
 *
 * Environment: TORTURE_SECONDS, SEED, ARENAS, ROUND_MS, VERBOSE.
 */
#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS             12u /* sender processes that the supervisor keeps, each with its children */
#define SEATS             4u  /* handles in use in one slot */
#define ROWS              (1u << 16)
#define ENDS              4096u /* sends remembered a seat, for the order; more than a lane holds */
#define BATCH             16u
#define PLACES_MAX        64u
#define MESSAGE_BYTES_MAX 1024u
#define ARENAS_MAX        16u
#define STALL_NS          (5 * INT64_C(1000000000)) /* nobody that runs may wait longer */
#define MS                INT64_C(1000000)

/* ------------------------------------------------------------------------------------------- shared state */

enum takers { TAKE_RECV = 1, TAKE_MANY = 2, TAKE_PEEK = 4 };

struct plan {
    uint32_t capacity, size, places, flags;
    uint32_t slots;
    unsigned takers;
    bool supervised; /* a collector that comes back */
    bool steady;     /* the sender of slot 0 is never killed, so the channel never ends */
    bool threads, forks;
    uint32_t sender_life_us;   /* at most; 0: lives */
    uint32_t receiver_life_us; /* at most; 0: lives */
    uint32_t stop_percent;     /* of the occasions to kill: stop instead */
    uint32_t receiver_gap_us;  /* at most: until a successor comes */
};

struct row {
    _Atomic uint32_t begun, acked;
    _Atomic uint64_t taken; /* the receiver's: the next number << 32 | numbers that were passed over */
    _Atomic uint64_t base;  /* the receiver's: position of number 0, plus 1 */
    _Atomic uint64_t batch; /* the receiver's: of the last message, first << 32 | whole */
    _Atomic uint32_t epoch; /* the receiver that took from it last */
    _Atomic uint32_t seat;
    _Atomic int32_t pid;
    _Atomic uint32_t dead; /* 1: its process was killed. 2: and messages were received afterwards */
};

/* The tag tells row and number, so that another's entry is not taken for it. */
struct sent {
    _Atomic uint64_t tag, end;
};

struct seat {
    _Atomic int64_t since_ns; /* in a call that waits for room without end, since; else 0 */
    struct sent sent[ENDS];
};

struct totals {
    _Atomic uint64_t sender_kills, receiver_kills, stops, orphans;
    _Atomic uint64_t rounds, supervised_rounds, failed_rounds;
    _Atomic uint64_t sent, received, in_call, takeovers, drained, refused, order_checks, handles;
    _Atomic int64_t stall_receiver_ns, stall_sender_ns, attach_ns, takeover_ns;
    _Atomic uint64_t supervised_kills, supervised_messages, supervised_in_release;
    _Atomic uint64_t lost, duplicates, torn, overtaken;
    struct violations violations;
};

struct arena {
    unsigned index;
    struct plan plan;
    char name[64];
    _Atomic uint64_t clock;
    _Atomic int quit; /* 1: senders finish. 2: all have */
    _Atomic uint32_t rows_used;
    /* 2 * epoch, plus 1 while that receiver holds its place. */
    _Atomic uint64_t receiver;
    _Atomic uint32_t in_call; /* messages that the receiver may have taken and not noted */
    _Atomic uint64_t latest_stamp;
    _Atomic int steady_here; /* the steady sender is attached, and leaves after quit */
    _Atomic int finished;    /* the receiver has seen the end after quit 2 */
    struct row rows[ROWS];
    struct seat seats[SLOTS * SEATS];
};

static struct totals *totals;
static struct arena *arena; /* this process's */

static void complain(_Atomic uint64_t *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(_Atomic uint64_t *kind, const char *format, ...)
{
    const struct plan *p = &arena->plan;
    char text[240];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (kind)
        *kind += 1;
    violation(&totals->violations, "%s (capacity %u, size %u, places %u, flags %u, takers %u%s): %s",
              arena->name, p->capacity, p->size, p->places, p->flags, p->takers,
              p->supervised ? ", supervised" : "", text);
}

static void raise_to(_Atomic int64_t *longest, int64_t ns)
{
    int64_t seen = *longest;
    while (ns > seen && !atomic_compare_exchange_weak(longest, &seen, ns))
        ;
}

static uint64_t tick(void)
{
    return atomic_fetch_add(&arena->clock, 1) + 1;
}

/* ------------------------------------------------------------------------------------------------ senders */

/* One handle and what it needs. */
struct voice {
    shmchan_sender *tx;
    unsigned seat;
    uint32_t row_index;
    struct row *row;
    struct chance chance;
    unsigned char *messages; /* BATCH of them */
};

static bool waits(void)
{
    return arena->plan.flags & SHMCHAN_WAIT_FOR_RECEIVER;
}

static void voice_start(struct voice *v, shmchan_sender *tx, unsigned seat, uint64_t seed)
{
    uint32_t index = atomic_fetch_add(&arena->rows_used, 1);
    if (index >= ROWS)
        for (;;)
            pause(); /* the round is about to end */
    v->tx = tx;
    v->seat = seat;
    v->row_index = index;
    v->row = &arena->rows[index];
    v->row->seat = seat;
    v->row->pid = getpid();
    v->chance = (struct chance){seed};
}

static uint64_t tag_of(uint32_t row, uint32_t number)
{
    return ((uint64_t)row + 1) << 32 | number;
}

static struct sent *sent_at(unsigned seat, uint32_t number)
{
    return &arena->seats[seat].sent[number % ENDS];
}

/* The next n messages; from here on they may arrive. */
static void compose(struct voice *v, void *messages, uint32_t n, bool whole)
{
    struct row *row = v->row;
    struct message_head head = {
        .row = v->row_index, .stamp = tick(), .first = row->begun, .whole = whole && n > 1 ? n : 0};
    for (uint32_t i = 0; i < n; i++) {
        head.number = row->begun + i;
        message_fill((char *)messages + i * arena->plan.size, arena->plan.size, head);
    }
    row->begun += n;
}

static void acknowledge(struct voice *v, uint32_t n)
{
    uint64_t end = tick();
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = v->row->acked + i;
        struct sent *sent = sent_at(v->seat, number);
        /* In this order: who reads the tag on both sides of the end has the right end. */
        sent->tag = 0;
        sent->end = end;
        sent->tag = tag_of(v->row_index, number);
    }
    v->row->acked += n;
}

/* What the call said: so many are sent, the others are not. False: the receiver is gone. */
static bool settle(struct voice *v, const char *call, long r, long sent, uint64_t receiver_before)
{
    arena->seats[v->seat].since_ns = 0;
    if (sent > 0)
        acknowledge(v, (uint32_t)sent);
    v->row->begun = v->row->acked;
    if (r >= 0 || r == -ETIMEDOUT || r == -EAGAIN)
        return true;
    if (r != -EPIPE || waits()) {
        complain(NULL, "%s says %ld (%s)", call, r, shmchan_strerror((int)r));
        return true;
    }
    totals->refused++;
    /* It was there before and is there now, and so it was all the time. */
    if (receiver_before & 1 && arena->receiver == receiver_before)
        complain(NULL, "%s says that the receiver is gone; it is not", call);
    return false;
}

static void waits_from_now(struct voice *v)
{
    arena->seats[v->seat].since_ns = now_ns();
}

static bool send_single(struct voice *v)
{
    uint64_t before = arena->receiver;
    compose(v, v->messages, 1, true);
    long r;
    switch (chance_below(&v->chance, 4)) {
    case 0:
        r = shmchan_try_send(v->tx, v->messages);
        return settle(v, "try_send", r, r == 0, before);
    case 1:
        r = shmchan_send_timed(v->tx, v->messages, (int)chance_below(&v->chance, 4));
        return settle(v, "send_timed", r, r == 0, before);
    default:
        waits_from_now(v);
        r = shmchan_send(v->tx, v->messages);
        return settle(v, "send", r, r == 0, before);
    }
}

static bool send_batch(struct voice *v)
{
    uint64_t before = arena->receiver;
    uint32_t n = 1 + chance_below(&v->chance, BATCH);
    bool forever = chance_percent(&v->chance, 70);
    compose(v, v->messages, n, forever && n <= arena->plan.capacity);
    if (forever)
        waits_from_now(v);
    ssize_t r = shmchan_send_many(v->tx, v->messages, n, forever ? SHMCHAN_FOREVER : 1);
    if (forever && waits() && r >= 0 && r != (ssize_t)n)
        complain(NULL, "send_many sent %zd of %u", r, n);
    return settle(v, "send_many", r, r, before);
}

static bool send_in_place(struct voice *v)
{
    void *slot;
    uint64_t before = arena->receiver;
    waits_from_now(v);
    int r = shmchan_reserve(v->tx, &slot, SHMCHAN_FOREVER);
    if (r < 0)
        return settle(v, "reserve", r, 0, before);
    arena->seats[v->seat].since_ns = 0;
    if (chance_percent(&v->chance, 10))
        nap_us(chance_below(&v->chance, 300));
    if (chance_percent(&v->chance, 20))
        return settle(v, "abort", shmchan_abort(v->tx), 0, before);
    compose(v, slot, 1, true);
    r = shmchan_commit(v->tx, arena->plan.size);
    return settle(v, "commit", r, r == 0, before);
}

static void speak(struct voice *v)
{
    bool heard;
    uint32_t what = chance_below(&v->chance, 100);
    if (what < 50)
        heard = send_single(v);
    else if (what < 75)
        heard = send_batch(v);
    else
        heard = send_in_place(v);
    if (!heard)
        nap_us(50 + chance_below(&v->chance, 200));
    if (chance_percent(&v->chance, 4)) /* long enough that the receiver lets the lane go, and sleeps */
        nap_us((unsigned)chance_log(&v->chance, 10, 1000));
}

static void *speak_to_the_end(void *arg)
{
    struct voice *v = arg;
    while (!arena->quit)
        speak(v);
    return NULL;
}

static shmchan_sender *attach(struct chance *chance)
{
    for (;;) {
        shmchan_sender *tx;
        int64_t began_ns = now_ns();
        int r = shmchan_sender_open(arena->name, NULL, &tx);
        raise_to(&totals->attach_ns, now_ns() - began_ns);
        if (r == 0)
            return tx;
        if (r != -EUSERS)
            complain(NULL, "attach: %s", shmchan_strerror(r));
        if (r != -EUSERS || arena->quit)
            _exit(0);
        nap_us(100 + chance_below(chance, 400));
    }
}

/* A process's voices: its own, and one for each thread. */
struct choir {
    struct voice voices[SEATS];
    pthread_t threads[SEATS];
    unsigned count;
};

static void voice_add(struct choir *c, shmchan_sender *tx, unsigned slot, uint64_t seed)
{
    struct voice *v = &c->voices[c->count];
    v->messages = malloc((size_t)BATCH * arena->plan.size);
    if (!v->messages)
        give_up("no memory");
    voice_start(v, tx, slot * SEATS + c->count, seed);
    c->count++;
}

static void add_threads(struct choir *c, unsigned slot, struct chance *chance)
{
    for (unsigned n = 1 + chance_below(chance, 2); n > 0; n--) {
        shmchan_sender *tx;
        int r = shmchan_sender_clone(c->voices[0].tx, &tx);
        if (r == -EUSERS)
            return;
        if (r < 0) {
            complain(NULL, "clone: %s", shmchan_strerror(r));
            return;
        }
        voice_add(c, tx, slot, chance_next(chance));
        unsigned i = c->count - 1;
        if (pthread_create(&c->threads[i], NULL, speak_to_the_end, &c->voices[i]) != 0)
            give_up("no thread");
    }
}

/* In the child each handle is a sender of its own, and all but one are closed. The last seat is the child's.
 */
static void child_run(struct choir *c, unsigned slot, uint64_t seed)
{
    struct voice *v = &c->voices[0];
    for (unsigned i = 1; i < c->count; i++)
        shmchan_sender_close(c->voices[i].tx);
    int id = shmchan_sender_id(v->tx);
    if (id >= 0) {
        voice_start(v, v->tx, slot * SEATS + SEATS - 1, seed);
        speak_to_the_end(v);
    } else if (id != -EUSERS) {
        complain(NULL, "in a forked child: %s", shmchan_strerror(id));
    }
    shmchan_sender_close(v->tx);
    _exit(0);
}

static pid_t add_child(struct choir *c, unsigned slot, struct chance *chance)
{
    uint64_t seed = chance_next(chance);
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork: %s", strerror(errno));
    if (pid == 0)
        child_run(c, slot, seed);
    return pid;
}

/* Leave in order and come back, as another row. */
static void come_again(struct voice *v, struct chance *chance)
{
    shmchan_sender_close(v->tx);
    v->tx = attach(chance);
    voice_start(v, v->tx, v->seat, chance_next(chance));
}

static void sender_run(unsigned slot, bool lives, uint64_t seed)
{
    struct chance chance = {seed};
    struct choir c = {.count = 0};
    pid_t child = 0;
    const struct plan *p = &arena->plan;
    voice_add(&c, attach(&chance), slot, chance_next(&chance));
    if (p->steady && slot == 0)
        arena->steady_here = 1;
    if (p->threads && !lives && chance_percent(&chance, 40))
        add_threads(&c, slot, &chance);
    bool forks = p->forks && !lives && chance_percent(&chance, 40);
    unsigned fork_after = chance_below(&chance, 30);
    for (unsigned n = 0; !arena->quit; n++) {
        speak(&c.voices[0]);
        if (forks && n == fork_after)
            child = add_child(&c, slot, &chance);
        else if (!forks && c.count == 1 && !lives && chance_percent(&chance, 1))
            come_again(&c.voices[0], &chance);
    }
    for (unsigned i = 1; i < c.count; i++)
        pthread_join(c.threads[i], NULL);
    for (unsigned i = 0; i < c.count; i++)
        shmchan_sender_close(c.voices[i].tx);
    if (child)
        waitpid(child, NULL, 0);
    _exit(0);
}

/* ------------------------------------------------------------------------------------------- the receiver */

struct ear {
    shmchan_receiver *rx;
    uint32_t epoch;
    struct chance chance;
    unsigned char *messages;
};

static void check_order(const struct row *row, const struct message_head *h)
{
    const struct sent *sent = sent_at(row->seat, h->number);
    uint64_t tag = tag_of(h->row, h->number), latest = arena->latest_stamp;
    uint64_t before = sent->tag, end = sent->end;
    if (before == tag && sent->tag == tag) {
        totals->order_checks++;
        if (end < latest)
            complain(&totals->overtaken,
                     "row %u, number %u: its send returned at %" PRIu64 ", and one that began at %" PRIu64
                     " was received before",
                     h->row, h->number, end, latest);
    }
    if (h->stamp > latest)
        arena->latest_stamp = h->stamp;
}

/* Note a message that was taken. */
static void account(struct ear *e, const struct message_head *h, const struct shmchan_info *info)
{
    struct row *row = &arena->rows[h->row];
    uint64_t taken = row->taken;
    uint32_t next = (uint32_t)(taken >> 32), passed = (uint32_t)taken;
    if (h->number < next) {
        complain(&totals->duplicates, "row %u, number %u again; %u was next", h->row, h->number, next);
        return;
    }
    if (h->number >= row->begun)
        complain(&totals->torn, "row %u, number %u was never sent", h->row, h->number);
    /* Some may have gone with an earlier receiver; the supervisor knows how many. */
    if (h->number > next && row->epoch == e->epoch)
        complain(&totals->lost, "row %u, number %u; %u was next", h->row, h->number, next);
    if (info && row->base == 0)
        row->base = info->position - h->number + 1;
    else if (info && row->base != info->position - h->number + 1)
        complain(NULL, "row %u, number %u at position %" PRIu64, h->row, h->number, info->position);
    row->epoch = e->epoch;
    row->batch = (uint64_t)h->first << 32 | h->whole;
    row->taken = ((uint64_t)h->number + 1) << 32 | (passed + (h->number - next));
    if (!(arena->plan.flags & SHMCHAN_UNORDERED))
        check_order(row, h);
    if (row->dead == 1) {
        row->dead = 2;
        totals->drained++;
    }
}

static void take(struct ear *e, const void *message, const struct shmchan_info *info)
{
    struct message_head head;
    if (!message_read(message, arena->plan.size, &head) || head.row >= ROWS)
        complain(&totals->torn, "a torn message (row %u, number %u)", head.row, head.number);
    else
        account(e, &head, info);
}

static long take_one(struct ear *e)
{
    struct shmchan_info info;
    arena->in_call = 1;
    int r = shmchan_recv_info(e->rx, e->messages, &info, (int)chance_below(&e->chance, 20));
    if (r > 0)
        take(e, e->messages, &info);
    arena->in_call = 0;
    return r;
}

static long take_many(struct ear *e)
{
    uint32_t n = 1 + chance_below(&e->chance, BATCH);
    arena->in_call = n;
    ssize_t r = shmchan_recv_many(e->rx, e->messages, n, (int)chance_below(&e->chance, 20));
    for (ssize_t i = 0; i < r; i++)
        take(e, e->messages + (size_t)i * arena->plan.size, NULL);
    arena->in_call = 0;
    return (long)r;
}

static long take_in_place(struct ear *e)
{
    const void *message;
    struct shmchan_info info;
    int r = shmchan_peek(e->rx, &message, &info, (int)chance_below(&e->chance, 20));
    if (r <= 0)
        return r;
    memcpy(e->messages, message, arena->plan.size);
    if (chance_percent(&e->chance, 1))
        nap_us(chance_below(&e->chance, 200));
    arena->in_call = 1;
    r = shmchan_release(e->rx);
    if (r == 0)
        take(e, e->messages, &info);
    arena->in_call = 0;
    return r < 0 ? r : 1;
}

static long take_somehow(struct ear *e)
{
    unsigned takers = arena->plan.takers, taker;
    do
        taker = 1u << chance_below(&e->chance, 3);
    while (!(takers & taker));
    return taker == TAKE_RECV ? take_one(e) : taker == TAKE_MANY ? take_many(e) : take_in_place(e);
}

static void receiver_run(uint32_t epoch, bool may_leave, uint64_t seed)
{
    struct ear e = {.epoch = epoch, .chance = {seed}};
    e.messages = malloc((size_t)BATCH * arena->plan.size);
    if (!e.messages)
        give_up("no memory");
    int64_t began_ns = now_ns();
    int r = shmchan_receiver_open(arena->name, NULL, &e.rx);
    raise_to(&totals->takeover_ns, now_ns() - began_ns);
    if (r < 0) {
        complain(NULL, "takeover: %s", shmchan_strerror(r));
        _exit(0);
    }
    totals->takeovers++;
    uint64_t expected = 2 * (uint64_t)epoch;
    atomic_compare_exchange_strong(&arena->receiver, &expected, expected + 1);
    for (;;) {
        int quit = arena->quit, steady = arena->steady_here;
        long n = take_somehow(&e);
        if (n == 0) {
            if (steady && !arena->quit)
                complain(NULL, "the channel ends while a sender lives");
            if (quit == 2) {
                arena->finished = 1;
                break;
            }
            nap_us(100);
        } else if (n < 0 && n != -ETIMEDOUT) {
            complain(NULL, "receiving: %s", shmchan_strerror((int)n));
            nap_us(1000);
        }
        if (chance_below(&e.chance, 300) == 0)
            nap_us(chance_below(&e.chance, 300));
        if (may_leave && !quit && chance_below(&e.chance, 2000) == 0)
            break;
    }
    expected = 2 * (uint64_t)epoch + 1;
    atomic_compare_exchange_strong(&arena->receiver, &expected, expected + 1);
    shmchan_receiver_close(e.rx);
    _exit(0);
}

/* ----------------------------------------------------------------------------------------- the supervisor */

struct slot {
    pid_t pid; /* the leader, and the group; 0 = empty */
    bool leads, lives, stopped;
    int64_t due_ns;     /* to be killed or stopped; stopped: to go on */
    int64_t running_ns; /* since when it runs */
};

struct supervisor {
    struct chance chance;
    struct slot slots[SLOTS];
    struct slot receiver;
    uint32_t epoch;
    int64_t successor_ns; /* when the next receiver comes */
    uint64_t lost;        /* in the calls of receivers that died */
    /* What the watchdog saw last of each lane. */
    struct {
        uint64_t received;
        int64_t since_ns;
    } lanes[PLACES_MAX];
    int64_t look_ns;
};

static int64_t later_us(struct supervisor *s, uint32_t at_most_us)
{
    if (at_most_us == 0)
        return INT64_MAX;
    return now_ns() + (int64_t)chance_log(&s->chance, 20, at_most_us) * 1000;
}

static pid_t spawn(struct slot *slot)
{
    pid_t supervisor = getpid(), pid = fork();
    if (pid < 0)
        give_up("fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        if (getppid() != supervisor)
            _exit(0);
        return 0;
    }
    setpgid(pid, pid);
    *slot = (struct slot){.pid = pid, .leads = true, .running_ns = now_ns()};
    return pid;
}

static void spawn_sender(struct supervisor *s, unsigned index)
{
    struct slot *slot = &s->slots[index];
    bool lives = arena->plan.sender_life_us == 0 || (arena->plan.steady && index == 0);
    uint64_t seed = chance_next(&s->chance);
    for (unsigned i = 0; i < SEATS; i++)
        arena->seats[index * SEATS + i].since_ns = 0;
    if (spawn(slot) == 0)
        sender_run(index, lives, seed);
    slot->lives = lives;
    /* Who lives is stopped at times all the same. */
    slot->due_ns = later_us(s, lives ? 20000 : arena->plan.sender_life_us);
}

static void spawn_receiver(struct supervisor *s)
{
    bool may_leave = arena->plan.receiver_life_us != 0 && !arena->plan.supervised;
    uint64_t seed = chance_next(&s->chance);
    uint32_t epoch = ++s->epoch;
    arena->receiver = 2 * (uint64_t)epoch;
    arena->in_call = 0;
    if (spawn(&s->receiver) == 0)
        receiver_run(epoch, may_leave, seed);
    s->receiver.lives = arena->plan.receiver_life_us == 0;
    s->receiver.due_ns = later_us(s, s->receiver.lives ? 50000 : arena->plan.receiver_life_us);
}

static uint64_t sum_taken(uint64_t *ret_passed)
{
    uint64_t sum = 0;
    uint32_t used = arena->rows_used;
    *ret_passed = 0;
    for (uint32_t i = 0; i < used && i < ROWS; i++) {
        uint64_t taken = arena->rows[i].taken;
        sum += taken >> 32;
        *ret_passed += (uint32_t)taken;
    }
    return sum;
}

/* Nobody receives now: what was taken and not noted? Numbers passed over count as taken, and are known. */
static uint64_t unaccounted(void)
{
    struct shmchan_snapshot snapshot;
    uint64_t passed, taken = sum_taken(&passed);
    int r = shmchan_inspect(arena->name, &snapshot);
    if (r < 0)
        complain(NULL, "inspect: %s", shmchan_strerror(r));
    return r < 0 ? 0 : snapshot.received - taken + passed;
}

static void receiver_is_gone(struct supervisor *s)
{
    uint64_t lost = unaccounted(), may = arena->in_call;
    uint64_t now = lost - s->lost;
    if (now > may)
        complain(&totals->lost,
                 "the receiver's death cost %" PRId64 " messages; %" PRIu64 " were in its call", (int64_t)now,
                 may);
    s->lost = lost;
    totals->in_call += now;
    if (arena->plan.supervised)
        totals->supervised_in_release += now;
    s->receiver.pid = 0;
    s->successor_ns = now_ns() + (int64_t)chance_below(&s->chance, arena->plan.receiver_gap_us + 1) * 1000;
}

static void mark_dead(pid_t pid)
{
    uint32_t used = arena->rows_used;
    /* Those of a process lie near the end: it has not lived long. */
    for (uint32_t i = used < ROWS ? used : ROWS, n = 0; i-- > 0 && n < 512; n++)
        if (arena->rows[i].pid == pid)
            arena->rows[i].dead = 1;
}

static void note_end(struct supervisor *s, pid_t pid, int status)
{
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        complain(NULL, "process %d has status %#x", (int)pid, (unsigned)status);
    if (pid == s->receiver.pid) {
        totals->receiver_kills += killed;
        if (arena->plan.supervised)
            totals->supervised_kills += killed;
        receiver_is_gone(s);
        return;
    }
    if (killed) {
        totals->sender_kills++;
        mark_dead(pid);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (s->slots[i].pid == pid) {
            s->slots[i].leads = false;
            return;
        }
    totals->orphans++;
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        note_end(s, pid, status);
}

/* The leader and all its children are gone. */
static bool is_empty(struct slot *slot)
{
    if (slot->pid && !slot->leads && kill(-slot->pid, 0) < 0 && errno == ESRCH)
        slot->pid = 0;
    return slot->pid == 0;
}

static void go_on(struct supervisor *s, struct slot *slot, uint32_t life_us)
{
    kill(-slot->pid, SIGCONT);
    slot->stopped = false;
    slot->running_ns = now_ns();
    slot->due_ns = later_us(s, life_us);
}

static void stop(struct supervisor *s, struct slot *slot)
{
    kill(-slot->pid, SIGSTOP);
    totals->stops++;
    slot->stopped = true;
    uint64_t us = chance_percent(&s->chance, 1) ? 400000 : chance_log(&s->chance, 50, 20000);
    slot->due_ns = now_ns() + (int64_t)us * 1000;
}

static void attend_sender(struct supervisor *s, unsigned index)
{
    struct slot *slot = &s->slots[index];
    uint32_t life_us = slot->lives ? 20000 : arena->plan.sender_life_us;
    if (is_empty(slot)) {
        spawn_sender(s, index);
        return;
    }
    if (now_ns() < slot->due_ns)
        return;
    /* Who is stopped may be killed so, or go on. */
    bool kills = !slot->lives && !chance_percent(&s->chance, arena->plan.stop_percent);
    if (kills && slot->leads && chance_percent(&s->chance, 50)) {
        kill(slot->pid, SIGKILL); /* its children live on */
        if (slot->stopped)
            kill(-slot->pid, SIGCONT);
        slot->stopped = false;
        slot->due_ns = later_us(s, life_us);
    } else if (kills) {
        kill(-slot->pid, SIGKILL);
        slot->due_ns = now_ns() + 1000 * MS;
    } else if (slot->stopped) {
        go_on(s, slot, life_us);
    } else {
        stop(s, slot);
    }
}

static void attend_receiver(struct supervisor *s)
{
    struct slot *slot = &s->receiver;
    uint32_t life_us = slot->lives ? 50000 : arena->plan.receiver_life_us;
    if (slot->pid == 0) {
        if (now_ns() >= s->successor_ns)
            spawn_receiver(s);
        return;
    }
    if (now_ns() < slot->due_ns)
        return;
    if (!slot->lives && !chance_percent(&s->chance, arena->plan.stop_percent)) {
        arena->receiver = 2 * (uint64_t)s->epoch + 2; /* nobody may call it alive from now on */
        kill(slot->pid, SIGKILL);
        slot->due_ns = now_ns() + 1000 * MS;
    } else if (slot->stopped) {
        go_on(s, slot, life_us);
    } else {
        stop(s, slot);
    }
}

/* ------------------------------------------------------------------------------------------- the watchdog */

static void note_stall(_Atomic int64_t *longest, int64_t ns, const char *what, unsigned index)
{
    raise_to(longest, ns);
    if (ns > STALL_NS)
        complain(NULL, "%s %u waits for %.3f s", what, index, (double)ns / 1e9);
}

/* The receiver runs; how long has each lane's next message been waiting, and each running sender for room? */
static void watch_waits(struct supervisor *s, int64_t now)
{
    struct shmchan_snapshot snapshot;
    struct shmchan_sender_state states[PLACES_MAX];
    int64_t since = s->receiver.running_ns;
    ssize_t n = shmchan_inspect_senders(arena->name, &snapshot, states, PLACES_MAX);
    for (ssize_t i = 0; i < n; i++) {
        if (states[i].sent == states[i].received || states[i].received != s->lanes[i].received)
            s->lanes[i].since_ns = now;
        s->lanes[i].received = states[i].received;
        int64_t from = s->lanes[i].since_ns > since ? s->lanes[i].since_ns : since;
        note_stall(&totals->stall_receiver_ns, now - from, "a message in lane", (unsigned)i);
    }
    for (unsigned i = 0; i < SLOTS * SEATS; i++) {
        const struct slot *slot = &s->slots[i / SEATS];
        int64_t from = arena->seats[i].since_ns;
        if (from == 0 || !slot->pid || slot->stopped || !slot->leads)
            continue;
        from = from > since ? from : since;
        from = from > slot->running_ns ? from : slot->running_ns;
        if (arena->seats[i].since_ns != 0)
            note_stall(&totals->stall_sender_ns, now - from, "sender", i);
    }
}

static void watch(struct supervisor *s)
{
    int64_t now = now_ns();
    if (now - s->look_ns < 10 * MS)
        return;
    s->look_ns = now;
    if (s->receiver.pid && !s->receiver.stopped && arena->receiver & 1)
        watch_waits(s, now);
    else
        for (unsigned i = 0; i < PLACES_MAX; i++)
            s->lanes[i].since_ns = now;
}

/* ----------------------------------------------------------------------------------------------- a round */

static uint32_t pick(struct chance *c, const uint32_t *from, uint32_t count)
{
    return from[chance_below(c, count)];
}

#define PICK(c, ...)                                                                                         \
    pick(c, (const uint32_t[]){__VA_ARGS__},                                                                 \
         (uint32_t)(sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)))

static struct plan draw_plan(struct chance *c)
{
    struct plan p = {
        .capacity = PICK(c, 1, 2, 8, 1024),
        .size = PICK(c, 32, 64, 200, 1024),
        .places = PICK(c, 8, 16, 64),
        .slots = PICK(c, 3, 6, 12),
        .flags = PICK(c, 0, SHMCHAN_WAIT_FOR_RECEIVER) | PICK(c, 0, 0, SHMCHAN_UNORDERED),
        .takers = PICK(c, 7, 7, TAKE_RECV, TAKE_PEEK, TAKE_MANY),
        .steady = chance_percent(c, 50),
        .threads = chance_percent(c, 40),
        .forks = chance_percent(c, 40),
        .sender_life_us = PICK(c, 300, 1000, 1000, 10000),
        .receiver_life_us = PICK(c, 0, 1000, 5000, 50000),
        .stop_percent = PICK(c, 0, 5, 30),
        .receiver_gap_us = PICK(c, 0, 0, 2000),
    };
    p.supervised = chance_percent(c, 25);
    if (p.supervised) {
        p.flags |= SHMCHAN_WAIT_FOR_RECEIVER;
        p.takers = TAKE_PEEK;
        p.slots = 8;
        p.sender_life_us = 0;
        p.receiver_life_us = PICK(c, 1000, 5000);
        p.steady = true;
    }
    return p;
}

static void make_channel(struct arena *a)
{
    shmchan_sender *tx;
    int r = shmchan_sender_create(a->name,
                                  &SHMCHAN_OPTIONS(.message_size = a->plan.size, .capacity = a->plan.capacity,
                                                   .max_senders = a->plan.places, .flags = a->plan.flags),
                                  &tx);
    if (r < 0)
        give_up("create: %s", shmchan_strerror(r));
    shmchan_sender_close(tx);
}

/* For the next round. */
static void clear(struct arena *a)
{
    uint32_t used = a->rows_used < ROWS ? a->rows_used : ROWS;
    memset(a->rows, 0, used * sizeof *a->rows);
    memset(a->seats, 0, sizeof a->seats);
    a->rows_used = 0;
    a->clock = a->latest_stamp = a->receiver = 0;
    a->quit = a->finished = a->steady_here = 0;
    a->in_call = 0;
}

static bool all_gone(struct supervisor *s)
{
    bool gone = true;
    for (unsigned i = 0; i < SLOTS; i++)
        gone &= is_empty(&s->slots[i]);
    return gone;
}

static void describe_hang(struct supervisor *s)
{
    struct shmchan_snapshot now;
    struct shmchan_sender_state states[PLACES_MAX];
    ssize_t n = shmchan_inspect_senders(arena->name, &now, states, PLACES_MAX);
    complain(NULL, "hangs: receiver %d (%c), %u places held, %" PRIu64 " sent, %" PRIu64 " received",
             (int)s->receiver.pid, s->receiver.pid ? process_state(s->receiver.pid) : '-', now.senders_held,
             now.sent, now.received);
    for (ssize_t i = 0; i < n; i++)
        if (states[i].process.state != SHMCHAN_PLACE_FREE)
            fprintf(stderr, "  place %zd: state %u pid %d (%c) sent %" PRIu64 " received %" PRIu64 "%s\n", i,
                    states[i].process.state, (int)states[i].process.pid, process_state(states[i].process.pid),
                    states[i].sent, states[i].received, states[i].process.asleep_since_ns ? ", asleep" : "");
}

static void kill_all(struct supervisor *s)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (s->slots[i].pid)
            kill(-s->slots[i].pid, SIGKILL);
    if (s->receiver.pid)
        kill(s->receiver.pid, SIGKILL);
}

/* Nobody is killed any more: senders leave, the receiver receives to the end. */
static void wind_up(struct supervisor *s)
{
    int64_t began_ns = now_ns();
    bool hangs = false;
    arena->plan.receiver_life_us = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        if (s->slots[i].pid && kill(-s->slots[i].pid, SIGCONT) == 0)
            s->slots[i].stopped = false;
    if (s->receiver.pid)
        kill(-s->receiver.pid, SIGCONT);
    s->receiver.stopped = false;
    arena->quit = 1;
    while (!all_gone(s) || s->receiver.pid || !arena->finished) {
        reap(s);
        if (all_gone(s) && arena->quit == 1)
            arena->quit = 2;
        if (s->receiver.pid == 0 && !arena->finished && now_ns() >= s->successor_ns)
            spawn_receiver(s);
        if (now_ns() - began_ns > 4 * STALL_NS && !hangs) {
            describe_hang(s);
            kill_all(s);
            hangs = true;
        }
        if (hangs && all_gone(s))
            break;
        nap_us(200);
    }
    kill_all(s);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void check_row(uint32_t index, bool nothing_lost, uint64_t *ret_missing)
{
    const struct row *row = &arena->rows[index];
    uint32_t next = (uint32_t)(row->taken >> 32), passed = (uint32_t)row->taken;
    uint32_t first = (uint32_t)(row->batch >> 32), whole = (uint32_t)row->batch;
    if (next < row->acked)
        *ret_missing += row->acked - next;
    if (next > row->begun)
        complain(&totals->torn, "row %u: %u received, %u begun", index, next, row->begun);
    if (nothing_lost && passed)
        complain(&totals->lost, "row %u: %u passed over", index, passed);
    if (nothing_lost && whole && next < first + whole)
        complain(&totals->torn, "row %u: %u of a batch of %u", index, next - first, whole);
}

static void check_ledger(struct supervisor *s)
{
    struct shmchan_snapshot now;
    uint32_t used = arena->rows_used < ROWS ? arena->rows_used : ROWS;
    uint64_t missing = 0, acked = 0, passed, taken = sum_taken(&passed);
    for (uint32_t i = 0; i < used; i++) {
        check_row(i, s->lost == 0, &missing);
        acked += arena->rows[i].acked;
    }
    int r = shmchan_inspect(arena->name, &now);
    if (r < 0) {
        complain(NULL, "inspect: %s", shmchan_strerror(r));
        return;
    }
    if (missing > s->lost - passed)
        complain(&totals->lost,
                 "%" PRIu64 " acknowledged messages are missing; receivers that died had %" PRIu64, missing,
                 s->lost - passed);
    if (now.sent != now.received || now.received - taken != s->lost - passed || now.sent < acked ||
        now.lanes_damaged || now.senders_held || now.senders_left)
        complain(NULL,
                 "at the end %" PRIu64 " sent, %" PRIu64 " acked, %" PRIu64 " received, %" PRIu64
                 " noted, %" PRIu64 " in calls, %" PRIu64 " damaged, %u held, %u left",
                 now.sent, acked, now.received, taken - passed, s->lost, now.lanes_damaged, now.senders_held,
                 now.senders_left);
    totals->sent += now.sent;
    totals->received += taken - passed;
    totals->handles += used;
    if (arena->plan.supervised)
        totals->supervised_messages += now.sent;
}

/* No place is lost: each can be had, and carries a message. */
static void check_places(void)
{
    shmchan_sender *senders[PLACES_MAX] = {0}, *more = NULL;
    shmchan_receiver *rx = NULL;
    unsigned char message[MESSAGE_BYTES_MAX] = {0};
    unsigned got = 0, received = 0;
    int r = shmchan_receiver_open(arena->name, NULL, &rx);
    if (r < 0) {
        complain(NULL, "the last takeover: %s", shmchan_strerror(r));
        return;
    }
    for (; got < arena->plan.places; got++) {
        r = shmchan_sender_open(arena->name, NULL, &senders[got]);
        if (r == 0)
            r = shmchan_try_send(senders[got], message);
        if (r < 0)
            break;
    }
    if (r < 0)
        complain(NULL, "place %u of %u: %s", got, arena->plan.places, shmchan_strerror(r));
    r = shmchan_sender_open(arena->name, NULL, &more);
    if (r != -EUSERS)
        complain(NULL, "one place more than there are: %d", r);
    for (unsigned i = 0; i < PLACES_MAX; i++)
        shmchan_sender_close(senders[i]);
    shmchan_sender_close(more);
    while ((r = shmchan_recv_timed(rx, message, 5000)) > 0)
        received++;
    if (r != 0 || received != got)
        complain(NULL, "%u messages from %u places, then %d", received, got, r);
    shmchan_receiver_close(rx);
}

static void play(struct supervisor *s, int64_t end_ns)
{
    while (now_ns() < end_ns && arena->rows_used < ROWS - 256) {
        reap(s);
        attend_receiver(s);
        for (unsigned i = 0; i < arena->plan.slots; i++)
            attend_sender(s, i);
        watch(s);
        nap_us(20);
    }
}

static void round_run(struct chance *chance, uint32_t number, int64_t end_ns, const char *prefix)
{
    static struct supervisor s;
    uint32_t violations = totals->violations.count;
    s = (struct supervisor){.chance = {chance_next(chance)}};
    arena->plan = draw_plan(chance);
    snprintf(arena->name, sizeof arena->name, "/%s%u-%u", prefix, arena->index, number);
    make_channel(arena);
    play(&s, end_ns);
    wind_up(&s);
    check_ledger(&s);
    check_places();
    int r = shmchan_unlink(arena->name);
    if (r < 0)
        complain(NULL, "unlink: %s", shmchan_strerror(r));
    totals->rounds++;
    totals->supervised_rounds += arena->plan.supervised;
    totals->failed_rounds += totals->violations.count != violations;
    clear(arena);
}

static void arena_run(unsigned index, uint64_t seed, int64_t end_ns, int64_t round_ns, const char *prefix)
{
    struct chance chance = {seed};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_TIMERSLACK, 1);
    arena = shared_memory(sizeof *arena);
    arena->index = index;
    for (uint32_t n = 0; now_ns() < end_ns; n++) {
        int64_t round_end_ns = now_ns() + round_ns;
        round_run(&chance, n, round_end_ns < end_ns ? round_end_ns : end_ns, prefix);
        if (getenv("VERBOSE"))
            printf("arena %u round %u: %" PRIu64 " kills so far\n", index, n,
                   totals->sender_kills + totals->receiver_kills);
    }
}

static void print_ledger(double seconds)
{
    const struct totals *t = totals;
    uint64_t kills = t->sender_kills + t->receiver_kills;
    printf("%-26s %12" PRIu64 "  (%.0f a second)\n", "kills", kills, (double)kills / seconds);
    printf("%-26s %12" PRIu64 "  (%" PRIu64 " orphans ended)\n", "  of senders", t->sender_kills, t->orphans);
    printf("%-26s %12" PRIu64 "\n", "  of receivers", t->receiver_kills);
    printf("%-26s %12" PRIu64 "\n", "stops", t->stops);
    printf("%-26s %12" PRIu64 "\n", "senders (handles)", t->handles);
    printf("%-26s %12" PRIu64 "\n", "takeovers", t->takeovers);
    printf("%-26s %12" PRIu64 "\n", "messages sent", t->sent);
    printf("%-26s %12" PRIu64 "\n", "  received, each once", t->received);
    printf("%-26s %12" PRIu64 "  (taken by a recv or release that did not return)\n", "  in a dead receiver",
           t->in_call);
    printf("%-26s %12" PRIu64 "\n", "lanes drained after death", t->drained);
    printf("%-26s %12" PRIu64 "  (-EPIPE)\n", "sends refused", t->refused);
    printf("%-26s %12" PRIu64 "\n", "order checks", t->order_checks);
    printf("%-26s %9.1f ms  (bound %.0f ms)\n", "longest wait of a message",
           (double)t->stall_receiver_ns / 1e6, (double)STALL_NS / 1e6);
    printf("%-26s %9.1f ms\n", "longest wait for room", (double)t->stall_sender_ns / 1e6);
    printf("%-26s %9.1f ms\n", "longest attach", (double)t->attach_ns / 1e6);
    printf("%-26s %9.1f ms\n", "longest takeover", (double)t->takeover_ns / 1e6);
    printf("a collector that comes back: %" PRIu64 " rounds, %" PRIu64 " kills, %" PRIu64
           " messages, %" PRIu64 " in a release that did not return\n",
           t->supervised_rounds, t->supervised_kills, t->supervised_messages, t->supervised_in_release);
    printf("lost %" PRIu64 ", duplicates %" PRIu64 ", torn %" PRIu64 ", overtaken %" PRIu64
           "; violations %u\n",
           t->lost, t->duplicates, t->torn, t->overtaken, t->violations.count);
}

int main(void)
{
    uint64_t seconds = setting("TORTURE_SECONDS", 60), seed = setting("SEED", (uint64_t)now_ns());
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned arenas = (unsigned)setting("ARENAS", cores > 0 && cores < 8 ? (uint64_t)cores : 8);
    int64_t round_ns = (int64_t)setting("ROUND_MS", 1000) * MS;
    char prefix[32];
    pid_t pids[ARENAS_MAX];
    if (arenas < 1 || arenas > ARENAS_MAX)
        give_up("ARENAS is 1 ... %u", ARENAS_MAX);
    setvbuf(stdout, NULL, _IOLBF, 0);
    totals = shared_memory(sizeof *totals);
    snprintf(prefix, sizeof prefix, "shmchan-random-%d-", (int)getpid());
    printf("random torture: SECONDS=%" PRIu64 " SEED=%" PRIu64 ", %u arenas\n", seconds, seed, arenas);
    int64_t began_ns = now_ns(), end_ns = began_ns + (int64_t)seconds * 1000 * MS;
    for (unsigned i = 0; i < arenas; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            arena_run(i, seed + i * UINT64_C(0x9e3779b97f4a7c15), end_ns, round_ns, prefix);
            _exit(0);
        }
    }
    uint64_t broken = 0;
    for (unsigned i = 0; i < arenas; i++) {
        int status;
        if (waitpid(pids[i], &status, 0) != pids[i] || status != 0) {
            violation(&totals->violations, "arena %u ended with status %#x", i, (unsigned)status);
            broken++;
        }
    }
    unsigned left = names_left(prefix);
    if (left)
        violation(&totals->violations, "%u names left in /dev/shm", left);
    print_ledger((double)(now_ns() - began_ns) / 1e9);
    uint64_t failed = totals->failed_rounds + broken + (left != 0);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", totals->rounds - totals->failed_rounds, failed);
    return failed || totals->violations.count ? 1 : 0;
}
