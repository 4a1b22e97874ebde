/* SPDX-License-Identifier: MIT */
/*
 * Many messages from many processes: each sender's in order, whole, once, all; and the order across senders
 * that a token passed between them dictates. SHMCHAN_TEST_SCALE (percent) says how many; what was done is
 * printed.
 */
#include "support.h"

#define FOREVER SHMCHAN_FOREVER

enum { SENDERS = 8, BATCH_MAX = 100 };

/* How messages are sent and received. */
enum way {
    COPIED,   /* send, recv_info */
    BATCHED,  /* send_many of 1 ... BATCH_MAX, recv_many */
    IN_PLACE, /* reserve and commit, peek and release */
    POLLED    /* try_send, try_recv */
};
static const char *const way_names[] = {"copied", "batched", "in place", "polled"};

struct load {
    uint32_t size, capacity, flags;
    uint64_t count; /* of each sender */
    enum way way;
    shmchan_sender *tx;
    uint32_t id;
    _Atomic int *ids; /* shared: by place, the sender's number + 1 */
};

static void send_copied(struct load *l, unsigned char *message)
{
    for (uint64_t n = 0; n < l->count; n++) {
        message_fill(message, l->size, l->id, n);
        expect_ok(shmchan_send(l->tx, message));
    }
}

static void send_polled(struct load *l, unsigned char *message)
{
    for (uint64_t n = 0; n < l->count; n++) {
        int r;
        message_fill(message, l->size, l->id, n);
        while ((r = shmchan_try_send(l->tx, message)) == -EAGAIN)
            nap_us(20);
        expect_ok(r);
    }
}

static void send_batched(struct load *l, unsigned char *messages)
{
    uint64_t batch = 1;
    for (uint64_t n = 0; n < l->count; n += batch) {
        batch = 1 + (n * 7 + l->id) % BATCH_MAX;
        if (batch > l->count - n)
            batch = l->count - n;
        for (uint64_t i = 0; i < batch; i++)
            message_fill(messages + i * l->size, l->size, l->id, n + i);
        expect_is(shmchan_send_many(l->tx, messages, batch, FOREVER), batch);
    }
}

static void send_in_place(struct load *l)
{
    for (uint64_t n = 0; n < l->count; n++) {
        void *slot;
        expect_ok(shmchan_reserve(l->tx, &slot, FOREVER));
        if (n % 16 == 5) { /* changed its mind */
            memset(slot, 0xee, l->size);
            expect_ok(shmchan_abort(l->tx));
            expect_ok(shmchan_reserve(l->tx, &slot, FOREVER));
        }
        message_fill(slot, l->size, l->id, n);
        expect_ok(shmchan_commit(l->tx, l->size));
    }
}

static void send_load(void *arg)
{
    struct load *l = arg;
    unsigned char *messages = malloc((size_t)l->size * BATCH_MAX);
    expect(messages);
    int place = shmchan_sender_id(l->tx);
    expect(place >= 0);
    l->ids[place] = (int)l->id + 1;
    watch("sender %u sends", l->id);
    switch (l->way) {
    case COPIED:
        send_copied(l, messages);
        break;
    case BATCHED:
        send_batched(l, messages);
        break;
    case IN_PLACE:
        send_in_place(l);
        break;
    case POLLED:
        send_polled(l, messages);
        break;
    }
    watch("sender %u closes", l->id);
    shmchan_sender_close(l->tx);
    free(messages);
}

/* What has come so far. */
struct tally {
    const struct load *load;
    uint64_t next[SENDERS];
    uint64_t total;
};

static void tally_message(struct tally *t, const void *message, uint32_t id)
{
    if (id >= SENDERS)
        fail("after %llu messages: one of sender %u, who does not exist", (unsigned long long)t->total, id);
    const char *fault = message_fault(message, t->load->size, id, t->next[id]);
    if (fault)
        fail("after %llu messages: %s", (unsigned long long)t->total, fault);
    t->next[id]++;
    watch_progress(++t->total);
}

/* Whom a message is from: it says so itself, if it is long enough; else its place tells. */
static uint32_t sender_of(const struct load *l, const void *message, const struct shmchan_info *info)
{
    return l->size >= MESSAGE_WHOLE ? message_sender(message) : (uint32_t)l->ids[info->sender_id] - 1;
}

static int receive_some(struct tally *t, shmchan_receiver *rx, unsigned char *messages)
{
    const struct load *l = t->load;
    struct shmchan_info info;
    const void *peeked;
    ssize_t r;
    switch (l->way) {
    case BATCHED:
        r = shmchan_recv_many(rx, messages, BATCH_MAX, FOREVER);
        for (ssize_t i = 0; i < r; i++)
            tally_message(t, messages + (size_t)i * l->size, message_sender(messages + (size_t)i * l->size));
        return (int)r;
    case IN_PLACE:
        r = shmchan_peek(rx, &peeked, &info, FOREVER);
        if (r == 1) {
            expect_is(info.length, l->size);
            tally_message(t, peeked, sender_of(l, peeked, &info));
            expect_ok(shmchan_release(rx));
        }
        return (int)r;
    case POLLED:
        r = shmchan_try_recv(rx, messages);
        if (r == 1)
            tally_message(t, messages, message_sender(messages));
        else if (r == -EAGAIN)
            nap_us(20);
        return r == -EAGAIN ? 1 : (int)r;
    default:
        r = shmchan_recv_info(rx, messages, &info, FOREVER);
        if (r == 1) {
            expect_is(info.length, l->size);
            uint32_t id = sender_of(l, messages, &info);
            if (id < SENDERS)
                expect_is(info.position, t->next[id]);
            tally_message(t, messages, id);
        }
        return (int)r;
    }
}

