/* SPDX-License-Identifier: MIT */
/*
 * Our own code under Relacy. run.sh makes the copy that is included here: layout.h, lane.h, ready.h, cond,
 * merge, sender.c and receiver.c whole, of members.c the functions that ring and close. Ours are only the
 * futex, the clock, who is alive, and the scenarios.
 *
 *     order SCENARIO [SITE ORDER]    with the order of one access (sites.txt) weakened; VERBOSE=1: its
 * history
 *
 * Prints "passed" and how often each site was reached; or "caught: " and why.
 *
 * In most scenarios a sleep without a post is for ever: who sleeps so at the end, although there is something
 * to do, has lost a wake-up.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <relacy/relacy.hpp>

#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef errno
#undef pthread_mutex_t

/* ------------------------------------------------------------------------------- C11 atomics, by Relacy */

#define SITES 128
static int weak_site = -1;
static rl::memory_order weak_order;
static unsigned long reached[SITES];

static rl::memory_order order_of(int site, rl::memory_order order)
{
    reached[site]++;
    return site == weak_site ? weak_order : order;
}

/* All zero at first, as a fresh region. */
template <typename T> struct word : rl::atomic<T> {
    word()
    {
        this->store(T(), rl::mo_relaxed, $);
    }
};

using rl::mo_relaxed;
#define atomic_load_explicit(p, ...)      (p)->load(__VA_ARGS__)
#define atomic_store_explicit(p, ...)     (p)->store(__VA_ARGS__)
#define atomic_exchange_explicit(p, ...)  (p)->exchange(__VA_ARGS__)
#define atomic_fetch_add_explicit(p, ...) (p)->fetch_add(__VA_ARGS__)
#define atomic_fetch_or_explicit(p, ...)  (p)->fetch_or(__VA_ARGS__)
#define atomic_compare_exchange_strong_explicit(p, expected, ...)                                            \
    (p)->compare_exchange_strong(*(expected), __VA_ARGS__)

/* --------------------------------------------------------------------- what the code finds around itself */

#define PLACES 2

static bool sleeps_end; /* a sleep ends with a post; else the sleeper never comes back */
struct fell_asleep {
};

/* Memory of a handle or a merge, private to its thread. */
struct memory {
    void *at;
    template <typename T> operator T *() const
    {
        return static_cast<T *>(at);
    }
};
static memory zeroed(size_t n, size_t size)
{
    return memory{(calloc)(n, size)};
}
#define calloc zeroed

#include "layout.h"

/* What cpu.h has. One line is a whole slot; that it is written to, Relacy knows of its payload. */
#define CPU_LINE 4096u
static void cpu_own_line(void *slot);
static void cpu_prefetch_write(const void *)
{
}
static void cpu_relax()
{
}

#include "cond.h"
#include "lane.h"
#include "merge.h"
#include "pace.h"
#include "ready.h"

/* Time stands still. */
static int no_time(clockid_t, struct timespec *ret_time)
{
    *ret_time = {};
    return 0;
}
static long kernel(long, word<uint32_t> *posts, int operation, ...);
/* In event_wake, between its exchange and its post (run.sh puts it there). */
static void (*took_flag)(void);

#undef sched_yield
#define clock_gettime no_time
#define sched_yield() 0
#define syscall       kernel
#undef FUTEX_WAKE
#include "cond.c"
#undef syscall

/* The kernel compares the word as it is now, and who waits misses no wake-up: it does both under a lock. */
static long kernel(long, word<uint32_t> *posts, int operation, ...)
{
    if (operation != FUTEX_WAIT_BITSET)
        return 0;
    while (posts->debug_value() == 0) {
        if (!sleeps_end)
            throw fell_asleep();
        rl::ctx().sched(); /* if for ever, Relacy says livelock */
    }
    return 0;
}

#include "merge.c"

struct geometry {
    uint32_t max_senders, message_size, capacity, slot_bytes, flags;
};
struct segment {
    struct shm_control *control;
    struct geometry geometry;
};
struct channel {
    struct segment segment;
    int lock_fd;
    uint32_t joined;
};
struct member {
    struct channel *channel;
    int error;
    uint32_t place;
    void *slots;
    void (*sender_after_fork)(struct member *);
    void (*receiver_after_fork)(struct member *);
};

