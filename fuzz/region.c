/* SPDX-License-Identifier: MIT */
/*
 * A region of arbitrary bytes, given to every call that opens one, and worked on. Whatever it holds: no
 * crash, no access outside the region or the caller's buffers (guard.h), no loop without end, no descriptor
 * lost, and no result beyond what was asked for.
 *
 * An input is mode and bits (make.h), and then bytes of the region or, in mode 2, commands: run_commands().
 */
#include <errno.h>
#include <stdio.h>

#include "make.h"

#define COMMANDS 96
#define BATCH    6u

static unsigned long long runs;

/* Nobody else is there for whom waiting a millisecond would change anything. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)time, (void)left;
    return 0;
}

/* ----------------------------------------------------------------------------------------------- using */

struct users {
    shmchan_receiver *rx;
    shmchan_sender *tx[2];
    bool reserved[2];
};

static void open_receiver(struct users *u)
{
    if (!u->rx && shmchan_receiver_open(name, NULL, &u->rx) < 0)
        u->rx = NULL;
}

static void open_sender(struct users *u, unsigned i)
{
    if (!u->tx[i] && shmchan_sender_open(name, &SHMCHAN_OPTIONS(.type = "fuzz"), &u->tx[i]) < 0)
        u->tx[i] = NULL;
    u->reserved[i] = false;
}

static void close_receiver(struct users *u)
{
    shmchan_receiver_close(u->rx);
    u->rx = NULL;
}

static void close_sender(struct users *u, unsigned i)
{
    shmchan_sender_close(u->tx[i]);
    u->tx[i] = NULL;
}

/* Buffers have exactly the size that the library may write. */
static void receive_one(struct users *u, int timeout_ms)
{
    if (!u->rx)
        return;
    uint32_t size = shmchan_receiver_message_size(u->rx);
    char *message = malloc(size);
    struct shmchan_info info = {0};
    int r = shmchan_recv_info(u->rx, message, &info, timeout_ms);
    require(r <= 1 && info.length <= size && info.sender_id < SHMCHAN_SENDERS_MAX);
    free(message);
}

static void receive_many(struct users *u)
{
    if (!u->rx)
        return;
    char *messages = malloc((size_t)shmchan_receiver_message_size(u->rx) * BATCH);
    ssize_t n = shmchan_recv_many(u->rx, messages, BATCH, 0);
    require(n <= (ssize_t)BATCH);
    free(messages);
}

static void peek_and_release(struct users *u)
{
    const void *message;
    struct shmchan_info info;
    if (!u->rx || shmchan_peek(u->rx, &message, &info, 0) != 1)
        return;
    require(info.length <= shmchan_receiver_message_size(u->rx));
    uint64_t sum = 0;
    for (uint32_t i = 0; i < info.length; i++)
        sum += ((const unsigned char *)message)[i];
    require(sum <= 255u * (uint64_t)info.length); /* read, that is */
    require(shmchan_release(u->rx) == 0);
}

static void send_one(struct users *u, unsigned i, uint32_t length)
{
    if (!u->tx[i])
        return;
    uint32_t size = shmchan_sender_message_size(u->tx[i]);
    char *message = calloc(1, size);
    int r = length == UINT32_MAX ? shmchan_try_send(u->tx[i], message)
                                 : shmchan_send_sized(u->tx[i], message, length % (size + 1), 0);
    require(r <= 0);
    free(message);
}

static void send_many(struct users *u, unsigned i, unsigned count)
{
    if (!u->tx[i])
        return;
    char *messages = calloc(BATCH, shmchan_sender_message_size(u->tx[i]));
    ssize_t n = shmchan_send_many(u->tx[i], messages, count % (BATCH + 1), 0);
    require(n <= (ssize_t)BATCH);
    free(messages);
}

static void reserve_or_commit(struct users *u, unsigned i, uint8_t how)
{
    void *slot;
    if (!u->tx[i])
        return;
    uint32_t size = shmchan_sender_message_size(u->tx[i]);
    if (u->reserved[i]) {
        u->reserved[i] = false;
        int r = how & 1 ? shmchan_commit(u->tx[i], how % (size + 1)) : shmchan_abort(u->tx[i]);
        require(r <= 0);
    } else if (shmchan_reserve(u->tx[i], &slot, 0) == 0) {
        memset(slot, how, size);
        u->reserved[i] = true;
    }
}

