/* SPDX-License-Identifier: MIT */
/*
 * merge, in two ways.
 *
 * 1. Forged: lanes on plain memory, each state written by hand, merge_next() asked what comes next.
 *
 * 2. Explored: the library's own sender.c, receiver.c, merge.c, members.c and cond.c run as processes of a
 *    model, one step an access to a shared word, a futex or a lock. All orders of these steps are gone
 *    through (states that were seen before are not entered again), and in some scenes every death: at each
 * step of each process. Checked in each: one send that returned before another began is received first; what
 * was published is received once and whole, what was not is not received; batches stay whole and in a row;
 * the end is told when all senders are gone, and not before; and nobody sleeps while there is something to
 * do, unless somebody died. Accesses are sequentially consistent here: what weaker order could do is
 * test_race's to show.
 *
 * For the second the sources are part of this program, with the accesses to shared memory and to the
 * operating system replaced. Outside the model the replacements do what the originals do.
 */
#undef _FORTIFY_SOURCE /* it takes a jump between two stacks for a mistake */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "layout.h"

/* ------------------------------------------------------------------------------- replaced: shared words */

enum access { LOAD, STORE, EXCHANGE, ADD, OR };

static uint64_t access_word(const volatile void *word, size_t size, enum access kind, uint64_t operand,
                            memory_order order);

static uint64_t access_real(const volatile void *word, size_t size, enum access kind, uint64_t operand)
{
#define ACCESS(type)                                                                                         \
    _Atomic type *w = (_Atomic type *)(uintptr_t)word;                                                       \
    switch (kind) {                                                                                          \
    case LOAD:                                                                                               \
        return (uint64_t)atomic_load(w);                                                                     \
    case STORE:                                                                                              \
        atomic_store(w, (type)operand);                                                                      \
        return 0;                                                                                            \
    case EXCHANGE:                                                                                           \
        return (uint64_t)atomic_exchange(w, (type)operand);                                                  \
    case ADD:                                                                                                \
        return (uint64_t)atomic_fetch_add(w, (type)operand);                                                 \
    case OR:                                                                                                 \
        return (uint64_t)atomic_fetch_or(w, (type)operand);                                                  \
    }
    if (size == sizeof(uint64_t)) {
        ACCESS(uint64_t)
    } else {
        ACCESS(uint32_t)
    }
    return 0;
}

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_or_explicit
#define atomic_load_explicit(w, order)         access_word((w), sizeof *(w), LOAD, 0, order)
#define atomic_store_explicit(w, v, order)     ((void)access_word((w), sizeof *(w), STORE, (uint64_t)(v), order))
#define atomic_exchange_explicit(w, v, order)  access_word((w), sizeof *(w), EXCHANGE, (uint64_t)(v), order)
#define atomic_fetch_add_explicit(w, v, order) access_word((w), sizeof *(w), ADD, (uint64_t)(v), order)
#define atomic_fetch_or_explicit(w, v, order)  access_word((w), sizeof *(w), OR, (uint64_t)(v), order)

/* ------------------------------------------------------------- replaced: what touches the operating system
 */

static long model_futex(const _Atomic uint32_t *word, int operation, uint32_t value);
static int model_clock_gettime(struct timespec *ret_now);
static void *model_calloc(size_t count, size_t size);
static void model_free(void *memory);

#define syscall(number, word, operation, value, end, ...) ((void)(end), model_futex(word, operation, value))
#define clock_gettime(clock, ret_now)                     ((void)(clock), model_clock_gettime(ret_now))
#define calloc(count, size)                               model_calloc(count, size)
#define free(memory)                                      model_free(memory)
#define mutex_lock                                        model_mutex_lock
#define mutex_unlock                                      model_mutex_unlock
#define liveness_hold                                     model_liveness_hold
#define liveness_drop                                     model_liveness_drop
#define liveness_held                                     model_liveness_held
#define process_identify                                  model_process_identify
#define process_sign                                      model_process_sign
#define process_unsign                                    model_process_unsign
#define segment_back_lane                                 model_back_lane
#define segment_map_lane                                  model_map_lane
#define segment_unmap_lane                                model_unmap_lane

#define backoff_begin real_backoff_begin
#define backoff_wait  real_backoff_wait
#include "../src/cond.c"
#undef backoff_begin
#undef backoff_wait
static struct backoff backoff_begin(const struct backoff_habit *habit);
static bool backoff_wait(struct backoff *backoff, unsigned turns);

#define watch merge_watch
#include "../src/merge.c"
#undef watch

#include "../src/members.c"

#include "../src/sender.c"

/* What has one name in both. Nothing forks in the model, so that a receiver may have the sender's after_fork.
 */
#define after_fork(member) __attribute__((unused)) receiver_after_fork(member)
#define sleep_until        receiver_sleep_until
#include "../src/receiver.c"
#undef after_fork
#undef sleep_until

#undef calloc
#undef free

#include <inttypes.h>
#include <stdarg.h>

#include "support.h"

/* ---------------------------------------------------------------------------------- the model: a scene */

enum { LANES = 3, WRITERS = 4, TASKS = 6, LANE_CAPACITY_MAX = 8, STACK_BYTES = 256 * 1024 };
enum style { ONE_BY_ONE, BATCH, ONE_AND_BATCH, IN_PLACE };

/* Who plays, and what may befall them. */
struct scene {
    unsigned senders;
    unsigned messages[LANES]; /* of each sender */
    enum style style[LANES];
    uint32_t capacity;
    uint32_t flags;
    unsigned kills;       /* deaths, at any step ... */
    bool kill_senders;    /* ... of any sender */
    bool kill_receiver;   /* ... of the receiver */
    unsigned preemptions; /* at most so many, besides the switches when one cannot go on; 0: no limit */
    unsigned timeouts;    /* sleeps that end by themselves though nobody died */
    unsigned spins;       /* looks again before it sleeps */
    bool close;           /* senders close, and the receiver is told the end; else it takes all and stops */
    unsigned receives;    /* the receiver closes after so many; 0: it takes all */
    bool successor;       /* another receiver takes over from the one that died or left */
    unsigned replacement; /* messages of a sender that takes the place of the one that died */
    bool join;            /* the receiver joins as a step of its own, after the senders */
    bool watching;        /* begins with lanes that the receiver watches: it has received from each */
};

struct payload {
    uint32_t writer; /* which sender task */
    uint32_t number;
};

/* ------------------------------------------------------------------------------ the model: its processes */

enum task_state { RUNNABLE, FINISHED, KILLED };