static void run_load(struct load l)
{
    pid_t children[SENDERS];
    struct tally tally = {.load = &l};
    shmchan_receiver *rx = NULL;
    unsigned char *messages = malloc((size_t)l.size * BATCH_MAX);
    expect(messages);
    l.ids = shared_memory(sizeof *l.ids * 64);
    uint64_t start = now_ms();
    expect_ok(shmchan_pair(
        &SHMCHAN_OPTIONS(.message_size = l.size, .capacity = l.capacity, .flags = l.flags, .max_senders = 64),
        &l.tx, &rx));
    for (l.id = 0; l.id < SENDERS; l.id++)
        children[l.id] = spawn("sender", send_load, &l);
    shmchan_sender_close(l.tx);
    watch("receiving %u-byte messages, capacity %u, %s", l.size, l.capacity, way_names[l.way]);
    int r;
    while ((r = receive_some(&tally, rx, messages)) > 0)
        ;
    expect_is(r, 0);
    for (int i = 0; i < SENDERS; i++)
        if (tally.next[i] != l.count)
            fail("sender %d: %llu of %llu messages arrived", i, (unsigned long long)tally.next[i],
                 (unsigned long long)l.count);
    for (int i = 0; i < SENDERS; i++)
        finish(children[i]);
    shmchan_receiver_close(rx);
    free(messages);
    note("%d x %llu messages of %u bytes, capacity %u, %s%s: %.1f s", SENDERS, (unsigned long long)l.count,
         l.size, l.capacity, way_names[l.way], l.flags & SHMCHAN_UNORDERED ? ", unordered" : "",
         (double)(now_ms() - start) / 1000);
}

#define LOAD(name, ...)                                                                                      \
    static void name(void)                                                                                   \
    {                                                                                                        \
        struct load l = {__VA_ARGS__};                                                                       \
        l.count = scaled(l.count);                                                                           \
        run_load(l);                                                                                         \
    }

LOAD(bytes_64_capacity_2, .size = 64, .capacity = 2, .count = 1000000)
LOAD(bytes_64_capacity_64, .size = 64, .capacity = 64, .count = 1000000)
LOAD(bytes_64_capacity_65536, .size = 64, .capacity = 65536, .count = 1000000)
LOAD(byte_1_capacity_2, .size = 1, .capacity = 2, .count = 1000000)
LOAD(byte_1_capacity_64, .size = 1, .capacity = 64, .count = 1000000)
LOAD(byte_1_capacity_65536, .size = 1, .capacity = 65536, .count = 1000000)
LOAD(kib_64_capacity_2, .size = 65536, .capacity = 2, .count = 20000)
LOAD(kib_64_capacity_64, .size = 65536, .capacity = 64, .count = 20000)
LOAD(bytes_64_capacity_1, .size = 64, .capacity = 1, .count = 100000)
LOAD(unordered_64, .size = 64, .capacity = 64, .count = 1000000, .flags = SHMCHAN_UNORDERED)
LOAD(unordered_2, .size = 64, .capacity = 2, .count = 200000, .flags = SHMCHAN_UNORDERED)
LOAD(batched, .size = 64, .capacity = 64, .count = 500000, .way = BATCHED)
LOAD(batched_unordered, .size = 40, .capacity = 256, .count = 500000, .way = BATCHED,
     .flags = SHMCHAN_UNORDERED)
LOAD(in_place, .size = 64, .capacity = 64, .count = 300000, .way = IN_PLACE)
LOAD(in_place_4k, .size = 4096, .capacity = 8, .count = 50000, .way = IN_PLACE)
LOAD(polled, .size = 64, .capacity = 64, .count = 200000, .way = POLLED)

/* --------------------------------------------------------------------------- the order of a token */

enum { TOKEN_SENDERS = 4 };

struct token_ring {
    shmchan_sender *tx;
    int pipes[TOKEN_SENDERS][2]; /* sender i reads from i and writes to i + 1 */
    uint64_t rounds;
    uint32_t id;
    enum way way;
    _Atomic bool *over;
};