static void inspect(void)
{
    struct shmchan_snapshot snapshot;
    struct shmchan_sender_state *senders = calloc(SENDERS, sizeof *senders);
    ssize_t n = shmchan_inspect_senders(name, &snapshot, senders, SENDERS);
    require(n <= (ssize_t)SENDERS);
    for (ssize_t i = 0; i < n; i++)
        require(memchr(senders[i].process.command, '\0', sizeof senders[i].process.command));
    if (n >= 0)
        require(memchr(snapshot.type, '\0', sizeof snapshot.type));
    free(senders);
}

static int visit(const char *found, void *user)
{
    (void)user;
    return strlen(found) > SHMCHAN_NAME_MAX + 1;
}

/* Every call once or a few times. */
static void use_all(struct users *u)
{
    inspect();
    open_receiver(u);
    for (int i = 0; i < 3; i++)
        receive_one(u, 0);
    receive_many(u);
    open_sender(u, 0);
    send_one(u, 0, UINT32_MAX);
    send_many(u, 0, BATCH);
    send_one(u, 0, 3);
    reserve_or_commit(u, 0, 1);
    reserve_or_commit(u, 0, 1);
    peek_and_release(u);
    open_sender(u, 1);
    send_many(u, 1, 2);
    for (int i = 0; i < 12; i++)
        receive_many(u);
    peek_and_release(u);
    inspect();
}

/* The input's own order of calls and damage. */
static void run_commands(struct users *u, const struct region *r, char *live, struct input *in)
{
    for (int n = 0; n < COMMANDS && in->left; n++) {
        uint8_t command = take8(in);
        unsigned i = command >> 7;
        switch (command & 15) {
        case 0:
        case 1:
        case 2:
        case 3:
            damage(r, live, r->size, in);
            break;
        case 4:
            open_receiver(u);
            break;
        case 5:
            open_sender(u, i);
            break;
        case 6:
            receive_one(u, command >= 0xf0);
            break;
        case 7:
            receive_many(u);
            break;
        case 8:
            peek_and_release(u);
            break;
        case 9:
            send_one(u, i, command & 0x40 ? UINT32_MAX : command >> 4);
            break;
        case 10:
            send_many(u, i, command >> 4 & 7);
            break;
        case 11:
            reserve_or_commit(u, i, command >> 4);
            break;
        case 12:
            inspect();
            break;
        case 13:
            if (command & 0x10)
                close_receiver(u);
            else
                close_sender(u, i);
            break;
        case 14:
            if (u->rx && !u->tx[i] && shmchan_sender_of(u->rx, &u->tx[i]) < 0)
                u->tx[i] = NULL;
            u->reserved[i] = false;
            break;
        default:
            if (u->tx[0] && !u->tx[1] && shmchan_sender_clone(u->tx[0], &u->tx[1]) < 0)
                u->tx[1] = NULL;
            u->reserved[1] = false;
            break;
        }
    }
}

/* ------------------------------------------------------------------------------------------------ runs */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (runs++ == 0)
        begin();
    int free_before = free_descriptor();
    struct input in = {.bytes = data, .left = size};
    uint8_t mode = take8(&in), bits = take8(&in);
    struct region r = {.bytes = room};
    make_region(&r, &in, mode, bits);
    guard_geometry = r.g;

    struct users u = {0};
    int fd = write_region(&r);
    if (mode % 4 == 2) {
        char *live = __real_mmap64(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        require(live != MAP_FAILED);
        run_commands(&u, &r, live, &in);
        __real_munmap(live, r.size);
    } else {
        use_all(&u);
    }
    if (bits & HAS_LIST && runs % 64 == 1)
        shmchan_list(visit, NULL);
    close_receiver(&u);
    close_sender(&u, 0);
    close_sender(&u, 1);
    close(fd);
    require(free_descriptor() == free_before);
    return 0;
}