struct task {
    char name[4];
    unsigned number;
    void (*run)(struct task *self);
    enum task_state state;
    const _Atomic uint32_t *asleep_on;
    bool woken, timed_out;
    bool (*waits_for)(void); /* cannot go on until this holds */
    bool mortal;
    bool goes_on;     /* its next step is one with the last */
    bool raised;      /* the receiver: between event_raise and event_lower */
    unsigned looks;   /* of the receiver, since it began to look */
    uint64_t history; /* of all that it has seen: with the same history it does the same next */
    struct channel channel;
    shmchan_sender *tx;
    shmchan_receiver *rx;
    jmp_buf begin, at; /* where its stack begins; where it stands */
    void *fake_stack;  /* AddressSanitizer's */
    unsigned char *stack;
};

static struct {
    const struct scene *scene;
    struct geometry geometry;
    struct shm_control *control;
    char *slots[LANES];
    uint64_t slots_bytes;
    bool is_step[4096]; /* by word of the control block */
    bool receiver_goes; /* it may not be there */
    struct task tasks[TASKS];
    unsigned task_count;
    struct task *current; /* NULL: outside, nothing is a step */
    struct task *receiver;
    int held_by[1 + LANES]; /* place locks: by byte, whose lock_fd; 0 = nobody */
    int mutex_held_by;
    int64_t clock_ns;
    bool limited;
    unsigned kills_left, timeouts_left, preemptions_left, rescues;
    bool anyone_died;
    unsigned steps;

    /* What must be so: messages as bits, writer * 8 + number. */
    uint32_t returned, received, before[32]; /* before: whose sends had returned when this one began */
    uint64_t taken[LANES];                   /* messages received from each lane */
    int next_in_row;                         /* must be received next, or -1 */
    bool receiver_left;
} model;

static jmp_buf outside;
enum { DONE = 1, HANGS, SEEN_BEFORE, VIOLATED };

/* ---------------------------------------------------------------------- the model: all orders of the steps
 */

static struct {
    uint8_t choice, count;
} path[4096];
static unsigned path_length, path_depth;
static uint64_t *seen;
static uint64_t seen_count, seen_mask, execution_count;
static bool tracing;
static char violation[400];

static void __attribute__((format(printf, 1, 2))) trace(const char *format, ...)
{
    va_list args;
    if (!tracing)
        return;
    fprintf(stderr, "    %-3s ", model.current ? model.current->name : "");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* Stacks of our own confuse AddressSanitizer unless it is told. */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
static const void *outside_stack;
static void *outside_fake_stack;
static size_t outside_stack_bytes;
#endif

static void before_switch(struct task *from, const struct task *to)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(from ? &from->fake_stack : &outside_fake_stack,
                                   to ? to->stack : outside_stack, to ? STACK_BYTES : outside_stack_bytes);
#else
    (void)from;
    (void)to;
#endif
}

static void after_switch(struct task *self)
{
#ifdef WITH_ASAN
    const void *stack;
    size_t bytes;
    static bool known;
    __sanitizer_finish_switch_fiber(self ? self->fake_stack : outside_fake_stack, &stack, &bytes);
    if (!known && self) {
        outside_stack = stack;
        outside_stack_bytes = bytes;
        known = true;
    }
#else
    (void)self;
#endif
}

static _Noreturn void leave(int why)
{
    before_switch(model.current, NULL);
    _longjmp(outside, why);
}

static _Noreturn void __attribute__((format(printf, 1, 2))) violated(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(violation, sizeof violation, format, args);
    va_end(args);
    trace("=> %s", violation);
    leave(VIOLATED);
}

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* All that decides what can happen from here on. Counts that are for people are left out. */
static uint64_t state_hash(void)
{
    const struct shm_control *c = model.control;
    uint64_t h = mixed(model.kills_left, model.timeouts_left);
    h = mixed(h, c->ticket);
    h = mixed(mixed(h, c->ready_words), c->ready[0]);
    h = mixed(h, (uint64_t)c->receiver_closed << 32 | c->not_empty.waiting);
    h = mixed(mixed(h, c->receivers_joined), c->senders_joined);
    h = mixed(h, c->not_empty.posts);
    for (unsigned i = 0; i < LANES; i++) {
        const struct shm_place *p = &c->places[i];
        h = mixed(mixed(h, p->tail), p->head);
        h = mixed(h, (uint64_t)p->idle << 32 | p->room.waiting);
        h = mixed(h, (uint64_t)p->room.posts << 32 | p->owner.occupied);
        for (uint64_t b = 0; b < model.slots_bytes; b += sizeof(uint64_t)) {
            uint64_t word;
            memcpy(&word, model.slots[i] + b, sizeof word);
            h = mixed(h, word);
        }
        h = mixed(h, model.taken[i] << 32 | (unsigned)model.held_by[1 + i]);
    }
    h = mixed(h, (uint64_t)model.held_by[0] << 32 | (unsigned)model.mutex_held_by);
    h = mixed(h, (uint64_t)model.clock_ns);
    for (unsigned i = 0; i < model.task_count; i++) {
        const struct task *t = &model.tasks[i];
        h = mixed(mixed(h, t->history), (uint64_t)t->state << 3 | (uint64_t)t->timed_out << 2 |
                                            (uint64_t)t->woken << 1 | !t->asleep_on);
    }
    if (model.limited)
        h = mixed(h, (uint64_t)model.preemptions_left << 32 | (uint64_t)(model.current - model.tasks));
    for (unsigned i = 0; i < COUNT_OF(model.before); i++)
        h = mixed(h, model.received >> i & 1 ? 0 : model.before[i]);
    h = mixed(h, (uint64_t)model.returned << 32 | model.received);
    return mixed(h, (uint64_t)(unsigned)model.next_in_row << 8 | model.rescues);
}

/* True: not seen before. */
static bool remember(uint64_t hash)
{
    hash += hash == 0;
    uint64_t i = hash & seen_mask;
    while (seen[i]) {
        if (seen[i] == hash)
            return false;
        i = (i + 1) & seen_mask;
    }
    seen[i] = hash;
    if (++seen_count > seen_mask / 4 * 3) {
        uint64_t *old = seen, old_mask = seen_mask;
        seen_mask = seen_mask * 2 + 1;
        seen = calloc(seen_mask + 1, sizeof *seen);
        expect(seen != NULL);
        for (uint64_t j = 0; j <= old_mask; j++)
            if (old[j]) {
                i = old[j] & seen_mask;
                while (seen[i])
                    i = (i + 1) & seen_mask;
                seen[i] = old[j];
            }
        free(old);
    }
    return true;
}

