/* SPDX-License-Identifier: MIT */
/*
 * What step.c steps through: the stage that all processes of a scene share, with its ledger, and the
 * operations, each with what its victim does before and what its scene needs. Included by step.c alone.
 */
#ifndef TORTURE_OPERATIONS_H
#define TORTURE_OPERATIONS_H

#include "common.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE         64u /* of a message */
#define CAPACITY     4u
#define PLACES       6u
#define BATCH        8u
#define BOUND_MS     2000 /* nobody may wait longer */
#define RECEIPTS_MAX 128u
#define OPS_MAX      64u

/* ------------------------------------------------------------------------------------------- the stage */

/* Who sends: a row of the stage's ledger each. */
enum { VICTIM, OTHER, NEWCOMER, PEER, CHILD, FILLERS, ROWS = FILLERS + PLACES };

#define NUMBERS 32u

struct row {
    _Atomic uint32_t begun; /* messages handed to a call that sends */
    _Atomic uint32_t acked; /* messages whose call returned */
    _Atomic uint64_t end[NUMBERS];
    uint32_t first, whole; /* a batch that arrives as one */
};

/* What all processes of one scene share. */
struct stage {
    _Atomic uint64_t clock; /* stamps: a call that returned before another began has an end below its stamp */
    _Atomic int begun, done;
    _Atomic int result;        /* of the operation */
    _Atomic int told;          /* 1: the channel is there. 2: the victim is dead. 3: finish */
    _Atomic int parent_closed; /* fork: the parent's sender is gone, the child's remains */
    _Atomic int child_result;
    _Atomic int peer_result;
    _Atomic int peer_done;
    int timeout_ms;
    char name[64];
    struct row rows[ROWS];
    /* Messages that a receiver that is killed now may have taken without saying so. */
    _Atomic uint32_t in_call;
    _Atomic uint32_t receipts_count;
    struct receipt {
        struct message_head head;
        bool whole;
    } receipts[RECEIPTS_MAX];
};

/* One process's part in it. */
struct actor {
    struct stage *stage;
    shmchan_sender *tx;
    shmchan_receiver *rx;
    void *half;
    unsigned char messages[BATCH * SIZE];
};

static uint64_t tick(struct stage *s)
{
    return atomic_fetch_add(&s->clock, 1) + 1;
}

/* Make the next n messages of a row; from here on they may arrive. */
static void compose(struct stage *s, unsigned index, void *messages, uint32_t n, bool whole)
{
    struct row *row = &s->rows[index];
    struct message_head head = {.row = index, .stamp = tick(s), .first = row->begun, .whole = whole ? n : 0};
    if (whole && n > 1) {
        row->first = head.first;
        row->whole = n;
    }
    for (uint32_t i = 0; i < n; i++) {
        head.number = row->begun + i;
        message_fill((char *)messages + i * SIZE, SIZE, head);
    }
    row->begun += n;
}

static void acknowledge(struct stage *s, unsigned index, uint32_t n)
{
    struct row *row = &s->rows[index];
    uint64_t end = tick(s);
    for (uint32_t i = 0; i < n; i++)
        row->end[(row->acked + i) % NUMBERS] = end;
    row->acked += n;
}

/* They were not sent: the call said so. */
static void take_back(struct stage *s, unsigned index)
{
    s->rows[index].begun = s->rows[index].acked;
}

static int send_one(struct stage *s, unsigned index, shmchan_sender *tx, int timeout_ms)
{
    unsigned char message[SIZE];
    compose(s, index, message, 1, true);
    int r = timeout_ms == 0 ? shmchan_try_send(tx, message) : shmchan_send_timed(tx, message, timeout_ms);
    if (r == 0)
        acknowledge(s, index, 1);
    else
        take_back(s, index);
    return r;
}

static void note_receipt(struct stage *s, const void *message)
{
    uint32_t n = s->receipts_count;
    if (n == RECEIPTS_MAX)
        give_up("more than %u messages received", RECEIPTS_MAX);
    s->receipts[n].whole = message_read(message, SIZE, &s->receipts[n].head);
    s->receipts_count = n + 1;
}