static int segment_back_lane(const struct segment *, uint32_t)
{
    return 0;
}
static void *segment_map_lane(const struct segment *segment, uint32_t place, bool writable, int *ret_error);
static void segment_unmap_lane(const struct segment *, const void *)
{
}
static int members_join_sender(struct channel *channel, struct member *member);
static int members_join_receiver(struct channel *channel, struct member *member)
{
    member->channel = channel;
    return 0;
}
static void members_leave(struct member *)
{
}
static int members_receiver_held(const struct channel *)
{
    return 1;
}
static int members_senders_held(const struct channel *)
{
    return 1;
}
static int liveness_drop(int, int64_t)
{
    return 0;
}
#include "members.c"

/* The payload: two plain words, of which Relacy reports each race. */
struct payload {
    rl::var<uint64_t> a, b;
};
struct message {
    uint64_t a, b;
};
static void write_payload(void *to, const void *from, size_t)
{
    struct payload *p = static_cast<struct payload *>(to);
    const struct message *m = static_cast<const struct message *>(from);
    p->a($) = m->a;
    p->b($) = m->b;
}
static void read_payload(void *to, const void *from, size_t)
{
    const struct payload *p = static_cast<const struct payload *>(from);
    struct message *m = static_cast<struct message *>(to);
    m->a = p->a($);
    m->b = p->b($);
}

#define after_fork sender_after_fork
#define copy_in    write_payload
#include "sender.c"
#undef after_fork
#define after_fork receiver_after_fork
#define copy_out   read_payload
#include "receiver.c"
#undef after_fork

/* ----------------------------------------------------------------------------------------- a channel */

#define SLOTS 4

struct slot {
    struct shm_slot head;
    struct payload payload;
};

static void cpu_own_line(void *at)
{
    struct slot *slot = static_cast<struct slot *>(at);
    slot->payload.a($) = slot->payload.a($);
    slot->payload.b($) = slot->payload.b($);
}

struct stage {
    struct shm_control control;
    struct slot slots[PLACES][SLOTS];
    struct channel channel;
    shmchan_sender *tx[PLACES];
    shmchan_receiver *rx;

    struct shm_place *place(uint32_t i)
    {
        return &control.places[i];
    }

    /* Each lane from `head` to `tail`; the receiver has joined, and watches the lanes that are not idle. */
    void set(uint32_t capacity, uint64_t head = 0, uint64_t tail = 0, bool idle = false)
    {
        channel.joined = 0;
        channel.segment.control = &control;
        channel.segment.geometry = {PLACES, sizeof(struct message), capacity, sizeof(struct slot), 0};
        control.receivers_joined.store(1, rl::mo_relaxed, $);
        control.senders_joined.store(PLACES, rl::mo_relaxed, $);
        for (uint32_t i = 0; i < PLACES; i++) {
            place(i)->head.store(head, rl::mo_relaxed, $);
            place(i)->tail.store(tail, rl::mo_relaxed, $);
            place(i)->idle.store(idle, rl::mo_relaxed, $);
            for (struct slot &s : slots[i]) {
                s.payload.a($) = 0;
                s.payload.b($) = 0;
            }
            RL_ASSERT(sender_make(&channel, &tx[i]) == 0);
            tx[i]->lane.head_seen = head;
            tx[i]->until_look = UINT_MAX;
        }
        RL_ASSERT(receiver_make(&channel, &rx) == 0);
    }

    ~stage()
    {
        for (uint32_t i = 0; i < PLACES; i++)
            shmchan_sender_close(tx[i]);
        shmchan_receiver_close(rx);
    }

    void send(uint32_t sender, uint64_t number)
    {
        struct message m = {sender, number};
        RL_ASSERT(shmchan_send(tx[sender], &m) == 0);
    }

    /* The receiver's side of one lane, without merge. */
    struct lane_reader reader(uint32_t i)
    {
        struct lane_reader l;
        lane_reader_init(&l, place(i));
        l.slots = slots[i];
        return l;
    }
    const struct lane_shape *shape()
    {
        return &rx->merge.shape;
    }
    struct message read(const struct lane_reader *l)
    {
        struct message m;
        read_payload(&m, lane_payload(lane_slot(shape(), l->slots, l->head)), sizeof m);
        return m;
    }

    bool rung(uint32_t i)
    {
        return (control.ready[0].debug_value() >> i & 1) && (control.ready_words.debug_value() & 1);
    }
    static bool posted(const struct shm_event *event)
    {
        return event->posts.debug_value() != 0;
    }
};

static void *segment_map_lane(const struct segment *segment, uint32_t place, bool, int *)
{
    return (reinterpret_cast<struct stage *>(segment->control))->slots[place]; /* its first member */
}