/* Which of `count` ways to go on. */
static unsigned choose(unsigned count)
{
    if (count == 1)
        return 0;
    if (path_depth == path_length) {
        if (!remember(state_hash()))
            leave(SEEN_BEFORE);
        if (path_length == COUNT_OF(path))
            violated("goes on for ever");
        path[path_length].choice = 0;
        path[path_length++].count = (uint8_t)count;
    }
    return path[path_depth++].choice;
}

static bool can_run(const struct task *t)
{
    if (t->state != RUNNABLE)
        return false;
    if (t->asleep_on)
        return t->timed_out || t->woken;
    return !t->waits_for || t->waits_for();
}

static unsigned id_of(unsigned writer, unsigned number)
{
    return writer * 8 + number;
}

/* A message was received: may it have been? */
static void take_note(const struct payload *message, unsigned lane, uint64_t position)
{
    unsigned id = id_of(message->writer, message->number);
    trace("has received %u.%u", message->writer, message->number);
    if (message->writer >= WRITERS || message->number >= 8)
        violated("what was received was sent by nobody");
    if (model.received >> id & 1)
        violated("received %u.%u twice", message->writer, message->number);
    if (model.next_in_row >= 0 && (unsigned)model.next_in_row != id)
        violated("%u.%u between the messages of a batch", message->writer, message->number);
    if (position != model.taken[lane]++)
        violated("position %" PRIu64 ", and %" PRIu64 " is due", position, model.taken[lane] - 1);
    bool ordered = !(model.scene->flags & SHMCHAN_UNORDERED);
    uint32_t own = 0xffu << message->writer * 8;
    uint32_t before = model.before[id] & (ordered ? UINT32_MAX : own);
    model.received |= 1u << id;
    if (before & ~model.received)
        violated("received %u.%u before one whose send had returned when its own began (%#x)",
                 message->writer, message->number, before & ~model.received);
    model.next_in_row = -1;
    if (message->writer < LANES && message->number + 1 < model.scene->messages[message->writer]) {
        enum style style = model.scene->style[message->writer];
        if (style == BATCH || (style == ONE_AND_BATCH && message->number > 0))
            model.next_in_row = (int)id + 1;
    }
}

static void kill_task(struct task *t)
{
    t->state = KILLED;
    model.anyone_died = true;
    model.kills_left--;
    for (unsigned i = 0; i < COUNT_OF(model.held_by); i++)
        if (model.held_by[i] == t->channel.lock_fd)
            model.held_by[i] = 0;
    if (model.mutex_held_by == t->channel.lock_fd)
        model.mutex_held_by = 0;
    trace("(%s is killed)", t->name);
    if (t != model.receiver)
        return;
    /* It may have taken one more than it told. */
    for (unsigned i = 0; i < model.scene->senders; i++)
        while (model.taken[i] < model.control->places[i].head) {
            unsigned number = (unsigned)model.taken[i] - model.scene->watching;
            take_note(&(struct payload){.writer = i, .number = number}, i, model.taken[i]);
        }
    model.next_in_row = -1;
}

/* Who takes the next step; it is one that can. */
static struct task *schedule(void)
{
    struct task *ways[3 * TASKS];
    for (;;) {
        unsigned runs = 0, kills = 0, timeouts = 0, alive = 0;
        /* First the one that is running: fewest switches. */
        bool goes_on = model.current && can_run(model.current);
        if (goes_on)
            ways[runs++] = model.current;
        if (!goes_on || !model.limited || model.preemptions_left)
            for (unsigned i = 0; i < model.task_count; i++)
                if (&model.tasks[i] != model.current && can_run(&model.tasks[i]))
                    ways[runs++] = &model.tasks[i];
        for (unsigned i = 0; i < model.task_count; i++) {
            struct task *t = &model.tasks[i];
            alive += t->state == RUNNABLE && !(t->waits_for && !t->waits_for());
            if (model.kills_left && t->mortal && t->state == RUNNABLE)
                ways[runs + kills++] = t;
        }
        if (alive == 0)
            leave(DONE);
        for (unsigned i = 0; i < model.task_count; i++) {
            struct task *t = &model.tasks[i];
            if (t->state == RUNNABLE && t->asleep_on && !can_run(t) && (runs == 0 || model.timeouts_left))
                ways[runs + kills + timeouts++] = t;
        }
        if (runs == 0) {
            if (!model.anyone_died && !model.timeouts_left)
                violated("all sleep, though nobody died: a wake-up was lost");
            if (++model.rescues > 20)
                leave(HANGS);
        }
        unsigned way = choose(runs + kills + timeouts);
        if (way < runs) {
            model.preemptions_left -= model.limited && goes_on && way > 0;
            return ways[way];
        }
        if (way >= runs + kills) {
            ways[way]->timed_out = true;
            model.timeouts_left -= runs != 0;
            return ways[way];
        }
        kill_task(ways[way]);
    }
}

static void switch_to(struct task *next)
{
    struct task *self = model.current;
    if (next == self)
        return;
    if (self && _setjmp(self->at)) {
        after_switch(self);
        return;
    }
    before_switch(self, next);
    model.current = next;
    _longjmp(next->at, 1);
}

/* Before each step: who takes it? */
static void step(void)
{
    if (!model.current)
        return;
    if (model.current->goes_on) {
        model.current->goes_on = false;
        return;
    }
    if (++model.steps > 20000)
        violated("goes on for ever");
    switch_to(schedule());
}

static void saw(uint64_t value)
{
    if (model.current)
        model.current->history = mixed(model.current->history, value);
}

static void wait_until(bool (*condition)(void))
{
    model.current->waits_for = condition;
    step();
    model.current->waits_for = NULL;
}

/* ------------------------------------------------------------- the model: shared words, as steps */

static const char *word_name(const volatile void *word)
{
    static char text[40];
    size_t at = (size_t)((const volatile char *)word - (const volatile char *)model.control);
    static const struct {
        const char *name;
        size_t at;
    } of_place[] =
        {
            {"tail", offsetof(struct shm_place, tail)},
            {"head", offsetof(struct shm_place, head)},
            {"idle", offsetof(struct shm_place, idle)},
            {"room.waiting", offsetof(struct shm_place, room.waiting)},
            {"room.posts", offsetof(struct shm_place, room.posts)},
            {"occupied", offsetof(struct shm_place, owner.occupied)},
        },
      of_control[] = {
          {"ticket", offsetof(struct shm_control, ticket)},
          {"ready_words", offsetof(struct shm_control, ready_words)},
          {"ready", offsetof(struct shm_control, ready)},
          {"receiver_closed", offsetof(struct shm_control, receiver_closed)},
          {"receivers_joined", offsetof(struct shm_control, receivers_joined)},
          {"senders_joined", offsetof(struct shm_control, senders_joined)},
          {"not_empty.waiting", offsetof(struct shm_control, not_empty.waiting)},
          {"not_empty.posts", offsetof(struct shm_control, not_empty.posts)},
      };
    for (unsigned i = 0; i < COUNT_OF(of_control); i++)
        if (of_control[i].at == at)
            return of_control[i].name;
    for (unsigned lane = 0; lane < LANES; lane++)
        for (unsigned i = 0; i < COUNT_OF(of_place); i++)
            if (offsetof(struct shm_control, places) + lane * sizeof(struct shm_place) + of_place[i].at ==
                at) {
                snprintf(text, sizeof text, "%s of lane %u", of_place[i].name, lane);
                return text;
            }
    return NULL;
}