static int receive_one(struct stage *s, shmchan_receiver *rx, int timeout_ms)
{
    unsigned char message[SIZE];
    int r = shmchan_recv_timed(rx, message, timeout_ms);
    if (r > 0)
        note_receipt(s, message);
    return r;
}

/* ------------------------------------------------------------------------------------------- operations */

enum side { SENDING, RECEIVING, FORK_CHILD, FORK_PARENT };

/* What the scene needs. */
enum {
    WITHOUT_CHANNEL = 1u << 0,   /* the victim makes it */
    NAME_MAY_GO = 1u << 1,       /* or removes it */
    PEER_RECEIVES = 1u << 2,     /* the receiver is a process that sleeps in recv */
    PEER_SENDS = 1u << 3,        /* a sender that sleeps for room */
    PRIOR_RECEIVER = 1u << 4,    /* there was one, and it was killed */
    PRIOR_SENDER = 1u << 5,      /* there was one, and it was killed with a reservation */
    OTHERS_LEAVE = 1u << 6,      /* the victim's peers are gone when it begins */
    MUST_BLOCK = 1u << 7,        /* a recording that did not block is no good */
    PEER_GETS_THE_END = 1u << 8, /* the victim's end is the channel's */
    LIVE_PROBE = 1u << 9,        /* while the victim lives, the channel must not end */
    TAKES_MUTEX = 1u << 10,      /* who attaches waits for it when it is stopped */
    OTHER_STAYS = 1u << 11,      /* beside a receiver that sleeps: what the victim left has to be found */
    LEAVES_MEANWHILE =
        1u << 12 /* at the instruction the last sender sends and leaves; then the victim goes on */
};

struct op {
    const char *name;
    void (*prepare)(struct actor *a); /* in the victim */
    void (*act)(struct actor *a);     /* stepped: from begin() to end() */
    enum side side;
    unsigned needs;
    uint32_t channel_flags;
    int result;         /* of the operation when it is left alone */
    uint32_t messages;  /* receiving: that its peers send before it begins */
    uint32_t capacity;  /* 0: CAPACITY */
    unsigned unblock_n; /* when it blocks, its peer receives or sends so many */
};

static void begin(struct actor *a)
{
    a->stage->begun = 1;
}

static void end(struct actor *a, int result)
{
    a->stage->result = result;
    a->stage->done = 1;
}

static void end_send(struct actor *a, long result, uint32_t n)
{
    if (n)
        acknowledge(a->stage, VICTIM, n);
    end(a, (int)result);
}

static void must(int r, const char *what)
{
    if (r < 0)
        give_up("%s: %s", what, shmchan_strerror(r));
}

static const struct shmchan_options *channel_options(const struct op *op)
{
    static struct shmchan_options options;
    options = SHMCHAN_OPTIONS(.message_size = SIZE, .capacity = op->capacity ? op->capacity : CAPACITY,
                              .max_senders = PLACES, .flags = op->channel_flags);
    return &options;
}

static const struct op *current_op;

/* In the victim, before the first instruction that counts. */

static void attach(struct actor *a)
{
    must(shmchan_sender_open(a->stage->name, NULL, &a->tx), "the victim attaches");
}

static void attach_and_send(struct actor *a)
{
    attach(a);
    must(send_one(a->stage, VICTIM, a->tx, 0), "the victim's first message");
}

static void compose_one(struct actor *a)
{
    attach_and_send(a);
    compose(a->stage, VICTIM, a->messages, 1, true);
}

static void compose_first(struct actor *a)
{
    attach(a);
    compose(a->stage, VICTIM, a->messages, 1, true);
}

static void compose_three(struct actor *a)
{
    attach_and_send(a);
    compose(a->stage, VICTIM, a->messages, 3, true);
}

static void compose_six(struct actor *a)
{
    attach(a);
    compose(a->stage, VICTIM, a->messages, 6, false);
}