static int members_join_sender(struct channel *channel, struct member *member)
{
    member->channel = channel;
    member->place = channel->joined++;
    member->slots = segment_map_lane(&channel->segment, member->place, true, NULL);
    return 0;
}

template <typename scenario, int threads> struct base : rl::test_suite<scenario, threads> {
    struct stage s;
    bool asleep = false;

    void after()
    {
    }

    template <typename sleeper> void until_asleep(sleeper sleep)
    {
        try {
            sleep();
        } catch (fell_asleep &) {
            asleep = true;
        }
    }
    /* One who sleeps for ever with nobody's post. */
    bool lost(const struct shm_event *event)
    {
        return asleep && !s.posted(event);
    }
};

/* ------------------------------------------------------------------------------------------ scenarios */

/* Written, published; seen, read. */
struct publishes : base<publishes, 2> {
    void before()
    {
        s.set(4);
    }
    void thread(unsigned who)
    {
        if (who == 0) {
            s.send(0, 1);
            s.send(0, 2);
            return;
        }
        struct lane_reader l = s.reader(0);
        for (int look = 0; look < 2; look++)
            for (uint64_t tail = lane_tail(&l); l.head < tail; l.head++) {
                RL_ASSERT(lane_length(s.shape(), lane_slot(s.shape(), l.slots, l.head)) ==
                          sizeof(struct message));
                RL_ASSERT(lane_ticket(&l, s.shape()) == l.head);
                RL_ASSERT(s.read(&l).b == l.head + 1);
            }
    }
};

/* A full lane: taken, given back; seen, overwritten. */
struct room : base<room, 2> {
    void before()
    {
        s.set(4, 0, 4);
    }
    void thread(unsigned who)
    {
        if (who == 0) {
            struct message m = {0, 1};
            for (int n = 0; n < 2; n++)
                if (shmchan_try_send(s.tx[0], &m) != 0)
                    return;
            return;
        }
        struct lane_reader l = s.reader(0);
        for (int n = 0; n < 2; n++) {
            RL_ASSERT(s.read(&l).b == 0);
            lane_advance(&l, s.shape());
        }
    }
};

/* Never a message in a lane that is neither watched nor rung; over two rounds. */
struct idle : base<idle, 2> {
    bool rested;
    uint64_t head;
    void before()
    {
        s.set(4);
    }
    void thread(unsigned who)
    {
        if (who == 0) {
            for (int n = 0; n < 2; n++)
                if (lane_publish(&s.tx[0]->lane, 1))
                    ready_set(&s.control, 0);
            return;
        }
        struct lane_reader l = s.reader(0);
        bool wake;
        rested = lane_rest(&l, &wake);
        if (!rested) {
            l.head = lane_tail(&l);
            rested = lane_rest(&l, &wake);
        }
        head = l.head;
    }
    void after()
    {
        RL_ASSERT(!rested || head == 2 || s.rung(0));
    }
};

/* A full lane of which half becomes free. */
struct waiting : base<waiting, 2> {
    void before()
    {
        s.set(4, 0, 4);
    }
    void thread(unsigned who)
    {
        if (who == 0)
            return this->until_asleep([this] { RL_ASSERT(sleep_until(s.tx[0], 1, INT64_MAX) == 1); });
        struct lane_reader l = s.reader(0);
        for (int n = 0; n < 2; n++)
            if (lane_advance(&l, s.shape()))
                event_post(&s.place(0)->room);
    }
    void after()
    {
        RL_ASSERT(!lost(&s.place(0)->room));
    }
};

/* A batch needs the whole lane, whose last message is taken off a threshold: lane_rest wakes. */
struct waiting_all : base<waiting_all, 2> {
    void before()
    {
        s.set(4, 4, 5);
    }
    void thread(unsigned who)
    {
        if (who == 0)
            return this->until_asleep([this] { RL_ASSERT(sleep_until(s.tx[0], 4, INT64_MAX) == 1); });
        struct lane_reader l = s.reader(0);
        bool wake;
        RL_ASSERT(!lane_advance(&l, s.shape()));
        RL_ASSERT(lane_rest(&l, &wake));
        if (wake)
            event_post(&s.place(0)->room);
    }
    void after()
    {
        RL_ASSERT(!lost(&s.place(0)->room));
    }
};