/* The words whose order matters; the others are for people, or nobody else's yet (a slot before it is
   published), or never change in this scene. */
static void mark_steps(const struct scene *scene)
{
    bool receiver_goes = scene->receives || scene->kill_receiver || scene->join;
    model.receiver_goes = receiver_goes;
    bool head_matters = receiver_goes || scene->replacement;
    for (unsigned i = 0; i < scene->senders; i++)
        head_matters |= scene->messages[i] + scene->watching > scene->capacity;
    memset(model.is_step, 0, sizeof model.is_step);
    for (size_t i = 0; i < COUNT_OF(model.is_step); i++) {
        size_t at = i * sizeof(uint32_t);
        if (at >= offsetof(struct shm_control, places) + LANES * sizeof(struct shm_place) ||
            !word_name((char *)model.control + at))
            continue;
        model.is_step[i] = true;
        size_t in_place = (at - offsetof(struct shm_control, places)) % sizeof(struct shm_place);
        if (at == offsetof(struct shm_control, receiver_closed) ||
            at == offsetof(struct shm_control, receivers_joined))
            model.is_step[i] = receiver_goes;
        else if (at == offsetof(struct shm_control, senders_joined))
            model.is_step[i] = false;
        else if (at > offsetof(struct shm_control, places) &&
                 (in_place == offsetof(struct shm_place, head) ||
                  in_place == offsetof(struct shm_place, room.waiting)))
            model.is_step[i] = head_matters;
        else if (at > offsetof(struct shm_control, places) &&
                 in_place == offsetof(struct shm_place, owner.occupied))
            model.is_step[i] = scene->replacement;
    }
}

static bool is_step(const volatile void *word, enum access kind, memory_order order)
{
    uintptr_t at = (uintptr_t)word - (uintptr_t)model.control;
    if (at / sizeof(uint32_t) >= COUNT_OF(model.is_step) || !model.is_step[at / sizeof(uint32_t)])
        return false;
    /* A relaxed load is a hint: whether the receiver is there. */
    return kind != LOAD || order != memory_order_relaxed || model.receiver_goes;
}

/*
 * The history begins anew where all that a process knows is this, and where it stands: that makes states the
 * same that only got there by different ways.
 */
static uint64_t sender_knows(const shmchan_sender *tx)
{
    uint64_t h = mixed(tx->reserved, tx->lane.tail);
    h = mixed(mixed(h, tx->lane.head_seen), tx->until_look);
    return mixed(mixed(h, (uint64_t)tx->last_look_ns), tx->member.place);
}

static uint64_t receiver_knows(const shmchan_receiver *rx)
{
    const struct merge *m = &rx->merge;
    uint64_t h = mixed(m->watched_count, m->pending_count);
    h = mixed(mixed(h, m->cursor), m->burst);
    for (uint32_t i = 0; i < m->watched_count; i++)
        h = mixed(h, m->watched[i]);
    for (uint32_t i = 0; i < m->pending_count; i++)
        h = mixed(h, m->pending[i]);
    for (uint32_t i = 0; i < m->lane_count; i++) {
        const struct lane_reader *l = &m->lanes[i];
        h = mixed(mixed(mixed(h, l->head), l->earlier), l->later);
        h = mixed(mixed(h, l->ticket), (uint64_t)l->watched << 1 | (l->slots != NULL));
    }
    return h;
}

static void forget_history(uint64_t stands_at)
{
    struct task *self = model.current;
    uint64_t h = mixed(stands_at, self->number);
    if (self->tx)
        h = mixed(h, sender_knows(self->tx));
    if (self->rx)
        h = mixed(h, receiver_knows(self->rx));
    self->history = h;
}

/* In a look the receiver knows no more than that, either. */
static void forget_in_look(const volatile void *word, enum access kind, memory_order order)
{
    struct task *self = model.current;
    const struct shm_control *c = model.control;
    if (self->rx == NULL)
        return;
    if (word == &c->not_empty.waiting && kind == STORE)
        self->raised = !self->raised;
    if (kind != LOAD || self->raised)
        return;
    if (word == &c->ready_words)
        forget_history(10000 + self->looks++);
    for (unsigned i = 0; i < LANES; i++)
        if (word == &c->places[i].tail && order == memory_order_acquire)
            forget_history(20000 + 1000 * i + self->looks);
}

static uint64_t access_word(const volatile void *word, size_t size, enum access kind, uint64_t operand,
                            memory_order order)
{
    static const char *const names[] = {"load", "store", "exchange", "add", "or"};
    if (!model.current)
        return access_real(word, size, kind, operand);
    bool shared = is_step(word, kind, order);
    if (shared)
        step();
    forget_in_look(word, kind, order);
    uint64_t value = access_real(word, size, kind, operand);
    /* Of those, nobody looks at what was there before. */
    bool unseen = kind == OR || (kind == ADD && !shared);
    saw(unseen ? 0 : value + (uint64_t)kind);
    if (shared && tracing)
        trace("%s %s%s%" PRIu64 "%s%" PRIu64, names[kind], word_name(word), kind == STORE ? " := " : " = ",
              kind == STORE ? operand : value, kind > STORE ? ", with " : " ", kind > STORE ? operand : 0);
    return value;
}

/* --------------------------------------------------- the model: futexes, locks, clock, memory, as steps
 */

static long model_futex(const _Atomic uint32_t *word, int operation, uint32_t value)
{
    struct task *self = model.current;
    step();
    saw(operation == FUTEX_WAKE || *word == value);
    if (operation == FUTEX_WAKE) {
        for (unsigned i = 0; i < model.task_count; i++)
            model.tasks[i].woken |= model.tasks[i].asleep_on == word;
        trace("wakes %s", tracing ? word_name(word) : "");
        return 0;
    }
    if (*word != value)
        return -1;
    if (self->rx && self->rx->merge.watched_count)
        violated("the receiver sleeps and watches a lane: who sends there will not wake it");
    forget_history(5000);
    self->asleep_on = word;
    self->woken = self->timed_out = false;
    trace("sleeps on %s", tracing ? word_name(word) : "");
    step();
    self->asleep_on = NULL;
    if (self->timed_out)
        model.clock_ns += EVENT_SLICE_NS;
    trace(self->timed_out ? "times out" : "is woken");
    return 0;
}