static void fill_lane(struct actor *a)
{
    attach(a);
    for (uint32_t i = 0; i < CAPACITY; i++)
        must(send_one(a->stage, VICTIM, a->tx, 0), "the victim fills its lane");
    compose(a->stage, VICTIM, a->messages, 1, true);
}

static void attach_and_send_two(struct actor *a)
{
    attach_and_send(a);
    must(send_one(a->stage, VICTIM, a->tx, 0), "the victim's second message");
}

static void make_as_sender(struct actor *a)
{
    must(shmchan_sender_create(a->stage->name, channel_options(current_op), &a->tx), "the victim creates");
}

static void nothing(struct actor *a)
{
    (void)a;
}

static void become_receiver(struct actor *a)
{
    must(shmchan_receiver_open(a->stage->name, NULL, &a->rx), "the victim becomes the receiver");
}

static void become_receiver_and_take(struct actor *a)
{
    become_receiver(a);
    if (receive_one(a->stage, a->rx, 0) != 1)
        give_up("no message for the victim to begin with");
}

static void become_receiver_and_drain(struct actor *a)
{
    become_receiver(a);
    while (receive_one(a->stage, a->rx, 0) > 0)
        ;
}

/* What is stepped. */

static void act_send(struct actor *a)
{
    begin(a);
    int r = shmchan_send(a->tx, a->messages);
    end_send(a, r, r == 0);
}

static void act_send_timed(struct actor *a)
{
    begin(a);
    int r = shmchan_send_timed(a->tx, a->messages, a->stage->timeout_ms);
    end_send(a, r, r == 0);
}

static void act_send_three(struct actor *a)
{
    begin(a);
    ssize_t r = shmchan_send_many(a->tx, a->messages, 3, SHMCHAN_FOREVER);
    end_send(a, r, r > 0 ? (uint32_t)r : 0);
}

static void act_send_six(struct actor *a)
{
    begin(a);
    ssize_t r = shmchan_send_many(a->tx, a->messages, 6, SHMCHAN_FOREVER);
    end_send(a, r, r > 0 ? (uint32_t)r : 0);
}

static void act_reserve_commit(struct actor *a)
{
    void *slot;
    begin(a);
    int r = shmchan_reserve(a->tx, &slot, SHMCHAN_FOREVER);
    if (r == 0) {
        memcpy(slot, a->messages, SIZE);
        r = shmchan_commit(a->tx, SIZE);
    }
    end_send(a, r, r == 0);
}

static void act_reserve_abort(struct actor *a)
{
    void *slot;
    take_back(a->stage, VICTIM); /* it is not to arrive, ever */
    begin(a);
    int r = shmchan_reserve(a->tx, &slot, SHMCHAN_FOREVER);
    if (r == 0) {
        memcpy(slot, a->messages, SIZE);
        r = shmchan_abort(a->tx);
    }
    end(a, r);
}

static void act_sender_open(struct actor *a)
{
    begin(a);
    end(a, shmchan_sender_open(a->stage->name, NULL, &a->tx));
}

static void act_clone(struct actor *a)
{
    shmchan_sender *second;
    begin(a);
    end(a, shmchan_sender_clone(a->tx, &second));
}

static void act_sender_create(struct actor *a)
{
    const struct shmchan_options *options = channel_options(current_op);
    begin(a);
    end(a, shmchan_sender_create(a->stage->name, options, &a->tx));
}

static void act_sender_close(struct actor *a)
{
    begin(a);
    shmchan_sender_close(a->tx);
    end(a, 0);
}

static void act_recv(struct actor *a)
{
    a->stage->in_call = 1;
    begin(a);
    int r = shmchan_recv(a->rx, a->messages);
    if (r > 0)
        note_receipt(a->stage, a->messages);
    a->stage->in_call = 0;
    end(a, r);
}

static void act_recv_timed(struct actor *a)
{
    a->stage->in_call = 1;
    begin(a);
    int r = shmchan_recv_timed(a->rx, a->messages, a->stage->timeout_ms);
    if (r > 0)
        note_receipt(a->stage, a->messages);
    a->stage->in_call = 0;
    end(a, r);
}