/* The receiver falls asleep while a message comes; the lane watched before, or not. */
template <typename scenario, bool lanes_idle> struct not_empty_base : base<scenario, 2> {
    void before()
    {
        this->s.set(4, 0, 0, lanes_idle);
    }
    void thread(unsigned who)
    {
        if (who == 0)
            publish(this->s.tx[0], 1); /* and ring */
        else
            this->until_asleep([this] { sleep_for_message(this->s.rx, INT64_MAX); });
    }
    void after()
    {
        RL_ASSERT(!this->lost(&this->s.control.not_empty));
    }
};
struct not_empty : not_empty_base<not_empty, true> {
};
struct not_empty_watched : not_empty_base<not_empty_watched, false> {
};

/* Two ring, and the receiver sleeps twice: who finds the flag taken down leaves the wake-up to the other; and
   no bit is left behind that the words do not tell of. */
struct two_ring : base<two_ring, 3> {
    void before()
    {
        s.set(4, 0, 0, true);
    }
    void thread(unsigned who)
    {
        if (who < 2)
            return ring(s.tx[who]);
        this->until_asleep([this] {
            sleep();
            if (ready_take_words(&s.control))
                ready_take(&s.control, 0);
            sleep();
        });
    }
    void sleep()
    {
        event_raise(&s.control.not_empty);
        if (!ready_any(&s.control))
            event_sleep(&s.control.not_empty, INT64_MAX);
        event_lower(&s.control.not_empty);
    }
    void after()
    {
        RL_ASSERT(!s.control.ready_words.debug_value() || !lost(&s.control.not_empty));
        RL_ASSERT(s.control.ready_words.debug_value() || !s.control.ready[0].debug_value());
    }
};

/*
 * Two races that Relacy cannot show, because it lets each word change in the order in which it runs the
 * threads: that a change which nothing orders after another's is overwritten by it. So what must be ordered
 * stands here as a plain variable, written before the first change and read before the second one.
 */

/* Who takes the flag posts after the sleeper had cleared `posts` for that raise; else the post may be lost.
 */
template <typename scenario, bool by_receiver> struct cleared_base : base<scenario, 2> {
    rl::var<uint32_t> cleared[2];
    unsigned raises = 0;
    static scenario *self;

    void before()
    {
        this->s.set(1, 0, 1);
        cleared[0]($) = 0;
        cleared[1]($) = 0;
        self = static_cast<scenario *>(this);
        took_flag = [] { self->look(); };
    }
    void look()
    {
        RL_ASSERT(cleared[raises - 1]($) == 1);
    }
    void thread(unsigned who)
    {
        struct shm_event *event = &this->s.place(0)->room;
        struct lane_reader l = this->s.reader(0);
        if (who == 0) {
            for (int n = 0; n < 2; n++) {
                cleared[n]($) = 1;
                event_raise(event);
                raises++;
                if (n == 0)
                    event_lower(event);
            }
        } else if (!by_receiver) {
            event_wake(event);
        } else if (lane_advance(&l, this->s.shape())) {
            look();
        }
    }
};
template <typename scenario, bool by_receiver> scenario *cleared_base<scenario, by_receiver>::self;
struct cleared : cleared_base<cleared, false> {
};
struct cleared_by_receiver : cleared_base<cleared_by_receiver, true> {
};

/* Who takes a word's bit takes its lanes' bits after they were set; else one may be left behind, untold. */
struct bits : base<bits, 3> {
    rl::var<uint32_t> told[2];
    void before()
    {
        s.set(1);
        told[0]($) = 0;
        told[1]($) = 0;
    }
    void thread(unsigned who)
    {
        if (who < 2) {
            told[who]($) = 1;
            ready_set(&s.control, who * 64);
            return;
        }
        for (uint64_t words = ready_take_words(&s.control); words; words &= words - 1)
            RL_ASSERT(told[__builtin_ctzll(words)]($) == 1);
    }
};

/* A receiver closes while a sender falls asleep on a full lane. */
struct closes : base<closes, 2> {
    void before()
    {
        s.set(4, 0, 4);
    }
    void thread(unsigned who)
    {
        if (who == 1)
            return close_receiver_place(&s.channel);
        this->until_asleep([this] { RL_ASSERT(sleep_until(s.tx[0], 1, INT64_MAX) == -EPIPE); });
    }
    void after()
    {
        RL_ASSERT(!lost(&s.place(0)->room));
    }
};

/* One queue: sender 0's send has returned before sender 1's begins, so it is received first, and its ticket
   is smaller. In one thread, or handed on from one to another; lane 0 watched, or not. */