static int model_clock_gettime(struct timespec *ret_now)
{
    saw((uint64_t)model.clock_ns);
    *ret_now =
        (struct timespec){.tv_sec = model.clock_ns / 1000000000, .tv_nsec = model.clock_ns % 1000000000};
    return 0;
}

static struct backoff backoff_begin(const struct backoff_habit *habit)
{
    (void)habit;
    return (struct backoff){0};
}

static bool backoff_wait(struct backoff *backoff, unsigned turns)
{
    (void)turns;
    forget_history(6000 + backoff->spins);
    model.current->looks = 100 * (backoff->spins + 1);
    return backoff->spins++ < model.scene->spins;
}

static unsigned char memory[1 << 20];
static size_t memory_used;

static void *model_calloc(size_t count, size_t size)
{
    if (!model.scene)
        return calloc(count, size);
    void *p = memory + memory_used;
    memory_used += (count * size + 63) / 64 * 64;
    expect(memory_used <= sizeof memory);
    return memset(p, 0, count * size);
}

static void model_free(void *p)
{
    if (!model.scene)
        free(p);
}

int model_liveness_hold(int lock_fd, int64_t byte)
{
    step();
    int *owner = &model.held_by[byte];
    saw((uint64_t)*owner);
    if (*owner && *owner != lock_fd)
        return -EAGAIN;
    *owner = lock_fd;
    trace("holds byte %d", (int)byte);
    return 0;
}

void model_liveness_drop(int lock_fd, int64_t byte)
{
    step();
    saw(1);
    if (model.held_by[byte] == lock_fd)
        model.held_by[byte] = 0;
    trace("drops byte %d", (int)byte);
}

int model_liveness_held(int fd, int64_t byte, int64_t count)
{
    (void)fd;
    step();
    int held = 0;
    for (size_t i = (size_t)byte; i < COUNT_OF(model.held_by) && (count == 0 || i < (size_t)(byte + count));
         i++)
        held |= model.held_by[i] != 0;
    saw((uint64_t)held);
    trace("asks for bytes %d...: %s", (int)byte, held ? "held" : "free");
    return held;
}

static bool mutex_is_free(void)
{
    return model.mutex_held_by == 0;
}

int model_mutex_lock(struct shm_control *control)
{
    (void)control;
    if (!model.current)
        return 0;
    wait_until(mutex_is_free);
    saw(1);
    model.mutex_held_by = model.current->channel.lock_fd;
    return 0;
}

void model_mutex_unlock(struct shm_control *control)
{
    (void)control;
    step();
    saw(1);
    model.mutex_held_by = 0;
}

/* For people, and no step. */
struct process_identity model_process_identify(void)
{
    return (struct process_identity){.pid = 1};
}

void model_process_sign(struct shm_owner *owner, const struct process_identity *me)
{
    (void)owner;
    (void)me;
}

void model_process_unsign(struct shm_owner *owner, uint64_t joined_ns)
{
    (void)owner;
    (void)joined_ns;
}

int model_back_lane(const struct segment *segment, uint32_t place)
{
    (void)segment;
    (void)place;
    return 0;
}

void *model_map_lane(const struct segment *segment, uint32_t place, bool writable, int *ret_error)
{
    (void)segment;
    (void)writable;
    (void)ret_error;
    return model.slots[place];
}

void model_unmap_lane(const struct segment *segment, const void *slots)
{
    (void)segment;
    (void)slots;
}

/* ------------------------------------------------------------------------- the model: what its processes do
 */

static void begins(unsigned writer, unsigned number, unsigned count)
{
    /* As late as can be: what has returned until its first step is before it. */
    step();
    saw(1);
    model.current->goes_on = true;
    for (unsigned i = 0; i < count; i++)
        model.before[id_of(writer, number + i)] = model.returned;
    trace("begins to send %u.%u", writer, number);
}

static void returns(unsigned writer, unsigned number, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        model.returned |= 1u << id_of(writer, number + i);
    trace("has sent %u.%u", writer, number);
}

static int send_in_place(shmchan_sender *tx, const struct payload *message)
{
    void *slot;
    int r = shmchan_reserve(tx, &slot, SHMCHAN_FOREVER);
    if (r < 0)
        return r;
    memcpy(slot, message, sizeof *message);
    return shmchan_commit(tx, sizeof *message);
}

/* False: the receiver is gone. */
static bool send_all(shmchan_sender *tx, unsigned writer, unsigned count, enum style style)
{
    for (unsigned i = 0, n; i < count; i += n) {
        struct payload messages[8];
        n = style == BATCH ? count : style == ONE_AND_BATCH && i > 0 ? count - 1 : 1;
        for (unsigned j = 0; j < n; j++)
            messages[j] = (struct payload){.writer = writer, .number = i + j};
        forget_history(i);
        begins(writer, i, n);
        ssize_t r = style == IN_PLACE ? send_in_place(tx, messages)
                    : n > 1           ? shmchan_send_many(tx, messages, n, SHMCHAN_FOREVER)
                                      : shmchan_send(tx, messages);
        if (r == -EPIPE) {
            if (!model.receiver_left && !(model.receiver && model.receiver->state == KILLED))
                violated("a send says that the receiver is gone, and it is there");
            trace("finds the receiver gone");
            return false;
        }
        if (r < 0 || (n > 1 && r != (ssize_t)n))
            violated("a send of writer %u returned %zd", writer, r);
        returns(writer, i, n);
    }
    return true;
}

static void sender_task(struct task *self)
{
    const struct scene *scene = model.scene;
    bool received =
        send_all(self->tx, self->number, scene->messages[self->number], scene->style[self->number]);
    if (scene->close || !received) {
        forget_history(1000);
        shmchan_sender_close(self->tx);
    }
}

static bool sender_0_died(void)
{
    return model.tasks[0].state == KILLED;
}

static bool lane_0_is_drained(void)
{
    return model.control->places[0].tail == model.control->places[0].head;
}