static void act_try_recv(struct actor *a)
{
    begin(a);
    end(a, shmchan_try_recv(a->rx, a->messages));
}

static void act_recv_many(struct actor *a)
{
    a->stage->in_call = 3;
    begin(a);
    ssize_t r = shmchan_recv_many(a->rx, a->messages, 3, SHMCHAN_FOREVER);
    for (ssize_t i = 0; i < r; i++)
        note_receipt(a->stage, a->messages + i * SIZE);
    a->stage->in_call = 0;
    end(a, (int)r);
}

/* Until release is called nothing may be missing. */
static void act_peek_release(struct actor *a)
{
    const void *message;
    begin(a);
    int r = shmchan_peek(a->rx, &message, NULL, SHMCHAN_FOREVER);
    if (r > 0) {
        memcpy(a->messages, message, SIZE);
        a->stage->in_call = 1;
        r = shmchan_release(a->rx);
        note_receipt(a->stage, a->messages);
        a->stage->in_call = 0;
    }
    end(a, r);
}

static void act_receiver_create(struct actor *a)
{
    const struct shmchan_options *options = channel_options(current_op);
    begin(a);
    end(a, shmchan_receiver_create(a->stage->name, options, &a->rx));
}

static void act_receiver_open(struct actor *a)
{
    begin(a);
    end(a, shmchan_receiver_open(a->stage->name, NULL, &a->rx));
}

static void act_receiver_close(struct actor *a)
{
    begin(a);
    shmchan_receiver_close(a->rx);
    end(a, 0);
}

/* The child is stepped. Its parent closes its own sender, so that the child's is the only one. */
static void act_fork_child(struct actor *a)
{
    struct stage *s = a->stage;
    begin(a);
    pid_t pid = fork();
    if (pid == 0) {
        int id = shmchan_sender_id(a->tx);
        end(a, id < 0 ? id : 0);
        for (;;)
            pause();
    }
    shmchan_sender_close(a->tx);
    s->parent_closed = 1;
    while (s->told < 2)
        nap_us(50);
    waitpid(pid, NULL, 0);
    _exit(0);
}

/* The parent is stepped. Its child goes on by itself. */
static void act_fork_parent(struct actor *a)
{
    struct stage *s = a->stage;
    begin(a);
    pid_t pid = fork();
    if (pid == 0) {
        s->child_result = send_one(s, CHILD, a->tx, BOUND_MS);
        while (s->told < 3)
            nap_us(50);
        shmchan_sender_close(a->tx);
        _exit(0);
    }
    end(a, pid > 0 ? 0 : -1);
}

#define WAITS     SHMCHAN_WAIT_FOR_RECEIVER
#define UNORDERED SHMCHAN_UNORDERED
#define UNLINKS   SHMCHAN_UNLINK_ON_CLOSE

/* Name, preparation, what is stepped, side; and what is not 0. */
#define OP(words, before, stepped, ...)                                                                      \
    {                                                                                                        \
        .name = words, .prepare = before, .act = stepped, .side = __VA_ARGS__                                \
    }