/* Gets the token, sends it, passes it on: what it sends comes after all that was sent with it before. */
static void pass_token(void *arg)
{
    struct token_ring *t = arg;
    int from = t->pipes[t->id][0], to = t->pipes[(t->id + 1) % TOKEN_SENDERS][1];
    uint64_t token;
    for (int i = 0; i < TOKEN_SENDERS; i++) { /* or we would not see the end of the others */
        if (t->pipes[i][0] != from)
            close(t->pipes[i][0]);
        if (t->pipes[i][1] != to)
            close(t->pipes[i][1]);
    }
    watch("token sender %u", t->id);
    for (uint64_t i = 0; i < t->rounds; i++) {
        void *slot;
        uint64_t message[2] = {TOKEN_SENDERS, 0};
        watch_progress(i);
        expect_is(read(from, &token, sizeof token), sizeof token);
        message[1] = token;
        if (t->way == IN_PLACE && i % 2) {
            expect_ok(shmchan_reserve(t->tx, &slot, FOREVER));
            memcpy(slot, message, sizeof message);
            expect_ok(shmchan_commit(t->tx, sizeof message));
        } else {
            expect_ok(shmchan_send(t->tx, message));
        }
        token++;
        if (t->id < TOKEN_SENDERS - 1 || i + 1 < t->rounds) /* the last pass finds nobody */
            expect_is(write(to, &token, sizeof token), sizeof token);
    }
    shmchan_sender_close(t->tx);
}

/* Makes the merge work: sends all the time, in an order of its own. */
static void make_noise(void *arg)
{
    struct token_ring *t = arg;
    uint64_t message[2] = {t->id, 0};
    watch("noise %u", t->id);
    for (; !*t->over; message[1]++) {
        expect_ok(shmchan_send(t->tx, message));
        if (message[1] % 32 == 0)
            nap_us(50);
    }
    shmchan_sender_close(t->tx);
}

static void run_token(uint64_t rounds, uint32_t capacity, unsigned noise, enum way way)
{
    struct token_ring t = {.rounds = rounds, .way = way};
    uint64_t due = 0, noise_due[2] = {0}, message[2], token = 0, start = now_ms();
    shmchan_receiver *rx = NULL;
    pid_t children[TOKEN_SENDERS + 2];
    t.over = shared_memory(4096);
    expect_ok(
        shmchan_pair(&SHMCHAN_OPTIONS(.message_size = sizeof message, .capacity = capacity), &t.tx, &rx));
    for (int i = 0; i < TOKEN_SENDERS; i++)
        expect_ok(pipe(t.pipes[i]));
    for (t.id = 0; t.id < TOKEN_SENDERS; t.id++)
        children[t.id] = spawn("token sender", pass_token, &t);
    for (t.id = 0; t.id < noise; t.id++)
        children[TOKEN_SENDERS + t.id] = spawn("noise", make_noise, &t);
    shmchan_sender_close(t.tx);
    expect_is(write(t.pipes[0][1], &token, sizeof token), sizeof token);
    for (int i = 0; i < TOKEN_SENDERS; i++) {
        close(t.pipes[i][0]);
        close(t.pipes[i][1]);
    }
    watch("receiving the token's messages, capacity %u, %u noisy others", capacity, noise);
    while (shmchan_recv(rx, message) > 0) {
        if (message[0] == TOKEN_SENDERS) {
            expect_is(message[1], due++);
            watch_progress(due);
            if (due == rounds * TOKEN_SENDERS)
                *t.over = true;
        } else {
            expect(message[0] < noise);
            expect_is(message[1], noise_due[message[0]]++);
        }
    }
    expect_is(due, rounds * TOKEN_SENDERS);
    for (unsigned i = 0; i < TOKEN_SENDERS + noise; i++)
        finish(children[i]);
    shmchan_receiver_close(rx);
    note("token: %llu rounds of %d senders, capacity %u, %u noisy others (%llu messages): %.1f s",
         (unsigned long long)rounds, TOKEN_SENDERS, capacity, noise,
         (unsigned long long)(noise_due[0] + noise_due[1]), (double)(now_ms() - start) / 1000);
}

static void token(void)
{
    run_token(scaled(100000), 64, 0, COPIED);
}

static void token_in_place(void)
{
    run_token(scaled(20000), 2, 0, IN_PLACE);
}

static void token_among_noise(void)
{
    run_token(scaled(20000), 1024, 2, COPIED);
}

static const struct row rows[] = {
    {"64 bytes, capacity 2", bytes_64_capacity_2},
    {"64 bytes, capacity 64", bytes_64_capacity_64},
    {"64 bytes, capacity 65536", bytes_64_capacity_65536},
    {"1 byte, capacity 2", byte_1_capacity_2},
    {"1 byte, capacity 64", byte_1_capacity_64},
    {"1 byte, capacity 65536", byte_1_capacity_65536},
    {"64 KiB, capacity 2", kib_64_capacity_2},
    {"64 KiB, capacity 64", kib_64_capacity_64},
    {"64 bytes, capacity 1", bytes_64_capacity_1},
    {"unordered, capacity 64", unordered_64},
    {"unordered, capacity 2", unordered_2},
    {"batches", batched},
    {"batches, unordered", batched_unordered},
    {"in place", in_place},
    {"in place, 4 KiB", in_place_4k},
    {"polled", polled},
    {"token: received in its order", token},
    {"token: in place", token_in_place},
    {"token: among noise", token_among_noise},
};

int main(int argc, char **argv)
{
    return suite_run("stress", rows, COUNT_OF(rows), argc, argv);
}