/* Takes the place of a sender that died. */
static void replacement_task(struct task *self)
{
    wait_until(sender_0_died);
    int r;
    while ((r = sender_make(&self->channel, &self->tx)) == -EUSERS) {
        forget_history(2000);
        wait_until(lane_0_is_drained);
    }
    if (r < 0)
        violated("a sender joins and gets %d", r);
    trace("has joined at place %u", self->tx->member.place);
    send_all(self->tx, WRITERS - 1, model.scene->replacement, ONE_BY_ONE);
    shmchan_sender_close(self->tx);
}

/* Nothing more is to be expected, or a sender is there again. */
static bool end_is_settled(void)
{
    const struct task *t = &model.tasks[model.task_count - 1];
    return model.held_by[1] || t->state == FINISHED || model.tasks[0].state == FINISHED;
}

static void check_all_taken(const char *when)
{
    for (unsigned i = 0; i < model.scene->senders; i++)
        if (model.control->places[i].tail != model.taken[i])
            violated("%s, with %" PRIu64 " messages left in lane %u", when,
                     model.control->places[i].tail - model.taken[i], i);
}

/* Only the receiver wakes a sender that waits for room, and it has just done with a message. */
static void check_nobody_oversleeps(void)
{
    uint64_t capacity = model.geometry.capacity, half = capacity > 1 ? capacity / 2 : 1;
    if (model.anyone_died)
        return;
    for (unsigned i = 0; i < model.scene->senders; i++) {
        const struct shm_place *p = &model.control->places[i];
        const struct task *sender = &model.tasks[i];
        bool for_one = model.scene->style[i] == ONE_BY_ONE || model.scene->style[i] == IN_PLACE;
        if (for_one && sender->asleep_on == &p->room.posts && !sender->woken &&
            capacity - (p->tail - p->head) >= half)
            violated("half of lane %u is free, and nobody has woken its sender", i);
    }
}

static void on_end(void)
{
    trace("is told the end");
    if (model.scene->replacement)
        return;
    for (unsigned i = 1; i < COUNT_OF(model.held_by); i++)
        if (model.held_by[i])
            violated("the end, with a sender in place %u", i - 1);
    check_all_taken("the end");
}

static unsigned messages_due(void)
{
    unsigned due = 0;
    for (unsigned i = 0; i < model.scene->senders; i++)
        due += model.scene->messages[i];
    return due;
}

static void receive_all(struct task *self, unsigned limit)
{
    for (unsigned n = 0; limit == 0 || n < limit;) {
        struct payload message;
        struct shmchan_info info;
        forget_history(4000);
        self->looks = 0;
        int r = shmchan_recv_info(self->rx, &message, &info, SHMCHAN_FOREVER);
        if (r < 0)
            violated("recv returned %d", r);
        if (r == 0) {
            on_end();
            if (!model.scene->replacement)
                return;
            wait_until(end_is_settled);
            if (!model.held_by[1] && model.control->places[0].tail == model.taken[0])
                return;
            continue;
        }
        take_note(&message, info.sender_id, info.position);
        check_nobody_oversleeps();
        n++;
    }
}

static void receiver_task(struct task *self)
{
    const struct scene *scene = model.scene;
    if (scene->join) {
        int r = receiver_make(&self->channel, &self->rx);
        if (r < 0)
            violated("a receiver joins and gets %d", r);
    }
    receive_all(self, scene->receives ? scene->receives : scene->close ? 0 : messages_due());
    if (!scene->receives)
        return;
    model.receiver_left = true;
    forget_history(3000);
    shmchan_receiver_close(self->rx);
}

static bool receiver_is_gone(void)
{
    return model.receiver->state == KILLED || (model.receiver->state == FINISHED && model.receiver_left);
}

static void successor_task(struct task *self)
{
    wait_until(receiver_is_gone);
    int r = receiver_make(&self->channel, &self->rx);
    if (r < 0)
        violated("a successor gets %d", r);
    unsigned left = messages_due();
    for (unsigned i = 0; i < model.scene->senders; i++)
        left -= (unsigned)model.taken[i] - model.scene->watching;
    if (model.scene->close || left)
        receive_all(self, model.scene->close ? 0 : left);
}

/* ---------------------------------------------------------------------------- the model: from the beginning
 */

static struct task *task_add(char letter, void (*run)(struct task *), bool mortal)
{
    unsigned number = model.task_count++;
    struct task *t = &model.tasks[number];
    t->number = number;
    t->run = run;
    t->state = RUNNABLE;
    t->asleep_on = NULL;
    t->woken = t->timed_out = false;
    t->waits_for = NULL;
    t->mortal = mortal;
    t->goes_on = t->raised = false;
    t->looks = 0;
    t->history = number;
    t->tx = NULL;
    t->rx = NULL;
    snprintf(t->name, sizeof t->name, "%c%u", letter, number % 10);
    t->channel = (struct channel){
        .segment = {.fd = (int)number, .geometry = model.geometry, .control = model.control},
        .lock_fd = (int)number + 1,
        .bridge_fd = -1,
        .users = 1,
    };
    memcpy(t->at, t->begin, sizeof t->at);
#ifdef WITH_ASAN
    t->fake_stack = NULL;
    __asan_unpoison_memory_region(t->stack, STACK_BYTES);
#endif
    return t;
}

/* Each stack is entered once, and stays where it can be begun from anew. */
static struct task *entering;
static void stack_bottom(void)
{
    struct task *volatile self = entering;
    if (_setjmp(self->begin) == 0) {
        after_switch(self);
        before_switch(self, NULL);
        _longjmp(outside, 1);
    }
    after_switch(self);
    self->run(self);
    self->state = FINISHED;
    trace("is done");
    switch_to(schedule());
}

static void make_stack(struct task *t)
{
    static ucontext_t context;
    t->stack = aligned_alloc(4096, STACK_BYTES);
    expect(t->stack != NULL);
    expect_ok(getcontext(&context));
    context.uc_stack.ss_sp = t->stack;
    context.uc_stack.ss_size = STACK_BYTES;
    context.uc_link = NULL;
    makecontext(&context, stack_bottom, 0);
    entering = t;
    if (_setjmp(outside) == 0) {
        before_switch(NULL, t);
        setcontext(&context);
    }
    after_switch(NULL);
}

static void make_stacks(void)
{
    for (unsigned i = 0; i < TASKS; i++)
        make_stack(&model.tasks[i]);
}