static const struct op ops[] = {
    OP("send", compose_one, act_send, SENDING),
    OP("send, which rings", compose_first, act_send, SENDING, .channel_flags = WAITS),
    OP("send, unordered", compose_first, act_send, SENDING, .channel_flags = UNORDERED),
    OP("send, receiver asleep", compose_first, act_send, SENDING, .needs = PEER_RECEIVES),
    OP("send, receiver asleep, no end", compose_first, act_send, SENDING,
       .needs = PEER_RECEIVES | OTHER_STAYS),
    OP("send, blocked while full", fill_lane, act_send, SENDING, .needs = MUST_BLOCK, .unblock_n = 4),
    OP("send, timed out", fill_lane, act_send_timed, SENDING, .needs = MUST_BLOCK, .result = -ETIMEDOUT),
    OP("send_many, 3 as one", compose_three, act_send_three, SENDING, .result = 3),
    OP("send_many, receiver asleep", compose_three, act_send_three, SENDING, .needs = PEER_RECEIVES,
       .channel_flags = WAITS, .result = 3),
    OP("send_many, 6 through 4", compose_six, act_send_six, SENDING, .needs = MUST_BLOCK, .result = 6,
       .unblock_n = 4),
    OP("reserve and commit", compose_one, act_reserve_commit, SENDING),
    OP("reserve and abort", compose_one, act_reserve_abort, SENDING),
    OP("sender attach", nothing, act_sender_open, SENDING, .needs = TAKES_MUTEX),
    OP("sender attach, after a death", nothing, act_sender_open, SENDING,
       .needs = PRIOR_SENDER | TAKES_MUTEX),
    OP("clone", attach_and_send, act_clone, SENDING, .needs = TAKES_MUTEX),
    OP("sender create", nothing, act_sender_create, SENDING, .needs = WITHOUT_CHANNEL),
    OP("sender close", attach_and_send_two, act_sender_close, SENDING),
    OP("sender close, receiver asleep", attach_and_send, act_sender_close, SENDING,
       .needs = PEER_RECEIVES | PEER_GETS_THE_END),
    OP("sender close, which unlinks", make_as_sender, act_sender_close, SENDING,
       .needs = WITHOUT_CHANNEL | NAME_MAY_GO, .channel_flags = UNLINKS),
    OP("fork, in the child", attach_and_send, act_fork_child, FORK_CHILD, .needs = LIVE_PROBE),
    OP("fork, in the parent", attach_and_send, act_fork_parent, FORK_PARENT),
    OP("recv", become_receiver_and_take, act_recv, RECEIVING, .channel_flags = WAITS, .result = 1,
       .messages = 4),
    OP("recv, unordered", become_receiver_and_take, act_recv, RECEIVING, .channel_flags = UNORDERED,
       .result = 1, .messages = 4),
    OP("recv, sender asleep", become_receiver, act_recv, RECEIVING, .needs = PEER_SENDS,
       .channel_flags = WAITS, .result = 1, .capacity = 2),
    OP("recv, blocked while empty", become_receiver_and_drain, act_recv, RECEIVING, .needs = MUST_BLOCK,
       .result = 1, .messages = 2, .unblock_n = 1),
    OP("recv, last sender leaves there", become_receiver_and_drain, act_recv, RECEIVING,
       .needs = MUST_BLOCK | LEAVES_MEANWHILE, .result = 1, .messages = 2, .unblock_n = 1),
    OP("recv, timed out", become_receiver_and_drain, act_recv_timed, RECEIVING, .needs = MUST_BLOCK,
       .channel_flags = WAITS, .result = -ETIMEDOUT, .messages = 2),
    OP("recv, of the end", become_receiver_and_drain, act_recv, RECEIVING, .needs = OTHERS_LEAVE,
       .messages = 2),
    OP("try_recv, empty", become_receiver_and_drain, act_try_recv, RECEIVING, .result = -EAGAIN,
       .messages = 2),
    OP("recv_many", become_receiver_and_take, act_recv_many, RECEIVING, .result = 3, .messages = 4),
    OP("peek and release", become_receiver_and_take, act_peek_release, RECEIVING, .channel_flags = WAITS,
       .messages = 4),
    OP("receiver create", nothing, act_receiver_create, RECEIVING, .needs = WITHOUT_CHANNEL),
    OP("receiver open", nothing, act_receiver_open, RECEIVING, .needs = TAKES_MUTEX, .messages = 3),
    OP("receiver takeover", nothing, act_receiver_open, RECEIVING, .needs = PRIOR_RECEIVER | TAKES_MUTEX,
       .channel_flags = WAITS, .messages = 4),
    OP("receiver close", become_receiver_and_take, act_receiver_close, RECEIVING, .messages = 4),
    OP("receiver close, sender asleep", become_receiver, act_receiver_close, RECEIVING, .needs = PEER_SENDS,
       .capacity = 2),
};

#define OPS (sizeof ops / sizeof ops[0])
_Static_assert(OPS <= OPS_MAX, "room for the results");

#endif