template <typename scenario, int threads, bool lane_0_idle> struct queue_base : base<scenario, threads> {
    word<uint32_t> returned;
    void before()
    {
        this->s.set(2);
        if (lane_0_idle)
            RL_ASSERT(let_go(&this->s.rx->merge, 0));
    }
    void thread(unsigned who)
    {
        if (who == 0)
            return receive_both();
        if (who == 1) {
            this->s.send(0, 1);
            returned.store(1, rl::mo_release, $);
        }
        if (who == threads - 1) {
            while (!returned.load(rl::mo_acquire, $))
                ;
            this->s.send(1, 1);
        }
    }
    void receive_both()
    {
        uint64_t received = 0;
        for (int attempt = 0; attempt < 4 && received < 2; attempt++) {
            struct lane_reader *l = merge_next(&this->s.rx->merge);
            if (!l)
                continue;
            struct message m;
            take_message(this->s.rx, l, &m);
            RL_ASSERT(m.b == 1 && m.a == received && l->ticket == received);
            advance(this->s.rx, l);
            received++;
        }
    }
};
struct queue : queue_base<queue, 2, false> {
};
struct queue_idle : queue_base<queue_idle, 2, true> {
};
struct handed : queue_base<handed, 3, false> {
};
struct handed_idle : queue_base<handed_idle, 3, true> {
};

/* Everything: two senders, a receiver, lanes that fill, sleeps that end with a post. Each message once, in
   its sender's order; who sleeps for ever shows as a livelock. */
struct whole : base<whole, 3> {
    static const uint64_t messages = 4;
    void before()
    {
        s.set(2);
    }
    void thread(unsigned who)
    {
        if (who < 2) {
            for (uint64_t n = 1; n <= messages; n++)
                s.send(who, n);
            return;
        }
        uint64_t last[2] = {0, 0};
        for (uint64_t n = 0; n < 2 * messages; n++) {
            struct message m;
            RL_ASSERT(shmchan_recv(s.rx, &m) == 1);
            RL_ASSERT(m.a < 2 && m.b == last[m.a] + 1);
            last[m.a] = m.b;
        }
    }
};

/* ------------------------------------------------------------------------------------------------ main */

/* iterations 0: every interleaving and every value a load may return. Else so many by chance (the same each
 * time). */
template <typename scenario, template <rl::thread_id_t> class scheduler>
static int run(unsigned long iterations)
{
    rl::test_params params;
    std::ostringstream silent;
    rl::ostringstream state;
    bool verbose = getenv("VERBOSE") != NULL;
    params.iteration_count = iterations;
    params.search_type = iterations ? rl::sched_random : rl::sched_full;
    params.execution_depth_limit = 1000;
    params.progress_stream = &silent;
    params.collect_history = verbose;
    if (!verbose)
        params.output_stream = &silent;
    rl::test_result_e result =
        rl::run_test<scenario, scheduler<scenario::params::thread_count>>(params, state, false);
    if (result != rl::test_result_success) {
        printf("caught: %s\n", rl::test_result_str(result));
        return 1;
    }
    printf("passed %llu\n", (unsigned long long)params.stop_iteration);
    for (int i = 0; i < SITES; i++)
        if (reached[i])
            printf("reached %d %lu\n", i, reached[i]);
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: order SCENARIO [SITE ORDER]\n");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 4)
        return usage();
    if (argc == 4) {
        static const char *const names[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};
        int order = -1;
        for (int i = 0; i < 6; i++)
            if (strcmp(argv[3], names[i]) == 0)
                order = i;
        if (order < 0)
            return usage();
        weak_site = atoi(argv[2]);
        weak_order = static_cast<rl::memory_order>(order);
    }
    const char *name = argv[1];
    sleeps_end = strcmp(name, "whole") == 0;
#define ALL(scenario)                                                                                        \
    if (strcmp(name, #scenario) == 0)                                                                        \
        return run<scenario, rl::full_search_scheduler>(0);
#define SOME(scenario, iterations)                                                                           \
    if (strcmp(name, #scenario) == 0)                                                                        \
        return run<scenario, rl::random_scheduler>(iterations);
    ALL(publishes)
    ALL(room)
    ALL(idle)
    ALL(waiting)
    ALL(waiting_all)
    ALL(not_empty)
    ALL(not_empty_watched)
    ALL(closes)
    ALL(cleared)
    ALL(cleared_by_receiver)
    ALL(bits)
    SOME(two_ring, 20000)
    SOME(queue, 20000)
    SOME(queue_idle, 20000)
    SOME(handed, 20000)
    SOME(handed_idle, 20000)
    SOME(whole, 5000)
    return usage();
}