static void make_region(const struct scene *scene)
{
    struct shmchan_options opts = {
        .message_size = sizeof(struct payload),
        .capacity = scene->capacity,
        .max_senders = LANES < scene->senders ? LANES : scene->senders,
        .flags = scene->flags,
    };
    expect_ok(geometry_make(&opts, &model.geometry));
    expect(scene->capacity <= LANE_CAPACITY_MAX && scene->senders <= LANES);
    model.slots_bytes = (uint64_t)model.geometry.capacity * model.geometry.slot_bytes;
    size_t bytes = sizeof(struct shm_control) + LANES * sizeof(struct shm_place);
    model.control = aligned_alloc(SHM_LINE, bytes);
    expect(model.control != NULL);
    for (unsigned i = 0; i < LANES; i++) {
        model.slots[i] = aligned_alloc(64, LANE_CAPACITY_MAX * 64);
        expect(model.slots[i] != NULL);
    }
    mark_steps(scene);
}

static void receive_one_of_each(struct task *receiver)
{
    for (unsigned i = 0; i < model.scene->senders; i++) {
        struct payload message = {0};
        expect_ok(shmchan_send(model.tasks[i].tx, &message));
        expect_is(shmchan_try_recv(receiver->rx, &message), 1);
        model.taken[i]++;
    }
}

static void set_scene(const struct scene *scene)
{
    memset(model.control, 0, sizeof *model.control + LANES * sizeof(struct shm_place));
    memset(model.held_by, 0, sizeof model.held_by);
    memset(model.before, 0, sizeof model.before);
    memset(model.taken, 0, sizeof model.taken);
    model.mutex_held_by = 0;
    model.clock_ns = 1000000000;
    model.kills_left = scene->kills;
    model.timeouts_left = scene->timeouts;
    model.preemptions_left =
        model.limited ? scene->preemptions - (scaled(100) < 100 && scene->preemptions > 1) : 0;
    model.rescues = model.steps = 0;
    model.anyone_died = model.receiver_left = false;
    model.returned = model.received = 0;
    model.next_in_row = -1;
    model.current = NULL;
    model.task_count = 0;
    memory_used = 0;
    for (unsigned i = 0; i < LANES; i++) {
        model.control->places[i].idle = 1;
        memset(model.slots[i], 0xee, model.slots_bytes);
    }
    for (unsigned i = 0; i < scene->senders; i++)
        task_add('S', sender_task, scene->kill_senders && (i == 0 || !scene->replacement));
    model.receiver = task_add('R', receiver_task, scene->kill_receiver);
    if (!scene->join)
        expect_ok(receiver_make(&model.receiver->channel, &model.receiver->rx));
    for (unsigned i = 0; i < scene->senders; i++)
        expect_ok(sender_make(&model.tasks[i].channel, &model.tasks[i].tx));
    if (scene->watching)
        receive_one_of_each(model.receiver);
    if (scene->successor)
        task_add('N', successor_task, false);
    if (scene->replacement)
        task_add('P', replacement_task, false);
}

static int execute(const struct scene *scene)
{
    set_scene(scene);
    path_depth = 0;
    execution_count++;
    int why = _setjmp(outside);
    if (why == 0)
        switch_to(schedule());
    after_switch(NULL);
    model.current = NULL;
    return why;
}

/* When nobody can go on any more, or nothing but sleep after sleep is left. */
static const char *final_fault(int why)
{
    const struct scene *scene = model.scene;
    /* Who takes a number of messages waits for those of the dead for ever, and has no more to do. */
    if (why == HANGS && scene->close)
        return "it hangs";
    for (unsigned i = 0; i < model.task_count; i++)
        if (why == DONE && model.tasks[i].state == RUNNABLE && model.tasks[i].run != replacement_task &&
            model.tasks[i].run != successor_task)
            return "someone waits for ever";
    bool someone_received = model.receiver->state != KILLED && !scene->receives;
    for (unsigned i = 0; i < model.task_count; i++)
        someone_received |= model.tasks[i].run == successor_task && model.tasks[i].state == FINISHED;
    if (!someone_received)
        return NULL;
    for (unsigned i = 0; i < scene->senders; i++)
        if (model.control->places[i].tail != model.taken[i])
            return "messages are left";
    if ((model.returned & ~model.received) && !scene->kill_receiver && !scene->receives)
        return "a message whose send returned was not received";
    return NULL;
}

/* The next path, in the order of a depth-first walk. */
static bool next_path(void)
{
    while (path_length && path[path_length - 1].choice + 1 == path[path_length - 1].count)
        path_length--;
    if (path_length == 0)
        return false;
    path[path_length - 1].choice++;
    return true;
}

static void explore(const struct scene *scene)
{
    make_region(scene);
    make_stacks();
    model.scene = scene;
    model.limited = scene->preemptions && scaled(100) < 1000;
    seen_mask = (1u << 16) - 1;
    seen_count = execution_count = 0;
    seen = calloc(seen_mask + 1, sizeof *seen);
    expect(seen != NULL);
    path_length = 0;
    do {
        int why = execute(scene);
        const char *fault = why <= HANGS ? final_fault(why) : why == VIOLATED ? violation : NULL;
        if (fault) {
            fprintf(stderr, "  the steps that lead there:\n");
            tracing = true;
            path_length = path_depth;
            execute(scene);
            fail("%s (after %" PRIu64 " states)", fault, seen_count);
        }
        watch_progress(execution_count);
    } while (next_path());
    note("%" PRIu64 " states, %" PRIu64 " runs", seen_count, execution_count);
    model.scene = NULL;
}

/* Scenes with a limit have too many states to go through them all each time (SHMCHAN_TEST_SCALE=1000 does,
   which takes long). Each bug that was planted for it shows within these limits. */
#define SCENE(name, ...)                                                                                     \
    static void name(void)                                                                                   \
    {                                                                                                        \
        explore(&(struct scene){__VA_ARGS__});                                                               \
    }
#define MORTAL_SENDERS  .kill_senders = true
#define MORTAL_RECEIVER .kill_receiver = true, .flags = SHMCHAN_WAIT_FOR_RECEIVER

/* Order, and nobody oversleeps. */
SCENE(one_each, .senders = 2, .messages = {1, 1}, .capacity = 4)
SCENE(one_each_watched, .senders = 2, .messages = {1, 1}, .capacity = 4, .watching = true, .preemptions = 3)
SCENE(two_and_one, .senders = 2, .messages = {2, 1}, .capacity = 4, .preemptions = 3)
SCENE(two_each, .senders = 2, .messages = {2, 2}, .capacity = 4, .preemptions = 3)
SCENE(three_senders, .senders = 3, .messages = {1, 1, 1}, .capacity = 4, .preemptions = 2)
SCENE(three_watched, .senders = 3, .messages = {1, 1, 1}, .capacity = 4, .watching = true, .preemptions = 2)
SCENE(unordered, .senders = 2, .messages = {2, 1}, .capacity = 4, .flags = SHMCHAN_UNORDERED,
      .preemptions = 3)
SCENE(batches, .senders = 2, .messages = {2, 2}, .style = {BATCH, BATCH}, .capacity = 2)
SCENE(in_place, .senders = 2, .messages = {1, 1}, .style = {IN_PLACE, IN_PLACE}, .capacity = 2)
SCENE(spinning, .senders = 2, .messages = {1, 1}, .capacity = 1, .spins = 1)

/* Room. */
SCENE(one_slot, .senders = 1, .messages = {3}, .capacity = 1, .preemptions = 4)
SCENE(two_slots, .senders = 1, .messages = {4}, .capacity = 2, .preemptions = 4)
SCENE(four_slots, .senders = 1, .messages = {4}, .capacity = 4, .watching = true, .preemptions = 4)
SCENE(one_slot_each, .senders = 2, .messages = {2, 2}, .capacity = 1, .preemptions = 2)
SCENE(batch_after_one, .senders = 1, .messages = {4}, .style = {BATCH}, .capacity = 4, .watching = true)
SCENE(batch_needs_all, .senders = 1, .messages = {5}, .style = {ONE_AND_BATCH}, .capacity = 4)
SCENE(batch_in_steps, .senders = 1, .messages = {4}, .style = {BATCH}, .capacity = 2, .preemptions = 4)

/* The end. */
SCENE(the_end, .senders = 2, .messages = {1, 1}, .capacity = 2, .close = true, .preemptions = 2)
SCENE(end_of_three, .senders = 3, .messages = {1, 1, 0}, .capacity = 2, .close = true, .preemptions = 2)
SCENE(receiver_joins, .senders = 2, .messages = {1, 1}, .capacity = 1, .close = true, .join = true,
      .preemptions = 2)
SCENE(receiver_leaves, .senders = 1, .messages = {3}, .capacity = 1, .close = true, .receives = 1)
SCENE(receiver_leaves_two, .senders = 2, .messages = {2, 1}, .capacity = 1, .close = true, .receives = 1,
      .preemptions = 2)
SCENE(timeouts, .senders = 2, .messages = {1, 1}, .capacity = 1, .close = true, .timeouts = 1,
      .preemptions = 1)

/* Deaths, at every step. */
SCENE(sender_dies, .senders = 2, .messages = {1, 1}, .capacity = 2, .close = true, .kills = 1, MORTAL_SENDERS,
      .preemptions = 2)
SCENE(dies_beside_another, .senders = 2, .messages = {1, 1}, .capacity = 2, .kills = 1, MORTAL_SENDERS,
      .preemptions = 2)
SCENE(both_senders_die, .senders = 2, .messages = {1, 1}, .capacity = 2, .close = true, .kills = 2,
      MORTAL_SENDERS, .preemptions = 1)
SCENE(blocked_sender_dies, .senders = 1, .messages = {3}, .capacity = 1, .close = true, .kills = 1,
      MORTAL_SENDERS, .preemptions = 3)
SCENE(batch_dies, .senders = 2, .messages = {2, 1}, .style = {BATCH}, .capacity = 2, .close = true,
      .kills = 1, MORTAL_SENDERS, .preemptions = 1)
SCENE(replaced, .senders = 1, .messages = {2}, .capacity = 1, .close = true, .kills = 1, MORTAL_SENDERS,
      .replacement = 1, .preemptions = 2)
SCENE(receiver_dies, .senders = 1, .messages = {2}, .capacity = 1, .close = true, .kills = 1,
      .kill_receiver = true, .preemptions = 3)
SCENE(takeover, .senders = 1, .messages = {2}, .capacity = 2, .close = true, .kills = 1, MORTAL_RECEIVER,
      .successor = true, .preemptions = 3)
SCENE(takeover_watched, .senders = 2, .messages = {1, 1}, .capacity = 2, .close = true, .kills = 1,
      MORTAL_RECEIVER, .successor = true, .watching = true, .preemptions = 1)
SCENE(takeover_two, .senders = 2, .messages = {1, 1}, .capacity = 1, .close = true, .kills = 1,
      MORTAL_RECEIVER, .successor = true, .preemptions = 1)
SCENE(handover, .senders = 2, .messages = {2, 1}, .capacity = 2, .flags = SHMCHAN_WAIT_FOR_RECEIVER,
      .close = true, .receives = 1, .successor = true, .preemptions = 2)
SCENE(handover_watched, .senders = 2, .messages = {2, 1}, .capacity = 4, .flags = SHMCHAN_WAIT_FOR_RECEIVER,
      .receives = 1, .successor = true, .watching = true, .preemptions = 2)

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"order: two senders of one message", one_each},
        {"order: two senders, watched, of one message", one_each_watched},
        {"order: senders of two and one messages", two_and_one},
        {"order: two senders of two messages", two_each},
        {"order: three senders of one message", three_senders},
        {"order: three senders, watched, of one message", three_watched},
        {"order: of each sender, unordered", unordered},
        {"order: batches, whole and in a row", batches},
        {"order: in place", in_place},
        {"order: a receiver and senders that spin before they sleep", spinning},
        {"room: one slot, three messages", one_slot},
        {"room: two slots, four messages", two_slots},
        {"room: four slots, one of them taken, four messages", four_slots},
        {"room: two senders with one slot each", one_slot_each},
        {"room: a batch of the whole lane", batch_after_one},
        {"room: a batch that waits for the whole lane", batch_needs_all},
        {"room: a batch in two steps", batch_in_steps},
        {"end: when two senders have closed", the_end},
        {"end: when three senders have closed, one of them unused", end_of_three},
        {"end: a receiver that joins while others send and leave", receiver_joins},
        {"end: the receiver leaves a blocked sender", receiver_leaves},
        {"end: the receiver leaves two senders", receiver_leaves_two},
        {"end: a sleep that ends by itself", timeouts},
        {"death: of a sender, at each step", sender_dies},
        {"death: of a sender, at each step, and the other stays", dies_beside_another},
        {"death: of both senders, at each step", both_senders_die},
        {"death: of a sender that blocks, at each step", blocked_sender_dies},
        {"death: of a sender of a batch, at each step", batch_dies},
        {"death: of a sender, and another takes its place", replaced},
        {"death: of the receiver, and its sender learns of it", receiver_dies},
        {"takeover: the receiver dies at each step", takeover},
        {"takeover: the receiver dies at each step, watching two lanes", takeover_watched},
        {"takeover: the receiver dies at each step, two senders with one slot", takeover_two},
        {"takeover: the receiver leaves after one message", handover},
        {"takeover: the receiver leaves lanes that it watched", handover_watched},
    };
    return suite_run("explored", rows, COUNT_OF(rows), argc, argv);
}
